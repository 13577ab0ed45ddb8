/* host_store.c - each instance's own durable keys. All of them are read once, when
 * the daemon gives the registry its storage, and answered from memory; changes
 * go to the storage.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "module/impl.h"

enum { KEY_MAX_BYTES = 200, VALUE_MAX_BYTES = 1 << 20 };

struct stored {
	size_t size;
	char data[];
};

/* One put whose callback has not run. */
struct put {
	struct list link;
	struct module *m; /* NULL: the instance has gone */
	void (*fn)(void *arg, const struct mz_err *err);
	void *arg;
	bool failed;
	struct mz_err err;
};

static void keep(struct module_registry *r, const char *key, const void *data, size_t size)
{
	struct stored *s = xmalloc(sizeof(*s) + size + 1);
	s->size = size;
	if (size)
		memcpy(s->data, data, size);
	s->data[size] = '\0';
	free(map_put(&r->stored, key, s));
}

static int on_record(void *arg, const char *key, const void *data, size_t size)
{
	keep(arg, key, data, size);
	return 0;
}

int module_registry_set_storage(struct module_registry *r, struct module_storage *s, struct mz_err *err)
{
	int rc = s->each(s, "module/", on_record, r, err);
	if (rc == 0)
		r->storage = s;
	return rc;
}

void host_store_registry_done(struct module_registry *r)
{
	map_each(&r->stored, e)
		free(e->value);
	map_done(&r->stored);
}

static int host_storage_get(const struct mz_host *h, const char *key, struct mz_bytes *ret)
{
	struct module *m = module_of_host(h);
	mz_autofree char *full = xasprintf("%s/%s", m->area, key);
	struct stored *s = map_get(&m->registry->stored, full);
	if (!s)
		return -ENOENT;
	*ret = (struct mz_bytes){s->data, s->size};
	return 0;
}

static void put_finish(struct put *p)
{
	struct module *m = p->m;
	list_remove(&p->link);
	if (m && p->fn) {
		struct module_call c = module_enter(m, "a storage callback");
		p->fn(p->arg, p->failed ? &p->err : NULL);
		module_leave(&c);
	}
	free(p);
}

static void on_put_done(void *arg)
{
	put_finish(arg);
}

static void host_storage_put(const struct mz_host *h, const char *key, struct mz_bytes value,
			     void (*fn)(void *arg, const struct mz_err *err), void *arg)
{
	struct module *m = module_of_host(h);
	struct put *p = xnew(struct put);
	p->m = m;
	p->fn = fn;
	p->arg = arg;
	list_append(&m->puts, &p->link);
	size_t len = strlen(key);
	if (!m->has_storage)
		mz_fail(&p->err, -ENOTSUP, "There is no storage for module '%s' in this process", m->name);
	else if (len == 0 || len > KEY_MAX_BYTES)
		mz_fail(&p->err, -EINVAL, "A key of module '%s' has %zu bytes, want 1 to %d", m->name, len, KEY_MAX_BYTES);
	else if (value.size > VALUE_MAX_BYTES)
		mz_fail(&p->err, -EMSGSIZE, "Key '%s' of module '%s' has a value of %zu bytes, at most %d are allowed", key,
			m->name, value.size, VALUE_MAX_BYTES);
	p->failed = p->err.code != 0;
	if (p->failed) {
		loop_post(m->registry->loop, on_put_done, p);
		return;
	}
	mz_autofree char *full = xasprintf("%s/%s", m->area, key);
	if (value.data)
		keep(m->registry, full, value.data, value.size);
	else
		free(map_del(&m->registry->stored, full));
	m->registry->storage->put(m->registry->storage, full, value.data, value.size, on_put_done, p);
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int host_storage_each(const struct mz_host *h, int (*fn)(void *arg, const char *key, struct mz_bytes value),
			     void *arg)
{
	struct module *m = module_of_host(h);
	mz_autofree char *prefix = xasprintf("%s/", m->area);
	size_t skip = strlen(prefix);
	VEC(char *) keys = {0};
	map_each(&m->registry->stored, e)
		if (str_starts(e->key, prefix))
			vec_push(&keys, xstrdup(e->key));
	if (keys.n)
		qsort(keys.v, keys.n, sizeof(keys.v[0]), compare_keys);
	int rc = 0;
	for (size_t i = 0; i < keys.n; i++) {
		/* fn may delete. */
		struct stored *s = map_get(&m->registry->stored, keys.v[i]);
		if (rc == 0 && s)
			rc = fn(arg, keys.v[i] + skip, (struct mz_bytes){s->data, s->size});
		free(keys.v[i]);
	}
	vec_done(&keys);
	return rc;
}

void host_store_init(struct module *m)
{
	list_init(&m->puts);
	m->has_storage = m->registry->storage != NULL;
	m->host.storage_get = host_storage_get;
	m->host.storage_put = host_storage_put;
	m->host.storage_each = host_storage_each;
}

void host_store_done(struct module *m)
{
	list_each(&m->puts, struct put, link, p) {
		if (p->failed) { /* posted: its turn comes */
			list_remove(&p->link);
			p->m = NULL;
			continue;
		}
		m->registry->storage->forget(m->registry->storage, p);
		list_remove(&p->link);
		free(p);
	}
}
