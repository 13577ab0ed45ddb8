/* neighbour.c - what a well-behaved task and a client of the agent feel while others
 * misbehave. For bench/neighbours.sh.
 *
 *	neighbour work SECONDS FILE	each 4 ms: how late it wakes, how long its work takes
 *	neighbour ask IP PORT SECONDS	each 4 ms: how long GET /health takes
 *
 * Prints "WHAT N P50 P99 MAX", microseconds.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SAMPLES = 1 << 16, PERIOD_NS = 4000000 };

struct samples {
	int64_t v[MAX_SAMPLES];
	size_t n;
};

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void sleep_until(int64_t ns)
{
	struct timespec t = {ns / 1000000000, ns % 1000000000};
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0)
		;
}

static void add(struct samples *s, int64_t ns)
{
	if (s->n < MAX_SAMPLES)
		s->v[s->n++] = ns;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

static void print(const char *what, struct samples *s)
{
	if (!s->n)
		exit(1);
	qsort(s->v, s->n, sizeof(s->v[0]), by_value);
	printf("%s %zu %lld %lld %lld\n", what, s->n, (long long)s->v[s->n / 2] / 1000, (long long)s->v[s->n * 99 / 100] / 1000,
	       (long long)s->v[s->n - 1] / 1000);
}

/* About a third of a millisecond of computing, memory and a file. */
static void do_work(int fd)
{
	static unsigned char block[1 << 18];
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (unsigned char)(block[i] * 31 + i);
	if (pwrite(fd, block, 4096, 0) != 4096 || pread(fd, block, 4096, 0) != 4096)
		exit(1);
}

static int work(int seconds, const char *path)
{
	static struct samples late, busy;
	int fd = open(path, O_RDWR | O_CREAT, 0644);
	if (fd < 0)
		return 1;
	int64_t next = now_ns(), end = next + (int64_t)seconds * 1000000000;
	while (next < end) {
		next += PERIOD_NS;
		sleep_until(next);
		int64_t awake = now_ns();
		add(&late, awake - next);
		do_work(fd);
		int64_t done = now_ns();
		add(&busy, done - awake);
		if (done > next)
			next = done; /* what was missed is missed */
	}
	print("wake", &late);
	print("work", &busy);
	return 0;
}

static int ask(const char *ip, int port, int seconds)
{
	static struct samples took;
	static const char request[] = "GET /health HTTP/1.1\r\nHost: agent\r\n\r\n";
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	char answer[4096];
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (inet_pton(AF_INET, ip, &a.sin_addr) != 1 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return 1;
	int64_t next = now_ns(), end = next + (int64_t)seconds * 1000000000;
	while (next < end) {
		next += PERIOD_NS;
		sleep_until(next);
		int64_t begin = now_ns();
		/* The answer is small: it comes in one piece. */
		if (write(fd, request, sizeof(request) - 1) < 0 || read(fd, answer, sizeof(answer)) <= 0)
			return 1;
		int64_t done = now_ns();
		add(&took, done - begin);
		if (done > next)
			next = done;
	}
	print("health", &took);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "work"))
		return work(atoi(argv[2]), argv[3]);
	if (argc == 5 && !strcmp(argv[1], "ask"))
		return ask(argv[2], atoi(argv[3]), atoi(argv[4]));
	fprintf(stderr, "usage: neighbour work SECONDS FILE | neighbour ask IP PORT SECONDS\n");
	return 2;
}
