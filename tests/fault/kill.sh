#!/usr/bin/env bash
# kill -9 of agent and master at each step of a task's life, in real processes. Each
# task says in a file that it ran: it must have run once and have its exact end
# reported, or not at all and be reported as such. Never twice, never silent.
# timeout: 900
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq
start_cluster --set registration_backoff=200ms --resources 'cpus:64;mem:65536'
info='{"user":"root","name":"kill","checkpoint":true,"failover_timeout":600,"capabilities":[{"type":"PARTITION_AWARE"}]}'
[ "$(id -u)" -eq 0 ] || info=$(jq -c --arg u "$(id -un)" '.user = $u' <<<"$info")
mkdir -m 777 "$T/ran" "$T/go"

n_streams=0
connect()
{
	n_streams=$((n_streams + 1))
	stream=s$n_streams
	subscribe "$stream" "$info" "${1-}"
}
connect
id=$FRAMEWORK

# The newest offer that was neither used nor rescinded.
used=none
live_offer()
{
	OFFER=$(events "$stream" | jq -sc --arg used "$used" '
		([.[] | select(.type == "RESCIND") | .rescind.offer_id.value]) as $gone |
		[.[] | select(.type == "OFFERS") | .offers.offers[] |
		 select(.id.value != $used and ((.id.value | IN($gone[])) | not))] | last // empty')
	[ -n "$OFFER" ]
}

# seen TASK STATES: on any of the streams
seen()
{
	local i
	for ((i = 1; i <= n_streams; i++)); do
		events "s$i" | jq -r --arg t "$1" 'select(.type == "UPDATE") | .update.status |
			select(.task_id.value == $t) | .state'
	done | grep -qE "^TASK_($2)\$"
}
# The first end that was told: what comes after it answers a question that crossed it.
first_end()
{
	local i
	for ((i = 1; i <= n_streams; i++)); do
		events "s$i" | jq -r --arg t "$1" 'select(.type == "UPDATE") | .update.status |
			select(.task_id.value == $t) | .state + (if .source == "SOURCE_EXECUTOR" then "" else " not by its executor" end)'
	done | grep -E "^TASK_($ENDS)( |\$)" | head -n 1
}
ENDS='FINISHED|FAILED|KILLED|LOST|DROPPED|GONE|GONE_BY_OPERATOR|UNKNOWN|ERROR'

# What a framework does until it knows: it asks.
settled()
{
	seen "$1" "$ENDS" && return
	call "$(jq -cn --arg t "$1" '{type: "RECONCILE", reconcile: {tasks: [{task_id: {value: $t}}]}}')" >/dev/null
	return 1
}

# The moments at which to kill, each known by something that happens.
sandbox_there()
{
	[ -n "$(find "$T/agent/slaves" -path "*/executors/$1/runs/*" -name stdout -print -quit 2>/dev/null)" ]
}
ran()
{
	[ -s "$T/ran/$1" ]
}
executor_there()
{
	pgrep -f "executors/$1/|mezzo-executor.*$1" >/dev/null || sandbox_there "$1"
}
moments=(accepted sandbox executor ran starting running acked released ended ended_acked)
reach()
{
	local t=$2
	case $1 in
	accepted) true ;;
	sandbox) until_true 45 sandbox_there "$t" ;;
	executor) until_true 45 executor_there "$t" ;;
	ran) until_true 45 ran "$t" ;;
	starting) touch "$T/$stream.hold"; until_true 45 seen "$t" STARTING ;;
	running) until_true 45 seen "$t" RUNNING ;;
	acked) until_true 45 agent_says "$t" RUNNING ;;
	released) until_true 45 ran "$t" && touch "$T/go/$t" ;;
	ended) touch "$T/go/$t"; until_true 45 seen "$t" 'FINISHED|FAILED' ;;
	ended_acked) touch "$T/go/$t"; until_true 45 agent_completed "$t" ;;
	esac
}
# Every update of the task is acknowledged.
agent_completed()
{
	answers "${AGENT_URL[agent]}/state" --arg t "$1" '.. | .completed_tasks? // empty | .[] | select(.id == $t)'
}
# The agent knows that the task is in that state.
agent_says()
{
	answers "${AGENT_URL[agent]}/state" --arg t "$1" --arg s "TASK_$2" \
		'.. | objects | select(.id? == $t and .state? == $s)'
}

one()
{
	local victim=$1 moment=$2 t=$1-$2-$3 code=$4 n want
	wait_for 60 "an offer" live_offer
	used=$(jq -r .id.value <<<"$OFFER")
	is "$t: launch" "$(launch "$stream" "$OFFER" "$t" \
		"echo ran >>$T/ran/$t; until [ -e $T/go/$t ]; do sleep 0.02; done; exit $code")" 202
	reach "$moment" "$t" || fail "$t: reaches the moment" "$(events "$stream" | tail -n 3)"
	case $victim in
	agent | both) stop_hard "${AGENT_PID[agent]}" ;;
	esac
	case $victim in
	master | both) stop_hard "$MASTER_PID" ;;
	esac
	touch "$T/go/$t"
	rm -f "$T/$stream.hold"
	case $victim in
	master | both) start_master ;;
	esac
	case $victim in
	agent | both) start_agent agent --set registration_backoff=200ms --resources 'cpus:64;mem:65536' ;;
	esac
	wait_for 60 "the agent to be back" agents_are 1
	case $victim in
	master | both) connect "$id" ;;
	esac
	until_true 60 settled "$t" || fail "$t: its end is told" "$(tail -n 3 "$T/agent.log.now")"
	n=$(cat "$T/ran/$t" 2>/dev/null | wc -l)
	want=FINISHED
	[ "$code" = 0 ] || want=FAILED
	if [ "$n" = 1 ]; then
		like "$t: ran once, and its exact end is told" "$(first_end "$t")" "^TASK_$want( |\$)"
	else
		# FAILED is right, too: its executor was on record and its container never came.
		is "$t: did not run twice" "$n" 0
		like "$t: did not run, and that is told" "$(first_end "$t")" '^TASK_(LOST|DROPPED|GONE|UNKNOWN|FAILED) not by'
	fi
}

i=0
for victim in agent master both; do
	for moment in "${moments[@]}"; do
		i=$((i + 1))
		# A master and an agent that die at once: at every third moment is enough.
		[ "$victim" = both ] && [ $((i % 3)) -ne 0 ] && continue
		one "$victim" "$moment" "$i" $((i % 2 * 5))
	done
done
nothing_left()
{
	[ "$(get "$1/state" | jq '[.. | .tasks? // empty | .[]] | length')" = 0 ]
}
ok "nothing is left behind at the agent" until_true 60 nothing_left "${AGENT_URL[agent]}"
done_testing
