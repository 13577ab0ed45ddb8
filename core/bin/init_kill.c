/* init_kill.c - mezzo-init: ends everything that descends from it.
 *
 * Only direct children are signalled: nobody but us can reap those, so a pid can
 * never have become somebody else's. The children of a killed process become ours
 * (we are their subreaper) and are met in the next pass.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bin/init.h"

/* SIGKILL to each number in the file of children; -1 if it cannot be read. */
static int kill_children(void)
{
	int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	char buf[4096];
	ssize_t n;
	pid_t pid = 0;
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (buf[i] >= '0' && buf[i] <= '9') {
				pid = pid * 10 + (buf[i] - '0');
			} else if (pid) {
				kill(pid, SIGKILL);
				pid = 0;
			}
		}
	}
	if (pid)
		kill(pid, SIGKILL);
	close(fd);
	return 0;
}

void init_reap(pid_t payload, int *status)
{
	/* It does not fork any more; who else does is another's matter. Where a thousand
	 * containers end at once it may take seconds, and looking for it would take
	 * longer. */
	const struct timespec patience = {30, 0};
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	for (int i = 0; i < 100; i++) {
		int got;
		pid_t pid = waitpid(-1, &got, __WALL | WNOHANG);
		if (pid > 0 && pid == payload && *status == -1)
			*status = got;
		if (pid == payload || pid < 0)
			return;
		if (pid == 0 && (payload <= 0 || sigtimedwait(&child, NULL, &patience) < 0))
			return;
	}
}

void init_kill_all(pid_t payload, int *status)
{
	for (;;) {
		if (kill_children() < 0) {
			/* A kernel without that file: what is left of the payload's
			 * session is all that can be found. */
			if (*status == -1 && payload > 0)
				kill(payload, SIGKILL);
			if (payload > 0)
				kill(-payload, SIGKILL);
		}
		int got;
		/* One wait that sleeps for each pass: those that were just killed
		 * end, then all that have ended are taken. */
		pid_t pid = waitpid(-1, &got, __WALL);
		while (pid > 0) {
			if (pid == payload && *status == -1)
				*status = got;
			pid = waitpid(-1, &got, __WALL | WNOHANG);
		}
		if (pid < 0 && errno == ECHILD)
			return;
	}
}
