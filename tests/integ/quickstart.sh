#!/usr/bin/env bash
# ./quickstart --once, as a new user types it: on the tree that is built already, so
# that this is its second start. Skipped where the tests run in another build tree.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
[ "$MEZZO_BUILD" = "$MEZZO_SRC/build" ] || skip_all "the build tree is not the one that quickstart uses"

started=$SECONDS
out=$(timeout 150 "$MEZZO_SRC/quickstart" --once --keep "$T/keep" </dev/null 2>"$T/quickstart-err.log")
status=$?
printf '%s\n' "$out" >"$T/quickstart.log"
is "its exit status is the job's" "$status" 0
[ "$status" -eq 0 ] || fail "what it said" "$out" "$(cat "$T/quickstart-err.log")"
like "it says where the master listens" "$out" 'Master http://127\.0\.0\.1:[0-9]+'
is "the job's output is there" "$(grep -c '^line [123] of 3$' <<<"$out")" 3
ok "a second start takes seconds" test $((SECONDS - started)) -lt 60
is "nothing runs after it" "$(pgrep -fc "$T/keep" || true)" 0
ok "--keep keeps the work directories" test -d "$T/keep/master" -a -d "$T/keep/agent-1" -a -d "$T/keep/agent-2"
out=$("$MEZZO_SRC/quickstart" --frob 2>&1)
is "an unknown option is refused" $? 2
done_testing
