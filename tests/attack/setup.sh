# shellcheck shell=bash
# What the scripts of tests/attack stand on: an agent with every isolator that guards,
# a neighbour that works, and the attacker. Source it after tests/lib.sh.
# SPDX-License-Identifier: Apache-2.0
needs curl jq
[ "$(id -u)" -eq 0 ] || skip_all "needs root"
[ -w /sys/fs/cgroup/freezer/cgroup.procs ] || skip_all "the hierarchies of cgroup v1 are not mounted in /sys/fs/cgroup"
for hierarchy in cpu memory pids cpuset devices blkio; do
	[ -w "/sys/fs/cgroup/$hierarchy/cgroup.procs" ] || skip_all "there is no hierarchy $hierarchy in /sys/fs/cgroup"
done
[ -x "$MEZZO_BUILD/tests/attack/attack" ] || skip_all "tests/attack/attack is not built"
own_groups
WORK=agent
ISOLATORS=$MEZZO_BUILD/modules/isolator

# Where a task's user can reach it; the build tree may be the builder's alone.
install -m 755 "$MEZZO_BUILD/tests/attack/attack" "$T/attack"
ATTACK=$T/attack
mkdir -m 1777 "$T/open"
mkdir "$T/allowed"
chmod 777 "$T/allowed"

# What Docker leaves to root.
CAPABILITIES='CHOWN, DAC_OVERRIDE, FSETID, FOWNER, MKNOD, NET_RAW, SETGID, SETUID, SETFCAP, SETPCAP, NET_BIND_SERVICE, SYS_CHROOT, KILL, AUDIT_WRITE'
# A profile in Docker's form: all but what administrates.
mkdir "$T/seccomp"
cat >"$T/seccomp/usual.json" <<'END'
{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_ERRNO", "errnoRet": 1, "names": [
	"mount", "umount2", "pivot_root", "swapon", "swapoff", "reboot", "sethostname", "setdomainname", "init_module",
	"finit_module", "delete_module", "kexec_load", "bpf", "perf_event_open", "keyctl", "add_key", "request_key", "unshare",
	"setns", "open_by_handle_at", "userfaultfd", "ptrace", "process_vm_readv", "process_vm_writev", "move_mount",
	"open_tree", "fsopen", "mount_setattr", "acct", "settimeofday", "clock_settime", "quotactl", "lookup_dcookie"]}]}
END

# $1: further lines of the isolation list. ATTACK_WITHOUT, a regular expression, leaves
# isolators out: what they guard must fail then.
write_conf()
{
	cat >"$T/conf.yaml" <<END
resources: "cpus:64;mem:65536;disk:65536;ports:[31000-31100]"
store: lmdb
elector: standalone
containerizers:
  - name: mesos
    settings: {launcher: linux}
authenticators: [none]
cgroups_root: $OURS
logger:
  name: rotate
  settings: {max_stdout_size: 1MB, max_stdout_files: 2, max_stderr_size: 1MB, max_stderr_files: 2}
isolation:
  - {name: cgroups_cpu, settings: {cfs: true, root_cpus: ${ROOT_CPUS:-0}}}
  - cgroups_mem
  - {name: cgroups_pids, settings: {max: 96, per_cpu: 1}}
  - cgroups_cpuset
  - cgroups_devices
  - cgroups_blkio
  - namespaces_pid
  - namespaces_ipc
  - {name: namespaces_uts, settings: {always: true}}
  - filesystem_linux
  - {name: volume_host_path, settings: {allowed: [$T/allowed]}}
  - volume_sandbox_path
  - posix_rlimits
  - {name: disk_du, settings: {interval: 100ms, enforce: true, max_files: 20000}}
  - {name: linux_capabilities, settings: {effective: [NONE], bounding: [$CAPABILITIES]}}
  - linux_nnp
$1
END
	[ -z "${ATTACK_WITHOUT-}" ] || sed -Ei "/^  - .*($ATTACK_WITHOUT)/d" "$T/conf.yaml"
}

# start OPTION…: the agent $WORK with that file, in a session that has a key; sets
# AGENT, its pid, and WHERE, its address
UNDER=("$ATTACK" session mezzo-attack)
start()
{
	start_agent "$WORK" -c "$T/conf.yaml" --set registration_backoff=200ms "$@"
	AGENT=${AGENT_PID[$WORK]} WHERE=${AGENT_URL[$WORK]#http://}
	wait_for 30 "the agent to register" agents_are 1
}

# ---- tasks ----
# What a task asks for beside cpus and mem, as a change of its TaskInfo.
as_nobody='.command.user = "nobody"'
WITH_DISK='.resources += [{name: "disk", type: "SCALAR", scalar: {value: 32}}]'

# run TASK COMMAND [CHANGE]: until it runs, or has ended already
run()
{
	OFFER=$(offer f)
	is "launch $1" "$(launch f "$OFFER" "$1" "$2" "$as_nobody | ${3-.}")" 202
	wait_for 30 "$1 to start" reached f "$1" TASK_RUNNING
}
# The end of a task: "STATE REASON MESSAGE"
end_of()
{
	events f | jq -r --arg t "$1" 'select(.type == "UPDATE") | .update.status | select(.task_id.value == $t) |
		select(.state | test("FINISHED|FAILED|KILLED|LOST|GONE|ERROR|DROPPED")) | "\(.state) \(.reason // "-") \(.message // "")"' |
		head -n 1
}
has_ended()
{
	[ -n "$(end_of "$1")" ]
}
sandbox_of()
{
	local s
	for s in "$T/$WORK"/slaves/*/frameworks/*/executors/"$1"/runs/*/; do
		case $s in
		*/latest/) ;;
		*) [ -d "$s" ] && { echo "$s"; return; } ;;
		esac
	done
}
kill_task()
{
	call '{"type":"KILL","kill":{"task_id":{"value":"'"$1"'"}}}' >/dev/null
}
# said TASK PATTERN: its output has such a line
said()
{
	grep -qE -- "$2" "$(sandbox_of "$1")stdout"
}
# The attacker's lines become points.
verdicts()
{
	local word rest n=0
	while read -r word rest; do
		case $word in
		held) pass "$1: $rest" ;;
		broken) fail "$1: ${rest%%: *}" "$rest" ;;
		skip) skip "$1: ${rest%%: *}" "${rest#*: }" ;;
		*) continue ;;
		esac
		n=$((n + 1))
	done < <(cat "$(sandbox_of "$1")"stdout*)
	[ $n -ge "$2" ] || fail "$1 gets through its attempts" "it made $n of at least $2" "$(tail -n 5 "$(sandbox_of "$1")"std*)"
}

# ---- who has to be well ----
agent_answers()
{
	[ "$(get -o /dev/null -w '%{http_code}' "http://$WHERE/health")" = 200 ] &&
		answers "http://$WHERE/containers" 'length >= 1' >/dev/null
}
neighbour_is_at()
{
	stat -c %s "$T/open/ticks"
}
start_neighbour()
{
	run neighbour "exec $ATTACK tick $T/open/ticks"
	wait_for 30 "the neighbour to work" test -s "$T/open/ticks"
}
# all_well WHAT: the agent answers, and the neighbour gets on with its work
all_well()
{
	local before
	kill -0 "$AGENT" 2>/dev/null || fail "$1: the agent lives" "it does not"
	ok "$1: the agent answers" agent_answers
	before=$(neighbour_is_at)
	further()
	{
		[ "$(neighbour_is_at)" -ge $((before + 20)) ]
	}
	ok "$1: the neighbour works" until_true 20 further
}
# One container is left, and that is the neighbour's.
only_neighbour()
{
	[ "$(find "/sys/fs/cgroup/freezer/$OURS" -mindepth 1 -maxdepth 1 -type d | wc -l)" -eq 1 ] || return 1
	! pgrep -f "^$ATTACK [a-s]" >/dev/null
}
nothing_left()
{
	ok "$1: nothing is left of it" until_true 30 only_neighbour
}
