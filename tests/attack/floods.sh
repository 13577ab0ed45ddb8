#!/usr/bin/env bash
# Tasks that take all they can get: processes, memory, descriptors, disk, files, output,
# cpus. Each is held at its limit, the agent answers, the task beside it gets on with
# its work, and afterwards nothing is left. How much slower the neighbour is meanwhile
# is what bench/neighbours.sh measures.
# timeout: 240
# alone: it takes all that it can get
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/setup.sh"
write_conf ''
start_master
start
subscribe f '{"user":"root","name":"floods","checkpoint":true,"failover_timeout":600}'
start_neighbour

# largest HIERARCHY FILE: the most that this file says of any container
largest()
{
	cat "/sys/fs/cgroup/$1/$OURS"/*/"$2" 2>/dev/null | sort -n | tail -n 1
}
# flood NAME ARGUMENTS [CHANGE-OF-TASK]: runs it
flood()
{
	run "$1" "exec $ATTACK $2" "${3-.}"
}
# ends_with NAME REGEX: its end comes, and is that
ends_with()
{
	wait_for 60 "$1 to end" has_ended "$1"
	like "$1: its end is told with the reason" "$(end_of "$1")" "$2"
	nothing_left "$1"
}

flood fork fork
wait_for 60 "the fork bomb to find its limit" said fork '^held forks'
like "fork: pids.max holds" "$(largest pids pids.current)" '^(9[0-9]|8[0-9])$'
all_well fork
kill_task fork
ends_with fork '^TASK_KILLED'

flood memory memory
ends_with memory '^TASK_FAILED REASON_CONTAINER_LIMITATION_MEMORY .*[Mm]emory'
all_well memory

flood shm shm
ends_with shm '^TASK_FAILED REASON_CONTAINER_LIMITATION_MEMORY'
all_well shm

flood fds fds '.container = {type: "MESOS", rlimit_info: {rlimits: [{type: "RLMT_NOFILE", hard: 256, soft: 256}]}}'
wait_for 30 "the descriptors to find their limit" said fds 'raised'
verdicts fds 2
all_well fds
kill_task fds
ends_with fds '^TASK_KILLED'

flood disk disk "$WITH_DISK"
ends_with disk '^TASK_FAILED REASON_CONTAINER_LIMITATION_DISK Disk usage'
all_well disk

flood deep 'deep 300' "$WITH_DISK"
ends_with deep '^TASK_FAILED REASON_CONTAINER_LIMITATION_DISK Disk usage'

flood deeper 'deep 1500' "$WITH_DISK"
ends_with deeper '^TASK_FAILED REASON_CONTAINER_LIMITATION_DISK Directories'

flood inodes inodes
ends_with inodes '^TASK_FAILED REASON_CONTAINER_LIMITATION_DISK The sandbox holds more than 20000 files'
all_well inodes

# Three files of one megabyte each, and a page or two more.
bounded()
{
	local bytes
	bytes=$(du -cb "$(sandbox_of "$1")"stdout* | tail -n 1 | cut -f1)
	ok "$1: what is kept of its output is bounded ($bytes bytes)" [ "$bytes" -lt $((4 << 20)) ]
	ok "$1: and it is kept" [ "$bytes" -gt $((1 << 20)) ]
}
flood log 'log 256'
all_well log
ends_with log '^TASK_FINISHED'
bounded log
flood line 'line 64'
ends_with line '^TASK_FINISHED'
bounded line

flood cpu cpu
all_well cpu
throttled()
{
	[ "$(awk '/^nr_throttled/ { print $2 }' "/sys/fs/cgroup/cpu/$OURS"/*/cpu.stat 2>/dev/null | sort -n | tail -n 1)" -gt 0 ]
}
ok "cpu: the quota holds" until_true 10 throttled
kill_task cpu
ends_with cpu '^TASK_KILLED'

# ---- all of them at once, and the agent is killed in the middle ----
for kind in fork memory inodes cpu log; do
	OFFER=$(offer f)
	is "launch all-$kind" "$(launch f "$OFFER" "all-$kind" "while :; do $ATTACK $kind 100000; done" "$as_nobody")" 202
done
for kind in fork cpu log; do
	wait_for 60 "all-$kind to start" reached f "all-$kind" TASK_RUNNING
done
all_well "all at once"
stop_hard "$AGENT"
start
all_well "after a restart of the agent"
for kind in fork memory inodes cpu log; do
	kill_task "all-$kind"
done
for kind in fork memory inodes cpu log; do
	ok "all-$kind: it ends" until_true 60 has_ended "all-$kind"
done
nothing_left "all at once"

kill_task neighbour
ok "the neighbour ends when it is told to" until_true 30 reached f neighbour TASK_KILLED
ok "no cgroup is left" until_true 30 no_groups
stop_hard "$AGENT"
is "no mount is left" "$(grep -c "$T" /proc/self/mountinfo)" 0
done_testing
