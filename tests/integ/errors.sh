#!/usr/bin/env bash
# What a daemon refuses to start with: one line that names the file and line, or the
# thing; exit status 2; nothing started.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"

# refuses NAME REGEX ROLE OPTION…
refuses()
{
	local name=$1 wanted=$2 out status
	shift 2
	out=$(timeout 30 "$MEZZOD" "$@" 2>&1 >/dev/null)
	status=$?
	# On a busy machine the daemon may note that a call into a module took long.
	out=$(grep -v '^W.* held up the loop' <<<"$out")
	if [ $status -ne 2 ]; then
		fail "$name" "exit status $status, not 2" "$out"
	elif [ "$(printf '%s\n' "$out" | wc -l)" -ne 1 ]; then
		fail "$name" "more than one line:" "$out"
	elif ! printf '%s' "$out" | grep -qE -- "$wanted"; then
		fail "$name" "got:      $out" "expected: $wanted"
	else
		pass "$name"
	fi
}

good="--work-dir $T/w --listen 127.0.0.1:0"
as_agent="--work-dir $T/wa --listen 127.0.0.1:0"

# ---- the file ----
printf 'listen: 127.0.0.1:0\nroles: [a, b\nstore: lmdb\n' >"$T/broken.yaml"
refuses "wrong YAML" 'broken\.yaml:[23]: ' master -c "$T/broken.yaml" $good
printf 'listen: 127.0.0.1:0\nlisten: 127.0.0.1:0\n' >"$T/twice.yaml"
refuses "a key that is there twice" 'twice\.yaml:2: .*listen' master -c "$T/twice.yaml" $good
printf '# a comment\nclustr: x\n' >"$T/unknown.yaml"
refuses "an unknown key, with a guess" 'unknown\.yaml:2: .*clustr.*cluster' master -c "$T/unknown.yaml" $good
printf 'workers: many\n' >"$T/number.yaml"
refuses "a word where a number belongs" 'number\.yaml:1: .*workers' master -c "$T/number.yaml" $good
printf '\n\nworkers: 1000\n' >"$T/range.yaml"
refuses "a number out of range" 'range\.yaml:3: .*workers.*64' master -c "$T/range.yaml" $good
printf 'allocation_interval: 5 parsecs\n' >"$T/time.yaml"
refuses "a unit that does not exist" 'time\.yaml:1: .*allocation_interval' master -c "$T/time.yaml" $good
refuses "a time that is none" "agent_ping_timeout.*0ns.*1ms" master $good --set agent_ping_timeout=0ns
refuses "a time before now" "offer_timeout.*-1secs" master $good --set offer_timeout=-1secs
refuses "the same of an agent" "gc_delay.*-1secs" agent $as_agent --set gc_delay=-1secs
printf 'log_level: loud\n' >"$T/choice.yaml"
refuses "a word that is no choice" 'choice\.yaml:1: .*log_level' master -c "$T/choice.yaml" $good
refuses "a file that is not there" 'no-such\.yaml' master -c "$T/no-such.yaml" $good

# ---- options ----
refuses "an unknown option" "frobnicate" master $good --frobnicate
refuses "a wrong --set" "workers" master $good --set workers=-3
refuses "an unknown key in --set" "no\.such\.key|'no'" master $good --set no.such.key=1
refuses "no role" "master|agent" --work-dir "$T/w"
refuses "a role that does not exist" "boss|master" boss $good
refuses "no work directory" "work_dir" master --listen 127.0.0.1:0
refuses "an address that is none" "listen.*here" master --work-dir "$T/w" --listen here:5050
refuses "resources that cannot be read" "cpus:many|resources" agent $as_agent --resources 'cpus:many'
refuses "attributes that cannot be read" "attributes" agent $as_agent --attributes 'rack'

# ---- modules ----
printf 'store: lmdb\nallocator: nonesuch\n' >"$T/module.yaml"
refuses "an unknown module" "module\.yaml:2: .*allocator/nonesuch" master -c "$T/module.yaml" $good
printf 'store:\n  name: lmdb\n  settings:\n    sise: 1GB\n' >"$T/setting.yaml"
refuses "an unknown setting of a module" "setting\.yaml:4: .*sise" master -c "$T/setting.yaml" $good
printf 'not a module' >"$T/not.so"
printf 'isolation:\n  - posix_cpu\n  - file: %s\n' "$T/not.so" >"$T/so.yaml"
refuses "a file that is no shared object" "so\.yaml:3: .*not\.so" agent -c "$T/so.yaml" $as_agent
printf 'isolation: [posix_cpu, posix_cpu]\n' >"$T/dup.yaml"
refuses "the same module twice" "dup\.yaml:1: .*posix_cpu" agent -c "$T/dup.yaml" $as_agent

# ---- nothing was started ----
is "nothing listens and nothing runs" "$(pgrep -fc "$T/" || true)" 0

# ---- --check-config ----
out=$("$MEZZOD" master -c "$MEZZO_SRC/conf/master.yaml" --work-dir "$T/m" --check-config 2>&1)
is "--check-config of the master's file" "$?" 0
like "it says so" "$out" good
out=$("$MEZZOD" agent -c "$MEZZO_SRC/conf/agent-1.yaml" --work-dir "$T/a" --check-config 2>&1)
is "--check-config of the agent's file" "$?" 0

# ---- what is taken ----
start_master
refuses "a port in use" "${MASTER#*:}.*in use|in use.*${MASTER#*:}" master --work-dir "$T/other" --listen "$MASTER"
refuses "a work directory in use" "$T/master.*(in use|locked)|in use.*$MASTER_PID" master --work-dir "$T/master" --listen 127.0.0.1:0
refuses "a work directory of a master" "$T/master.* belongs to a mezzod master" agent --work-dir "$T/master" --listen 127.0.0.1:0
mkdir "$T/ro"
chmod 555 "$T/ro"
if [ "$(id -u)" -eq 0 ]; then
	refuses "a work directory that cannot be made" "/proc/mezzo" master --work-dir /proc/mezzo --listen 127.0.0.1:0
else
	refuses "a work directory that cannot be made" "$T/ro" master --work-dir "$T/ro/w" --listen 127.0.0.1:0
fi
ok "the running master noticed nothing" get -f "http://$MASTER/health"
done_testing
