/* containers_impl.h - between the files of containers_real. Nobody else includes it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODULE_CONTAINERS_IMPL_H
#define MZ_MODULE_CONTAINERS_IMPL_H

#include <pthread.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "module/containers_real.h"
#include "module/reflect.h"

#define AREA "containers"

enum box_state {
	BOX_SANDBOX,   /* its directory is made and filled */
	BOX_LAUNCHING, /* containerizer `owner` was asked */
	BOX_RUNNING,
	BOX_RECOVERING,
	BOX_ENDED,
};

typedef void (*launch_fn)(void *arg, const struct mz_err *err, int32_t pid);

/* One container as modules see it. */
struct box {
	struct containers_real *real;
	struct arena arena; /* all that `c` points to */
	struct mz_container c;
	struct mz_resources *res;
	VEC(struct mz_resources *) old_res; /* that a module may still look at */
	struct mz_resources *next_res; /* of the last update that waits */
	struct container_limits next_limits;
	struct list updates; /* those that wait, see containers_update.c */
	bool updating;
	enum box_state state;
	size_t owner; /* index of its containerizer */
	int n_refs;   /* the table's, and one for each answer that modules owe */
	bool terminated, limited; /* limited: an isolator has told a limitation */
	launch_fn fn;
	void *arg;
	/* Its end, until it is told. */
	bool exited, posted;
	size_t n_denied; /* recovery: containerizers that say that it has ended */
	struct mz_termination t;
	struct mz_limitation limitation;
	char *t_message, *l_message;
	struct mz_usage *status; /* what modules told of it, or NULL */
	struct mz_bytes packed_status;
	struct mz_resources *exceeded; /* of which there was too much, as the isolator told; or NULL */
};

struct containers_real {
	struct containers base;
	struct loop *loop;
	struct module_registry *registry;
	char *work_dir, *runtime_dir, *libexec_dir;
	VEC(char *) executor_paths;
	char *cgroups_hierarchy, *cgroups_root;
	bool is_root, switch_user, closing;
	int64_t deadline_ns;
	struct map boxes; /* id -> struct box */
	VEC(struct module_containerizer) containerizers;
	VEC(struct module_isolator) isolators;
	struct module_logger logger; /* m NULL: none */
	struct mz_isolator_host isolator_host;
	struct mz_secret_host secret_host;
	struct mz_containerizer_host containerizer_host;
	struct mz_logger_host logger_host;
	struct {
		void (*fn)(void *inst, const char *id, const struct mz_limitation *l);
		void *inst;
	} on_limitation[8]; /* by containerizer, in order of loading */
	size_t n_on_limitation;
	int n_pending; /* posts, worker jobs and fetches that will come back */
	struct module_secret secret; /* m is NULL: none */
	struct list secrets; /* struct question: those that are not answered in time */
	struct list fetches; /* struct fetch */
	pthread_mutex_t places; /* workers make and remove directories above sandboxes */
	struct list asked; /* struct real_asked: answers of modules that have not come */
	char *frameworks_home; /* NULL: relative URIs are refused */
	int64_t fetch_max_bytes, fetch_max_entries, fetch_stall_ns, fetch_timeout_ns;
};

static inline struct containers_real *real_of(struct containers *c)
{
	return mz_container_of(c, struct containers_real, base);
}

/* Embedded first in what waits for a module, in containers_real.asked: where all is closed
 * before the answer, drop frees it. */
struct real_asked {
	struct list node;
	void (*drop)(struct real_asked *a);
};
static inline void real_ask(struct containers_real *r, struct real_asked *a, void (*drop)(struct real_asked *a))
{
	a->drop = drop;
	list_append(&r->asked, &a->node);
}

/* A module that is past its deadline may still use what it was given: that stays until
 * all is closed. */
static inline bool real_is_late(const struct mz_err *err)
{
	return err && err->code == -ETIMEDOUT;
}

/* ---- containers_real.c ------------------------------------------------------ */
struct box *box_new(struct containers_real *r, const struct container_config *cfg); /* in the table */
struct box *box_find(struct containers_real *r, const char *id);
void box_unref(struct box *b);
void box_exceeded(struct box *b, const struct mz_resources *r); /* the first ones count */
void box_post_exit(struct box *b); /* its end is known: it is told, from the loop */
int real_terminate(struct containers *c, const char *id, struct mz_err *err);
void real_exited(struct containers_real *r, size_t owner, const char *id, const struct mz_termination *t);
void real_pending_end(struct containers_real *r); /* may free it */

/* ---- containers_recover.c ----------------------------------------------------- */
void real_recover(struct containers *c, const struct container_config *const *v, size_t n,
		  void (*fn)(void *arg, const struct mz_err *err), void *arg);

/* ---- containers_update.c ---------------------------------------------------- */
void real_update(struct containers *c, const char *id, const struct mz_resources *res,
		 const struct container_limits *limits, void (*fn)(void *arg, const struct mz_err *err), void *arg);
/* Asks for what waits, unless it has to wait on. */
void box_update_next(struct box *b);
void box_updates_drop(struct box *b); /* it has ended: they are told */
void box_updates_free(struct box *b); /* all is closed: nobody is told */

/* ---- containers_status.c ---------------------------------------------------- */
/* Of a recovered one: modules are asked what they add to its status, and its containerizer
 * for its pid. */
void box_ask_status(struct box *b);
struct mz_bytes real_status(struct containers *c, const char *id);
void real_limited(struct containers *c, const char *id, void (*fn)(void *arg, bool limited), void *arg);

/* ---- containers_host.c ------------------------------------------------------ */
/* A containerizer's call that goes on to another module, whose answer is its answer. */
struct bridge {
	struct real_asked asked;
	struct containers_real *r;
	struct box *box;  /* held until the module has answered; may be NULL */
	struct mz_op *op; /* the containerizer's */
	bool late;
	/* Arguments of the module's that live as long. */
	char *id;
	struct mz_launch *launch;
	const struct mz_container **v;
};
struct bridge *bridge_new(struct containers_real *r, struct box *box, struct mz_op *op);
/* For the module's op. */
void bridge_answer(void *arg, const struct mz_err *err, const void *result);
void containers_host_init(struct containers_real *r);

/* ---- containers_logger.c ---------------------------------------------------- */
/* After containers_host_init, whose table it completes. */
void containers_logger_init(struct containers_real *r);

/* ---- containers_secret.c ----------------------------------------------------- */
void containers_secret(const struct mz_host *h, const struct mz_info *m, const char *path,
		       void (*fn)(void *arg, const struct mz_err *err, struct mz_bytes secret), void *arg);
void containers_secrets_done(struct containers_real *r);

/* ---- containers_sandbox.c ----------------------------------------------------- */
/* Makes and fills a sandbox on a worker thread; fn once, on the loop, unless
 * `r` is closed meanwhile. The messages are copied. */
void sandbox_make(struct containers_real *r, const struct container_config *cfg,
		  void (*fn)(void *arg, const struct mz_err *err), void *arg);
/* One that is being filled need not be: sandbox_make's fn follows, with an error. */
void sandbox_cancel(struct containers_real *r, const char *directory);
void sandbox_remove(struct containers_real *r, const char *directory,
		    void (*fn)(void *arg, const struct mz_err *err), void *arg);

#endif
