#!/usr/bin/env bash
# kill -9 of every part at every step, a row for each: who is killed, what runs, and
# when. Whoever has to be started again is; then, for each task: it ran at most once,
# one end of it is told, the agent has that acknowledged; and nothing is left behind.
# kill.sh does more of agent and master with commands, at more moments.
#
#	matrix.sh [REGEX]	only rows that match
#
# timeout: 1800
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq python3
fileserver=$MEZZO_BUILD/tests/integ/fileserver
[ -x "$fileserver" ] || skip_all "fileserver is not built"

# victim     what     moment          how its tasks may end; "-": not looked at; ~ not run at all
rows='
agent        none     subscribe       -
agent        none     offers          -
agent        custom   launching       FINISHED|~
agent        pod      launching       FINISHED|~
agent        custom   running         FINISHED
agent        pod      running         FINISHED
agent        custom   unacked         FINISHED
agent        pod      unacked         FINISHED
agent        command  killing         KILLED
agent        custom   killing         KILLED
agent        pod      killing         KILLED
agent        command  teardown        -
agent        custom   teardown        -
agent        pod      teardown        -
agent        command  reregistering   FINISHED
agent        custom   reregistering   FINISHED
agent        pod      reregistering   FINISHED
master       none     subscribe       -
master       none     offers          -
master       custom   launching       FINISHED|~
master       pod      launching       FINISHED|~
master       pod      running         FINISHED
master       custom   unacked         FINISHED
master       command  killing         KILLED
master       pod      killing         KILLED
master       command  teardown        -
master       pod      teardown        -
master       command  reregistering   FINISHED
executor     command  launching       FAILED|GONE|LOST
executor     pod      launching       FAILED|GONE|LOST
executor     custom   launching       DROPPED|FAILED|GONE
executor     command  running         FAILED
executor     pod      running         FAILED|GONE
executor     custom   running         FAILED|GONE
executor     command  unacked         FAILED
executor     pod      unacked         FAILED|GONE
executor     custom   unacked         FAILED|GONE
executor     command  killing         FAILED|KILLED
executor     pod      killing         FAILED|GONE|KILLED
executor     custom   killing         FAILED|GONE|KILLED
executor     command  teardown        -
executor     pod      teardown        -
executor     custom   teardown        -
executor     command  reregistering   FAILED
executor     pod      reregistering   FAILED|GONE
executor     custom   reregistering   FAILED|GONE
shim         command  running         FAILED
shim         pod      running         FAILED|GONE
shim         custom   running         FAILED|GONE
shim         command  unacked         FAILED
shim         command  killing         FAILED|KILLED
shim         pod      killing         FAILED|GONE|KILLED
shim         command  teardown        -
shim         pod      teardown        -
shim         command  reregistering   FAILED
task_shim    pod      running         FAILED|KILLED|GONE
fetcher      fetched  fetching        FAILED|~
agent        fetched  fetching        ~
master       fetched  fetching        FAILED|~
framework    fetched  fetching        FAILED|~
framework    none     subscribe       -
framework    none     offers          -
framework    command  launching       FINISHED
framework    pod      launching       FINISHED
framework    command  running         FINISHED
framework    pod      running         FINISHED
framework    custom   running         FINISHED
framework    command  unacked         FINISHED
framework    pod      unacked         FINISHED
framework    command  killing         KILLED
framework    pod      killing         KILLED
framework    command  teardown        -
framework    command  reregistering   FINISHED
framework    pod      forgotten       -
'
rows=$(grep -E "${1:-.}" <<<"$rows")

mkdir "$T/files"
"$fileserver" "$T/files" >"$T/server.out" 2>&1 &
pids+=("$!")
wait_for 20 "the server" grep -q listens "$T/server.out"
server=http://$(sed 's/.* on //' "$T/server.out")
install -m 644 "$MEZZO_SRC/tests/fault/executor.py" "$T/executor.py"
mkdir -m 777 "$T/ran" "$T/go"
agent_options=(--set registration_backoff=100ms --set executor_registration_timeout=20secs
	--resources 'cpus:16;mem:16384;disk:1000')
start_cluster "${agent_options[@]}"
info='{"user":"root","name":"matrix","checkpoint":true,"failover_timeout":600,"capabilities":[{"type":"PARTITION_AWARE"}]}'
[ "$(id -u)" -eq 0 ] || info=$(jq -c --arg u "$(id -un)" '.user = $u' <<<"$info")
scalar='def scalar(n; v): {name: n, type: "SCALAR", scalar: {value: v}};
	def some: [scalar("cpus"; 0.1), scalar("mem"; 32), scalar("disk"; 1)];'

# ---- what a row has: $e its executor, $tasks its tasks, $fw the framework's newest name ----
n_streams=0
connect()
{
	n_streams=$((n_streams + 1))
	fw=$e-$n_streams
	streams+=("$fw")
	[ ! -e "$T/hold" ] || touch "$T/$fw.hold"
	subscribe "$fw" "${INFO:-$info}" "${1-}"
}

# All updates of a task on any stream, each uuid once: "STATE UUID".
updates()
{
	local s
	for s in "${streams[@]}"; do
		events "$s" | jq -r --arg t "$1" 'select(.type == "UPDATE") | .update.status |
			select(.task_id.value == $t) | .state + " " + (.uuid // "-")'
	done
}
ENDS='TASK_(FINISHED|FAILED|KILLED|LOST|DROPPED|GONE|GONE_BY_OPERATOR|UNKNOWN|ERROR)'
seen()
{
	updates "$1" | grep -qE "^TASK_($2) "
}
all_seen()
{
	local t
	for t in "${tasks[@]}"; do seen "$t" "$1" || return 1; done
}
all_ended()
{
	local t
	for t in "${tasks[@]}"; do updates "$t" | grep -qE "^$ENDS " || return 1; done
}
# What a framework does that does not know: it asks.
asked_and_ended()
{
	local t
	for t in "${tasks[@]}"; do
		call "$(jq -cn --arg t "$t" '{type: "RECONCILE", reconcile: {tasks: [{task_id: {value: $t}}]}}')" >/dev/null
	done
	until_true 2 all_ended
}

# The tasks of the row, with one ACCEPT.
accept()
{
	local o sh=()
	for t in "${tasks[@]}"; do
		sh+=("echo ran >>$T/ran/$t; trap '' TERM; until [ -e $T/go/$e ]; do sleep 0.02; done")
	done
	o=$(offer "$fw")
	jq -r .id.value <<<"$o" >>"$T/$fw.used"
	is "$row: ACCEPT" "$(call "$(jq -c --arg e "$e" --arg what "$1" --arg py "exec $(command -v python3) $T/executor.py $T" \
		--arg uri "$server/stall" '
		'"$scalar"'
		.id as $id | .agent_id as $agent
		| [$ARGS.positional | to_entries[] | (.key | if . == 0 then "a" else "b" end) as $n | {name: "\($e)-\($n)", task_id: {value: "\($e)-\($n)"},
			agent_id: $agent, resources: some, command: {shell: true, value: .value}, kill_policy: {grace_period: {nanoseconds: 500000000}}}] as $tasks
		| {type: "ACCEPT", accept: {offer_ids: [$id], filters: {refuse_seconds: 0}, operations: [
			if $what == "pod" then {type: "LAUNCH_GROUP", launch_group: {task_group: {tasks: $tasks},
				executor: {type: "DEFAULT", executor_id: {value: $e}, resources: some}}}
			elif $what == "custom" then {type: "LAUNCH", launch: {task_infos: [$tasks[] | .data = (.command.value | @base64) | del(.command, .kill_policy)
				| .executor = {type: "CUSTOM", executor_id: {value: $e}, resources: some, command: {shell: true, value: $py}}]}}
			elif $what == "fetched" then {type: "LAUNCH", launch: {task_infos: [$tasks[] | .command.uris = [{value: $uri}]]}}
			else {type: "LAUNCH", launch: {task_infos: $tasks}} end]}}' --args "${sh[@]}" <<<"$o")")" 202
}

# The processes of the row.
container()
{
	local l
	l=$(find "$T/agent/slaves" -path "*/executors/$exec_id/runs/latest" -print -quit 2>/dev/null)
	[ -n "$l" ] && basename "$(readlink "$l")"
}
shim()
{
	local c
	c=$(container) && pgrep -f "mezzo-init $c\$"
}
executor()
{
	local s
	s=$(shim) && pgrep -P "$s"
}
task_shim()
{
	local c
	c=$(container) && pgrep -f "mezzo-init $c\\.[^ ]*\$" | head -n 1
}
fetcher()
{
	pgrep -P "${AGENT_PID[agent]}" -f mezzo-fetcher
}

# ---- moments: each comes to it and calls `struck`, which kills and starts again ----
strike()
{
	case $victim in
	agent) stop_hard "${AGENT_PID[agent]}" ;;
	master) stop_hard "$MASTER_PID" ;;
	framework) stop_hard "$SUBSCRIBE_PID" ;;
	*)
		local p
		p=$("$victim")
		if [ -n "$p" ]; then
			# shellcheck disable=SC2086
			kill -KILL $p
		else
			fail "$row: there is a $victim" "$(ps -eo pid,ppid,args | grep -F "$T/" | head -n 20)"
		fi
		;;
	esac
}
recover()
{
	case $victim in
	agent) start_agent agent "${agent_options[@]}" ;;
	master) start_master ;;
	esac
	wait_for 60 "$row: the agent to be there" agents_are 1
	case $victim in
	framework | master) connect "$id" ;;
	esac
}
struck()
{
	strike
	recover
}
freeze()
{
	kill -STOP "$@"
}
thaw()
{
	kill -CONT "$@" 2>/dev/null
}

moment_subscribe()
{
	case $victim in
	agent) # its master does not answer
		stop_hard "${AGENT_PID[agent]}"
		freeze "$MASTER_PID"
		start_agent agent "${agent_options[@]}"
		stop_hard "${AGENT_PID[agent]}"
		thaw "$MASTER_PID"
		recover
		is "$row: it is one agent" "$(get "http://$MASTER/slaves" | jq '.slaves | length')" 1
		;;
	*) # SUBSCRIBE is there and not answered
		freeze "$MASTER_PID"
		curl -svN -o /dev/null -H 'Content-Type: application/json' "http://$MASTER/api/v1/scheduler" \
			-d "$(jq -cn --argjson i "$info" '{type: "SUBSCRIBE", subscribe: {framework_info: ($i | .name = "struck")}}')" \
			2>"$T/struck.curl" &
		local p=$!
		pids+=("$p")
		wait_for 20 "$row: the request to be written" grep -q '^> POST' "$T/struck.curl"
		if [ "$victim" = framework ]; then
			stop_hard "$p"
			thaw "$MASTER_PID"
			# It may have got as far as being one, which is away.
			ok "$row: it is not connected" until_true 20 struck_is_away
		else
			stop_hard "$MASTER_PID"
			stop_hard "$p"
			recover
		fi
		;;
	esac
}
struck_is_away()
{
	answers "http://$MASTER/frameworks" '[.frameworks[] | select(.name == "struck" and .connected)] == []'
}

moment_offers()
{
	local o
	o=$(offer "$fw")
	if [ "$victim" = framework ]; then
		strike
		ok "$row: its offers are taken back" until_true 20 eval \
			'answers "http://$MASTER/frameworks" --arg f "$id" ".frameworks[] | select(.id == \$f) | .offers == []"'
		recover
	else
		struck
	fi
	launch "$fw" "$o" "$e-old" true >/dev/null
	ok "$row: an offer of before is none" until_true 20 seen "$e-old" 'DROPPED|LOST'
	ok "$row: a new one comes" until_true 30 other_offer "$(jq -r .id.value <<<"$o")"
	launch "$fw" "$(held "$fw")" "$e-new" true >/dev/null
	ok "$row: and is good" until_true 30 seen "$e-new" FINISHED
}
other_offer()
{
	[ -n "$(held "$fw")" ] && [ "$(held "$fw" | jq -r .id.value)" != "$1" ]
}

moment_launching()
{
	[ "$what" = custom ] && [ "$victim" = executor ] && touch "$T/not" # it waits before it subscribes
	accept "$what"
	[ "$victim" != executor ] || wait_for 20 "$row: the executor" executor
	struck
	rm -f "$T/not"
}
moment_fetching()
{
	accept "$what"
	wait_for 20 "$row: the fetcher" fetcher
	local p
	p=$(fetcher)
	struck
	[ "$victim" = fetcher ] || [ "$victim" = agent ] || kill -KILL "$p"
	ok "$row: no fetcher is left" until_true 20 eval "! kill -0 $p"
}
running()
{
	accept "$what"
	wait_for 40 "$row: TASK_RUNNING" all_seen RUNNING
	wait_for 20 "$row: that it is acknowledged" agent_has_told
}
agent_has_told()
{
	local t
	for t in "${tasks[@]}"; do
		answers "${AGENT_URL[agent]}/state" --arg t "$t" '.. | objects | select(.id? == $t and .state? == "TASK_RUNNING")' ||
			return 1
	done
}
moment_running()
{
	running
	struck
}
moment_unacked()
{
	touch "$T/hold" "$T/$fw.hold"
	accept "$what"
	wait_for 40 "$row: the first update" all_seen 'STARTING|RUNNING'
	struck
	rm -f "$T/hold" "$T"/*.hold
}
moment_killing()
{
	running
	local x
	x=$(executor)
	freeze "$x"
	for t in "${tasks[@]}"; do
		is "$row: KILL" "$(call "$(jq -cn --arg t "$t" '{type: "KILL", kill: {task_id: {value: $t}}}')")" 202
	done
	strike
	thaw "$x"
	recover
}
moment_teardown()
{
	running
	local x
	x=$(executor)
	freeze "$x"
	is "$row: TEARDOWN" "$(call '{"type":"TEARDOWN"}')" 202
	strike
	thaw "$x"
	case $victim in
	agent) start_agent agent "${agent_options[@]}" ;;
	master) start_master ;;
	esac
	wait_for 60 "$row: the agent to be there" agents_are 1
}
# The agent is restarted and cannot register; then the victim is killed.
moment_reregistering()
{
	running
	local x
	x=$(executor)
	[ "$victim" != executor ] || freeze "$x"
	stop_hard "${AGENT_PID[agent]}"
	freeze "$MASTER_PID"
	start_agent agent "${agent_options[@]}"
	strike
	thaw "$MASTER_PID" "$x"
	case $victim in
	framework) ;;
	*) recover; return ;;
	esac
	recover
}
# A framework without a failover timeout is killed: all of it goes.
moment_forgotten()
{
	running
	strike
}

# ---- what must hold ----
not_left()
{
	! grep -qF "/executors/$exec_id/" <(ls -l /proc/[0-9]*/cwd 2>/dev/null) && [ -z "$(shim)$(task_shim)" ]
}
gone()
{
	answers "http://$MASTER/frameworks" --arg f "$id" '[.frameworks[] | select(.id == $f)] == []' &&
		answers "http://$MASTER/slaves" '.slaves | length == 1 and .[0].used_resources.cpus == 0' &&
		answers "${AGENT_URL[agent]}/state" --arg f "$id" '[.frameworks[] | select(.id == $f)] == []'
}
# All updates are acknowledged: the agent has done with it.
completed()
{
	answers "${AGENT_URL[agent]}/state" --arg t "$1" '.. | .completed_tasks? // empty | .[] | select(.id == $t)'
}
check_task()
{
	local t=$1 n ends
	n=$(cat "$T/ran/$t" 2>/dev/null | wc -l)
	ends=$(updates "$t" | sort -u | grep -E "^$ENDS ")
	if [ "$n" = 0 ] && [[ $want = *~* ]]; then
		like "$row: $t did not run, and that is told" "$ends" '^TASK_(LOST|DROPPED|GONE|UNKNOWN|FAILED) '
		return
	fi
	[ "$n" -le 1 ] || fail "$row: $t ran once" "it ran $n times"
	like "$row: $t has its end" "$(cut -d' ' -f1 <<<"$ends" | paste -sd ' ')" "^TASK_(${want%|~})\$"
	is "$row: $t was told one end" "$(wc -l <<<"$ends")" 1
	[ "$what" = fetched ] || [ "$n" = 0 ] || ok "$row: $t: the agent has it acknowledged" until_true 20 completed "$t"
}

i=0
while read -r victim what moment want; do
	[ -n "$victim" ] || continue
	i=$((i + 1))
	row="$victim, $what, $moment"
	e=x$i exec_id=$e tasks=("x$i-a") streams=()
	[ "$what" != pod ] || tasks+=("x$i-b")
	case $what in
	command | fetched) exec_id=$e-a ;;
	esac
	INFO=
	[ "$moment" != forgotten ] || INFO=$(jq -c '.failover_timeout = 0' <<<"$info")
	connect
	id=$FRAMEWORK
	before=$tap_failed
	"moment_$moment"
	touch "$T/go/$e"
	if [ "$want" != - ]; then
		until_true 15 all_ended || until_true 45 asked_and_ended || fail "$row: its end is told"
		for t in "${tasks[@]}"; do check_task "$t"; done
	fi
	case $moment in
	teardown | forgotten) ;;
	*) call '{"type":"TEARDOWN"}' >/dev/null ;;
	esac
	ok "$row: no process is left" until_true 30 not_left
	if ! until_true 30 gone; then
		fail "$row: nothing is left" "$(get "http://$MASTER/slaves" | jq -c '.slaves[] | .used_resources')" \
			"$(get "${AGENT_URL[agent]}/state" | jq -c '.frameworks[] | {id, executors: [.executors[] | {executor_id, container}]}')"
	fi
	if [ "$tap_failed" -gt "$before" ]; then
		for t in "${tasks[@]}"; do updates "$t" | sed "s/^/#   $t /"; done
		tail -n 8 "$T/agent.log.now" "$T/master.log.now" | cut -c1-200 | sed 's/^/#   /'
	fi
	rm -f "$T"/"$e"-*.stream
done <<<"$rows"
done_testing
