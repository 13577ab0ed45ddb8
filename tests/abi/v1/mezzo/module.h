/* <mezzo/module.h> - the contract between Mezzo and a loadable module.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A module is a shared object that exports one constant symbol, `mz_module`,
 * and nothing else. It reaches Mezzo only through the `struct mz_host` that it
 * is given, so it has no undefined Mezzo symbol and links with
 * -Wl,-z,defs -fvisibility=hidden. Do not include this file directly: include
 * the header of the module's kind (<mezzo/isolator.h> …), which includes it.
 *
 * DATA
 *   struct mz_module   what the .so is: read before any of its code runs
 *   struct mz_setting  one row of the settings table that the core parses,
 *                      checks against the YAML, and documents
 *   struct mz_host     the core's services; a pointer per instance
 *   an instance        whatever `create` made: `void *inst`. No globals: the
 *                      same .so may be instantiated twice in one process
 *
 * LIFE CYCLE
 *   1. The host opens the .so (RTLD_NOW | RTLD_LOCAL), checks magic, ABI, kind
 *      and that the required callbacks are there. Nothing of it has run yet.
 *   2. create(host, conf, &inst, err): may fail. It may read settings and
 *      storage, and register metrics and routes; it must not block. The loop is
 *      not running yet during --check-config, which stops here: destroy follows.
 *   3. Callbacks of the kind, see its header.
 *   4. destroy(inst): releases everything; timers, fds and children that are
 *      still registered are closed by the host afterwards. Threads are joined.
 *   The .so stays mapped until the process ends.
 *
 * CONVENTIONS
 *   - Result: 0, or a negative errno with *err filled in. Out-parameters are
 *     untouched on failure; *err is untouched on success.
 *   - Every call, both ways, happens on the loop thread. Only host->post may be
 *     called from another thread.
 *   - No callback may block. What has to wait takes a `struct mz_op *`, returns
 *     at once, and completes it later, exactly once, with host->op_done: also
 *     from inside the callback, if it is done already. Work that blocks goes
 *     through host->offload or a child process.
 *   - An op that is completed twice is ignored and reported with the module's
 *     name; one that is not completed by its deadline fails with -ETIMEDOUT,
 *     and its late completion is ignored.
 *   - Who allocates frees. Arguments live until the callback returns, or until
 *     the op is completed where a header says so. What a module hands over is
 *     copied before the host's function returns.
 *   - Structs grow at the end and carry their size first. The host copies
 *     min(its size, the module's size) into zeroed memory; a module tests
 *     MZ_HAS(host, member) before it uses anything newer than ABI 1.0.
 *   - A NULL callback means the default that its comment documents.
 *   - 64-bit times are nanoseconds, `_ms` are milliseconds; sizes are bytes. */
#ifndef MEZZO_MODULE_H
#define MEZZO_MODULE_H

#if !defined(MZ_MODULE_ABI)
#error "write `#define MZ_MODULE_ABI 1` before the include: the ABI that the module is written for"
#elif MZ_MODULE_ABI != 1
#error "this header describes MZ_MODULE_ABI 1 only"
#endif

#include <mezzo/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MZ_MODULE_MAGIC 0x6d7a6d64u /* "mzmd" */
#define MZ_MODULE_ABI_MINOR 0	    /* members added at ends since ABI 1.0 */

/* Kinds travel in records and listings: never reuse or renumber one. */
enum mz_kind {
	MZ_KIND_ALLOCATOR = 1,
	MZ_KIND_ISOLATOR = 2,
	MZ_KIND_CONTAINERIZER = 3,
	MZ_KIND_EXECUTOR = 4,
	MZ_KIND_AUTHORIZER = 5,
	MZ_KIND_AUTHENTICATOR = 6,
	MZ_KIND_ELECTOR = 7,
	MZ_KIND_STORE = 8,
	MZ_KIND_LOGGER = 9,
	MZ_KIND_ESTIMATOR = 10,
	MZ_KIND_QOS = 11,
	MZ_KIND_SECRET = 12,
	MZ_KIND_HOOK = 13,
	MZ_KIND_IMAGE = 14,
	MZ_KIND_FETCHER = 15,
	MZ_KIND_SERVICE = 16,
};

/* ---- settings ---------------------------------------------------------- */

enum mz_setting_type {
	MZ_SETTING_STRING = 1,
	MZ_SETTING_BOOL = 2,	 /* true, false                    -> 1, 0 */
	MZ_SETTING_INT = 3,	 /* decimal                         -> the value */
	MZ_SETTING_BYTES = 4,	 /* 10MB, 4KB, 512                  -> bytes */
	MZ_SETTING_DURATION = 5, /* 5secs, 100ms                    -> nanoseconds */
	MZ_SETTING_NUMBER = 6,	 /* decimal fraction                -> thousandths */
	MZ_SETTING_PATH = 7,	 /* like STRING; must be absolute */
	MZ_SETTING_LIST = 8,	 /* list of strings */
	MZ_SETTING_MAP = 9,	 /* string -> string; of a list its elements, with blanks between */
};

/* One accepted setting. The table ends with a row whose name is NULL. Rows are
 * stepped by the size of the first one, so that they can grow. */
struct mz_setting {
	uint32_t size; /* sizeof(struct mz_setting) */
	uint32_t type; /* enum mz_setting_type */
	const char *name;
	const char *def;  /* as written in YAML; NULL: the setting is required.
			   * "" is an empty string, list or map */
	int64_t min, max; /* inclusive, in the unit above; both 0: no limit */
	const char *help; /* one line; choices of a string as "a | b: text" */
	const char *const *choices; /* NULL-ended list of allowed strings, or NULL */
};

#define MZ_SETTING(type_, name_, def_, min_, max_, help_)                                     \
	{                                                                                     \
		sizeof(struct mz_setting), MZ_SETTING_##type_, name_, def_, min_, max_, help_, 0 \
	}
#define MZ_SETTING_END                                     \
	{                                                  \
		sizeof(struct mz_setting), 0, 0, 0, 0, 0, 0, 0 \
	}

/* ---- handles ------------------------------------------------------------ */

struct mz_conf;	   /* the validated settings of one instance; valid until destroy */
struct mz_op;	   /* one pending answer */
struct mz_timer;   /* a running timer */
struct mz_watch;   /* a watched file descriptor */
struct mz_child;   /* a child process */
struct mz_metric;  /* a counter or gauge */
struct mz_request; /* an HTTP request for one of the module's routes */

/* ---- host services -------------------------------------------------------- */

enum { MZ_READ = 1, MZ_WRITE = 2 };

/* What a child process is started with. argv[0] is the file; there is no shell
 * and no search in PATH. Only the three named descriptors are inherited; -1
 * means /dev/null. The child has its own session. */
struct mz_spawn {
	uint32_t size; /* sizeof(struct mz_spawn) */
	int32_t fd_in, fd_out, fd_err;
	const char *const *argv; /* NULL-ended */
	const char *const *env;	 /* NULL-ended "NAME=value"; NULL: empty environment */
	const char *dir;	 /* working directory, NULL: "/" */
};

/* How a child ended: wait_status is what waitpid gave. */
typedef void (*mz_exit_fn)(void *arg, int32_t pid, int32_t wait_status);

enum mz_metric_type { MZ_METRIC_COUNTER = 1, MZ_METRIC_GAUGE = 2 };

/* The core's services for one instance. Append only. `h` is always the pointer
 * that create() was given. */
struct mz_host {
	uint32_t size;
	uint32_t abi_minor; /* MZ_MODULE_ABI_MINOR of the host */

	/* Name of the instance as configured, "isolator/posix_cpu". */
	const char *(*name)(const struct mz_host *h);

	/* Finished text, no newline; MZ_LOG_*. */
	void (*log)(const struct mz_host *h, int level, const char *text);

	/* Settings: cannot fail for a name and type that the table has. Asking
	 * for another aborts, because it is a mistake in the module. */
	const char *(*conf_str)(const struct mz_conf *c, const char *name);
	int64_t (*conf_int)(const struct mz_conf *c, const char *name);
	/* Lists: element i, NULL behind the last. */
	const char *(*conf_item)(const struct mz_conf *c, const char *name, size_t i);
	/* Maps: key i, NULL behind the last; *ret_value is its value. */
	const char *(*conf_pair)(const struct mz_conf *c, const char *name, size_t i,
				 const char **ret_value);

	/* Nanoseconds: monotonic, and since 1970. Both stand still within one
	 * callback under the simulator. Take time from nowhere else. */
	int64_t (*now)(const struct mz_host *h);
	int64_t (*wall)(const struct mz_host *h);
	/* Random bytes; the simulator's come from its seed. */
	void (*random)(const struct mz_host *h, void *out, size_t size);

	/* One-shot timers. The handle is dead once fn has been entered. */
	struct mz_timer *(*timer)(const struct mz_host *h, int64_t delay_ns, void (*fn)(void *),
				  void *arg);
	void (*timer_cancel)(const struct mz_host *h, struct mz_timer *t); /* NULL: no-op */

	/* Level-triggered; `events` and `ready` are MZ_READ | MZ_WRITE. The fd
	 * stays the module's: unwatch first, then close. */
	struct mz_watch *(*watch)(const struct mz_host *h, int fd, int events,
				  void (*fn)(void *, int ready), void *arg);
	void (*unwatch)(const struct mz_host *h, struct mz_watch *w); /* NULL: no-op */

	/* Runs fn(arg) on the loop thread soon. The only member that may be
	 * called from any thread. */
	void (*post)(const struct mz_host *h, void (*fn)(void *), void *arg);
	/* work(arg) on a worker thread, then done(arg) on the loop thread. The
	 * queue is bounded: -EAGAIN when it is full, and nothing will run. */
	int (*offload)(const struct mz_host *h, void (*work)(void *), void (*done)(void *),
		       void *arg);

	/* Child processes. *ret_child is valid until fn has returned. */
	int (*spawn)(const struct mz_host *h, const struct mz_spawn *s, mz_exit_fn fn, void *arg,
		     struct mz_child **ret_child, int32_t *ret_pid, struct mz_err *err);
	int (*child_signal)(const struct mz_host *h, struct mz_child *c, int signal);

	/* Completes an op: NULL err is success. `result` is the op's result
	 * struct where the kind's header names one, else NULL; it is copied. */
	void (*op_done)(struct mz_op *op, const struct mz_err *err, const void *result);

	/* Metrics appear as module/NAME/<name>. The handle lives until destroy. */
	struct mz_metric *(*metric)(const struct mz_host *h, int type, const char *name);
	void (*metric_add)(struct mz_metric *m, int64_t delta);
	void (*metric_set)(struct mz_metric *m, double value);

	/* The instance's own durable key-value storage (keys up to 200 bytes,
	 * values up to 1 MiB). get: the value lives until the next storage
	 * call; -ENOENT if absent. put: completes `op` when durable; a value of
	 * size 0 with data NULL deletes. each: in order of keys. */
	int (*storage_get)(const struct mz_host *h, const char *key, struct mz_bytes *ret_value);
	void (*storage_put)(const struct mz_host *h, const char *key, struct mz_bytes value,
			    void (*fn)(void *arg, const struct mz_err *err), void *arg);
	int (*storage_each)(const struct mz_host *h,
			    int (*fn)(void *arg, const char *key, struct mz_bytes value), void *arg);

	/* Serves /modules/KIND/NAME<path> of the daemon's HTTP port: fn must
	 * answer each request exactly once, now or later. */
	int (*route)(const struct mz_host *h, const char *path,
		     void (*fn)(void *arg, struct mz_request *r), void *arg, struct mz_err *err);
	const char *(*request_method)(const struct mz_request *r);
	const char *(*request_path)(const struct mz_request *r);
	const char *(*request_query)(const struct mz_request *r, const char *name); /* or NULL */
	const char *(*request_header)(const struct mz_request *r, const char *name); /* or NULL */
	struct mz_bytes (*request_body)(const struct mz_request *r);
	void (*request_reply)(struct mz_request *r, int status, const char *content_type,
			      struct mz_bytes body);

	/* Services of the kind: struct mz_KIND_host of its header, or NULL. */
	const void *kind;
};

#define MZ_HAS(h, member) \
	((h)->size >= offsetof(struct mz_host, member) + sizeof((h)->member) && (h)->member)

/* ---- the descriptor ------------------------------------------------------- */

/* Every kind's ops struct begins with these three members. */
#define MZ_OPS_HEAD                                                                         \
	/* sizeof the kind's ops struct. */                                                 \
	uint32_t size;                                                                      \
	uint32_t reserved;                                                                  \
	/* Required. *inst stays untouched on failure. */                                   \
	int (*create)(const struct mz_host *host, const struct mz_conf *conf, void **inst, \
		      struct mz_err *err);                                                  \
	/* Required. NULL is a no-op. */                                                    \
	void (*destroy)(void *inst)

struct mz_ops {
	MZ_OPS_HEAD;
};

/* What a module is. Prefix order is frozen for ever. */
struct mz_module {
	uint32_t magic;	   /* MZ_MODULE_MAGIC */
	uint32_t abi;	   /* MZ_MODULE_ABI */
	uint32_t size;	   /* sizeof(struct mz_module) */
	uint32_t kind;	   /* enum mz_kind */
	const char *name;  /* "posix_cpu": [a-z0-9_]+; the YAML says isolator/posix_cpu */
	const char *version; /* of the module, free form */
	const char *author;
	const char *summary;		   /* one line */
	const struct mz_setting *settings; /* ends at name NULL; NULL: none */
	/* Names ("kind/name") of modules that must be loaded in the same daemon,
	 * NULL-ended; NULL: none. */
	const char *const *requires_modules;
	const struct mz_ops *ops; /* in truth the kind's ops struct, e.g. struct mz_isolator_ops */
};

#if defined(__GNUC__)
#define MZ_EXPORT __attribute__((visibility("default")))
#else
#define MZ_EXPORT
#endif
/* Use: MZ_MODULE = { MZ_MODULE_HEAD(ISOLATOR), .name = …, .ops = … }; */
#ifdef __cplusplus
#define MZ_MODULE                                      \
	extern "C" MZ_EXPORT const struct mz_module mz_module; \
	const struct mz_module mz_module
#else
#define MZ_MODULE                                  \
	extern MZ_EXPORT const struct mz_module mz_module; \
	const struct mz_module mz_module
#endif
#define MZ_MODULE_HEAD(kind_) \
	.magic = MZ_MODULE_MAGIC, .abi = MZ_MODULE_ABI, .size = sizeof(struct mz_module), \
	.kind = MZ_KIND_##kind_

#ifdef __cplusplus
}
#endif
#endif
