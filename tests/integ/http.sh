#!/usr/bin/env bash
# HTTP as clients of Mesos use it. Each recorded refusal (tests/golden/err_*) is asked
# for again, and must be refused with the same status and headers; then the
# peculiarities of real clients: paths, methods, JSONP, absolute-form targets,
# redirects, both encodings.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq
start_cluster
golden=$MEZZO_SRC/tests/golden
agent=${AGENT_URL[agent]#http://}

# ask_as FILE HOST: the request of a recorded answer; sets CODE and HEAD
ask_as()
{
	local method path body args=() line
	read -r method path < <(head -n 1 "$1")
	while IFS= read -r line; do
		line=${line#> }
		case $line in
		[A-Z]*-*:*|Accept:*) args+=(-H "$line") ;;
		*) body=$line ;;
		esac
	done < <(grep '^> ' "$1")
	grep -q '^> Content-Type' "$1" || args+=(-H 'Content-Type:')
	grep -q '^> Accept:' "$1" || args+=(-H 'Accept:')
	[ -z "${body-}" ] || args+=(--data-binary "$body")
	CODE=$(get -X "$method" "${args[@]}" -D "$T/head" -o "$T/body" -w '%{http_code}' "http://$2$path")
	HEAD=$(tr -d '\r' <"$T/head")
}

# Names of the headers, without those whose value is the server's own.
header_names()
{
	sed 's/: .*//' | tr '[:upper:]' '[:lower:]' | sort | tr '\n' ' '
}

for f in "$golden"/err_*.txt "$golden"/agent_files_browse_missing.txt "$golden"/agent_files_browse_none.txt \
	"$golden"/agent_nosuch.txt "$golden"/master_nosuch.txt; do
	name=$(basename "$f" .txt)
	host=$MASTER
	case $name in
	*executor*|agent_*) host=$agent ;;
	esac
	ask_as "$f" "$host"
	wanted=$(sed -n '/^[0-9][0-9][0-9] /{s/ .*//p;q}' "$f")
	is "$name: status" "$CODE" "$wanted"
	is "$name: headers" "$(sed 1d <<<"$HEAD" | grep : | header_names)" \
		"$(sed -n 's/^< //p' "$f" | tr -d '\r' | header_names)"
	is "$name: content type" "$(grep -i '^content-type:' <<<"$HEAD" | tr '[:upper:]' '[:lower:]')" \
		"$(sed -n 's/^< \(Content-Type:.*\)/\1/p' "$f" | tr -d '\r' | tr '[:upper:]' '[:lower:]')"
done

status()
{
	get -o "$T/body" -w '%{http_code}' "$@"
}

# ---- routes ----
for path in /health /version /flags /state /state-summary /slaves /frameworks /tasks /roles /metrics/snapshot; do
	is "GET $path" "$(status "http://$MASTER$path")" 200
	is "GET /master$path" "$(status "http://$MASTER/master$path")" 200
done
for path in /health /version /flags /state /containers /monitor/statistics /metrics/snapshot; do
	is "agent: GET $path" "$(status "http://$agent$path")" 200
done
is "agent: GET /slave(1)/state" "$(status "http://$agent/slave(1)/state")" 200
is "a trailing slash" "$(status "http://$MASTER/master/frameworks/")" 200
is "/state.json is /state" "$(status "http://$MASTER/state.json")" 200
is "/api/v1/operator is /api/v1" "$(status -H 'Content-Type: application/json' -d '{"type":"GET_HEALTH"}' "http://$MASTER/api/v1/operator")" 200
is "an unknown path" "$(status "http://$MASTER/nothing/here")" 404
is "POST where GET is meant" "$(status -X POST "http://$MASTER/state")" 200
is "PUT where GET is meant" "$(status -X PUT "http://$MASTER/state")" 200
is "HEAD" "$(status -I "http://$MASTER/state")" 200
is "an unknown argument is ignored" "$(status "http://$MASTER/state?frob=1")" 200
is "a bad limit is ignored" "$(status "http://$MASTER/tasks?limit=many")" 200
like "JSONP" "$(get "http://$MASTER/state?jsonp=f" | head -c 3)" '^f\(\{'
like "JSONP has its content type" "$(get -D - -o /dev/null "http://$MASTER/state?jsonp=f" | grep -i '^content-type')" 'text/javascript'
is "an absolute-form target" "$(status --proxy "http://$MASTER" "http://$MASTER/health")" 200
is "HTTP/1.0" "$(status -0 "http://$MASTER/health")" 200
is "a chunked body" "$(status -H 'Transfer-Encoding: chunked' -H 'Content-Type: application/json' -d '{"type":"GET_HEALTH"}' "http://$MASTER/api/v1")" 200
is "Expect: 100-continue" "$(status -H 'Expect: 100-continue' -H 'Content-Type: application/json' -d '{"type":"GET_HEALTH"}' "http://$MASTER/api/v1")" 200
is "credentials that nobody asked for" "$(status -u who:secret "http://$MASTER/state")" 200
is "/redirect" "$(get -o /dev/null -w '%{http_code} ' -D "$T/head" "http://$MASTER/redirect"; tr -d '\r' <"$T/head" | sed -n 's/^Location: //p')" "307 //$MASTER"

# ---- encodings ----
v1()
{
	get -H 'Content-Type: application/json' -H "Accept: $1" -D "$T/head" -o "$T/body" -d "$2" "http://$3/api/v1"
	tr -d '\r' <"$T/head" | sed -n 's/^[Cc]ontent-[Tt]ype: //p'
}
is "JSON is exactly application/json" "$(v1 'application/json' '{"type":"GET_VERSION"}' "$MASTER")" application/json
is "*/* is JSON" "$(v1 '*/*' '{"type":"GET_VERSION"}' "$MASTER")" application/json
is "what a browser library asks for is JSON" "$(v1 'application/json, text/plain, */*' '{"type":"GET_VERSION"}' "$MASTER")" application/json
is "protobuf is exactly application/x-protobuf" "$(v1 'application/x-protobuf' '{"type":"GET_VERSION"}' "$MASTER")" application/x-protobuf
# Call GET_HEALTH in protobuf: field 1 (type) = 1
is "a call in protobuf" "$(printf '\010\001' | get -H 'Content-Type: application/x-protobuf' -H 'Accept: application/json' --data-binary @- "http://$MASTER/api/v1" | jq -c .)" \
	'{"type":"GET_HEALTH","get_health":{"healthy":true}}'
is "null is the same as absent" "$(status -H 'Content-Type: application/json' -d '{"type":"GET_HEALTH","get_metrics":null}' "http://$MASTER/api/v1")" 200

# ---- limits ----
head -c 40000000 /dev/zero >"$T/big"
like "a body that is too large is refused" "$(status -H 'Content-Type: application/json' --data-binary "@$T/big" "http://$MASTER/api/v1" 2>/dev/null)" '^(413|000)$'
{ printf 'X-Long: '; head -c 200000 /dev/zero | tr '\0' x; echo; } >"$T/long"
like "a header that is too large is refused" "$(status -H "@$T/long" "http://$MASTER/state" 2>/dev/null)" '^(400|413|431|000)$'
is "and the master goes on" "$(status "http://$MASTER/health")" 200

# ---- the stream ----
subscribe s '{"user":"root","name":"stream"}'
like "a subscription has its stream id" "$STREAM" '.'
is "its content type" "$(tr -d '\r' <"$T/s.head" | sed -n 's/^[Cc]ontent-[Tt]ype: //p')" application/json
like "it is chunked" "$(tr -d '\r' <"$T/s.head")" '[Tt]ransfer-[Ee]ncoding: chunked'
is "the first event" "$(events s | head -n 1 | jq -r .type)" SUBSCRIBED
ok "a heartbeat follows at once" until_true 5 has_event s 'select(.type == "HEARTBEAT")'
offer s >"$T/offer"
is "an offer has no allocation_info without MULTI_ROLE" "$(jq '[.. | objects | select(has("allocation_info"))] | length' "$T/offer")" 0
is "its resources have the old form" "$(jq -r '[.resources[].role] | unique | join(",")' "$T/offer")" '*'
like "its url" "$(jq -r '.url | "\(.scheme) \(.address.ip) \(.address.port) \(.path)"' "$T/offer")" '^http 127\.0\.0\.1 [0-9]+ /slave\(1\)$'
is "a call is accepted" "$(call '{"type":"SUPPRESS"}')" 202
is "with an empty body" "$(wc -c <"$T/answer")" 0
keep=$STREAM
STREAM=wrong
is "a call with another stream id is not" "$(call '{"type":"SUPPRESS"}')" 400
STREAM=$keep
is "teardown" "$(call '{"type":"TEARDOWN"}')" 202
ok "ends the stream" until_true 10 eval "! kill -0 $SUBSCRIBE_PID"
done_testing
