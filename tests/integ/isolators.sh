#!/usr/bin/env bash
# All isolators at once under a real agent with the launcher linux: one task in all of them,
# which sees its limits from inside while statistics tell of them outside; kill -9 of the
# agent in between; tasks that go over one limit each; nothing is left behind.
# timeout: 300
# SPDX-License-Identifier: Apache-2.0
# Mounts of its own, among them a v1 hierarchy that no one else has.
[ -n "${MEZZO_OWN_MOUNTS-}" ] || [ "$(id -u)" -ne 0 ] || ! unshare --mount --propagation private true 2>/dev/null ||
	exec env MEZZO_OWN_MOUNTS=1 unshare --mount --propagation private bash "$0" "$@"
. "$(dirname "$0")/../lib.sh"
needs curl jq python3 unshare
[ "$(id -u)" -eq 0 ] || skip_all "needs root"
[ -n "${MEZZO_OWN_MOUNTS-}" ] || skip_all "no mount namespace can be made here"
GROUPS_DIR=$T/cgroup
own_groups "$GROUPS_DIR"
at_end()
{
	umount -l "$GROUPS_DIR"/* "$GROUPS_DIR"
}

# ---- hierarchies: the machine's, and net_cls of v1 where it is free ----
mkdir "$GROUPS_DIR"
mount -t tmpfs tmpfs "$GROUPS_DIR" || skip_all "nothing can be mounted here"
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
	mkdir "$GROUPS_DIR/unified" && mount --bind /sys/fs/cgroup "$GROUPS_DIR/unified"
else
	for d in /sys/fs/cgroup/*/; do
		d=$(basename "$d")
		mountpoint -q "/sys/fs/cgroup/$d" && mkdir "$GROUPS_DIR/$d" && mount --bind "/sys/fs/cgroup/$d" "$GROUPS_DIR/$d"
	done
fi
if [ ! -d "$GROUPS_DIR/net_cls" ]; then
	mkdir "$GROUPS_DIR/net_cls"
	mount -t cgroup -o net_cls cgroup "$GROUPS_DIR/net_cls" 2>/dev/null || rmdir "$GROUPS_DIR/net_cls"
fi
[ -w "$GROUPS_DIR/freezer/cgroup.procs" ] || [ -w "$GROUPS_DIR/unified/cgroup.procs" ] ||
	skip_all "cgroups cannot be made here"
# The directory of a controller.
where()
{
	if [ -d "$GROUPS_DIR/$1" ]; then echo "$GROUPS_DIR/$1"; else echo "$GROUPS_DIR/unified"; fi
}
has_controller()
{
	[ -d "$GROUPS_DIR/$1" ] || grep -qw "${2-$1}" "$GROUPS_DIR/unified/cgroup.controllers" 2>/dev/null
}

# ---- files that isolators are told of ----
mkdir -p "$T"/{secrets,shared,profiles,dev}
printf hush >"$T/secrets/word"
echo "from the host" >"$T/shared/file"
echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["symlink","symlinkat"],"action":"SCMP_ACT_ERRNO"}]}' \
	>"$T/profiles/no-links"
# Devices of the kernel's own stand for those of GPUs: what all tasks may open is none of them.
device()
{
	mknod -m 666 "$T/dev/$1" c $((0x$(stat -c %t "$2"))) $((0x$(stat -c %T "$2")))
}
list=
settings()
{
	[ -f "$MEZZO_BUILD/modules/isolator/$1.so" ] || return 1
	list="$list  - name: $1
    settings: $2
"
}
# before those that make files, which are then given to its ids
settings namespaces_user "{first_id: 5000000}"
for m in posix_cpu posix_mem linux_nnp filesystem_linux volume_sandbox_path volume_secret environment_secret; do
	settings $m "{}"
done
settings posix_rlimits "{}"
settings disk_du "{enforce: true, interval: 500ms}"
settings linux_capabilities "{bounding: [CHOWN, DAC_OVERRIDE, FOWNER, KILL, SETGID, SETUID]}"
settings linux_seccomp "{profile_dir: $T/profiles, default_profile: no-links}"
settings namespaces_pid "{}"
settings namespaces_ipc "{}"
settings namespaces_uts "{}"
settings network_ports "{enforce: true, interval: 500ms}"
settings volume_host_path "{allowed: [$T/shared]}"
for m in cpu mem pids cpuset devices; do
	case $m in
	cpu) has_controller cpu && settings cgroups_cpu "{cfs: true}" ;;
	mem) has_controller memory && settings cgroups_mem "{}" ;;
	pids) has_controller pids && settings cgroups_pids "{max: 64, per_cpu: 1}" ;;
	cpuset) has_controller cpuset && settings cgroups_cpuset "{cpus: \"0\"}" ;;
	devices) settings cgroups_devices "{allowed: [/dev/zero r]}" ;;
	esac
done
has_controller blkio io && settings cgroups_blkio "{}"
has_controller hugetlb && settings cgroups_hugetlb "{limits: {2MB: 4MB}}"
[ -d "$GROUPS_DIR/net_cls" ] && settings cgroups_net_cls "{primary_handle: \"0x4d5a\", secondary_handles: \"0x7,0x9\"}"
{ [ -d "$GROUPS_DIR/perf_event" ] || [ -d "$GROUPS_DIR/unified" ]; } &&
	settings cgroups_perf_event "{events: [task-clock, page-faults], interval: 1secs, duration: 500ms}"
gpus=0
if [ -c /dev/fuse ] && [ -c /dev/loop-control ] && [ -c /dev/vsock ] &&
	[ -f "$MEZZO_BUILD/modules/isolator/gpu_nvidia/fake_nvml.so" ]; then
	device nvidia0 /dev/fuse && device nvidia1 /dev/loop-control && device nvidiactl /dev/vsock
	export MEZZO_FAKE_GPUS=2
	settings gpu_nvidia "{library: $MEZZO_BUILD/modules/isolator/gpu_nvidia/fake_nvml.so, device_directory: $T/dev}" && gpus=1
fi
cat >"$T/conf.yaml" <<END_OF_CONF
resources: "cpus:2;mem:1024;disk:4096;ports:[31000-31100]"
store: lmdb
elector: standalone
containerizers:
  - name: mesos
    settings: {launcher: linux}
isolation:
${list}authenticators: [none]
secret_resolver: {name: file, settings: {directory: $T/secrets}}
cgroups_hierarchy: $GROUPS_DIR
cgroups_root: $OURS
END_OF_CONF
echo "# isolators: $(sed -n 's/^  - name: //p' <<<"$list" | grep -v '^mesos' | tr '\n' ' ')"
has()
{
	grep -q "^  - name: $1\$" "$T/conf.yaml"
}
start_master
agent_up
subscribe f '{"user":"root","name":"isolators","checkpoint":true,"failover_timeout":600,
	"capabilities":[{"type":"GPU_RESOURCES"}]}'
mkfifo -m 666 "$T/end"
is "the agent offers the GPUs that were found" \
	"$(get "http://$MASTER/slaves" | jq '.slaves[0].resources.gpus')" $((gpus * 2))
if [ $gpus -eq 1 ]; then
	like "more than were found are refused" \
		"$("$MEZZOD" agent -c "$T/conf.yaml" --work-dir "$T/other" --check-config --resources "cpus:1;gpus:3" 2>&1)" \
		"Setting 'resources': 3 gpus are offered, and this machine has 2"
fi

# ---- one task in all of them ----
cat >"$T/task" <<'END_OF_TASK'
exec >facts 2>&1
echo "host $(hostname)"
echo "pid $$"
echo "processes $(ls -d /proc/[0-9]* | wc -l)"
sed -n 's/^\(NoNewPrivs\|Seccomp\|CapBnd\|Cpus_allowed_list\):[[:space:]]*/\1 /p' /proc/self/status
echo "files $(ulimit -n)"
echo "shm $(df -k /dev/shm | awk 'END { print $2 }')"
echo "uid $(awk '{ print $1, $2 }' /proc/self/uid_map)"
echo "gpu $NVIDIA_VISIBLE_DEVICES"
for d in FILES/nvidia0 FILES/nvidia1 FILES/nvidiactl /dev/null; do
	(: <$d) 2>/dev/null && echo "opens $(basename $d)"
done
echo "variable $WORD"
echo "secret $(cat word)"
echo "volume $(cat shared/file)"
(: >shared/new) 2>/dev/null && echo "volume can be written"
ls -d own >/dev/null && echo "own volume"
ln -s a b 2>/dev/null && echo "links"
(: >/proc/sys/kernel/hostname) 2>/dev/null && echo "proc can be written"
(i=0; while [ $i -lt 100 ]; do sleep 1000 & i=$((i + 1)); echo $i >forks; done) 2>/dev/null
# those of a shell that has ended are children of the container's first process now
echo "forked $(cat forks)"
touch ready
read -r code <END
exit "$code"
END_OF_TASK
sed -i "s,FILES,$T/dev,g; s,<END\$,<$T/end," "$T/task"
change='.resources += [{name: "disk", type: "SCALAR", scalar: {value: 10}}]
	| .resources |= map(if .name == "cpus" then .scalar.value = 0.5 elif .name == "mem" then .scalar.value = 128 else . end)'
task=$change'
	| (if '$gpus' == 1 then .resources += [{name: "gpus", type: "SCALAR", scalar: {value: 1}}] else . end)
	| .command.environment = {variables: [{name: "WORD", type: "SECRET", secret: {type: "REFERENCE", reference: {name: "word"}}}]}
	| .container = {type: "MESOS", hostname: "inner",
		linux_info: {ipc_mode: "PRIVATE", shm_size: 4},
		rlimit_info: {rlimits: [{type: "RLMT_NOFILE", soft: 100, hard: 200}]},
		volumes: [
			{mode: "RO", container_path: "shared", host_path: "'$T'/shared"},
			{mode: "RW", container_path: "own", source: {type: "SANDBOX_PATH", sandbox_path: {type: "SELF", path: "inside"}}},
			{mode: "RW", container_path: "word", source: {type: "SECRET", secret: {type: "REFERENCE", reference: {name: "word"}}}}]}'
# What is held is given back until one offer has enough.
enough()
{
	local o id
	o=$(held f)
	[ -n "$o" ] || return 1
	[ "$(jq '[.resources[] | select(.name == "cpus") | .scalar.value] | add >= 1' <<<"$o")" != true ] || return 0
	id=$(jq -r .id.value <<<"$o")
	echo "$id" >>"$T/f.used"
	call "{\"type\":\"DECLINE\",\"decline\":{\"offer_ids\":[{\"value\":\"$id\"}],\"filters\":{\"refuse_seconds\":0}}}" >/dev/null
	return 1
}
whole_offer()
{
	wait_for 60 "an offer that is large enough" enough >&2
	held f
}
OFFER=$(whole_offer)
is "launch" "$(launch f "$OFFER" all ". $T/task" "$task")" 202
sandbox()
{
	find "$T/agent" -path '*/runs/*' -name "$1" -not -path '*/latest/*' 2>/dev/null | head -n 1 | xargs -r dirname
}
runs()
{
	[ -n "$(sandbox ready)" ]
}
wait_for 60 "the task to be ready" runs
box=$(sandbox ready)
id=$(basename "$box")
fact()
{
	sed -n "s/^$1 //p" "$box/facts"
}
sed 's/^/# /' "$box/facts"
is "namespaces_uts: its host name" "$(fact host)" inner
# pid 1 is the executor, whose shell has the task's
ok "namespaces_pid: it sees its own processes only" [ "$(fact processes)" -lt 10 ]
is "linux_nnp" "$(fact NoNewPrivs)" 1
is "linux_seccomp" "$(fact Seccomp)" 2
is "linux_seccomp: what the profile denies" "$(grep -c '^links' "$box/facts")" 0
is "linux_capabilities" "$(fact CapBnd)" 00000000000000eb
is "posix_rlimits" "$(fact files)" 100
is "namespaces_ipc: size of /dev/shm" "$(fact shm)" 4096
is "namespaces_user: root in it is nobody outside" "$(fact uid)" "0 5000000"
is "environment_secret" "$(fact variable)" hush
is "volume_secret" "$(fact secret)" hush
is "volume_host_path" "$(fact volume | head -n 1)" "from the host"
is "volume_host_path: read-only" "$(grep -c 'volume can be written' "$box/facts")" 0
is "volume_sandbox_path" "$(grep -c '^own volume' "$box/facts")" 1
is "filesystem_linux: /proc/sys" "$(grep -c 'proc can be written' "$box/facts")" 0
has cgroups_cpuset && is "cgroups_cpuset" "$(fact Cpus_allowed_list)" 0
has cgroups_pids && ok "cgroups_pids: it bites" [ "$(fact forked)" -gt 20 -a "$(fact forked)" -lt 64 ]
if [ $gpus -eq 1 ]; then
	is "gpu_nvidia: the variable" "$(fact gpu)" GPU-fake-0
	is "gpu_nvidia and cgroups_devices: what it may open" "$(fact opens | tr '\n' ' ')" "nvidia0 nvidiactl null "
else
	skip "gpu_nvidia" "no /dev/fuse, loop-control and vsock, or it is not built"
	is "cgroups_devices: what it may open" "$(fact opens | tr '\n' ' ')" "null "
fi

# ---- from outside ----
statistics()
{
	get "http://$WHERE/monitor/statistics" | jq -c '.[0].statistics'
}
stat_of()
{
	statistics | jq -r "$1"
}
classid()
{
	get "http://$WHERE/containers" | jq -r '.[0].status.cgroup_info.net_cls.classid'
}
has_perf()
{
	[ "$(stat_of '.perf.page_faults != null and .perf.duration > 0.3')" = true ]
}
disk_is_known()
{
	[ "$(stat_of '.disk_used_bytes != null')" = true ]
}
seen_from_outside()
{
	ok "$1: disk_du has measured" until_true 20 disk_is_known
	is "$1: disk_du" "$(stat_of .disk_limit_bytes)" $((10 << 20))
	# the executor has 0.1 cpus and 32 MB of its own
	like "$1: cgroups_cpu" "$(stat_of .cpus_limit)" '^0\.[56]'
	has cgroups_mem && like "$1: cgroups_mem" "$(stat_of '.mem_limit_bytes / 1048576')" '^1[26][08]$'
	has cgroups_pids && ok "$1: processes" [ "$(stat_of .processes)" -ge "$(fact forked)" ]
	ok "$1: time was used" [ "$(stat_of '.cpus_user_time_secs + .cpus_system_time_secs > 0')" = true ]
	has cgroups_blkio && is "$1: cgroups_blkio" "$(stat_of '.blkio_statistics.throttling | length > 0')" true
	has cgroups_perf_event && ok "$1: cgroups_perf_event" until_true 20 has_perf
	if has cgroups_net_cls; then
		is "$1: cgroups_net_cls in /containers" "$(classid)" $((0x4d5a0007))
	else
		skip "$1: cgroups_net_cls" "no v1 hierarchy with net_cls can be mounted"
	fi
	has cgroups_hugetlb && is "$1: cgroups_hugetlb" \
		"$(stat_of '.hugetlb_statistics[] | select(.page_size == "2MB") | [.limit_bytes, .usage_bytes, .failures] | join(" ")')" "$((4 << 20)) 0 0"
}
seen_from_outside "before"
has cgroups_net_cls && is "cgroups_net_cls in the status update" "$(events f | jq -r 'select(.type == "UPDATE") | .update.status |
	select(.state == "TASK_RUNNING") | .container_status.cgroup_info.net_cls.classid' | head -n 1)" $((0x4d5a0007))

agent_dies
agent_up
seen_from_outside "after"
if [ $gpus -eq 1 ]; then
	OFFER=$(whole_offer)
	is "one GPU of two is left" "$(jq '[.resources[] | select(.name == "gpus") | .scalar.value] | add' <<<"$OFFER")" 1
	is "launch" "$(launch f "$OFFER" second "echo \"\$NVIDIA_VISIBLE_DEVICES\" >second; (: <$T/dev/nvidia1) && ! (: <$T/dev/nvidia0)" \
		"$change | .resources += [{name: \"gpus\", type: \"SCALAR\", scalar: {value: 1}}]")" 202
	ok "and it is the other one" until_true 60 reached f second TASK_FINISHED
	is "as the variable says" "$(cat "$(sandbox second)/second")" GPU-fake-1
fi
echo 7 >"$T/end"
ok "the end arrives" until_true 60 reached f all TASK_FAILED

# ---- over a limit ----
# over TASK COMMAND REASON [JQ-CHANGE]
over()
{
	OFFER=$(whole_offer)
	is "launch $1" "$(launch f "$OFFER" "$1" "$2" "${4-$change}")" 202
	ok "$1: it is ended" until_true 60 reached f "$1" TASK_FAILED
	is "$1: with the reason" "$(events f | jq -r --arg t "$1" 'select(.type == "UPDATE") | .update.status |
		select(.task_id.value == $t and .state == "TASK_FAILED") | .reason' | head -n 1)" "$3"
}
has cgroups_mem && over memory "head -c 400m /dev/zero | tail -c 399m >/dev/null; sleep 1000" REASON_CONTAINER_LIMITATION_MEMORY
over disk "head -c 20m /dev/zero >big; sleep 1000" REASON_CONTAINER_LIMITATION_DISK
# from a process that descends from none of the container's: its parent has ended
over port "(setsid python3 -c 'import socket, time; s = socket.socket(); s.bind((\"127.0.0.1\", 0)); s.listen(); time.sleep(1000)' &)
	sleep 1000" REASON_CONTAINER_LIMITATION

# ---- nothing is left ----
ok "no cgroup of a container is left" until_true 30 no_groups
# but for the containerizer's records of ended ones, which go later, many at once
files_left()
{
	find "$T/agent/run" -mindepth 2 -not -path '*/run/containers/*' 2>/dev/null
}
is "no file in the runtime directory" "$(files_left)" ""
left()
{
	local p
	for p in /proc/[0-9]*; do
		case $(readlink "$p/cwd" 2>/dev/null) in
		"$box"*) echo "${p#/proc/} $(tr '\0' ' ' <"$p/cmdline")" ;;
		esac
	done
}
is "no process" "$(left)" ""
is "no mount" "$(grep "$T" /proc/self/mountinfo | grep -vc "$GROUPS_DIR")" 0
kill -TERM "$AGENT"
wait "$AGENT" 2>/dev/null
is "the agent's own cgroup is gone with it" "$(find "$GROUPS_DIR" -name "$OURS" -type d 2>/dev/null)" ""
done_testing
