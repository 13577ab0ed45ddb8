#!/usr/bin/env bash
# logger/rotate: mezzo-logger is killed, the agent is killed, both are; every line that the task has
# printed is in its files, in order, and its end is told when they are whole.
# timeout: 120
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq
[ -f "$MEZZO_BUILD/modules/logger/rotate.so" ] || skip_all "logger/rotate is not built"
cat >"$T/conf.yaml" <<END_OF_CONF
resources: "cpus:2;mem:1024;disk:4096"
store: lmdb
elector: standalone
logger:
  name: rotate
  settings: {helper: $MEZZO_BUILD/core/bin/mezzo-logger, max_stdout_size: 4096, max_stdout_files: 1000, compress: true}
END_OF_CONF
start_master
agent_up
info='{"user":"root","name":"logger","checkpoint":true,"failover_timeout":600}'
[ "$(id -u)" -eq 0 ] || info=$(jq -c --arg u "$(id -un)" '.user = $u' <<<"$info")
subscribe f "$info"
mkfifo "$T/end"
chmod 666 "$T/end"

# One round of output each time that it is told to go on; line by line, so that the logger is killed in
# the middle of it.
task="i=0; exec 3<>$T/end; while read -r last <&3 && [ \$last != 0 ]; do while [ \$i -lt \$last ]; do i=\$((i + 1)); echo line \$i; done; done"
OFFER=$(offer f)
is "launch" "$(launch f "$OFFER" talks "$task; echo over")" 202
wait_for 30 "the task to run" reached f talks TASK_RUNNING
sandbox=$(dirname "$(find "$T" -path '*runs*' -name stdout ! -path '*latest*' | head -n 1)")
like "the sandbox is found" "$sandbox" "runs/"
run=${sandbox##*/}

# The logger of this container.
logger()
{
	local p args
	for p in /proc/[0-9]*/cmdline; do
		args=$({ tr '\0' ' ' <"$p"; } 2>/dev/null) || continue
		[[ $args == *mezzo-logger*"$run"* ]] || continue
		p=${p%/cmdline}
		grep -q '^State:[[:space:]]*Z' "$p/status" 2>/dev/null || echo "${p#/proc/}"
	done
}
# All that it has written, the oldest first.
written()
{
	local f
	for f in $(ls "$sandbox" | sed -nE 's/^stdout\.([0-9]+)(\.gz)?$/\1 &/p' | sort -rn | sed 's/^[0-9]* //'); do
		gzip -dcf "$sandbox/$f"
	done
	cat "$sandbox/stdout"
}
has_line()
{
	written 2>/dev/null | grep -qx "line $1"
}
another()
{
	local now
	now=$(logger)
	[ -n "$now" ] && [ "$now" != "$1" ]
}
logger_dies()
{
	local pid
	pid=$(logger)
	kill -9 "$pid"
	ok "$1: another logger takes over" until_true 20 another "$pid"
}

echo 2000 >"$T/end"
ok "the first lines are written" until_true 20 has_line 2000
logger_dies "the logger is killed"
echo 4000 >"$T/end"
ok "the next lines are written" until_true 20 has_line 4000
stop_hard "${AGENT_PID[agent]}"
echo 6000 >"$T/end"
ok "without an agent as well" until_true 20 has_line 6000
agent_up
if [ "$(id -u)" -eq 0 ]; then
	logger_dies "the agent and the logger are killed"
else
	skip "the agent and the logger are killed: another logger takes over" "only root can take the pipes over"
fi
echo 8000 >"$T/end"
ok "the last lines are written" until_true 20 has_line 8000
echo 0 >"$T/end"
ok "the end arrives" until_true 60 reached f talks TASK_FINISHED
is "when the logger is gone" "$(logger)" ""
is "every line is there once, in order" "$(written | grep '^line ' | cut -d' ' -f2 | cmp - <(seq 8000) && echo same)" same
is "and the last word" "$(written | grep -c '^over$')" 1
done_testing
