/* impl.h - what the files of core/module share. Nobody else includes it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODULE_IMPL_H
#define MZ_MODULE_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "module/module.h"

/* One callback that a kind demands. */
struct kind_member {
	const char *name;
	size_t offset;
};

/* What the loader knows of a kind; size 0: not loadable in this release. */
struct kind {
	const char *name;
	uint32_t abi_min, abi_max;
	size_t ops_size;
	const struct kind_member *required; /* ends at name NULL */
};
const struct kind *kind_of(uint32_t kind); /* NULL if there is no such number */

struct kind_service {
	const void *kind_host;
	void *user;
};

enum { N_KINDS = 17 };

struct op_table;
struct storage;

struct module_registry {
	struct loop *loop;
	pthread_t thread;
	struct module_storage *storage;
	struct map stored; /* "module/KIND/NAME/key" -> struct stored */
	struct http_router *router;
	int64_t slow_call_ns;
	struct kind_service service[N_KINDS];
	VEC(char *) path;
	VEC(const struct mz_module *) builtin;
	VEC(struct module *) modules; /* failed ones too */
	struct op_table *ops;
};

struct module {
	struct mz_host host; /* first: h == m */
	atomic_int refs;
	struct module_registry *registry; /* NULL once freed */
	struct module_desc desc;
	char *name; /* instance */
	char *area; /* "module/isolator/x" */
	uint32_t kind;
	enum module_state state;
	char *reason;
	void *ops;
	void *inst;
	void *user;
	struct mz_conf *conf;
	bool has_storage;
	uint64_t n_calls;
	int64_t total_ns, max_ns;
	size_t n_ops;
	struct list timers, watches, children, metrics, puts, routes, requests, answered;
	size_t n_answered;
	/* Offloaded work: what runs is waited for before destroy. */
	pthread_mutex_t lock;
	pthread_cond_t idle;
	int n_working;
	bool closing;
};

struct module *module_ref(struct module *m);
void module_unref(struct module *m);

/* host.c */
void host_init(struct module *m);
/* Before destroy: running work is waited for, queued work will not start. */
void host_stop_work(struct module *m);
/* After destroy: closes what is still registered. */
void host_done(struct module *m);

/* host_io.c, host_store.c, host_route.c: their members of struct mz_host, and
 * what host_done does for them. */
void host_io_init(struct module *m);
void host_io_done(struct module *m);
void host_store_init(struct module *m);
void host_store_done(struct module *m);
void host_store_registry_done(struct module_registry *r);
void host_route_init(struct module *m);
void host_route_done(struct module *m);
void host_route_attach(struct module *m); /* a router has come */
void host_metrics_each(struct module *m, void (*fn)(void *arg, const char *name, double value), void *arg);

/* op.c */
struct op_table *op_table_new(void);
void op_table_free(struct op_table *t);
void op_drop_all(struct module *m);

/* settings.c: the getters of struct mz_host, and a table's own mistakes. */
void settings_init(struct mz_host *h);
int settings_check_table(const struct module_desc *d, struct mz_err *err);

#endif
