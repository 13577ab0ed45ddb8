/* real_master.c - see real_master.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "real_master.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

static pid_t started;

void give_up(const char *why)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, why, strerror(errno));
	if (started > 0)
		kill(started, SIGKILL);
	exit(EXIT_FAILURE);
}

double now_secs(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Its port, which it says in its log, while it lives. */
static int read_port(FILE *log, pid_t pid)
{
	static const char says[] = " listens on http://127.0.0.1:";
	char line[1024] = "nothing\n";
	bool ended = false;

	for (double end = now_secs() + 30; now_secs() < end && !ended; poll(NULL, 0, 20)) {
		ended = waitpid(pid, NULL, WNOHANG) != 0;
		rewind(log);
		while (fgets(line, sizeof(line), log)) {
			const char *at = strstr(line, says);
			if (at && strchr(line, '\n'))
				return atoi(at + strlen(says));
		}
	}
	fprintf(stderr, "%s: the master does not start; its last word: %s", program_invocation_short_name, line);
	if (!ended)
		kill(pid, SIGKILL);
	exit(EXIT_FAILURE);
}

void real_master_start(struct real_master *m, const char *mezzod, const char *conf)
{
	m->dir = xasprintf("%s/mezzo-bench.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(m->dir))
		give_up("mkdtemp");
	char *path = xasprintf("%s/log", m->dir);
	FILE *log = fopen(path, "a+e");
	free(path);
	if (!log || (m->pid = fork()) < 0)
		give_up("cannot start the master");
	if (m->pid == 0) {
		dup2(fileno(log), 2);
		execl(mezzod, mezzod, "master", "-c", conf, "--work-dir", m->dir, "--listen", "127.0.0.1:0", "--set",
		      "max_connections=100000", "--set", "link_port=0", (char *)NULL);
		_exit(127);
	}
	started = m->pid;
	m->port = read_port(log, m->pid);
	fclose(log);
}

void real_master_stop(struct real_master *m)
{
	kill(m->pid, SIGKILL);
	waitpid(m->pid, NULL, 0);
	started = 0;
	char *clean = xasprintf("rm -rf '%s'", m->dir);
	if (system(clean) != 0)
		give_up(clean);
	free(clean);
	free(m->dir);
}

int real_master_connect(const struct real_master *m)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)m->port)};

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		give_up("connect");
	return fd;
}

void write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);
		if (n <= 0)
			give_up("write");
		data += n;
		size -= (size_t)n;
	}
}

int real_master_subscribe(const struct real_master *m, const char *name)
{
	int fd = real_master_connect(m);
	char *body = xasprintf("{\"type\":\"SUBSCRIBE\",\"subscribe\":{\"framework_info\":{\"user\":\"nobody\","
			       "\"name\":\"%s\",\"roles\":[\"idle\"],\"capabilities\":[{\"type\":\"MULTI_ROLE\"}]}}}",
			       name);
	char *request = xasprintf("POST /api/v1/scheduler HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
				  "Content-Length: %zu\r\n\r\n%s", strlen(body), body);

	write_all(fd, request, strlen(request));
	free(body);
	free(request);
	return fd;
}
