/* mezzo-fetcher.c - fills one sandbox. An agent starts it with the rights of root, or
 * its own, and gives its order on standard input: strings that each end with a NUL, a
 * name and a value in turn.
 *
 *	directory DIR	the sandbox
 *	user NAME	whose rights are taken first; absent: no change
 *	max_bytes N, max_entries N	for all URIs together
 *	stall_secs N, timeout_secs N	0: none
 *	uri VALUE	begins one; of it:
 *	name NAME	in the sandbox
 *	executable 1, extract 1
 *
 * Progress goes to standard error, which is the sandbox's. When it fails, the reason
 * is written to standard output and the exit status is 1.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "bin/fetcher.h"
#include "os/user.h"

enum { MAX_ORDER = 4 << 20 };

struct order {
	const char *directory, *user;
	int64_t max_bytes, max_entries, stall_secs, timeout_secs;
	VEC(struct fetch_uri) uris;
};

static char *read_all(size_t *ret_size, struct mz_err *err)
{
	char *text = xcalloc(1, MAX_ORDER + 1);
	size_t n = fread(text, 1, MAX_ORDER + 1, stdin);
	if (n == 0 || n > MAX_ORDER || text[n - 1] != '\0') {
		free(text);
		mz_fail(err, -EINVAL, "There is no order on standard input: an agent starts this program");
		return NULL;
	}
	*ret_size = n;
	return text;
}

static int take(struct order *o, const char *key, const char *value, struct mz_err *err)
{
	struct {
		const char *name;
		int64_t *to;
	} numbers[] = {{"max_bytes", &o->max_bytes},
		       {"max_entries", &o->max_entries},
		       {"stall_secs", &o->stall_secs},
		       {"timeout_secs", &o->timeout_secs}};
	for (size_t i = 0; i < MZ_N(numbers); i++)
		if (str_eq(key, numbers[i].name)) {
			*numbers[i].to = strtoll(value, NULL, 10);
			return 0;
		}
	struct fetch_uri *u = o->uris.n ? &o->uris.v[o->uris.n - 1] : NULL;
	if (str_eq(key, "directory"))
		o->directory = value;
	else if (str_eq(key, "user"))
		o->user = value;
	else if (str_eq(key, "uri"))
		vec_push(&o->uris, ((struct fetch_uri){.value = value, .name = ""}));
	else if (u && str_eq(key, "name"))
		u->name = value;
	else if (u && str_eq(key, "executable"))
		u->executable = true;
	else if (u && str_eq(key, "extract"))
		u->extract = true;
	else
		return mz_fail(err, -EINVAL, "'%s' is not understood in the order", key);
	return 0;
}

static int parse(struct order *o, const char *text, size_t size, struct mz_err *err)
{
	const char *end = text + size;
	while (text < end) {
		const char *key = text, *value = key + strlen(key) + 1;
		if (value >= end)
			return mz_fail(err, -EINVAL, "The order ends within '%s'", key);
		int rc = take(o, key, value, err);
		if (rc < 0)
			return rc;
		text = value + strlen(value) + 1;
	}
	return o->directory ? 0 : mz_fail(err, -EINVAL, "The order names no directory");
}

/* For good: the process has no way back. */
static int become(const char *name, struct mz_err *err)
{
	struct user u;
	int rc = user_find(name, &u, err);
	if (rc < 0)
		return rc;
	if (setgroups((size_t)u.n_groups, u.groups) < 0 || setresgid(u.gid, u.gid, u.gid) < 0 ||
	    setresuid(u.uid, u.uid, u.uid) < 0)
		return mz_fail(err, -errno, "Cannot become the user '%s': %s", name, strerror(errno));
	return 0;
}

/* A URI as others may read it: without its password. Valid until the next call. */
static const char *shown(const char *uri)
{
	static char text[1024];
	const char *host = strstr(uri, "://");
	size_t len = host ? strcspn(host + 3, "/?#") : 0;
	const char *at = host ? memrchr(host + 3, '@', len) : NULL;
	const char *colon = at ? memchr(host + 3, ':', (size_t)(at - host - 3)) : NULL;
	if (!colon)
		return uri;
	snprintf(text, sizeof(text), "%.*s:***%s", (int)(colon - uri), uri, at);
	return text;
}

/* ---- the time limit ----------------------------------------------------------------- */

static char late[600];

static void on_alarm(int signo)
{
	(void)signo;
	(void)!write(STDOUT_FILENO, late, strlen(late));
	_exit(1);
}

static void say_when_late(const char *uri, int64_t secs)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	snprintf(late, sizeof(late), "Cannot fetch '%.400s': It took longer than %lld seconds", shown(uri), (long long)secs);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- one URI -------------------------------------------------------------------------- */

static int fetch(struct fetch_box *b, const struct fetch_uri *u, struct mz_err *err)
{
	char name[FETCH_MAX_PATH + 1];
	int rc = fetch_clean(u->name, name, err);
	if (rc == 0 && !*name)
		rc = mz_fail(err, -EINVAL, "It names no file");
	if (rc == 0) {
		fprintf(stderr, "Fetching '%s' to '%s'\n", shown(u->value), name);
		rc = fetch_get(b, u, name, err);
	}
	if (rc == 0 && u->extract && !u->executable && fetch_is_archive(name)) {
		fprintf(stderr, "Extracting '%s'\n", name);
		rc = fetch_extract(b, name, err);
	}
	return rc < 0 ? mz_wrap(err, "Cannot fetch '%s'", shown(u->value)) : 0;
}

static int fetch_all(const struct order *o, struct mz_err *err)
{
	struct fetch_box b = {
		.path = o->directory,
		.max_bytes = (uint64_t)o->max_bytes,
		.max_entries = (uint64_t)o->max_entries,
		.stall_secs = o->stall_secs,
	};
	b.dir = open(o->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (b.dir < 0)
		return mz_fail(err, -errno, "Cannot open the sandbox '%s': %s", o->directory, strerror(errno));
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < o->uris.n; i++) {
		say_when_late(o->uris.v[i].value, o->timeout_secs);
		if (i == 0 && o->timeout_secs > 0)
			alarm((unsigned)o->timeout_secs);
		rc = fetch(&b, &o->uris.v[i], err);
	}
	close(b.dir);
	return rc;
}

int main(int argc, char **argv)
{
	static struct order o = {.max_bytes = INT64_MAX, .max_entries = INT64_MAX};
	struct mz_err err;
	size_t size;
	if (argc > 1) {
		bool version = str_eq(argv[1], "--version");
		fputs(version ? "mezzo-fetcher " MZ_VERSION "\n"
			      : "Usage: mezzo-fetcher\nFills a sandbox; started by an agent, with its order on standard input.\n",
		      version || str_eq(argv[1], "--help") ? stdout : stderr);
		return version || str_eq(argv[1], "--help") ? 0 : 2;
	}
	(void)setlocale(LC_CTYPE, "C.UTF-8"); /* names in archives; without it they are taken as bytes */
	signal(SIGALRM, on_alarm);
	umask(022);
	mz_autofree char *text = read_all(&size, &err);
	int rc = text ? parse(&o, text, size, &err) : err.code;
	if (rc == 0 && o.user)
		rc = become(o.user, &err);
	/* Nobody would ask for the rest without an agent. After the change of user,
	 * which takes it back. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (rc == 0)
		rc = fetch_all(&o, &err);
	vec_done(&o.uris);
	if (rc == 0)
		return 0;
	fprintf(stderr, "%s\n", err.msg);
	fputs(err.msg, stdout);
	return 1;
}
