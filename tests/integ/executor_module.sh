#!/usr/bin/env bash
# An executor module from outside of the tree, named in the agent's configuration:
# tasks with a command are what it makes of them.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq cc make pkg-config
ok "examples/executor-countdown builds against the public headers alone, and is installed" \
	install_example executor-countdown
so=$T/modules/executor/countdown.so
ok "the checker has nothing to say" "$MEZZO_BUILD/mezzo-module-check" -p "$T/examples/executor-countdown/countdown.md" "$so"

out=$("$MEZZOD" agent -c "$MEZZO_SRC/conf/agent-1.yaml" --work-dir "$T/c" --set command_executor=none_such --check-config 2>&1)
ok "a module that is not there is refused at the start" test $? -ne 0
like "with the setting's name" "$out" "command_executor.*No module 'executor/none_such'"
out=$("$MEZZOD" agent -c "$MEZZO_SRC/conf/agent-1.yaml" --work-dir "$T/c" \
	--set pod_executor="$MEZZO_BUILD/modules/isolator/posix_cpu.so" --check-config 2>&1)
ok "and so is one of another kind" test $? -ne 0
like "with its file" "$out" "pod_executor.*posix_cpu.so"

start_master
start_agent agent --set "command_executor=$so"
wait_for 30 "the agent to register" agents_are 1
out=$(timeout 60 "$MEZZO" run --command 3 2>"$T/err")
is "a task that the module runs ends well" $? 0
is "it did what the module does" "$(tr '\n' ' ' <<<"$out")" "3 2 1 "
timeout 60 "$MEZZO" run --command 'echo no number' >"$T/out" 2>"$T/err"
is "what it cannot run fails" $? 1
like "with its message" "$(cat "$T/err")" 'must be a number'
task=$("$MEZZO" run --detach --name long --command 1000 2>/dev/null)
running()
{
	[ "$(get "http://$MASTER/tasks" | jq -r '[.tasks[] | select(.name == "long")][0].state')" = "$1" ]
}
ok "a long one runs" until_true 20 running TASK_RUNNING
stop_hard "${AGENT_PID[agent]}"
start_agent agent --set "command_executor=$so"
wait_for 30 "the agent to return" agents_are 1
ok "over a restart of the agent" until_true 20 running TASK_RUNNING
ok "mezzo kill" timeout 60 "$MEZZO" kill "$task"
ok "the module has ended it" until_true 20 running TASK_KILLED
api '{"type":"GET_TASKS"}' >/dev/null
is "in its own words" "$(jq -r --arg t "$task" '.get_tasks.completed_tasks[] | select(.task_id.value == $t) | .statuses[-1].message' "$T/answer")" Held
done_testing
