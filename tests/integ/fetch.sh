#!/usr/bin/env bash
# What CommandInfo.uris bring into a sandbox, and what they cannot: mezzo-fetcher by
# itself against a server with bad manners and against malicious archives, then tasks
# of a real agent.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq python3 openssl
fileserver=$MEZZO_BUILD/tests/integ/fileserver
fetcher=$MEZZO_BUILD/core/bin/mezzo-fetcher
[ -x "$fileserver" ] && [ -x "$fetcher" ] || skip_all "fileserver or mezzo-fetcher is not built"

mkdir "$T/files"
chmod 755 "$T/files"
"$fileserver" "$T/files" >"$T/server.out" 2>&1 &
pids+=("$!")
wait_for 20 "the server" grep -q listens "$T/server.out"
url=http://$(sed 's/.* on //' "$T/server.out")

# ---- archives, good and bad ----
python3 - "$T/files" <<'PY'
import gzip, io, os, sys, tarfile, zipfile
os.chdir(sys.argv[1])

def tar(name, *members, mode="w"):
    with tarfile.open(name, mode) as t:
        for m in members:
            i = tarfile.TarInfo(m[0])
            i.type = m[1]
            i.mode = 0o755 if m[1] == tarfile.DIRTYPE else m[3] if len(m) > 3 else 0o644
            data = b""
            if m[1] == tarfile.REGTYPE:
                data = m[2].encode()
                i.size = len(data)
            elif m[1] in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                i.linkname = m[2]
            t.addfile(i, io.BytesIO(data))

F, D, S, L = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
good = [("app", D), ("app/run", F, "#!/bin/sh\necho ran\n", 0o4755), ("app/data", F, "data"),
        ("app/link", S, "run"), ("top", S, "app"),
        ("app/up", S, "../top/data"), ("app/hard", L, "app/data"), ("./top/through", F, "through a link")]
for ending, mode in (("tar", "w"), ("tar.gz", "w:gz"), ("tgz", "w:gz"), ("tar.bz2", "w:bz2"),
                     ("tbz2", "w:bz2"), ("tar.xz", "w:xz"), ("txz", "w:xz")):
    tar("good." + ending, *good, mode=mode)
with zipfile.ZipFile("good.zip", "w", zipfile.ZIP_DEFLATED) as z:
    i = zipfile.ZipInfo("app/run")
    i.external_attr = 0o100755 << 16
    z.writestr(i, "#!/bin/sh\necho ran\n")
    z.writestr("app/data", "data")
with gzip.open("plain.gz", "w") as g:
    g.write(b"unpacked")

tar("dotdot.tar", ("../out", F, "x"))
tar("inner.tar", ("a", D), ("a/../../out", F, "x"))
tar("absolute.tar", ("/tmp/mezzo-fetch-out", F, "x"))
tar("symabs.tar", ("l", S, "/etc"))
tar("symup.tar", ("a", D), ("a/l", S, "../../etc"))
tar("symvia.tar", ("a", S, "."), ("b", S, "a/.."))
tar("symdeep.tar", ("d", D), ("e", S, "d"), ("e/l", S, "../x"))
tar("hardout.tar", ("l", L, "/etc/passwd"))
tar("hardup.tar", ("l", L, "../passwd"))
tar("hardlink.tar", ("s", S, "nothing"), ("l", L, "s"))
tar("device.tar", ("null", tarfile.CHRTYPE))
tar("fifo.tar", ("pipe", tarfile.FIFOTYPE))
tar("many.tar", *[("f%d" % n, F, "") for n in range(300)])
with zipfile.ZipFile("zipslip.zip", "w") as z:
    z.writestr("../out", "x")
with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("zeros", b"\0" * (64 << 20))
with gzip.open("bomb.gz", "w") as g:
    g.write(b"\0" * (64 << 20))
open("broken.tar.gz", "wb").write(open("good.tar.gz", "rb").read()[:90])
open("notzip.zip", "w").write("this is no zip")
open("tool", "w").write("#!/bin/sh\necho fetched\n")
os.mkfifo("pipe")
open("huge", "wb").truncate(11000000)
PY

# fetch NAME [KEY VALUE]…: an order for a new sandbox $box; sets $status, $why
fetch()
{
	box=$T/box-$1
	rm -rf "$box"
	mkdir "$box"
	shift
	printf '%s\0' directory "$box" max_bytes 10000000 max_entries 200 stall_secs 2 timeout_secs 60 "$@" |
		timeout 90 "$fetcher" >"$T/why" 2>"$T/progress"
	status=${PIPESTATUS[1]}
	why=$(cat "$T/why")
}

one()
{
	fetch "$1" uri "$2" name "${3:-$(basename "$2")}" extract 1
}

# refused NAME URI REGEX [OUTPUT-FILE]: fails, says why with the URI, leaves nothing outside
refused()
{
	one r "$2" "${4:-}"
	if [ "$status" -ne 1 ]; then
		fail "$1" "exit status $status" "$why"
	elif ! grep -qE -- "$3" <<<"$why" || ! grep -qF -- "$2" <<<"$why"; then
		fail "$1" "got:      $why" "expected: $2 and $3"
	elif [ -e "$T/out" ] || [ -e /tmp/mezzo-fetch-out ]; then
		fail "$1" "it wrote outside"
		rm -f "$T/out" /tmp/mezzo-fetch-out
	else
		pass "$1"
	fi
}

# ---- files ----
one file "$url/tool"
is "a file over HTTP, exit status" "$status" 0
ok "a file over HTTP" cmp "$T/files/tool" "$box/tool"
is "is not executable" "$(stat -c %a "$box/tool")" 644
like "progress is told" "$(cat "$T/progress")" "Fetching '$url/tool'"
fetch exec uri "$url/tool" name sub/dir/it executable 1 extract 1
is "an executable under another name" "$status-$(stat -c %a "$box/sub/dir/it")" 0-755
one redirect "$url/to?/tool" tool
ok "a redirection is followed" cmp "$T/files/tool" "$box/tool"
one local "file://$T/files/tool"
ok "a file:// path" cmp "$T/files/tool" "$box/tool"
fetch several uri "$url/tool" name a uri "$T/files/tool" name b uri "$url/plain.gz" name c.gz
is "several URIs, none extracted" "$status-$(find "$box" -type f | wc -l)" 0-3

refused "a file that is not there" "$url/none" 'status 404'
refused "a local file that is not there" "/no/such/file" 'No such file'
refused "a local pipe" "$T/files/pipe" 'not a regular file'
refused "a local directory" "$T/files" 'not a regular file'
refused "redirections without an end" "$url/loop" 'redirect'
refused "a redirection to a local file" "$url/to?file:///etc/passwd" 'rotocol' x
refused "nobody listens" "http://127.0.0.1:1/x" 'onnect'
refused "an answer that stalls" "$url/stall" 'Nothing came for 2 seconds'
refused "an answer without an end" "$url/endless" 'limit of 10000000 bytes'
refused "a scheme that is not known" "gopher://127.0.0.1/x" 'scheme'
refused "a relative path" "some/file" "no absolute path, and .* no 'frameworks_home'"
refused "a relative file URI" "file://some/file" "no absolute path, and .* no 'frameworks_home'"
refused "what a client of Hadoop would fetch" "hdfs://127.0.0.1/x" 'scheme is none of http, https, ftp, ftps and file'
refused "an output file above the sandbox" "$url/tool" "has '\.\.'" ../out
refused "an output file that is absolute" "$url/tool" absolute "$T/out"
refused "a URI without a name" "$url/" 'no file' ./
fetch late timeout_secs 1 stall_secs 0 uri "$url/stall" name x
is "all of it takes too long" "$status: $why" "1: Cannot fetch '$url/stall': It took longer than 1 seconds"

# ---- FTP ----
# Debian's package is for Debian's Python.
for py in /usr/bin/python3 python3; do
	"$py" -c 'import pyftpdlib' 2>/dev/null && break
	py=
done
if [ -n "$py" ]; then
	"$py" - "$T/files" >"$T/ftp.out" 2>&1 <<'PY' &
import sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer
FTPHandler.authorizer = DummyAuthorizer()
FTPHandler.authorizer.add_anonymous(sys.argv[1])
FTPHandler.authorizer.add_user("me", "secret", sys.argv[1])
FTPHandler.auth_failed_timeout = 0
server = FTPServer(("127.0.0.1", 0), FTPHandler)
print("ftp on 127.0.0.1:%d." % server.socket.getsockname()[1], flush=True)
server.serve_forever()
PY
	pids+=("$!")
	wait_for 20 "the FTP server" grep -q '^ftp on' "$T/ftp.out"
	ftp=$(sed -n 's/^ftp on \(.*\)\.$/\1/p' "$T/ftp.out")
	one ftp "ftp://$ftp/tool"
	ok "a file over FTP" cmp "$T/files/tool" "$box/tool"
	one ftp "ftp://me:secret@$ftp/tool"
	ok "with a password" cmp "$T/files/tool" "$box/tool"
	one ftp "ftp://$ftp/good.tgz"
	is "an archive over FTP" "$status $("$box/app/run" 2>&1)" "0 ran"
	refused "a file that FTP does not find" "ftp://$ftp/none" 'not'
	one ftp "ftp://me:wrong@$ftp/tool"
	like "a wrong password, which nobody is shown" "$status $why" "^1 Cannot fetch 'ftp://me:\*\*\*@$ftp/tool': .*denied"
	like "nor in the sandbox" "$(cat "$T/progress")" "Fetching 'ftp://me:\*\*\*@"
	refused "a redirection to FTP" "$url/to?ftp://$ftp/tool" 'rotocol' x
	refused "a file over FTP that is too large" "ftp://$ftp/huge" 'limit of 10000000 bytes'
else
	skip "files over FTP" "no pyftpdlib here"
fi

# ---- archives ----
for ending in tar tar.gz tgz tar.bz2 tbz2 tar.xz txz; do
	one "$ending" "$url/good.$ending"
	is ".$ending is extracted" "$status $why $("$box/app/run" 2>&1)$(cat "$box"/app/{link,up,hard,through} 2>&1 | md5sum)" \
		"0  ran$(printf '#!/bin/sh\necho ran\ndatadatathrough a link' | md5sum)"
done
is "modes without set-user-id" "$(stat -c %a "$box/app/run") $(stat -c %a "$box/app/data")" "755 644"
one zip "$url/good.zip"
is ".zip is extracted" "$status $("$box/app/run" 2>&1) $(cat "$box/app/data")" "0 ran data"
one gz "$url/plain.gz"
is ".gz is one file" "$status $(cat "$box/plain") $(ls "$box")" "0 unpacked plain
plain.gz"
fetch keep uri "$url/good.tar" name good.tar
is "extract false" "$status $(ls "$box")" "0 good.tar"
fetch keepx uri "$url/good.tar" name good.tar extract 1 executable 1
is "what is executable is not extracted" "$status $(ls "$box")" "0 good.tar"

refused "a path above the sandbox" "$url/dotdot.tar" "has '\.\.'"
refused "a path that turns back" "$url/inner.tar" "has '\.\.'"
refused "an absolute path" "$url/absolute.tar" absolute
refused "a zip with a path above" "$url/zipslip.zip" "has '\.\.'"
refused "a link to an absolute path" "$url/symabs.tar" 'out of the sandbox'
refused "a link that leads up and out" "$url/symup.tar" 'out of the sandbox'
refused "a link that turns back behind a link" "$url/symvia.tar" 'out of the sandbox'
refused "a link made through a link" "$url/symdeep.tar" 'through a link'
refused "a hard link to an absolute path" "$url/hardout.tar" absolute
refused "a hard link that leads out" "$url/hardup.tar" "has '\.\.'"
refused "a hard link to a link" "$url/hardlink.tar" 'not to a file'
refused "a device" "$url/device.tar" 'device'
refused "a pipe" "$url/fifo.tar" 'pipe'
refused "a zip bomb" "$url/bomb.zip" 'limit of 10000000 bytes'
refused "a bomb of gzip" "$url/bomb.gz" 'limit of 10000000 bytes'
refused "too many files" "$url/many.tar" 'limit of 200 files'
refused "an archive that is cut off" "$url/broken.tar.gz" 'cannot be read'
refused "what is no archive" "$url/notzip.zip" 'cannot be read'

# ---- over TLS ----
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$T/key.pem" -out "$T/cert.pem" -days 2 \
	-subj /CN=mezzo-test -addext subjectAltName=IP:127.0.0.1 2>/dev/null
chmod 644 "$T/cert.pem"
python3 - "$T" >"$T/tls.out" 2>/dev/null <<'PY' &
import functools, http.server, ssl, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1] + "/files")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + "/cert.pem", sys.argv[1] + "/key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
print("https://127.0.0.1:%d" % server.server_port, flush=True)
server.serve_forever()
PY
pids+=("$!")
wait_for 20 "the server with TLS" test -s "$T/tls.out"
tls=$(cat "$T/tls.out")
refused "a certificate that nobody vouches for" "$tls/tool" 'certificate'
export SSL_CERT_FILE=$T/cert.pem
one tls "$tls/tool"
is "SSL_CERT_FILE says who is trusted" "$status $(cmp "$T/files/tool" "$box/tool" 2>&1)" "0 "
one tlstar "$tls/good.tar.gz"
is "an archive over HTTPS" "$status $("$box/app/run")" "0 ran"
refused "a name that is not in the certificate" "${tls/127.0.0.1/localhost}/tool" 'certificate|subject|match'
mkdir "$T/certs"
cp "$T/cert.pem" "$T/certs/$(openssl x509 -noout -hash -in "$T/cert.pem").0"
SSL_CERT_FILE='' SSL_CERT_DIR=$T/certs one tlsdir "$tls/tool"
is "and so does SSL_CERT_DIR" "$status $(cmp "$T/files/tool" "$box/tool" 2>&1)" "0 "

# What one URI has left in the sandbox does not lead the next one out.
box=$T/box-twice
rm -rf "$box"
mkdir "$box"
ln -s "$T" "$box/esc"
printf '%s\0' directory "$box" uri "$url/tool" name esc/out | "$fetcher" >"$T/why" 2>/dev/null
is "a link that was planted, exit status" "${PIPESTATUS[1]}" 1
like "is not followed" "$(cat "$T/why")" 'out of the sandbox'
ok "nothing is there" test ! -e "$T/out"
printf 'rubbish' | "$fetcher" >"$T/why" 2>/dev/null
is "an order that makes no sense" "${PIPESTATUS[1]}" 1

# ---- tasks ----
# Where relative paths are.
mkdir -p -m 755 "$T/home/sub"
cp "$T/files/tool" "$T/home/sub/"
cp "$T/files/good.tar.gz" "$T/home/"
start_cluster --resources 'cpus:8;mem:4096;disk:1024;ports:[31000-32000]' --set fetcher_stall_timeout=2secs \
	--set fetcher_max_bytes=10MB --set "frameworks_home=$T/home"
user=$(id -un)
other=
if [ "$(id -u)" -eq 0 ] && id nobody >/dev/null 2>&1; then
	other=nobody
fi
subscribe fw '{"user": "'"$user"'", "name": "fetch"}'
offer=$(offer fw)
# task ID COMMAND JQ-CHANGE-OF-COMMAND
task()
{
	jq -c --arg id "$1" --arg sh "$2" --arg url "$url" "{name: \$id, task_id: {value: \$id}, agent_id: .agent_id,
		command: ({shell: true, value: \$sh} | $3), resources: [
			{name: \"cpus\", type: \"SCALAR\", scalar: {value: 0.1}},
			{name: \"mem\", type: \"SCALAR\", scalar: {value: 32}}]}" <<<"$offer" >>"$T/tasks"
}
task good 'test "$(./tool)" = fetched && test "$(app/run)" = ran && grep -q Fetching stderr' \
	'. + {uris: [{value: ($url + "/tool"), executable: true}, {value: ($url + "/good.tar.xz")}]}'
# The agent copies the first by itself, the second needs the program.
task relative 'test "$(./tool)" = fetched && test "$(./again)" = fetched' \
	'. + {uris: [{value: "sub/tool", executable: true},
		{value: "file://sub/../sub/tool", executable: true, output_file: "again"}]}'
task over_tls 'test "$(./tool)" = fetched && test "$(app/run)" = ran' \
	'. + {uris: [{value: "'"$tls"'/tool", executable: true}, {value: "'"$tls"'/good.tar.gz"}]}'
task unpacked 'test "$(app/run)" = ran && test -x tool' '. + {uris: [{value: "good.tar.gz"}, {value: "sub/tool", executable: true}]}'
task nowhere 'true' '. + {uris: [{value: "sub/none"}]}'
task hdfs 'true' '. + {uris: [{value: "hdfs://127.0.0.1/x"}]}'
task missing 'true' '. + {uris: [{value: ($url + "/none")}]}'
task evil 'true' '. + {uris: [{value: ($url + "/symup.tar")}]}'
task stalls 'true' '. + {uris: [{value: ($url + "/stall")}]}'
task endless 'true' '. + {uris: [{value: ($url + "/endless")}]}'
[ -z "$other" ] || task owned 'test "$(stat -c %U tool app app/run stdout stderr | sort -u)" = nobody && test "$(id -un)" = nobody' \
	'. + {user: "nobody", uris: [{value: ($url + "/tool")}, {value: ($url + "/good.zip")}]}'
accept=$(jq -cs --argjson o "$offer" '{type: "ACCEPT", accept: {offer_ids: [$o.id],
	operations: [{type: "LAUNCH", launch: {task_infos: .}}]}}' "$T/tasks")
is "the tasks are launched" "$(call "$accept")" 202
ok "a task with what it has fetched" until_true 60 reached fw good TASK_FINISHED

ok "relative paths are in frameworks_home" until_true 60 reached fw relative TASK_FINISHED
ok "files and archives over HTTPS, as the agent's SSL_CERT_FILE trusts" until_true 60 reached fw over_tls TASK_FINISHED
ok "archives, too" until_true 60 reached fw unpacked TASK_FINISHED

# failed TASK REGEX
failed()
{
	local u
	ok "$1: the task fails" until_true 60 reached fw "$1" TASK_FAILED
	u=$(events fw | jq -c --arg t "$1" 'select(.type == "UPDATE") | .update.status |
		select(.task_id.value == $t and .state == "TASK_FAILED")')
	is "$1: the reason" "$(jq -r .reason <<<"$u")" REASON_CONTAINER_LAUNCH_FAILED
	like "$1: the message" "$(jq -r .message <<<"$u")" "$2"
}
failed nowhere "Cannot fetch '$T/home/sub/none': .*No such file"
failed hdfs "Cannot fetch 'hdfs://127.0.0.1/x': Its scheme is none of"
failed missing "Cannot fetch '$url/none': The server answers with status 404"
failed evil "symup.tar.*out of the sandbox"
failed stalls "Nothing came for 2 seconds"
failed endless "limit of"
if [ -n "$other" ]; then
	ok "files belong to the user of the command" until_true 60 reached fw owned TASK_FINISHED
else
	skip "files belong to the user of the command" "needs root and nobody"
fi
ok "no fetcher is left" until_true 20 eval "! pgrep -f '$fetcher'"
done_testing
