#!/usr/bin/env bash
# What has brought down daemons of this kind over the wire: paths with broken escapes,
# messages with an empty path, chunks with trailers, JSON and protobuf nested a million
# deep, lengths that are a lie. Master and agent refuse each, live, answer, and do
# not grow.
# timeout: 180
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq python3
start_cluster
cat >"$T/wire.py" <<'END'
import socket, sys, struct
host, port = sys.argv[1].split(":")
calls = sys.argv[2].split()

def send(what, data, allowed, close=True):
    s = socket.create_connection((host, int(port)), 20)
    s.settimeout(20)
    try:
        s.sendall(data)
        if close:
            s.shutdown(socket.SHUT_WR)
    except OSError:
        pass            # it has said no before it had all
    got = b""
    try:
        while len(got) < 65536:
            piece = s.recv(65536)
            if not piece:
                break
            got += piece
            if b"\r\n\r\n" in got:
                break
    except OSError as e:
        got += b"" if got else b"(%s)" % type(e).__name__.encode()
    s.close()
    line = got.split(b"\r\n")[0].decode("latin1")
    code = line.split(" ")[1] if line.startswith("HTTP/1.1 ") else "none"
    held = code in allowed.split()
    print("%s %s%s" % ("held" if held else "broken", what, "" if held else ": got '%s', expected %s" % (line[:80], allowed)))
    sys.stdout.flush()

def post(path, kind, body, more=b"", length=None):
    return (b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nAccept: %s\r\nContent-Length: %d\r\n%s\r\n" %
            (path.encode(), kind, kind, len(body) if length is None else length, more)) + body

def get(path, more=b""):
    return b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n" + more + b"\r\n"

json, pb = b"application/json", b"application/x-protobuf"
# A path that cannot be decoded is refused or is a path like any other; it is not found.
for p in (b"/%", b"/%2", b"/%zz", b"/%%%", b"/%00", b"/files/read?path=%", b"/files/browse?path=%zz%0", b"/?%=%&%a=%zz",
          b"/slave(1)/%ff%fe", b"/state?jsonp=%"):
    send("GET %s" % p.decode(), get(p), "200 400 404")
send("a message with an empty path", b"POST  HTTP/1.1\r\nLibprocess-From: x@127.0.0.1:1\r\nUser-Agent: libprocess/x\r\n\r\n", "400")
send("a message with the path /", b"POST / HTTP/1.1\r\nHost: x\r\nLibprocess-From: x@1.2.3.4:1\r\nContent-Length: 0\r\n\r\n", "404 405 400")
for call in calls:
    send("%s: a million brackets" % call, post(call, json, b"[" * 1000000), "400")
    send("%s: a million objects" % call, post(call, json, b'{"a":' * 200000), "400")
    send("%s: a message cut short" % call, post(call, json, b'{"type": "SUBSCRIBE"'), "400")
    send("%s: no message at all" % call, post(call, json, b"\xff\x00\x80"), "400")
    deep = b""
    for i in range(5000):
        deep = b"\x0a" + (lambda n: bytes([n]) if n < 128 else bytes([n & 127 | 128, n >> 7 & 127 | (128 if n >> 14 else 0)] + ([n >> 14] if n >> 14 else [])))(len(deep)) + deep
    send("%s: protobuf nested 5000 deep" % call, post(call, pb, deep), "400")
    send("%s: a length inside that is a lie" % call, post(call, pb, b"\x0a\xff\xff\xff\xff\x07ab"), "400")
    send("%s: chunks with a trailer" % call, b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
         b"2\r\n{}\r\n0\r\nX: y\r\n\r\n" % call.encode(), "400")
    send("%s: a chunk of 2^63 bytes" % call, b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n" % call.encode(), "400 413")
    send("%s: two gigabytes are announced" % call, post(call, json, b"{", length=2 << 30), "413 400", close=False)
    send("%s: two lengths" % call, post(call, json, b"{}", b"Content-Length: 5\r\n"), "400")
    send("%s: a length and chunks" % call, post(call, json, b"0\r\n\r\n", b"Transfer-Encoding: chunked\r\n"), "400")
send("a header of a megabyte", get(b"/health", b"X: " + b"x" * (1 << 20) + b"\r\n"), "431 400")
send("ten thousand headers", get(b"/health", b"X: y\r\n" * 10000), "431 400")
send("a line without an end", b"G" * (1 << 20), "400 414 431")
send("a bare carriage return", b"GET /health HTTP/1.1\r\nHost: x\rX: y\r\n\r\n", "400")
send("bare line feeds", b"GET /health HTTP/1.1\nHost: x\n\n", "400")
send("a header that is folded", get(b"/health", b"X: y\r\n z\r\n"), "400")
END
rss_mb()
{
	awk '/^VmRSS/ { print int($2 / 1024) }' "/proc/$1/status"
}
# try ROLE ADDRESS PID CALL…
try()
{
	local role=$1 where=$2 pid=$3 word rest n=0 before
	shift 3
	before=$(rss_mb "$pid")
	python3 "$T/wire.py" "$where" "$*" >"$T/$role.out" 2>&1
	while read -r word rest; do
		n=$((n + 1))
		case $word in
		held) pass "$role: $rest" ;;
		*) fail "$role: ${rest%%: got*}" "$word $rest" ;;
		esac
	done <"$T/$role.out"
	ok "$role: all was tried" [ $n -ge $((18 + 11 * $#)) ]
	is "$role: answers" "$(get -o /dev/null -w '%{http_code}' "http://$where/health")" 200
	ok "$role: lives" kill -0 "$pid"
	ok "$role: has not grown ($before MB before, $(rss_mb "$pid") MB now)" [ "$(rss_mb "$pid")" -lt $((before + 48)) ]
}
try master "$MASTER" "$MASTER_PID" /api/v1 /api/v1/scheduler
try agent "${AGENT_URL[agent]#http://}" "${AGENT_PID[agent]}" /api/v1 /api/v1/executor
done_testing
