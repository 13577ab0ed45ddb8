#!/usr/bin/env bash
# What executors get and what frameworks hear of them, held against the recorded answers
# of Mesos: environment and events of a custom executor, and statuses, field by field.
# And custom executors that are fetched.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq python3
golden=$MEZZO_SRC/tests/golden
start_cluster --resources 'cpus:24;mem:24576;disk:409600;ports:[31000-32000];cpus(ops):2;mem(ops):512' \
	--attributes 'datacenter:pdx1;rack:1-1;os:rhel7;speed:2.5'
subscribe f "$(jq -cn --arg u "$(id -un)" '{user: $u, name: "fields", roles: ["*"],
	capabilities: [{type: "MULTI_ROLE"}, {type: "PARTITION_AWARE"}]}')"

# Which fields there are, and of what type: "a.#.b string", in order.
shape='[paths(scalars) as $p | ($p | map(if type == "number" then "#" else . end) | join(".")) + " " + (getpath($p) | type)]
	| unique | .[]'
# same_fields NAME OURS GOLDEN: two JSON texts
same_fields()
{
	[ -n "$3" ] || bail "$1" "there is no such recorded answer"
	is "$1" "$(jq -r "$shape" <<<"$2")" "$(jq -r "$shape" <<<"$3")"
}

# status NAME TASK STATE; recorded FILE TASK STATE
status()
{
	events "$1" | jq -c --arg t "$2" --arg s "$3" 'select(.type == "UPDATE") | .update.status |
		select(.task_id.value == $t and .state == $s)' | head -n 1
}
recorded()
{
	tail -n +2 "$golden/$1" | jq -c --arg t "$2" --arg s "$3" 'select(.type == "UPDATE") | .update.status |
		select(.task_id.value == $t and .state == $s)' | head -n 1
}

# What ended tasks had comes back in small offers.
is_large()
{
	held f | jq -es 'any([.resources[] | select(.name == "mem") | .scalar.value] | add > 1000)'
}
large_offer()
{
	wait_for 30 "a large offer" is_large >&2
	held f
}

# ---- a command ----
is "a task with a command" "$(launch f "$(large_offer)" t0 'exit 0')" 202
wait_for 30 "it to end" reached f t0 TASK_FINISHED
for s in TASK_STARTING TASK_RUNNING TASK_FINISHED; do
	same_fields "command: fields of $s" "$(status f t0 $s)" "$(recorded stream_command.raw t0 $s)"
	is "command: constant values of $s" "$(status f t0 $s | jq -c '[.message, .source, .executor_id.value, .reason]')" \
		"$(recorded stream_command.raw t0 $s | jq -c '[.message, .source, .executor_id.value, .reason]')"
done
is "the address of the network that the task shares" \
	"$(status f t0 TASK_RUNNING | jq -c '.container_status.network_infos')" \
	"$(recorded stream_command.raw t0 TASK_RUNNING | jq -c '.container_status.network_infos')"

# ---- a custom executor: python3 and its library ----
cat >"$T/executor.py" <<'PY'
#!/usr/bin/env python3
import base64, http.client, json, os, sys, uuid

out = open("recorded", "w")
def say(line):
    out.write(line + "\n")
    out.flush()

say("ENV " + json.dumps(dict(os.environ)))
ids = {"framework_id": {"value": os.environ["MESOS_FRAMEWORK_ID"]}, "executor_id": {"value": os.environ["MESOS_EXECUTOR_ID"]}}
where = os.environ["MESOS_AGENT_ENDPOINT"]
headers = {"Content-Type": "application/json", "Accept": "application/json"}
stream = http.client.HTTPConnection(where)
stream.request("POST", "/api/v1/executor", json.dumps(dict(ids, type="SUBSCRIBE", subscribe={})), headers)
answer = stream.getresponse()
say("STATUS HTTP/1.1 %d %s" % (answer.status, answer.reason))
for name, value in answer.getheaders():
    say("HDR %s: %s" % (name, value))

def call(body):
    c = http.client.HTTPConnection(where)
    c.request("POST", "/slave(1)/api/v1/executor", json.dumps(dict(ids, **body)), headers)
    a = c.getresponse()
    say("CALL %s HTTP/1.1 %d %s" % (body["type"], a.status, a.reason))

def update(task, state):
    call({"type": "UPDATE", "update": {"status": {"task_id": task["task_id"], "state": state, "source": "SOURCE_EXECUTOR",
          "uuid": base64.b64encode(uuid.uuid4().bytes).decode(), "data": base64.b64encode(b"xyz").decode(),
          "labels": {"labels": [{"key": "a", "value": "b"}]}}}})

while True:
    size = answer.readline()
    if not size:
        break
    text = answer.read(int(size)).decode()
    say("EVENT " + text)
    event = json.loads(text)
    if event["type"] == "LAUNCH":
        update(event["launch"]["task"], "TASK_RUNNING")
    elif event["type"] == "MESSAGE":
        call({"type": "MESSAGE", "message": {"data": event["message"]["data"]}})
        call({"type": "HEARTBEAT"})
    elif event["type"] == "KILL":
        update(event["kill"], "TASK_KILLED")
    elif event["type"] == "SHUTDOWN":
        sys.exit(0)
PY
change='del(.command) | .data = "aGk=" | .labels = {labels: [{key: "k", value: "v"}]} | .executor = {executor_id: {value: "ex1"},
	name: "rec", source: "src", command: {shell: true, value: "exec python3 '"$T"'/executor.py"}, resources: [
	{name: "cpus", type: "SCALAR", scalar: {value: 0.1}, allocation_info: {role: "*"}},
	{name: "mem", type: "SCALAR", scalar: {value: 32}, allocation_info: {role: "*"}}]}'
is "a task of a custom executor" "$(launch f "$(large_offer)" c0 - "$change")" 202
wait_for 30 "it to run" reached f c0 TASK_RUNNING
run=$(echo "$T"/agent/slaves/*/frameworks/*/executors/ex1/runs/latest)
said=$run/recorded

# of OURS-OR-GOLDEN PREFIX: what follows it on the first such line
of()
{
	sed -n "s/^$2 //p" "$1" | head -n 1
}
event()
{
	sed -n 's/^EVENT //p' "$1" | jq -c --arg t "$2" 'select(.type == $t)' | head -n 1
}
has()
{
	[ -n "$(event "$said" "$1")" ]
}
# The recorded one is indented, and a shell has put PWD there.
env=$(sed -n '/^ENV/,/^}/p' "$golden/executor_events.txt" | sed 's/^ENV //' | jq -c 'del(.PWD)')
is "variables of its environment" "$(of "$said" ENV | jq -r 'keys[] | select(IN("PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE") | not)')" \
	"$(jq -r 'keys[]' <<<"$env")"
same='with_entries(select(.key | IN("LIBPROCESS_IP", "LIBPROCESS_PORT", "MESOS_CHECKPOINT", "MESOS_EXECUTOR_ID",
	"MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "MESOS_HTTP_COMMAND_EXECUTOR", "PATH")))'
is "those that do not differ by nature" "$(of "$said" ENV | jq -cS "$same")" "$(jq -cS "$same" <<<"$env")"
is "its ids and places" "$(of "$said" ENV | jq -c '[.MESOS_FRAMEWORK_ID, .MESOS_SLAVE_ID, .MESOS_SLAVE_PID, .MESOS_AGENT_ENDPOINT,
		.MESOS_DIRECTORY, .MESOS_SANDBOX]')" \
	"$(jq -cn --arg f "$FRAMEWORK" --arg a "$(get "http://$MASTER/slaves" | jq -r '.slaves[0].id')" \
		--arg e "${AGENT_URL[agent]#http://}" --arg d "$(readlink -f "$run")" \
		'[$f, $a, "slave(1)@" + $e, $e, $d, $d]')"
is "the answer to SUBSCRIBE" "$(of "$said" STATUS)" "$(of "$golden/executor_events.txt" STATUS)"
is "its headers" "$(sed -n 's/^HDR \([^:]*\):.*/\1/p' "$said" | sort)" \
	"$(sed -n 's/^HDR \([^:]*\):.*/\1/p' "$golden/executor_events.txt" | sort)"
for e in SUBSCRIBED LAUNCH; do
	same_fields "fields of $e" "$(event "$said" $e)" "$(event "$golden/executor_events.txt" $e)"
done
ok "ACKNOWLEDGED comes" until_true 20 has ACKNOWLEDGED
same_fields "fields of ACKNOWLEDGED" "$(event "$said" ACKNOWLEDGED)" "$(event "$golden/executor_events.txt" ACKNOWLEDGED)"
is "an update is answered" "$(of "$said" CALL)" "$(of "$golden/executor_events.txt" CALL)"
# Also the executor's id, which is told of all tasks.
same_fields "custom: fields of TASK_RUNNING" "$(status f c0 TASK_RUNNING)" \
	"$(recorded stream_custom_executor.raw t0 TASK_RUNNING | jq -c '.executor_id = {value: "ex1"}')"
is "its data and labels" "$(status f c0 TASK_RUNNING | jq -c '[.data, .labels]')" \
	"$(recorded stream_custom_executor.raw t0 TASK_RUNNING | jq -c '[.data, .labels]')"

# ---- the same ExecutorInfo again, a message, a kill ----
is "a second task with an equal executor" "$(launch f "$(large_offer)" c1 - "$change")" 202
ok "runs" until_true 20 reached f c1 TASK_RUNNING
is "in the same executor" "$(get "${AGENT_URL[agent]}/containers" | jq -c '[.[].executor_id]')" '["ex1"]'
is "which has subscribed once" "$(grep -c '"SUBSCRIBED"' "$said")" 1
is "one that is not equal" "$(launch f "$(large_offer)" c2 - "$change"' | .executor.name = "another"')" 202
ok "is refused" until_true 20 reached f c2 TASK_ERROR
is "a message" "$(call '{"type":"MESSAGE","message":{"agent_id":{"value":"'"$(status f c0 TASK_RUNNING | jq -r .agent_id.value)"'"},
	"executor_id":{"value":"ex1"},"data":"aGVsbG8="}}')" 202
ok "comes back from it" until_true 20 has_event f 'select(.type == "MESSAGE" and .message.data == "aGVsbG8=" and .message.executor_id.value == "ex1")'
ok "a heartbeat is taken" until_true 20 grep -q '^CALL HEARTBEAT HTTP/1.1 202' "$said"
is "a kill with a policy" "$(call '{"type":"KILL","kill":{"task_id":{"value":"c1"},"kill_policy":{"grace_period":{"nanoseconds":5000000}}}}')" 202
ok "is obeyed" until_true 20 reached f c1 TASK_KILLED
is "the executor was told the policy" "$(event "$said" KILL | jq -c .kill)" \
	'{"task_id":{"value":"c1"},"kill_policy":{"grace_period":{"nanoseconds":5000000}}}'

# ---- executors that are fetched, and run as somebody ----
"$MEZZO_BUILD/tests/integ/fileserver" "$T" >"$T/server.out" 2>&1 &
pids+=("$!")
wait_for 20 "the server of files" grep -q listens "$T/server.out"
url=http://$(sed 's/.* on //' "$T/server.out")
chmod 755 "$T/executor.py"
tar -C "$T" -czf "$T/executor.tar.gz" executor.py
user=$(id -un)
if [ "$(id -u)" -eq 0 ] && id nobody >/dev/null 2>&1; then
	user=nobody
fi
# fetched ID URIS: a task of an executor that is fetched
fetched()
{
	is "$1" "$(launch f "$(large_offer)" "$1" - "$change"' | .executor.executor_id.value = "'"$1"'" | .executor.command =
		{value: "exec ./executor.py", user: "'"$user"'", uris: ['"$2"']}')" 202
	ok "$1 runs" until_true 30 reached f "$1" TASK_RUNNING
	is "$1 as its user" "$(stat -c %U "$T"/agent/slaves/*/frameworks/*/executors/"$1"/runs/latest/recorded)" "$user"
}
fetched over-http '{value: "'"$url"'/executor.py", executable: true}'
fetched of-an-archive '{value: "'"$url"'/executor.tar.gz"}'
fetched of-a-path '{value: "'"$T"'/executor.py", executable: true}'
fetched of-an-archive-of-a-path '{value: "file://'"$T"'/executor.tar.gz"}'
is "one that cannot be fetched" "$(launch f "$(large_offer)" none - "$change"' | .executor.executor_id.value = "none" |
	.executor.command.uris = [{value: "'"$url"'/none"}]')" 202
ok "fails" until_true 30 reached f none TASK_FAILED
is "as what could not be launched" "$(status f none TASK_FAILED | jq -r .reason)" REASON_CONTAINER_LAUNCH_FAILED

# ---- the end ----
is "SHUTDOWN of the executor" "$(call '{"type":"SHUTDOWN","shutdown":{"executor_id":{"value":"ex1"},"agent_id":{"value":"'"$(status f c0 TASK_RUNNING | jq -r .agent_id.value)"'"}}}')" 202
ok "it ends, and the framework hears of it" until_true 20 has_event f 'select(.type == "FAILURE" and .failure.executor_id.value == "ex1" and .failure.status == 0)'
same_fields "fields of SHUTDOWN" "$(event "$said" SHUTDOWN)" "$(event "$golden/executor_events.txt" SHUTDOWN)"
ok "its task ends with it" until_true 20 reached f c0 TASK_FAILED
is "as the agent says" "$(status f c0 TASK_FAILED | jq -c '[.source, .reason, .executor_id.value, (.uuid | length)]')" \
	'["SOURCE_AGENT","REASON_EXECUTOR_TERMINATED","ex1",24]'
done_testing
