/* flood.c - what a framework that sends calls as fast as it can does to the others.
 *
 *	flood MEZZOD CONF [SECONDS [N [FLOOD…]]]
 *
 * It starts a master of its own, subscribes N schedulers (100) that only listen, and a
 * further one that floods the master for SECONDS (45) with each kind of call in turn. It
 * prints a line for each: calls answered a second; how far the time between two
 * heartbeats of a stream is off its 15 s (half of them, 99 of 100, the worst); and how
 * long GET /health takes, asked every 10 ms.
 *
 * All run on one machine, so that the flood also takes processor time from the master:
 * it runs at the lowest priority.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "real_master.h"

enum { HEARTBEAT_SECS = 15, N_CONNECTIONS = 4, CHUNK = 1 << 16, BIG_BYTES = 15 << 20 };

typedef VEC(double) samples;

static struct real_master master;

/* ---- the calls of a flood ------------------------------------------------------------ */

struct flooder {
	char framework[64], stream[64];
};

static void add_call(struct buf *to, const struct flooder *f, const char *body)
{
	buf_addf(to, "POST /api/v1/scheduler HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
		     "Mesos-Stream-Id: %s\r\nContent-Length: %zu\r\n\r\n",
		 f->stream, strlen(body));
	buf_add(to, body, strlen(body));
}

static void add_simple(struct buf *to, const struct flooder *f, const char *rest)
{
	char *body = xasprintf("{\"framework_id\":{\"value\":\"%s\"},%s}", f->framework, rest);
	add_call(to, f, body);
	free(body);
}

static void make_valid(struct buf *to, const struct flooder *f)
{
	add_simple(to, f, "\"type\":\"SUPPRESS\"");
}

static void make_invalid(struct buf *to, const struct flooder *f)
{
	add_call(to, f, "{\"type\":\"SUPPRESS\",");
	add_call(to, f, "{\"type\":\"NONE\"}");
	add_call(to, f, "{\"type\":\"SUPPRESS\",\"framework_id\":{\"value\":\"nobody\"}}");
	add_simple(to, f, "\"type\":\"KILL\"");
	add_simple(to, f, "\"type\":\"REVIVE\",\"revive\":{\"roles\":[\"/not a role/\"]}");
}

static void make_message(struct buf *to, const struct flooder *f)
{
	char *data = xcalloc(1, BIG_BYTES + 1);
	memset(data, 'A', BIG_BYTES);
	char *rest = xasprintf("\"type\":\"MESSAGE\",\"message\":{\"agent_id\":{\"value\":\"a\"},"
			       "\"executor_id\":{\"value\":\"e\"},\"data\":\"%s\"}",
			       data);
	add_simple(to, f, rest);
	free(rest);
	free(data);
}

static void make_list(struct buf *to, const struct flooder *f)
{
	mz_autobuf struct buf b = {0};
	buf_addf(&b, "\"type\":\"DECLINE\",\"decline\":{\"offer_ids\":[");
	for (unsigned n = 0; b.len < BIG_BYTES; n++)
		buf_addf(&b, "%s{\"value\":\"none-%u\"}", n ? "," : "", n);
	buf_addf(&b, "]}");
	add_simple(to, f, buf_str(&b));
}

static const struct flood {
	const char *name;
	void (*make)(struct buf *to, const struct flooder *f); /* NULL: nothing is sent */
} floods[] = {
	{"none", NULL},	      {"valid", make_valid},	      {"invalid", make_invalid},
	{"big_message", make_message}, {"big_list", make_list},
};

/* ---- the flooder, a process by itself -------------------------------------------------- */

struct connection {
	int fd;
	size_t at;	/* of what is written next */
	char tail[16];	/* the end of what was read */
	unsigned long n_answers;
};

static void find(const char *in, const char *before, char end, char *ret, size_t size)
{
	const char *at = strstr(in, before);
	size_t len = 0;
	if (at) {
		at += strlen(before);
		while (at[len] && at[len] != end)
			len++;
	}
	if (!len || len >= size)
		give_up("the flooder is not subscribed");
	snprintf(ret, size, "%.*s", (int)len, at);
}

/* Returns the stream, from which no more is looked at. */
static int subscribe_flooder(struct flooder *f)
{
	static char head[CHUNK];
	size_t n = 0;
	int fd = real_master_subscribe(&master, "flooder");
	while (!strstr(head, "HEARTBEAT") && n < sizeof(head) - 1) {
		ssize_t got = read(fd, head + n, sizeof(head) - 1 - n);
		if (got <= 0)
			give_up("the flooder's stream");
		n += (size_t)got;
	}
	find(head, "Mesos-Stream-Id: ", '\r', f->stream, sizeof(f->stream));
	find(head, "\"framework_id\":{\"value\":\"", '"', f->framework, sizeof(f->framework));
	return fd;
}

/* Counts the status lines, also those that come in two pieces. */
static void count_answers(struct connection *c, char *data, size_t n)
{
	static const char word[] = "HTTP/1.1 ";
	const size_t len = sizeof(word) - 1;
	static char text[CHUNK + 32];
	size_t kept = strlen(c->tail);
	memcpy(text, c->tail, kept);
	memcpy(text + kept, data, n);
	for (const char *p = text, *end = text + kept + n; (p = memmem(p, (size_t)(end - p), word, len)); p += len)
		c->n_answers++;
	size_t keep = MZ_MIN(kept + n, len - 1);
	memcpy(c->tail, text + kept + n - keep, keep);
	c->tail[keep] = '\0';
}

static void flood_one(struct connection *c, const struct buf *calls, short events)
{
	static char data[CHUNK];
	if (events & POLLIN) {
		ssize_t n = read(c->fd, data, sizeof(data));
		if (n == 0 || (n < 0 && errno != EAGAIN))
			give_up("the flooder was cut");
		if (n > 0)
			count_answers(c, data, (size_t)n);
	}
	if (events & POLLOUT) {
		ssize_t n = write(c->fd, calls->data + c->at, MZ_MIN(calls->len - c->at, (size_t)CHUNK));
		if (n > 0)
			c->at = (c->at + (size_t)n) % calls->len;
	}
}

/* Floods for so long, then writes the number of answers to `out`. */
static void flood(const struct flood *kind, double secs, int out)
{
	static char data[CHUNK];
	struct flooder f = {0};
	struct buf calls = {0};
	struct connection c[N_CONNECTIONS] = {0};
	struct pollfd p[N_CONNECTIONS + 1];
	unsigned long n_answers = 0;

	sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){0});
	(void)!nice(19);
	p[N_CONNECTIONS] = (struct pollfd){.fd = subscribe_flooder(&f), .events = POLLIN};
	do
		kind->make(&calls, &f);
	while (calls.len < CHUNK);
	for (size_t i = 0; i < N_CONNECTIONS; i++) {
		c[i].fd = real_master_connect(&master);
		fcntl(c[i].fd, F_SETFL, O_NONBLOCK);
		p[i] = (struct pollfd){.fd = c[i].fd, .events = POLLIN | POLLOUT};
	}
	for (double end = now_secs() + secs; now_secs() < end;) {
		poll(p, N_CONNECTIONS + 1, 100);
		for (size_t i = 0; i < N_CONNECTIONS; i++)
			flood_one(&c[i], &calls, p[i].revents);
		if (p[N_CONNECTIONS].revents && read(p[N_CONNECTIONS].fd, data, sizeof(data)) <= 0)
			give_up("the flooder's stream was cut");
	}
	for (size_t i = 0; i < N_CONNECTIONS; i++)
		n_answers += c[i].n_answers;
	if (write(out, &n_answers, sizeof(n_answers)) != sizeof(n_answers))
		give_up("pipe");
	exit(EXIT_SUCCESS);
}

/* ---- those that listen ---------------------------------------------------------------- */

struct listener {
	int fd;
	double last; /* heartbeat; 0: none yet */
};

/* A heartbeat comes by itself, in one piece. */
static void listen_one(struct listener *l, samples *jitter)
{
	char data[4096];
	ssize_t n = read(l->fd, data, sizeof(data) - 1);
	if (n <= 0)
		give_up("the stream of an idle framework has ended");
	data[n] = '\0';
	if (!strstr(data, "\"HEARTBEAT\""))
		return;
	double now = now_secs();
	if (l->last > 0)
		vec_push(jitter, fabs(now - l->last - HEARTBEAT_SECS));
	l->last = now;
}

struct probe {
	int fd;
	double sent, next; /* sent 0: none is under way */
};

static void probe_one(struct probe *h, bool readable, samples *health)
{
	static const char ask[] = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
	char data[4096];
	double now = now_secs();
	if (readable) {
		if (read(h->fd, data, sizeof(data)) <= 0)
			give_up("GET /health");
		if (h->sent > 0)
			vec_push(health, now - h->sent);
		h->sent = 0;
	}
	if (h->sent == 0 && now >= h->next) {
		h->sent = now;
		h->next = now + 0.01;
		write_all(h->fd, ask, sizeof(ask) - 1);
	}
}

static void listen_all(struct listener *v, size_t n, struct probe *h, double secs, samples *jitter, samples *health)
{
	struct pollfd *p = xcalloc(n + 1, sizeof(*p));
	for (double end = now_secs() + secs; now_secs() < end;) {
		for (size_t i = 0; i < n; i++)
			p[i] = (struct pollfd){.fd = v[i].fd, .events = POLLIN};
		p[n] = (struct pollfd){.fd = h->fd, .events = POLLIN};
		if (poll(p, n + 1, 5) < 0)
			give_up("poll");
		for (size_t i = 0; i < n; i++)
			if (p[i].revents)
				listen_one(&v[i], jitter);
		probe_one(h, p[n].revents != 0, health);
	}
	free(p);
}

/* ---- figures --------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void print_ms(const char *flood, const char *what, samples *s)
{
	if (!s->n)
		give_up("nothing was measured: a longer time is needed");
	qsort(s->v, s->n, sizeof(s->v[0]), by_size);
	printf("%s_%s_p50_ms %.1f\n%s_%s_p99_ms %.1f\n%s_%s_max_ms %.1f\n", flood, what, 1e3 * s->v[s->n / 2], flood, what,
	       1e3 * s->v[s->n * 99 / 100], flood, what, 1e3 * s->v[s->n - 1]);
}

static void run(const struct flood *kind, struct listener *v, size_t n, double secs)
{
	samples jitter = {0}, health = {0};
	struct probe h = {.fd = real_master_connect(&master)};
	unsigned long n_answers = 0;
	int fds[2], status = 0;
	if (pipe(fds) < 0)
		give_up("pipe");
	fflush(stdout);
	pid_t child = kind->make ? fork() : 0;
	if (child < 0)
		give_up("fork");
	if (kind->make && child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		flood(kind, secs, fds[1]);
	}
	listen_all(v, n, &h, secs, &jitter, &health);
	if (child) {
		while (waitpid(child, &status, WNOHANG) == 0)
			listen_all(v, n, &h, 0.05, &jitter, &health);
		if (status || read(fds[0], &n_answers, sizeof(n_answers)) < 0)
			give_up("the flood");
	}
	printf("%s_calls_per_s %.0f\n", kind->name, (double)n_answers / secs);
	print_ms(kind->name, "heartbeat", &jitter);
	print_ms(kind->name, "health", &health);
	close(h.fd);
	close(fds[0]);
	close(fds[1]);
	vec_done(&jitter);
	vec_done(&health);
}

static bool wanted(const char *name, int argc, char **argv)
{
	for (int i = 5; i < argc; i++)
		if (str_eq(argv[i], name))
			return true;
	return argc <= 5;
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: %s MEZZOD CONF [SECONDS [N [FLOOD…]]]\n", argv[0]);
		return 2;
	}
	double secs = argc > 3 ? atof(argv[3]) : 45;
	size_t n = argc > 4 ? (size_t)atol(argv[4]) : 100;
	if (n < 1 || secs < 2 * HEARTBEAT_SECS) {
		errno = EINVAL;
		give_up("at least 1 framework and 30 seconds");
	}
	real_master_start(&master, argv[1], argv[2]);
	struct listener *v = xcalloc(n, sizeof(*v));
	struct probe h = {.fd = real_master_connect(&master)};
	samples unused = {0};
	/* Their heartbeats are spread over the interval. */
	for (size_t i = 0; i < n; i++) {
		char *name = xasprintf("idle-%zu", i);
		v[i].fd = real_master_subscribe(&master, name);
		free(name);
		listen_all(v, i + 1, &h, (double)HEARTBEAT_SECS / (double)n, &unused, &unused);
	}
	vec_done(&unused);
	printf("frameworks %zu\nseconds %.0f\n", n, secs);
	for (size_t i = 0; i < MZ_N(floods); i++)
		if (wanted(floods[i].name, argc, argv))
			run(&floods[i], v, n, secs);
	real_master_stop(&master);
	free(v);
	return 0;
}
