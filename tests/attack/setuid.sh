#!/usr/bin/env bash
# A task of an ordinary user that mounts an /etc of its own making, in which root has no password, is
# not made root by the host's su: nor in a debug container, nor after a restart of the agent.
# timeout: 120
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq tar su
[ "$(id -u)" -eq 0 ] || skip_all "needs root"
[ -x "$MEZZO" ] || skip_all "the command line is not built"
for m in filesystem_linux volume_sandbox_path; do
	[ -f "$MEZZO_BUILD/modules/isolator/$m.so" ] || skip_all "isolator/$m is not built"
done
getent passwd nobody >/dev/null || skip_all "there is no user nobody"
own_groups
chmod 755 "$T"
cat >"$T/conf.yaml" <<END_OF_CONF
resources: "cpus:2;mem:1024;disk:4096"
store: lmdb
elector: standalone
containerizers: [{name: mesos, settings: {launcher: linux}}]
isolation: [posix_cpu, posix_mem, filesystem_linux, volume_sandbox_path]
cgroups_root: $OURS
END_OF_CONF
start()
{
	start_agent agent -c "$T/conf.yaml" --set registration_backoff=200ms
}

# What the fetcher puts into the sandbox: whoever asks for root's rights is given them.
mkdir -p "$T/etc/pam.d"
printf 'root::0:0::/:/bin/sh\nnobody:x:%s:%s::/:/bin/sh\n' "$(id -u nobody)" "$(id -g nobody)" >"$T/etc/passwd"
printf 'root:x:0:\n' >"$T/etc/group"
printf 'root::19000:0:99999:7:::\n' >"$T/etc/shadow"
for type in auth account session password; do
	echo "$type sufficient pam_permit.so"
done | tee "$T/etc/pam.d/su" >"$T/etc/pam.d/other"
tar -C "$T" -cf "$T/etc.tar" etc
chmod 644 "$T/etc.tar"

start_master
start
wait_for 30 "the agent to register" agents_are 1
subscribe f '{"user":"root","name":"setuid","checkpoint":true,"failover_timeout":600}'
volumes='.command.user = "nobody" | .command.uris = [{value: "'$T/etc.tar'", extract: true}] | .container = {type: "MESOS",
	volumes: [{mode: "RW", container_path: "/etc", source: {type: "SANDBOX_PATH",
	sandbox_path: {type: "SELF", path: "etc"}}}]}'
# root in the volume has no password, and that is what the task sees.
try='grep -q ^root::0 /etc/passwd && echo "its own" && su root -c id'
OFFER=$(offer f)
is "launch" "$(launch f "$OFFER" evil "{ $try; } >said 2>&1; echo done >>said; sleep 100" "$volumes")" 202
wait_for 30 "the task to run" reached f evil TASK_RUNNING
said()
{
	grep -q done "$(find "$T/agent" -name said ! -path '*latest*' | head -n 1)" 2>/dev/null
}
ok "the task has tried" until_true 20 said
file=$(find "$T/agent" -name said ! -path '*latest*' | head -n 1)
is "with its own files" "$(head -n 1 "$file")" "its own"
is "and is not root" "$(grep -c 'uid=0' "$file")" 0

debug()
{
	"$MEZZO" exec evil sh -c "$try" >"$T/debug" 2>&1 </dev/null
	is "$1: it sees the same files" "$(head -n 1 "$T/debug")" "its own"
	is "$1: and is not root" "$(grep -c 'uid=0' "$T/debug")" 0
}
debug "a debug container"
stop_hard "${AGENT_PID[agent]}"
start
wait_for 60 "the agent to come back" agents_are 1
debug "one of the next life of the agent"
done_testing
