/* sim.c - the queue, the random source and the trace. See sim.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "sim/sim_impl.h"

enum { N_HISTORY = 400 };
/* 2026-01-01, any fixed moment will do. */
#define EPOCH_NS (1767225600LL * NS_PER_SEC)

struct sim {
	int64_t now;
	uint64_t seq, n_events;
	VEC(struct loop_timer *) heap;
	uint64_t rng[4];
	uint64_t hash;
	struct sim_node *current;
	char *history[N_HISTORY];
	size_t n_history;
	char *failure;
	bool verbose;
};

/* ---- random numbers: xoshiro256** seeded by splitmix64 ----------------------------- */

static uint64_t splitmix(uint64_t *x)
{
	uint64_t z = (*x += 0x9e3779b97f4a7c15ULL);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static uint64_t rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

uint64_t sim_random(struct sim *s)
{
	uint64_t *r = s->rng, result = rotl(r[1] * 5, 7) * 9, t = r[1] << 17;
	r[2] ^= r[0];
	r[3] ^= r[1];
	r[1] ^= r[2];
	r[0] ^= r[3];
	r[2] ^= t;
	r[3] = rotl(r[3], 45);
	return result;
}

uint64_t sim_below(struct sim *s, uint64_t bound)
{
	must(bound > 0);
	return (uint64_t)(((unsigned __int128)sim_random(s) * bound) >> 64);
}

int64_t sim_between(struct sim *s, int64_t low, int64_t high)
{
	must(low <= high);
	return low + (int64_t)sim_below(s, (uint64_t)(high - low) + 1);
}

bool sim_chance(struct sim *s, unsigned permille)
{
	return permille && sim_below(s, 1000) < permille;
}

int64_t sim_exp(struct sim *s, int64_t mean)
{
	double u = (double)(sim_random(s) >> 11) / 9007199254740992.0;
	double x = -log(1.0 - u);
	return (int64_t)((double)mean * MZ_MIN(x, 20.0));
}

/* ---- the queue: a heap by time, then by order of asking -------------------------------- */

static bool before(const struct loop_timer *a, const struct loop_timer *b)
{
	return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

static void place(struct sim *s, size_t i, struct loop_timer *t)
{
	s->heap.v[i] = t;
	t->index = i + 1;
}

static void sift_up(struct sim *s, size_t i)
{
	struct loop_timer *t = s->heap.v[i];
	while (i && before(t, s->heap.v[(i - 1) / 2])) {
		place(s, i, s->heap.v[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(s, i, t);
}

static void sift_down(struct sim *s, size_t i)
{
	struct loop_timer *t = s->heap.v[i];
	for (;;) {
		size_t c = 2 * i + 1;
		if (c >= s->heap.n)
			break;
		if (c + 1 < s->heap.n && before(s->heap.v[c + 1], s->heap.v[c]))
			c++;
		if (!before(s->heap.v[c], t))
			break;
		place(s, i, s->heap.v[c]);
		i = c;
	}
	place(s, i, t);
}

static void unqueue(struct sim *s, struct loop_timer *t)
{
	size_t i = t->index - 1;
	struct loop_timer *last = vec_pop(&s->heap);
	t->index = 0;
	if (last == t)
		return;
	s->heap.v[i] = last;
	last->index = i + 1;
	sift_up(s, i);
	sift_down(s, last->index - 1);
}

struct loop_timer *sim_queue(struct sim_node *n, int64_t delay_ns, loop_fn fn, void *arg)
{
	struct sim *s = n->sim;
	struct loop_timer *t = xnew(struct loop_timer);
	t->node = n;
	if (__builtin_add_overflow(s->now, MZ_MAX(delay_ns, 0), &t->at))
		t->at = INT64_MAX;
	t->seq = ++s->seq;
	t->fn = fn;
	t->arg = arg;
	list_append(&n->timers, &t->in_node);
	if (!n->dead) {
		vec_push(&s->heap, t);
		t->index = s->heap.n;
		sift_up(s, s->heap.n - 1);
	}
	return t;
}

void sim_silence(struct loop_timer *t)
{
	if (t->index)
		unqueue(t->node->sim, t);
}

void sim_unqueue(struct loop_timer *t)
{
	sim_silence(t);
	list_remove(&t->in_node);
	free(t);
}

bool sim_step(struct sim *s)
{
	if (s->failure || s->heap.n == 0)
		return false;
	struct loop_timer *t = s->heap.v[0];
	must(t->at >= s->now);
	s->now = t->at;
	s->n_events++;
	s->current = t->node;
	uint64_t what[2] = {(uint64_t)t->at, t->seq};
	s->hash = hash_bytes(what, sizeof(what), s->hash);
	loop_fn fn = t->fn;
	void *arg = t->arg;
	sim_unqueue(t);
	fn(arg);
	s->current = NULL;
	return true;
}

/* ---- life ------------------------------------------------------------------------------- */

struct sim *sim_new(uint64_t seed)
{
	struct sim *s = xnew(struct sim);
	uint64_t x = seed;
	for (int i = 0; i < 4; i++)
		s->rng[i] = splitmix(&x);
	s->now = NS_PER_SEC;
	return s;
}

void sim_free(struct sim *s)
{
	if (!s)
		return;
	log_set_sink(NULL, NULL);
	for (size_t i = 0; i < N_HISTORY; i++)
		free(s->history[i]);
	vec_done(&s->heap);
	free(s->failure);
	free(s);
}

int64_t sim_now(const struct sim *s)
{
	return s->now;
}

int64_t sim_wall(const struct sim *s)
{
	return EPOCH_NS + s->now;
}

uint64_t sim_n_events(const struct sim *s)
{
	return s->n_events;
}

void sim_enter(struct sim *s, struct sim_node *n)
{
	s->current = n;
}

/* ---- trace ------------------------------------------------------------------------------ */

void sim_hash(struct sim *s, const void *data, size_t size)
{
	s->hash = hash_bytes(data, size, s->hash);
}

uint64_t sim_hash_value(const struct sim *s)
{
	return s->hash;
}

static void trace(struct sim *s, const char *text)
{
	char *line = xasprintf("%13.6f %-12s %s", (double)s->now / 1e9, s->current ? s->current->name : "-", text);
	sim_hash(s, line, strlen(line));
	if (s->verbose)
		fprintf(stderr, "%s\n", line);
	char **slot = &s->history[s->n_history++ % N_HISTORY];
	free(*slot);
	*slot = line;
}

void sim_trace(struct sim *s, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	trace(s, text);
}

static void on_log(void *arg, int level, const char *area, const char *text)
{
	static const char letters[] = "DIWE";
	struct sim *s = arg;
	char line[1024];
	snprintf(line, sizeof(line), "%c %s] %s", letters[level & 3], area, text);
	trace(s, line);
}

void sim_take_log(struct sim *s)
{
	log_set_sink(on_log, s);
}

void sim_set_verbose(struct sim *s, bool verbose)
{
	s->verbose = verbose;
}

void sim_fail(struct sim *s, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sim_trace(s, "FAILURE: %s", text);
	if (!s->failure)
		s->failure = xasprintf("at %.6f s: %s", (double)s->now / 1e9, text);
}

const char *sim_failure(const struct sim *s)
{
	return s->failure;
}

void sim_history(const struct sim *s, struct buf *out)
{
	size_t from = s->n_history > N_HISTORY ? s->n_history - N_HISTORY : 0;
	for (size_t i = from; i < s->n_history; i++)
		buf_addf(out, "%s\n", s->history[i % N_HISTORY]);
}
