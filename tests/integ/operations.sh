#!/usr/bin/env bash
# Operations on resources, with a real master and a real agent: what is wrong with one
# is told by its id, those without an id are counted, tasks beside them run, and what
# they would have used is offered again. The rules one by one are in the unit tests.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq
start_cluster --resources 'cpus:4;mem:2048;disk:4096;disk(ops):512'
subscribe f '{"user":"root","name":"ops","principal":"me","roles":["ops"],
	"capabilities":[{"type":"MULTI_ROLE"},{"type":"RESERVATION_REFINEMENT"}]}'

volume='{"name":"disk","type":"SCALAR","scalar":{"value":64},"reservations":[{"type":"STATIC","role":"ops"}],
	"disk":{"persistence":{"id":"data","principal":"me"},"volume":{"container_path":"data","mode":"RW"}}}'
cpus='{"name":"cpus","type":"SCALAR","scalar":{"value":1},"reservations":[{"type":"DYNAMIC","role":"ops","principal":"me"}]}'

# accept OFFER OPERATIONS
accept()
{
	jq -r .id.value <<<"$1" >>"$T/f.used"
	call "$(jq -cn --argjson o "$1" --argjson ops "$2" '{type: "ACCEPT", accept: {offer_ids: [$o.id], operations: $ops,
		filters: {refuse_seconds: 0}}}')"
}

# told ID: the message of the status of that operation
told()
{
	events f | jq -r --arg id "$1" 'select(.type == "UPDATE_OPERATION_STATUS") | .update_operation_status.status
		| select(.operation_id.value == $id and .state == "OPERATION_ERROR" and (has("uuid") | not)) | .message'
}
heard()
{
	[ -n "$(told "$1")" ]
}
counted()
{
	get "http://$MASTER/metrics/snapshot" | jq -r --arg n "master/operations/$1/error" '.[$n] | floor'
}

o=$(offer f)
task=$(jq -cn --argjson o "$o" '{name: "t", task_id: {value: "t"}, agent_id: $o.agent_id, command: {value: "true"},
	resources: [{name: "cpus", type: "SCALAR", scalar: {value: 0.5}}]}')
is "operations and a task are accepted" "$(accept "$o" "$(jq -cn --argjson v "$volume" --argjson c "$cpus" --argjson t "$task" '[
	{type: "RESERVE", id: {value: "unreserved"}, reserve: {resources: [$c | del(.reservations)]}},
	{type: "CREATE", id: {value: "read-only"}, create: {volumes: [$v | .disk.volume.mode = "RO"]}},
	{type: "RESERVE", id: {value: "feedback"}, reserve: {resources: [$c]}},
	{type: "LAUNCH", launch: {task_infos: [$t]}}]')")" 202
wait_for 20 "the last answer" heard feedback
is "a rule of RESERVE" "$(told unreserved)" "RESERVE is not valid: 'cpus' is not dynamically reserved"
is "a rule of CREATE" "$(told read-only)" "CREATE is not valid: Persistent volume 'data' must have the mode RW"
like "an id needs more of an agent" "$(told feedback)" 'with an id needs an agent with RESOURCE_PROVIDER'
wait_for 30 "the task beside them to end" reached f t TASK_FINISHED

whole()
{
	holds f && [ "$(held f | jq '[.resources[] | select(.name == "cpus") | .scalar.value] | add')" = 4 ]
}
wait_for 30 "all to be offered again" whole
o=$(held f)
is "valid ones without an id are accepted" "$(accept "$o" "$(jq -cn --argjson v "$volume" --argjson c "$cpus" '[
	{type: "RESERVE", reserve: {resources: [$c]}}, {type: "CREATE", create: {volumes: [$v]}}]')")" 202
wait_for 30 "all to be offered once more" whole
is "nothing was reserved or created" \
	"$(held f | jq -c '[.resources[] | {name, v: .scalar.value, r: [.reservations[]?.type], d: .disk}] | sort_by(.name, .v)')" \
	"$(jq -c '[.resources[] | {name, v: .scalar.value, r: [.reservations[]?.type], d: .disk}] | sort_by(.name, .v)' <<<"$o")"
like "the log says what becomes of them" "$(grep CREATE "$T"/master.log* | tail -n 1)" 'CREATE is valid, and not supported'
is "all are counted" "$(counted reserve) $(counted create)" "3 2"
is "who has no id is told nothing" "$(events f | jq -s '[.[] | select(.type == "UPDATE_OPERATION_STATUS")] | length')" 3
done_testing
