#!/usr/bin/env bash
# Limits while containers run: pods whose tasks come and go, tasks with limits and cgroups of their own, under a
# real agent in all isolators that follow resources. What is in the kernel's files is what must be there: as
# launched, as others join and leave, over a kill -9 of the agent, and what statistics say with it.
# On v1, v2 or both, as the machine has controllers.
# timeout: 200
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq
[ "$(id -u)" -eq 0 ] || skip_all "needs root"
own_groups

# ---- where controllers are ----
# where CONTROLLER: the directory of its hierarchy; fails if there is none
where()
{
	local d
	for d in "/sys/fs/cgroup/$1" /sys/fs/cgroup /sys/fs/cgroup/unified; do
		[ -f "$d/cgroup.procs" ] || continue
		[ "$d" != "/sys/fs/cgroup/$1" ] && ! grep -qw "$1" "$d/cgroup.controllers" || { echo "$d" && return; }
	done
	return 1
}
version()
{
	case $(where "$1") in /sys/fs/cgroup | */unified) echo 2 ;; *) echo 1 ;; esac
}
settings=
for m in "cgroups_cpu cpu {cfs: true}" "cgroups_mem memory {}" "cgroups_pids pids {max: 16, per_cpu: 100}" \
	"cgroups_cpuset cpuset {}" "cgroups_hugetlb hugetlb {by_resources: true}"; do
	read -r name controller conf <<<"$m"
	[ -w "$(where "$controller")/cgroup.procs" ] || continue
	settings="$settings  - name: $name
    settings: $conf
"
done
grep -q cgroups_cpu <<<"$settings" || skip_all "no groups of the controller 'cpu' can be made here"
cat >"$T/conf.yaml" <<END_OF_CONF
resources: "cpus:4;mem:2048;disk:1024;hugepages_2MB:64"
store: lmdb
elector: standalone
authenticators: [none]
containerizers: [{name: mesos, settings: {launcher: linux}}]
isolation:
${settings}  - cgroups_devices
cgroups_root: $OURS
END_OF_CONF
echo "# $(sed -n 's/^  - name: //p' "$T/conf.yaml" | while read -r m; do echo -n "$m "; done)"
has()
{
	grep -q "name: $1\$" "$T/conf.yaml"
}
start()
{
	start_agent agent -c "$T/conf.yaml" --set registration_backoff=200ms
	wait_for 60 "the agent to register" agents_are 1
}
start_master
start
subscribe f '{"user":"root","name":"resize","checkpoint":true,"failover_timeout":600,"roles":["*"],"capabilities":[{"type":"MULTI_ROLE"}]}'

# ---- pods ----
# group EXECUTOR SHARE JSON-OF-TASKS: each {id, cpus, mem, pages, limits}; prints the status.
mkdir "$T/end"
group()
{
	local o t
	for t in $(jq -r '.[].id' <<<"$3"); do
		mkfifo "$T/end/$t"
	done
	o=$(offer f)
	jq -r .id.value <<<"$o" >>"$T/f.used"
	call "$(jq -c --argjson t "$3" --argjson share "$2" --arg ex "$1" --arg dir "$T/end" '
		def scalar(n; v): {name: n, type: "SCALAR", scalar: {value: v}, allocation_info: {role: "*"}};
		.agent_id as $agent |
		{type: "ACCEPT", accept: {offer_ids: [.id], filters: {refuse_seconds: 0}, operations: [{type: "LAUNCH_GROUP",
		launch_group: {executor: {type: "DEFAULT", executor_id: {value: $ex}, resources: [scalar("cpus"; 0.1), scalar("mem"; 32), scalar("disk"; 1)]},
		task_group: {tasks: [$t[] | {name: .id, task_id: {value: .id}, agent_id: $agent,
			resources: [scalar("cpus"; .cpus), scalar("mem"; .mem), (.pages // empty | scalar("hugepages_2MB"; .))],
			limits: (.limits // {} | map_values({value: .})),
			container: {type: "MESOS", linux_info: {share_cgroups: $share}},
			command: {shell: true, value: "read -r x <\($dir)/\(.id); [ -z \"$x\" ] || head -c 300m /dev/zero | tail -c 299m"}}]}}}]}}' <<<"$o")"
}
runs()
{
	reached f "$1" TASK_RUNNING
}
# finish TASK [more]: it ends, now or when it gets there; more: it takes more memory than it may
finish()
{
	echo "${2-}" 1<>"$T/end/$1"
}
# container false TASK: path of the executor's group; container true TASK: of the task's below it
container()
{
	events f | jq -r --arg t "$2" --argjson own "$1" 'select(.type == "UPDATE") | .update.status |
		select(.task_id.value == $t and .container_status.container_id.parent) | .container_status.container_id |
		if $own then "\(.parent.value)/mezzo/\(.value)" else .parent.value end' | head -n 1
}

# file CONTROLLER GROUP V1-FILE V2-FILE
file()
{
	local f=$3
	[ "$(version "$1")" = 1 ] || f=$4
	cat "$(where "$1")/$OURS/$2/$f"
}
# told GROUP: all that is set for it, in the words of its version
told()
{
	local g=$1
	case $(version cpu) in
	1) echo "shares $(file cpu "$g" cpu.shares) quota $(file cpu "$g" cpu.cfs_quota_us)" ;;
	2) echo "weight $(file cpu "$g" - cpu.weight) quota $(file cpu "$g" - cpu.max)" ;;
	esac
	has cgroups_mem && echo "memory $(file memory "$g" memory.soft_limit_in_bytes memory.low) $(file memory "$g" memory.limit_in_bytes memory.max)"
	has cgroups_pids && echo "pids $(file pids "$g" pids.max pids.max)"
	has cgroups_hugetlb && echo "pages $(file hugetlb "$g" hugetlb.2MB.limit_in_bytes hugetlb.2MB.max)"
}
# wanted CPUS QUOTA MEM LIMIT PIDS PAGES: hundredths of cpus, and MB; QUOTA or LIMIT -1: none
wanted()
{
	local cpus=$1 quota=$2 mem=$3 limit=$4 pids=$5 pages=$6
	case $(version cpu) in
	1) echo "shares $((cpus * 1024 / 100)) quota $([ "$quota" -lt 0 ] && echo -1 || echo $((quota * 1000)))" ;;
	2) echo "weight $cpus quota $([ "$quota" -lt 0 ] && echo max || echo $((quota * 1000))) 100000" ;;
	esac
	has cgroups_mem && case "$limit $(version memory)" in
	-1*1) limit=9223372036854771712 ;;
	-1*2) limit=max ;;
	*) limit=$((limit << 20)) ;;
	esac && echo "memory $((mem << 20)) $limit"
	has cgroups_pids && echo "pids $pids"
	has cgroups_hugetlb && echo "pages $((pages << 20))"
}
are()
{
	[ "$(told "$1")" = "$(wanted "${@:2}")" ]
}
# is_limited WHAT GROUP WANTED…: waits until it is so
is_limited()
{
	until_true 30 are "${@:2}"
	is "$1" "$(told "$2")" "$(wanted "${@:3}")"
}
# measures WHAT GROUP CPUS LIMIT-MB PAGES: what is told of a container is what is in force, and no field is missing
measures()
{
	local want="cpus $3 " all="cpus_limit cpus_nr_periods cpus_nr_throttled cpus_soft_limit cpus_system_time_secs
		cpus_throttled_time_secs cpus_user_time_secs"
	has cgroups_mem && want="${want}mem $4 " && all="$all mem_anon_bytes mem_cache_bytes mem_critical_pressure_counter mem_file_bytes
		mem_kmem_tcp_usage_bytes mem_kmem_usage_bytes mem_limit_bytes mem_low_pressure_counter mem_mapped_file_bytes
		mem_medium_pressure_counter mem_rss_bytes mem_soft_limit_bytes mem_swap_bytes mem_total_bytes mem_unevictable_bytes"
	has cgroups_pids && all="$all processes threads"
	has cgroups_hugetlb && want="${want}pages $5 " && all="$all hugetlb_statistics"
	is "$1" "$(get -H 'Content-Type: application/json' -d '{"type":"GET_CONTAINERS","get_containers":{"show_nested":true}}' \
		"${AGENT_URL[agent]}/api/v1" | jq -r --arg id "${2##*/}" --arg all "$all" '.get_containers.containers[] |
			select(.container_id.value == $id) | .resource_statistics |
			"cpus \(.cpus_limit) " + (if .mem_limit_bytes then "mem \(.mem_limit_bytes / 1048576) " else "" end) +
			([.hugetlb_statistics[]? | select(.page_size == "2MB") | "pages \(.limit_bytes / 1048576) "] | add // "") +
			([$all | splits("\\s+")] - keys | join(" "))')" "$want"
}

# ---- tasks that share their executor's cgroups ----
is "a pod" "$(group pod true '[{"id":"a","cpus":0.5,"mem":64,"pages":4}]')" 202
wait_for 30 "its task to run" runs a
pod=$(container false a)
is_limited "a pod has what its executor and its task have" "$pod" 60 60 96 96 60 4
measures "statistics of it" "$pod" 0.6 96 4
is "a second group" "$(group pod true '[{"id":"b","cpus":1,"mem":128,"pages":8},{"id":"b2","cpus":0.2,"mem":32}]')" 202
wait_for 30 "it to run" runs b
wait_for 30 "it to run" runs b2
is_limited "all limits are raised" "$pod" 180 180 256 256 180 12
# On v2 there is a group by which it can be killed.
b=$(cat "$(where cpu)/$OURS/$(container true b)"/{cpu.cfs_quota_us,cpu.max} 2>/dev/null)
is "nothing below it has limits" "${b:-max 100000}" "max 100000"
finish b
finish b2
is_limited "and lowered when it ends" "$pod" 60 60 96 96 60 4

# ---- tasks with cgroups and limits of their own ----
is "a pod whose tasks have cgroups of their own" "$(group own false '[
	{"id":"c","cpus":0.2,"mem":64,"limits":{"cpus":0.5,"mem":128},"pages":4},
	{"id":"d","cpus":0.3,"mem":64}]')" 202
wait_for 30 "its tasks to run" runs c
wait_for 30 "its tasks to run" runs d
own=$(container false c) c=$(container true c) d=$(container true d)
is_limited "a limit is above the request" "$c" 20 50 64 128 20 4
is_limited "without, the request is the limit" "$d" 30 30 64 64 30 0
is_limited "what they are nested in has the sum" "$own" 60 90 160 224 60 4
measures "statistics of one" "$c" 0.5 128 4
measures "statistics of all" "$own" 0.9 224 4
is "two without limits of their own" "$(group own false '[
	{"id":"e","cpus":1,"mem":64,"limits":{"cpus":"Infinity","mem":"Infinity"}},
	{"id":"g","cpus":0.4,"mem":32}]')" 202
wait_for 30 "they to run" runs e
wait_for 30 "they to run" runs g
e=$(container true e)
is_limited "Infinity: no limit" "$e" 100 -1 64 -1 100 0
is_limited "nor has what they are nested in" "$own" 200 -1 256 -1 200 4
finish e
is_limited "once it has ended, there is one again" "$own" 100 130 192 256 100 4

# ---- the agent dies meanwhile ----
stop_hard "${AGENT_PID[agent]}"
wait_for 30 "the master to see that the agent is gone" agents_are 0
are "$c" 20 50 64 128 20 4 && are "$own" 100 130 192 256 100 4 && are "$pod" 60 60 96 96 60 4
is "limits hold while there is no agent" $? 0
finish d
start
is_limited "an end that came meanwhile is followed" "$own" 70 100 128 192 70 4
is_limited "the others are as they were" "$c" 20 50 64 128 20 4
is_limited "the other pod, too" "$pod" 60 60 96 96 60 4
measures "statistics of one after a restart" "$c" 0.5 128 4
measures "statistics of all after a restart" "$own" 1 192 4
ok "what has ended has no group any more" until_true 30 [ ! -d "$(where cpu)/$OURS/$d" ]
is "one more after that" "$(group pod true '[{"id":"h","cpus":0.4,"mem":64}]')" 202
wait_for 30 "it to run" runs h
is_limited "is followed as well" "$pod" 100 100 160 160 100 4

if has cgroups_mem; then
	finish c more
	ok "a limit that is reached now is noticed" until_true 30 reached f c TASK_FAILED
	is "and told" "$(events f | jq -r 'select(.type == "UPDATE") | .update.status | select(.task_id.value == "c" and .state == "TASK_FAILED") |
		"\(.reason) \(.limitation.resources[0].name)"' | head -n 1)" "REASON_CONTAINER_LIMITATION_MEMORY mem"
	is_limited "its share is gone with it" "$own" 50 50 64 64 50 0
else
	finish c
fi

# ---- the end ----
for t in a g h; do
	finish $t
	ok "$t ends as it should" until_true 30 reached f "$t" TASK_FINISHED
done
ok "no cgroup is left" until_true 30 no_groups
is "no task was lost" "$(events f | jq -r 'select(.type == "UPDATE") | .update.status | select(.task_id.value != "c") | .state' | sort -u | tr '\n' ' ')" \
	"TASK_FINISHED TASK_RUNNING TASK_STARTING "
done_testing
