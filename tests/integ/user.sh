#!/usr/bin/env bash
# Everything works as an ordinary user: master, agent and tasks run as nobody. And an
# agent that is root runs a task as the user that it asks for.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq setpriv
[ "$(id -u)" -eq 0 ] || skip_all "needs root to become somebody else"
user=nobody
id "$user" >/dev/null 2>&1 || skip_all "no user $user here"

as_user()
{
	setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups env HOME="$T" "$@"
}
as_user test -x "$MEZZOD" -a -x "$MEZZO" -a -r "$MEZZO_SRC/conf/master.yaml" ||
	skip_all "$user may not read the build tree"

# ---- root runs a task as somebody ----
start_cluster
out=$(timeout 60 "$MEZZO" run --user "$user" --command 'id -un; stat -c %U .; touch mine && stat -c %U mine' 2>"$T/err")
is "a task runs as its user, in a sandbox of its own" "$(tr '\n' ' ' <<<"$out")" "$user $user $user "

# ---- who else of the machine may read it ----
other=daemon
as_other()
{
	setpriv --reuid "$other" --regid "$(id -g "$other")" --clear-groups "$@"
}
refused()
{
	! "$@" >/dev/null 2>&1
}
sandbox=$(find "$T"/agent/slaves -path '*/runs/*-*' -type d -prune -print -quit)
if id "$other" >/dev/null 2>&1; then
	is "the sandbox is the user's and his group's" "$(stat -c '%U %G %a' "$sandbox")" "$user $(id -gn "$user") 750"
	ok "the way to it is open" as_other test -x "$(dirname "$sandbox")"
	ok "somebody else may not look into it" refused as_other ls "$sandbox"
	ok "nor read what the task wrote" refused as_other cat "$sandbox/stdout"
	ok "its user may" as_user test -s "$sandbox/stdout"
	ok "the agent has records" test -s "$T/agent/store/data.mdb"
	ok "which nobody else may read" refused as_other cat "$T/agent/store/data.mdb"
	ok "not even the user of a task" refused as_user cat "$T/agent/store/data.mdb"
fi

out=$(timeout 60 "$MEZZO" run --user no-such-user --command 'id' 2>&1)
ok "a user that does not exist fails the task" test $? -ne 0
like "and is named" "$out" 'no-such-user'
stop_hard "${AGENT_PID[agent]}"
stop_hard "$MASTER_PID"

# ---- everything as an ordinary user ----
mkdir "$T/home"
chown "$user" "$T/home"
MASTER=''
for role in master agent; do
	more=
	[ $role = agent ] && more="--master $MASTER"
	# shellcheck disable=SC2086
	as_user "$MEZZOD" $role -c "$MEZZO_SRC/conf/${role/agent/agent-1}.yaml" --listen 127.0.0.1:0 \
		--work-dir "$T/home/$role" $more >"$T/$role-$user.log" 2>&1 &
	pid=$!
	pids+=("$pid")
	wait_listening "$T/$role-$user.log" "$pid"
	[ $role = master ] && MASTER=$(listening "$T/$role-$user.log")
done
export MEZZO_MASTER=http://$MASTER
wait_for 30 "the agent to register" agents_are 1
run_as()
{
	as_user env MEZZO_MASTER="$MEZZO_MASTER" timeout 60 "$MEZZO" run "$@" 2>"$T/err"
}
is "a task runs" "$(run_as --command 'id -un')" "$user"
run_as --command 'exit 9'
is "its exit status arrives" $? 9
is "its sandbox is the user's" "$(run_as --command 'stat -c %U .')" "$user"
done_testing
