#!/usr/bin/env bash
# Pods: task groups in one default executor, each task in a nested container; and
# the calls of the agent's API about containers, in JSON and against a kill -9 of the agent.
# timeout: 300
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq
start_cluster --set registration_backoff=200ms
info='{"user":"root","name":"pods","checkpoint":true,"failover_timeout":600,"roles":["dev"],
	"capabilities":[{"type":"MULTI_ROLE"},{"type":"TASK_KILLING_STATE"}]}'
[ "$(id -u)" -eq 0 ] || info=$(jq -c --arg u "$(id -un)" '.user = $u' <<<"$info")
subscribe f "$info"
mkfifo "$T/end"
chmod 666 "$T/end"

resources='[{"name":"cpus","type":"SCALAR","scalar":{"value":0.1}},{"name":"mem","type":"SCALAR","scalar":{"value":32}},
	{"name":"disk","type":"SCALAR","scalar":{"value":1}}]'

# group EXECUTOR TASK COMMAND [TASK COMMAND]…: launches a task group; prints the status
group()
{
	local executor=$1 tasks='[]' o
	shift
	o=$(offer f)
	jq -r .id.value <<<"$o" >>"$T/f.used"
	while [ $# -gt 0 ]; do
		tasks=$(jq -c --arg id "$1" --arg sh "$2" '. + [{id: $id, sh: $sh}]' <<<"$tasks")
		shift 2
	done
	call "$(jq -c --argjson t "$tasks" --argjson r "$resources" --arg ex "$executor" '
		([$r[] | .allocation_info = {role: "dev"}]) as $r | .agent_id as $agent |
		{type: "ACCEPT", accept: {offer_ids: [.id], filters: {refuse_seconds: 0}, operations: [{type: "LAUNCH_GROUP",
		launch_group: {executor: {type: "DEFAULT", executor_id: {value: $ex}, resources: $r},
		task_group: {tasks: [$t[] | {name: .id, task_id: {value: .id}, agent_id: $agent, resources: $r,
			command: {shell: true, value: .sh, environment: {variables: [{name: "OWN", value: "mine"}]}}}]}}}]}}' <<<"$o")"
}

statuses()
{
	statuses_of f "$1"
}

states()
{
	statuses "$1" | jq -r .state | tr '\n' ' '
}

# ---- a pod of two ----
is "a pod of two" "$(group pod a 'env; pwd' b 'exit 0')" 202
ok "the first ends" until_true 30 reached f a TASK_FINISHED
ok "the second ends" until_true 30 reached f b TASK_FINISHED
is "states of the first" "$(states a)" "TASK_STARTING TASK_RUNNING TASK_FINISHED "
is "states of the second" "$(states b)" "TASK_STARTING TASK_RUNNING TASK_FINISHED "
shape='del(.message) | [paths(scalars) | map(if type == "number" then "#" else . end) | join(".")] | unique | .[]'
is "TASK_FINISHED has the fields of the recorded answer" \
	"$(statuses b | jq -c 'select(.state == "TASK_FINISHED")' | jq -r "$shape")" \
	"$(grep -F '"t1"' "$MEZZO_SRC/tests/golden/stream_pod.raw" | jq -c 'select(.type == "UPDATE") | .update.status | select(.state == "TASK_FINISHED")' | jq -r "$shape")"
is "message" "$(statuses b | jq -r 'select(.state == "TASK_FINISHED") | .message')" "Command exited with status 0"
is "both have the executor's container as parent" \
	"$(events f | jq -r 'select(.type == "UPDATE") | .update.status.container_status.container_id.parent.value' | sort -u | wc -l)" 1
is "each has a container of its own" \
	"$(events f | jq -r 'select(.type == "UPDATE") | .update.status.container_status.container_id.value' | sort -u | wc -l)" 2
run=$(echo "$T"/agent/slaves/*/frameworks/*/executors/pod/runs/latest)
ok "tasks/TASK leads to the task's sandbox" test -f "$run/tasks/a/stdout"
sandbox=$(readlink -f "$run/tasks/a")
is "which lies in the executor's" "$(dirname "$sandbox")" "$(readlink -f "$run")/containers"
env=$(cat "$run/tasks/a/stdout")
like "MESOS_SANDBOX is the task's own" "$env" "^MESOS_SANDBOX=$sandbox\$"
like "MESOS_ALLOCATION_ROLE" "$env" '^MESOS_ALLOCATION_ROLE=dev$'
like "MESOS_CONTAINER_IP" "$env" '^MESOS_CONTAINER_IP=127\.0\.0\.1$'
like "the task's own variable" "$env" '^OWN=mine$'
like "the working directory is the task's sandbox" "$env" "^$sandbox\$"
exited()
{
	has_event f "select(.type == \"FAILURE\" and .failure.executor_id.value == \"$1\" and .failure.status == 0)"
}
ok "the executor ends when nothing is left" until_true 30 exited pod

# ---- a failing task takes its group along, and no other ----
is "two groups, the first" "$(group two ok1 "exec tail -f /dev/null" bad1 "read -r code <$T/end; exit \$code")" 202
wait_for 30 "the first group" reached f bad1 TASK_RUNNING
is "the second, in the same executor" "$(group two other1 "exec tail -f /dev/null" other2 "exec tail -f /dev/null")" 202
wait_for 30 "the second group" reached f other2 TASK_RUNNING
is "TASK_RUNNING has the fields of the recorded answer" \
	"$(statuses other2 | jq -c 'select(.state == "TASK_RUNNING")' | jq -r "$shape")" \
	"$(grep -F '"t1"' "$MEZZO_SRC/tests/golden/stream_pod.raw" | jq -c 'select(.type == "UPDATE") | .update.status | select(.state == "TASK_RUNNING")' | jq -r "$shape")"
is "one executor for both" "$(get "${AGENT_URL[agent]}/containers" | jq '[.[] | select(.executor_id == "two")] | length')" 1
nested()
{
	curl -sS -H 'Content-Type: application/json' -d '{"type":"GET_CONTAINERS","get_containers":{"show_nested":true}}' \
		"${AGENT_URL[agent]}/api/v1" | jq -c '[.get_containers.containers[]? | select(.container_id.parent)]'
}
is "GET_CONTAINERS shows nested ones if asked" "$(nested | jq length)" 4
is "and not otherwise" "$(curl -sS -H 'Content-Type: application/json' -d '{"type":"GET_CONTAINERS"}' "${AGENT_URL[agent]}/api/v1" |
	jq '.get_containers.containers | length')" 1
is "with what they use" "$(nested | jq '.[0].resource_statistics.mem_rss_bytes > 0')" true
echo 3 >"$T/end"
ok "a task fails" until_true 30 reached f bad1 TASK_FAILED
is "message" "$(statuses bad1 | jq -r 'select(.state == "TASK_FAILED") | .message')" "Command exited with status 3"
ok "the rest of its group is killed" until_true 30 reached f ok1 TASK_KILLED
is "its states" "$(states ok1)" "TASK_STARTING TASK_RUNNING TASK_KILLING TASK_KILLED "
is "the other group goes on" "$(state_of f other1) $(state_of f other2)" "TASK_RUNNING TASK_RUNNING"

# ---- the agent dies and returns ----
is "a group that ends while the agent is away" "$(group away e1 "read -r code <$T/end; exit \$code" e2 "trap '' TERM; while :; do read -r x <$T/never; done; :")" 202
wait_for 30 "it to run" reached f e1 TASK_RUNNING
wait_for 30 "it to run" reached f e2 TASK_RUNNING
id_of()
{
	statuses "$1" | jq -c .container_status.container_id | head -n 1
}
other1=$(id_of other1)
stop_hard "${AGENT_PID[agent]}"
echo 42 >"$T/end"
ended()
{
	! pgrep -f "read -r code <$T/end"
}
ok "it ends while nobody looks" until_true 20 ended
start_agent agent
wait_for 60 "the agent to come back" agents_are 1
ok "its end arrives" until_true 60 reached f e1 TASK_FAILED
is "with the exact status" "$(statuses e1 | jq -r 'select(.state == "TASK_FAILED") | .message')" "Command exited with status 42"
ok "and its group is killed" until_true 30 reached f e2 TASK_KILLED
is "the other pod has noticed nothing" "$(states other1)$(states other2)" \
	"TASK_STARTING TASK_RUNNING TASK_STARTING TASK_RUNNING "
is "its containers are there" "$(nested | jq length)" 2

# ---- a kill takes the group along ----
is "kill" "$(call '{"type":"KILL","kill":{"task_id":{"value":"other1"}}}')" 202
ok "the task is killed" until_true 30 reached f other1 TASK_KILLED
ok "and the rest of its group" until_true 30 reached f other2 TASK_KILLED
ok "the executor ends" until_true 30 exited two

# ---- grace: SIGTERM is ignored, SIGKILL is not ----
is "a stubborn one" "$(group stubborn s1 "trap 'echo got it' TERM; echo up; while :; do read -r x <$T/never || sleep 0.05; done")" 202
wait_for 30 "it to run" reached f s1 TASK_RUNNING
run=$(echo "$T"/agent/slaves/*/frameworks/*/executors/stubborn/runs/latest)
ok "it is up" until_true 20 grep -q up "$run/tasks/s1/stdout"
is "kill with a grace of 300 ms" "$(call '{"type":"KILL","kill":{"task_id":{"value":"s1"},"kill_policy":{"grace_period":{"nanoseconds":300000000}}}}')" 202
ok "ends" until_true 30 reached f s1 TASK_KILLED
is "by SIGKILL" "$(statuses s1 | jq -r 'select(.state == "TASK_KILLED") | .message')" "Command terminated with signal Killed"
like "after SIGTERM" "$(cat "$run/tasks/s1/stdout")" 'got it'

# ---- a command that cannot be started ----
o=$(offer f)
jq -r .id.value <<<"$o" >>"$T/f.used"
is "a program that is not there" "$(call "$(jq -c --argjson r "$resources" '([$r[] | .allocation_info = {role: "dev"}]) as $r | .agent_id as $agent |
	{type: "ACCEPT", accept: {offer_ids: [.id], filters: {refuse_seconds: 0}, operations: [{type: "LAUNCH_GROUP",
	launch_group: {executor: {type: "DEFAULT", executor_id: {value: "broken"}, resources: $r}, task_group: {tasks: [
	{name: "n1", task_id: {value: "n1"}, agent_id: $agent, resources: $r, command: {shell: false, value: "no-such-program"}},
	{name: "n2", task_id: {value: "n2"}, agent_id: $agent, resources: $r, command: {shell: false, value: "tail", arguments: ["tail", "-f", "/dev/null"]}}
	]}}}]}}' <<<"$o")")" 202
ok "fails" until_true 30 reached f n1 TASK_FAILED
like "and is named" "$(statuses n1 | jq -r 'select(.state == "TASK_FAILED") | .message')" no-such-program
ok "with its group" until_true 30 reached f n2 TASK_KILLED

# ---- a kill while a task's files are fetched, which would take a minute to fail ----
"$MEZZO_BUILD/tests/integ/fileserver" "$T" >"$T/server.out" 2>&1 &
pids+=("$!")
wait_for 20 "the server of files" grep -q listens "$T/server.out"
o=$(offer f)
jq -r .id.value <<<"$o" >>"$T/f.used"
is "a task with much to fetch" "$(call "$(jq -c --argjson r "$resources" --arg url "http://$(sed 's/.* on //' "$T/server.out")/stall" '
	([$r[] | .allocation_info = {role: "dev"}]) as $r | .agent_id as $agent |
	{type: "ACCEPT", accept: {offer_ids: [.id], filters: {refuse_seconds: 0}, operations: [{type: "LAUNCH_GROUP",
	launch_group: {executor: {type: "DEFAULT", executor_id: {value: "fetching"}, resources: $r}, task_group: {tasks: [
	{name: "u1", task_id: {value: "u1"}, agent_id: $agent, resources: $r, command: {value: "true", uris: [{value: $url}]}},
	{name: "u2", task_id: {value: "u2"}, agent_id: $agent, resources: $r, command: {value: "exec tail -f /dev/null"}}
	]}}}]}}' <<<"$o")")" 202
ok "is being fetched" until_true 30 eval "grep -q Fetching '$T'/agent/slaves/*/frameworks/*/executors/fetching/runs/latest/tasks/u1/stderr"
wait_for 30 "the other one to run" reached f u2 TASK_RUNNING
is "kill" "$(call '{"type":"KILL","kill":{"task_id":{"value":"u1"}}}')" 202
ok "calls its launch off" until_true 20 reached f u1 TASK_KILLED
ok "and ends its group" until_true 20 reached f u2 TASK_KILLED
is "it never ran" "$(states u1)" "TASK_STARTING TASK_KILLING TASK_KILLED "

# ---- the API by itself ----
is "a container that stands alone" "$(api '{"type":"LAUNCH_CONTAINER","launch_container":{"container_id":{"value":"alone"},"command":{"value":"echo hello; exec tail -f /dev/null"}}}')" 200
is "its id is in use" "$(api '{"type":"LAUNCH_CONTAINER","launch_container":{"container_id":{"value":"alone"},"command":{"value":"true"}}}')" 202
is "its sandbox" "$(cat "$T/agent/containers/alone/stdout")" hello
is "one in it" "$(api '{"type":"LAUNCH_NESTED_CONTAINER","launch_nested_container":{"container_id":{"value":"in","parent":{"value":"alone"}},"command":{"value":"exit 5"}}}')" 200
is "wait" "$(api '{"type":"WAIT_NESTED_CONTAINER","wait_nested_container":{"container_id":{"value":"in","parent":{"value":"alone"}}}}')" 200
is "gives the raw status" "$(jq -c . "$T/answer")" '{"type":"WAIT_NESTED_CONTAINER","wait_nested_container":{"exit_status":1280}}'
is "remove one that runs" "$(api '{"type":"REMOVE_CONTAINER","remove_container":{"container_id":{"value":"alone"}}}')" 500
is "kill with what is no signal" "$(api '{"type":"KILL_CONTAINER","kill_container":{"container_id":{"value":"alone"},"signal":1000}}')" 400
stop_hard "${AGENT_PID[agent]}"
start_agent agent
recovered()
{
	[ "$(api '{"type":"WAIT_CONTAINER","wait_container":{"container_id":{"value":"nowhere"}}}')" = 404 ]
}
ok "wait for an unknown one, after a restart" until_true 30 recovered
is "how the nested one ended is still known" "$(api '{"type":"WAIT_CONTAINER","wait_container":{"container_id":{"value":"in","parent":{"value":"alone"}}}}') $(jq .wait_container.exit_status "$T/answer")" "200 1280"
is "remove it" "$(api '{"type":"REMOVE_NESTED_CONTAINER","remove_nested_container":{"container_id":{"value":"in","parent":{"value":"alone"}}}}')" 200
ok "its sandbox is gone" test ! -e "$T/agent/containers/alone/containers/in"
is "it is unknown now" "$(api '{"type":"WAIT_CONTAINER","wait_container":{"container_id":{"value":"in","parent":{"value":"alone"}}}}')" 404
is "and its id free" "$(api '{"type":"LAUNCH_CONTAINER","launch_container":{"container_id":{"value":"in","parent":{"value":"alone"}},"command":{"value":"exec tail -f /dev/null"}}}')" 200
curl -sS -o "$T/waited" -H 'Content-Type: application/json' -d '{"type":"WAIT_CONTAINER","wait_container":{"container_id":{"value":"in","parent":{"value":"alone"}}}}' "${AGENT_URL[agent]}/api/v1" &
pids+=("$!")
is "kill the parent" "$(api '{"type":"KILL_CONTAINER","kill_container":{"container_id":{"value":"alone"}}}')" 200
is "wait for it" "$(api '{"type":"WAIT_CONTAINER","wait_container":{"container_id":{"value":"alone"}}}') $(jq .wait_container.exit_status "$T/answer")" "200 9"
ok "what was in it has ended with it" until_true 20 jq -es 'any(.wait_container.exit_status == 9)' "$T/waited"
is "kill what has ended" "$(api '{"type":"KILL_CONTAINER","kill_container":{"container_id":{"value":"alone"}}}')" 404
is "remove" "$(api '{"type":"REMOVE_CONTAINER","remove_container":{"container_id":{"value":"alone"}}}')" 200
is "remove again" "$(api '{"type":"REMOVE_CONTAINER","remove_container":{"container_id":{"value":"alone"}}}')" 500
while IFS='|' read -r name status json; do
	is "$name" "$(api "$json")" "$status"
done <<'END'
no parent there|400|{"type":"LAUNCH_CONTAINER","launch_container":{"container_id":{"value":"x","parent":{"value":"nobody"}},"command":{"value":"true"}}}
an old call without parent|400|{"type":"LAUNCH_NESTED_CONTAINER","launch_nested_container":{"container_id":{"value":"x"},"command":{"value":"true"}}}
an id with a dot|400|{"type":"LAUNCH_CONTAINER","launch_container":{"container_id":{"value":"a.b"},"command":{"value":"true"}}}
an id with a slash|400|{"type":"LAUNCH_CONTAINER","launch_container":{"container_id":{"value":"../b"},"command":{"value":"true"}}}
an empty id|400|{"type":"WAIT_CONTAINER","wait_container":{"container_id":{"value":""}}}
a call without its member|400|{"type":"WAIT_CONTAINER"}
no command|400|{"type":"LAUNCH_CONTAINER","launch_container":{"container_id":{"value":"x"}}}
reserved resources|400|{"type":"LAUNCH_CONTAINER","launch_container":{"container_id":{"value":"x"},"command":{"value":"true"},"resources":[{"name":"cpus","type":"SCALAR","scalar":{"value":1},"role":"r"}]}}
share_cgroups without parent|400|{"type":"LAUNCH_CONTAINER","launch_container":{"container_id":{"value":"x"},"command":{"value":"true"},"container":{"type":"MESOS","linux_info":{"share_cgroups":true}}}}
resources two levels down|400|{"type":"LAUNCH_CONTAINER","launch_container":{"container_id":{"value":"x","parent":{"value":"y","parent":{"value":"z"}}},"command":{"value":"true"},"resources":[{"name":"cpus","type":"SCALAR","scalar":{"value":1}}]}}
a program that is not there|400|{"type":"LAUNCH_CONTAINER","launch_container":{"container_id":{"value":"x"},"command":{"shell":false,"value":"/no/such"}}}
END

# ---- teardown takes everything along ----
is "a last pod" "$(group last z1 'exec tail -f /dev/null' z2 'exec tail -f /dev/null')" 202
wait_for 30 "it to run" reached f z2 TASK_RUNNING
is "teardown" "$(call '{"type":"TEARDOWN"}')" 202
none_left()
{
	[ "$(nested | jq length)" = 0 ] && [ "$(get "${AGENT_URL[agent]}/containers" | jq length)" = 0 ]
}
ok "no container is left" until_true 30 none_left
done_testing
