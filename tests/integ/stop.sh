#!/usr/bin/env bash
# SIGTERM is a clean stop of master and agent, exit status 0; the records are there
# after it; a second signal stops at once.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq

gone()
{
	! kill -0 "$1" 2>/dev/null
}

# stops WHAT PID WANTED-STATUS SIGNAL
stops()
{
	kill "-$4" "$2"
	if until_true 20 gone_or_zombie "$2"; then
		wait "$2" 2>/dev/null
		is "$1 stops on SIG$4" "$?" "$3"
	else
		fail "$1 stops on SIG$4" "still there after 20 s"
		kill -KILL "$2"
	fi
}

gone_or_zombie()
{
	gone "$1" || grep -q '^State:[[:space:]]*Z' "/proc/$1/status"
}

start_cluster
id=$(get "http://$MASTER/slaves" | jq -r '.slaves[0].id')
stops "an agent" "${AGENT_PID[agent]}" 0 TERM
wait_for 20 "the master to see that the agent is gone" agents_are 0
stops "a master" "$MASTER_PID" 0 TERM
like "the master says why it stops" "$(cat "$T/master.log.now")" "[Ss]topping"
ok "nothing of them is left" test -z "$(pgrep -f "$T/" || true)"

# ---- again, on the same directories ----
start_master
start_agent agent
wait_for 60 "the agent to come back" agents_are 1
is "the agent keeps its id over a clean stop" "$(get "http://$MASTER/slaves" | jq -r '.slaves[] | select(.active) | .id')" "$id"
stops "an agent" "${AGENT_PID[agent]}" 0 INT

# ---- twice ----
# Two signals at once: whether the daemon got to the end of the clean stop or not,
# it is gone, and quickly.
kill -TERM "$MASTER_PID"
kill -TERM "$MASTER_PID" 2>/dev/null
ok "two signals stop at once" until_true 5 gone_or_zombie "$MASTER_PID"
wait "$MASTER_PID" 2>/dev/null
like "its status is a clean stop, or the signal" "$?" '^(0|143)$'
done_testing
