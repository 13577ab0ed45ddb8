/* containers.c - the benchmark of containers: launches and destroys standalone
 * containers on an agent, one by one and many at once; measures how well limits are
 * kept. bench/run-containers starts the agent and says what the figures mean.
 *
 *	containers idle AGENT N			launch and destroy, one after the other
 *	containers many AGENT N CONNECTIONS	N at once
 *	containers shares AGENT GROUP CPUS...	see shares()
 *	containers oom AGENT N			memory that is too much
 *	containers direct ...			the containerizer without an agent
 *	containers spin N, eat FILE		what runs in the containers of the last two
 *
 * Each figure is a line "NAME VALUE".
 * SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "containers.h"
#include "loop/loop_event.h"
#include "wire/http_event.h"

enum { MAX_CONNECTIONS = 256 };

/* ---- calls ------------------------------------------------------------------------- */

/* Call number i, and what came of it; body may name nothing: then there is no call. */
struct phase {
	void (*body)(struct phase *p, size_t i, struct buf *ret);
	void (*answer)(struct phase *p, size_t i, const struct http_response *r);
	int status; /* that each must have */
	size_t n, next, n_done;
	int64_t *began, *took; /* or NULL */
	const char *prefix, *extra;
};

struct bench {
	struct loop *loop;
	struct http_client *clients[MAX_CONNECTIONS];
	size_t n_clients;
};

struct call {
	struct bench *b;
	struct phase *p;
	struct http_client *client;
	size_t i;
	int64_t began;
};

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
static void die(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fprintf(stderr, "containers: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	exit(1);
}

static void call_next(struct bench *b, struct phase *p, struct http_client *client);

static void on_answer(void *arg, const struct http_response *r)
{
	struct call c = *(struct call *)arg;
	free(arg);
	if (r->status != c.p->status)
		die("call %zu: status %d, %s%.*s", c.i, r->status, r->error ? r->error : "", (int)r->body_size,
		    (const char *)r->body);
	if (c.p->took)
		c.p->took[c.i] = now_ns() - c.began;
	if (c.p->answer)
		c.p->answer(c.p, c.i, r);
	if (++c.p->n_done == c.p->n)
		loop_event_stop(c.b->loop);
	else
		call_next(c.b, c.p, c.client);
}

static void call_next(struct bench *b, struct phase *p, struct http_client *client)
{
	static const struct http_header json[] = {{"Content-Type", "application/json"}, {"Accept", "application/json"}};
	struct buf mz_autobuf body = {0};
	if (p->next == p->n)
		return;
	struct call *c = xnew(struct call);
	*c = (struct call){.b = b, .p = p, .client = client, .i = p->next++};
	p->body(p, c->i, &body);
	c->began = now_ns();
	http_client_call(client, "POST", "/api/v1", json, MZ_N(json), body.data, body.len, 0, on_answer, c);
}

/* All calls of it, one at a time on each connection; how long it took. */
static int64_t run(struct bench *b, struct phase *p)
{
	int64_t from = now_ns();
	p->next = p->n_done = 0;
	for (size_t i = 0; i < b->n_clients && i < p->n; i++)
		call_next(b, p, b->clients[i]);
	loop_event_run(b->loop);
	return now_ns() - from;
}

static void bench_open(struct bench *b, const char *agent, size_t n)
{
	struct mz_err err;
	const char *colon = strrchr(agent, ':');
	if (!colon || n < 1 || n > MAX_CONNECTIONS)
		die("the agent is IP:PORT, and there are 1 to %d connections", MAX_CONNECTIONS);
	mz_autofree char *ip = xstrndup(agent, (size_t)(colon - agent));
	if (loop_event_new(1, &b->loop, &err) < 0)
		die("%s", err.msg);
	for (b->n_clients = 0; b->n_clients < n; b->n_clients++)
		b->clients[b->n_clients] = http_client_new(b->loop, ip, atoi(colon + 1));
}

static void bench_close(struct bench *b)
{
	while (b->n_clients)
		http_client_free(b->clients[--b->n_clients]);
	loop_event_turn(b->loop, 0);
	loop_event_free(b->loop);
}

/* ---- bodies ------------------------------------------------------------------------- */

static void launch_body(struct phase *p, size_t i, struct buf *ret)
{
	buf_addf(ret,
		 "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{\"value\":\"%s%zu\"},"
		 "\"command\":{\"shell\":false,\"value\":\"/bin/sleep\",\"arguments\":[\"sleep\",\"1000\"]},"
		 "\"resources\":[{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":0.1}},"
		 "{\"name\":\"mem\",\"type\":\"SCALAR\",\"scalar\":{\"value\":32}}]}}",
		 p->prefix, i);
}

static void named(const char *type, const char *member, const struct phase *p, size_t i, struct buf *ret)
{
	buf_addf(ret, "{\"type\":\"%s\",\"%s\":{\"container_id\":{\"value\":\"%s%zu\"}}}", type, member, p->prefix, i);
}

static void kill_body(struct phase *p, size_t i, struct buf *ret)
{
	named("KILL_CONTAINER", "kill_container", p, i, ret);
}

static void wait_body(struct phase *p, size_t i, struct buf *ret)
{
	named("WAIT_CONTAINER", "wait_container", p, i, ret);
}

static void remove_body(struct phase *p, size_t i, struct buf *ret)
{
	named("REMOVE_CONTAINER", "remove_container", p, i, ret);
}

static int64_t all(struct bench *b, void (*body)(struct phase *p, size_t i, struct buf *ret), const char *prefix,
		   size_t n, int64_t *took)
{
	struct phase p = {.body = body, .status = 200, .n = n, .took = took, .prefix = prefix};
	return run(b, &p);
}

/* ---- one by one, many at once ---------------------------------------------------- */

static void idle(struct bench *b, size_t n)
{
	int64_t *launch = xcalloc(n, sizeof(*launch)), *destroy = xcalloc(n, sizeof(*destroy));
	size_t n_idle = 0;
	for (size_t i = 0; i < n; i++) {
		mz_autofree char *prefix = xasprintf("idle-%d-%zu-", getpid(), i);
		n_idle += (size_t)bench_wait_idle(b->loop, 1000);
		(void)all(b, launch_body, prefix, 1, &launch[i]);
		(void)bench_wait_idle(b->loop, 100); /* it runs, and sleeps */
		destroy[i] = all(b, kill_body, prefix, 1, NULL) + all(b, wait_body, prefix, 1, NULL);
		(void)all(b, remove_body, prefix, 1, NULL);
	}
	printf("idle_percent %zu\n", n_idle * 100 / n);
	bench_spread("idle_launch", launch, n);
	bench_spread("idle_destroy", destroy, n);
	free(launch);
	free(destroy);
}

static void many(struct bench *b, size_t n)
{
	mz_autofree char *prefix = xasprintf("many-%d-", getpid());
	bench_rate("launch", n, all(b, launch_body, prefix, n, NULL));
	/* Until the last one's end is known to the agent: nothing of it is left then. */
	int64_t ns = all(b, kill_body, prefix, n, NULL);
	bench_rate("destroy", n, ns + all(b, wait_body, prefix, n, NULL));
	(void)all(b, remove_body, prefix, n, NULL);
}

/* ---- shares ---------------------------------------------------------------------- */

enum { MAX_SHARES = 16, SHARES_SECS = 10, WARM_UP_US = 100000 };

struct shares {
	struct phase p;
	const char *self;
	double cpus[MAX_SHARES], limit[MAX_SHARES];
	long n_cores;
};

static void spin_body(struct phase *p, size_t i, struct buf *ret)
{
	const struct shares *s = mz_container_of(p, struct shares, p);
	buf_addf(ret,
		 "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{\"value\":\"%s%zu\"},"
		 "\"command\":{\"shell\":false,\"value\":\"%s\",\"arguments\":[\"containers\",\"spin\",\"%ld\"]},"
		 "\"resources\":[{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":%g}},"
		 "{\"name\":\"mem\",\"type\":\"SCALAR\",\"scalar\":{\"value\":64}}]",
		 p->prefix, i, s->self, s->n_cores, s->cpus[i]);
	if (s->limit[i] > 0)
		buf_addf(ret, ",\"limits\":{\"cpus\":{\"value\":%g}}", s->limit[i]);
	buf_adds(ret, "}}");
}

/* Microseconds that the group has used so far: v1's file has nanoseconds. */
static double used_us(const char *group, const char *prefix, size_t i)
{
	static const char *const files[] = {"cpuacct.usage", "cpu.stat"};
	char text[256] = "";
	for (size_t k = 0; k < 2; k++) {
		mz_autofree char *path = xasprintf("%s/%s%zu/%s", group, prefix, i, files[k]);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
		if (fd >= 0)
			close(fd);
		if (n > 0 && k == 0)
			return strtod(text, NULL) / 1e3;
		if (n > 0)
			return strtod(text + strcspn(text, " "), NULL);
	}
	die("there is no '%s/%s%zu' that tells of processor time", group, prefix, i);
}

/* GROUP is the directory of the containers' cgroups that account for processor time.
 * "CPUS" competes with the others; "CPUS:LIMIT" has a quota. All spin on all cores. */
static void shares(struct bench *b, const char *self, const char *group, char **words, size_t n)
{
	mz_autofree char *prefix = xasprintf("shares-%d-", getpid());
	struct shares s = {.self = self, .n_cores = sysconf(_SC_NPROCESSORS_ONLN)};
	double before[MAX_SHARES], sum_cpus = 0, sum_used = 0, worst = 0;
	if (n < 1 || n > MAX_SHARES)
		die("1 to %d containers", MAX_SHARES);
	for (size_t i = 0; i < n; i++) {
		char *end;
		s.cpus[i] = strtod(words[i], &end);
		s.limit[i] = *end == ':' ? strtod(end + 1, NULL) : 0;
	}
	s.p = (struct phase){.body = spin_body, .status = 200, .n = n, .prefix = prefix};
	(void)run(b, &s.p);
	/* Until each has had its turn. */
	for (size_t i = 0; i < n; i++)
		while (used_us(group, prefix, i) < WARM_UP_US)
			bench_pause(b->loop, 10000000);
	int64_t from = now_ns();
	for (size_t i = 0; i < n; i++)
		before[i] = used_us(group, prefix, i);
	bench_pause(b->loop, SHARES_SECS * NS_PER_SEC);
	double secs = (double)(now_ns() - from) / 1e9;
	for (size_t i = 0; i < n; i++) {
		before[i] = (used_us(group, prefix, i) - before[i]) / 1e6;
		sum_cpus += s.cpus[i];
		sum_used += before[i];
	}
	for (size_t i = 0; i < n; i++) {
		double want = s.limit[i] > 0 ? s.limit[i] * secs : sum_used * s.cpus[i] / sum_cpus;
		double off = (before[i] / want - 1) * 100;
		printf("%s_%g_used_s %.3f\n%s_%g_error_percent %.2f\n", s.limit[i] > 0 ? "quota" : "share",
		       s.limit[i] > 0 ? s.limit[i] : s.cpus[i], before[i], s.limit[i] > 0 ? "quota" : "share",
		       s.limit[i] > 0 ? s.limit[i] : s.cpus[i], off);
		worst = off > worst ? off : -off > worst ? -off : worst;
	}
	printf("worst_error_percent %.2f\n", worst);
	(void)all(b, kill_body, prefix, n, NULL);
	(void)all(b, wait_body, prefix, n, NULL);
	(void)all(b, remove_body, prefix, n, NULL);
}

__attribute__((noreturn)) static void spin(int n)
{
	while (--n > 0 && fork() > 0)
		;
	for (volatile unsigned i = 0;; i++)
		;
}

/* ---- memory ---------------------------------------------------------------------- */

/* Writes down when it touched its last page, until it is killed. The file is in memory:
 * a page on its way to a disk would have the kernel wait for that first. */
static int eat(const char *file)
{
	enum { PAGE = 4096 };
	int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0 || ftruncate(fd, PAGE) < 0)
		return 1;
	volatile int64_t *stamp = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (stamp == MAP_FAILED)
		return 1;
	for (;;) {
		char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return 1;
		for (int i = 0; i < 1 << 20; i += PAGE) {
			*stamp = now_ns();
			p[i] = 1;
		}
	}
}

struct oom {
	struct phase p;
	const char *self;
	char stamp[64];
	int64_t took;
};

static void eat_body(struct phase *p, size_t i, struct buf *ret)
{
	const struct oom *o = mz_container_of(p, struct oom, p);
	buf_addf(ret,
		 "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{\"value\":\"%s%zu\"},"
		 "\"command\":{\"shell\":false,\"value\":\"%s\",\"arguments\":[\"containers\",\"eat\",\"%s\"]},"
		 "\"resources\":[{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1}},"
		 "{\"name\":\"mem\",\"type\":\"SCALAR\",\"scalar\":{\"value\":32}}]}}",
		 p->prefix, i, o->self, o->stamp);
}

static void on_eaten(struct phase *p, size_t i, const struct http_response *r)
{
	struct oom *o = mz_container_of(p, struct oom, p);
	int64_t now = now_ns(), stamp = 0;
	mz_autofree char *text = xstrndup(r->body, r->body_size);
	int fd = open(o->stamp, O_RDONLY | O_CLOEXEC);
	(void)i;
	if (fd < 0 || read(fd, &stamp, sizeof(stamp)) != (ssize_t)sizeof(stamp))
		die("cannot read '%s'", o->stamp);
	close(fd);
	(void)unlink(o->stamp);
	if (!strstr(text, "REASON_CONTAINER_LIMITATION_MEMORY"))
		die("the end does not tell of the limit: %s", text);
	o->took = now - stamp;
}

static void oom(struct bench *b, const char *self, size_t n)
{
	int64_t *took = xcalloc(n, sizeof(*took));
	for (size_t i = 0; i < n; i++) {
		mz_autofree char *prefix = xasprintf("oom-%d-%zu-", getpid(), i);
		struct oom o = {.self = self};
		snprintf(o.stamp, sizeof(o.stamp), "/dev/shm/mezzo-bench-%d-%zu", getpid(), i);
		o.p = (struct phase){.body = eat_body, .status = 200, .n = 1, .prefix = prefix};
		(void)run(b, &o.p);
		o.p.body = wait_body;
		o.p.answer = on_eaten;
		(void)run(b, &o.p);
		took[i] = o.took;
		(void)all(b, remove_body, prefix, 1, NULL);
	}
	bench_spread("oom_to_status", took, n);
	free(took);
}

static size_t count(const char *s)
{
	long n = atol(s);
	if (n < 1 || n > 100000)
		die("'%s' is not a number that will do", s);
	return (size_t)n;
}

int main(int argc, char **argv)
{
	struct bench b = {0};
	char self[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[len < 0 ? 0 : len] = '\0';
	const char *what = argc > 1 ? argv[1] : "";
	if (!strcmp(what, "spin") && argc == 3)
		spin(atoi(argv[2]));
	if (!strcmp(what, "eat") && argc == 3)
		return eat(argv[2]);
	if (!strcmp(what, "direct"))
		return direct_main(argc - 2, argv + 2);
	if (argc < 4)
		die("idle AGENT N | many AGENT N CONNECTIONS | shares AGENT GROUP CPUS[:LIMIT]... | oom AGENT N | "
		    "direct BUILD WORK-DIR CGROUPS-ROOT N ISOLATOR...");
	bench_open(&b, argv[2], !strcmp(what, "many") && argc == 5 ? count(argv[4]) : 1);
	if (!strcmp(what, "idle"))
		idle(&b, count(argv[3]));
	else if (!strcmp(what, "many"))
		many(&b, count(argv[3]));
	else if (!strcmp(what, "shares") && argc > 4)
		shares(&b, self, argv[3], argv + 4, (size_t)argc - 4);
	else if (!strcmp(what, "oom"))
		oom(&b, self, count(argv[3]));
	else
		die("what is '%s'?", what);
	bench_close(&b);
	return 0;
}
