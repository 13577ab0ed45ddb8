#!/usr/bin/env bash
# tools/run-tests leaves nothing running when it is told to stop: tests that end when
# they are asked clear up first, those that do not are killed, and so are their
# children. It counts what it ran; two tests run at once, and who wants to be alone is.
# timeout: 120
#
# SPDX-License-Identifier: Apache-2.0
set -um
src=${MEZZO_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
T=$(mktemp -d "${TMPDIR:-/tmp}/mezzo-run-tests.XXXXXX") || exit 1
# What a runner that does not do its work would leave behind.
clear_up()
{
	local f
	for f in "$T"/*.pid "$T"/*.child; do
		[ -f "$f" ] && kill -KILL "$(cat "$f")" 2>/dev/null
	done
	rm -rf "$T"
}
trap clear_up EXIT
n=0
failed=0

# ok NAME COMMAND…
ok()
{
	local name=$1
	shift
	n=$((n + 1))
	if "$@"; then
		echo "ok $n - $name"
	else
		failed=1
		echo "not ok $n - $name"
		sed 's/^/# /' "$T/out" "$T/err"
	fi
}

until_true()
{
	local end=$((SECONDS + 30))
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		read -rt 0.05 <><(:) || true
	done
}

printf 'print-tests:\n\t@cat tests\n' >"$T/Makefile"
cat >"$T/polite" <<'END'
#!/usr/bin/env bash
trap 'echo cleared >polite.end; exit 143' TERM
echo $$ >polite.pid
sleep 1000 &
echo $! >polite.child
wait
END
cat >"$T/stubborn" <<'END'
#!/usr/bin/env bash
trap '' TERM INT HUP
echo $$ >stubborn.pid
while :; do sleep 1; done
END
sed -e "s/^trap .*/trap 'exit 0' TERM/" -e 's/sleep 1$/sleep 0.1/' "$T/stubborn" >"$T/willing"
printf '#!/bin/sh\necho ok 1 - good\necho 1..1\n' >"$T/good"
printf '#!/bin/sh\necho not ok 1 - bad\necho 1..1\n' >"$T/bad"
chmod +x "$T/polite" "$T/stubborn" "$T/willing" "$T/good" "$T/bad"

running()
{
	[ -s "$T/polite.child" ] && [ -s "$T/stubborn.pid" ]
}
# What nobody has waited for yet has ended all the same.
gone()
{
	local f
	for f in polite.pid polite.child stubborn.pid; do
		grep -qsv '^State:.*Z' <(grep -s '^State:' "/proc/$(cat "$T/$f")/status") && return 1
	done
	return 0
}

for sig in TERM INT HUP; do
	# The stubborn one takes its ten seconds.
	other=stubborn
	[ $sig = TERM ] || other=willing
	rm -f "$T"/*.pid "$T"/*.child "$T"/*.end
	printf 'unit polite\nunit %s\n' "$other" >"$T/tests"
	"$src/tools/run-tests" --build "$T" --src "$T" unit >"$T/out" 2>"$T/err" &
	pid=$!
	ok "$sig: two tests run" until_true running
	kill -s "$sig" "$pid"
	wait "$pid"
	status=$?
	ok "$sig: the exit status says so" [ "$status" -eq $((128 + $(kill -l "$sig"))) ]
	ok "$sig: nothing of them runs any more" gone
	ok "$sig: the one that cares could clear up" [ -f "$T/polite.end" ]
done

printf 'unit good\nunit bad\n' >"$T/tests"
"$src/tools/run-tests" --build "$T" --src "$T" unit >"$T/out" 2>"$T/err"
ok "a failed test fails the run" [ $? -eq 1 ]
ok "and both are counted" [ "$(tail -n 1 "$T/out")" = "1 passed, 1 failed, 0 skipped" ]

# Two that wait for each other, of different suites, and one that must not meet them.
for one in a:b b:a; do
	cat >"$T/meet-${one%:*}" <<END
#!/usr/bin/env bash
: >${one%:*}.here
for i in {1..600}; do [ ! -e ${one#*:}.here ] || break; sleep 0.05; done
[ -e ${one#*:}.here ] || exit 1
: >${one%:*}.done
END
done
printf '#!/bin/sh\n# alone: it looks for the others\ntest -e a.done && test -e b.done && : >alone.done\n' >"$T/alone"
chmod +x "$T"/meet-* "$T/alone"
printf 'unit alone\nunit meet-a\ninteg meet-b\ninteg good\n' >"$T/tests"
"$src/tools/run-tests" --build "$T" --src "$T" unit integ >"$T/out" 2>"$T/err"
ok "two tests run at a time, whatever their suites" [ -e "$T/a.done" -a -e "$T/b.done" ]
ok "who wants to be alone comes last" [ -e "$T/alone.done" ]
ok "all are counted" [ "$(tail -n 1 "$T/out")" = "4 passed, 0 failed, 0 skipped" ]
echo "1..$n"
exit $failed
