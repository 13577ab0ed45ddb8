/* mezzo-logger.c - writes a container's stdout and stderr into files of its sandbox
 * that do not grow for ever. mezzo-logger.h is its manual. It decides nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bin/mezzo-logger.h"

int logger_dir = -1;

static struct stream out = {.name = "stdout", .file = -1}, err = {.name = "stderr", .file = -1};

/* ---- what it is told ---------------------------------------------------------------- */

static void say(const char *text)
{
	size_t n = strlen(text);
	while (n) {
		ssize_t k = write(2, text, n);
		if (k <= 0)
			return; /* nobody listens any more */
		text += k;
		n -= (size_t)k;
	}
}

static void fail(int code, const char *what, const char *name)
{
	char digits[16], *d = digits + sizeof(digits);
	unsigned u = (unsigned)(code < 0 ? -code : code);
	*--d = '\0';
	do
		*--d = (char)('0' + u % 10);
	while (u /= 10);
	say("failed ");
	say(d);
	say(" Cannot ");
	say(what);
	say(" '");
	say(name);
	say("'");
	if (code) {
		const char *why = strerrordesc_np(code < 0 ? -code : code);
		say(": ");
		say(why ? why : "unknown error");
	}
	_exit(1);
}

static int parse_stream(struct stream *s, const char *v)
{
	char *end;
	s->max = strtoll(v, &end, 10);
	if (end == v || *end != ':' || s->max < LOGGER_MIN)
		return -1;
	v = end + 1;
	s->n_files = (int)strtol(v, &end, 10);
	return end == v || *end || s->n_files < 0 ? -1 : 0;
}

/* The value if the argument is of this key. */
static const char *value_of(const char *arg, const char *key)
{
	size_t n = strlen(key);
	return !strncmp(arg, key, n) && arg[n] == '=' ? arg + n + 1 : NULL;
}

struct options {
	const char *base, *dir;
	int owner;
};

static void parse(char **argv, struct options *o)
{
	for (char **a = argv + 1; *a; a++) {
		const char *v;
		int rc = 0;
		if ((v = value_of(*a, "base")))
			o->base = v;
		else if ((v = value_of(*a, "dir")))
			o->dir = v;
		else if ((v = value_of(*a, "owner")))
			o->owner = *v == '1';
		else if ((v = value_of(*a, "gzip")))
			out.gzip = err.gzip = *v == '1';
		else if ((v = value_of(*a, "time")))
			out.time = err.time = *v == '1';
		else if ((v = value_of(*a, "out")))
			rc = parse_stream(&out, v);
		else if ((v = value_of(*a, "err")))
			rc = parse_stream(&err, v);
		else
			rc = -1;
		if (rc < 0)
			fail(EINVAL, "understand the argument", *a);
	}
	if (!o->base || !o->dir || !out.max || !err.max)
		fail(EINVAL, "do without one of the arguments", "base dir out err");
}

/* ---- where it writes ------------------------------------------------------------------ */

/* Sandboxes of nested containers lie in those of others, who may plant links. */
static void open_dir(const struct options *o)
{
	int base = open(o->base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (base < 0)
		fail(errno, "open", o->base);
	struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
	logger_dir = (int)syscall(SYS_openat2, base, o->dir, &how, sizeof(how));
	if (logger_dir < 0)
		fail(errno, "open the sandbox", o->dir);
	close(base);
}

/* Whatever it opens and makes, the container's user could. */
static void become_owner(const struct options *o)
{
	struct stat st;
	if (!o->owner)
		return;
	if (fstat(logger_dir, &st) < 0)
		fail(errno, "look at the sandbox", o->dir);
	if (syscall(SYS_setgroups, 0, NULL) < 0 || setresgid(st.st_gid, st.st_gid, st.st_gid) < 0 ||
	    setresuid(st.st_uid, st.st_uid, st.st_uid) < 0)
		fail(errno, "change to the user of the sandbox", o->dir);
}

static void open_stream(struct stream *s)
{
	int rc = stream_open(s);
	if (rc < 0)
		fail(rc, "open for the container's output", s->name);
}

/* ---- what it does --------------------------------------------------------------------- */

static void take(struct stream *s, short ready)
{
	static char data[LOGGER_BUFFER];
	if (!ready)
		return;
	ssize_t n = read(s->in, data, sizeof(data));
	if (n > 0) {
		stream_add(s, data, (size_t)n);
		stream_flush(s);
	} else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
		close(s->in);
		s->in = -1;
	}
}

static void run(void)
{
	struct pace pace = {.one_in = 10};
	while (out.in >= 0 || err.in >= 0) {
		/* A negative descriptor is not looked at. */
		struct pollfd p[2] = {{.fd = out.in, .events = POLLIN}, {.fd = err.in, .events = POLLIN}};
		if (poll(p, 2, -1) < 0)
			continue; /* EINTR: nothing else can be */
		take(&out, p[0].revents);
		take(&err, p[1].revents);
		pace_keep(&pace);
	}
}

int main(int argc, char **argv)
{
	(void)argc;
	struct options o = {NULL, NULL, 0};
	sigset_t all;
	/* It ends with the container, whatever the agent or the machine's init wants. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	parse(argv, &o);
	open_dir(&o);
	become_owner(&o);
	prctl(PR_SET_DUMPABLE, 0); /* the container's processes are of the same user */
	umask(022);
	/* A working directory would hold a file system busy. */
	(void)!chdir("/");
	out.in = 0;
	err.in = 1;
	open_stream(&out);
	open_stream(&err);
	say("ok");
	close(2);
	run();
	stream_close(&out);
	stream_close(&err);
	return 0;
}
