#!/usr/bin/env bash
# One framework that sends calls as fast as it can, beside one that only listens: its
# heartbeats keep coming, a limited one is told 429, a reader that does not read is cut.
# alone: it looks at the time between heartbeats
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq
start_master --set 'framework_rate_limits=[limited:2:5]' --set max_stream_queue=64KB

# count NAME: heartbeats so far
heartbeats()
{
	events "$1" | jq -s '[.[] | select(.type == "HEARTBEAT")] | length'
}
heartbeats_are()
{
	[ "$(heartbeats "$1")" -ge "$2" ]
}
metric()
{
	get "http://$MASTER/metrics/snapshot" | jq --arg n "$1" '.[$n]'
}
at_least()
{
	[ "$(metric "$1" | cut -d. -f1)" -ge "$2" ]
}

# ---- a flood ----
subscribe loud '{"user": "root", "name": "loud"}'
LOUD=$FRAMEWORK LOUD_STREAM=$STREAM
jq -cn --arg id "$LOUD" '{type: "SUPPRESS", framework_id: {value: $id}}' >"$T/suppress"
for _ in $(seq 5000); do
	printf 'url = "http://%s/api/v1/scheduler"\n' "$MASTER"
done >"$T/urls"
flood()
{
	while :; do
		curl -sS -o /dev/null -K "$T/urls" -H 'Content-Type: application/json' \
			-H "Mesos-Stream-Id: $LOUD_STREAM" --data-binary "@$T/suppress" 2>/dev/null || return
	done
}
for _ in 1 2 3; do
	flood &
	pids+=("$!")
	floods+=("$!")
done
wait_for 20 "the flood" at_least master/messages_suppress_offers 1000
subscribe quiet '{"user": "root", "name": "quiet"}'
wait_for 5 "the first heartbeat" heartbeats_are quiet 1
before=$(metric master/messages_suppress_offers | cut -d. -f1)
ok "the heartbeat of the other comes" until_true 30 heartbeats_are quiet 2
calls=$(($(metric master/messages_suppress_offers | cut -d. -f1) - before))
echo "# $calls calls beside it"
ok "beside a flood" test "$calls" -gt 2000
is "in which others are served" "$(get -o /dev/null -w '%{http_code}' "http://$MASTER/health")" 200
kill "${floods[@]}" 2>/dev/null

# ---- a limited principal ----
subscribe limited '{"user": "root", "name": "limited", "principal": "limited"}'
jq -cn --arg id "$FRAMEWORK" '{type: "REVIVE", framework_id: {value: $id}}' >"$T/revive"
head -n 200 "$T/urls" >"$T/some_urls" # on one connection: faster than two a second
curl -sS -i -K "$T/some_urls" -H 'Content-Type: application/json' -H "Mesos-Stream-Id: $STREAM" \
	--data-binary "@$T/revive" >"$T/answers"
ok "some calls pass" grep -q '^HTTP/1.1 202' "$T/answers"
ok "and some are too many" grep -q '^HTTP/1.1 429' "$T/answers"
ok "with the time to wait" grep -qi '^Retry-After: 1' "$T/answers"
ok "which is seen on the framework" answers "http://$MASTER/frameworks" '.frameworks[] | select(.name == "limited") |
	.refused_calls.REVIVE | .count > 0 and (.last_reason | test("more calls than it may"))'

# ---- a reader that does not read ----
exec 7<>"/dev/tcp/${MASTER%:*}/${MASTER#*:}"
body='{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"root","name":"deaf"}}}'
printf 'POST /api/v1/scheduler HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n%s' \
	"${#body}" "$body" >&7
STREAM=
while IFS=$'\r' read -r -t 20 line _ <&7 && [ -n "$line" ]; do
	case ${line,,} in
	mesos-stream-id:*) STREAM=${line#*: } ;;
	esac
done
FRAMEWORK=$(get "http://$MASTER/frameworks" | jq -r '.frameworks[] | select(.name == "deaf") | .id')
like "it has a stream" "$STREAM" '^[0-9a-f-]{36}$'
# An update for each task, as there is no such offer.
jq -cn --arg id "$FRAMEWORK" '{type: "ACCEPT", framework_id: {value: $id}, accept: {offer_ids: [{value: "none"}],
	operations: [{type: "LAUNCH", launch: {task_infos: [range(5000) | {name: "t", task_id: {value: "task-\(.)"},
	agent_id: {value: "none"}, command: {value: "true"}, resources: []}]}}]}}' >"$T/accept"
deaf_is_gone()
{
	curl -sS -o /dev/null -H 'Content-Type: application/json' -H "Mesos-Stream-Id: $STREAM" \
		--data-binary "@$T/accept" "http://$MASTER/api/v1/scheduler"
	[ -z "$(get "http://$MASTER/frameworks" | jq -r '.frameworks[] | select(.name == "deaf") | .id')" ]
}
ok "a framework that does not read is cut" until_true 90 deaf_is_gone
ok "the others stay" answers "http://$MASTER/frameworks" \
	'[.frameworks[] | select(.connected) | .name] | sort == ["limited", "loud", "quiet"]'
exec 7>&-
done_testing
