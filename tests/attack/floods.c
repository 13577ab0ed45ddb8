/* floods.c - attacks by mere quantity; see attack.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attack.h"

static char block[1 << 20];

static _Noreturn void wait_for_ever(void)
{
	for (;;)
		pause();
}

/* Everybody forks until nobody can, and then keeps trying. */
static _Noreturn void forks(void)
{
	bool said = false;
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		pid_t pid = fork();
		if (pid < 0 && errno == EAGAIN && !said) {
			verdict(true, "forks", " ");
			said = true;
		}
		if (pid == 0)
			said = true; /* one voice is enough */
	}
}

static _Noreturn void memory(void)
{
	for (;;) {
		char *p = mmap(NULL, sizeof(block), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p != MAP_FAILED)
			memset(p, 1, sizeof(block));
	}
}

/* Memory that belongs to no process: it stays when its writer is killed. */
static _Noreturn void shared_memory(void)
{
	for (int i = 0;; i++) {
		char name[64];
		snprintf(name, sizeof(name), "/dev/shm/flood-%d-%d", getpid(), i);
		int fd = i % 2 ? memfd_create("flood", 0) : open(name, O_WRONLY | O_CREAT, 0600);
		for (int n = 0; fd >= 0 && n < 16; n++)
			if (write(fd, block, sizeof(block)) < 0)
				break;
		if (fd >= 0 && i % 2 == 0)
			close(fd);
	}
}

static void send_fd(int sock, int fd)
{
	char byte = 0;
	union {
		char data[CMSG_SPACE(sizeof(fd))];
		struct cmsghdr align;
	} u = {{0}};
	struct iovec v = {&byte, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = u.data, .msg_controllen = sizeof(u.data)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	(void)sendmsg(sock, &m, MSG_DONTWAIT);
}

/* As many as it gets, and more that are under way in sockets. */
static int descriptors(void)
{
	struct rlimit r = {0, 0};
	int n = 0, pair[2];
	getrlimit(RLIMIT_NOFILE, &r);
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) < 0)
		return 1;
	for (int fd; (fd = open("/dev/null", O_RDONLY)) >= 0; n++)
		send_fd(pair[0], fd);
	verdict(errno == EMFILE && n <= 256, "fds", "%d descriptors, then %s", n, strerror(errno));
	r.rlim_max++;
	verdict(setrlimit(RLIMIT_NOFILE, &r) < 0, "fds: the limit cannot be raised", " ");
	wait_for_ever();
}

static void fill_here(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT, 0600);
	/* Enough to be far beyond any limit of the test, and not for ever. */
	for (int i = 0; fd >= 0 && i < 512; i++)
		if (write(fd, block, sizeof(block)) < 0)
			return;
}

/* Where a walk that recurses, or gives up, does not come. */
static int deep(int levels)
{
	for (int i = 0; i < levels; i++)
		if (mkdir("d", 0700) < 0 || chdir("d") < 0)
			return 1;
	fill_here("treasure");
	wait_for_ever();
}

static int files(void)
{
	for (int i = 0; i < 1000000; i++) {
		char name[32];
		snprintf(name, sizeof(name), "f%d", i);
		int fd = open(name, O_WRONLY | O_CREAT, 0600);
		if (fd >= 0)
			close(fd);
	}
	wait_for_ever();
}

static int output(int megabytes, bool lines)
{
	memset(block, 'x', sizeof(block));
	for (size_t i = 99; lines && i < sizeof(block); i += 100)
		block[i] = '\n';
	for (int i = 0; i < megabytes; i++)
		for (size_t done = 0; done < sizeof(block);) {
			ssize_t n = write(1, block + done, sizeof(block) - done);
			if (n <= 0)
				return 1;
			done += (size_t)n;
		}
	return 0;
}

static _Noreturn void spin(void)
{
	for (int i = 0; i < 8; i++)
		if (fork() == 0)
			break;
	for (volatile unsigned long n = 0;; n++)
		;
}

int flood(const char *kind, char **argv)
{
	if (!strcmp(kind, "fork"))
		forks();
	if (!strcmp(kind, "memory"))
		memory();
	if (!strcmp(kind, "shm"))
		shared_memory();
	if (!strcmp(kind, "fds"))
		return descriptors();
	if (!strcmp(kind, "disk")) {
		fill_here("filler");
		wait_for_ever();
	}
	if (!strcmp(kind, "deep"))
		return deep(argv[0] ? atoi(argv[0]) : 300);
	if (!strcmp(kind, "inodes"))
		return files();
	if (!strcmp(kind, "log"))
		return output(argv[0] ? atoi(argv[0]) : 64, true);
	if (!strcmp(kind, "line"))
		return output(argv[0] ? atoi(argv[0]) : 64, false);
	if (!strcmp(kind, "cpu"))
		spin();
	fprintf(stderr, "attack: no attack '%s'\n", kind);
	return 2;
}
