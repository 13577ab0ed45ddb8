/* loop_spawn.c - starts a program. Like posix_spawn, the child borrows our memory
 * until it executes, so that the cost does not grow with the daemon; unlike it, the
 * child does not take a copy of all our descriptors either, only to close them again:
 * an agent has thousands. What it shall have is put into three low descriptors that
 * are ours for this, and the rest is left out when it leaves our table for its own.
 *
 * Watching the child is loop_child.c's.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop/loop_impl.h"

enum { STACK_BYTES = 64 << 10 };

/* Shared with the child: we stand still until it has executed or failed. */
struct birth {
	const struct loop_spawn *s;
	const char *dir;
	const int *slots;
	char *const *env;
	sigset_t none;
	rlim_t max_files;
	volatile int error;
};

/* Slots are above 2, so that none stands in another's place. */
static int take_slots(const int *slots)
{
	int top = 0;
	for (int i = 0; i < 3; i++)
		top = slots[i] > top ? slots[i] : top;
	if (syscall(SYS_close_range, (unsigned)top + 1, UINT_MAX, CLOSE_RANGE_UNSHARE) < 0)
		return -1;
	for (int i = 0; i < 3; i++)
		if (dup2(slots[i], i) < 0)
			return -1;
	return (int)syscall(SYS_close_range, 3, UINT_MAX, 0);
}

/* The daemon may have raised it for itself. Programs that use select() do not expect
 * more than they were given, and nobody means a task to have as many as an agent. */
__attribute__((no_sanitize("address", "thread", "undefined"))) static void lower_max_files(rlim_t max_files)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur <= max_files)
		return;
	r.rlim_cur = max_files;
	(void)setrlimit(RLIMIT_NOFILE, &r);
}

/* Only system calls: other threads go on in the same memory. */
__attribute__((no_sanitize("address", "thread", "undefined"))) static int be_born(void *arg)
{
	struct birth *b = arg;
	struct sigaction sa = {.sa_handler = SIG_DFL};
	if (take_slots(b->slots) == 0 && setsid() >= 0) {
		(void)ioctl(0, TIOCSCTTY, 0); /* if it is a terminal that is nobody's, then it is ours */
		/* Before they are let through: a handler would run in our memory. */
		for (int sig = 1; sig < NSIG; sig++)
			(void)sigaction(sig, &sa, NULL);
		lower_max_files(b->max_files);
		if (chdir(b->dir) == 0 && sigprocmask(SIG_SETMASK, &b->none, NULL) == 0)
			execve(b->s->argv[0], (char *const *)b->s->argv, b->env);
	}
	b->error = errno;
	_exit(127);
}

int loop_spawn_init(struct loop_event *l)
{
	struct loop_nest *n = &l->nest;
	struct rlimit r;
	n->max_files = getrlimit(RLIMIT_NOFILE, &r) == 0 ? r.rlim_cur : RLIM_INFINITY;
	n->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int rc = n->null < 0 ? -errno : 0;
	for (int i = 0; i < 3; i++) {
		n->slots[i] = rc < 0 ? -1 : fcntl(n->null, F_DUPFD_CLOEXEC, 3);
		if (rc == 0 && n->slots[i] < 0)
			rc = -errno;
	}
	if (rc < 0)
		loop_spawn_done(l);
	return rc;
}

static int make_stack(struct loop_nest *n)
{
	if (n->stack)
		return 0;
	n->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (n->stack != MAP_FAILED)
		return 0;
	n->stack = NULL;
	return -errno;
}

/* An end of a pipe must not stay open because of us. */
static void empty_slots(const struct loop_nest *n)
{
	for (int i = 0; i < 3; i++)
		(void)dup3(n->null, n->slots[i], O_CLOEXEC); /* both are there: it cannot fail */
}

int loop_spawn_start(struct loop_event *l, const struct loop_spawn *s, const char *dir, pid_t *ret_pid)
{
	static char *const no_env[] = {NULL};
	sigset_t all, before;
	int rc = make_stack(&l->nest);
	if (rc < 0)
		return rc;
	struct birth b = {.s = s, .dir = dir, .slots = l->nest.slots, .env = no_env, .max_files = l->nest.max_files};
	if (s->env)
		b.env = (char *const *)s->env;
	for (int i = 0; i < 3 && rc == 0; i++)
		if (s->fds[i] >= 0 && dup3(s->fds[i], b.slots[i], O_CLOEXEC) < 0)
			rc = -errno;
	sigemptyset(&b.none);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid_t pid = -1;
	if (rc == 0)
		pid = clone(be_born, (char *)l->nest.stack + STACK_BYTES, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &b);
	if (rc == 0)
		rc = pid < 0 ? -errno : -b.error;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	empty_slots(&l->nest);
	while (pid > 0 && rc < 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (rc == 0)
		*ret_pid = pid;
	return rc;
}

void loop_spawn_done(struct loop_event *l)
{
	struct loop_nest *n = &l->nest;
	for (int i = 0; i < 3; i++)
		if (n->slots[i] >= 0)
			close(n->slots[i]);
	if (n->null >= 0)
		close(n->null);
	if (n->stack)
		munmap(n->stack, STACK_BYTES);
	n->stack = NULL;
}
