/* init_create.c - mezzo-init: makes the first process of a container in its namespaces
 * and cgroups, and what that does until it is the payload or pid 1.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bin/init.h"

enum { MAX_PATH = 4096, MAX_ENTERED = 16 };

static int put(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t rc = write(fd, text, n);
	int code = errno;
	close(fd);
	errno = code;
	return rc == (ssize_t)n ? 0 : -1;
}

/* ---- ids -------------------------------------------------------------------------- */

static int write_map(const struct init_launch *l, uint64_t gid, pid_t pid, struct init_failure *f)
{
	struct text t = {.len = 0}, path;
	size_t at = 0;
	const char *s;
	while ((s = init_next(l, &at, "I", NULL))) {
		if ((*s == '1') != (gid == 1))
			continue;
		text_add(&t, s + 2);
		text_add(&t, "\n");
	}
	if (!t.len)
		return 0;
	errno = E2BIG;
	if (t.len == sizeof(t.data))
		return init_broken(f, "map user ids: there are too many ranges", NULL);
	init_proc_path(&path, pid, gid ? "gid_map" : "uid_map");
	return put(path.data, t.data, t.len) < 0 ? init_broken(f, "map user ids", NULL) : 0;
}

static int finish_from_outside(const struct init_launch *l, pid_t pid, struct init_failure *f)
{
	struct text t;
	if (l->oom_score_adj) {
		init_proc_path(&t, pid, "oom_score_adj");
		if (put(t.data, l->oom_score_adj, strlen(l->oom_score_adj)) < 0)
			return init_broken(f, "set oom_score_adj", l->oom_score_adj);
	}
	if (!(l->namespaces & CLONE_NEWUSER) || !l->has_map)
		return 0;
	return write_map(l, 0, pid, f) < 0 || write_map(l, 1, pid, f) < 0 ? -1 : 0;
}

/* ---- the first process -------------------------------------------------------- */

static pid_t clone_flags(uint64_t flags, int cgroup)
{
	struct clone_args a = {.flags = flags, .exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD};
	if (cgroup >= 0) {
		a.flags |= CLONE_INTO_CGROUP;
		a.cgroup = (uint64_t)cgroup;
	}
	return (pid_t)syscall(SYS_clone3, &a, sizeof(a));
}

static pid_t no_process(struct init_failure *f)
{
	return init_broken(f, errno == ENOSPC ? "make the first process: its namespaces are too many for the kernel, which "
						"has /proc/sys/user/max_* of each, and pids in 32 levels" :
						"make the first process", NULL);
}

static int run_hook(char **argv, struct init_failure *f)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *const env[] = {path, NULL};
	int status = -1;
	pid_t pid = vfork();
	if (pid == 0) {
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		syscall(SYS_close_range, 3, ~0U, 4);
		execve(argv[0], argv, env);
		_exit(127);
	}
	if (pid < 0)
		return init_broken(f, "fork for", argv[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	errno = EIO;
	return status == 0 ? 0 : init_broken(f, "succeed with the hook", argv[0]);
}

static int run_hooks(const struct init_launch *l, struct init_failure *f)
{
	char *argv[258], key;
	size_t at = 0, n = 0;
	const char *s;
	while ((s = init_next(l, &at, "ha", &key))) {
		if (key == 'h' && n && run_hook(argv, f) < 0)
			return -1;
		n = key == 'h' ? 0 : n;
		if (n < 256)
			argv[n++] = (char *)(uintptr_t)s;
		argv[n] = NULL;
	}
	return n ? run_hook(argv, f) : 0;
}

static int change_folder(const struct init_launch *l, struct init_failure *f)
{
	if (l->work_dir) {
		/* Not by one of our own descriptors either, as in "/proc/self/fd/7": what
		 * is out of reach is given a name that does not begin with a slash. */
		char where[MAX_PATH];
		if (chdir(l->work_dir) < 0 || syscall(SYS_getcwd, where, sizeof(where)) < 0)
			return init_broken(f, "change to the working directory", l->work_dir);
		errno = EXDEV;
		return where[0] != '/' ? init_broken(f, "change to the working directory", l->work_dir) : 0;
	}
	/* In another file system the sandbox may have no name. By name in any case: a
	 * descriptor from outside would be a way out. */
	if (l->rootfs || chdir(l->dir) == 0)
		return 0;
	if (chdir("/") < 0)
		return init_broken(f, "change to the sandbox", l->dir);
	return 0;
}

static int set_up(const struct init_launch *l, struct init_failure *f)
{
	if ((l->namespaces & CLONE_NEWUSER) || l->enters_user) {
		/* Root inside: files that are made are then somebody's. Who has no root becomes
		 * its user later, or it would be what we are outside. */
		int failed = syscall(SYS_setgroups, 0, NULL) < 0;
		failed |= syscall(SYS_setresgid, 0, 0, 0) < 0;
		failed |= syscall(SYS_setresuid, 0, 0, 0) < 0;
		if (failed && !l->switch_user)
			return init_broken(f, "become root of the user namespace", NULL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	}
	/* Here and not with the others: its root is where the process is. */
	if ((l->namespaces & CLONE_NEWCGROUP) && syscall(SYS_unshare, CLONE_NEWCGROUP) < 0)
		return init_broken(f, "make a cgroup namespace", NULL);
	if ((l->namespaces & CLONE_NEWNS) && mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return init_broken(f, "detach the mounts", NULL);
	if (run_hooks(l, f) < 0)
		return -1;
	if ((l->namespaces & CLONE_NEWNS) && fs_set_up(l, f) < 0)
		return -1;
	if (fs_open_console(l, f) < 0)
		return -1;
	errno = EINVAL;
	if (l->hostname && (!(l->namespaces & CLONE_NEWUTS) || sethostname(l->hostname, strlen(l->hostname)) < 0))
		return init_broken(f, "set the host name", l->hostname);
	return change_folder(l, f);
}

static void pass_on(pid_t payload, const siginfo_t *si)
{
	if (si->si_signo == SIGRTMIN && si->si_code == SI_QUEUE && si->si_value.sival_int > 0)
		kill(payload, si->si_value.sival_int);
	else if (si->si_signo == SIGTERM || si->si_signo == SIGINT || si->si_signo == SIGHUP || si->si_signo == SIGQUIT ||
		 si->si_signo == SIGUSR1 || si->si_signo == SIGUSR2)
		kill(payload, si->si_signo);
}

struct birth {
	struct init_launch *l;
	struct init_shared *sh;
	int held;	 /* pid 1 has too many rights yet */
	pid_t in_memory; /* the payload, until it has its own memory, or has ended */
};

static void wait_while(int *what)
{
	int is;
	while ((is = __atomic_load_n(what, __ATOMIC_ACQUIRE)))
		syscall(SYS_futex, what, FUTEX_WAIT, is, NULL);
}

static int be_payload(void *arg)
{
	struct birth *b = arg;
	wait_while(&b->held);
	init_become(b->l, &b->sh->failure, &b->sh->executing);
	_exit(127);
}

/* To signal is all that it does for others: who may trace in the container must not get
 * more by it. */
static void keep_few_rights(void)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2] = {{1U << CAP_KILL, 1U << CAP_KILL, 0}, {0, 0, 0}}, none[2] = {{0, 0, 0}, {0, 0, 0}};
	if (syscall(SYS_capset, &h, d) < 0)
		(void)syscall(SYS_capset, &h, none);
}

/* Like vfork, but: our rights are gone before the payload runs; and what it closes before
 * it executes is closed here as well, or "/proc/1/fd" would lead there until then. */
static pid_t start_payload(struct init_launch *l, struct init_shared *sh)
{
	static _Alignas(16) char stack[65536];
	struct birth b = {l, sh, 1, 0};
	const int flags = CLONE_VM | CLONE_FILES | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD;
	pid_t payload = clone(be_payload, stack + sizeof(stack), flags, &b, &b.in_memory, NULL, &b.in_memory);
	if (payload < 0) {
		init_broken(&sh->failure, "fork", NULL);
		return -1;
	}
	keep_few_rights();
	__atomic_store_n(&b.held, 0, __ATOMIC_RELEASE);
	syscall(SYS_futex, &b.held, FUTEX_WAKE, 1);
	wait_while(&b.in_memory);
	return payload;
}

/* The kernel ends everything else in the namespace when we end. */
static void be_pid_1(struct init_launch *l, struct init_shared *sh)
{
	pid_t payload = start_payload(l, sh);
	if (sh->failure.what)
		_exit(127);
	syscall(SYS_close_range, 0, ~0U, 0); /* the first three are the payload's */
	(void)!chdir("/");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigset_t all;
	sigfillset(&all);
	for (;;) {
		siginfo_t si;
		if (sigwaitinfo(&all, &si) < 0)
			continue;
		if (si.si_signo != SIGCHLD)
			pass_on(payload, &si);
		int status;
		pid_t pid;
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			if (pid == payload) {
				sh->status = status;
				sh->has_status = 1;
				_exit(0);
			}
	}
}

static void be_first(struct init_launch *l, struct init_shared *sh)
{
	char byte;
	close(GO_WRITE);
	close(END_READ);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (join_enter(&sh->failure) < 0 || write(END_WRITE, "j", 1) != 1)
		_exit(127);
	/* Its end: the shim is gone, or wants us no more. */
	if (read(GO_READ, &byte, 1) != 1)
		_exit(0);
	if (set_up(l, &sh->failure) < 0)
		_exit(127);
	if (l->namespaces & CLONE_NEWPID)
		be_pid_1(l, sh);
	init_become(l, &sh->failure, &sh->executing);
	_exit(127);
}

/* ---- entering ------------------------------------------------------------------- */

static const struct {
	uint64_t flag;
	const char *own;
} kinds[] = {
	{CLONE_NEWNS, "/proc/self/ns/mnt"},   {CLONE_NEWUTS, "/proc/self/ns/uts"},
	{CLONE_NEWIPC, "/proc/self/ns/ipc"},  {CLONE_NEWNET, "/proc/self/ns/net"},
	{CLONE_NEWPID, "/proc/self/ns/pid"},  {CLONE_NEWUSER, "/proc/self/ns/user"},
	{CLONE_NEWCGROUP, "/proc/self/ns/cgroup"},
};

static int is_own(uint64_t flag, int fd)
{
	struct stat own, other;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].flag == flag)
			return stat(kinds[i].own, &own) == 0 && fstat(fd, &other) == 0 && own.st_ino == other.st_ino &&
			       own.st_dev == other.st_dev;
	return 0;
}

/* All are opened before the first is entered; that of users comes last, because
 * what we may do in the others ends with it. */
static int enter(struct init_launch *l, struct init_failure *f)
{
	int fds[MAX_ENTERED];
	uint64_t flags[MAX_ENTERED];
	size_t at = 0, n = 0;
	const char *s;
	while ((s = init_next(l, &at, "T", NULL))) {
		errno = EINVAL;
		if (n == MAX_ENTERED || text_number(&s, 10, &flags[n]) < 0)
			return init_broken(f, "enter the namespace", s);
		fds[n] = open(s, O_RDONLY | O_CLOEXEC);
		if (fds[n] < 0)
			return init_broken(f, "open the namespace", s);
		if (is_own(flags[n], fds[n]))
			close(fds[n]);
		else
			n++;
	}
	if (join_check_parent(l, f) < 0)
		return -1;
	for (int users = 0; users < 2; users++)
		for (size_t i = 0; i < n; i++) {
			if ((flags[i] == CLONE_NEWUSER) != users)
				continue;
			if (syscall(SYS_setns, fds[i], (int)flags[i]) < 0)
				return init_broken(f, "enter a namespace", NULL);
			l->enters_user |= users;
		}
	return 0;
}

/* A process in between enters what there is and makes the first one there, as a child
 * of ours: we ourselves stay outside. */
static pid_t create_inside(struct init_launch *l, uint64_t flags, int cgroup, struct init_shared *sh,
			   struct init_failure *f)
{
	int status;
	pid_t between = clone_flags(0, -1);
	if (between == 0) {
		if (enter(l, &sh->failure) < 0)
			_exit(1);
		pid_t pid = clone_flags(flags | CLONE_PARENT, cgroup);
		if (pid == 0)
			be_first(l, sh);
		if (pid < 0)
			no_process(&sh->failure);
		sh->created = pid;
		_exit(0);
	}
	if (between < 0)
		return init_broken(f, "fork", NULL);
	while (waitpid(between, &status, 0) < 0 && errno == EINTR)
		;
	if (sh->failure.what) {
		*f = sh->failure;
		return -1;
	}
	errno = EIO;
	return sh->created > 0 ? sh->created : no_process(f);
}

pid_t create_first(struct init_launch *l, struct init_shared *sh, struct init_failure *f)
{
	size_t at = 0;
	char byte;
	uint64_t flags = l->namespaces & ~(uint64_t)CLONE_NEWCGROUP;
	*f = (struct init_failure){0, NULL, NULL};
	l->fd_dir = open(l->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (l->fd_dir < 0)
		return init_broken(f, "open the sandbox", l->dir);
	if (fs_open(l, f) < 0)
		return -1;
	int cgroup = join_open_v2(l, f);
	if (f->what || join_all(l, f) < 0)
		return -1;
	pid_t pid;
	if (init_next(l, &at, "T", NULL)) {
		pid = create_inside(l, flags, cgroup, sh, f);
	} else {
		pid = clone_flags(flags, cgroup);
		if (pid == 0)
			be_first(l, sh);
		if (pid < 0)
			no_process(f);
	}
	close(GO_READ);
	close(END_WRITE);
	syscall(SYS_close_range, l->io ? FIRST_FREE_FD : LIFE_FD, ~0U, 0);
	if (pid < 0)
		return -1;
	if (read(END_READ, &byte, 1) != 1) {
		*f = sh->failure;
		errno = ECHILD;
		return f->what ? -1 : init_broken(f, "enter the cgroups: the first process was killed", NULL);
	}
	return finish_from_outside(l, pid, f) < 0 ? -1 : pid;
}
