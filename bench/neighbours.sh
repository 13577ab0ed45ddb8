#!/usr/bin/env bash
# neighbours.sh - what hostile tasks cost those beside them, on a real agent with all
# isolators: a task that wakes every 4 ms and works for a moment, and a client that asks
# the agent for /health as often, both without an attack and with each. Root only.
#
#	bench/neighbours.sh [SECONDS [ATTACK…]]		each measurement takes SECONDS (10)
# ROOT_CPUS sets root_cpus of cgroups_cpu: what all containers weigh together.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../tests/lib.sh"
. "$MEZZO_SRC/tests/attack/setup.sh"
SECONDS_EACH=${1:-10}
shift
attacks=${*:-fork cpu memory shm fds disk inodes log line}
[ -x "$MEZZO_BUILD/bench/neighbour" ] || skip_all "bench/neighbour is not built"
install -m 755 "$MEZZO_BUILD/bench/neighbour" "$T/neighbour"
write_conf ''
start_master >/dev/null
start >/dev/null
subscribe f '{"user":"root","name":"neighbours"}'
ip=${WHERE%:*} port=${WHERE##*:}

# task NAME COMMAND CPUS [CHANGE]: quietly
task()
{
	OFFER=$(offer f)
	[ "$(launch f "$OFFER" "$1" "$2" "$as_nobody | .resources[0].scalar.value = $3 | ${4-.}")" = 202 ] || bail "launch $1"
}
runs_or_ended()
{
	reached f "$1" TASK_RUNNING || has_ended "$1"
}
# attack KIND: again and again, for some end by their limit. Seldom looked at, for looking
# takes time from those who are measured.
attack()
{
	local i=0
	while [ -e "$T/attacking" ]; do
		i=$((i + 1))
		task "$1-$i" "while :; do $ATTACK $1 100000; done" 1 "$WITH_DISK"
		until_true 30 runs_or_ended "$1-$i"
		: >"$T/attacked"
		while [ -e "$T/attacking" ] && ! has_ended "$1-$i"; do
			sleep 1
		done
	done
	kill_task "$1-$i"
	until_true 30 has_ended "$1-$i"
}
n=0
# prepare: a neighbour that waits for a word
prepare()
{
	n=$((n + 1))
	task quiet$n "until [ -e $T/open/go$n ]; do sleep 0.1; done; $T/neighbour work $SECONDS_EACH here" 1
	wait_for 30 "the neighbour" reached f quiet$n TASK_RUNNING
}
# measure: sets wake, work, health to "P50 P99 MAX"
measure()
{
	local out
	: >"$T/open/go$n"
	out=$("$T/neighbour" ask "$ip" "$port" "$SECONDS_EACH")
	health=${out#* * }
	wait_for 60 "the neighbour's end" has_ended quiet$n
	out=$(cat "$(sandbox_of quiet$n)stdout")
	wake=$(sed -n 's/^wake [0-9]* //p' <<<"$out")
	work=$(sed -n 's/^work [0-9]* //p' <<<"$out")
	[ -n "$wake" ] && [ -n "$work" ] && [ -n "$health" ] || bail "the neighbour measures" "$out"
}
row()
{
	local w
	printf '%-9s' "$1"
	for w in "$wake" "$work" "$health"; do
		# shellcheck disable=SC2086
		printf ' | %7s %8s %9s' $w
	done
	echo
}
echo "Setting: $(nproc) cores, Linux $(uname -r), load $(cut -d' ' -f1 /proc/loadavg); neighbour and attacker 1 cpu each; root_cpus ${ROOT_CPUS:-0}; ${SECONDS_EACH} s a line; microseconds"
echo "          | neighbour wakes late       | its work takes             | GET /health of the agent"
echo "attack    |     p50      p99       max |     p50      p99       max |     p50      p99       max"
for a in $attacks; do
	prepare
	measure
	row none
	prepare
	: >"$T/attacking"
	rm -f "$T/attacked"
	attack "$a" &
	attacker=$!
	wait_for 30 "the attack" test -e "$T/attacked"
	measure
	rm "$T/attacking"
	row "$a"
	wait "$attacker"
done
exit 0
