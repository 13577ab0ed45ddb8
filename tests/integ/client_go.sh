#!/usr/bin/env bash
# Programs on Debian's mesos-go v1 library, unmodified: a scheduler, an executor and
# reads of the operator API, in protobuf and in JSON.
# timeout: 400
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs go curl jq
[ -d /usr/share/gocode/src/github.com/mesos/mesos-go ] || skip_all "no golang-github-mesos-mesos-go-dev here"

# A build takes a while; it is kept as long as the source does not change.
dir=$MEZZO_BUILD/clients/go
mkdir -p "$dir/cache" "$dir/src"
export GO111MODULE=off GOPATH=$dir:/usr/share/gocode GOCACHE=$dir/cache GOFLAGS=-p=2
for p in scheduler executor; do
	source=$MEZZO_SRC/tests/integ/go/$p/main.go
	if [ ! -x "$dir/$p" ] || [ "$source" -nt "$dir/$p" ]; then
		(cd "$(dirname "$source")" && timeout 300 go build -o "$dir/$p" .) >"$T/go.log" 2>&1 ||
			bail "the program '$p' compiles" "$(cat "$T/go.log")"
	fi
done

start_cluster --set 'resources=cpus:4;mem:4096;disk:4096;ports:[31000-32000]'
USER=$(id -un)
export USER
for codec in protobuf json; do
	timeout 100 "$dir/scheduler" $codec "$MASTER" "${AGENT_URL[agent]#http://}" "$dir/executor" \
		>"$T/go-$codec.log" 2>&1
	is "$codec: the program ends as it should" $? 0
	out=$(cat "$T/go-$codec.log")
	like "$codec: it read the operator API of the master" "$out" '^read the master'
	like "$codec: it read the operator API of the agent" "$out" '^read the agent'
	like "$codec: it subscribed" "$out" '^subscribed .'
	is "$codec: its tasks finished" "$(grep -c '^TASK_FINISHED' <<<"$out")" 10
	is "$codec: five of them on its own executor" "$(grep -c '^TASK_FINISHED .*from go$' <<<"$out")" 5
	like "$codec: all is done" "$out" '^done$'
	grep -q '^done$' <<<"$out" || fail "$codec: what it said" "$(tail -n 15 <<<"$out")"
done
done_testing
