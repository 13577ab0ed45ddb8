# shellcheck shell=bash
# What client_go.sh and client_node.sh put their schedulers through besides a plain
# run: reconciliation, kill -9 and failover of the framework, a newer subscription, a
# master that is killed. Sourced by both; not a test by itself.
#
# A scheduler is a program that the script starts with client_start LOG [FRAMEWORK-ID]
# in the background, with its commands on standard input:
#
#	launch		the four tasks: "command", the pod "pod-a" and "pod-b", and "own"
#			with an executor of the same library
#	reconcile [TASK]	implicit, or of one task
#	kill TASK, message TEXT (to "own"'s executor), teardown
#
# Each task but "own" ends once the file of its name is in $GO. What the scheduler
# sees it prints: FACT subscribed ID, FACT update TASK STATE, FACT reconciled TASK
# STATE, FACT message TEXT, FACT error TEXT, FACT teardown.
#
# SPDX-License-Identifier: Apache-2.0

# fact LOG REGEX [N]: a fact is there, N times
fact()
{
	[ "$(grep -cE "^FACT $2\$" "$1")" -ge "${3:-1}" ]
}

# tell COMMAND…: to the scheduler that was started last
tell()
{
	echo "$*" >&"$CLIENT_IN"
}

# client LOG [FRAMEWORK-ID]: starts one; sets CLIENT_PID and CLIENT_IN
client()
{
	rm -f "$T/commands"
	mkfifo "$T/commands"
	: >"$1"
	client_start "$@" <"$T/commands" >"$1" 2>&1 &
	CLIENT_PID=$!
	pids+=("$CLIENT_PID")
	exec {CLIENT_IN}>"$T/commands"
}

four=(command pod-a pod-b own)

# all_four LOG WORD N: each was told so often
all_four()
{
	local t
	for t in "${four[@]}"; do
		fact "$1" "$2 $t TASK_RUNNING" "$3" || return 1
	done
}

# ends_of TASK LOG…: the ends that were told, each once
ends_of()
{
	local t=$1
	shift
	cat "$@" | sed -nE "s/^FACT update $t (TASK_(FINISHED|FAILED|KILLED|LOST|ERROR|DROPPED|GONE|UNKNOWN|UNREACHABLE))\$/\\1/p" |
		sort -u | paste -sd ' '
}

command_has_ended()
{
	answers "${AGENT_URL[agent]}/state" '.. | objects | select(.id? == "command" and .state? == "TASK_FINISHED")'
}

torn_down()
{
	[ "$(get "http://$MASTER/frameworks" | jq --arg f "$1" '[.completed_frameworks[] | select(.id == $f)] | length')" = 1 ]
}

no_executor()
{
	! grep -qF "$T/agent/slaves" <(ls -l /proc/[0-9]*/cwd 2>/dev/null)
}

# scenes NAME: needs a cluster, and GO
scenes()
{
	local n=$1 a=$T/$1-a.log b=$T/$1-b.log c=$T/$1-c.log id t

	# ---- a pod, an executor, questions ----
	client "$a"
	wait_for 60 "the scheduler to subscribe" fact "$a" 'subscribed .+'
	id=$(sed -n 's/^FACT subscribed //p' "$a" | head -n 1)
	tell launch
	ok "$n: a command, a pod and an own executor run" until_true 60 all_four "$a" update 1
	for t in command pod-a pod-b; do
		ok "$n: $t was TASK_STARTING first" fact "$a" "update $t TASK_STARTING"
	done
	for t in "${four[@]}"; do tell "reconcile $t"; done
	ok "$n: explicit reconciliation" until_true 20 all_four "$a" reconciled 1
	tell "reconcile nothing"
	ok "$n: of a task that there is not" until_true 20 fact "$a" 'reconciled nothing TASK_LOST'
	tell reconcile
	ok "$n: implicit reconciliation" until_true 20 all_four "$a" reconciled 2

	# ---- the framework is killed; another process takes over ----
	stop_hard "$CLIENT_PID"
	exec {CLIENT_IN}>&-
	client "$b" "$id"
	ok "$n: a new process subscribes with the id" until_true 60 fact "$b" "subscribed $id"
	tell reconcile
	ok "$n: all tasks live on" until_true 20 all_four "$b" reconciled 1
	tell "message hello"
	ok "$n: a message to the executor comes back" until_true 20 fact "$b" 'message back:hello'
	touch "$GO/pod-a"
	ok "$n: it gets updates" until_true 30 fact "$b" 'update pod-a TASK_FINISHED'

	# ---- two at once: the newest subscription wins ----
	exec {CLIENT_IN}>&- # its commands are over, it is not
	local old=$CLIENT_PID
	client "$c" "$id"
	ok "$n: a third process subscribes while the second is there" until_true 60 fact "$c" "subscribed $id"
	ok "$n: the second is told so" until_true 20 fact "$b" 'error .*[Ff]ramework failed over.*'
	ok "$n: and ends" until_true 20 eval "! kill -0 $old"
	tell reconcile
	ok "$n: the tasks live on" until_true 20 eval 'fact "$c" "reconciled command TASK_RUNNING" &&
		fact "$c" "reconciled pod-b TASK_RUNNING" && fact "$c" "reconciled own TASK_RUNNING"'

	# ---- the master is killed ----
	stop_hard "$MASTER_PID"
	touch "$GO/command"
	ok "$n: a task ends without a master" until_true 30 command_has_ended
	start_master
	wait_for 60 "the agent to come back" agents_are 1
	ok "$n: the scheduler subscribes again by itself" until_true 60 fact "$c" "subscribed $id" 2
	ok "$n: and hears what happened meanwhile" until_true 60 fact "$c" 'update command TASK_FINISHED'
	tell reconcile
	ok "$n: nothing is lost" until_true 20 eval 'fact "$c" "reconciled pod-b TASK_RUNNING" 2 &&
		fact "$c" "reconciled own TASK_RUNNING" 2'

	# ---- kill, and the end ----
	tell "kill own"
	ok "$n: a kill of its executor's task" until_true 30 fact "$c" 'update own TASK_KILLED'
	tell "kill pod-b"
	ok "$n: a kill in the pod" until_true 30 fact "$c" 'update pod-b TASK_KILLED'
	is "$n: one end for each task" "$(for t in "${four[@]}"; do ends_of "$t" "$a" "$b" "$c"; done | paste -sd ' ')" \
		"TASK_FINISHED TASK_FINISHED TASK_KILLED TASK_KILLED"
	tell teardown
	ok "$n: the framework is torn down" until_true 20 torn_down "$id"
	ok "$n: no executor is left" until_true 20 no_executor
	is "$n: no error on the way" "$(cat "$a" "$c" | grep '^FACT error')" ""
	exec {CLIENT_IN}>&-
	stop_hard "$CLIENT_PID"
	[ "$tap_failed" -eq 0 ] || tail -n 15 "$a" "$b" "$c" | cut -c1-300 | sed 's/^/# /'
}
