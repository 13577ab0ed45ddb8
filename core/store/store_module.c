/* store_module.c - see store_module.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "store/store_module.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/mem.h"

/* A disk that does not answer for this long is broken: the daemon stops. */
enum { APPLY_DEADLINE_SECS = 60 };

/* The module gets the batch as the store made it. */
_Static_assert(sizeof(struct store_change) == sizeof(struct mz_store_change), "one layout");
_Static_assert(offsetof(struct store_change, value) == offsetof(struct mz_store_change, value), "one layout");

struct backend {
	struct store_backend b;
	struct module_store module;
};

struct pending {
	void (*done)(void *arg, const struct mz_err *err);
	void *arg;
};

static int backend_each(struct store_backend *b, const char *prefix,
			int (*fn)(void *arg, const char *key, struct mz_bytes value), void *arg, struct mz_err *err)
{
	struct backend *k = mz_container_of(b, struct backend, b);
	return MODULE_CALL(&k->module, each, prefix, fn, arg, err);
}

static void on_applied(void *arg, const struct mz_err *err, const void *result MZ_UNUSED)
{
	struct pending p = *(struct pending *)arg;
	free(arg);
	p.done(p.arg, err);
}

static void backend_apply(struct store_backend *b, uint64_t epoch, const struct store_change *v, size_t n,
			  void (*done)(void *arg, const struct mz_err *err), void *arg)
{
	struct backend *k = mz_container_of(b, struct backend, b);
	struct pending *p = xnew(struct pending);
	*p = (struct pending){done, arg};
	struct mz_op *op = module_op_new(k->module.m, "apply", APPLY_DEADLINE_SECS * NS_PER_SEC, 0, on_applied, p);
	MODULE_CALL(&k->module, apply, epoch, (const struct mz_store_change *)v, n, op);
}

struct store_backend *store_backend_new(struct module *m)
{
	struct backend *k = xnew(struct backend);
	k->b.each = backend_each;
	k->b.apply = backend_apply;
	module_as_store(m, &k->module);
	return &k->b;
}

void store_backend_free(struct store_backend *b)
{
	if (b)
		free(mz_container_of(b, struct backend, b));
}

struct storage_of_store {
	struct module_storage storage;
	struct store *store;
};

static int storage_each(struct module_storage *s, const char *prefix,
			int (*fn)(void *arg, const char *key, const void *data, size_t size), void *arg,
			struct mz_err *err)
{
	return store_each(mz_container_of(s, struct storage_of_store, storage)->store, prefix, fn, arg, err);
}

static void storage_put(struct module_storage *s, const char *key, const void *data, size_t size,
			void (*fn)(void *arg), void *arg)
{
	struct store *store = mz_container_of(s, struct storage_of_store, storage)->store;
	if (data)
		store_put(store, key, data, size, fn, arg);
	else
		store_delete(store, key, fn, arg);
}

static void storage_forget(struct module_storage *s, void *arg)
{
	store_forget(mz_container_of(s, struct storage_of_store, storage)->store, arg);
}

struct module_storage *store_storage_new(struct store *store)
{
	struct storage_of_store *s = xnew(struct storage_of_store);
	s->storage = (struct module_storage){storage_each, storage_put, storage_forget};
	s->store = store;
	return &s->storage;
}

void store_storage_free(struct module_storage *s)
{
	if (s)
		free(mz_container_of(s, struct storage_of_store, storage));
}
