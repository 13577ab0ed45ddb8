#!/usr/bin/env bash
# kill -9 of the agent at each of the system calls by which it makes and ends one
# container, under the launcher linux with isolators that leave things behind: after its
# restart the task gets one end, and of its container nothing is left: no process, mount,
# cgroup, file. strace kills it, at the first of these calls, the second, and so on
# until the container's life is over without it.
# timeout: 900
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq strace
needs_linux_launcher
strace -o /dev/null true 2>/dev/null || skip_all "strace may not trace here"
own_groups
isolation=
for i in cgroups_cpu cgroups_mem cgroups_pids namespaces_pid namespaces_ipc filesystem_linux; do
	[ -f "$MEZZO_BUILD/modules/isolator/$i.so" ] || skip_all "isolator/$i is not built"
	isolation="$isolation${isolation:+, }$i"
done
cat >"$T/conf.yaml" <<END
resources: "cpus:8;mem:4096;disk:4096"
store: lmdb
elector: standalone
containerizers:
  - name: mesos
    settings: {launcher: linux}
isolation: [$isolation]
authenticators: [none]
cgroups_root: $OURS
END
start()
{
	start_agent agent -c "$T/conf.yaml" --set registration_backoff=100ms
	AGENT=${AGENT_PID[agent]}
}
registered()
{
	grep -q 'egistered with master' "$T/agent.log.now"
}

# ---- what is left ----
shims()
{
	local p
	for p in /proc/[0-9]*; do
		case $(readlink "$p/fd/4" 2>/dev/null) in
		"$T"/*) echo "shim ${p#/proc/}" ;;
		esac
	done
}
left()
{
	our_groups
	grep -F "$T/" /proc/self/mountinfo
	grep -lF "/$OURS/" /proc/[0-9]*/cgroup 2>/dev/null
	shims
	find "$T/agent/run/shm" -mindepth 1 2>/dev/null
}
nothing_left()
{
	[ -z "$(left)" ]
}

# ---- the task ----
ENDS='TASK_(FINISHED|FAILED|KILLED|LOST|DROPPED|GONE|ERROR|GONE_BY_OPERATOR)'
# Its ends, but for answers to questions: each once, however often it is sent.
ends()
{
	events f | jq -r --arg t "$1" 'select(.type == "UPDATE") | .update.status |
		select(.task_id.value == $t and .reason != "REASON_RECONCILIATION") | .state + " " + (.uuid // "-")' |
		grep -E "^$ENDS " | sort -u
}
answered()
{
	events f | jq -r --arg t "$1" 'select(.type == "UPDATE") | .update.status |
		select(.task_id.value == $t) | .state' | grep -qE "^$ENDS\$|^TASK_UNKNOWN\$"
}
# What a framework does until it knows: it asks.
settled()
{
	answered "$1" && return
	call "$(jq -cn --arg t "$1" '{type: "RECONCILE", reconcile: {tasks: [{task_id: {value: $t}}]}}')" >/dev/null
	return 1
}
gone()
{
	! kill -0 "$AGENT" 2>/dev/null
}
killed_or_over()
{
	gone || { answered "$1" && nothing_left; }
}

# one CALL N TASK: sets OVER if the container's life was over before
one()
{
	local call=$1 n=$2 t=$3 tids='' tid tracer
	for tid in "/proc/$AGENT/task"/*; do
		tids="$tids -p ${tid##*/}"
	done
	# Each thread counts by itself; children are not followed.
	# shellcheck disable=SC2086
	strace -q -o /dev/null -e trace="$call" -e inject="$call":signal=KILL:when="$n" $tids 2>"$T/strace.err" &
	tracer=$!
	pids+=("$tracer")
	until_true 20 grep -q '^TracerPid:[[:space:]]*[1-9]' "/proc/$AGENT/status" || bail "strace attaches" "$(cat "$T/strace.err")"
	until_true 60 holds f || bail "$t: an offer" "$(tail -n 5 "$T/agent.log.now" "$T/master.log.now")" "$(grep State "/proc/$AGENT/status")"
	launch f "$(held f)" "$t" 'sleep 0.1' >/dev/null
	until_true 60 killed_or_over "$t" || fail "$t: the agent is killed, or the task ends" "$(left)"
	OVER=
	gone || OVER=1
	# The one that was traced is not needed any more, either way.
	stop_hard "$AGENT"
	wait "$tracer" 2>/dev/null
	start
	until_true 60 registered || bail "the agent is back" "$(tail -n 5 "$T/agent.log.now")"
	[ -z "$OVER" ] || return
	until_true 60 settled "$t" || fail "$t: its end is told" "$(tail -n 5 "$T/agent.log.now")"
	if until_true 30 nothing_left; then
		NOTHING=$((NOTHING + 1))
	else
		fail "$t: nothing is left" "$(left)" "$(tail -n 10 "$T/agent.log.now")"
	fi
	if [ "$(ends "$t" | wc -l)" -le 1 ]; then
		ENDED=$((ENDED + 1))
	else
		fail "$t: it has one end" "$(ends "$t")"
	fi
}

start_master
start
wait_for 30 "the agent to register" agents_are 1
subscribe f '{"user":"root","name":"fault","checkpoint":true,"failover_timeout":600}'

# every CALL [STEP]: at the first of these calls, the second (or STEP further on) and so on
every()
{
	local call=$1 step=${2-1} n
	NOTHING=0
	ENDED=0
	for ((n = 1; n <= 400; n += step)); do
		one "$call" "$n" "$call-$n"
		[ -z "$OVER" ] || break
	done
	n=$(((n - 1) / step))
	[ "$n" -gt 0 ] || { skip "$call" "the agent does not call it for a container"; return; }
	ok "$call: killed at $n points, and then no more" [ -n "$OVER" ]
	is "$call: nothing was left after any" "$NOTHING" "$n"
	is "$call: each task had one end" "$ENDED" "$n"
}
for call in mkdir memfd_create socketpair clone pidfd_open sendto wait4 rmdir unlink eventfd2; do
	every $call
done
every recvfrom 10
every epoll_ctl 8
every fdatasync
every openat 12
every close 20

# What ended a while ago is forgotten with the next start.
stop_hard "$AGENT"
start
wait_for 60 "the agent to be back" registered
no_records()
{
	[ -z "$(find "$T/agent/run/containers" -type f)" ]
}
ok "no status file is left" until_true 20 no_records
kill "$AGENT"
ok "nothing is left" until_true 20 nothing_left
done_testing
