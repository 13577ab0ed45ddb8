#!/usr/bin/env bash
# Health checks and checks of real tasks: commands, HTTP and TCP, healthy and not; and
# the end of a task that stays unhealthy.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq
fileserver=$MEZZO_BUILD/tests/integ/fileserver
[ -x "$fileserver" ] || skip_all "fileserver is not built"

mkdir "$T/files"
: >"$T/forever"
chmod 777 "$T/files"
"$fileserver" "$T/files" >"$T/server.out" 2>&1 &
pids+=("$!")
wait_for 20 "the server" grep -q listens "$T/server.out"
port=$(sed 's/.*://' "$T/server.out")

# A server with a certificate of its own making.
tls=
if command -v openssl >/dev/null; then
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout "$T/key" -out "$T/cert" 2>/dev/null
	for tls in 31{7,8,9}{1,3,5,7,9}3; do
		openssl s_server -accept "127.0.0.1:$tls" -www -key "$T/key" -cert "$T/cert" >"$T/tls.out" 2>&1 &
		pids+=("$!")
		until_true 5 grep -q ACCEPT "$T/tls.out" && break
	done
fi

start_cluster --resources 'cpus:8;mem:4096;disk:1024;ports:[31000-32000]'
subscribe fw '{"user": "'"$(id -un)"'", "name": "checks"}'

# statuses TASK: the updates of a task, one a line
statuses()
{
	statuses_of fw "$1" | jq -c '{state, reason, healthy, check_status}'
}

# has TASK JQ-FILTER
has()
{
	[ -n "$(statuses "$1" | jq -c "select($2)")" ]
}

# task ID COMMAND JQ-CHANGE: one more of those that are launched together
task()
{
	jq -c --arg id "$1" --arg sh "$2" "{name: \$id, task_id: {value: \$id}, agent_id: .agent_id,
		command: {shell: true, value: \$sh}, resources: [
			{name: \"cpus\", type: \"SCALAR\", scalar: {value: 0.1}},
			{name: \"mem\", type: \"SCALAR\", scalar: {value: 32}}]} | $3" <<<"$offer" >>"$T/tasks"
}
offer=$(offer fw)

# Each failure is an update, which a script has to acknowledge before the next one comes.
slow='delay_seconds: 0, interval_seconds: 2, grace_period_seconds: 0, consecutive_failures: 1000000'
fast='delay_seconds: 0, interval_seconds: 0.05, grace_period_seconds: 0'
health_reason='.reason == "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"'
check_reason='.reason == "REASON_TASK_CHECK_STATUS_UPDATED"'

echo 503 >"$T/files/web"
echo 3 >"$T/files/status"
echo 418 >"$T/files/tea"
task cmd 'touch ok; exec sleep 1000' \
	". + {health_check: {type: \"COMMAND\", $slow, command: {value: \"test -e \$FILE\",
		environment: {variables: [{name: \"FILE\", value: \"ok\"}]}}}}"
task sick 'trap "exit 0" TERM; while :; do sleep 0.05; done' \
	". + {health_check: {type: \"COMMAND\", $fast, consecutive_failures: 2, command: {shell: false, value: \"false\"}}}"
task web 'exec sleep 1000' \
	". + {health_check: {type: \"HTTP\", $slow, http: {port: $port, path: \"/to?/code/web\"}}}"
task loop 'exec sleep 1000' \
	". + {health_check: {type: \"HTTP\", $fast, consecutive_failures: 1, http: {port: $port, path: \"/loop\"}}}"
# What the executor leaves to curl: here a name of a user in an address, and https.
task curl 'exec sleep 1000' \
	". + {health_check: {type: \"HTTP\", $slow, http: {port: $port, path: \"/to?http://me@127.0.0.1:$port/code/none\"}}}"
[ -z "$tls" ] || task tls 'exec sleep 1000' \
	". + {health_check: {type: \"HTTP\", $slow, http: {scheme: \"https\", port: $tls, path: \"/\"}}}"
task stalls 'exec sleep 1000' \
	". + {health_check: {type: \"COMMAND\", $fast, timeout_seconds: 0.2, consecutive_failures: 1, command: {value: \"exec tail -f $T/forever\"}}}"
task tcp 'exec sleep 1000' ". + {health_check: {type: \"TCP\", $fast, tcp: {port: $port}}}"
task closed 'exec sleep 1000' ". + {health_check: {type: \"TCP\", $fast, consecutive_failures: 1, tcp: {port: 1}}}"
task code 'exec sleep 1000' \
	". + {check: {type: \"COMMAND\", delay_seconds: 0, interval_seconds: 0.05, command: {command: {value: \"exit \$(cat $T/files/status)\"}}}}"
task http 'exec sleep 1000' \
	". + {check: {type: \"HTTP\", delay_seconds: 0, interval_seconds: 0.05, http: {port: $port, path: \"/code/tea\"}}}"
task port 'exec sleep 1000' \
	". + {check: {type: \"TCP\", delay_seconds: 0, interval_seconds: 0.05, tcp: {port: 1}}}"
accept=$(jq -cs --argjson o "$offer" '{type: "ACCEPT", accept: {offer_ids: [$o.id],
	operations: [{type: "LAUNCH", launch: {task_infos: .}}]}}' "$T/tasks")
is "the tasks are launched" "$(call "$accept")" 202

# ---- health by a command, in the sandbox, with its own environment ----
ok "a command finds the task healthy" until_true 60 has cmd ".healthy == true and $health_reason"
sandbox=$(dirname "$(find "$T/agent" -path '*/runs/*/ok' -not -path '*/latest/*' | head -n 1)")
mv "$sandbox/ok" "$sandbox/gone"
ok "and unhealthy" until_true 60 has cmd ".healthy == false and $health_reason and .state == \"TASK_RUNNING\""
mv "$sandbox/gone" "$sandbox/ok"
ok "and healthy again" until_true 60 eval "[ \"\$(statuses cmd | tail -n 1 | jq .healthy)\" = true ]"
is "the first update of a running task does not know yet" \
	"$(statuses cmd | jq -c 'select(.state == "TASK_RUNNING") | .healthy' | head -n 1)" null

# ---- killed ----
ok "a task that stays unhealthy is killed" until_true 60 has sick '.state == "TASK_KILLED"'
is "as unhealthy" "$(statuses sick | jq -c 'select(.state == "TASK_KILLED") | .healthy')" false
is "after as many failures as it says" "$(statuses sick | jq -c "select($health_reason)" | wc -l)" 2

# ---- health by HTTP ----
ok "a server error is unhealthy, behind a redirection" until_true 60 has web '.healthy == false'
echo 204 >"$T/files/web.new"
mv "$T/files/web.new" "$T/files/web"
ok "an answer of 204 is healthy" until_true 60 has web '.healthy == true'
ok "redirections without an end are unhealthy" until_true 60 has loop '.state == "TASK_KILLED"'
ok "a redirection that curl follows" until_true 60 has curl '.healthy == true'
if [ -n "$tls" ]; then
	ok "https" until_true 60 has tls '.healthy == true'
else
	skip "https" "needs openssl"
fi
ok "a check that does not end is unhealthy" until_true 60 has stalls '.state == "TASK_KILLED"'
ok "and its command is gone" until_true 60 eval "! pgrep -f '^tail -f $T/forever'"

# ---- TCP ----
ok "a port that is open is healthy" until_true 60 has tcp '.healthy == true'
ok "a port that is closed is not" until_true 60 has closed '.state == "TASK_KILLED" and .healthy == false'

# ---- checks: results as they are ----
is "a check without a result yet" \
	"$(statuses code | jq -c 'select(.state == "TASK_RUNNING") | .check_status' | head -n 1)" '{"type":"COMMAND","command":{}}'
ok "an exit code" until_true 60 has code ".check_status.command.exit_code == 3 and $check_reason"
n=$(statuses code | wc -l)
echo 0 >"$T/files/status.new"
mv "$T/files/status.new" "$T/files/status"
ok "another one" until_true 60 has code ".check_status.command.exit_code == 0 and $check_reason"
is "only changes are told" "$(statuses code | wc -l)" $((n + 1))
is "the task runs on" "$(state_of fw code)" TASK_RUNNING

ok "an HTTP status" until_true 60 has http ".check_status.http.status_code == 418 and $check_reason"
ok "a port" until_true 60 has port ".check_status.tcp.succeeded == false and $check_reason"

is "no task was killed that should not be" \
	"$(for t in cmd web tcp code http port; do state_of fw $t; done | sort -u)" TASK_RUNNING
done_testing
