#!/usr/bin/env bash
# Tasks that want out: what is known of real systems, in the form in which it applies
# here, tried by an ordinary user, by root, and by root of a user namespace; libraries
# and programs in a task's environment; links that are planted for the agent to
# follow; volumes that are exchanged while they are mounted; messages without end.
# docs/security.md has the list.
# timeout: 240
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/setup.sh"
needs python3 tar
write_conf "  - {name: linux_seccomp, settings: {profile_dir: $T/seccomp}}"
start_master
start
subscribe f '{"user":"root","name":"escapes","checkpoint":true,"failover_timeout":600}'
start_neighbour
# Nothing but a task that got where it must not knows what is in there.
SECRET=the-secret-of-$$-$RANDOM
(umask 077 && mkdir "$T/private" && echo "$SECRET" >"$T/private/secret")

"$ATTACK" tenant >"$T/memory" &
pids+=("$!")
wait_for 10 "somebody's shared memory" grep -qx holds "$T/memory"

# ---- ways out ----
as_root='.command.user = "root"'
as_docker=$as_root' | .container = {type: "MESOS", linux_info: {effective_capabilities:
	{capabilities: ("'$CAPABILITIES'" | split(", "))}}}'
confined='.container.type = "MESOS" | .container.linux_info.seccomp.profile_name = "usual.json"'
install -m 4755 "$(command -v id)" "$T/id"
run nobody "[ \$($T/id -u) -ne 0 ] && echo 'held a setuid program gives no rights' || echo 'broken a setuid program gives no rights'
	[ \$(stat -c %d /dev/shm) -ne $(stat -c %d /dev/shm) ] && echo 'held /dev/shm is its own' || echo 'broken /dev/shm is its own'
	exec $ATTACK escapes $AGENT $T/private/secret"
run root "grep CapEff /proc/self/status; exec $ATTACK escapes $AGENT $T/private/secret" "$as_docker"
run confined "exec $ATTACK escapes $AGENT $T/private/secret" "$as_docker | $confined"
run users "exec $ATTACK user-namespace"
run confined-users "exec $ATTACK user-namespace" "$confined"
for task in nobody root confined users confined-users; do
	ok "$task ends" until_true 60 has_ended "$task"
	case $task in
	users) verdicts $task 8 ;;
	confined-users) verdicts $task 1 ;;
	*) verdicts $task 40 ;;
	esac
done
ok "under the profile no user namespace can be made" said confined-users '^held no user namespace can be made$'
ok "root has the capabilities that it was given" said root 'CapEff:[[:space:]]*00000000a80425fb$'
all_well "escapes"

# ---- the environment of a task ----
install -m 755 "$MEZZO_BUILD/tests/attack/preload.so" "$T/open/preload.so"
mkdir -m 755 "$T/open/bin"
for program in sh tar gzip unzip mount umount ip cp chown id mezzo-executor mezzo-init mezzo-fetcher mezzo-logger; do
	printf '#!/bin/bash -p\n: >"%s/loaded-path-%s-$EUID-$$"\nexec /bin/%s "$@"\n' "$T/open" "$program" "$program" >"$T/open/bin/$program"
	chmod 755 "$T/open/bin/$program"
done
(cd "$T/open" && echo fetched >inside && tar -czf fetch.tgz inside && rm inside)
chmod 644 "$T/open/fetch.tgz"
variables()
{
	local n
	for n in LD_PRELOAD LD_AUDIT; do
		printf '{name: "%s", value: "%s"}, ' $n "$T/open/preload.so"
	done
	printf '{name: "%s", value: "%s"}, ' LD_LIBRARY_PATH "$T/open" GCONV_PATH "$T/open" TAR_OPTIONS "--to-command=/bin/false" \
		BASH_ENV "$T/open/bin/sh" ENV "$T/open/bin/sh" http_proxy http://127.0.0.1:1 ATTACK_DIR "$T/open" MEZZO_CONFIG /etc/shadow
	printf '{name: "PATH", value: "%s:/usr/bin:/bin"}' "$T/open/bin"
}
hostile=".command.environment = {variables: [$(variables)]} | .command.uris = [{value: \"file://$T/open/fetch.tgz\", extract: true}]"
run environment 'cat inside; sh -c "id -u"; mount --version; touch over' "$hostile"
ok "a task with a hostile environment ends" until_true 30 has_ended environment
ok "its archive was fetched" grep -qx fetched "$(sandbox_of environment)stdout"
loaded_by()
{
	find "$T/open" -name 'loaded-*' -printf '%f %u\n' | grep -E -- "$1"
}
ok "its own programs have loaded its library" loaded_by '^loaded-(sh|cat|id|mount)-65534-'
ok "and were found in its PATH" loaded_by '^loaded-path-mount-65534-'
is "nothing with more rights has" "$(loaded_by '-0-[0-9]+ |root$')" ''
is "no helper has" "$(loaded_by 'mezzo-(init|fetcher|logger)|mezzod')" ''

# ---- links that wait for the agent ----
# Planted under every name that the agent may open; one that changes all the time.
run links "rm -f stdout stderr; for n in leak stdout.1 stderr stdout.9; do ln -sf $T/private/secret \$n; done
	ln -s $T/private up; ln -s / rootlink; mkdir d; echo harmless >d/secret; echo ready >ready
	python3 -c '
import ctypes, os
libc = ctypes.CDLL(None)
os.symlink(\"$T/private\", \"e\")
while True:
    libc.renameat2(-100, b\"d\", -100, b\"e\", 2)'"
wait_for 30 "the links" test -e "$(sandbox_of links)ready"
read_file()
{
	get -G -o "$T/answer" -w '%{http_code}' --data-urlencode "path=$2" "http://$WHERE/files/$1"
}
box=$(sandbox_of links)
for path in leak up/secret "rootlink$T/private/secret" stderr stdout.1 ../../../../../../../../../../../private/secret "/../$T/private/secret"; do
	code=$(read_file "read?offset=0&length=100" "$box$path")
	ok "reading '$path' gives nothing ($code)" eval "[ $code -ge 400 ] && ! grep -q '$SECRET' '$T/answer'"
	code=$(read_file download "$box$path")
	ok "downloading it neither ($code)" eval "[ $code -ge 400 ] && ! grep -q '$SECRET' '$T/answer'"
done
for path in up rootlink "up/.." ..; do
	code=$(read_file browse "$box$path")
	ok "browsing '$path' gives nothing ($code)" eval "[ $code -ge 400 ] || ! grep -qE 'private|\"/(etc|proc)' '$T/answer'"
done
leaks=0 found=0
for _ in $(seq 100); do
	read_file "read?offset=0&length=100" "${box}d/secret" >/dev/null
	grep -q "$SECRET" "$T/answer" && leaks=$((leaks + 1))
	grep -q harmless "$T/answer" && found=$((found + 1))
done
is "a directory that is exchanged for a link, read 100 times: no leak" "$leaks" 0
ok "what is in the directory is read ($found times)" [ $found -gt 0 ]
kill_task links
ok "the task ends" until_true 30 has_ended links

# ---- a volume that is exchanged while it is mounted ----
mkdir -m 777 "$T/allowed/data"
echo harmless >"$T/allowed/data/secret"
mount_volume()
{
	OFFER=$(offer f)
	launch f "$OFFER" "$1" 'cat v/secret' '.command.user = "root" | .container = {type: "MESOS", volumes: [
		{mode: "RO", container_path: "v", source: {type: "HOST_PATH", host_path: {path: "'"$T/allowed/data"'"}}}]}' >/dev/null
	wait_for 30 "$1 to end" has_ended "$1"
}
mount_volume volume
ok "a volume is mounted" said volume '^harmless$'
run swap "cd $T/allowed; exec python3 -c '
import ctypes, os
libc = ctypes.CDLL(None)
os.symlink(\"$T/private\", \"link\")
print(\"ready\", flush=True)
while True:
    libc.renameat2(-100, b\"data\", -100, b\"link\", 2)'"
wait_for 30 "the exchange" said swap ready
mounted=0 refused=0 leaked=0
for i in $(seq 8); do
	mount_volume "volume$i"
	case $(end_of "volume$i") in
	TASK_FINISHED*) mounted=$((mounted + 1)) ;;
	*) refused=$((refused + 1)) ;;
	esac
	grep -qs "$SECRET" "$(sandbox_of "volume$i")"stdout && leaked=$((leaked + 1))
done
is "a volume that is exchanged ($mounted times mounted, $refused times refused): nothing else is" "$leaked" 0
kill_task swap
ok "the task ends" until_true 30 has_ended swap

# ---- reports without end ----
run reports 'exec sleep 1000'
touch "$T/f.hold"
report()
{
	head -c "$1" /dev/zero | tr '\0' x | jq -Rcs --arg f "$FRAMEWORK" --arg u "$(head -c16 /dev/urandom | base64)" '{type: "UPDATE",
		framework_id: {value: $f}, executor_id: {value: "reports"}, update: {status: {task_id: {value: "reports"},
		state: "TASK_RUNNING", source: "SOURCE_EXECUTOR", uuid: $u, message: .}}}' >"$T/report"
	get -o "$T/answer" -w '%{http_code}' -H 'Content-Type: application/json' --data-binary "@$T/report" "http://$WHERE/api/v1/executor"
}
is "a report of 20 MB is refused" "$(report 20000000)" 413
accepted=0
while [ "$(report 3000000)" = 202 ] && [ $accepted -lt 20 ]; do
	accepted=$((accepted + 1))
done
ok "of those of 3 MB that nobody acknowledges, $accepted are taken" [ $accepted -le 4 ]
rm "$T/f.hold"
all_well "reports"
kill_task reports
ok "the task ends" until_true 30 has_ended reports

# ---- who is not in a pid namespace of its own ----
shared='.container = {type: "MESOS", linux_info: {share_pid_namespace: true}}'
run shared "shim=\$(sed -n 's/^PPid:.//p' /proc/\$PPID/status); for p in \$shim $AGENT; do for s in KILL STOP TERM RTMIN; do
	kill -\$s \$p && echo broken \$s reaches \$(cat /proc/\$p/comm); done; cat /proc/\$p/environ /proc/\$p/mem && echo broken looks into; done
	grep -q mezzo-init /proc/\$shim/comm && echo held the shim and the agent take no signals of others" \
	"$shared"
ok "a task beside the agent ends" until_true 30 has_ended shared
verdicts shared 1
all_well "a task in the agent's pid namespace"

# ---- what is left in a sandbox for the one who removes it ----
mkdir "$T/private/kept"
touch "$T/private/kept/file"
chmod 777 "$T/private" "$T/private/kept"
run garbage "ln -s $T/private p; mkdir x; ln -s $T/private/kept x/kept; mkdir -m 0 closed; : >'a
b'; python3 -c '
import os
for i in range(3000):
    os.mkdir(\"d\"); os.chdir(\"d\")'; echo done"
ok "a sandbox full of traps ends" until_true 30 has_ended garbage
# Until here everything was kept.
stop_hard "$AGENT"
start --set gc_delay=200ms --set disk_watch_interval=50ms
gone()
{
	[ -z "$(sandbox_of garbage)" ]
}
ok "it is removed" until_true 30 gone
ok "and nothing behind its links" [ -e "$T/private/kept/file" ]
chmod 700 "$T/private"
all_well "garbage"

nothing_left "escapes"
kill_task neighbour
ok "the neighbour ends when it is told to" until_true 30 reached f neighbour TASK_KILLED
ok "no cgroup is left" until_true 30 no_groups
stop_hard "$AGENT"

# ---- root that is nobody outside ----
WORK=other
write_conf "  - {name: namespaces_user, settings: {first_id: 700000000}}"
start
run mapped "id -u; head -n 1 /proc/self/uid_map; exec $ATTACK escapes $AGENT $T/private/secret mapped" "$as_root"
ok "root of a user namespace ends" until_true 60 has_ended mapped
ok "it was that" said mapped '^ +0 +700000000 '
verdicts mapped 40
ok "no cgroup is left" until_true 30 no_groups
stop_hard "$AGENT"
# ---- in a root file system of its own ----
WORK=rooted
mkdir "$T/allowed/bin"
install -m 755 "$ATTACK" "$T/allowed/bin/attack"
host_paths=
for d in /usr /bin /sbin /lib /lib64 /etc; do
	[ ! -e $d ] || host_paths="$host_paths${host_paths:+, }$d"
done
write_conf ""
sed -i "s|^  - filesystem_linux|  - {name: filesystem_linux, settings: {host_paths: [$host_paths]}}|" "$T/conf.yaml"
start
in_it='.container.type = "MESOS" | .container.volumes = [{mode: "RO", container_path: "/attack", host_path: "'$T/allowed/bin'"}]'
run rooted "ls -d /home /root /boot $T/private $T/rooted/meta /sys/fs/cgroup/* 2>/dev/null | sed 's/^/broken it sees /'
	export ATTACK_ROOTED=1; exec /attack/attack escapes $AGENT $T/private/secret" "$as_docker | $in_it"
ok "root in a root file system of its own ends" until_true 60 has_ended rooted
verdicts rooted 36
ok "no cgroup is left" until_true 30 no_groups
stop_hard "$AGENT"

# ---- who enters is looked at by those inside, who are root there with all rights ----
WORK=third
write_conf "  - {name: namespaces_user, settings: {first_id: 700000000}}"
sed -i '/linux_capabilities/d' "$T/conf.yaml"
start
run watcher "exec $ATTACK watch $T/open/watched" "$as_root | .resources[0].scalar.value = 2"
wait_for 30 "the watcher" said watcher watches
parent=$(get "http://$WHERE/containers" | jq -r '.[0].container_id')
enter()
{
	get -o "$T/answer" -w '%{http_code}' -H 'Content-Type: application/json' "http://$WHERE/api/v1" -d '{"type": "LAUNCH_NESTED_CONTAINER",
		"launch_nested_container": {"container_id": {"value": "in'"$1"'", "parent": {"value": "'"$parent"'"}}, "command": {"value": "true"},
		"container": {"type": "MESOS", "linux_info": {"share_pid_namespace": true}}}}'
}
entered=0
for i in $(seq 30); do
	[ "$(enter "$i")" = 200 ] && entered=$((entered + 1))
done
is "containers enter its pid namespace" "$entered" 30
touch "$T/open/watched"
ok "the watcher ends" until_true 30 has_ended watcher
verdicts watcher 4
ok "no cgroup is left" until_true 30 no_groups
stop_hard "$AGENT"
is "no mount is left" "$(grep -c "$T" /proc/self/mountinfo)" 0
is "no secret is in a log" "$(cat "$T"/*.log* | grep -c "$SECRET")" 0
done_testing
