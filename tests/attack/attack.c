/* attack.c - the attacker's verdicts and its choice of attacks; see attack.h.
 *
 *	attack fork|memory|shm|fds|disk|deep|inodes|log|line|cpu	floods
 *	attack escapes AGENT-PID SECRET-PATH		ways out
 *	attack user-namespace				what one would open
 *	attack watch FILE				those who enter, until FILE is there
 *	attack tick FILE				not an attack: the neighbour
 *	attack session KEY COMMAND…			runs it in a session with a key
 *	attack tenant					has System V shared memory; says "holds"
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "attack.h"

void verdict(bool ok, const char *what, const char *how, ...)
{
	va_list ap;
	printf("%s %s", ok ? "held" : "broken", what);
	if (!ok) {
		printf(": ");
		va_start(ap, how);
		vprintf(how, ap);
		va_end(ap);
	}
	putchar('\n');
	fflush(stdout);
}

void not_tried(const char *what, const char *why, ...)
{
	va_list ap;
	printf("skip %s: ", what);
	va_start(ap, why);
	vprintf(why, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

/* The neighbour: a character for each bit of work that it gets done, as often as it is let.
 * It waits for nothing: that it has work now and then, and not all the time, is what it is. */
static int tick(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
	const struct timespec pause = {0, 5000000};
	if (fd < 0)
		return 1;
	for (;;) {
		nanosleep(&pause, NULL);
		if (write(fd, ".", 1) != 1)
			return 1;
	}
}

static int session(char **argv)
{
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 ||
	    syscall(SYS_add_key, "user", argv[0], "secret", (size_t)6, KEY_SPEC_SESSION_KEYRING) < 0)
		fprintf(stderr, "attack: no keyring: %s\n", strerror(errno));
	execv(argv[1], argv + 1);
	return 127;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	if (argc == 3 && !strcmp(argv[1], "tick"))
		return tick(argv[2]);
	if (argc > 3 && !strcmp(argv[1], "session"))
		return session(argv + 2);
	if (argc > 3 && !strcmp(argv[1], "escapes"))
		return escapes(argv + 2);
	if (argc == 3 && !strcmp(argv[1], "watch"))
		return watch(argv + 2);
	if (!strcmp(argv[1], "tenant"))
		return tenant();
	if (!strcmp(argv[1], "user-namespace"))
		return user_namespace(argv + 2);
	return flood(argv[1], argv + 2);
}
