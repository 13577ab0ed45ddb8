/* executors.c - executors that run on agents, as far as the master cares: what
 * they use, and whether a new task may share one.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/internal.h"

static char *key_of(const char *framework_id, const char *executor_id)
{
	return xasprintf("%s/%s", framework_id, executor_id);
}

struct executor *executor_find(const struct agent *a, const char *framework_id, const char *executor_id)
{
	if (!a->executor_index.n)
		return NULL;
	mz_autofree char *key = key_of(framework_id, executor_id);
	return map_get(&a->executor_index, key);
}

struct executor *executor_new(struct framework *f, struct agent *a, const pb_executor_info *info,
			      const resources *res, const char *role)
{
	struct executor *e = xnew(struct executor);
	mz_autofree char *key = key_of(f->id, info->executor_id->value);
	e->id = xstrdup(info->executor_id->value);
	e->framework = f;
	e->agent = a;
	e->role = name_share(role);
	e->res = res_copy(res);
	struct buf b = {0};
	pb_encode(&info->base, &b);
	e->packed = (struct mz_bytes){b.data, b.len};
	map_put(&a->executor_index, key, e);
	list_append(&a->executors, &e->in_agent);
	list_append(&f->executors, &e->in_framework);
	res_add(a->used, e->res);
	f->m->n_executors++;
	return e;
}

void executor_free(struct executor *e)
{
	if (!e)
		return;
	list_remove(&e->in_agent);
	list_remove(&e->in_framework);
	name_release(e->framework->m, e->role);
	res_free(e->res);
	free((void *)e->packed.data);
	free(e->id);
	free(e);
}

void executor_remove(struct executor *e, bool tell_allocator)
{
	struct framework *f = e->framework;
	struct agent *a = e->agent;
	mz_autofree char *key = key_of(f->id, e->id);
	map_del(&a->executor_index, key);
	res_subtract(a->used, e->res);
	f->m->n_executors--;
	if (tell_allocator) {
		resources *plain = res_unallocate(e->res);
		alloc_recover_resources(f->m, f->key, e->role, a->key, plain, -1, true);
		res_free(plain);
	}
	executor_free(e);
}

pb_executor_info *executor_show(const struct executor *e, struct arena *a)
{
	pb_executor_info *info = (pb_executor_info *)pb_decode(&mesos__v1__executor_info__descriptor, a,
							       e->packed.data, e->packed.size, NULL);
	must(info);
	return info;
}
