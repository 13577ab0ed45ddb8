#!/usr/bin/env bash
# Checks of a pod's tasks, each in its own container: commands that see what the task
# sees, HTTP and TCP, checks that do not end, a kill -9 of the agent meanwhile; and
# max_completion_time and kill policies of such tasks.
# timeout: 300
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq
fileserver=$MEZZO_BUILD/tests/integ/fileserver
[ -x "$fileserver" ] || skip_all "fileserver is not built"
mkdir "$T/files"
: >"$T/forever"
chmod 777 "$T/files"
"$fileserver" "$T/files" >"$T/server.out" 2>&1 &
pids+=("$!")
wait_for 20 "the server" grep -q listens "$T/server.out"
port=$(sed 's/.*://' "$T/server.out")
echo 503 >"$T/files/web"

start_cluster --set registration_backoff=200ms
subscribe fw "$(jq -nc --arg u "$(id -un)" '{user: $u, name: "podchecks", checkpoint: true, failover_timeout: 600,
	capabilities: [{type: "TASK_KILLING_STATE"}]}')"
offer=$(offer fw)
resources='[{"name":"cpus","type":"SCALAR","scalar":{"value":0.1}},{"name":"mem","type":"SCALAR","scalar":{"value":32}},
	{"name":"disk","type":"SCALAR","scalar":{"value":1}}]'

# task GROUP ID COMMAND JQ-CHANGE: one more of a group
task()
{
	jq -c --arg id "$2" --arg sh "$3" --argjson r "$resources" "{name: \$id, task_id: {value: \$id}, agent_id: .agent_id,
		command: {shell: true, value: \$sh, environment: {variables: [{name: \"OWN\", value: \"task\"}]}},
		resources: \$r} | $4" <<<"$offer" >>"$T/group.$1"
}

statuses()
{
	statuses_of fw "$1" | jq -c '{state, reason, healthy, check_status, message}'
}

has()
{
	[ -n "$(statuses "$1" | jq -c "select($2)")" ]
}

# checks_inside: how many containers are nested in a task's
checks_inside()
{
	curl -sS -H 'Content-Type: application/json' -d '{"type":"GET_CONTAINERS","get_containers":{"show_nested":true}}' \
		"${AGENT_URL[agent]}/api/v1" | jq '[(.get_containers.containers // [])[].container_id | select(.parent.parent)] | length'
}

# Each failure is an update, which a script has to acknowledge before the next one comes.
slow='delay_seconds: 0, interval_seconds: 2, grace_period_seconds: 0, consecutive_failures: 1000000'
fast='delay_seconds: 0, interval_seconds: 0.05, grace_period_seconds: 0'
health_reason='.reason == "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"'
check_reason='.reason == "REASON_TASK_CHECK_STATUS_UPDATED"'
echo 3 >"$T/files/status"

task one cmd 'echo here >mark; exec sleep 1000' \
	". + {health_check: {type: \"COMMAND\", $slow, command: {value: \"test \$OWN\$MORE = taskcheck && test ! -e $T/files/bad\",
		environment: {variables: [{name: \"MORE\", value: \"check\"}]}}}}"
task one code 'exec sleep 1000' \
	". + {check: {type: \"COMMAND\", delay_seconds: 0, interval_seconds: 0.1, command: {command: {value: \"exit \$(cat $T/files/status)\"}}}}"
task one web 'exec sleep 1000' ". + {health_check: {type: \"HTTP\", $slow, http: {port: $port, path: \"/code/web\"}}}"
task one tcp 'exec sleep 1000' ". + {check: {type: \"TCP\", delay_seconds: 0, interval_seconds: 0.1, tcp: {port: $port}}}"
task two sick 'trap "exit 0" TERM; while :; do sleep 0.05; done' \
	". + {health_check: {type: \"COMMAND\", $fast, consecutive_failures: 2, command: {shell: false, value: \"false\"}}}"
task two mate 'exec sleep 1000' .
task three stalls 'exec sleep 1000' \
	". + {health_check: {type: \"COMMAND\", $fast, timeout_seconds: 0.3, consecutive_failures: 2, command: {value: \"exec tail -f $T/forever\"}}}"
task four long 'exec sleep 1000' '. + {max_completion_time: {nanoseconds: 300000000}}'
task five stubborn 'trap "" TERM; echo up; while :; do sleep 0.05; done' \
	'. + {kill_policy: {grace_period: {nanoseconds: 400000000}}}'

operations=$(for g in one two three four five; do
	jq -cs --arg g $g --argjson r "$resources" '{type: "LAUNCH_GROUP", launch_group: {executor: {type: "DEFAULT",
		executor_id: {value: $g}, resources: $r}, task_group: {tasks: .}}}' "$T/group.$g"
done | jq -cs .)
is "five pods" "$(call "$(jq -c --argjson o "$operations" \
	'{type: "ACCEPT", accept: {offer_ids: [.id], operations: $o}}' <<<"$offer")")" 202

# ---- commands ----
ok "a command finds a task healthy, with its environment and the check's own" until_true 60 has cmd ".healthy == true and $health_reason"
is "the first update of a running task does not know yet" \
	"$(statuses cmd | jq -c 'select(.state == "TASK_RUNNING") | .healthy' | head -n 1)" null
: >"$T/files/bad"
ok "and unhealthy" until_true 60 has cmd ".healthy == false and $health_reason and .state == \"TASK_RUNNING\""
rm "$T/files/bad"
ok "and healthy again" until_true 60 eval "[ \"\$(statuses cmd | tail -n 1 | jq .healthy)\" = true ]"
is "a check without a result yet" \
	"$(statuses code | jq -c 'select(.state == "TASK_RUNNING") | .check_status' | head -n 1)" '{"type":"COMMAND","command":{}}'
ok "an exit code" until_true 60 has code ".check_status.command.exit_code == 3 and $check_reason"
echo 0 >"$T/files/status.new"
mv "$T/files/status.new" "$T/files/status"
ok "another one" until_true 60 has code ".check_status.command.exit_code == 0 and $check_reason"

# ---- HTTP, TCP ----
ok "a server error is unhealthy" until_true 60 has web '.healthy == false'
echo 204 >"$T/files/web.new"
mv "$T/files/web.new" "$T/files/web"
ok "an answer of 204 is healthy" until_true 60 has web '.healthy == true'
ok "a port" until_true 60 has tcp ".check_status.tcp.succeeded == true and $check_reason"

# ---- the end of what stays unhealthy ----
ok "a task that stays unhealthy is killed" until_true 60 has sick '.state == "TASK_KILLED"'
is "as unhealthy" "$(statuses sick | jq -c 'select(.state == "TASK_KILLED") | .healthy')" false
is "after as many failures as it says" "$(statuses sick | jq -c "select($health_reason)" | wc -l)" 2
is "with a TASK_KILLING" "$(statuses sick | jq -c 'select(.state == "TASK_KILLING")' | wc -l)" 1
ok "and its group" until_true 60 has mate '.state == "TASK_KILLED"'
ok "a check that does not end is unhealthy" until_true 60 has stalls '.state == "TASK_KILLED"'
ok "and its command is gone" until_true 60 eval "! pgrep -f '^tail -f $T/forever'"

# ---- time is up ----
ok "max_completion_time" until_true 60 has long '.state == "TASK_FAILED" and .reason == "REASON_MAX_COMPLETION_TIME_REACHED"'
is "is no kill" "$(statuses long | jq -c 'select(.state == "TASK_KILLING")' | wc -l)" 0
ok "a stubborn one is up" until_true 30 grep -q up "$(echo "$T"/agent/slaves/*/frameworks/*/executors/five/runs/latest/tasks/stubborn)/stdout"
is "killed by its own policy" "$(call '{"type":"KILL","kill":{"task_id":{"value":"stubborn"}}}')" 202
ok "it ends" until_true 20 has stubborn '.state == "TASK_KILLED" and .message == "Command terminated with signal Killed"'

# ---- the agent goes, and comes back ----
stop_hard "${AGENT_PID[agent]}"
echo 7 >"$T/files/status.new"
mv "$T/files/status.new" "$T/files/status"
start_agent agent
ok "checks go on with the agent" until_true 60 has code '.check_status.command.exit_code == 7'
is "nobody has become unhealthy by its absence" \
	"$(statuses cmd | tail -n 1 | jq .healthy) $(state_of fw cmd) $(state_of fw web)" "true TASK_RUNNING TASK_RUNNING"

# ---- nothing stays behind ----
is "kill them" "$(call '{"type":"KILL","kill":{"task_id":{"value":"code"}}}')" 202
ok "the group ends" until_true 30 has cmd '.state == "TASK_KILLED"'
none()
{
	[ "$(checks_inside)" = 0 ]
}
ok "no container of a check is left" until_true 30 none
sandboxes=$(find "$T"/agent/slaves -path '*/runs/*/containers/*/containers/*' -maxdepth 12 -name 'check-*' -not -path '*/latest/*' | wc -l)
ok "nor (but for those that the kill -9 met) a sandbox of one" test "$sandboxes" -le 4
done_testing
