#!/bin/sh
# all-modules.sh - mezzo-module-check over every module that was built. A module
# that needs settings has them beside it, as kit.yaml; what an isolator's containers
# shall be like is in kit-container.yaml. Speaks TAP.
# SPDX-License-Identifier: Apache-2.0
set -u
src=${MEZZO_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${MEZZO_BUILD:-$PWD}
export MZ_LIBEXEC_DIR="$build/core/bin"
n=0
failed=0
for so in "$build"/modules/*/*.so; do
	[ -f "$so" ] || continue
	kind=$(basename "$(dirname "$so")")
	name=$(basename "$so" .so)
	dir=$src/modules/$kind/$name
	n=$((n + 1))
	set -- -p "$dir/$name.md"
	[ ! -f "$dir/kit.yaml" ] || set -- "$@" -s "@$dir/kit.yaml"
	[ ! -f "$dir/kit-container.yaml" ] || set -- "$@" -c "@$dir/kit-container.yaml"
	if out=$("$build/mezzo-module-check" "$@" "$so" 2>&1); then
		echo "ok $n - $kind/$name"
		echo "$out" | grep '# SKIP' | sed 's/^/# /'
	else
		failed=1
		echo "not ok $n - $kind/$name"
		echo "$out" | grep -v '^ok' | sed 's/^/# /'
	fi
done
if [ $n -eq 0 ]; then
	echo "Bail out! no module in $build/modules"
	exit 1
fi
echo "1..$n"
exit $failed
