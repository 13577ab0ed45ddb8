#!/usr/bin/env bash
# Containers in containers, 20 deep, under a real agent with conf/agent-linux.yaml and what more
# isolators there are: each with a /dev/shm, a secret, a volume of its own; at the bottom one with a
# terminal that is attached to and one for debugging; kill -9 of the agent; with the top one
# everything goes. What the kernel has no more room for is refused, and it is said why.
# timeout: 300
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq python3
needs_linux_launcher
own_groups
N_LEVELS=20
at_end()
{
	local m
	awk -v d="$T/" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo | while read -r m; do umount -l "$m"; done
}

mkdir -p "$T"/{secrets,shared}
printf hush >"$T/secrets/word"
more=
for name in cgroups_cpuset network_ports; do
	[ ! -f "$MEZZO_BUILD/modules/isolator/$name.so" ] || more="$more\\n  - $name"
done
sed "s,^isolation:,&$more\\n  - {name: volume_host_path\\, settings: {allowed: [$T/shared]}}," \
	"$MEZZO_SRC/conf/agent-linux.yaml" >"$T/conf.yaml"
cat >>"$T/conf.yaml" <<END
resources: "cpus:4;mem:2048;disk:4096;ports:[31000-31100]"
secret_resolver: {name: file, settings: {directory: $T/secrets}}
cgroups_root: $OURS
registration_backoff: 200ms
END

# ids N: the id of the container at level N, of $chain's names
chain=()
ids()
{
	jq -cn '$ARGS.positional | reduce .[] as $v (null; {value: $v} + (if . then {parent: .} else {} end))' \
		--args "${chain[@]:0:$1}"
}
sandbox()
{
	local dir=$T/agent name
	for name in "${chain[@]:0:$1}"; do dir=$dir/containers/$name; done
	echo "$dir"
}
made()
{
	[ -e "$(sandbox "$1")/ready" ]
}
# launch_level N SCRIPT [CHANGE OF CONTAINER]: prints the status
launch_level()
{
	api "$(jq -cn --argjson id "$(ids "$1")" --arg sh "$2" --argjson top "$([ "$1" -eq 1 ] && echo true || echo false)" '{type: "LAUNCH_CONTAINER",
		launch_container: {container_id: $id, command: {shell: true, value: $sh}, container: ({type: "MESOS",
			linux_info: {ipc_mode: "PRIVATE", shm_size: 1},
			volumes: ([{mode: "RO", container_path: "word", source: {type: "SECRET", secret: {type: "REFERENCE",
				reference: {name: "word"}}}}, {mode: "RW", container_path: "own", source: {type: "SANDBOX_PATH",
				sandbox_path: {type: (if $top then "SELF" else "PARENT" end), path: "ours"}}}])} | '"${3-.}"')}}
		| if $top then .launch_container.resources = [{name: "cpus", type: "SCALAR", scalar: {value: 1}},
			{name: "mem", type: "SCALAR", scalar: {value: 512}}, {name: "disk", type: "SCALAR", scalar: {value: 100}}] else . end')"
}
script='{ cat word; echo; stat -f -c "%T %b" /dev/shm; ls /dev/shm | wc -l; } >facts 2>&1; : >/dev/shm/mine; : >own/file; touch ready; exec sleep 1000'

start_master
agent_up
for ((i = 1; i <= N_LEVELS; i++)); do
	chain+=("$(cat /proc/sys/kernel/random/uuid)")
	is "level $i" "$(launch_level $i "$script")" 200
	[ "$(cat "$T/answer")" = "" ] || sed 's/^/# /' "$T/answer"
	wait_for 30 "level $i to be ready" made $i
	is "has a secret and a /dev/shm of its own" "$(tr '\n' ' ' <"$(sandbox $i)/facts")" "hush tmpfs 256 0 "
done

# ---- at the bottom ----
n=$((N_LEVELS + 1))
chain+=("terminal")
is "one with a terminal" "$(launch_level $n 'tty >where; touch ready; read -r line; echo "got $line"; exec sleep 1000' '.tty_info = {}')" 200
wait_for 30 "it to be ready" made $n
like "has one" "$(cat "$(sandbox $n)/where")" "/dev/"
attach_input()
{
	python3 - "$WHERE" "$(ids $n)" <<'END'
import http.client, json, sys
def record(o):
    data = json.dumps(o).encode()
    return b"%d\n" % len(data) + data
c = json.loads(sys.argv[2])
def body():
    yield record({"type": "ATTACH_CONTAINER_INPUT", "attach_container_input": {"type": "CONTAINER_ID", "container_id": c}})
    yield record({"type": "ATTACH_CONTAINER_INPUT", "attach_container_input": {"type": "PROCESS_IO", "process_io":
        {"type": "DATA", "data": {"type": "STDIN", "data": "aGVsbG8K"}}}})
h = http.client.HTTPConnection(sys.argv[1], timeout=30)
h.request("POST", "/api/v1", body(), {"Content-Type": "application/recordio", "Message-Content-Type": "application/json",
    "Accept": "application/json"}, encode_chunked=True)
print(h.getresponse().status)
END
}
got()
{
	grep -q "got $1" "$(sandbox $n)/stdout"
}
is "input" "$(attach_input)" 200
ok "arrives" until_true 30 got hello
# Beside it for debugging: what it says comes with the answer.
debug()
{
	local id
	id=$(jq -cn --argjson p "$(ids $N_LEVELS)" --arg v "$1" '{value: $v, parent: $p}')
	curl -sS --max-time 60 -H 'Content-Type: application/json' -H 'Accept: application/recordio' \
		-H 'Message-Accept: application/json' --data-binary @- "http://$WHERE/api/v1" <<<"$(jq -cn --argjson id "$id" '{
		type: "LAUNCH_NESTED_CONTAINER_SESSION", launch_nested_container_session: {container_id: $id,
		command: {shell: true, value: "cat word; ls /dev/shm"}, container: {type: "MESOS"}}}')" |
		grep -o '"data":"[^"]*"' | cut -d'"' -f4 | base64 -d | tr '\n' ' '
}
is "one for debugging sees what is there" "$(debug debug1)" "hushmine "

# ---- the agent is killed, and returns ----
agent_dies
agent_up
like "after kill -9 all run" "$(cat "$T/agent.log.now")" "Recovered: 2[12] containers run, [01] have ended, 0 orphans"
is "one for debugging" "$(debug debug2)" "hushmine "
chain[N_LEVELS]=later
is "another one" "$(launch_level $n "$script")" 200
wait_for 30 "it to be ready" made $n
is "has what those before have" "$(tr '\n' ' ' <"$(sandbox $n)/facts")" "hush tmpfs 256 0 "

# ---- an end somewhere below ----
wait_level()
{
	api "$(jq -cn --argjson id "$(ids "$1")" '{type: "WAIT_CONTAINER", wait_container: {container_id: $id}}')"
}
kill_level()
{
	api "$(jq -cn --argjson id "$(ids "$1")" '{type: "KILL_CONTAINER", kill_container: {container_id: $id}}')"
}
is "one of the deep ones is killed" "$(kill_level 15)" 200
is "and has ended" "$(wait_level 15)" 200
is "by the signal" "$(jq .wait_container.exit_status "$T/answer")" 9
is "what was in it as well" "$(wait_level $N_LEVELS)" 200
is "what it was in not" "$(find "$T/agent/run/shm" -mindepth 1 -maxdepth 1 | wc -l)" 14
is "nor its secrets" "$(find "$T/agent/run/secrets" -mindepth 1 -maxdepth 1 | wc -l)" 14

# ---- the top one goes, and with it the others ----
is "the top one is killed" "$(kill_level 1)" 200
is "and has ended" "$(wait_level 1)" 200
nothing_left()
{
	ok "no cgroup is left" until_true 30 no_groups
	is "no /dev/shm" "$(find "$T/agent/run/shm" -mindepth 1)" ""
	is "no secret" "$(find "$T/agent/run/secrets" -mindepth 1)" ""
	is "no socket" "$(find "$T/agent/run/io" -mindepth 1)" ""
	is "no mount" "$(grep -c "$T" /proc/self/mountinfo)" 0
	is "no process" "$(for p in /proc/[0-9]*; do
		[ "$(readlink "$p/ns/mnt" 2>/dev/null)" = "$(readlink /proc/self/ns/mnt)" ] ||
			grep -ls "$T" "$p/mountinfo" 2>/dev/null
	done)" ""
}
nothing_left

# ---- the agent is killed, and knows nothing any more; shims are killed as well ----
# go_down TO [VALUE]: containers in containers; answers with the first that is refused
go_down()
{
	local i status
	chain=()
	for ((i = 1; i <= $1; i++)); do
		chain+=("${2:+$2$i-}$(cat /proc/sys/kernel/random/uuid)")
		status=$(launch_level $i "$script")
		[ "$status" = 200 ] || { echo "# level $i: $status $(cut -c1-900 "$T/answer")"; return 1; }
		wait_for 30 "level $i to be ready" made $i
	done
}
go_down 12 || fail "12 in one another"
agent_dies
# The shim of one with a long id: its record says who it is.
record=$(grep -l "^id .*${chain[9]}\$" "$T"/agent/run/containers/*)
like "its record says the whole id" "$(head -n 1 "$record")" "^id ${chain[0]}\.${chain[1]}\..*\.${chain[9]}\$"
kill -KILL "$(sed -n 's/^linux shim \([0-9]*\) .*/\1/p' "$record")"
rm -rf "$T/agent/meta" "$T/agent/store"*
agent_up
like "all are orphans" "$(cat "$T/agent.log.now")" "Recovered: 0 containers run, 0 have ended, 1[12] orphans"
nothing_left
is "no record" "$(find "$T/agent/run/containers" -mindepth 1 -size +0 | wc -l)" 0

# ---- what there is no room for ----
go_down 32 || fail "as deep as the kernel has pid namespaces"
chain+=(deeper)
is "no deeper" "$(launch_level 33 true)" 400
like "which it says" "$(cat "$T/answer")" "nested deeper than 32"
is "the top one is killed" "$(kill_level 1)" 200
is "and has ended" "$(wait_level 1)" 200
is "its sandbox is removed, with all sandboxes in it" "$(api '{"type":"REMOVE_CONTAINER","remove_container":{"container_id":{"value":"'"${chain[0]}"'"}}}')" 200
ok "and is gone" test ! -e "$(sandbox 1)"
long=$(printf '%0200d' 0)
go_down 32 "$long" && fail "long names are refused at some depth"
like "of the path" "$(cat "$T/answer")" "nested too deep: the path of its sandbox would have [0-9]* characters, and can have 3840"
ok "not before" [ ${#chain[@]} -gt 14 ]
is "the top one is killed" "$(kill_level 1)" 200
is "and has ended" "$(wait_level 1)" 200
nothing_left

# An agent that is itself as deep as the kernel has pid namespaces.
agent_dies
under=
for ((i = 0; i < 31; i++)); do under="$under unshare --pid --fork --kill-child"; done
under="$under unshare --pid --fork --kill-child --mount-proc"
printf '#!/bin/sh\nexec%s "%s" "$@"\n' "$under" "$MEZZOD" >"$T/below"
chmod +x "$T/below"
MEZZOD=$T/below
agent_up
chain=(top)
is "there is no room for a pid namespace" "$(launch_level 1 true)" 400
like "which it says" "$(cat "$T/answer")" "namespaces are too many for the kernel, which has .*pids in 32 levels: No space left"
ok "no cgroup is left" until_true 30 no_groups
agent_dies
done_testing
