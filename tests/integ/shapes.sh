#!/usr/bin/env bash
# The read endpoints held against the recorded answers of a real Mesos (tests/golden):
# the same cluster is set up (resources, attributes, a finished and a running command
# task), and each field of the recorded answer must be in ours, with the same type.
# A recorded pod task has no match here, its fields are not looked for.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq
start_cluster --resources 'cpus:24;mem:24576;disk:409600;ports:[31000-32000];cpus(ops):2;mem(ops):512' \
	--attributes 'datacenter:pdx1;rack:1-1;os:rhel7;speed:2.5'
agent=${AGENT_URL[agent]#http://}

# A framework that is gone, with roles of its own.
subscribe gone '{"user":"root","name":"gone","checkpoint":true,"failover_timeout":60,"roles":["dev"],
	"capabilities":[{"type":"MULTI_ROLE"},{"type":"RESERVATION_REFINEMENT"}]}'
o=$(offer gone)
disk='.resources += [{name: "disk", type: "SCALAR", scalar: {value: 16}}]'
is "launch in a role" "$(launch gone "$o" gone-1 'exit 0' "$disk | .resources[] |= (.allocation_info = {role: \"dev\"})")" 202
wait_for 30 "its task" reached gone gone-1 TASK_FINISHED
is "teardown" "$(call '{"type":"TEARDOWN"}')" 202

subscribe f '{"user":"root","name":"shapes","checkpoint":true,"failover_timeout":60,"roles":["*"],
	"capabilities":[{"type":"MULTI_ROLE"},{"type":"RESERVATION_REFINEMENT"}]}'
role='.resources[] |= (.allocation_info = {role: "*"})'
o=$(offer f)
is "launch of a task that ends" "$(launch f "$o" done-1 'echo out; exit 0' "$disk | $role | "'.labels = {labels: [{key: "k", value: "v"}]}')" 202
wait_for 30 "the first task" reached f done-1 TASK_FINISHED
o=$(offer f)
is "launch of a task that stays" "$(launch f "$o" run-1 'exec tail -f /dev/null' "$disk | $role")" 202
wait_for 30 "the second task" reached f run-1 TASK_RUNNING

# An executor of its own that takes its time.
o=$(offer f)
is "launch on a custom executor" "$(launch f "$o" slow-1 '' "$disk | $role"' | del(.command)
	| .executor = {type: "CUSTOM", executor_id: {value: "slow"}, command: {shell: true, value: "exec tail -f /dev/null"},
		resources: [{name: "cpus", type: "SCALAR", scalar: {value: 0.1}, allocation_info: {role: "*"}},
			{name: "mem", type: "SCALAR", scalar: {value: 32}, allocation_info: {role: "*"}}]}')" 202
has_executor()
{
	[ "$(get "http://$agent/state" | jq '[.frameworks[].executors[] | select(.id == "slow")] | length')" = 1 ]
}
wait_for 30 "the custom executor" has_executor

# The leaves of an answer as "path type", indices and names of things left out.
leaves()
{
	jq -r '
	def norm: map(if type == "number" then "[]" else tostring end)
		| join(".") | gsub("\\.\\[\\]"; "[]");
	[paths(type != "object" and type != "array") as $p | "\($p | norm) \(getpath($p) | type)"]
	+ [paths(. == [] or . == {}) as $p | "\($p | norm) \(getpath($p) | type)"]
	| unique[]' 2>/dev/null
}

# A field whose recorded value is an empty list says nothing of what is in it.
# What the recorded cluster had and this one has not: pods, and the flags, metrics
# and host names of another program.
# Empty lists that this codec leaves out, like every other field that is not set, and
# a field that AgentInfo does not have in the v1 API.
exempt='^(.*agent_info\.checkpoint boolean|.*get_tasks\.(pending|terminated)_tasks array|(.*\.)?flags\..*|.*launched_tasks\[\]\.executor_id.*|.*(task_group|tasks\[\]\.discovery|\.health_check|nested|executor_ids|parent|check_status|effective_user|resource_statistics|cgroup_info).*)$'

body_of()
{
	sed '1,/^$/d' "$1"
}

# The requests of one recorded answer; prints ours
ours()
{
	local method path data
	read -r method path < <(head -n 1 "$1")
	data=$(sed -n 's/^> \({.*\)/\1/p' "$1")
	if [ "$method" = POST ]; then
		get -H 'Content-Type: application/json' -H 'Accept: application/json' -d "$data" "http://$2$path"
	else
		get "http://$2$path"
	fi
}

# compare NAME HOST [EXTRA-EXEMPT]
compare()
{
	local f=$MEZZO_SRC/tests/golden/$1.txt missing
	[ -f "$f" ] || { fail "$1" "no such recorded answer"; return; }
	ours "$f" "$2" >"$T/ours.json"
	jq -e . "$T/ours.json" >/dev/null 2>&1 || { fail "$1" "no JSON: $(head -c 300 "$T/ours.json")"; return; }
	body_of "$f" | leaves | grep -vE "$exempt" | grep -vE "${3:-^never$}" | sort >"$T/wanted"
	leaves <"$T/ours.json" | sort >"$T/got"
	# An empty list there and a full one here are the same field.
	missing=$(comm -23 "$T/wanted" "$T/got" | while read -r path type; do
		[ "$type" = array ] && grep -qF "$path[]" "$T/got" && continue
		echo "$path $type"
	done)
	if [ -z "$missing" ]; then
		pass "$1 ($(wc -l <"$T/wanted") fields)"
	else
		fail "$1: fields that are not there, or of another type" "$missing"
	fi
}

for n in state state-summary slaves frameworks tasks roles health version redirect; do
	[ "$n" = redirect ] && continue
	[ "$n" = health ] && continue
	compare "master_$n" "$MASTER"
done
for n in GET_HEALTH GET_VERSION GET_AGENTS GET_FRAMEWORKS GET_EXECUTORS GET_TASKS GET_ROLES GET_MASTER GET_STATE; do
	compare "v1_master_$n" "$MASTER"
done
compare v1_master_GET_FLAGS "$MASTER"
for n in state containers monitor_statistics version; do
	compare "agent_$n" "$agent"
done
for n in GET_HEALTH GET_VERSION GET_AGENT GET_FRAMEWORKS GET_EXECUTORS GET_TASKS GET_CONTAINERS GET_STATE; do
	compare "v1_agent_$n" "$agent"
done
compare v1_agent_GET_FLAGS "$agent"

# ---- metrics: the keys that tools read ----
keys=$(get "http://$MASTER/metrics/snapshot" | jq -r 'keys_unsorted[]')
is "metrics are sorted" "$keys" "$(LC_ALL=C sort <<<"$keys")"
for k in master/elected master/uptime_secs master/slaves_active master/slaves_connected master/slaves_inactive \
	master/frameworks_active master/frameworks_connected master/tasks_running master/tasks_finished \
	master/tasks_failed master/tasks_killed master/tasks_lost master/cpus_total master/cpus_used master/cpus_percent \
	master/mem_total master/mem_used master/disk_total master/messages_register_framework system/cpus_total system/load_1min; do
	ok "master metric $k" grep -qx "$k" <<<"$keys"
done
is "one task is running" "$(get "http://$MASTER/metrics/snapshot" | jq '."master/tasks_running"')" 1
is "two tasks are finished" "$(get "http://$MASTER/metrics/snapshot" | jq '."master/tasks_finished"')" 2

# ---- files ----
run=$(get "http://$agent/state" | jq -r '.frameworks[0].executors[0].directory')
is "the sandbox can be browsed" "$(get -G --data-urlencode "path=$run" "http://$agent/files/browse" | jq -r '[.[].path | sub(".*/"; "")] | map(select(. == "stdout" or . == "stderr")) | sort | join(",")')" "stderr,stdout"
is "an entry has the recorded fields" "$(get -G --data-urlencode "path=$run" "http://$agent/files/browse" | jq -r '.[0] | keys | join(",")')" "gid,mode,mtime,nlink,path,size,uid"
done_dir=$(get "http://$agent/state" | jq -r '[(.frameworks + .completed_frameworks)[].completed_executors[] | select(.id == "done-1")][0].directory')
is "a file can be read" "$(get -G --data-urlencode "path=$done_dir/stdout" -d offset=0 -d length=100 "http://$agent/files/read" | jq -r .data | grep -c '^out$')" 1
is "offset -1 gives the size" "$(get -G --data-urlencode "path=$done_dir/stdout" -d offset=-1 "http://$agent/files/read" | jq -c 'keys')" '["data","offset"]'
is "a file can be downloaded" "$(get -G --data-urlencode "path=$done_dir/stdout" "http://$agent/files/download" | grep -c '^out$')" 1
is "nothing outside of the sandboxes can be read" "$(get -G -o /dev/null -w '%{http_code}' --data-urlencode "path=$run/../../../../../../../../../../etc/passwd" "http://$agent/files/read")" 404

is "kill" "$(call "$(events f | jq -c 'select(.type == "UPDATE") | .update.status | select(.task_id.value == "run-1") | {type: "KILL", kill: {task_id, agent_id}}' | head -n 1)")" 202
ok "the task is killed" until_true 30 reached f run-1 TASK_KILLED
done_testing
