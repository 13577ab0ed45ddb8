#!/usr/bin/env bash
# Master and agent on ::1: a command and a pod run, and every address that somebody is
# told can be used as it is.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq
grep -q '^0\{31\}1 ' /proc/net/if_inet6 2>/dev/null || skip_all "no ::1 here"
MASTER='[::1]:0'
AGENT_URL[agent]='http://[::1]:0'
start_cluster
like "the master listens there" "$MASTER" '^\[::1\]:[0-9]+$'
like "the agent, too" "${AGENT_URL[agent]}" '^http://\[::1\]:[0-9]+$'

# ---- what is told ----
state=$(get "http://$MASTER/state")
is "/state: leader" "$(jq -r .leader <<<"$state")" "master@$MASTER"
is "/state: leader_info" "$(jq -c '.leader_info | [.hostname, .port]' <<<"$state")" "[\"::1\",${MASTER##*:}]"
is "/state: the agent's pid" "$(jq -r '.slaves[0].pid' <<<"$state")" "slave(1)@${AGENT_URL[agent]#http://}"
redirect=$(curl -sS -o /dev/null -D - "http://$MASTER/redirect" | tr -d '\r' | sed -n 's/^Location: //p')
is "/redirect" "$redirect" "//$MASTER"
is "which leads somewhere" "$(get -o /dev/null -w '%{http_code}' "http:$redirect/health")" 200

# ---- tasks ----
subscribe f "{\"user\":\"$(id -un)\",\"name\":\"six\",\"checkpoint\":true,\"failover_timeout\":600}"
o=$(offer f)
is "an offer's address" "$(jq -c '.url.address | [.ip, .port]' <<<"$o")" "[\"::1\",${AGENT_URL[agent]##*:}]"
is "launch" "$(launch f "$o" six 'echo "at $MESOS_AGENT_ENDPOINT of $MESOS_SLAVE_PID"; exec tail -f /dev/null')" 202
ok "a command runs" until_true 30 reached f six TASK_RUNNING
is "its address" "$(events f | jq -c 'select(.type == "UPDATE") | .update.status | select(.state == "TASK_RUNNING") |
	.container_status.network_infos[0].ip_addresses[0]')" '{"protocol":"IPv6","ip_address":"::1"}'
at=${AGENT_URL[agent]#http://}
out=$(find "$T/agent/slaves" -path '*/executors/six/runs/*/stdout' -exec cat {} + | grep '^at')
is "the environment of its executor" "$out" "at $at of slave(1)@$at"
pod()
{
	o=$(offer f)
	jq -r .id.value <<<"$o" >>"$T/f.used"
	call "$(jq -c '.agent_id as $agent | def some: [["cpus", 0.1], ["mem", 32], ["disk", 1]] | map({name: .[0], type: "SCALAR", scalar: {value: .[1]}});
		{type: "ACCEPT", accept: {offer_ids: [.id], filters: {refuse_seconds: 0}, operations: [{type: "LAUNCH_GROUP", launch_group: {
		executor: {type: "DEFAULT", executor_id: {value: "pod"}, resources: some},
		task_group: {tasks: [{name: "in-pod", task_id: {value: "in-pod"}, agent_id: $agent, resources: some,
			command: {shell: true, value: "exit 3"}}]}}}]}}' <<<"$o")"
}
is "launch of a pod" "$(pod)" 202
ok "it runs, and its end is told" until_true 30 reached f in-pod TASK_FAILED

# ---- the agent comes back, with its executor; so does the client of ours ----
stop_hard "${AGENT_PID[agent]}"
start_agent agent
wait_for 60 "the agent to come back" agents_are 1
call '{"type":"KILL","kill":{"task_id":{"value":"six"}}}' >/dev/null
ok "the executor subscribes to a new agent" until_true 60 reached f six TASK_KILLED
call '{"type":"TEARDOWN"}' >/dev/null # it holds all offers
ok "mezzo run" "$MEZZO" run --master "$MASTER" --timeout 60s --name from-run --command 'true'
done_testing
