/* drf_filter.c - refusal filters: who does not want which resources of an agent.
 *
 * A filter blocks an offer only if everything in the offer was refused: more, or
 * other, resources pass. It lapses with time, and at least one batch round sees
 * it. Most pairs of client and agent have none, which one bit of the agent tells;
 * the others are found by hash.
 * SPDX-License-Identifier: Apache-2.0 */
#include "drf.h"

#include <stdlib.h>
#include <string.h>

/* Filters of one client on one agent. Each one takes an offer that passed the
 * others, so more of them are rare. */
enum { MAX_FILTERS_OF_PAIR = 16 };

struct filter {
	struct filter *next; /* in the bucket */
	struct filter *client_next, **client_prev;
	struct filter *agent_next, **agent_prev;
	struct client *client;
	struct agent *agent;
	struct mz_resources *refused;
	int64_t until_ns;
	uint64_t batch; /* number of the last batch round before it */
};

static size_t bucket_of(const struct drf *d, const struct client *c, const struct agent *a)
{
	uint64_t h = ((uint64_t)c->slot << 40) ^ a->key;
	h *= 0x9e3779b97f4a7c15u;
	return (size_t)(h >> 24) & (d->n_buckets - 1);
}

static void grow(struct drf *d)
{
	struct filter **old = d->buckets;
	size_t n_old = d->n_buckets;
	d->n_buckets = n_old ? n_old * 2 : 256;
	d->buckets = drf_calloc(d->n_buckets, sizeof(*d->buckets));
	for (size_t i = 0; i < n_old; i++)
		for (struct filter *f = old[i], *next; f; f = next) {
			next = f->next;
			struct filter **at = &d->buckets[bucket_of(d, f->client, f->agent)];
			f->next = *at;
			*at = f;
		}
	free(old);
}

static void set_bit(struct agent *a, uint32_t slot)
{
	size_t word = slot / 64;
	if (word >= a->n_words) {
		a->refused_by = drf_realloc(a->refused_by, word + 1, sizeof(a->refused_by[0]));
		memset(a->refused_by + a->n_words, 0, (word + 1 - a->n_words) * sizeof(a->refused_by[0]));
		a->blocked = drf_realloc(a->blocked, word + 1, sizeof(a->blocked[0]));
		memset(a->blocked + a->n_words, 0, (word + 1 - a->n_words) * sizeof(a->blocked[0]));
		a->n_words = word + 1;
	}
	a->refused_by[word] |= (uint64_t)1 << slot % 64;
}

/* `at` points to it in its bucket. */
static void filter_remove(struct drf *d, struct filter **at)
{
	struct filter *f = *at;
	struct client *c = f->client;
	struct agent *a = f->agent;
	*at = f->next;
	*f->client_prev = f->client_next;
	if (f->client_next)
		f->client_next->client_prev = f->client_prev;
	*f->agent_prev = f->agent_next;
	if (f->agent_next)
		f->agent_next->agent_prev = f->agent_prev;
	set_put(d, f->refused);
	free(f);
	d->n_filters--;
	a->blocked[c->slot / 64] &= ~((uint64_t)1 << c->slot % 64);
	for (f = d->buckets[bucket_of(d, c, a)]; f; f = f->next)
		if (f->client == c && f->agent == a)
			return;
	a->refused_by[c->slot / 64] &= ~((uint64_t)1 << c->slot % 64);
}

static void filter_find_and_remove(struct drf *d, struct filter *f)
{
	struct filter **at = &d->buckets[bucket_of(d, f->client, f->agent)];
	while (*at != f)
		at = &(*at)->next;
	filter_remove(d, at);
}

/* A timer that fires late must not let a short filter lapse before the batch
 * round for which it was meant. */
static bool has_lapsed(const struct drf *d, const struct filter *f, int64_t now_ns)
{
	return now_ns > f->until_ns && !(d->in_batch && d->n_batches == f->batch + 1);
}

/* Makes room for a new filter: drops those of the pair that have lapsed or that
 * the new one covers, and the one that would lapse first if there are too many. */
static void thin_out(struct drf *d, struct client *c, struct agent *a, const struct mz_resources *refused,
		     int64_t until_ns, int64_t now_ns)
{
	size_t n = 0;
	struct filter *first_to_lapse = NULL;
	for (struct filter **at = &d->buckets[bucket_of(d, c, a)]; *at;) {
		struct filter *f = *at;
		if (f->client == c && f->agent == a) {
			if (has_lapsed(d, f, now_ns) ||
			    (f->until_ns <= until_ns && d->res->contains(refused, f->refused))) {
				filter_remove(d, at);
				continue;
			}
			n++;
			if (!first_to_lapse || f->until_ns < first_to_lapse->until_ns)
				first_to_lapse = f;
		}
		at = &f->next;
	}
	if (n >= MAX_FILTERS_OF_PAIR)
		filter_find_and_remove(d, first_to_lapse);
}

void filter_add(struct drf *d, struct client *c, struct agent *a, const struct mz_resources *refused,
		int64_t life_ns)
{
	int64_t now_ns = d->host->now(d->host);
	int64_t until_ns = life_ns < INT64_MAX - now_ns ? now_ns + life_ns : INT64_MAX;
	if (d->n_filters >= d->n_buckets)
		grow(d);
	thin_out(d, c, a, refused, until_ns, now_ns);
	struct filter *f = drf_calloc(1, sizeof(*f));
	f->client = c;
	f->agent = a;
	f->refused = set_get(d);
	d->res->add(f->refused, refused);
	f->until_ns = until_ns;
	f->batch = d->n_batches;
	struct filter **at = &d->buckets[bucket_of(d, c, a)];
	f->next = *at;
	*at = f;
	f->client_next = c->filters;
	f->client_prev = &c->filters;
	if (c->filters)
		c->filters->client_prev = &f->client_next;
	c->filters = f;
	f->agent_next = a->filters;
	f->agent_prev = &a->filters;
	if (a->filters)
		a->filters->agent_prev = &f->agent_next;
	a->filters = f;
	set_bit(a, c->slot);
	d->n_filters++;
}

/* f refuses all that is unused: the next rounds need not look at it. */
static void remember_blocked(const struct client *c, struct agent *a, const struct filter *f, int64_t now_ns)
{
	if (a->blocked_version != a->version || now_ns > a->blocked_until_ns) {
		memset(a->blocked, 0, a->n_words * sizeof(a->blocked[0]));
		a->blocked_version = a->version;
		a->blocked_until_ns = INT64_MAX;
	}
	/* One that is past its time blocks this round only. */
	if (now_ns > f->until_ns)
		return;
	a->blocked[c->slot / 64] |= (uint64_t)1 << c->slot % 64;
	if (f->until_ns < a->blocked_until_ns)
		a->blocked_until_ns = f->until_ns;
}

bool filter_blocks_slow(struct drf *d, struct client *c, struct agent *a, const struct mz_resources *offer,
			int64_t now_ns)
{
	for (struct filter **at = &d->buckets[bucket_of(d, c, a)]; *at;) {
		struct filter *f = *at;
		if (f->client == c && f->agent == a) {
			if (has_lapsed(d, f, now_ns)) {
				filter_remove(d, at);
				continue;
			}
			if (d->res->contains(f->refused, offer)) {
				if (offer == a->unused)
					remember_blocked(c, a, f, now_ns);
				return true;
			}
		}
		at = &f->next;
	}
	return false;
}

void filters_forget_client(struct drf *d, struct client *c)
{
	while (c->filters)
		filter_find_and_remove(d, c->filters);
}

void filters_forget_agent(struct drf *d, struct agent *a)
{
	while (a->filters)
		filter_find_and_remove(d, a->filters);
}
