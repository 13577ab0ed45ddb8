#!/usr/bin/env bash
# Every read endpoint of both daemons against the recorded answers of a real Mesos
# (tests/golden): the same cluster, a finished and a running command task, and each
# field of the recorded answers is in ours, with its type, doubles written as doubles.
# What differs on purpose is in endpoints.allow. The calls of the v1 API also in
# protobuf, which must say the same as the JSON.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq
SHAPE=$MEZZO_BUILD/tests/integ/shape
[ -x "$SHAPE" ] || skip_all "tests/integ/shape is not built"
GOLDEN=$MEZZO_SRC/tests/golden
ALLOW=$MEZZO_SRC/tests/integ/endpoints.allow
start_cluster --resources 'cpus:24;mem:24576;disk:409600;ports:[31000-32000];cpus(ops):2;mem(ops):512' \
	--attributes 'datacenter:pdx1;rack:1-1;os:rhel7;speed:2.5'
agent=${AGENT_URL[agent]#http://}

# A framework that is over, one with a finished and a running task.
subscribe gone '{"user":"root","name":"peerbench","capabilities":[{"type":"MULTI_ROLE"},{"type":"PARTITION_AWARE"}],"roles":["*"]}'
o=$(offer gone)
is "launch for a framework that ends" "$(launch gone "$o" first 'true')" 202
wait_for 30 "its task to end" reached gone first TASK_FINISHED
acked()
{
	answers "http://$agent/state" --arg t "$1" '[.. | .completed_tasks? // empty | .[] | .id] | index($t) != null'
}
wait_for 30 "the end to be acknowledged" acked first
is "it is torn down" "$(call '{"type":"TEARDOWN"}')" 202
completed()
{
	[ "$(get "http://$MASTER/frameworks" | jq '.completed_frameworks | length')" = 1 ]
}
wait_for 20 "it to be completed" completed

info='{"user":"root","name":"peerbench","capabilities":[{"type":"MULTI_ROLE"},{"type":"PARTITION_AWARE"}],"roles":["*"]}'
subscribe f "$info"
o=$(offer f)
is "launch of a task that ends" "$(launch f "$o" done-1 'echo out; exit 0')" 202
wait_for 30 "the first task" reached f done-1 TASK_FINISHED
wait_for 30 "its end to be acknowledged" acked done-1
newer()
{
	[ "$(offer f | jq -r .id.value)" != "$(jq -r .id.value <<<"$o")" ]
}
wait_for 30 "another offer" newer
o=$(offer f)
is "launch of a task that stays" "$(launch f "$o" t0 'exec tail -f /dev/null' \
	'.labels = {labels: [{key: "k", value: "v"}]}')" 202
running()
{
	answers "http://$MASTER/tasks" '.tasks[] | select(.id == "t0" and .state == "TASK_RUNNING")'
}
wait_for 30 "the second task" running
call '{"type":"SUPPRESS"}' >/dev/null

# ask NAME HOST FILE [ACCEPT]: the request of the recorded answer
ask()
{
	local f=$GOLDEN/$1.txt method path data
	read -r method path <"$f"
	data=$(sed -n 's/^> \({.*\)/\1/p' "$f" | head -n 1)
	if [ "$method" = POST ] && [ -n "$data" ]; then
		get -o "$3" -w '%{http_code}' -H 'Content-Type: application/json' -H "Accept: ${4:-application/json}" -d "$data" "http://$2$path"
	else
		get -o "$3" -w '%{http_code}' "http://$2$path"
	fi
}

plain()
{
	is "$1 is answered" "$(ask "$1" "$2" "$T/ours.json")" 200
	# The id of a framework is part of the names of its metrics.
	sed -i "s,$FRAMEWORK/,0c5a2502-cd1a-4026-9f17-d2f61ada9408-0000/,g" "$T/ours.json"
	ok "$1 has the recorded form" "$SHAPE" golden "$1" "$ALLOW" "$GOLDEN/$1.txt" "$T/ours.json"
}

# v1 NAME HOST master|agent equal|alike
v1()
{
	plain "$1" "$2"
	is "$1 in protobuf is answered" "$(ask "$1" "$2" "$T/ours.pb" application/x-protobuf)" 200
	ok "$1 in protobuf says the same" "$SHAPE" pb "$3" "$T/ours.pb" "$T/ours.json" "$4"
}

for n in flags frameworks metrics_snapshot roles slaves state-summary state tasks version; do
	plain "master_$n" "$MASTER"
done
for n in containers flags metrics_snapshot monitor_statistics state version; do
	plain "agent_$n" "$agent"
done
for n in GET_AGENTS GET_EXECUTORS GET_FLAGS GET_FRAMEWORKS GET_HEALTH GET_MASTER GET_ROLES GET_STATE GET_TASKS GET_VERSION; do
	v1 "v1_master_$n" "$MASTER" master equal
done
v1 v1_master_GET_METRICS "$MASTER" master alike
for n in GET_AGENT GET_EXECUTORS GET_FLAGS GET_FRAMEWORKS GET_HEALTH GET_OPERATIONS GET_RESOURCE_PROVIDERS GET_STATE \
	GET_TASKS GET_VERSION; do
	v1 "v1_agent_$n" "$agent" agent equal
done
v1 v1_agent_GET_CONTAINERS "$agent" agent alike

# The files of a sandbox.
dir=$(get "http://$agent/state" | jq -r '[.. | objects | select(.id? == "done-1" and .directory?)][0].directory')
get -G --data-urlencode "path=$dir" "http://$agent/files/browse" >"$T/ours.json"
ok "agent_files_browse has the recorded form" "$SHAPE" golden agent_files_browse "$ALLOW" "$GOLDEN/agent_files_browse.txt" "$T/ours.json"
get -G --data-urlencode "path=$dir/stdout" -d offset=0 -d length=100 "http://$agent/files/read" >"$T/ours.json"
ok "agent_files_read has the recorded form" "$SHAPE" golden agent_files_read "$ALLOW" "$GOLDEN/agent_files_read.txt" "$T/ours.json"
get -G --data-urlencode "path=$dir/stdout" -d offset=-1 "http://$agent/files/read" >"$T/ours.json"
ok "agent_files_read_m1 has the recorded form" "$SHAPE" golden agent_files_read_m1 "$ALLOW" "$GOLDEN/agent_files_read_m1.txt" "$T/ours.json"
is "a missing file" "$(get -G -o "$T/ours.json" -w '%{http_code}' --data-urlencode "path=$dir/nosuch" "http://$agent/files/browse")" \
	"$(sed -n 's/^\([0-9][0-9][0-9]\) .*/\1/p' "$GOLDEN/agent_files_browse_missing.txt" | head -n 1)"
for d in master agent; do
	host=$MASTER
	[ $d = agent ] && host=$agent
	is "${d}_health" "$(ask "${d}_health" "$host" "$T/ours.json")" 200
	is "${d}_health says nothing" "$(cat "$T/ours.json")" ""
	is "${d}_nosuch" "$(ask "${d}_nosuch" "$host" "$T/ours.json")" 404
done
done_testing
