/* init_launch.c - mezzo-init: reads the launch description, starts the payload.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bin/init.h"

void text_add(struct text *t, const char *s)
{
	size_t len = strlen(s), room = sizeof(t->data) - t->len;
	if (len > room)
		len = room;
	memcpy(t->data + t->len, s, len);
	t->len += len;
}

void text_int(struct text *t, int64_t n)
{
	char digits[24];
	size_t at = sizeof(digits);
	digits[--at] = '\0';
	uint64_t u = n < 0 ? (uint64_t)-n : (uint64_t)n;
	do
		digits[--at] = (char)('0' + u % 10);
	while (u /= 10);
	if (n < 0)
		digits[--at] = '-';
	text_add(t, digits + at);
}

int text_number(const char **s, int base, uint64_t *ret)
{
	const char *p = *s;
	uint64_t n = 0;
	if (*p < '0' || *p >= '0' + base)
		return -1;
	for (; *p >= '0' && *p < '0' + base; p++)
		n = n * (uint64_t)base + (uint64_t)(*p - '0');
	if (*p != '\0' && *p != ' ' && *p != '\n')
		return -1;
	*s = *p ? p + 1 : p;
	*ret = n;
	return 0;
}

static int parse_user(struct init_launch *l, const char *s)
{
	uint64_t uid, gid;
	if (text_number(&s, 10, &uid) < 0 || text_number(&s, 10, &gid) < 0)
		return -1;
	l->switch_user = 1;
	l->uid = (uid_t)uid;
	l->gid = (gid_t)gid;
	return 0;
}

static int parse_groups(struct init_launch *l, const char *s)
{
	while (*s) {
		uint64_t gid;
		if (l->n_groups == INIT_MAX_GROUPS || text_number(&s, 10, &gid) < 0)
			return -1;
		l->groups[l->n_groups++] = (gid_t)gid;
	}
	return 0;
}

static int parse_rlimit(struct init_launch *l, const char *s)
{
	uint64_t n;
	if (l->n_rlimits == INIT_MAX_RLIMITS)
		return -1;
	struct init_rlimit *r = &l->rlimits[l->n_rlimits];
	if (text_number(&s, 10, &n) < 0 || text_number(&s, 10, &r->soft) < 0 || text_number(&s, 10, &r->hard) < 0)
		return -1;
	r->resource = (int)n;
	l->n_rlimits++;
	return 0;
}

static int parse_record(struct init_launch *l, char key, char *s)
{
	uint64_t n;
	const char *p = s;
	switch (key) {
	case 'F':
		l->status_file = s;
		return 0;
	case 'S':
		l->dir = s;
		return 0;
	case 'A':
		l->argv[l->n_argv++] = s;
		return 0;
	case 'E':
		l->env[l->n_env++] = s;
		return 0;
	case 'O':
		l->out = s;
		return 0;
	case 'R':
		l->err = s;
		return 0;
	case 'U':
		return parse_user(l, s);
	case 'G':
		return parse_groups(l, s);
	case 'L':
		return parse_rlimit(l, s);
	case 'M':
		if (text_number(&p, 8, &n) < 0)
			return -1;
		l->umask = (mode_t)n;
		l->has_umask = 1;
		return 0;
	case 'J':
		l->oom_score_adj = s;
		return 0;
	case 'P':
		l->no_new_privs = 1;
		return 0;
	default:
		return -1;
	}
}

int init_parse(char *data, size_t size, struct init_launch *l, struct init_failure *f)
{
	*f = (struct init_failure){EINVAL, "understand the launch description", NULL};
	if (data[size - 1] != '\0')
		return -1;
	size_t n_argv = 0, n_env = 0;
	for (size_t at = 0; at < size; at += strlen(data + at) + 1) {
		n_argv += data[at] == 'A';
		n_env += data[at] == 'E';
	}
	/* Pointers for exec; the pages are touched only as far as they are used. */
	size_t bytes = (n_argv + n_env + 2) * sizeof(char *);
	char **v = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (v == MAP_FAILED) {
		f->code = errno;
		return -1;
	}
	l->argv = v;
	l->env = v + n_argv + 1;
	for (size_t at = 0; at < size;) {
		size_t len = strlen(data + at);
		if (!len || parse_record(l, data[at], data + at + 1) < 0) {
			f->name = data + at;
			return -1;
		}
		at += len + 1;
	}
	if (!l->status_file || !l->dir || !l->n_argv)
		return -1;
	return 0;
}

/* ---- the payload's side, between vfork and exec ------------------------------- */

/* Shared memory with the parent: what it writes, the parent reads. Only system
 * calls here, and nothing that allocates. */
static int broken(struct init_failure *f, const char *what, const char *name)
{
	*f = (struct init_failure){errno, what, name};
	return -1;
}

static int become_user(const struct init_launch *l, struct init_failure *f)
{
	if (!l->switch_user)
		return 0;
	/* The system calls themselves: libc's wrappers signal other threads. */
	if (syscall(SYS_setgroups, l->n_groups, l->groups) < 0)
		return broken(f, "set the supplementary groups", NULL);
	if (syscall(SYS_setresgid, l->gid, l->gid, l->gid) < 0)
		return broken(f, "set the group id", NULL);
	if (syscall(SYS_setresuid, l->uid, l->uid, l->uid) < 0)
		return broken(f, "set the user id", NULL);
	return 0;
}

static int open_output(const char *name, int fd, struct init_failure *f)
{
	if (!name)
		return 0; /* /dev/null is there already */
	/* O_NOFOLLOW: the sandbox is the task's, it may have planted a link. */
	int got = open(name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (got < 0)
		return broken(f, "open the output file", name);
	if (dup2(got, fd) < 0)
		return broken(f, "open the output file", name);
	return 0;
}

static int set_limits(const struct init_launch *l, struct init_failure *f)
{
	for (size_t i = 0; i < l->n_rlimits; i++) {
		struct rlimit r = {l->rlimits[i].soft, l->rlimits[i].hard};
		if (setrlimit((__rlimit_resource_t)l->rlimits[i].resource, &r) < 0)
			return broken(f, "set a resource limit", NULL);
	}
	if (l->oom_score_adj) {
		int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, l->oom_score_adj, strlen(l->oom_score_adj)) < 0)
			return broken(f, "set oom_score_adj", l->oom_score_adj);
	}
	return 0;
}

static int prepare(const struct init_launch *l, struct init_failure *f)
{
	if (setsid() < 0)
		return broken(f, "start a session", NULL);
	/* Before the switch: the way to the sandbox may be the agent's alone. */
	if (chdir(l->dir) < 0)
		return broken(f, "change to the sandbox", l->dir);
	if (set_limits(l, f) < 0 || become_user(l, f) < 0)
		return -1;
	umask(l->has_umask ? l->umask : 022);
	if (open_output(l->out, 1, f) < 0 || open_output(l->err, 2, f) < 0)
		return -1;
	if (l->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return broken(f, "give up new privileges", NULL);
	/* If the shim is killed, nobody could tell how this ends: end with it.
	 * Changing the user clears this flag, so it comes last. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */) < 0)
		return broken(f, "close inherited descriptors", NULL);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	return 0;
}

static int has_name(const char *variable, const char *name)
{
	size_t n = strlen(name);
	return !strncmp(variable, name, n) && variable[n] == '=';
}

/* A name without a slash is looked for in the payload's own PATH. */
static void execute(const struct init_launch *l)
{
	const char *path = "/usr/local/bin:/usr/bin:/bin", *name = l->argv[0];
	char file[4096];
	if (strchr(name, '/')) {
		execve(name, l->argv, l->env);
		return;
	}
	for (size_t i = 0; i < l->n_env; i++)
		if (has_name(l->env[i], "PATH"))
			path = l->env[i] + strlen("PATH=");
	int denied = 0;
	size_t n_name = strlen(name) + 1;
	while (*path) {
		size_t n = strcspn(path, ":");
		if (n && n + 1 + n_name <= sizeof(file)) {
			memcpy(file, path, n);
			file[n] = '/';
			memcpy(file + n + 1, name, n_name);
			execve(file, l->argv, l->env);
			denied |= errno == EACCES;
			if (errno != ENOENT && errno != EACCES && errno != ENOTDIR)
				return;
		}
		path += n + (path[n] == ':');
	}
	errno = denied ? EACCES : ENOENT;
}

pid_t init_start(const struct init_launch *l, struct init_failure *f)
{
	/* volatile: the child writes to it behind the compiler's back. */
	static struct init_failure failure;
	failure = (struct init_failure){0, NULL, NULL};
	__asm__ volatile("" ::: "memory");
	/* The parent stands still until the child has executed or ended, which is
	 * what makes a failed exec an answer instead of an exit status. */
	pid_t pid = vfork();
	if (pid == 0) {
		if (prepare(l, &failure) == 0) {
			execute(l);
			broken(&failure, "execute", l->argv[0]);
		}
		_exit(127);
	}
	__asm__ volatile("" ::: "memory");
	if (pid < 0) {
		*f = (struct init_failure){errno, "fork", NULL};
		return -1;
	}
	if (failure.what) {
		*f = failure;
		return -1;
	}
	return pid;
}
