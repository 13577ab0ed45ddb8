#!/usr/bin/env bash
# A real master and agent on a machine that has nothing but cgroups v2, its work_dir on XFS with project quotas:
# tasks in all isolators at once, limits seen from inside, statistics, kill -9 of the agent, and
# nothing left behind. In a virtual machine, see vm.bash.
# timeout: 400
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/vm.bash"
vm_start_root
vm_disk || skip_all "no mkfs.xfs, depmod or modules of the kernel"
[ -x "$MEZZO" ] || skip_all "the command line is not built"
vm_daemons
vm_add "$MEZZO" /b/cli
for m in disk_xfs cgroups_hugetlb cgroups_perf_event; do
	[ -f "$ROOT/b/modules/isolator/$m.so" ] || skip_all "isolator/$m is not built"
done

cat >"$ROOT/conf.yaml" <<'END_OF_CONF'
resources: "cpus:2;mem:512;disk:300;ports:[31000-31100]"
containerizers: [{name: mesos, settings: {launcher: linux}}]
registration_backoff: 200ms
isolation:
  - posix_cpu
  - posix_mem
  - filesystem_linux
  - volume_sandbox_path
  - volume_secret
  - environment_secret
  - posix_rlimits
  - linux_nnp
  - linux_capabilities
  - namespaces_pid
  - namespaces_ipc
  - namespaces_uts
  - network_ports
  - {name: disk_xfs, settings: {enforce: true, interval: 500ms}}
  - {name: cgroups_cpu, settings: {cfs: true}}
  - cgroups_mem
  - {name: cgroups_pids, settings: {max: 64, per_cpu: 1}}
  - cgroups_cpuset
  - cgroups_devices
  - cgroups_blkio
  - {name: cgroups_hugetlb, settings: {limits: {2MB: 4MB}}}
  - {name: cgroups_perf_event, settings: {events: [task-clock], interval: 1secs, duration: 500ms}}
END_OF_CONF
cat >"$ROOT/main" <<'END_OF_MAIN'
vm_mount_disk
ifconfig lo 127.0.0.1 up
# What has to be looked at again and again: nobody tells of it. For 90 seconds.
mkfifo /pause /agent.log /registered /tmp/end
exec 3<>/registered
until_true()
{
	end=$(($(date +%s) + 90))
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt $end ] || return 1
		read -rt 0.2 x <>/pause
	done
}
# Returns when it has registered, or is back.
agent()
{
	while read -r line; do
		case $line in *"egistered with master"*) echo "$line" >&3 ;; esac
	done </agent.log &
	/b/core/bin/mezzod agent -c /conf.yaml --listen 127.0.0.1:5051 --work-dir /xfs/agent --master 127.0.0.1:5050 >/agent.log 2>&1 &
	agent=$!
	read -rt 90 line <&3 && echo "the agent is registered"
}
run()
{
	name=$1
	shift
	/b/cli/mezzo run -n $name -t 90s -r "cpus:0.4;mem:32;disk:8" -c "$*" >/tmp/said 2>&1
	echo "$name status $?" >>/tmp/said
	sed "s/^/$name: /" /tmp/said
}
call()
{
	wget -qO- --header 'Content-Type: application/json' --header 'Accept: application/json' --post-data "$1" http://127.0.0.1:5051/api/v1
}
statistics()
{
	call '{"type":"GET_CONTAINERS","get_containers":{"show_standalone":true}}'
}
/b/core/bin/mezzod master --listen 127.0.0.1:5050 --work-dir /tmp/master >/master.log 2>&1 &
agent
run group 'cat /proc/self/cgroup; grep NoNewPrivs /proc/self/status; echo "processes $(ls -d /proc/[0-9]* | wc -l)"'
run disk 'head -c 20000000 /dev/zero >big; size=$(stat -c %s big); rm big; sync; echo "size $size"'
run forks '(i=0; while [ $i -lt 100 ]; do sleep 100 & i=$((i+1)); echo $i >forks; done) 2>/dev/null; echo "forked $(cat forks)"'
run memory 'dd if=/dev/zero of=/dev/null bs=200M count=1 && echo survived; sleep 1000'
run devices '(: </dev/kmsg) 2>/dev/null && echo opened; (: </dev/null) && echo null'
# A container that an operator starts outlives the agent.
call '{"type":"LAUNCH_CONTAINER","launch_container":{"container_id":{"value":"alone"},
	"command":{"shell":true,"value":"head -c 3000000 /dev/zero >big; read -r x </tmp/end"},
	"resources":[{"name":"cpus","type":"SCALAR","scalar":{"value":0.5}},{"name":"mem","type":"SCALAR","scalar":{"value":64}},
	{"name":"disk","type":"SCALAR","scalar":{"value":8}}]}}'
seen()
{
	statistics | grep '"task_clock"' | grep -q '"disk_used_bytes":3'
}
until_true seen
echo "before: $(statistics)"
kill -9 $agent
wait $agent
agent
until_true seen
echo "after: $(statistics)"
echo 1<>/tmp/end
no_groups()
{
	[ -z "$(find /sys/fs/cgroup/mezzo -mindepth 1 -type d)" ]
}
until_true no_groups
kill $agent
wait $agent
echo "cgroups left: $(find /sys/fs/cgroup -mindepth 1 -type d | tr '\n' ' ')"
echo "mounts left: $(grep -c agent /proc/mounts)"
END_OF_MAIN
vm_run 240

seen()
{
	sed -n "s/^$1: //p" "$T/console"
}
ok "the agent starts and registers" grep -q "^the agent is registered" "$T/console"
like "a group of its own" "$(seen group)" '^0::/mezzo/[^/]+/leaf$'
like "linux_nnp" "$(seen group)" '^NoNewPrivs:[[:space:]]1$'
like "namespaces_pid" "$(seen group)" '^processes [1-9]$'
like "disk_xfs: no more than its disk" "$(seen disk)" '^size [78][0-9]{6}$'
like "cgroups_pids" "$(seen forks)" '^forked [2-6][0-9]$'
is "cgroups_mem: it does not survive" "$(seen memory | grep -c '^survived')" 0
like "cgroups_mem: it is ended" "$(seen memory)" '^memory status [1-9]'
like "cgroups_devices" "$(seen devices | grep -v '^mezzo:' | tr '\n' ' ')" '^null devices status 0'
for when in before after; do
	like "$when a restart: disk_xfs" "$(seen $when)" '"disk_limit_bytes":8388608.*"disk_used_bytes":3[0-9]{6}'
	like "$when a restart: cgroups_perf_event" "$(seen $when)" '"perf":\{[^}]*"task_clock"'
	like "$when a restart: cgroups_cpu" "$(seen $when)" '"cpus_limit":0\.5'
	like "$when a restart: cgroups_mem" "$(seen $when)" '"mem_limit_bytes":67108864'
	like "$when a restart: cgroups_hugetlb" "$(seen $when)" '"page_size":"2MB","limit_bytes":4194304,"usage_bytes":0'
	like "$when a restart: processes" "$(seen $when)" '"processes":[2-9]'
done
ok "no cgroup is left" grep -q '^cgroups left: $' "$T/console"
ok "no mount is left" grep -q '^mounts left: 0$' "$T/console"
ok "it ran to its end" grep -q '^all ran' "$T/console"
done_testing
