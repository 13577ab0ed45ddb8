#!/usr/bin/env bash
# Containers with a root file system of their own, made of paths of the host
# (filesystem_linux, host_paths), under a real agent: command tasks, pods, debug containers,
# ones that stand alone, terminals, volumes, users of their own; the agent is killed with
# kill -9 in between; what must not be seen or written to is neither; nothing is left.
# timeout: 300
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq
needs_linux_launcher
id nobody >/dev/null 2>&1 || skip_all "there is no user nobody"
own_groups

paths=
for d in /usr /bin /sbin /lib /lib32 /lib64 /etc; do
	[ ! -e $d ] || paths="$paths${paths:+, }$d"
done
mkdir -p "$T"/{secrets,shared,hidden}
printf hush >"$T/secrets/word"
echo "from the host" >"$T/shared/file"
echo "not for containers" >"$T/hidden/file"
chmod 777 "$T/shared"
# $1 further isolators, $2 further lines
write_conf()
{
	cat >"$T/conf.yaml" <<END
resources: "cpus:4;mem:2048;disk:4096;ports:[31000-31100]"
store: lmdb
elector: standalone
switch_user: true
containerizers:
  - name: mesos
    settings: {launcher: linux}
# Before the one that gives the root file system: their mounts are in it all the same.
isolation:
$1  - namespaces_pid
  - namespaces_ipc
  - {name: filesystem_linux, settings: {host_paths: [$paths]}}
  - {name: volume_host_path, settings: {allowed: [$T/shared]}}
  - volume_sandbox_path
  - volume_secret
  - {name: linux_capabilities, settings: {effective: [NONE], bounding: [CHOWN, DAC_OVERRIDE, FSETID, FOWNER, MKNOD, SETGID,
      SETUID, SYS_CHROOT, KILL]}}
authenticators: [none]
secret_resolver: {name: file, settings: {directory: $T/secrets}}
cgroups_root: $OURS
registration_backoff: 200ms
$2
END
}
write_conf "" ""

# ---- what is refused ----
refused()
{
	like "refused: $1" "$("$MEZZOD" agent -c "$T/conf.yaml" --work-dir "$T/agent" --check-config \
		--set isolation.2.settings.host_paths="$1" 2>&1)" "Setting 'host_paths': '[^']*'.*$2"
}
refused "[/usr, /nowhere]" ": No such file or directory"
refused "[usr]" "is not an absolute path"
refused "[//.]" "is / itself"
refused "[/usr/../root]" "has a '\.\.' in it"
refused "[/proc/sys]" "is in /proc, of which containers have one of their own"
refused "[/tmp]" "is in /tmp"

start_master
agent_up
subscribe f '{"user":"root","name":"rootfs","checkpoint":true,"failover_timeout":600,"roles":["dev"],
	"capabilities":[{"type":"MULTI_ROLE"}]}'
as_role='.resources |= map(.allocation_info = {role: "dev"})'
sandbox()
{
	readlink -f "$T"/agent/slaves/*/frameworks/*/executors/"$1"/runs/latest
}
# run TASK SCRIPT [CHANGE]: until it has said that it is ready
ready()
{
	[ -e "$(sandbox "$1")/ready" ]
}
run()
{
	local o
	o=$(offer f)
	is "launch $1" "$(launch f "$o" "$1" "$2
		touch ready; exec sleep 1000" "$as_role | ${3-.}")" 202
	wait_for 60 "$1 to be ready" ready "$1"
}
said()
{
	sed -n "s/^$2 //p" "$(sandbox "$1")/facts"
}

# ---- a victim, and a task that looks around ----
run victim "echo hers >own; chmod 644 own" '.command.user = "nobody"'
victim=$(sandbox victim)
cat >"$T/look.sh" <<'END'
echo to-stdout >>/dev/stdout
exec >facts 2>&1
has() { if ls -d "$2" >/dev/null 2>&1; then echo "$1 seen"; else echo "$1 not-seen"; fi; }
writes() { if (: >>"$2") 2>/dev/null; then echo "$1 written"; else echo "$1 refused"; fi; }
echo "root $(ls -A / | tr '\n' ' ')"
echo "who $(id -un)"
echo "where $PWD $MESOS_SANDBOX"
has work-dir AGENT/meta
has other-sandbox VICTIM
has runtime-dir AGENT/run/containers
has hidden HIDDEN/file
has home /home
has roots-home /root
has boot /boot
has cgroups "/sys/fs/cgroup/*"
writes usr /usr/new
writes etc /etc/passwd
writes top /new
writes sandbox mine
writes tmp /tmp/mine
writes var-tmp /var/tmp/mine
writes shm /dev/shm/mine
writes null /dev/null
writes sys /sys/kernel/mm/ksm/run
writes executor LIBEXEC/mezzo-executor
writes init LIBEXEC/mezzo-init
for p in 1 $PPID self; do writes exe-of-$p /proc/$p/exe; done
writes proc-root /proc/1/root/usr/new
chmod 777 LIBEXEC/mezzo-executor 2>/dev/null && echo "chmod done"
mv LIBEXEC/mezzo-executor LIBEXEC/moved 2>/dev/null && echo "mv done"
mount -o remount,rw / 2>/dev/null && echo "remount done"
umount /sys 2>/dev/null && echo "umount done"
echo "devices $(ls /dev | tr '\n' ' ')"
echo "processes $(ls -d /proc/[0-9]* | wc -l)"
echo "options $(awk '$5 == "/usr" { print $6 }' /proc/self/mountinfo)"
echo "terminal $(script -qec 'tty' /dev/null </dev/null 2>/dev/null | tr -d '\r')"
echo "outside $(awk '{ print $5 }' /proc/self/mountinfo | grep -cE '^/(home|root|boot)')"
END
sed -i "s,AGENT,$T/agent,g; s,VICTIM,$victim,; s,HIDDEN,$T/hidden,; s,LIBEXEC,$MEZZO_BUILD/core/bin,g" "$T/look.sh"
cp "$MEZZO_BUILD/core/bin/mezzo-executor" "$T/before"
# looks TASK WANTED-USER NAME
looks()
{
	local p
	is "$3: it is" "$(said "$1" who)" "$2"
	is "$3: in its sandbox" "$(said "$1" where)" "$(sandbox "$1") $(sandbox "$1")"
	for p in work-dir other-sandbox runtime-dir hidden home roots-home boot cgroups; do
		is "$3: $p" "$(said "$1" $p)" not-seen
	done
	for p in usr etc top sys executor init exe-of-1 exe-of-self proc-root; do
		is "$3: $p" "$(said "$1" $p)" refused
	done
	is "$3: nothing else was done" "$(grep ' done$' "$(sandbox "$1")/facts")" ""
	for p in sandbox tmp var-tmp shm null; do
		is "$3: $p" "$(said "$1" $p)" written
	done
	is "$3: devices" "$(said "$1" devices)" "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero "
	like "$3: its own processes" "$(said "$1" processes)" '^[0-9]$'
	like "$3: how the host's paths are mounted" "$(said "$1" options)" '^ro,nosuid,nodev'
	is "$3: no mount of the host's elsewhere" "$(said "$1" outside)" 0
	command -v script >/dev/null && is "$3: terminals of its own" "$(said "$1" terminal)" /dev/pts/0
	ok "$3: mezzo-executor is as it was" cmp "$T/before" "$MEZZO_BUILD/core/bin/mezzo-executor"
}
change='.command.uris = [{value: "'$T'/look.sh", executable: true}]'
run look "./look.sh" "$change"
sed 's/^/# /' "$(sandbox look)/facts"
looks look root "root"
wanted=(dev etc proc sys tmp usr var)
for d in bin lib lib32 lib64 sbin; do
	[ ! -e /$d ] || wanted+=("$d")
done
# and the first component of the sandbox's path and of the build tree
want=$(printf '%s\n' "${wanted[@]}" "$(cut -d/ -f2 <<<"$T")" "$(cut -d/ -f2 <<<"$MEZZO_BUILD")" | sort -u | tr '\n' ' ')
is "there is nothing else at the root" "$(said look root)" "$want"
like "its output is where it belongs" "$(cat "$(sandbox look)/stdout")" "to-stdout"
ok "nothing of its /tmp is the host's" test ! -e /tmp/mine -a ! -e /var/tmp/mine
run look2 "./look.sh" "$change | .command.user = \"nobody\""
looks look2 nobody "nobody"

# ---- volumes ----
run volumes "exec >facts 2>&1; echo \"host \$(cat shared/file) \$(cat /data/in/file)\"; echo new >/data/in/made
	echo \"secret \$(cat word) \$(cat /keys/word)\"; echo \"own \$(ls -d own /own)\"; echo x >/own/y; echo \"inside \$(cat inside/y)\"
	(: >shared/new) 2>/dev/null || echo 'ro yes'" '.container = {type: "MESOS", volumes: [
	{mode: "RO", container_path: "shared", host_path: "'$T'/shared"},
	{mode: "RW", container_path: "/data/in", host_path: "'$T'/shared"},
	{mode: "RW", container_path: "own", source: {type: "SANDBOX_PATH", sandbox_path: {type: "SELF", path: "inside"}}},
	{mode: "RW", container_path: "/own", source: {type: "SANDBOX_PATH", sandbox_path: {type: "SELF", path: "inside"}}},
	{mode: "RO", container_path: "word", source: {type: "SECRET", secret: {type: "REFERENCE", reference: {name: "word"}}}},
	{mode: "RO", container_path: "/keys/word", source: {type: "SECRET", secret: {type: "REFERENCE", reference: {name: "word"}}}}]}'
is "volume_host_path" "$(said volumes host)" "from the host from the host"
is "volume_secret" "$(said volumes secret)" "hush hush"
is "volume_sandbox_path" "$(said volumes inside)" x
is "read-only" "$(said volumes ro)" yes
is "and writable" "$(cat "$T/shared/made")" new
ok "the host has no such directories" test ! -e /data/in -a ! -e /keys -a ! -e /own
bad()
{
	local o
	o=$(offer f)
	is "launch $1" "$(launch f "$o" "$1" "true" "$as_role | .container = {type: \"MESOS\", volumes: [
		{mode: \"RW\", container_path: \"$2\", host_path: \"$T/shared\"}]}")" 202
	wait_for 60 "$1 to fail" reached f "$1" TASK_FAILED
	like "$1: why" "$(events f | jq -r --arg t "$1" 'select(.type == "UPDATE") | .update.status |
		select(.task_id.value == $t) | .message' | head -n 1)" "$3"
}
bad over-root / "nothing may be mounted there"
bad over-proc /proc/sys "nothing may be mounted there"
bad over-link /bin/x "Cannot make the mount point"
bad dots /a/../etc "must be a path without"

# ---- a pod ----
group='{type: "ACCEPT", accept: {offer_ids: [.id], filters: {refuse_seconds: 0}, operations: [{type: "LAUNCH_GROUP",
	launch_group: {executor: {type: "DEFAULT", executor_id: {value: $ex}, resources: $r}, task_group: {tasks: [
	{name: "a", task_id: {value: ($ex + "-a")}, agent_id: .agent_id, resources: $r, command: {shell: true, value: $a},
		container: {type: "MESOS", volumes: [{mode: "RW", container_path: "ours", source:
			{type: "SANDBOX_PATH", sandbox_path: {type: "PARENT", path: "ours"}}}]}},
	{name: "b", task_id: {value: ($ex + "-b")}, agent_id: .agent_id, resources: $r, command: {shell: true, value: $b},
		health_check: {type: "COMMAND", command: {shell: true, value: "test -e /tmp/checked || : >/tmp/checked; test ! -e /home"},
			delay_seconds: 0, interval_seconds: 0.2},
		container: {type: "MESOS", volumes: [{mode: "RW", container_path: "ours", source:
			{type: "SANDBOX_PATH", sandbox_path: {type: "PARENT", path: "ours"}}}]}}]}}}]}}'
pod()
{
	local o
	o=$(offer f)
	jq -r .id.value <<<"$o" >>"$T/f.used"
	call "$(jq -c --arg ex "$1" --arg a "$2" --arg b "$3" '[{name: "cpus", type: "SCALAR", scalar: {value: 0.1}},
		{name: "mem", type: "SCALAR", scalar: {value: 32}}, {name: "disk", type: "SCALAR", scalar: {value: 1}}] | map(.allocation_info = {role: "dev"})' <<<null |
		jq -c --argjson o "$o" --arg ex "$1" --arg a "$2" --arg b "$3" ". as \$r | \$o | $group")"
}
is "a pod" "$(pod pod 'ls -A / >roots; echo shared >ours/file; : >/tmp/of-a; touch ready; exec sleep 1000' \
	'until [ -e ours/file ]; do sleep 0.1; done; cat ours/file >got; ls -A / >roots; pwd >where; (: >/usr/new) 2>/dev/null || echo refused >usr; touch ready; exec sleep 1000')" 202
pod_ready()
{
	[ -e "$(sandbox pod)/tasks/pod-a/ready" ] && [ -e "$(sandbox pod)/tasks/pod-b/ready" ]
}
wait_for 60 "the pod to be ready" pod_ready
inner=$(readlink -f "$(sandbox pod)/tasks/pod-b")
is "its tasks share files" "$(cat "$inner/got")" shared
is "are in their sandboxes" "$(cat "$inner/where")" "$inner"
is "have their parent's root" "$(tr '\n' ' ' <"$inner/roots")" "$want"
is "and cannot write to it" "$(cat "$inner/usr")" refused
healthy()
{
	has_event f 'select(.type == "UPDATE") | .update.status | select(.task_id.value == "pod-b" and .healthy == true)'
}
ok "a health check runs in it" until_true 30 healthy

# ---- beside a task, and alone ----
beside()
{
	is "$1: mezzo exec is in the task's root" "$("$MEZZO" exec look sh -c 'ls -A / | tr "\n" " "' 2>&1)" "$want"
	is "$1: and in its sandbox" "$("$MEZZO" exec look pwd 2>&1)" "$(sandbox look)"
	like "$1: with a terminal" "$("$MEZZO" exec -t look sh -c 'test -t 0 && echo yes' </dev/null 2>&1)" yes
	is "$1: it cannot write to it" "$("$MEZZO" exec look sh -c '(: >/usr/new) 2>/dev/null || echo refused' 2>&1)" refused
	is "$1: beside a pod's task" "$("$MEZZO" exec pod-b sh -c 'ls -A / | tr "\n" " "' 2>&1)" "$want"
}
beside "at first"
alone=$T/agent/containers/alone
is "a container that stands alone" "$(api '{"type":"LAUNCH_CONTAINER","launch_container":{"container_id":{"value":"alone"},
	"resources":[{"name":"cpus","type":"SCALAR","scalar":{"value":0.1}},{"name":"mem","type":"SCALAR","scalar":{"value":32}}],
	"command":{"value":"ls -A / >roots; pwd >where; tty >tty; touch ready; exec sleep 1000"},
	"container":{"type":"MESOS","tty_info":{}}}}')" 200
alone_ready()
{
	[ -e "$alone/ready" ]
}
wait_for 30 "it to be ready" alone_ready
is "has a root of its own" "$(tr '\n' ' ' <"$alone/roots")" "$want"
is "is in its sandbox" "$(cat "$alone/where")" "$alone"
is "and its terminal has a name" "$(cat "$alone/tty")" /dev/console
is "a container in it, with a volume where there is a directory" \
	"$(api '{"type":"LAUNCH_CONTAINER","launch_container":{"container_id":{"value":"in","parent":{"value":"alone"}},
	"command":{"value":"cat /tmp/rootfs-v/file >'"$alone"'/in"},
	"container":{"type":"MESOS","volumes":[{"mode":"RO","container_path":"/tmp/rootfs-v","host_path":"'"$T"'/shared"}]}}}')" 200
in_done()
{
	[ -s "$alone/in" ]
}
ok "has it" until_true 30 in_done
is "which is right" "$(cat "$alone/in")" "from the host"

# ---- the agent is killed, and returns ----
agent_dies
agent_up
beside "after kill -9"
is "a container in the old one, after kill -9" \
	"$(api '{"type":"LAUNCH_CONTAINER","launch_container":{"container_id":{"value":"in2","parent":{"value":"alone"}},
	"command":{"value":"cat /tmp/rootfs-w/file >'"$alone"'/in2; ls -A / >'"$alone"'/roots2"},
	"container":{"type":"MESOS","volumes":[{"mode":"RO","container_path":"/tmp/rootfs-w","host_path":"'"$T"'/shared"}]}}}')" 200
in2_done()
{
	[ -s "$alone/in2" ] && [ -s "$alone/roots2" ]
}
ok "has its volume" until_true 30 in2_done
is "and that root" "$(tr '\n' ' ' <"$alone/roots2")" "$want"
ok "the host has no such directory" test ! -e /tmp/rootfs-v -a ! -e /tmp/rootfs-w
run later "ls -A / >roots"
is "a new task has a root of its own" "$(tr '\n' ' ' <"$(sandbox later)/roots")" "$want"
call '{"type":"KILL","kill":{"task_id":{"value":"later"}}}' >/dev/null
ok "and ends" until_true 30 reached f later TASK_KILLED

# ---- what was asked for has ended: users of their own, and the socket of executors ----
for t in victim look look2 volumes pod-a pod-b; do
	call '{"type":"KILL","kill":{"task_id":{"value":"'$t'"}}}' >/dev/null
done
for t in victim look look2 volumes pod-a pod-b; do
	ok "$t ends" until_true 30 reached f $t TASK_KILLED
done
is "the one that stands alone" "$(api '{"type":"KILL_CONTAINER","kill_container":{"container_id":{"value":"alone"}}}')" 200
ok "no cgroup is left" until_true 30 no_groups
agent_dies
write_conf "  - {name: namespaces_user, settings: {first_id: 5000000}}
" "executor_domain_sockets: true"
agent_up
is "executors come through a socket" "$(get "http://$WHERE/flags" | jq -r .flags.executor_domain_sockets)" true
sed -i 's,^exec >facts,echo "socket $(ls $(dirname $MESOS_DOMAIN_SOCKET))" >socket; &,' "$T/look.sh"
run mapped "./look.sh; awk '{ print \$2 }' /proc/self/uid_map >map" "$change"
sed 's/^/# /' "$(sandbox mapped)/facts"
is "with a user namespace" "$(tr -d ' \n' <"$(sandbox mapped)/map")" 5000000
looks mapped root "with a user namespace"
is "the socket, and nothing else of the agent's" "$(cat "$(sandbox mapped)/socket")" "socket agent.sock"
run sharing "ls -d /proc/[0-9]* | wc -l >others; ls -A / >roots; cat /proc/self/comm >comm; (: >/proc/sys/kernel/hostname) 2>/dev/null && touch written" \
	'.container = {type: "MESOS", linux_info: {share_pid_namespace: true}}'
ok "in the pid namespace of the host it sees that" [ "$(cat "$(sandbox sharing)/others")" -gt 10 ]
is "itself as well" "$(cat "$(sandbox sharing)/comm")" cat
is "and cannot write to it" "$(find "$(sandbox sharing)" -name written)" ""
is "a pod comes that way" "$(pod second 'touch ready; exec sleep 1000' 'touch ready; exec sleep 1000')" 202
ok "and runs" until_true 60 reached f second-b TASK_RUNNING
is "mezzo exec, with a user namespace" "$("$MEZZO" exec mapped sh -c 'ls -A / | tr "\n" " "' 2>&1)" "$want"
agent_dies
agent_up
run mapped2 "true"
is "after kill -9" "$("$MEZZO" exec mapped sh -c 'ls -A / | tr "\n" " "' 2>&1)" "$want"
for t in mapped mapped2 sharing second-a second-b; do
	call '{"type":"KILL","kill":{"task_id":{"value":"'$t'"}}}' >/dev/null
done
for t in mapped mapped2 sharing second-a second-b; do
	ok "$t ends" until_true 30 reached f $t TASK_KILLED
done

# ---- nothing is left ----
ok "no cgroup of a container is left" until_true 30 no_groups
is "no file in the runtime directory" "$(find "$T/agent/run" -mindepth 2 -not -path '*/run/containers/*' -not -name agent.sock)" ""
is "no mount" "$(grep -c "$T" /proc/self/mountinfo)" 0
is "no process" "$(for p in /proc/[0-9]*; do
	[ "$(readlink "$p/ns/mnt" 2>/dev/null)" = "$(readlink /proc/self/ns/mnt)" ] ||
		grep -ls "$T" "$p/mountinfo" 2>/dev/null
done)" ""
ok "mezzo-executor is as it was" cmp "$T/before" "$MEZZO_BUILD/core/bin/mezzo-executor"
done_testing
