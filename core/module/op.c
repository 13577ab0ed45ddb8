/* op.c - pending answers of modules.
 *
 * A handle is the address of a slot with the slot's generation in its low bits.
 * Slots are reused in the order in which they became free and are never given
 * back while the registry lives, so a module that completes an op twice, or after
 * its deadline, is found out instead of corrupting memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "module/impl.h"

enum { SLOT_ALIGN = 512, SLOTS_PER_SLAB = 64 };

enum slot_state { SLOT_FREE, SLOT_PENDING, SLOT_COMPLETED };
enum slot_end { END_DONE, END_TIMED_OUT, END_DROPPED };

struct slot {
	struct op_table *table;
	struct list link; /* free list */
	uint32_t gen;
	enum slot_state state;
	enum slot_end last_end;
	struct module *m, *last_m; /* last: of the generation before, for reports */
	const char *what, *last_what;
	module_op_fn fn;
	void *arg;
	struct loop_timer *timer;
	int64_t deadline_ns;
	bool failed, early; /* early: fn has been called, before the posted work */
	struct mz_err err;
	void *result;
	size_t result_size;
};
_Static_assert(sizeof(struct slot) <= SLOT_ALIGN, "a slot is aligned to its room");

struct op_table {
	struct loop *loop;
	struct list free;
	VEC(char *) slabs;
	size_t n_posted;
	bool closing;
};

struct op_table *op_table_new(void)
{
	struct op_table *t = xnew(struct op_table);
	list_init(&t->free);
	return t;
}

static struct slot *slot_at(const struct op_table *t, size_t slab, size_t i)
{
	return (struct slot *)(t->slabs.v[slab] + i * SLOT_ALIGN);
}

static void table_release(struct op_table *t)
{
	for (size_t i = 0; i < t->slabs.n; i++) {
		for (size_t j = 0; j < SLOTS_PER_SLAB; j++)
			module_unref(slot_at(t, i, j)->last_m);
		free(t->slabs.v[i]);
	}
	vec_done(&t->slabs);
	free(t);
}

void op_table_free(struct op_table *t)
{
	if (!t)
		return;
	t->closing = true;
	if (t->n_posted == 0)
		table_release(t);
}

static struct slot *slot_take(struct op_table *t)
{
	if (list_empty(&t->free)) {
		char *slab = aligned_alloc(SLOT_ALIGN, SLOT_ALIGN * SLOTS_PER_SLAB);
		must(slab);
		memset(slab, 0, SLOT_ALIGN * SLOTS_PER_SLAB);
		vec_push(&t->slabs, slab);
		for (size_t i = 0; i < SLOTS_PER_SLAB; i++) {
			struct slot *s = slot_at(t, t->slabs.n - 1, i);
			s->table = t;
			list_append(&t->free, &s->link);
		}
	}
	struct slot *s = list_first(&t->free, struct slot, link);
	list_remove(&s->link);
	return s;
}

static void slot_give(struct slot *s, enum slot_end end)
{
	loop_timer_cancel(s->table->loop, s->timer);
	s->timer = NULL;
	s->m->n_ops--;
	module_unref(s->last_m);
	s->last_m = s->m;
	s->last_what = s->what;
	s->last_end = end;
	s->m = NULL;
	s->fn = NULL;
	free(s->result);
	s->result = NULL;
	s->gen++;
	s->state = SLOT_FREE;
	list_append(&s->table->free, &s->link);
}

static struct mz_op *handle_of(const struct slot *s)
{
	return (struct mz_op *)((uintptr_t)s | (s->gen & (SLOT_ALIGN - 1)));
}

/* The slot, and in *ret_age how many generations ago the handle was made. */
static struct slot *slot_of(const struct mz_op *op, uint32_t *ret_age)
{
	uintptr_t p = (uintptr_t)op;
	struct slot *s = (struct slot *)(p & ~(uintptr_t)(SLOT_ALIGN - 1));
	*ret_age = (s->gen - (uint32_t)(p & (SLOT_ALIGN - 1))) & (SLOT_ALIGN - 1);
	return s;
}

static void on_deadline(void *arg)
{
	struct slot *s = arg;
	struct mz_err err;
	s->timer = NULL;
	mz_fail(&err, -ETIMEDOUT, "Module '%s' did not complete '%s' within %lld ms", s->m->name, s->what,
		(long long)(s->deadline_ns / NS_PER_MS));
	log_warning(s->m->area, "%s", err.msg);
	module_op_fn fn = s->fn;
	void *fn_arg = s->arg;
	slot_give(s, END_TIMED_OUT);
	if (fn)
		fn(fn_arg, &err, NULL);
}

struct mz_op *module_op_new(struct module *m, const char *what, int64_t deadline_ns, size_t result_size,
			    module_op_fn fn, void *arg)
{
	must(m->registry);
	struct op_table *t = m->registry->ops;
	t->loop = m->registry->loop;
	struct slot *s = slot_take(t);
	s->state = SLOT_PENDING;
	s->m = module_ref(m);
	s->what = what;
	s->fn = fn;
	s->arg = arg;
	s->result_size = result_size;
	s->failed = s->early = false;
	s->deadline_ns = deadline_ns;
	s->timer = deadline_ns > 0 ? loop_timer(t->loop, deadline_ns, on_deadline, s) : NULL;
	m->n_ops++;
	return handle_of(s);
}

static void deliver(void *arg)
{
	struct slot *s = arg;
	struct op_table *t = s->table;
	t->n_posted--;
	module_op_fn fn = s->fn;
	void *fn_arg = s->arg;
	struct mz_err err = s->err;
	bool failed = s->failed;
	mz_autofree void *result = MZ_MOVE(s->result);
	slot_give(s, fn || s->early ? END_DONE : END_DROPPED);
	if (t->closing) {
		if (t->n_posted == 0)
			table_release(t);
		return;
	}
	if (fn)
		fn(fn_arg, failed ? &err : NULL, failed ? NULL : result);
}

static void report_stale(const struct slot *s, uint32_t age)
{
	if (age == 0) {
		log_error(s->m->area, "Module '%s' completed '%s' twice, ignoring the second time", s->m->name, s->what);
	} else if (age == 1 && s->last_m) {
		if (s->last_end == END_TIMED_OUT)
			log_warning(s->last_m->area, "Module '%s' completed '%s' after its deadline, ignoring",
				    s->last_m->name, s->last_what);
		else if (s->last_end == END_DONE)
			log_error(s->last_m->area, "Module '%s' completed '%s' twice, ignoring the second time",
				  s->last_m->name, s->last_what);
	} else {
		log_error("module", "A module completed an op that ended long ago, ignoring");
	}
}

/* Results carry their size first, as all structs of the contract do. */
static void *copy_result(const struct slot *s, const void *result)
{
	if (!result || !s->result_size)
		return NULL;
	uint32_t theirs;
	memcpy(&theirs, result, sizeof(theirs));
	if (theirs < sizeof(theirs))
		theirs = sizeof(theirs);
	void *copy = xcalloc(1, s->result_size);
	memcpy(copy, result, MZ_MIN(s->result_size, (size_t)theirs));
	return copy;
}

void module_op_done(struct mz_op *op, const struct mz_err *err, const void *result)
{
	uint32_t age;
	if (!op) {
		log_error("module", "A module completed an op that is NULL, ignoring");
		return;
	}
	struct slot *s = slot_of(op, &age);
	if (age != 0 || s->state != SLOT_PENDING) {
		report_stale(s, age);
		return;
	}
	struct loop *l = s->table->loop;
	loop_timer_cancel(l, s->timer);
	s->timer = NULL;
	s->state = SLOT_COMPLETED;
	if (err) {
		s->failed = true;
		s->err = *err;
		s->err.msg[sizeof(s->err.msg) - 1] = '\0';
		if (s->err.code >= 0)
			s->err.code = s->err.code ? -s->err.code : -EIO;
	} else {
		s->result = copy_result(s, result);
	}
	s->table->n_posted++;
	loop_post(l, deliver, s);
}

void module_op_hurry(struct mz_op *op)
{
	uint32_t age;
	struct slot *s = slot_of(op, &age);
	if (age != 0 || s->state != SLOT_COMPLETED || !s->fn)
		return;
	/* The posted work finds nothing left to do, and gives the slot back. */
	module_op_fn fn = MZ_MOVE(s->fn);
	s->early = true;
	fn(s->arg, s->failed ? &s->err : NULL, s->failed ? NULL : s->result);
}

void module_op_forget(struct mz_op *op)
{
	uint32_t age;
	if (!op)
		return;
	struct slot *s = slot_of(op, &age);
	if (age == 0 && s->state != SLOT_FREE)
		s->fn = NULL;
}

void op_drop_all(struct module *m)
{
	struct op_table *t = m->registry->ops;
	for (size_t i = 0; i < t->slabs.n; i++)
		for (size_t j = 0; j < SLOTS_PER_SLAB; j++) {
			struct slot *s = slot_at(t, i, j);
			if (s->m != m)
				continue;
			s->fn = NULL;
			if (s->state == SLOT_PENDING)
				slot_give(s, END_DROPPED);
		}
}
