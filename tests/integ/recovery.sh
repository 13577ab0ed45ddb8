#!/usr/bin/env bash
# kill -9 of agent and master: tasks of a checkpointing framework go on and their exact
# end arrives; updates that nobody acknowledged come again; agents and frameworks come
# back to a new master.
# timeout: 300
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq
start_cluster --set registration_backoff=200ms
info='{"user":"root","name":"recovery","checkpoint":true,"failover_timeout":600}'
[ "$(id -u)" -eq 0 ] || info=$(jq -c --arg u "$(id -un)" '.user = $u' <<<"$info")

subscribe f "$info"
mkfifo "$T/end"
chmod 666 "$T/end"

# ---- the agent dies, the task goes on ----
OFFER=$(offer f)
is "launch" "$(launch f "$OFFER" survivor "echo up; read -r code <$T/end; echo \"code \$code\"; exit \$code")" 202
wait_for 30 "the task to run" reached f survivor TASK_RUNNING
pid=$(pgrep -f "read -r code <$T/end" | head -n 1)
shim=$(get "${AGENT_URL[agent]}/containers" | jq '.[0].status.executor_pid')
stop_hard "${AGENT_PID[agent]}"
wait_for 30 "the master to see that the agent is gone" agents_are 0
ok "the task goes on without its agent" kill -0 "$pid"
start_agent agent
wait_for 60 "the agent to come back" agents_are 1
is "it is the same agent" "$(get "http://$MASTER/slaves" | jq '.slaves | length')" 1
ok "the task still runs, in the same process" kill -0 "$pid"
is "as which it is shown" "$(get "${AGENT_URL[agent]}/containers" | jq '.[0].status.executor_pid')" "$shim"
is "no end of it was made up" "$(events f | jq -r 'select(.type == "UPDATE") | .update.status.state' | grep -cE 'FAILED|LOST|KILLED|GONE')" 0
touch "$T/f.hold"	# nobody acknowledges what comes now
echo 7 >"$T/end"
ok "its end arrives" until_true 60 reached f survivor TASK_FAILED
like "with the exact exit status" "$(events f | jq -r 'select(.type == "UPDATE") | .update.status | select(.state == "TASK_FAILED") | .message' | head -n 1)" '\b7\b'

# ---- an update that is not acknowledged comes again ----
n_ends()
{
	[ "$(events f | jq -r 'select(.type == "UPDATE") | .update.status | select(.task_id.value == "survivor" and .state == "TASK_FAILED") | .uuid' | wc -l)" -ge "$1" ]
}
stop_hard "${AGENT_PID[agent]}"
start_agent agent
wait_for 60 "the agent to come back" agents_are 1
ok "after a restart of the agent the update comes again" until_true 60 n_ends 2
rm "$T/f.hold"
is "with the same uuid" "$(events f | jq -r 'select(.type == "UPDATE") | .update.status | select(.task_id.value == "survivor" and .state == "TASK_FAILED") | .uuid' | sort -u | wc -l)" 1

# ---- a task that ends while the agent is dead ----
OFFER=$(offer f)
is "launch" "$(launch f "$OFFER" unseen "echo up; read -r code <$T/end; exit \$code")" 202
wait_for 30 "the task to run" reached f unseen TASK_RUNNING
pid=$(pgrep -f "read -r code <$T/end; exit" | head -n 1)
stop_hard "${AGENT_PID[agent]}"
echo 0 >"$T/end"
ok "the task ends while nobody looks" until_true 20 eval "! kill -0 $pid || grep -q '^State:[[:space:]]*Z' /proc/$pid/status"
start_agent agent
ok "its end arrives all the same" until_true 60 reached f unseen TASK_FINISHED

# ---- the master dies ----
OFFER=$(offer f)
is "launch" "$(launch f "$OFFER" master-dies "echo up; read -r code <$T/end; exit \$code")" 202
wait_for 30 "the task to run" reached f master-dies TASK_RUNNING
pid=$(pgrep -f "read -r code <$T/end; exit" | head -n 1)
id=$FRAMEWORK
agent_id=$(get "http://$MASTER/slaves" | jq -r '.slaves[0].id')
stop_hard "$MASTER_PID"
ok "the task goes on without a master" kill -0 "$pid"
start_master
wait_for 60 "the agent to come back to the new master" agents_are 1
is "with its id" "$(get "http://$MASTER/slaves" | jq -r '.slaves[] | select(.active) | .id')" "$agent_id"
knows_task()
{
	[ "$(get "http://$MASTER/tasks" | jq -r '.tasks[] | select(.id == "master-dies") | .state' | head -n 1)" = TASK_RUNNING ]
}
ok "with its task" until_true 30 knows_task
subscribe g "$info" "$id"
is "the framework subscribes with its id" "$FRAMEWORK" "$id"
is "reconcile" "$(call '{"type":"RECONCILE","reconcile":{"tasks":[{"task_id":{"value":"master-dies"}}]}}')" 202
ok "says that the task runs" until_true 20 reached g master-dies TASK_RUNNING
echo 0 >"$T/end"
ok "its end arrives at the new subscription" until_true 60 reached g master-dies TASK_FINISHED
OFFER=$(offer g)
is "and new tasks can be launched" "$(launch g "$OFFER" after true)" 202
ok "and end" until_true 30 reached g after TASK_FINISHED

# ---- a framework that does not checkpoint ----
info=$(jq -c 'del(.checkpoint) | .name = "forgetful"' <<<"$info")
call '{"type":"TEARDOWN"}' >/dev/null
subscribe h "$info"
OFFER=$(offer h)
is "launch without checkpointing" "$(launch h "$OFFER" lost 'exec tail -f /dev/null')" 202
wait_for 30 "the task to run" reached h lost TASK_RUNNING
stop_hard "${AGENT_PID[agent]}"
start_agent agent
wait_for 60 "the agent to come back" agents_are 1
ended()
{
	has_event h 'select(.type == "UPDATE" and .update.status.task_id.value == "lost") | .update.status.state | select(. == "TASK_LOST" or . == "TASK_FAILED" or . == "TASK_KILLED" or . == "TASK_GONE")'
}
ok "its task is reported as ended" until_true 60 ended
done_testing
