#!/usr/bin/env bash
# `mezzo run`, the main job: argv and shell commands, exit status, output complete and
# in order, environment, several instances, Ctrl-C.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq
start_cluster

run()
{
	timeout 60 "$MEZZO" run --resources 'cpus:0.1;mem:32' "$@"
}

# run_is NAME STATUS STDOUT ARGUMENT…
run_is()
{
	local name=$1 status=$2 wanted=$3 out got
	shift 3
	out=$(run "$@" 2>"$T/err")
	got=$?
	if [ "$got" -ne "$status" ]; then
		fail "$name" "exit status $got, not $status" "$(cat "$T/err")"
	elif [ "$out" != "$wanted" ]; then
		fail "$name" "got:      $out" "expected: $wanted"
	else
		pass "$name"
	fi
}

run_is "true" 0 "" -- true
run_is "false" 1 "" -- false
run_is "an exit status" 42 "" --command 'exit 42'
run_is "stdout" 0 "hello" --command 'echo hello'
run_is "argv is handed on as it is" 0 "a b|*|\$HOME|" -- printf '%s|' 'a b' '*' '$HOME'
run_is "the environment" 0 "one two" --env 'GREETING=one two' --command 'echo "$GREETING"'
run_is "nothing of the agent's environment" 0 "none" --command 'echo "${MEZZO_MASTER:-none}"'
run_is "the sandbox is the working directory" 0 "same" --command '[ "$PWD" -ef "$MESOS_SANDBOX" ] && echo same'
run_is "killed by a signal" 137 "" --command 'kill -KILL $$'

out=$(run --command 'echo out; echo err >&2' 2>"$T/err")
is "stderr is not stdout" "$out" out
like "stderr is there" "$(cat "$T/err")" '^err$'

run --command 'seq 1 200000' >"$T/seq" 2>"$T/err"
is "much output, exit status" $? 0
seq 1 200000 | cmp -s - "$T/seq"
is "much output is complete and in order" $? 0

is "what follows a NUL is not lost" "$(run --command 'printf "a\\0b\\n"' 2>"$T/err" | od -An -c | tr -d ' ')" 'a\0b\n'

run -- /no/such/program >"$T/out" 2>"$T/err"
status=$?
ok "a program that does not exist fails" test $status -ne 0
like "and is named" "$(cat "$T/err" "$T/out")" '/no/such/program'

# ---- several ----
run --instances 5 --command 'echo x$((6 * 7))' >"$T/out" 2>"$T/err"
is "five instances, exit status" $? 0
is "five instances, five lines" "$(grep -c 'x42$' "$T/out")" 5
run --instances 3 --command 'exit 3' >/dev/null 2>&1
is "instances that fail" $? 3

# ---- output while it runs ----
mkfifo "$T/go"
timeout 60 "$MEZZO" run --command "echo first; cat $T/go; echo last" >"$T/live" 2>"$T/err" &
pid=$!
ok "output comes while the task runs" until_true 20 grep -q first "$T/live"
ok "the task is still there" kill -0 $pid
echo middle >"$T/go"
wait $pid
is "it ends" $? 0
is "in order" "$(tr '\n' ' ' <"$T/live")" "first middle last "

# ---- Ctrl-C ----
# A job of a shell that is not interactive ignores SIGINT; env gives it back.
env --default-signal=INT "$MEZZO" run --name stopme --command "echo up; exec cat $T/go" >"$T/live" 2>"$T/err" &
pid=$!
wait_for 20 "the task to run" grep -q up "$T/live"
kill -INT $pid
if until_true 20 eval "! kill -0 $pid || grep -q '^State:[[:space:]]*Z' /proc/$pid/status"; then
	wait $pid
	like "Ctrl-C ends the run, and says so in the exit status" $? '^(130|143|137)$'
else
	fail "Ctrl-C ends the run" "it still runs after 20 s"
	kill -KILL $pid
fi
task_state()
{
	[ "$(get "http://$MASTER/tasks" | jq -r --arg n "$1" '[.tasks[] | select(.name == $n)][0].state')" = "$2" ]
}
ok "the task was killed" until_true 20 task_state stopme TASK_KILLED
ok "its process is gone" until_true 20 eval "! pgrep -f 'cat $T/go'"

# ---- detached ----
"$MEZZO" run --name away --detach --command "echo here; exec cat $T/go" >"$T/out" 2>"$T/err"
is "--detach returns" $? 0
ok "the task runs" until_true 20 task_state away TASK_RUNNING
task=$(get "http://$MASTER/tasks" | jq -r '.tasks[] | select(.name == "away") | .id')
like "its id was printed" "$(cat "$T/out")" "$task"
like "mezzo tasks shows it" "$("$MEZZO" tasks 2>&1)" "away"
log_has()
{
	"$MEZZO" logs "$1" 2>&1 | grep -q "$2"
}
ok "mezzo logs prints its output" until_true 20 log_has "$task" '^here$'
pid=$(pgrep -f "cat $T/go")
stop_hard "${AGENT_PID[agent]}"
start_agent agent
ok "the agent is killed and comes back" until_true 30 agents_are 1
ok "the task runs" until_true 20 task_state away TASK_RUNNING
is "in the same process" "$(pgrep -f "cat $T/go")" "$pid"
ok "mezzo kill" timeout 60 "$MEZZO" kill "$task"
ok "the task was killed" until_true 20 task_state away TASK_KILLED

# ---- what cannot be ----
out=$(run --resources 'cpus:many' -- true 2>&1)
is "resources that cannot be read" $? 2
like "are named" "$out" many
out=$(timeout 20 "$MEZZO" --master 127.0.0.1:1 agents 2>&1)
ok "no master there" test $? -ne 0
like "is said, with the address" "$out" '127\.0\.0\.1:1'

# ---- what is left ----
tasks_left()
{
	[ "$(get "${AGENT_URL[agent]}/containers" | jq length)" = "$1" ]
}
ok "no container is left on the agent" until_true 20 tasks_left 0
is "every resource is free again" \
	"$(get "http://$MASTER/slaves" | jq '.slaves[0].used_resources | .cpus + .mem')" 0
ok "mezzo modules names the modules" eval "'$MEZZO' modules | grep -q drf"
done_testing
