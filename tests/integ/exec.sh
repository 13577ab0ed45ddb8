#!/usr/bin/env bash
# mezzo exec and mezzo attach against real daemons and in a real terminal (tmux), and the
# three calls under them with curl, in both encodings; then clients and agents that are
# killed while a session is open.
# timeout: 300
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq python3
start_master

# start NAME ARGUMENT…: mezzo run --detach; prints the task's id once it runs
runs()
{
	"$MEZZO" tasks --json | jq -es --arg i "$1" 'any(..|objects; .id? == $i and .state? == "TASK_RUNNING")'
}
start()
{
	local id
	id=$("$MEZZO" run --detach --name "$@" 2>>"$T/run.log") || return
	wait_for 30 "task $id to run" runs "$id" >&2
	echo "$id"
}

# ---- an agent that says nothing more, while all of the following goes on ----
start_agent silent --resources 'cpus:0.1;mem:32;disk:0;ports:[]' # all of it is the task's
wait_for 30 "an agent" agents_are 1
task=$(start talker -- sleep 1000)
"$MEZZO" exec "$task" sh -c 'echo here; exec sleep 1000' >"$T/silent.out" 2>"$T/silent.err" </dev/null &
unheard=$!
pids+=("$unheard")
wait_for 30 "the session with it" grep -q here "$T/silent.out"
kill -STOP "${AGENT_PID[silent]}"

start_agent agent --set registration_backoff=200ms
wait_for 30 "the agent to register" agents_are 2

# nested: the ids of all nested containers, one a line, as JSON
nested()
{
	api '{"type":"GET_CONTAINERS","get_containers":{"show_nested":true}}' >/dev/null
	jq -c '.get_containers.containers[]?.container_id | select(.parent)' "$T/answer"
}

exec_status()
{
	"$MEZZO" exec "$@" >"$T/out" 2>"$T/err" </dev/null
	echo $?
}

# ---- commands beside a task ----
task=$(start sleeper --env OWN=mine -- sleep 1000)
ok "a task to look into" test -n "$task"
is "exit status of the command" "$(exec_status "$task" sh -c 'exit 7')" 7
is "128+N after a signal" "$(exec_status "$task" sh -c 'kill -TERM $$')" 143
is "arguments arrive as they are" "$("$MEZZO" exec "$task" printf '<%s>' 'a b' -x --help '' -- '*')" "<a b><-x><--help><><--><*>"
is "a -- behind the task is not the command's" "$("$MEZZO" exec "$task" -- printf %s -n)" "-n"
sandbox=$("$MEZZO" exec "$task" pwd)
like "it starts in the task's sandbox" "$sandbox" "^$T/agent/slaves/.*/runs/[-0-9a-f]*\$"
is "with the task's environment" "$("$MEZZO" exec "$task" sh -c 'echo "$OWN $MESOS_SANDBOX"')" "mine $sandbox"
is "and variables of its own" "$("$MEZZO" exec --env OWN=yours -e B=2 "$task" sh -c 'echo $OWN $B')" "yours 2"
is "without -i there is no input" "$(echo no | timeout 60 "$MEZZO" exec "$task" cat)" ""
"$MEZZO" exec "$task" sh -c 'echo to-out; echo to-err >&2' >"$T/out" 2>"$T/err"
is "stdout is stdout" "$(cat "$T/out")" to-out
is "stderr is stderr" "$(cat "$T/err")" to-err
is "an argument that is not UTF-8 is not left out" "$(exec_status "$task" ls $'a\xff')" 2
like "but refused" "$(cat "$T/err")" "exec: 'a.*' is not UTF-8"
is "a variable of that kind neither" "$(exec_status -e $'A=\xff' "$task" env)" 2
is "a program that is not there" "$(exec_status "$task" /nowhere)" 1
like "is named" "$(cat "$T/err")" "cannot run a command beside task '$task': .*/nowhere"
is "an unknown task" "$(exec_status nobody true)" 1
like "is named, too" "$(cat "$T/err")" "No task 'nobody'"
is "-it without a terminal" "$(exec_status -it "$task" true)" 2
is "-t without -i has a terminal" "$("$MEZZO" exec -t "$task" sh -c 'test -t 0 && test -t 1 && echo yes' </dev/null)" $'yes\r'

head -c 10000000 /dev/urandom >"$T/in"
"$MEZZO" exec -i "$task" cat <"$T/in" >"$T/back"
is "10 MB there and back" "$(sha256sum <"$T/back")" "$(sha256sum <"$T/in")"
is "10 MB from a pipe" "$(cat "$T/in" | "$MEZZO" exec -i "$task" sha256sum)" "$(sha256sum <"$T/in")"
is "20 MB of output" "$("$MEZZO" exec "$task" head -c 20000000 /dev/zero | wc -c)" 20000000
is "a command that does not read its input" "$("$MEZZO" exec -i "$task" echo done <"$T/in")" done
"$MEZZO" exec "$task" yes 2>"$T/err" | head -n 1 >"$T/out"
is "nobody reads any more: 128+SIGPIPE" "${PIPESTATUS[0]}" 141
none_left()
{
	[ -z "$(nested)" ]
}
ok "nothing is left of them" until_true 30 none_left

# ---- who is killed ----
is_pid()
{
	[ -s "$T/pid" ]
}
# open_session TASK: a client whose command has written its pid; sets client
open_session()
{
	rm -f "$T/pid"
	"$MEZZO" exec "$1" sh -c "echo \$\$ >$T/pid.new; mv $T/pid.new $T/pid; exec sleep 1000" >"$T/out" 2>"$T/err" </dev/null &
	client=$!
	pids+=("$client")
	wait_for 30 "the command to run" is_pid
	pid=$(cat "$T/pid")
}
gone()
{
	[ ! -d "/proc/$pid" ]
}
open_session "$task"
id=$(nested)
stop_hard "$client"
is "kill -9 of the client: its container ends" "$(api "{\"type\":\"WAIT_NESTED_CONTAINER\",\"wait_nested_container\":{\"container_id\":$id}}")" 200
is "killed" "$(jq .wait_nested_container.exit_status "$T/answer")" 9
ok "and its process has gone" gone
ok "the task runs on" runs "$task"

# ---- in a terminal ----
if command -v tmux >/dev/null 2>&1; then
	tm()
	{
		tmux -S "$T/tmux" -f /dev/null "$@"
	}
	shows()
	{
		tm capture-pane -p -t 0 | grep -qE -- "$1"
	}
	# keys REGEX KEY…: sends keys, and waits for what they bring
	keys()
	{
		local want=$1
		shift
		tm send-keys -t 0 "$@"
		until_true 20 shows "$want" || {
			tm capture-pane -p -t 0
			return 1
		}
	}
	# settings NAME: what the terminal is set to, into the variable of that name
	settings()
	{
		tm send-keys -t 0 clear Enter
		ok "the terminal is asked ($1)" keys 'settings=[0-9a-f]{32}' 'echo settings=$(stty -g | md5sum)' Enter
		printf -v "$1" %s "$(tm capture-pane -p -t 0 | grep -oE 'settings=[0-9a-f]{32}')"
	}
	tm new-session -d -x 100 -y 30 "exec env 'PS1=outer>' sh"
	pids+=("$(tm display-message -p '#{pid}')")
	tm set-option -g status off
	ok "a terminal" until_true 30 shows '^outer>'
	settings before
	ok "exec -it gives a shell" keys '^inner>' "clear; $MEZZO exec -it -e 'PS1=inner>' $task sh" Enter
	ok "whose terminal is as large as ours" keys '^30 100$' 'stty size' Enter
	ok "which somebody watches" keys '^watching$' 'echo watching; until [ "$(stty size)" = "25 90" ]; do sleep 0.1; done; echo resized' Enter
	tm resize-window -t 0 -x 90 -y 25
	ok "and sees it follow the window" until_true 30 shows '^resized$'
	ok "TERM is ours" keys "^term=$(tm show-options -gv default-terminal)" 'echo term=$TERM' Enter
	ok "a command runs in it" keys '^asleep$' "clear; echo asleep; sleep 1000" Enter
	ok "Ctrl-C ends that command, not the session" keys '^inner>' C-c
	ok "which tells how" keys '^next 130$' 'echo next $?' Enter
	ok "exit ends the session" keys '^outer>' 'clear; exit 3' Enter
	ok "with its status" keys '^status=3$' 'echo status=$?' Enter
	settings after
	is "the terminal is what it was" "$after" "$before"

	# Killed by a signal while it is raw.
	ok "exec -it again" keys '^inner>' "clear; $MEZZO exec -it -e 'PS1=inner>' $task sh" Enter
	kill -TERM "$(pgrep -P "$(tm display-message -p -t 0 '#{pane_pid}')" -f 'mezzo exec' | head -n 1)"
	ok "SIGTERM ends it" until_true 30 shows 'outer>'
	ok "as a signal does" keys 'status=143$' 'echo status=$?' Enter
	settings killed
	is "the terminal is what it was again" "$killed" "$before"
	ok "and the session has gone" until_true 30 none_left

	# ---- the terminal of a task ----
	tty_task=$(start shell --tty --env 'PS1=task>' -- sh)
	ok "attach shows the task's terminal" keys '^(task>)?seen$' "clear; $MEZZO attach $tty_task" Enter 'echo seen' Enter
	ok "of our size" keys '^25 90$' 'stty size' Enter
	ok "a command runs in it" keys '^asleep$' 'clear; echo asleep; sleep 1000' Enter
	ok "Ctrl-C is the task's" keys '^task>' C-c
	ok "which goes on" keys '^next 130$' 'echo next $?' Enter
	ok "Ctrl-P Ctrl-Q detaches" keys '^outer>' clear Enter C-p C-q
	ok "without a failure" keys '^detached=0$' 'echo detached=$?' Enter
	ok "the task runs on" runs "$tty_task"
	ok "it is attached to again" keys '^(task>)?back$' "clear; $MEZZO attach $tty_task" Enter 'echo back' Enter
	ok "until it ends" keys '^outer>' 'clear; exit 5' Enter
	ok "with its status" keys '^ended=5$' 'echo ended=$?' Enter
else
	skip "sessions in a terminal" "no tmux here"
fi

is "attach to a task without a terminal" "$("$MEZZO" attach "$task" 2>"$T/err" </dev/null; echo $?)" 1
like "says what to do instead" "$(cat "$T/err")" "mezzo logs -f"

# ---- by hand: the calls, in both encodings ----
parent=$(jq -c '.get_containers.containers[0].container_id' < <(api '{"type":"GET_CONTAINERS"}' >/dev/null; cat "$T/answer"))
cat >"$T/records.py" <<'EOF'
# records.py json|protobuf CALLS: JSON calls of the agent's API, one a line, as RecordIO
import base64, json, sys

def field(number, data):
    if isinstance(data, int):
        return bytes([number << 3, data])
    return bytes([number << 3 | 2]) + varint(len(data)) + data

def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])

def container(c):
    out = field(1, c["value"].encode())
    return out + (field(2, container(c["parent"])) if "parent" in c else b"")

def message(call):
    a = call["attach_container_input"]
    if a["type"] == "CONTAINER_ID":
        body = field(1, 1) + field(2, container(a["container_id"]))
    else:
        data = base64.b64decode(a["process_io"]["data"]["data"])
        body = field(1, 2) + field(3, field(1, 1) + field(2, field(1, 1) + field(2, data)))
    return field(1, 18) + field(10, body)

for line in sys.stdin:
    body = line.strip().encode()
    if sys.argv[1] == "protobuf":
        body = message(json.loads(line))
    sys.stdout.buffer.write(str(len(body)).encode() + b"\n" + body)
EOF
first()
{
	echo "{\"type\":\"ATTACH_CONTAINER_INPUT\",\"attach_container_input\":{\"type\":\"CONTAINER_ID\",\"container_id\":$1}}"
}
typed()
{
	echo "{\"type\":\"ATTACH_CONTAINER_INPUT\",\"attach_container_input\":{\"type\":\"PROCESS_IO\",\"process_io\":{\"type\":\"DATA\",\"data\":{\"type\":\"STDIN\",\"data\":\"$(printf %s "$1" | base64)\"}}}}"
}
# input json|protobuf: posts the records on standard input; prints the status code
input()
{
	local type=application/x-protobuf
	[ "$1" = protobuf ] || type=application/json
	python3 "$T/records.py" "$1" >"$T/records"
	curl -sS --max-time 60 -o "$T/answer" -w '%{http_code}' -X POST -H 'Content-Type: application/recordio' \
		-H "Message-Content-Type: $type" -H 'Transfer-Encoding: chunked' -H 'Accept: application/json' -T "$T/records" \
		"${AGENT_URL[agent]}/api/v1"
}
has_started()
{
	grep -qa STDOUT "$T/session" || grep -qa ready "$T/session"
}
for encoding in json protobuf; do
	id="{\"value\":\"by-hand-$encoding\",\"parent\":$parent}"
	accept=application/json
	[ $encoding = json ] || accept=application/x-protobuf
	: >"$T/session"
	curl -sSN --max-time 60 -D "$T/head" -o "$T/session" -H 'Content-Type: application/json' -H 'Accept: application/recordio' \
		-H "Message-Accept: $accept" -d "{\"type\":\"LAUNCH_NESTED_CONTAINER_SESSION\",\"launch_nested_container_session\":{\"container_id\":$id,
		\"command\":{\"value\":\"echo ready; tr a-z A-Z; exit 5\"}}}" "${AGENT_URL[agent]}/api/v1" &
	session=$!
	pids+=("$session")
	wait_for 30 "the session ($encoding)" has_started
	is "$encoding: the answer is a stream of records" "$(tr -d '\r' <"$T/head" | sed -n 's/^Content-Type: //p;s/^Message-Content-Type: //p' | tr '\n' ' ')" "application/recordio $accept "
	is "$encoding: a container is named, and nothing more" "$(first "$id" | input $encoding)" 200
	is "$encoding: input, and its end" "$({ first "$id"; typed 'some '; typed 'words'; typed ''; } | input $encoding)" 200
	wait "$session"
	is "$encoding: the session ends when its command does" $? 0
	if [ $encoding = json ]; then
		is "$encoding: what it wrote" "$(sed 's/}[0-9]*$/}/; 1d' "$T/session" | jq -rs '[.[] | select(.data.type == "STDOUT") | .data.data | @base64d] | join("")' | tr '\n' '|')" "ready|SOME WORDS|"
	else
		like "$encoding: what it wrote" "$(tr -c '[:print:]' ' ' <"$T/session")" "ready.*SOME WORDS"
	fi
	is "$encoding: its exit status" "$(api "{\"type\":\"WAIT_NESTED_CONTAINER\",\"wait_nested_container\":{\"container_id\":$id}}" >/dev/null; jq .wait_nested_container.exit_status "$T/answer")" 1280
	is "$encoding: input to one that has ended" "$(first "$id" | input $encoding)" 404
done
is "output of an unknown container" "$(api '{"type":"ATTACH_CONTAINER_OUTPUT","attach_container_output":{"container_id":{"value":"nobody"}}}')" 404
is "output of one that was not started for it" "$(api "{\"type\":\"ATTACH_CONTAINER_OUTPUT\",\"attach_container_output\":{\"container_id\":$parent}}")" 500
is "a session in an unknown parent" "$(api '{"type":"LAUNCH_NESTED_CONTAINER_SESSION","launch_nested_container_session":{"container_id":{"value":"s","parent":{"value":"nobody"}},"command":{"value":"true"}}}')" 400
"$MEZZO" kill --teardown "$task" >/dev/null 2>&1

# ---- tasks of a pod ----
subscribe pods "$(jq -cn --arg u "$(id -un)" '{user: $u, name: "pods", roles: ["dev"], capabilities: [{type: "MULTI_ROLE"}]}')"
pod_offer=$(offer pods)
jq -r .id.value <<<"$pod_offer" >>"$T/pods.used"
call "$(jq -c '.agent_id as $agent | [["cpus", 0.1], ["mem", 32], ["disk", 1]] as $amounts
	| [$amounts[] | {name: .[0], type: "SCALAR", scalar: {value: .[1]}, allocation_info: {role: "dev"}}] as $r
	| {type: "ACCEPT", accept: {offer_ids: [.id], operations: [{type: "LAUNCH_GROUP", launch_group: {
	executor: {type: "DEFAULT", executor_id: {value: "pod"}, resources: $r},
	task_group: {tasks: [
		{name: "plain", task_id: {value: "plain"}, agent_id: $agent, resources: $r,
			command: {value: "exec sleep 1000", environment: {variables: [{name: "OWN", value: "pod"}]}}},
		{name: "asks", task_id: {value: "asks"}, agent_id: $agent, resources: $r,
			container: {type: "MESOS", tty_info: {window_size: {rows: 11, columns: 22}}},
			command: {value: "stty size; read -r word; echo got $word; exit 6"}}]}}}]}}' <<<"$pod_offer")" >/dev/null
wait_for 30 "the pod" reached pods plain TASK_RUNNING
wait_for 30 "the pod" reached pods asks TASK_RUNNING
like "exec beside a task of a pod: in its sandbox" "$("$MEZZO" exec plain pwd)" "^$T/agent/.*/containers/[-0-9a-zA-Z]*\$"
is "with its environment" "$("$MEZZO" exec plain sh -c 'echo $OWN')" pod
is "two sessions at once" "$("$MEZZO" exec plain sh -c 'echo one' & "$MEZZO" exec plain sh -c 'echo one'; wait)" $'one\none'
echo word | "$MEZZO" attach asks >"$T/out" 2>"$T/err"
is "attach to another one, from a pipe: its status" "${PIPESTATUS[1]}" 6
like "and what it says" "$(tr -d '\r' <"$T/out" | tr '\n' '|')" '\|got word\|$'
kill -KILL "$SUBSCRIBE_PID"

# ---- what became of the silent one ----
wait "$unheard"
is "an agent that is silent for long: the client ends" $? 1
like "and says why" "$(cat "$T/silent.err")" "connection to the agent of task '.*' is lost: nothing has come from it for 75 seconds"
stop_hard "${AGENT_PID[silent]}"
wait_for 30 "the silent one to be given up" agents_are 1

# ---- kill -9 of the agent ----
info='{"user":"root","name":"sessions","checkpoint":true,"failover_timeout":600,"roles":["dev"],"capabilities":[{"type":"MULTI_ROLE"}]}'
[ "$(id -u)" -eq 0 ] || info=$(jq -c --arg u "$(id -un)" '.user = $u' <<<"$info")
subscribe f "$info"
launch f "$(offer f)" kept 'exec sleep 1000' '.resources |= map(.allocation_info = {role: "dev"})' >/dev/null
wait_for 30 "the task that is kept" reached f kept TASK_RUNNING
open_session kept
if [ -n "${before-}" ]; then
	ok "exec -it beside it" keys '^inner>' "clear; $MEZZO exec -it -e 'PS1=inner>' kept sh" Enter
fi
stop_hard "${AGENT_PID[agent]}"
wait "$client"
is "kill -9 of the agent: the client ends" $? 1
like "and says why" "$(cat "$T/err")" "connection to the agent of task 'kept' is lost"
if [ -n "${before-}" ]; then
	ok "so does the one in the terminal" until_true 30 shows '^outer>'
	ok "with the same status" keys '^lost=1$' 'echo lost=$?' Enter
	settings lost
	is "the terminal is what it was" "$lost" "$before"
	tm kill-server
fi
start_agent agent --set registration_backoff=200ms
wait_for 30 "the agent to register again" agents_are 1
ok "the session's command has gone" until_true 60 gone
is "the task has not" "$("$MEZZO" exec kept echo still)" still

done_testing
