#!/usr/bin/env bash
# pod.sh - how long one pod of 50 tasks takes on one agent, against real daemons: from
# ACCEPT until the last TASK_RUNNING, by the executor's clock. Five pods in turn. Nothing is
# acknowledged or looked at until they run, and a pod comes when all of the one before is
# acknowledged: curl and jq would take most of the processors.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../tests/lib.sh"
needs curl jq
start_cluster --resources 'cpus:64;mem:24576;disk:409600'
subscribe f "$(jq -cn --arg u "$(id -un)" '{user: $u, name: "pods", roles: ["dev"], capabilities: [{type: "MULTI_ROLE"}]}')"
in_state()
{
	[ "$(events f | jq -r --arg s "$2" 'select(.type == "UPDATE") | .update.status | select(.state == $s) | .task_id.value' |
		sort -u | grep -c "^$1-")" -ge 50 ]
}
# Three updates a task: TASK_STARTING, TASK_RUNNING and TASK_FINISHED
acknowledged()
{
	curl -sS "http://$MASTER/metrics/snapshot" |
		jq -e --argjson n "$1" '."master/valid_status_update_acknowledgements" >= $n' >/dev/null
}
done=0
for pod in p1 p2 p3 p4 p5; do
	o=$(offer f)
	jq -r .id.value <<<"$o" >>"$T/f.used"
	accept=$(jq -c --arg pod "$pod" '.agent_id as $agent |
		([["cpus", 0.1], ["mem", 32], ["disk", 1]] | map({name: .[0], type: "SCALAR", scalar: {value: .[1]},
			allocation_info: {role: "dev"}})) as $r |
		{type: "ACCEPT", accept: {offer_ids: [.id], filters: {refuse_seconds: 0}, operations: [{type: "LAUNCH_GROUP",
		launch_group: {executor: {type: "DEFAULT", executor_id: {value: $pod}, resources: $r}, task_group: {tasks:
		[range(50) | {name: "t", task_id: {value: "\($pod)-\(.)"}, agent_id: $agent, resources: $r,
			command: {value: "exec sleep 6"}}]}}}]}}' <<<"$o")
	touch "$T/f.hold"
	from=$(date +%s.%N)
	call "$accept" >/dev/null
	sleep 3
	rm "$T/f.hold"
	wait_for 30 "50 tasks to run" in_state "$pod" TASK_RUNNING
	events f | jq -rs --arg pod "$pod-" --argjson from "$from" '[.[] | select(.type == "UPDATE") | .update.status |
		select(.state == "TASK_RUNNING" and (.task_id.value | startswith($pod))) | .timestamp] |
		"pod of 50 tasks, ACCEPT to the last TASK_RUNNING: \((max - $from) * 1000 | round) ms"'
	wait_for 30 "them to end" in_state "$pod" TASK_FINISHED
	done=$((done + 150))
	wait_for 60 "the acknowledgements" acknowledged "$done"
done
exit 0
