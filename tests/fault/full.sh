#!/usr/bin/env bash
# A full disk under the records: the daemon stops, says why, and what it had promised
# is there when it is started again. And no file descriptors left: it goes on.
# timeout: 300
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq
[ "$(id -u)" -eq 0 ] || skip_all "mounting needs root"
mkdir "$T/agent"
mount -t tmpfs -o size=4m tmpfs "$T/agent" 2>/dev/null || skip_all "no tmpfs can be mounted here"
unmount()
{
	local status=$?
	kill_leftovers 2>/dev/null
	umount -l "$T/agent" 2>/dev/null
	(exit $status)
	cleanup
}
trap unmount EXIT
start_cluster --set registration_backoff=200ms
subscribe f '{"user":"root","name":"full","checkpoint":true,"failover_timeout":600}'
touch "$T/f.hold" # nothing is acknowledged for now
wait_for 20 "an offer" has_event f 'select(.type == "OFFERS")'
o=$(offer f)
is "launch" "$(launch f "$o" before 'exec tail -f /dev/null')" 202
wait_for 30 "the task to start" reached f before TASK_STARTING
# The agent has promised to tell RUNNING.

# ---- no room ----
dd if=/dev/zero of="$T/agent/filler" bs=4096 2>/dev/null
newer()
{
	[ "$(offer f | jq -r .id.value)" != "$(jq -r .id.value <<<"$o")" ]
}
wait_for 30 "another offer" newer
launch f "$(offer f)" large 'true' '.data = ("QUFB" * 20000)' >/dev/null
dead()
{
	! kill -0 "${AGENT_PID[agent]}" || grep -q '^State:[[:space:]]*Z' "/proc/${AGENT_PID[agent]}/status"
}
ok "the agent stops" until_true 30 dead
wait "${AGENT_PID[agent]}"
status=$?
ok "with a status that says so" test "$status" -ne 0
like "and a reason" "$(tail -n 5 "$T/agent.log.now")" '[Nn]o space left|ENOSPC|full'
is "nothing was told of the task that is not on record" \
	"$(events f | jq -r 'select(.type == "UPDATE") | .update.status | select(.task_id.value == "large") | .state' | grep -cE 'STARTING|RUNNING|FINISHED')" 0

# ---- room again ----
rm "$T/agent/filler"
start_agent agent --set registration_backoff=200ms
wait_for 60 "the agent to be back" agents_are 1
rm "$T/f.hold"
ok "what it had promised to tell, it tells" until_true 60 reached f before TASK_RUNNING
is "no end of the task was made up" "$(events f | jq -r 'select(.type == "UPDATE") | .update.status | select(.task_id.value == "before") | .state' | grep -cvE 'STARTING|RUNNING')" 0
large_known()
{
	call '{"type":"RECONCILE","reconcile":{"tasks":[{"task_id":{"value":"large"}}]}}' >/dev/null
	has_event f 'select(.type == "UPDATE" and .update.status.task_id.value == "large")'
}
ok "the other task is known to be lost" until_true 30 large_known

# ---- no descriptors ----
stop_hard "${AGENT_PID[agent]}"
ulimit -S -n 64
start_agent agent --set registration_backoff=200ms
ulimit -S -n "$(ulimit -H -n)"
wait_for 60 "the agent to be back" agents_are 1
hostport=${AGENT_URL[agent]#http://}
fds=()
for ((i = 0; i < 100; i++)); do
	exec {fd}<>"/dev/tcp/${hostport%:*}/${hostport#*:}" || break
	fds+=("$fd")
done 2>/dev/null
is "connections were opened" "${#fds[@]}" 100
ok "the agent survives them" kill -0 "${AGENT_PID[agent]}"
is "the master still has it" "$(get "http://$MASTER/slaves" | jq '[.slaves[] | select(.active)] | length')" 1
for fd in "${fds[@]}"; do exec {fd}>&-; done
healthy()
{
	[ "$(get -o /dev/null -w '%{http_code}' "${AGENT_URL[agent]}/health")" = 200 ]
}
ok "and answers when they are gone" until_true 30 healthy
launched()
{
	local o
	o=$(offer f)
	launch f "$o" after true >/dev/null
	until_true 5 has_event f 'select(.type == "UPDATE" and .update.status.task_id.value == "after") | select(.update.status.state | IN("TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"))'
}
ok "and runs tasks" until_true 30 launched
done_testing
