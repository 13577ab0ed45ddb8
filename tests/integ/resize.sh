#!/usr/bin/env bash
# An executor's container while its tasks come and go: its cgroups follow, with requests
# and limits; a task with cgroups of its own has its own; after a kill -9 of the agent, too.
# timeout: 200
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq
[ "$(id -u)" -eq 0 ] || skip_all "needs root"
GROUPS_DIR=/sys/fs/cgroup
# dir CONTROLLER: where its groups are; fails if it is not there
dir()
{
	local d
	for d in "$GROUPS_DIR/$1" "$GROUPS_DIR" "$GROUPS_DIR/unified"; do
		[ -f "$d/cgroup.procs" ] || continue
		if [ "$d" = "$GROUPS_DIR/$1" ] || grep -qw "$1" "$d/cgroup.controllers"; then
			echo "$d"
			return
		fi
	done
	return 1
}
for c in cpu memory pids; do
	[ -w "$(dir $c)/cgroup.procs" ] || skip_all "no groups of the controller '$c' can be made here"
done
own_groups
cat >"$T/conf.yaml" <<END
resources: "cpus:4;mem:1024;disk:4096"
store: lmdb
elector: standalone
containerizers:
  - name: mesos
    settings: {launcher: linux}
isolation:
  - {name: cgroups_cpu, settings: {cfs: true}}
  - cgroups_mem
  - {name: cgroups_pids, settings: {max: 10, per_cpu: 100}}
authenticators: [none]
cgroups_root: $OURS
END
start()
{
	start_agent agent -c "$T/conf.yaml" --set registration_backoff=200ms
}
start_master
start
wait_for 30 "the agent to register" agents_are 1
subscribe f '{"user":"root","name":"resize","checkpoint":true,"failover_timeout":600}'

# group TASK CPUS MEM [MEMBERS OF THE TASK]: a group of one task in the executor $EXECUTOR, which
# has 0.1 cpus and 32 MB itself; prints the status
EXECUTOR=shared
group()
{
	local o
	o=$(offer f)
	jq -r .id.value <<<"$o" >>"$T/f.used"
	call "$(jq -c --arg id "$1" --arg ex "$EXECUTOR" --argjson cpus "$2" --argjson mem "$3" --argjson more "${4-null}" '
		def r($c; $m): [{name: "cpus", type: "SCALAR", scalar: {value: $c}}, {name: "mem", type: "SCALAR", scalar: {value: $m}},
			{name: "disk", type: "SCALAR", scalar: {value: 1}}];
		{type: "ACCEPT", accept: {offer_ids: [.id], filters: {refuse_seconds: 0}, operations: [{type: "LAUNCH_GROUP",
		launch_group: {executor: {type: "DEFAULT", executor_id: {value: $ex}, resources: r(0.1; 32)},
		task_group: {tasks: [{name: $id, task_id: {value: $id}, agent_id: .agent_id, resources: r($cpus; $mem),
			command: {value: "exec tail -f /dev/null"}} + $more]}}}]}}' <<<"$o")"
}

# The newest container that the task was in, as an array of ids from the outermost.
ids_of()
{
	events f | jq -rs --arg t "$1" '[.[] | select(.type == "UPDATE") | .update.status | select(.task_id.value == $t)
		.container_status.container_id] | last | [recurse(.parent // empty) | .value] | reverse | join("/mezzo/")'
}
# value CONTROLLER GROUP V1-FILE V2-FILE
value()
{
	local d
	d=$(dir "$1")/$OURS/$2
	if [ -f "$d/$4" ]; then cat "$d/$4"; else cat "$d/$3"; fi 2>&1 | tr '\n' ' '
}
# All that is set for a group: weight, quota of a period of 100 ms, MB requested, MB at most, processes.
set_for()
{
	local weight quota low high
	[ -d "$(dir memory)/$OURS/$1" ] || return 0
	weight=$(value cpu "$1" cpu.shares cpu.weight)
	quota=$(value cpu "$1" cpu.cfs_quota_us cpu.max)
	low=$(value memory "$1" memory.soft_limit_in_bytes memory.low)
	high=$(value memory "$1" memory.limit_in_bytes memory.max)
	echo "$((weight)) ${quota%% *} $((low >> 20)) $((high >> 20)) $(value pids "$1" pids.max pids.max)"
}
# v1: 1024 shares a cpu, v2: a weight of 100
w()
{
	if [ -f "$(dir cpu)/$OURS/$POD/cpu.shares" ]; then echo "$1"; else echo "$2"; fi
}
settles()
{
	[ "$(set_for "$1")" = "$2" ]
}
# follows NAME GROUP WANTED
follows()
{
	until_true 20 settles "$2" "$3"
	is "$1" "$(set_for "$2")" "$3"
}

is "a task" "$(group a 0.5 64)" 202
wait_for 30 "it to run" reached f a TASK_RUNNING
POD=$(ids_of a)
POD=${POD%%/*}
follows "the executor's container has what both request" "$POD" "$(w 614 60) 60000 96 96 60 "

is "another one" "$(group b 0.25 32)" 202
wait_for 30 "it to run" reached f b TASK_RUNNING
follows "the container grows" "$POD" "$(w 870 85) 85000 128 128 85 "
is "both share its cgroups" "$(set_for "$(ids_of a)"; set_for "$(ids_of b)")" ""

# end TASK
end()
{
	is "kill $1" "$(call '{"type":"KILL","kill":{"task_id":{"value":"'"$1"'"}}}')" 202
	wait_for 30 "its end" reached f "$1" TASK_KILLED
}
stop_hard "${AGENT_PID[agent]}"
start
wait_for 30 "the agent to return" agents_are 1
end b
follows "after a kill -9 of the agent it shrinks" "$POD" "$(w 614 60) 60000 96 96 60 "
is "one more" "$(group d 1 100)" 202
wait_for 30 "it to run" reached f d TASK_RUNNING
follows "and it grows" "$POD" "$(w 1638 160) 160000 196 196 160 "

# ---- cgroups of its own ----
EXECUTOR=apart
is "a task with limits, in cgroups of its own" "$(group e 0.25 32 '{"limits":{"cpus":{"value":1},"mem":{"value":128}},
	"container":{"type":"MESOS","linux_info":{"share_cgroups":false}}}')" 202
wait_for 30 "it to run" reached f e TASK_RUNNING
POD=$(ids_of e)
POD=${POD%%/*}
follows "they are below the executor's" "$(ids_of e)" "$(w 256 25) 100000 32 128 25 "
follows "which has what both may have" "$POD" "$(w 358 35) 110000 64 160 35 "

is "one that may have all memory" "$(group g 0.4 32 '{"limits":{"mem":{"value":"Infinity"}},
	"container":{"type":"MESOS","linux_info":{"share_cgroups":false}}}')" 202
wait_for 30 "it to run" reached f g TASK_RUNNING
# v1 says so by a large number
all=$(value memory . memory.limit_in_bytes memory.max)
gets_all()
{
	[ "$(value memory "$1" memory.limit_in_bytes memory.max)" = "$all" ]
}
ok "has no limit of it" gets_all "$(ids_of g)"
ok "nor has the executor's container" until_true 20 gets_all "$POD"
is "of cpus it may have what is requested" "$(value cpu "$POD" cpu.cfs_quota_us cpu.max | cut -d' ' -f1)" 150000
end g
follows "with its end the limit is back" "$POD" "$(w 358 35) 110000 64 160 35 "
call '{"type":"TEARDOWN"}' >/dev/null
ok "its cgroups are gone" until_true 30 no_groups
done_testing
