/* module.h - the host's side of <mezzo/module.h>: finding, checking, loading and
 * calling modules.
 *
 * A daemon makes one registry, tells it what it offers (loop, storage, routes,
 * services of each kind), loads what its YAML names, and calls modules through
 * MODULE_CALL, which times and counts. dlopen is named in this folder only.
 * Loop thread only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODULE_HOST_H
#define MZ_MODULE_HOST_H

/* The host reads every ABI that it accepts through today's headers. */
#ifndef MZ_MODULE_ABI
#define MZ_MODULE_ABI 1
#endif
#include <mezzo/allocator.h>
#include <mezzo/authenticator.h>
#include <mezzo/authorizer.h>
#include <mezzo/containerizer.h>
#include <mezzo/elector.h>
#include <mezzo/executor.h>
#include <mezzo/isolator.h>
#include <mezzo/logger.h>
#include <mezzo/module.h>
#include <mezzo/secret.h>
#include <mezzo/store.h>
#include <stdbool.h>

#include "base/buf.h"
#include "conf/conf.h"
#include "loop/loop.h"

struct module_registry;
struct module;
struct http_router;

/* ---- inspecting a file ---------------------------------------------------- */

/* What a file is, copied into today's struct: members that the module does not
 * have are 0. Strings live as long as the process. */
struct module_desc {
	char *file;
	struct mz_module mod;
	size_t ops_size; /* as the module says */
};

/* "isolator"; NULL if there is no such kind. */
const char *module_kind_name(uint32_t kind);
uint32_t module_kind_parse(const char *name); /* 0 if there is no such kind */

/* Opens and checks a file without running any callback. kind 0 and name NULL:
 * any. Each refusal has its own message, which begins with the file. */
int module_inspect(const char *file, uint32_t kind, const char *name, struct module_desc *ret,
		   struct mz_err *err);
/* The same checks for a descriptor that is linked in (tests, the simulator). */
int module_inspect_data(const char *file, const struct mz_module *mod, uint32_t kind, const char *name,
			struct module_desc *ret, struct mz_err *err);
void module_desc_done(struct module_desc *d);
/* Row i of the settings table, in today's struct; false behind the last. */
bool module_setting(const struct module_desc *d, size_t i, struct mz_setting *ret);
const char *module_setting_type_name(uint32_t type); /* "duration" */
/* What `mezzo module describe` prints. */
void module_describe(const struct module_desc *d, struct buf *out);

/* ---- settings ------------------------------------------------------------- */

/* Checks a YAML map (NULL: all defaults; `where` is then named in errors)
 * against the table. `what` is "isolator/posix_cpu". */
int module_conf_new(const struct module_desc *d, const char *what, const struct conf_node *map,
		    const struct conf_node *where, struct mz_conf **ret, struct mz_err *err);
void module_conf_free(struct mz_conf *c);

/* ---- the registry --------------------------------------------------------- */

/* Durable storage behind host->storage_*; core/store implements it. */
struct module_storage {
	int (*each)(struct module_storage *s, const char *prefix,
		    int (*fn)(void *arg, const char *key, const void *data, size_t size), void *arg,
		    struct mz_err *err);
	/* data NULL deletes; fn runs when it is durable. */
	void (*put)(struct module_storage *s, const char *key, const void *data, size_t size,
		    void (*fn)(void *arg), void *arg);
	void (*forget)(struct module_storage *s, void *arg); /* drops callbacks with this arg */
};

struct module_registry *module_registry_new(struct loop *l);
/* Destroys what is still loaded, last loaded first. NULL: no-op. */
void module_registry_free(struct module_registry *r);

/* Directories that hold KIND/NAME.so, searched in the order of adding. */
void module_registry_add_path(struct module_registry *r, const char *dir);
/* MZ_MODULE_PATH (colon-separated) and then the installed moduledir. */
void module_registry_add_default_paths(struct module_registry *r);
/* host->kind of every module of that kind that is loaded later, and what
 * module_user() returns for them. Both stay the caller's. */
void module_registry_set_kind(struct module_registry *r, uint32_t kind, const void *kind_host, void *user);
/* Reads what modules have stored under `module/`, at once. Modules loaded before
 * (the store itself) have none: -ENOTSUP. The storage must outlive the registry. */
int module_registry_set_storage(struct module_registry *r, struct module_storage *s, struct mz_err *err);
/* Routes of modules, also of those loaded before: /modules/KIND/NAME/…. */
void module_registry_set_router(struct module_registry *r, struct http_router *router);
/* Calls over this are logged; 0: none is (virtual time). Default: 10 ms. */
void module_registry_set_slow_call(struct module_registry *r, int64_t ns);
/* Tests: descriptors that are linked in, found before any file of that name. */
void module_registry_add_builtin(struct module_registry *r, const struct mz_module *mod);

/* What a configuration names: `posix_cpu`, or a map with `name` or `file` (an
 * absolute path), optionally `as` (the instance's name, where one module is used
 * twice) and `settings`. */
int module_load(struct module_registry *r, uint32_t kind, const struct conf_node *ref, struct module **ret,
		struct mz_err *err);
/* Where a module is that somebody else will load: a name or an absolute path, inspected
 * but not loaded. *ret_file is the caller's. */
int module_find(struct module_registry *r, uint32_t kind, const char *name, char **ret_file, struct mz_err *err);

/* The same for a name (or absolute path) that a program knows; settings may be NULL. */
int module_load_name(struct module_registry *r, uint32_t kind, const char *name_or_file,
		     const struct conf_node *settings, struct module **ret, struct mz_err *err);
/* Every `requires` of every loaded module is loaded. Once, after all loads. */
int module_registry_check_requires(struct module_registry *r, struct mz_err *err);
/* destroy(), then closes what the instance left registered; pending ops are
 * dropped without a call. The .so stays mapped. NULL: no-op. */
void module_free(struct module *m);

enum module_state { MODULE_ACTIVE, MODULE_FAILED, MODULE_OFF };
const char *module_state_name(enum module_state s); /* "active" */

struct module_info {
	uint32_t kind, abi;
	const char *instance; /* "isolator/posix_cpu" */
	const char *name, *version, *author, *summary, *file;
	enum module_state state;
	const char *reason; /* of a failure; "" otherwise */
	uint64_t n_calls;
	int64_t total_ns, max_ns;
	size_t n_ops; /* that wait for completion */
};
/* All that were tried, in order of loading. */
void module_registry_each(struct module_registry *r, void (*fn)(void *arg, const struct module_info *i), void *arg);
/* Counters and gauges of all instances: "module/isolator/posix_cpu/calls" … */
void module_registry_metrics(struct module_registry *r, void (*fn)(void *arg, const char *name, double value),
			     void *arg);

/* ---- one instance --------------------------------------------------------- */

const char *module_name(const struct module *m); /* "isolator/posix_cpu" */
const char *module_file(const struct module *m);
uint32_t module_kind(const struct module *m);
const void *module_ops(const struct module *m); /* the kind's struct, full size */
void *module_inst(const struct module *m);
const struct mz_host *module_host(const struct module *m);
/* From inside the functions of a kind's host struct. */
struct module *module_of_host(const struct mz_host *h);
void *module_user(const struct module *m);
/* For kinds whose services have it: see struct mz_logger_host. */
int module_spawn_detached(const struct mz_host *h, const struct mz_spawn *s, int32_t *ret_pid, struct mz_err *err);
/* Replaces what module_registry_set_kind gave, for this instance alone. */
void module_host_set_kind(struct module *m, const void *kind_host, void *user);

/* Timing. Used through MODULE_CALL; `what` is a literal. */
struct module_call {
	struct module *m;
	const char *what;
	int64_t start_ns;
};
struct module_call module_enter(struct module *m, const char *what);
void module_leave(struct module_call *c);

/* A loaded module with its typed ops:
 *	struct module_allocator a;
 *	module_as_allocator(m, &a);
 *	MODULE_CALL(&a, add_framework, &f, 1, NULL, 0); */
#define MODULE_TYPED(kind_, KIND_)                                                            \
	struct module_##kind_ {                                                               \
		struct module *m;                                                             \
		const struct mz_##kind_##_ops *ops;                                           \
		void *inst;                                                                   \
	};                                                                                    \
	static inline void module_as_##kind_(struct module *m, struct module_##kind_ *ret)    \
	{                                                                                     \
		module_must_be(m, MZ_KIND_##KIND_);                                           \
		ret->m = m;                                                                   \
		ret->ops = (const struct mz_##kind_##_ops *)module_ops(m);                    \
		ret->inst = module_inst(m);                                                   \
	}
void module_must_be(const struct module *m, uint32_t kind);

MODULE_TYPED(allocator, ALLOCATOR)
MODULE_TYPED(isolator, ISOLATOR)
MODULE_TYPED(containerizer, CONTAINERIZER)
MODULE_TYPED(executor, EXECUTOR)
MODULE_TYPED(authorizer, AUTHORIZER)
MODULE_TYPED(authenticator, AUTHENTICATOR)
MODULE_TYPED(elector, ELECTOR)
MODULE_TYPED(store, STORE)
MODULE_TYPED(logger, LOGGER)
MODULE_TYPED(secret, SECRET)

#define MODULE_HAS(h, member) ((h)->ops->member != NULL)
/* Calls a callback that is known to be there (required, or tested by MODULE_HAS). */
#define MODULE_CALL(h, member, ...)                                                          \
	({                                                                                    \
		MZ_CLEANUP(module_leave) MZ_UNUSED                                            \
		struct module_call call_ = module_enter((h)->m, #member);                     \
		(h)->ops->member((h)->inst, ##__VA_ARGS__);                                   \
	})
/* An optional callback that returns nothing: skipped if it is not there. */
#define MODULE_TELL(h, member, ...)                              \
	do {                                                      \
		if (MODULE_HAS(h, member))                        \
			MODULE_CALL(h, member, ##__VA_ARGS__);    \
	} while (0)

/* ---- pending answers ------------------------------------------------------ */

/* err NULL: success. `result` is what the module gave, in today's struct (zeroed
 * behind the module's size), or NULL; it lives until fn returns. */
typedef void (*module_op_fn)(void *arg, const struct mz_err *err, const void *result);

/* An op to hand to a callback of `m`. fn runs once, from the loop, never from inside
 * the callback: after completion, or with -ETIMEDOUT after deadline_ns (0: no
 * deadline). `what` is a literal for messages ("prepare"). result_size: of the
 * kind's result struct, 0 if there is none. */
struct mz_op *module_op_new(struct module *m, const char *what, int64_t deadline_ns, size_t result_size,
			    module_op_fn fn, void *arg);
/* Completes it from the host's side (a callback that is NULL, a launch that
 * was refused), as host->op_done does. */
void module_op_done(struct mz_op *op, const struct mz_err *err, const void *result);
/* Right after the callback, for a caller that can take it: if the module has completed
 * the op already, its fn runs now and not in a turn of its own. */
void module_op_hurry(struct mz_op *op);
/* The continuation is not wanted any more: late completion stays legal. */
void module_op_forget(struct mz_op *op);

#endif
