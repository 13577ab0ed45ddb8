/* preload.c - a library that a hostile task names in its environment: whoever loads it
 * leaves a file that says which program it is and as whom it runs.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void __attribute__((constructor)) loaded(void)
{
	char name[64] = "", path[300];
	const char *dir = getenv("ATTACK_DIR");
	int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, name, sizeof(name) - 1) < 0)
		name[0] = '\0';
	close(fd);
	name[strcspn(name, "\n/")] = '\0';
	snprintf(path, sizeof(path), "%.200s/loaded-%s-%d-%d", dir ? dir : "/tmp", name, (int)geteuid(), (int)getpid());
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd >= 0)
		close(fd);
}
