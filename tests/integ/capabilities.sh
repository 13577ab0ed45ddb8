#!/usr/bin/env bash
# linux_capabilities under a real agent: frameworks that the operator grants more or less than others, by
# their principal and by their role. What the kernel says of their processes is the proof, and
# of those that are nested in them, before and after a kill -9 of the agent.
# timeout: 200
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq
needs_linux_launcher
[ -f "$MEZZO_BUILD/modules/isolator/linux_capabilities.so" ] || skip_all "isolator/linux_capabilities is not built"
own_groups

# bits: CHOWN 0, KILL 5, NET_BIND_SERVICE 10, NET_RAW 13
cat >"$T/conf.yaml" <<END
resources: "cpus:2;mem:1024;disk:4096"
store: lmdb
elector: standalone
containerizers:
  - name: mesos
    settings: {launcher: linux}
isolation:
  - name: linux/capabilities
    settings:
      effective: [CHOWN]
      bounding: [CHOWN, KILL]
      bounding_of_principals:
        ops: [CHOWN, KILL, NET_RAW]
        batch: [NONE]
      effective_of_principals: {ops: [CHOWN, NET_RAW]}
      bounding_of_roles: {net: [NET_BIND_SERVICE]}
authenticators: [none]
cgroups_root: $OURS
END
start_master
agent_up
mkfifo -m 666 "$T/end"

# of FILE: bounding and effective set, shorter than the kernel writes them
of()
{
	sed -n 's/^Cap\(Bnd\|Eff\):[[:space:]]*0*\([0-9a-f]\)/\2/p' "$1" | paste -sd' '
}
there()
{
	[ -n "$(find "$T/agent" -path "*/runs/*/$1" -not -path '*/latest/*' 2>/dev/null)" ]
}
sandbox_of()
{
	find "$T/agent" -path "*/runs/*/$1" -not -path '*/latest/*' -exec dirname {} \; 2>/dev/null
}
# What a command in the task's container says of itself. nobody: who is root gets all of its bounding set by exec.
status_of()
{
	"$MEZZO" exec "$1" cat /proc/self/status >"$T/nested" 2>"$T/err" </dev/null
	of "$T/nested"
}
# quiet NAME: the framework that subscribed last wants no offers, for others to get them
quiet()
{
	local o
	is "$1 wants no more offers" "$(call '{"type":"SUPPRESS"}')" 202
	while o=$(held "$1" | jq -r .id.value) && [ -n "$o" ]; do
		echo "$o" >>"$T/$1.used"
		call "{\"type\":\"DECLINE\",\"decline\":{\"offer_ids\":[{\"value\":\"$o\"}]}}" >/dev/null
	done
}
# framework NAME PRINCIPAL ROLE BOUNDING-AND-EFFECTIVE: a task of it, as nobody
framework()
{
	subscribe "$1" "{\"user\":\"nobody\",\"name\":\"$1\",\"checkpoint\":true,\"failover_timeout\":600,\"roles\":[\"$3\"],
		\"capabilities\":[{\"type\":\"MULTI_ROLE\"}] ${2:+,\"principal\":\"$2\"}}"
	is "launch of $1" "$(launch "$1" "$(offer "$1")" "$1" "cat /proc/self/status >new; mv new is-$1; read -r x <$T/end")" 202
	wait_for 30 "the task to look" there "is-$1"
	is "$1: bounding and effective set" "$(of "$(sandbox_of "is-$1")/is-$1")" "$4"
	is "$1: of a nested container" "$(status_of "$1")" "$4"
	granted[$1]=$4
	quiet "$1"
}
declare -A granted
framework plain "" "*" "1 21"
framework who who "*" "1 21"
framework ops ops "*" "2001 2021"
framework batch batch "*" "0 0"
framework net "" net/edge "0 400"
framework both ops net/edge "2001 2021"

# ---- what is asked for ----
is "offers again" "$(call '{"type":"REVIVE"}')" 202
# asks NAME BOUNDING FOR: a task with that
asks()
{
	launch both "$(offer both)" "$1" "cat /proc/self/status >new; mv new is-$1" ".resources |= map(.allocation_info = {role: \"net/edge\"})
		| .container = {type: \"MESOS\", linux_info: {bounding_capabilities: {capabilities: [$2]}}}"
}
is "launch with less than is granted" "$(asks less '"NET_RAW"')" 202
ok "it ends" until_true 60 reached both less TASK_FINISHED
is "and has that" "$(of "$(sandbox_of is-less)/is-less")" "2000 2000"
is "launch with more than is granted" "$(asks more '"NET_RAW", "NET_BIND_SERVICE"')" 202
ok "it fails" until_true 60 reached both more TASK_FAILED
like "with the reason" "$(events both | jq -r 'select(.type == "UPDATE") | .update.status |
	select(.task_id.value == "more" and .state == "TASK_FAILED") | .message' | head -n 1)" \
	"has NET_BIND_SERVICE, which is not in the bounding capabilities of principal 'ops'"

# ---- what was recovered has the same ----
agent_dies
agent_up
for name in "${!granted[@]}"; do
	is "$name: of a nested container, after a restart" "$(status_of "$name")" "${granted[$name]}"
done
done_testing
