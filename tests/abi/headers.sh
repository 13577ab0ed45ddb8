#!/bin/sh
# headers.sh - every public header alone, as C11, gnu11 and C++, today's and the
# frozen ones of each released ABI; and a module needs nothing but them.
# SPDX-License-Identifier: Apache-2.0
set -u
src=${MEZZO_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
cc=${CC:-cc}
cxx=${CXX:-c++}
n=0
failed=0

try() { # NAME COMMAND…
	what=$1
	shift
	n=$((n + 1))
	if out=$("$@" 2>&1); then
		echo "ok $n - $what"
	else
		failed=1
		echo "not ok $n - $what"
		echo "$out" | sed 's/^/# /'
	fi
}

strict="-Wall -Wextra -Wshadow -Wstrict-prototypes -Werror -DMZ_MODULE_ABI=1 -fsyntax-only"
for inc in "$src/include" "$src/tests/abi/v1"; do
	for h in "$inc"/mezzo/*.h; do
		name=${inc#"$src/"}/mezzo/$(basename "$h")
		# shellcheck disable=SC2086
		try "$name as C11" $cc -std=c11 -pedantic $strict -I"$inc" -x c "$h"
		# shellcheck disable=SC2086
		try "$name as gnu11" $cc -std=gnu11 $strict -I"$inc" -x c "$h"
		if command -v "$cxx" >/dev/null; then
			try "$name as C++17" "$cxx" -std=c++17 -pedantic -Wall -Wextra -Werror -DMZ_MODULE_ABI=1 \
				-fsyntax-only -I"$inc" -x c++ "$h"
		else
			n=$((n + 1))
			echo "ok $n - $name as C++17 # SKIP no C++ compiler"
		fi
	done
done

# Without the ABI number, or with another, the compiler says what to do.
for abi in '' -DMZ_MODULE_ABI=2; do
	n=$((n + 1))
	# shellcheck disable=SC2086
	if out=$($cc $abi -fsyntax-only -I"$src/include" -x c "$src/include/mezzo/isolator.h" 2>&1) ||
		! echo "$out" | grep -q 'MZ_MODULE_ABI'; then
		failed=1
		echo "not ok $n - '$abi' is refused by the compiler"
	else
		echo "ok $n - '$abi' is refused by the compiler"
	fi
done

# What the frozen headers said is still so: layout.c holds it against both.
for inc in "$src/include" "$src/tests/abi/v1"; do
	try "layout of ${inc#"$src/"}" $cc -std=gnu11 -Wall -Werror -fsyntax-only -I"$inc" -I"$src/tests/abi" "$src/tests/abi/layout.c"
done
echo "1..$n"
exit $failed
