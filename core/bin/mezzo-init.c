/* mezzo-init.c - the container's shim: starts one payload as it was told, outlives
 * the agent, reaps what is orphaned in the container, writes down how the payload
 * ended, and takes everything with it that is left. init.h is its manual; the
 * containerizer/mesos module is its only user. It decides nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bin/init.h"

/* Of a long name the end is said: there is to be room for what follows. */
enum { CONTROL = 3, STATUS_FD = 4, MAX_SAID = 300 };

static void write_all(int fd, const struct text *t)
{
	size_t done = 0;
	while (done < t->len) {
		ssize_t n = write(fd, t->data + done, t->len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* the agent then knows less than it could */
		done += (size_t)n;
	}
}

/* Whoever listens may be gone. */
static void tell(const struct text *t)
{
	(void)send(CONTROL, t->data, t->len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* There is an I/O server. */
static int has_io;

static void fail(const struct init_failure *f)
{
	if (has_io)
		(void)!write(LIFE_FD, "x", 1);
	struct text t = {.len = 0};
	text_add(&t, "failed ");
	text_int(&t, f->code);
	text_add(&t, " Cannot ");
	text_add(&t, f->what);
	if (f->name) {
		text_add(&t, " '");
		size_t len = strlen(f->name);
		text_add(&t, len > MAX_SAID ? "…" : "");
		text_add(&t, f->name + (len > MAX_SAID ? len - MAX_SAID : 0));
		text_add(&t, "'");
	}
	if (f->code) {
		text_add(&t, ": ");
		text_add(&t, strerrordesc_np(f->code) ? strerrordesc_np(f->code) : "unknown error");
	}
	tell(&t);
	_exit(125);
}

/* Field 22 of /proc/self/stat: with the pid it names this process for ever. */
uint64_t init_start_time(void)
{
	char buf[1024];
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
	if (fd >= 0)
		close(fd);
	buf[n < 0 ? 0 : n] = '\0';
	char *p = strrchr(buf, ')'); /* the name may contain anything */
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	uint64_t start = 0;
	const char *s = p ? p + 1 : "";
	(void)text_number(&s, 10, &start); /* the agent then checks the pid alone */
	return start;
}

static void map_description(struct init_launch *l)
{
	struct init_failure f = {0, "read the launch description", NULL};
	struct stat st;
	if (fstat(0, &st) < 0 || st.st_size <= 0) {
		f.code = errno;
		fail(&f);
	}
	char *data = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0, 0);
	if (data == MAP_FAILED) {
		f.code = errno;
		fail(&f);
	}
	if (init_parse(data, (size_t)st.st_size, l, &f) < 0)
		fail(&f);
}

/* fds: control away from 1, /dev/null in 0 and 1. */
static void arrange_fds(void)
{
	if (dup3(1, CONTROL, O_CLOEXEC) < 0)
		_exit(125);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		_exit(125);
	dup2(null, 1);
	dup2(null, 2);
	close(null);
}

/* 0: called off. */
static int wait_for_gate(void)
{
	char byte;
	ssize_t n;
	do
		n = read(CONTROL, &byte, 1);
	while (n < 0 && errno == EINTR);
	return n == 1;
}

/* 1, 0: called off, or -1. */
static int receive_fds(struct init_launch *l, struct init_failure *f)
{
	int fds[2], n = l->has_fds == 3 ? 2 : 1;
	char byte;
	union {
		char data[CMSG_SPACE(sizeof(fds))];
		struct cmsghdr align;
	} u;
	struct iovec v = {&byte, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = u.data, .msg_controllen = sizeof(u.data)};
	if (recvmsg(CONTROL, &m, MSG_CMSG_CLOEXEC) < 1)
		return 0;
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	errno = EPROTO;
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN((size_t)n * sizeof(int)))
		return init_broken(f, "receive the output's descriptors", NULL);
	memcpy(fds, CMSG_DATA(c), (size_t)n * sizeof(int));
	/* Away from the numbers that are ours. */
	for (int i = 0; i < n; i++) {
		int low = fds[i];
		fds[i] = fcntl(low, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
		if (fds[i] < 0)
			return init_broken(f, "receive the output's descriptors", NULL);
		close(low);
	}
	if (l->has_fds & 1)
		l->fd_out = fds[0];
	if (l->has_fds & 2)
		l->fd_err = fds[n - 1];
	return 1;
}

static void open_status(const struct init_launch *l)
{
	struct init_failure f = {0, "make the status file", l->status_file};
	int fd = open(l->status_file, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || (fd != STATUS_FD && dup3(fd, STATUS_FD, O_CLOEXEC) < 0)) {
		f.code = errno;
		fail(&f);
	}
	if (fd != STATUS_FD)
		close(fd);
	struct text t = {.len = 0};
	text_add(&t, l->is_linux ? "linux shim " : "shim ");
	text_int(&t, getpid());
	text_add(&t, " ");
	text_int(&t, (int64_t)init_start_time());
	if (!l->id) {
		write_all(STATUS_FD, &t);
		return;
	}
	/* In one go: nobody shall find a part of it. */
	char key[] = "id ", end[] = "\n";
	struct iovec v[] = {{key, 3}, {(void *)(uintptr_t)l->id, strlen(l->id)}, {end, 1}, {t.data, t.len}};
	if (writev(STATUS_FD, v, 4) != (ssize_t)(4 + v[1].iov_len + t.len)) {
		f.code = errno;
		unlink(l->status_file);
		fail(&f);
	}
}

/* Nobody finds us without it, nor it without us. */
static int start_io(struct init_launch *l, struct init_failure *f)
{
	struct init_io_id id;
	struct text t = {.len = 0};
	if (!l->io)
		return 0;
	if (io_start(l, &id, f) < 0)
		return -1;
	has_io = 1;
	text_add(&t, " io ");
	text_int(&t, id.pid);
	text_add(&t, " ");
	text_int(&t, (int64_t)id.start);
	write_all(STATUS_FD, &t);
	memmove(t.data, t.data + 1, --t.len);
	tell(&t);
	return 0;
}

/* From here on what loses its parent is ours; the I/O server is not. */
static void adopt(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/* What stays open: the status file, and what the I/O server waits for. */
static void close_rest(const struct init_launch *l)
{
	syscall(SYS_close_range, STATUS_FD + 1, LIFE_FD - 1, 0);
	syscall(SYS_close_range, l->io ? FIRST_FREE_FD : LIFE_FD, ~0U, 0);
}

static void report_start(pid_t payload)
{
	struct text t = {.len = 0};
	text_add(&t, " payload ");
	text_int(&t, payload);
	text_add(&t, "\n");
	write_all(STATUS_FD, &t);
	t.len = 0;
	text_add(&t, "ok ");
	text_int(&t, payload);
	tell(&t);
}

static void report_exit(int status)
{
	struct text t = {.len = 0};
	text_add(&t, "exit ");
	text_int(&t, status);
	size_t len = t.len;
	text_add(&t, "\n");
	write_all(STATUS_FD, &t);
	t.len = len;
	tell(&t);
}

/* Pid 1 passes it on; what reaches it from outside is only what carries a value. */
static void forward(const struct init_launch *l, pid_t first, union sigval v)
{
	if (l->namespaces & CLONE_NEWPID)
		sigqueue(first, SIGRTMIN, v);
	else
		kill(first, v.sival_int);
}

/* Until the payload has ended or the container is to be killed; -1: the latter. */
static int run(const struct init_launch *l, pid_t payload, const sigset_t *signals)
{
	for (;;) {
		siginfo_t si;
		int sig = sigwaitinfo(signals, &si);
		if (sig == SIGTERM)
			return -1;
		if (sig == SIGRTMIN && si.si_code == SI_QUEUE && si.si_value.sival_int > 0)
			forward(l, payload, si.si_value);
		int status, found = -1;
		pid_t pid;
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			if (pid == payload)
				found = status;
		if (found != -1)
			return found;
	}
}

/* From now on we sleep: the program's own pages go back to the page cache, and the
 * few that a signal needs come again from there. That is half of our memory. */
static void shrink(void)
{
	extern char __executable_start[], etext[];
	uintptr_t page = (uintptr_t)getpagesize(), from = (uintptr_t)__executable_start & ~(page - 1);
	(void)madvise((void *)from, ((uintptr_t)etext - from) & ~(page - 1), MADV_DONTNEED);
}

/* Everything that the container consists of; only then is its cgroup empty. Most
 * containers end when they are told to: the freezer is for those that do not. */
static void destroy(const struct init_launch *l, pid_t payload, int *status)
{
	if (l->group && group_kill_once(l->group) && !group_is_frozen(l->group))
		init_reap(payload, status);
	if (l->group)
		(void)group_kill(l->group, 0);
	init_kill_all(payload, status);
	if (l->group)
		group_remove(l->group);
}

static void run_posix(struct init_launch *l, const sigset_t *signals)
{
	struct init_failure f = {0, NULL, NULL};
	int got = l->has_fds ? receive_fds(l, &f) : 1;
	if (got < 0)
		fail(&f);
	if (!got || !wait_for_gate())
		_exit(0);
	open_status(l);
	pid_t payload = start_io(l, &f) < 0 ? -1 : 0;
	adopt();
	/* It starts elsewhere, and its output is in the sandbox all the same. */
	if (payload == 0 && l->work_dir && (l->fd_dir = open(l->dir, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
		payload = init_broken(&f, "open the sandbox", l->dir);
	if (payload == 0)
		payload = init_start(l, &f);
	if (payload < 0) {
		unlink(l->status_file);
		fail(&f);
	}
	close_rest(l);
	report_start(payload);
	shrink();
	int status = run(l, payload, signals);
	if (status != -1)
		report_exit(status); /* before the rest is killed: it may take long */
	int late = status;
	destroy(l, payload, &late);
	if (status == -1)
		report_exit(late);
}

/* ---- the launcher linux ------------------------------------------------------- */

static void on_term(int sig)
{
	(void)sig;
}

/* Nothing is left behind, and nobody finds a trace. */
static void give_up(const struct init_launch *l, const struct init_failure *f)
{
	int status = -1;
	destroy(l, -1, &status);
	unlink(l->status_file);
	if (f)
		fail(f);
	if (has_io)
		(void)!write(LIFE_FD, "x", 1);
	_exit(0);
}

/* Until the first process has executed or failed; -1: we are to end. */
static int wait_for_end(void)
{
	sigset_t but_term;
	struct sigaction sa = {.sa_handler = on_term};
	struct pollfd p = {.fd = END_READ, .events = POLLIN};
	sigaction(SIGTERM, &sa, NULL);
	sigfillset(&but_term);
	sigdelset(&but_term, SIGTERM);
	int n = ppoll(&p, 1, NULL, &but_term);
	close(END_READ);
	return n < 0 ? -1 : 0;
}

static int open_pipes(struct init_failure *f)
{
	int go[2], end[2];
	/* The lowest numbers that are free, in this order: GO_READ and so on. */
	syscall(SYS_close_range, GO_READ, ~0U, 0);
	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(end, O_CLOEXEC) < 0 || end[1] != END_WRITE)
		return init_broken(f, "make a pipe", NULL);
	return 0;
}

static pid_t start_linux(struct init_launch *l, struct init_shared *sh)
{
	struct init_failure f = {0, NULL, NULL};
	open_status(l);
	if (open_pipes(&f) < 0)
		give_up(l, &f);
	int got = l->has_fds ? receive_fds(l, &f) : 1;
	if (got < 1)
		give_up(l, got < 0 ? &f : NULL);
	if (start_io(l, &f) < 0)
		give_up(l, &f);
	adopt();
	if (group_make(l->group, &f) < 0)
		give_up(l, &f);
	pid_t first = create_first(l, sh, &f);
	if (first < 0)
		give_up(l, &f);
	struct text t = {.len = 0};
	text_add(&t, "created ");
	text_int(&t, first);
	tell(&t);
	if (!wait_for_gate())
		give_up(l, NULL);
	(void)!write(GO_WRITE, "g", 1);
	close(GO_WRITE);
	if (wait_for_end() < 0)
		give_up(l, NULL);
	if (sh->failure.what)
		give_up(l, &sh->failure);
	if (!sh->executing) {
		f = (struct init_failure){ECHILD, "set up the container: its first process was killed", NULL};
		give_up(l, &f);
	}
	return first;
}

static void run_linux(struct init_launch *l, const sigset_t *signals)
{
	/* Whoever is in a container that we enter must not look at what we have in
	 * memory, nor take our descriptors. It lasts until exec. */
	prctl(PR_SET_DUMPABLE, 0);
	struct init_shared *sh =
		mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct init_failure f = {ENOMEM, "share memory", NULL};
	if (sh == MAP_FAILED)
		fail(&f);
	pid_t first = start_linux(l, sh);
	report_start(first);
	shrink();
	int status = run(l, first, signals);
	int late = status;
	if (status != -1)
		report_exit(sh->has_status ? sh->status : status);
	destroy(l, first, &late);
	if (status == -1)
		report_exit(sh->has_status ? sh->status : late);
}

static int run_groups(const struct init_launch *l, const char *patience)
{
	size_t at = 0;
	const char *path;
	uint64_t ms;
	int rc = 0;
	if (text_number(&patience, 10, &ms) < 0)
		return 1;
	int64_t until = init_now_ms() + (int64_t)ms;
	while ((path = init_next(l, &at, "K", NULL)))
		if (group_kill(path, until) == 0)
			group_remove(path);
		else
			rc = 1;
	return rc;
}

int main(int argc, char **argv)
{
	static struct init_launch launch;
	/* A copy in memory is executed by a path that says nothing. */
	if (argc > 0 && !strncmp(argv[0], "/proc/", 6) && strlen(argv[0]) >= strlen("mezzo-init"))
		strcpy(argv[0], "mezzo-init");
	arrange_fds();
	map_description(&launch);
	close(0);
	open("/dev/null", O_RDWR); /* takes 0 */
	prctl(PR_SET_NAME, "mezzo-init");
	sigset_t signals, all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGRTMIN);
	/* A working directory would hold a file system busy. */
	(void)!chdir("/");
	/* The agent's may be narrower, and folders in the container are for its user, too. */
	umask(022);
	if (!launch.n_argv)
		return run_groups(&launch, argc > 2 ? argv[2] : "");
	if (launch.is_linux)
		run_linux(&launch, &signals);
	else
		run_posix(&launch, &signals);
	return 0;
}
