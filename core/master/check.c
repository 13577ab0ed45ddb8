/* check.c - verifies every sum and every cross reference that the master keeps.
 * For tests, and for the simulator's checker after each of its steps.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "master/internal.h"

static int compare(const char *what, const char *id, const resources *kept, const resources *counted,
		   struct mz_err *err)
{
	if (res_equal(kept, counted))
		return 0;
	mz_autobuf struct buf a = {0}, b = {0};
	res_format_text(kept, &a);
	res_format_text(counted, &b);
	return mz_fail(err, -EPROTO, "%s of %s is kept as %.70s, but counts %.70s", what, id, buf_str(&a), buf_str(&b));
}

static void add_allocated(resources *sum, const struct offer *o)
{
	resources *r = res_allocate(o->res, o->role);
	res_add(sum, r);
	res_free(r);
}

static int check_agent(struct agent *a, struct mz_err *err)
{
	resources *used = res_new(), *offered = res_new();
	size_t n = 0;
	int r = 0;
	list_each(&a->tasks, struct task, in_agent, t) {
		n++;
		if (!t->freed)
			res_add(used, t->res);
		if (t->agent != a || map_get(&t->framework->tasks, t->id) != t)
			r = mz_fail(err, -EPROTO, "Task '%s' is lost between agent and framework", t->id);
	}
	list_each(&a->executors, struct executor, in_agent, e)
		res_add(used, e->res);
	list_each(&a->offers, struct offer, in_agent, o)
		add_allocated(offered, o);
	if (r == 0 && n != a->n_tasks)
		r = mz_fail(err, -EPROTO, "Agent %s counts %zu tasks and has %zu", a->id, a->n_tasks, n);
	if (r == 0)
		r = compare("What is used", a->id, a->used, used, err);
	if (r == 0)
		r = compare("What is offered", a->id, a->offered, offered, err);
	resources *plain_used = res_unallocate(used), *plain_offered = res_unallocate(offered), *sum = res_new();
	res_add_filtered(sum, plain_used, RES_NON_SHARED); /* what is shared may be given to many */
	res_add_filtered(sum, plain_offered, RES_NON_SHARED);
	if (r == 0 && !res_contains(a->total, sum))
		r = mz_fail(err, -EPROTO, "Agent %s has given away more than it has", a->id);
	res_free(sum);
	res_free(plain_used);
	res_free(plain_offered);
	res_free(used);
	res_free(offered);
	return r;
}

static int check_framework(struct framework *f, struct mz_err *err)
{
	map_each(&f->tasks, e) {
		const struct task *t = e->value;
		if (!t->agent)
			return mz_fail(err, -EPROTO, "Task '%s' is live without an agent", t->id);
	}
	return 0;
}

/* Who was last seen somewhere is known, and that is where it was. */
static int check_addresses(struct master *m, struct mz_err *err)
{
	map_each(&m->addresses, e) {
		const char *id = e->value;
		const struct agent *a = agent_get(m, id);
		const struct lost_agent *l = map_get(&m->unreachable, id);
		if (!a)
			a = map_get(&m->recovered, id);
		mz_autofree char *address = a ? address_of(a->pid) : l ? xstrdup(l->address) : NULL;
		if (!str_eq(address, e->key))
			return mz_fail(err, -EPROTO, "Address %s is that of agent %s, which is at %s", e->key, id,
				       address ? address : "none");
	}
	return 0;
}

int master_check(struct master *m, struct mz_err *err)
{
	int r = 0;
	map_each(&m->agents, e)
		if (r == 0)
			r = check_agent(e->value, err);
	map_each(&m->frameworks, e)
		if (r == 0)
			r = check_framework(e->value, err);
	if (r == 0)
		r = check_addresses(m, err);
	return r;
}
