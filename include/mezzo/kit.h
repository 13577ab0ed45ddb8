/* <mezzo/kit.h> - running a module without Mezzo: for its unit tests.
 *
 * The kit is a host: it loads the module as the daemons do (with the same code:
 * same refusals, same settings, same watch over ops), but time is virtual, nothing
 * is on a network, and what the module asks of its host is written down as text
 * that a test compares. Link with `pkg-config --variable=kit_libs mezzo`.
 *
 *	struct mz_kit *k = mz_kit_new();
 *	struct mz_kit_module *m;
 *	mz_kit_add(k, &mz_module, "{limit: 3}", &m, &err);   // linked in, or
 *	mz_kit_load(k, "./hello.so", NULL, &m, &err);        // from a file
 *	const struct mz_isolator_ops *ops = mz_kit_ops(m);
 *	struct mz_kit_op r;
 *	ops->prepare(mz_kit_inst(m), c, l, mz_kit_op(m, &r, 0));
 *	mz_kit_wait(k, &r);                                  // 0: it succeeded
 *	mz_kit_free(k);                                      // destroys the modules
 *
 * One thread. Everything that is returned belongs to the kit and lives until
 * mz_kit_free, unless said otherwise.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEZZO_KIT_H
#define MEZZO_KIT_H

#include <mezzo/container.h>
#include <mezzo/module.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mz_kit;
struct mz_kit_module;

/* Makes a fresh directory below $TMPDIR for work_dir; aborts if it cannot. */
struct mz_kit *mz_kit_new(void);
void mz_kit_free(struct mz_kit *k); /* NULL: no-op; the directory is removed */
const char *mz_kit_dir(const struct mz_kit *k);

/* Settings are YAML, NULL: all defaults. Two instances of one module need
 * different kits. */
int mz_kit_load(struct mz_kit *k, const char *file, const char *settings, struct mz_kit_module **ret,
		struct mz_err *err);
int mz_kit_add(struct mz_kit *k, const struct mz_module *module, const char *settings,
	       struct mz_kit_module **ret, struct mz_err *err);
/* destroy. The same module may then be loaded again in this kit. */
void mz_kit_unload(struct mz_kit_module *m);
const void *mz_kit_ops(const struct mz_kit_module *m); /* the kind's struct, complete */
void *mz_kit_inst(const struct mz_kit_module *m);
const struct mz_host *mz_kit_host(const struct mz_kit_module *m);

/* ---- pending answers ------------------------------------------------------ */

struct mz_kit_op {
	int done;	     /* completed, or given up */
	int failed;	     /* err is set */
	struct mz_err err;
	union {		     /* copy of the result */
		uint64_t align;
		char bytes[4096];
	} result;
};
/* An op to pass to a callback. `r` must live until it is done. result_size: of the
 * kind's result struct (at most 4096), 0: none. Deadline: 60 virtual seconds. */
struct mz_op *mz_kit_op(struct mz_kit_module *m, struct mz_kit_op *r, size_t result_size);
/* Runs until it is done. 0, or the error's code. */
int mz_kit_wait(struct mz_kit *k, struct mz_kit_op *r);

/* ---- time ------------------------------------------------------------------ */

/* Runs what is due now, once. Returns 0 if there was nothing. */
int mz_kit_turn(struct mz_kit *k);
/* Runs everything that is due within the next `ns` of virtual time. It jumps: what
 * children and peers do meanwhile is up to chance; mz_kit_until waits for them. */
void mz_kit_advance(struct mz_kit *k, int64_t ns);
/* Runs until cond(arg) is true; 0, or -ETIMEDOUT after `limit_ns`. */
int mz_kit_until(struct mz_kit *k, int (*cond)(void *arg), void *arg, int64_t limit_ns);

/* ---- what happened --------------------------------------------------------- */

/* What modules logged, and the host about them: lines of "W module/KIND/NAME text". */
const char *mz_kit_log(const struct mz_kit *k);
/* Calls to services of the kind, one line each: "limitation c1 reason 8 …",
 * "offer f1 role a1 cpus:2", "update t1 1 …", "leader 10.0.0.1:5050" … */
const char *mz_kit_events(const struct mz_kit *k);
void mz_kit_clear(struct mz_kit *k); /* both */
/* A counter or gauge by its short name; NAN if there is none. */
double mz_kit_metric(const struct mz_kit_module *m, const char *name);
/* A request to a route of the module; the body of the answer, *ret_status. */
const char *mz_kit_request(struct mz_kit_module *m, const char *method, const char *path, const char *query,
			   const char *body, int *ret_status);

/* ---- containers ------------------------------------------------------------ */

/* A top-level container with a sandbox below mz_kit_dir. Members may be changed
 * before it is passed. `resources` as "cpus:1;mem:32". */
struct mz_container *mz_kit_container(struct mz_kit *k, const char *id, const char *resources);
/* A message (ContainerInfo, TaskInfo …) from YAML with the API's field names. */
const struct mz_info *mz_kit_info(struct mz_kit *k, const char *yaml);
const struct mz_info_api *mz_kit_info_api(void);
const struct mz_resources *mz_kit_resources(struct mz_kit *k, const char *text);

/* For prepare. The text has one line a request, in order: "env A=b", "mount …". */
struct mz_launch *mz_kit_launch(struct mz_kit *k);
const char *mz_kit_launch_text(const struct mz_launch *l);
/* For usage and status. The text has one line a field: "mem_rss_bytes 4096". */
struct mz_usage *mz_kit_usage(struct mz_kit *k);
const char *mz_kit_usage_text(const struct mz_usage *u);

#ifdef __cplusplus
}
#endif
#endif
