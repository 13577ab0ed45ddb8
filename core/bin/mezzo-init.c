/* mezzo-init.c - the container's shim: starts one payload as it was told, outlives
 * the agent, reaps what is orphaned in the container, writes down how the payload
 * ended, and takes everything with it that is left. init.h is its manual; the
 * containerizer/mesos module is its only user. It decides nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bin/init.h"

enum { CONTROL = 3, STATUS_FD = 4 };

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

static void fail(const struct init_failure *f)
{
	struct text t = {.len = 0};
	text_add(&t, "failed ");
	text_int(&t, f->code);
	text_add(&t, " Cannot ");
	text_add(&t, f->what);
	if (f->name) {
		text_add(&t, " '");
		text_add(&t, f->name);
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
static void add_start_time(struct text *t)
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
	(void)text_number(&s, 10, &start); /* 0: nobody can tell; the agent checks the pid alone */
	text_int(t, (int64_t)start);
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

static void wait_for_gate(void)
{
	char byte;
	ssize_t n;
	do
		n = read(CONTROL, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(0); /* called off */
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
	text_add(&t, "shim ");
	text_int(&t, getpid());
	text_add(&t, " ");
	add_start_time(&t);
	write_all(STATUS_FD, &t);
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

/* Until the payload has ended or the container is to be killed; -1: the latter. */
static int run(pid_t payload, const sigset_t *signals)
{
	for (;;) {
		siginfo_t si;
		int sig = sigwaitinfo(signals, &si);
		if (sig == SIGTERM)
			return -1;
		if (sig == SIGRTMIN && si.si_code == SI_QUEUE && si.si_value.sival_int > 0)
			kill(payload, si.si_value.sival_int);
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

int main(void)
{
	static struct init_launch launch;
	arrange_fds();
	map_description(&launch);
	close(0);
	open("/dev/null", O_RDWR); /* takes 0 */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigset_t signals, all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGRTMIN);
	/* A working directory would hold a file system busy. */
	(void)!chdir("/");
	wait_for_gate();
	open_status(&launch);
	struct init_failure f = {0, NULL, NULL};
	pid_t payload = init_start(&launch, &f);
	if (payload < 0) {
		unlink(launch.status_file);
		fail(&f);
	}
	report_start(payload);
	shrink();
	int status = run(payload, &signals);
	if (status != -1)
		report_exit(status); /* before the rest is killed: it may take long */
	int late = status;
	init_kill_all(payload, &late);
	if (status == -1)
		report_exit(late);
	return 0;
}
