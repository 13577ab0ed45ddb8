#!/usr/bin/env bash
# The launcher linux under a real agent: tasks in namespaces and cgroups of their own
# whose exact end arrives; kill -9 of the agent, of the shim; nothing is left behind.
# timeout: 300
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq python3
[ "$(id -u)" -eq 0 ] || skip_all "needs root"
GROUPS_DIR=/sys/fs/cgroup/freezer
[ -w "$GROUPS_DIR/cgroup.procs" ] || GROUPS_DIR=/sys/fs/cgroup
[ -w "$GROUPS_DIR/cgroup.procs" ] || skip_all "neither the freezer nor cgroup v2 is mounted in /sys/fs/cgroup"
own_groups

# with the namespaces that are built
isolation=posix_cpu,posix_mem,disk_du
[ -f "$MEZZO_BUILD/modules/isolator/namespaces_pid.so" ] && isolation=$isolation,namespaces_pid
cat >"$T/conf.yaml" <<END
resources: "cpus:2;mem:1024;disk:4096"
store: lmdb
elector: standalone
containerizers:
  - name: mesos
    settings: {launcher: linux}
isolation: [${isolation//,/, }]
authenticators: [none]
cgroups_root: $OURS
END
if unshare --pid --fork true 2>/dev/null; then
	out=$(unshare --pid --fork "$MEZZOD" agent -c "$T/conf.yaml" --work-dir "$T/other" --check-config 2>&1)
	is "in a pid namespace without a /proc of its own it does not start" $? 2
	like "and says why" "$out" "'/proc' is that of another pid namespace"
	ok "with one it does" unshare --pid --fork --mount-proc "$MEZZOD" agent -c "$T/conf.yaml" --work-dir "$T/other" --check-config
else
	skip "in a pid namespace without a /proc of its own it does not start" "no namespaces can be made here"
fi

start_master
agent_up
subscribe f '{"user":"root","name":"launcher","checkpoint":true,"failover_timeout":600}'
mkfifo "$T/end"

# run TASK COMMAND: until it runs
run()
{
	OFFER=$(offer f)
	is "launch $1" "$(launch f "$OFFER" "$1" "$2")" 202
	wait_for 30 "the task to run" reached f "$1" TASK_RUNNING
}
n_groups()
{
	find "$GROUPS_DIR/$OURS" -mindepth 1 -maxdepth 1 -type d | wc -l
}
# The container's own processes, as the host sees them.
members()
{
	cat "$GROUPS_DIR/$OURS"/*/cgroup.procs 2>/dev/null
}
# The parent of the first process, which is not in the cgroup itself.
shim_of_ours()
{
	local p parent
	for p in $(members); do
		parent=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$p/status")
		members | grep -qx "$parent" || { echo "$parent"; return; }
	done
}
message_of()
{
	events f | jq -r --arg t "$1" --arg s "$2" 'select(.type == "UPDATE") | .update.status |
		select(.task_id.value == $t and .state == $s) | .message' | head -n 1
}

run first "read -r code <$T/end; exit \$code"
is "it has a cgroup" "$(n_groups)" 1
ok "with processes" [ "$(members | wc -l)" -gt 0 ]
if [ "$isolation" != "${isolation%namespaces_pid}" ]; then
	pid=$(members | tail -n 1)
	isnt_ours()
	{
		[ "$(readlink "/proc/$pid/ns/pid")" != "$(readlink /proc/self/ns/pid)" ]
	}
	ok "in a pid namespace of its own" isnt_ours
fi
# A command beside it is in its namespaces and its cgroup, and in a terminal if it likes.
task_ns()
{
	readlink "/proc/$(members | tail -n 1)/ns/$1"
}
for ns in pid mnt ipc uts; do
	is "exec is in the task's $ns namespace" "$("$MEZZO" exec first readlink "/proc/self/ns/$ns")" "$(task_ns $ns)"
done
is "in its cgroup" "$("$MEZZO" exec first sh -c 'cat /proc/self/cgroup' | grep -c "/$OURS/")" \
	"$(grep -c "/$OURS/" "/proc/$(members | tail -n 1)/cgroup")"
is "and ends with its own status" "$("$MEZZO" exec -t first sh -c 'test -t 0 && exit 9' </dev/null; echo $?)" 9
one_group()
{
	[ "$(find "$GROUPS_DIR/$OURS" -mindepth 2 -type d -path '*/mezzo/*' | wc -l)" -eq 0 ]
}
ok "nothing is left of it" until_true 20 one_group
# Whoever looks for the program in /proc finds nothing to write to.
shim=$(shim_of_ours)
like "the shim runs from memory" "$(readlink "/proc/$shim/exe")" '^/memfd:mezzo-init'
writes()
{
	: 2>/dev/null >>"/proc/$shim/exe"
}
ok "that nobody can write to" eval '! writes'
# F_GET_SEALS has F_SEAL_WRITE
sealed()
{
	python3 -c 'import fcntl, os, sys; sys.exit(not fcntl.fcntl(os.open(sys.argv[1], os.O_RDONLY), 1034) & 8)' "/proc/$shim/exe"
}
ok "nor could, if it did not run" sealed

agent_dies
agent_up
ok "the task goes on" [ "$(members | wc -l)" -gt 0 ]
echo 7 >"$T/end"
ok "its end arrives" until_true 60 reached f first TASK_FAILED
like "with the exact status" "$(message_of first TASK_FAILED)" '\b7\b'
ok "its cgroup is gone" until_true 20 no_groups

run second "(setsid sleep 1000 &); sleep 1000"
before=$(members)
shim=$(shim_of_ours)
kill -KILL "$shim"
ended()
{
	reached f second TASK_FAILED || reached f second TASK_LOST || reached f second TASK_GONE
}
ok "a shim that is killed is noticed" until_true 60 ended
ok "its cgroup is gone" until_true 20 no_groups
dead()
{
	local p
	for p in $before; do
		! [ -d "/proc/$p" ] || grep -q '^State:[[:space:]]*[ZX]' "/proc/$p/status" || return 1
	done
}
ok "with everything in it" until_true 10 dead

run third "b() { b | b & b; }; (while :; do /bin/true & done) & while :; do sleep 1000 & sleep 0.001; done"
call '{"type":"KILL","kill":{"task_id":{"value":"third"}}}' >/dev/null
ok "a fork bomb is killed" until_true 60 reached f third TASK_KILLED
ok "its cgroup is gone" until_true 30 no_groups

# ---- the file that ships, with all that it isolates ----
stop_hard "$AGENT"
call '{"type":"TEARDOWN"}' >/dev/null
shipped=(-c "$MEZZO_SRC/conf/agent-linux.yaml" --work-dir "$T/shipped" --master "$MASTER" --listen 127.0.0.1:0
	--set "cgroups_root=$OURS")
if "$MEZZOD" agent "${shipped[@]}" --check-config >"$T/check.log" 2>&1; then
	: >"$T/agent.log.now"
	"$MEZZOD" agent "${shipped[@]}" >"$T/agent.log.now" 2>&1 &
	AGENT=$!
	pids+=("$AGENT")
	wait_listening "$T/agent.log.now" "$AGENT"
	wait_for 30 "the agent to register" agents_are 1
	out=$(timeout 60 "$MEZZO" run --command 'echo pid $$; grep CapEff /proc/self/status; exit 3' 2>&1)
	is "conf/agent-linux.yaml: a task and its end" $? 3
	like "processes are counted from one in it" "$out" '^pid [0-9]$'
	like "and has no capabilities" "$out" '^CapEff:[[:space:]]*0000000000000000$'
	ok "its cgroup is gone" until_true 20 no_groups
else
	skip "conf/agent-linux.yaml: a task and its end" "$(tail -n 1 "$T/check.log")"
fi
stop_hard "$AGENT"
is "no mount is left" "$(grep -c "$T" /proc/self/mountinfo)" 0
done_testing
