# shellcheck shell=bash
# What the scripts in tests/integ stand on: TAP, real daemons on free ports, and
# waiting with a deadline. Source it first:
#
#	. "$(dirname "$0")/../lib.sh"
#	needs jq curl			# or the whole file is skipped
#	start_master
#	start_agent a
#	wait_for 20 "the agent to register" agents_are 1
#	ok "…" COMMAND…
#	done_testing
#
# Everything that a test makes lies in $T, a new directory. At the end, however it
# comes, the daemons and all that runs under $T are killed; the logs are kept in
# $MEZZO_BUILD/test-logs when a point failed.
#
# SPDX-License-Identifier: Apache-2.0
set -u
MEZZO_SRC=${MEZZO_SRC:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
MEZZO_BUILD=${MEZZO_BUILD:-$MEZZO_SRC/build}
MEZZOD=$MEZZO_BUILD/core/bin/mezzod
MEZZO=$MEZZO_BUILD/cli/mezzo
[ -x "$MEZZO" ] || MEZZO=$MEZZO_BUILD/mezzo
NAME=$(basename "$0" .sh)
T=$(mktemp -d "${TMPDIR:-/tmp}/mezzo-$NAME.XXXXXX") || exit 1
chmod 755 "$T"
export LC_ALL=C
unset MEZZO_MASTER

# ---- TAP ----
tap_n=0
tap_failed=0

pass()
{
	tap_n=$((tap_n + 1))
	echo "ok $tap_n - $1"
}

# $1 the point, then lines that say what was seen
fail()
{
	tap_n=$((tap_n + 1))
	tap_failed=$((tap_failed + 1))
	echo "not ok $tap_n - $1"
	shift
	[ $# -gt 0 ] && printf '%s\n' "$@" | head -n 60 | sed 's/^/# /'
	return 0
}

skip()
{
	tap_n=$((tap_n + 1))
	echo "ok $tap_n - $1 # SKIP $2"
}

# ok NAME COMMAND…: the command succeeds
ok()
{
	local name=$1 out status
	shift
	out=$("$@" 2>&1)
	status=$?
	if [ $status -eq 0 ]; then
		pass "$name"
	else
		fail "$name" "$* gave $status" "$out"
	fi
}

# is NAME GOT WANTED
is()
{
	if [ "$2" = "$3" ]; then
		pass "$1"
	else
		fail "$1" "got:      $2" "expected: $3"
	fi
}

# like NAME GOT EXTENDED-REGEX
like()
{
	if printf '%s' "$2" | grep -qE -- "$3"; then
		pass "$1"
	else
		fail "$1" "got:      $2" "expected: $3"
	fi
}

done_testing()
{
	echo "1..$tap_n"
	[ "$tap_failed" -eq 0 ]
	exit
}

# The whole file is skipped.
skip_all()
{
	echo "1..0 # SKIP $*"
	exit 0
}

# needs COMMAND…: skipped without one of them
needs()
{
	local c
	for c in "$@"; do
		command -v "$c" >/dev/null 2>&1 || skip_all "no $c here"
	done
}

bail()
{
	fail "$@"
	done_testing
}

# ---- waiting ----
# MEZZO_SLOW: how many times slower this machine is than those that the deadlines are made for.
SLOW=${MEZZO_SLOW:-1}

# A short pause between two looks.
pause()
{
	read -rt "$((SLOW * 3 / 100)).$(printf %02d $((SLOW * 3 % 100)))" <><(:) || true
}

# wait_for SECONDS WHAT COMMAND…: until the command succeeds. A test cannot go on
# without what it waits for: it ends here when that does not come.
wait_for()
{
	until_true "$1" "${@:3}" && return 0
	bail "waiting for $2" "not within $(($1 * SLOW)) s: ${*:3}"
}

# until_true SECONDS COMMAND…: says whether it came true
until_true()
{
	local end=$((SECONDS + $1 * SLOW))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		pause
	done
}

# ---- daemons ----
pids=()
declare -A AGENT_PID AGENT_URL
MASTER_PID='' MASTER=''

# The address in the line with which a daemon says that it listens.
listening()
{
	sed -n 's,.* listens on http://\([][0-9a-f.:]*:[0-9]*\).*,\1,p' "$1" | tail -n 1
}

# $1 log file, $2 pid: until the daemon listens or is dead
wait_listening()
{
	local end=$((SECONDS + 30 * SLOW))
	while [ -z "$(listening "$1")" ]; do
		kill -0 "$2" 2>/dev/null || bail "$(basename "$1" .log) starts" "it ended:" "$(tail -n 5 "$1")"
		[ $SECONDS -lt $end ] || bail "$(basename "$1" .log) starts" "it does not listen" "$(tail -n 5 "$1")"
		pause
	done
}

# start_master [OPTION…]: sets MASTER (ip:port) and MASTER_PID. A second start
# after stop_hard takes the same port.
start_master()
{
	: >"$T/master.log.now"
	"$MEZZOD" master -c "$MEZZO_SRC/conf/master.yaml" --listen "${MASTER:-127.0.0.1:0}" --work-dir "$T/master" \
		--set link_port=0 "$@" >"$T/master.log.now" 2>&1 &
	MASTER_PID=$!
	pids+=("$MASTER_PID")
	wait_listening "$T/master.log.now" "$MASTER_PID"
	MASTER=$(listening "$T/master.log.now")
	export MEZZO_MASTER=http://$MASTER
}

# start_agent NAME [OPTION…]: sets AGENT_PID[NAME] and AGENT_URL[NAME]; a second start
# takes the same port. UNDER: words of a command that executes it.
UNDER=()
start_agent()
{
	local name=$1 where
	shift
	where=${AGENT_URL[$name]-}
	where=${where#http://}
	[ -f "$T/$name.log.now" ] && cat "$T/$name.log.now" >>"$T/$name.log"
	: >"$T/$name.log.now"
	"${UNDER[@]}" "$MEZZOD" agent -c "$MEZZO_SRC/conf/agent-1.yaml" --listen "${where:-127.0.0.1:0}" --work-dir "$T/$name" \
		--master "$MASTER" "$@" >"$T/$name.log.now" 2>&1 &
	AGENT_PID[$name]=$!
	pids+=("${AGENT_PID[$name]}")
	wait_listening "$T/$name.log.now" "${AGENT_PID[$name]}"
	AGENT_URL[$name]=http://$(listening "$T/$name.log.now")
}

# agent_up [OPTION…]: the agent of $T/conf.yaml, until it has registered; sets AGENT, its
# pid, and WHERE, its address. After its end this is its next life.
agent_up()
{
	start_agent agent -c "$T/conf.yaml" --set registration_backoff=200ms "$@"
	AGENT=${AGENT_PID[agent]} WHERE=${AGENT_URL[agent]#http://}
	wait_for 60 "the agent to register" agents_are 1
}

# agent_dies: kill -9 of that agent, until the master knows
agent_dies()
{
	stop_hard "$AGENT"
	wait_for 30 "the master to see that the agent is gone" agents_are 0
}

# stop_hard PID: kill -9, and until it is gone
stop_hard()
{
	kill -KILL "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

# Path and arguments of curl: the body of the answer.
get()
{
	curl -sS --max-time $((20 * SLOW)) "$@"
}

# vendor_make ARG...: make, as a vendor of modules runs it: with the public headers alone, and to install below $T/modules
vendor_make()
{
	mkdir -p "$T/pc"
	printf '%s\n' "moduledir=$T/modules" 'Name: mezzo' 'Description: this tree' 'Version: 0' "Cflags: -I$MEZZO_SRC/include" >"$T/pc/mezzo.pc"
	env -u CFLAGS -u CPPFLAGS -u LDFLAGS -u MAKEFLAGS -u MFLAGS -u MAKELEVEL PKG_CONFIG_PATH="$T/pc" \
		make -s CFLAGS='-O1 -g -Wall -Wextra -Werror' "$@"
}

# install_example NAME: a module of examples/, from a copy of them in $T/examples
install_example()
{
	if [ ! -d "$T/examples" ]; then
		cp -r "$MEZZO_SRC/examples" "$T/examples"
		chmod -R u+w "$T/examples"
	fi
	vendor_make -C "$T/examples/$1" clean install
}

# answers URL [JQ-OPTION...] FILTER: what comes from there passes the filter. Nothing passes
# none, though jq 1.6 says of no input at all that it does.
answers()
{
	local text
	text=$(get "$1") && [ -n "$text" ] && jq -e "${@:2}" <<<"$text"
}

# api JSON: a call to the API of the agent named `agent`; prints the status code, what it
# answers is in $T/answer
api()
{
	curl -sS --max-time 60 -o "$T/answer" -w '%{http_code}' -H 'Content-Type: application/json' \
		-H 'Accept: application/json' --data-binary @- "${AGENT_URL[agent]}/api/v1" <<<"$1"
}

# agents_are N: so many agents are active
agents_are()
{
	[ "$(get "http://$MASTER/slaves" | jq '[.slaves[] | select(.active)] | length')" = "$1" ]
}

# One master and one agent with the resources given (or what the file says).
start_cluster()
{
	start_master
	start_agent agent "$@"
	wait_for 30 "the agent to register" agents_are 1
}

# ---- cgroups ----
# Skipped where the launcher `linux` cannot run.
needs_linux_launcher()
{
	[ "$(id -u)" -eq 0 ] || skip_all "needs root"
	[ -w /sys/fs/cgroup/freezer/cgroup.procs ] || [ -w /sys/fs/cgroup/cgroup.procs ] ||
		skip_all "neither the freezer nor cgroup v2 is mounted in /sys/fs/cgroup"
}

# own_groups [DIR]: sets OURS, the name of a cgroup that is this test's alone, for
# cgroups_root. Whatever is in it is killed at the end, and the groups are removed.
# DIR is where hierarchies are mounted.
OURS='' GROUPS_TOP=''
own_groups()
{
	OURS=mezzo-$NAME-$$
	GROUPS_TOP=${1:-/sys/fs/cgroup}
}

# The directories of containers in it, the deepest first, in all hierarchies.
our_groups()
{
	find "$GROUPS_TOP"/*/"$OURS" "$GROUPS_TOP/$OURS" -mindepth 1 -depth -type d 2>/dev/null
}

no_groups()
{
	[ -z "$(our_groups)" ]
}

our_groups_are_empty()
{
	local g
	for g in $(our_groups); do
		[ -z "$(cat "$g/cgroup.procs" 2>/dev/null)" ] || return 1
	done
}

remove_our_groups()
{
	local g
	[ -n "$OURS" ] || return 0
	for g in $(our_groups); do
		# shellcheck disable=SC2046
		kill -KILL $(cat "$g/cgroup.procs" 2>/dev/null) 2>/dev/null
	done
	until_true 10 our_groups_are_empty
	find "$GROUPS_TOP"/*/"$OURS" "$GROUPS_TOP/$OURS" -depth -type d -exec rmdir {} \; 2>/dev/null
}

# ---- a scheduler made of curl and jq ----
# subscribe NAME JSON-OF-FRAMEWORK-INFO [FRAMEWORK-ID]: sets FRAMEWORK and STREAM
subscribe()
{
	local name=$1 call
	call=$(jq -cn --argjson info "$2" --arg id "${3-}" '{type: "SUBSCRIBE", subscribe: {framework_info: $info}}
		| if $id == "" then . else .framework_id = {value: $id} | .subscribe.framework_info.id = {value: $id} end')
	rm -f "$T/$name.head" "$T/$name.stream" "$T/$name.used"
	curl -sSN -D "$T/$name.head" -o "$T/$name.stream" -H 'Content-Type: application/json' \
		-H 'Accept: application/json' -d "$call" "http://$MASTER/api/v1/scheduler" 2>"$T/$name.curl" &
	SUBSCRIBE_PID=$!
	pids+=("$SUBSCRIBE_PID")
	wait_for 20 "framework '$name' to be subscribed" has_event "$name" 'select(.type == "SUBSCRIBED")'
	FRAMEWORK=$(events "$name" | jq -r 'select(.type == "SUBSCRIBED") | .subscribed.framework_id.value' | head -n 1)
	STREAM=$(tr -d '\r' <"$T/$name.head" | sed -n 's/^[Mm]esos-[Ss]tream-[Ii]d: *//p')
	acknowledging "$name"
}

# events NAME: what came so far, one event a line. A record is "LENGTH\nJSON", so
# that a line holds the JSON of one record and the length of the next.
events()
{
	[ -f "$T/$1.stream" ] || return 0
	sed -e '1d' -e 's/}[0-9]*$/}/' "$T/$1.stream" | jq -c . 2>/dev/null
	return 0
}

# has_event NAME JQ-FILTER: an event passes the filter
has_event()
{
	[ -n "$(events "$1" | jq -c "$2" 2>/dev/null)" ]
}

# call JSON: a call of the framework that subscribed last; prints the status code, what
# the master says is in $T/answer (or in $ANSWER)
call()
{
	jq -cn --argjson c "$1" --arg id "$FRAMEWORK" '$c | .framework_id = {value: $id}' |
		curl -sS --max-time $((20 * SLOW)) -o "${ANSWER-$T/answer}" -w '%{http_code}' -H 'Content-Type: application/json' \
			-H "Mesos-Stream-Id: $STREAM" --data-binary @- "http://$MASTER/api/v1/scheduler"
}

# held NAME: the largest offer that is neither used by launch nor rescinded
held()
{
	touch "$T/$1.used"
	events "$1" | jq -cs --rawfile used "$T/$1.used" '
		(($used | split("\n")) + [.[] | select(.type == "RESCIND") | .rescind.offer_id.value]) as $gone
		| [.[] | select(.type == "OFFERS") | .offers.offers[] | select(.id.value as $i | $gone | index($i) | not)]
		| sort_by([.resources[] | select(.name == "mem") | .scalar.value] | add) | last // empty'
}

holds()
{
	[ -n "$(held "$1")" ]
}

# offer NAME: waits for an offer and prints it
offer()
{
	wait_for 30 "an offer for '$1'" holds "$1" >&2
	held "$1"
}

# launch NAME OFFER TASK-ID SHELL-COMMAND [JQ-CHANGE-OF-TASK]: prints the status code
launch()
{
	local accept
	jq -r .id.value <<<"$2" >>"$T/$1.used"
	accept=$(jq -c --arg id "$3" --arg sh "$4" '{type: "ACCEPT", accept: {offer_ids: [.id],
		filters: {refuse_seconds: 0},
		operations: [{type: "LAUNCH", launch: {task_infos: [{name: $id, task_id: {value: $id},
			agent_id: .agent_id, command: {shell: true, value: $sh}, resources: [
			{name: "cpus", type: "SCALAR", scalar: {value: 0.1}},
			{name: "mem", type: "SCALAR", scalar: {value: 32}}]} | '"${5-.}"']}}]}}' <<<"$2")
	call "$accept"
}

# acknowledging NAME: acknowledges every update of the newest subscription, record by
# record as they come, in the background. While the file $T/NAME.hold is there it
# waits.
acknowledging()
{
	local name=$1 size record ack
	(
		tail -c +1 -s 0.2 --pid="$SUBSCRIBE_PID" -f "$T/$name.stream" |
			while read -r size && read -rN "$size" record; do
				[[ $record == *'"UPDATE"'* ]] || continue
				while [ -e "$T/$name.hold" ]; do pause; done
				ack=$(jq -c 'select(.type == "UPDATE") | .update.status | select(.uuid) |
					{type: "ACKNOWLEDGE", acknowledge: {agent_id, task_id, uuid}}' <<<"$record")
				[ -z "$ack" ] || ANSWER=/dev/null call "$ack"
			done
	) >/dev/null 2>&1 &
	pids+=("$!")
}

# statuses_of NAME TASK: its statuses, each once, as one that is not acknowledged in time comes again
statuses_of()
{
	events "$1" | jq -c --arg t "$2" 'select(.type == "UPDATE") | .update.status | select(.task_id.value == $t)' |
		awk '{u = $0; sub(/.*"uuid":"/, "", u); sub(/".*/, "", u)} !(u in seen) {seen[u]; print}'
}

# state_of NAME TASK: the newest state
state_of()
{
	events "$1" | jq -r --arg t "$2" 'select(.type == "UPDATE") | .update.status |
		select(.task_id.value == $t) | .state' | tail -n 1
}

# reached NAME TASK STATE: the task was in this state
reached()
{
	has_event "$1" "select(.type == \"UPDATE\" and .update.status.task_id.value == \"$2\" and .update.status.state == \"$3\")"
}

# ---- the end ----
# Whatever runs in or from $T: containers outlive their agent on purpose.
kill_leftovers()
{
	local p
	for p in /proc/[0-9]*; do
		[ "${p#/proc/}" != $$ ] || continue
		case $(readlink "$p/cwd" 2>/dev/null) in
		"$T"*) kill -KILL "${p#/proc/}" 2>/dev/null; continue ;;
		esac
		tr '\0' ' ' <"$p/cmdline" 2>/dev/null | grep -qF "$T/" && kill -KILL "${p#/proc/}" 2>/dev/null
	done
	return 0
}

# What a test has to undo besides, when all processes are gone: it defines this anew.
at_end()
{
	:
}

cleanup()
{
	local status=$? p
	trap - EXIT
	# The shell tells of whom it has seen killed; nobody asked.
	{
		for p in "${pids[@]-}"; do
			# Only a child of ours: the number of one that has ended may be another's by now.
			[ -n "$p" ] && grep -qsx "PPid:[[:space:]]*$$" "/proc/$p/status" && kill -KILL "$p"
		done
		wait
	} 2>/dev/null
	cd /
	kill_leftovers 2>/dev/null
	kill_leftovers 2>/dev/null
	remove_our_groups 2>/dev/null
	at_end 2>/dev/null
	if [ "$tap_failed" -gt 0 ] || [ "$status" -ne 0 ]; then
		mkdir -p "$MEZZO_BUILD/test-logs/$NAME" 2>/dev/null &&
			cp "$T"/*.log* "$T"/*.stream "$MEZZO_BUILD/test-logs/$NAME/" 2>/dev/null
		for p in "$T"/*.log.now; do
			[ -f "$p" ] && { echo "# the end of $(basename "$p" .now):"; tail -n 15 "$p" | cut -c1-300 | sed 's/^/#   /'; }
		done
	fi
	rm -rf "$T"
	exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

[ -x "$MEZZOD" ] || skip_all "mezzod is not built ($MEZZOD)"
