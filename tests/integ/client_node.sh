#!/usr/bin/env bash
# A scheduler library of the field, npm's mesos-framework, unmodified: it subscribes,
# launches, gets its updates, kills. Installed into the build tree.
# timeout: 300
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs node npm curl jq
version=0.5.3
dir=$MEZZO_BUILD/clients/node

mkdir -p "$dir"
if [ ! -f "$dir/node_modules/mesos-framework/package.json" ]; then
	timeout 200 npm install --prefix "$dir" --silent --no-audit --no-fund "mesos-framework@$version" >"$T/npm.log" 2>&1 ||
		skip_all "npm could not install mesos-framework: $(tail -n 1 "$T/npm.log")"
fi
# The library writes to logs/ of its working directory.
mkdir -p "$T/client/logs"
ln -s "$dir/node_modules" "$T/client/node_modules"
cp "$MEZZO_SRC/tests/integ/node/scheduler.js" "$T/client/"

start_cluster
cd "$T/client" || exit 1
timeout 90 node scheduler.js "${MASTER%:*}" "${MASTER#*:}" >"$T/node.log" 2>"$T/node-err.log"
status=$?
cd / || exit 1
is "the program ends as it should" "$status" 0
[ "$status" -eq 0 ] || fail "what it said" "$(cat "$T/node.log" "$T/node-err.log")"
like "it subscribed and got its stream id" "$(cat "$T/node.log")" '^subscribed .+ with a stream id'
like "it got offers" "$(cat "$T/node.log")" '^offers'
is "three tasks ran" "$(grep -c '^TASK_RUNNING' "$T/node.log")" 3
like "it killed one" "$(cat "$T/node.log")" '^TASK_KILLED'
is "there was no error" "$(grep -c '^error' "$T/node.log")" 0
torn_down()
{
	[ "$(get "http://$MASTER/frameworks" | jq '[.completed_frameworks[] | select(.name == "node-client")] | length')" -ge 1 ]
}
ok "the framework is torn down" until_true 20 torn_down
no_tasks()
{
	[ "$(get "http://$MASTER/metrics/snapshot" | jq '."master/tasks_running"')" = 0 ]
}
ok "and its tasks are killed" until_true 20 no_tasks
done_testing
