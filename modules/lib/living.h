/* living.h - processes that outlive the agent that started them. A pid alone may be another's
 * by now; with the time of its start, in ticks since the machine was (field 22 of /proc/PID/stat), it
 * names one process for ever.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODULES_LIB_LIVING_H
#define MZ_MODULES_LIB_LIVING_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

/* Nothing is said about who lives by what we are out of. */
static inline int living_is_shortage(int code)
{
	return code == -EMFILE || code == -ENFILE || code == -ENOMEM;
}

/* *ret 0: there is no such process. An error is a shortage. */
static inline int living_start_time(int32_t pid, uint64_t *ret)
{
	char path[48], text[1024];
	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC), code = -errno;
	*ret = 0;
	if (fd < 0)
		return living_is_shortage(code) ? code : 0;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	text[n < 0 ? 0 : n] = '\0';
	const char *p = strrchr(text, ')'); /* its name may contain anything */
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	*ret = p ? strtoull(p + 1, NULL, 10) : 0;
	return 0;
}

/* A descriptor of the process with this pid and start time (0: any); -ESRCH: there is none;
 * else a shortage: nobody can tell. */
static inline int living_open(int32_t pid, uint64_t start)
{
	uint64_t now;
	/* The pidfd is opened first: what the start time then says is true of it. */
	int fd = pidfd_open(pid, 0);
	if (fd < 0)
		return living_is_shortage(-errno) ? -errno : -ESRCH;
	int rc = living_start_time(pid, &now);
	if (rc == 0 && (!now || (start && now != start)))
		rc = -ESRCH;
	if (rc == 0)
		return fd;
	(void)close(fd);
	return rc;
}

#endif
