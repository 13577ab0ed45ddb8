#!/usr/bin/env bash
# Schedulers and an executor on the npm library mesos-framework, unmodified: one
# launches tasks, hears of them, reconciles, kills and tears down, the other goes
# through what client_scenes.sh has. The library is installed into the build tree, in
# the versions of node/package-lock.json.
# timeout: 600
#
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/client_scenes.sh"
needs node npm jq curl

dir=$MEZZO_BUILD/clients/node
source=$MEZZO_SRC/tests/integ/node
if ! cmp -s "$source/package-lock.json" "$dir/installed"; then
	rm -rf "$dir"
	mkdir -p "$dir"
	cp "$source/package.json" "$source/package-lock.json" "$dir/"
	(cd "$dir" && timeout 300 npm ci --ignore-scripts --no-audit --no-fund) >"$T/npm.log" 2>&1
	case $? in
	0) ;;
	124) skip_all "npm did not install mesos-framework within 300 s" ;;
	*) skip_all "npm cannot install mesos-framework: $(grep -v warn "$T/npm.log" | head -n 1)" ;;
	esac
	cp "$source/package-lock.json" "$dir/installed"
fi

start_cluster --resources 'cpus:2;mem:1024;disk:1024;ports:[31000-31099]'

# The library writes to logs/ of its working directory.
mkdir -p "$T/client/logs"
ln -s "$dir/node_modules" "$T/client/node_modules"
(cd "$T/client" && exec timeout 90 node --no-deprecation "$source/scheduler.js" \
	"${MASTER%:*}" "${MASTER#*:}" "$(id -un)") >"$T/client.log" 2>&1
status=$?
is "the scheduler ends with 0" "$status" 0
[ "$status" -eq 0 ] || sed 's/^/# /' "$T/client.log" | cut -c1-300
facts=$(sed -n 's/^FACT //p' "$T/client.log")

# states NAME: those of the updates of this task, without repetitions
states()
{
	printf '%s\n' "$facts" | awk -v t="$1" '$1 == "update" && $2 == t { print $3 }' | uniq | paste -sd ' '
}

like "it subscribes and gets a stream id" "$facts" '^subscribed [^ ]+ [^ ]+'
like "it gets offers" "$facts" '^offers [1-9]'
is "a task that succeeds" "$(states hello)" "TASK_STARTING TASK_RUNNING TASK_FINISHED"
is "a task that fails" "$(states wrong)" "TASK_STARTING TASK_RUNNING TASK_FAILED"
is "a task that takes a moment" "$(states short)" "TASK_STARTING TASK_RUNNING TASK_FINISHED"
like "a running task is reconciled" "$facts" '^reconciled long TASK_RUNNING'
is "a task that is killed" "$(states long)" "TASK_STARTING TASK_RUNNING TASK_KILLED"
is "no error on the way" "$(printf '%s\n' "$facts" | grep '^error')" ""

hello=$(printf '%s\n' "$facts" | awk '$1 == "update" && $2 == "hello" { print $4; exit }')
sandbox=$(find "$T/agent/slaves" -path "*/executors/$hello/runs/*" -name stdout | head -n 1)
is "its standard output is in the sandbox" "$(grep '^to standard output' "$sandbox" 2>/dev/null)" \
	"to standard output of ${MASTER%:*}"
is "its standard error too" "$(grep '^to standard error' "${sandbox%stdout}stderr" 2>/dev/null)" "to standard error"

framework=$(printf '%s\n' "$facts" | awk '$1 == "teardown" { print $2 }')
ok "the framework is torn down" until_true 20 torn_down "$framework"

client_start()
{
	cd "$T/client" || exit 1
	exec node --no-deprecation "$source/survivor.js" "${MASTER%:*}" "${MASTER#*:}" "$(id -un)" "$GO" ${2:+"$2"}
}
GO=$T/go
mkdir -m 755 "$GO"
scenes node
done_testing
