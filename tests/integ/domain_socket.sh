#!/usr/bin/env bash
# Executors that reach their agent through a socket in the file system: a command task,
# a pod with a check, kill -9 of the agent; no executor has a TCP connection meanwhile.
# Who comes through the socket may do what an executor may, and nothing else.
# timeout: 300
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq
own_groups

user=$(id -un)
[ "$(id -u)" -eq 0 ] && id nobody >/dev/null 2>&1 && user=nobody
on=(--set registration_backoff=200ms --set executor_domain_sockets=true)
start_cluster "${on[@]}"
socket=$(realpath "$T")/agent/run/socket/agent.sock
ok "the agent has made its socket" test -S "$socket"
is "to which every user may write" "$(stat -c %a "$socket")" 666
is "and tells the setting" "$(get "${AGENT_URL[agent]}/flags" | jq -r '.flags.executor_domain_sockets')" true

# ---- how executors are connected ----
# Those whose agent is at the socket $1.
executors()
{
	local p
	for p in /proc/[0-9]*; do
		[ "$(cat "$p/comm" 2>/dev/null)" = mezzo-executor ] || continue
		tr '\0' '\n' <"$p/environ" 2>/dev/null | grep -qxF "MESOS_DOMAIN_SOCKET=$1" && echo "${p#/proc/}"
	done
	return 0
}

# sockets PID FILE COLUMN…: how many of its descriptors are sockets of these files in /proc/PID/net
sockets()
{
	local pid=$1 inode n=0
	shift
	for inode in $(find "/proc/$pid/fd" -type l -printf '%l\n' 2>/dev/null | sed -n 's/^socket:\[\([0-9]*\)\]$/\1/p'); do
		awk -v i="$inode" -v c="$1" '$c == i { found = 1 } END { exit !found }' "${@:2}" && n=$((n + 1))
	done
	echo "$n"
}

tcp_sockets()
{
	sockets "$1" 10 "/proc/$1/net/tcp" "/proc/$1/net/tcp6"
}

unix_sockets()
{
	sockets "$1" 7 "/proc/$1/net/unix"
}

# connected SOCKET N: N executors, each with connections to a Unix socket and none over TCP
connected()
{
	local p n=0
	for p in $(executors "$1"); do
		n=$((n + 1))
		echo "executor $p: $(unix_sockets "$p") unix, $(tcp_sockets "$p") TCP"
		[ "$(unix_sockets "$p")" -ge 1 ] && [ "$(tcp_sockets "$p")" -eq 0 ] || return 1
	done
	# The agent's ends of them are connections of that path.
	echo "$n executors, $(awk -v p="$1" '$8 == p && $6 == "03"' /proc/net/unix | wc -l) connections"
	[ "$n" -eq "$2" ] && [ "$(awk -v p="$1" '$8 == p && $6 == "03"' /proc/net/unix | wc -l)" -ge "$2" ]
}
exec 9<>"/dev/tcp/${MASTER%:*}/${MASTER##*:}"
is "a TCP connection would be seen" "$(tcp_sockets $$)" 1
exec 9>&-

# ---- a command task ----
info='{"user":"'$user'","name":"sockets","checkpoint":true,"failover_timeout":600}'
subscribe f "$info"
mkfifo "$T/end" "$T/pod-end"
chmod 666 "$T/end" "$T/pod-end"
is "launch" "$(launch f "$(offer f)" survivor "env; read -r code <$T/end; exit \$code")" 202
wait_for 60 "the task to run" reached f survivor TASK_RUNNING
like "the executor's environment has the path" \
	"$(cat "$T"/agent/slaves/*/frameworks/*/executors/survivor/runs/latest/stdout)" "^MESOS_DOMAIN_SOCKET=$socket\$"
ok "its executor has a Unix socket and no TCP" connected "$socket" 1

# ---- a pod: its executor asks for containers and for the results of checks ----
# pod EXECUTOR TASK COMMAND TASK COMMAND: the first with a health check; prints the status
pod()
{
	local o
	o=$(offer f)
	jq -r .id.value <<<"$o" >>"$T/f.used"
	call "$(jq -c --arg check "test -e $T/healthy" --arg ex "$1" --arg a "$2" --arg asays "$3" --arg b "$4" --arg bsays "$5" '
		[{name: "cpus", type: "SCALAR", scalar: {value: 0.1}}, {name: "mem", type: "SCALAR", scalar: {value: 32}}] as $r |
		.agent_id as $agent | {type: "ACCEPT", accept: {offer_ids: [.id], filters: {refuse_seconds: 0},
		operations: [{type: "LAUNCH_GROUP", launch_group: {executor: {type: "DEFAULT", executor_id: {value: $ex},
		resources: ($r + [{name: "disk", type: "SCALAR", scalar: {value: 8}}])},
		task_group: {tasks: ([[$a, $asays], [$b, $bsays] | {name: .[0], task_id: {value: .[0]}, agent_id: $agent, resources: $r,
			command: {shell: true, value: .[1]}}] | .[0].health_check = {type: "COMMAND", delay_seconds: 0,
			interval_seconds: 0.2, grace_period_seconds: 0, consecutive_failures: 1000, command: {value: $check}})}}}]}}' \
		<<<"$o")"
}
healthy()
{
	has_event f "select(.type == \"UPDATE\") | .update.status | select(.task_id.value == \"$1\" and .healthy == true)"
}
is "a pod of two" "$(pod pod checked "read -r code <$T/pod-end; exit \$code" second 'exec tail -f /dev/null')" 202
wait_for 60 "its first task" reached f checked TASK_RUNNING
wait_for 60 "its second task" reached f second TASK_RUNNING
touch "$T/healthy"
ok "the check finds it healthy" until_true 60 healthy checked
ok "both executors have a Unix socket and no TCP" connected "$socket" 2

# ---- what is served there ----
# status ARGUMENT…: of curl through the socket, as the user of the tasks
status()
{
	local as=()
	[ "$user" = nobody ] && command -v setpriv >/dev/null && as=(setpriv --reuid nobody --clear-groups)
	"${as[@]}" curl -sS --max-time 20 -o /dev/null -w '%{http_code}' --unix-socket "$socket" "$@"
}
post()
{
	status -H 'Content-Type: application/json' -H 'Accept: application/json' -d "$2" "http://localhost$1"
}
is "the executor API is there" "$(post /api/v1/executor \
	'{"type":"HEARTBEAT","framework_id":{"value":"F"},"executor_id":{"value":"e"}}')" 202
is "operators' calls are not" "$(post /api/v1 '{"type":"GET_STATE"}')" 403
is "nor a container without a parent" \
	"$(post /api/v1 '{"type":"LAUNCH_CONTAINER","launch_container":{"container_id":{"value":"mine"},"command":{"value":"id"}}}')" 403
for path in /state /files/browse?path=/ /metrics/snapshot /mezzo/modules /; do
	is "nor $path" "$(status "http://localhost$path")" 404
done
is "over TCP they are" "$(get -o /dev/null -w '%{http_code}' "${AGENT_URL[agent]}/state")" 200

# ---- the agent dies, and comes back ----
executors "$socket" | sort >"$T/before"
stop_hard "${AGENT_PID[agent]}"
ok "a killed agent leaves its socket" test -S "$socket"
start_agent agent "${on[@]}"
wait_for 60 "the agent to come back" agents_are 1
ok "the executors return through the socket" until_true 60 connected "$socket" 2
is "in the same processes" "$(executors "$socket" | sort)" "$(cat "$T/before")"
echo 7 >"$T/end"
ok "the command's end arrives" until_true 60 reached f survivor TASK_FAILED
like "exactly" "$(events f | jq -r 'select(.type == "UPDATE") | .update.status | select(.state == "TASK_FAILED") | .message' | head -n 1)" '\b7\b'
echo 0 >"$T/pod-end"
ok "that of the pod's task, too" until_true 60 reached f checked TASK_FINISHED

# ---- it ends on purpose ----
kill -TERM "${AGENT_PID[agent]}"
wait "${AGENT_PID[agent]}" 2>/dev/null
ok "an agent that ends takes its socket along" test ! -e "$socket"
start_agent agent "${on[@]}"
wait_for 60 "the agent to come back" agents_are 1
ok "the pod's executor returns" until_true 60 connected "$socket" 1
is "and new tasks come through the socket" "$(launch f "$(offer f)" after "exit 0")" 202
ok "to their end" until_true 60 reached f after TASK_FINISHED

# ---- what is refused ----
# refused ARGUMENT…: what an agent that does not start says
refused()
{
	timeout 30 "$MEZZOD" agent -c "$MEZZO_SRC/conf/agent-1.yaml" --listen 127.0.0.1:0 --work-dir "$T/other" --master "$MASTER" \
		--set executor_domain_sockets=true "$@" 2>&1 | tail -n 1
}
long=/$(printf 'x%.0s' {1..107})
like "a path that is too long" "$(refused --set "domain_socket_location=$long")" \
	"Setting 'domain_socket_location': '$long' has 108 bytes, and a socket's path at most 107"
like "a relative one" "$(refused --set domain_socket_location=here.sock)" "domain_socket_location.*not an absolute path"
like "a socket of another agent" "$(refused --set "domain_socket_location=$socket")" "'$socket': another process does"
echo precious >"$T/file"
like "what is no socket" "$(refused --set "domain_socket_location=$T/file")" "'$T/file': it exists, and is not a socket"
is "which is left alone" "$(cat "$T/file")" precious
ok "the other agent's socket is, too" until_true 30 connected "$socket" 1

# ---- containers with namespaces of their own ----
inside="a container with a file system and pids of its own reaches the agent"
if [ "$(id -u)" -ne 0 ]; then
	skip "$inside" "needs root"
	done_testing
fi
kill -TERM "${AGENT_PID[agent]}"
wait "${AGENT_PID[agent]}" 2>/dev/null
wait_for 60 "the agent to be gone" agents_are 0
cat >"$T/conf.yaml" <<END
resources: "cpus:2;mem:1024;disk:4096"
store: lmdb
elector: standalone
containerizers:
  - name: mesos
    settings: {launcher: linux}
isolation: [posix_cpu, posix_mem, namespaces_pid, namespaces_ipc, filesystem_linux]
authenticators: [none]
cgroups_root: $OURS
END
mkdir "$T/sockets"
socket=$(realpath "$T")/sockets/linux
start_agent linux -c "$T/conf.yaml" "${on[@]}" --set "domain_socket_location=$socket"
wait_for 60 "the agent to register" agents_are 1
is "launch" "$(launch f "$(offer f)" inside "curl -sS -o /dev/null -w '%{http_code}\n' --unix-socket \$MESOS_DOMAIN_SOCKET \
	-H 'Content-Type: application/json' -d '{\"type\":\"GET_STATE\"}' http://localhost/api/v1; read -r code <$T/end")" 202
ok "$inside" until_true 60 reached f inside TASK_RUNNING
ok "without TCP" connected "$socket" 1
answer()
{
	cat "$T"/linux/slaves/*/frameworks/*/executors/inside/runs/latest/stdout
}
ok "its task gets an answer" until_true 30 eval "answer | grep -q ."
is "and is refused what is not for executors" "$(answer)" 403
stop_hard "${AGENT_PID[linux]}"
start_agent linux -c "$T/conf.yaml" "${on[@]}" --set "domain_socket_location=$socket"
wait_for 60 "the agent to come back" agents_are 1
ok "its executor returns" until_true 60 connected "$socket" 1
echo 0 >"$T/end"
ok "and its end arrives" until_true 60 reached f inside TASK_FINISHED
chmod 700 "$T/sockets"
kill -TERM "${AGENT_PID[linux]}"
wait "${AGENT_PID[linux]}" 2>/dev/null
start_agent linux -c "$T/conf.yaml" "${on[@]}" --set "domain_socket_location=$socket"
like "a directory that is closed to others is warned about" "$(cat "$T/linux.log.now")" \
	"Executors of other users cannot reach '$socket': directory '$(realpath "$T")/sockets' is closed to them"
done_testing
