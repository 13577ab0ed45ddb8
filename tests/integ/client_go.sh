#!/usr/bin/env bash
# A program on Debian's mesos-go v1 library, unmodified: scheduler, executor and the
# reads of the operator API, in protobuf and in JSON; then what client_scenes.sh has.
# timeout: 600
#
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/client_scenes.sh"
needs go curl jq
[ -d /usr/share/gocode/src/github.com/mesos/mesos-go ] || skip_all "no golang-github-mesos-mesos-go-dev here"

# The library takes a while to compile: what comes of it is kept in the build tree.
dir=$MEZZO_BUILD/clients/go
mkdir -p "$dir"
export GO111MODULE=off GOPATH=$dir:/usr/share/gocode GOCACHE=$dir/cache GOFLAGS=-p=2 GOTOOLCHAIN=local
(cd "$MEZZO_SRC/tests/integ/go" && timeout 300 go build -o "$dir/client" .) >"$T/go.log" 2>&1 ||
	bail "the program compiles" "$(cat "$T/go.log")"
# The agent copies it into the sandbox, perhaps as another user.
cp "$dir/client" "$T/client"
chmod 755 "$T/client"

start_cluster --resources 'cpus:4;mem:4096;disk:4096;ports:[31000-32000]'

# states N: those of the updates of task N
states()
{
	awk -v t="go-$codec-$1" '$1 == "update" && $2 == t { print $3 }' <<<"$facts" | paste -sd ' '
}

for codec in protobuf json; do
	timeout 100 "$T/client" "$codec" "$MASTER" >"$T/go-$codec.log" 2>&1
	status=$?
	is "$codec: the program ends with 0" "$status" 0
	[ "$status" -eq 0 ] || tail -n 20 "$T/go-$codec.log" | cut -c1-300 | sed 's/^/# /'
	facts=$(sed -n 's/^FACT //p' "$T/go-$codec.log")
	like "$codec: it subscribed" "$facts" '^subscribed .'
	for n in 0 1 2; do
		is "$codec: command task $n" "$(states $n)" "TASK_STARTING TASK_RUNNING TASK_FINISHED"
	done
	for n in 3 4 5; do
		is "$codec: task $n on its own executor" "$(states $n)" "TASK_RUNNING TASK_FINISHED"
	done
	is "$codec: the task that is killed" "$(states 6)" "TASK_RUNNING TASK_KILLED"
	like "$codec: it is reconciled as running" "$facts" "^reconciled go-$codec-6 TASK_RUNNING"
	like "$codec: the operator API of the master" "$facts" '^read the master'
	like "$codec: the operator API of the agent" "$facts" '^read the agent'
	like "$codec: a message to the executor and back" "$facts" '^message back:hello'
	framework=$(awk '$1 == "teardown" { print $2 }' <<<"$facts")
	ok "$codec: the framework is torn down" until_true 20 torn_down "$framework"
	ok "$codec: no executor is left" until_true 20 no_executor
done

client_start()
{
	exec "$T/client" survivor "$codec" "$MASTER" "$GO" ${2:+"$2"}
}
for codec in protobuf json; do
	GO=$T/go-$codec
	mkdir -m 755 "$GO"
	scenes "$codec"
done
done_testing
