#!/usr/bin/env bash
# The example frameworks, built against an installed library and run against real
# daemons: killed with -9 in the middle, again and again, every job still runs
# exactly once and is accounted for.
# timeout: 300
#
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs jq curl pkg-config make cc

# ---- the C example, from what `make install` leaves and nothing else ----
dest=$T/dest
make -C "$MEZZO_BUILD" -s install-mzflibPROGRAMS install-mzflibDATA install-mzfpkgconfigDATA \
	install-mezzoincludeHEADERS DESTDIR="$dest" >"$T/install.log" 2>&1 ||
	bail "the library is installed" "$(tail -n 20 "$T/install.log")"
pc=$(find "$dest" -name mezzo-framework.pc)
export PKG_CONFIG_PATH=${pc%/*} PKG_CONFIG_SYSROOT_DIR=$dest
libdir=$(dirname "$(find "$dest" -name libmezzo-framework.so.0)")
export LD_LIBRARY_PATH=$libdir
unset CFLAGS CPPFLAGS LDFLAGS MAKEFLAGS MFLAGS MAKELEVEL
sanitized=
grep -q 'define MZ_SANITIZED' "$MEZZO_BUILD/config.h" && sanitized=yes
is "only mzf_ names can be seen" "$(nm -D --defined-only "$libdir/libmezzo-framework.so.0" |
	awk '$2 != "A" && $3 !~ /^mzf_/ { print $3 }')" ""
is "every function of the headers can be seen" "$(comm -23 \
	<(grep -ohE '\bmzf_[a-z_]+\(' "$MEZZO_SRC"/include/mezzo/framework.h "$MEZZO_SRC"/include/mezzo/framework_calls.h |
		tr -d '(' | sort -u) \
	<(nm -D --defined-only "$libdir/libmezzo-framework.so.0" | awk '{ print $3 }' | sed 's/@.*//' | sort -u))" ""
cp -r "$MEZZO_SRC/examples/framework-c" "$T/c"
chmod -R u+w "$T/c"
rm -f "$T/c/batch"

start_cluster --resources 'cpus:4;mem:4096;disk:4096;ports:[31000-32000]'

# jobs NAME: twelve of them, each of which notes that it ran, waits for its gate, and
# notes that it ended
jobs()
{
	local i
	: >"$T/$1.ran"
	chmod 666 "$T/$1.ran"
	mkdir "$T/$1.gates"
	chmod 755 "$T/$1.gates"
	for i in $(seq 0 11); do
		echo "echo start $i >>$T/$1.ran; until [ -e $T/$1.gates/$i ]; do sleep 0.05; done; echo end $i >>$T/$1.ran"
	done >"$T/$1.jobs"
}

# open_gates NAME N…
open_gates()
{
	local name=$1
	shift
	(cd "$T/$name.gates" && touch "$@")
}

ended()
{
	grep -c '^done' "$1" 2>/dev/null
}

# more_than FILE N: more than N jobs are done in the journal
more_than()
{
	[ "$(ended "$1")" -gt "$2" ]
}

frameworks_named()
{
	get "http://$MASTER/frameworks" | jq --arg n "$1" '[(.frameworks[], .completed_frameworks[]) | select(.name == $n) | .id] | unique | length'
}

# survives NAME FRAMEWORK-NAME COMMAND…: the scheduler is killed four times: as soon as
# the first launch is in its journal, and then whenever one more job is done, while
# others are ending and others still run.
survives()
{
	local name=$1 fw=$2 n=0 round status lines
	shift 2
	jobs "$name"
	for round in 1 2 3 4; do
		"$@" "$MASTER" "$T/$name.jobs" "$T/$name.journal" >>"$T/$name.log" 2>&1 &
		scheduler=$!
		pids+=("$scheduler")
		if [ "$round" = 1 ]; then
			wait_for 30 "$name: the first launch" grep -q '^launch' "$T/$name.journal"
		else
			open_gates "$name" $((round * 3 - 6)) $((round * 3 - 5)) $((round * 3 - 4))
			wait_for 60 "$name: more jobs, round $round" more_than "$T/$name.journal" "$n"
		fi
		stop_hard "$scheduler"
		n=$(ended "$T/$name.journal")
	done
	ok "$name: the last kill came before the end" [ "$n" -lt 10 ]
	open_gates "$name" 9 10 11
	timeout 100 "$@" "$MASTER" "$T/$name.jobs" "$T/$name.journal" >>"$T/$name.log" 2>&1
	status=$?
	is "$name: after four kills, it ends with 0" "$status" 0
	[ "$status" -eq 0 ] || tail -n 20 "$T/$name.log" | sed 's/^/# /'
	is "$name: its last line" "$(tail -n 1 "$T/$name.log")" "12 done, 0 failed"
	lines=$(sort "$T/$name.ran" | uniq -c | awk '{ print $1 }' | sort -u)
	is "$name: every job ran once" "$lines" 1
	is "$name: every job ran to its end" "$(grep -c '^end' "$T/$name.ran")" 12
	is "$name: every job is in the journal once" "$(grep '^done' "$T/$name.journal" | sort | uniq -c | awk '$1 == 1' | wc -l)" 12
	is "$name: it was one framework all the time" "$(frameworks_named "$fw")" 1
	is "$name: nothing of it is left" \
		"$(get "http://$MASTER/frameworks" | jq --arg n "$fw" '[.frameworks[] | select(.name == $n)] | length')" 0
	# Killed after the teardown, and started again: there is nothing to do.
	timeout 60 "$@" "$MASTER" "$T/$name.jobs" "$T/$name.journal" >>"$T/$name.log" 2>&1
	is "$name: a start too many ends with 0" $? 0
	is "$name: and runs nothing" "$(wc -l <"$T/$name.ran")" 24
}

if [ -n "$sanitized" ]; then
	skip "framework-c" "a sanitized library does not load into an ordinary program"
else
	ok "framework-c is built with pkg-config alone" make -C "$T/c" -s CFLAGS='-O1 -g -Wall -Wextra -Werror'
	survives framework-c batch "$T/c/batch"
fi
if command -v python3 >/dev/null 2>&1; then
	survives framework-python batch.py python3 "$MEZZO_SRC/examples/framework-python/batch.py"
else
	skip "framework-python" "no python3 here"
fi

# ---- killed between the journal and the wire: a launch that nobody has heard of ----
# unheard NAME COMMAND…
unheard()
{
	local name=$1
	shift
	echo true >"$T/$name.jobs"
	printf 'framework %s\nlaunch 0 1 %s\n' "$name-by-itself" "$(get "http://$MASTER/slaves" | jq -r '.slaves[0].id')" >"$T/$name.journal"
	timeout 60 "$@" "$MASTER" "$T/$name.jobs" "$T/$name.journal" >"$T/$name.log" 2>&1
	is "$name: what was written down and never sent is launched again" \
		"$? $(tail -n 1 "$T/$name.log") $(grep -c '^again 0' "$T/$name.journal")" "0 1 done, 0 failed 1"
}
[ -n "$sanitized" ] || unheard unheard-c "$T/c/batch"
! command -v python3 >/dev/null 2>&1 || unheard unheard-python python3 "$MEZZO_SRC/examples/framework-python/batch.py"

# ---- the master is killed instead ----
if [ -z "$sanitized" ]; then
	jobs other
	timeout 200 "$T/c/batch" "$MASTER" "$T/other.jobs" "$T/other.journal" >"$T/other.log" 2>&1 &
	scheduler=$!
	pids+=("$scheduler")
	all_started()
	{
		[ "$(grep -c '^start' "$T/other.ran")" = 12 ]
	}
	wait_for 60 "all jobs to run" all_started
	open_gates other 0 1 2
	wait_for 60 "a job to end" grep -q '^done' "$T/other.journal"
	stop_hard "$MASTER_PID"
	open_gates other 3 4 5
	start_master
	open_gates other 6 7 8 9 10 11
	wait "$scheduler"
	is "a scheduler whose master is killed ends with 0" $? 0
	is "and every job ran once" "$(sort "$T/other.ran" | uniq -c | awk '{ print $1 }' | sort -u)" 1
	is "and to its end" "$(tail -n 1 "$T/other.log")" "12 done, 0 failed"
fi

# ---- `make install` is enough: in a mount namespace where what it writes to is ours ----
if [ -n "$sanitized" ] || [ "$(id -u)" -ne 0 ] || ! grep -qx 'prefix=/usr/local' "$pc" || ! unshare -m true 2>/dev/null; then
	skip "a program finds what is installed" "not root, no mount namespaces, another --prefix or sanitized"
else
	cp -a /etc "$T/etc"
	# shellcheck disable=SC2016
	ok "a program finds what is installed, without further ado" unshare -m env -u LD_LIBRARY_PATH -u PKG_CONFIG_PATH \
		-u PKG_CONFIG_SYSROOT_DIR sh -ec 'mount --make-rprivate /
		mount -t tmpfs none /usr/local; mount -t tmpfs none /var/cache
		mount --bind "$1/etc" /etc
		make -C "$2" -s install >/dev/null
		make -C "$1/c" -s clean batch
		ldd "$1/c/batch"; ldd "$1/c/batch" | grep -q "libmezzo-framework.so.0 => /usr/local/lib/"
		"$1/c/batch" 2>&1 | grep usage' sh "$T" "$MEZZO_BUILD"
fi

# ---- a job that fails is told apart ----
if [ -z "$sanitized" ]; then
	printf 'true\nexit 3\n' >"$T/fail.jobs"
	timeout 60 "$T/c/batch" "$MASTER" "$T/fail.jobs" "$T/fail.journal" >"$T/fail.log" 2>&1
	is "a failed job is the exit status" $? 1
	is "and the last line" "$(tail -n 1 "$T/fail.log")" "1 done, 1 failed"
	printf 'true\necho \377\ntrue\n' >"$T/bytes.jobs"
	timeout 60 "$T/c/batch" "$MASTER" "$T/bytes.jobs" "$T/bytes.journal" >"$T/bytes.log" 2>&1
	is "a job that is not UTF-8 fails as well" "$? $(tail -n 1 "$T/bytes.log")" "1 2 done, 1 failed"
fi
done_testing
