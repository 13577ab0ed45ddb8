/* kit_world.h - one instance of a module in the kit, for the isolators' unit tests.
 * Include it after cmocka.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_ISOLATOR_KIT_WORLD_H
#define MZ_ISOLATOR_KIT_WORLD_H

#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>
#include <mezzo/kit.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

extern const struct mz_module mz_module;

static struct {
	struct mz_kit *k;
	struct mz_kit_module *m;
	const struct mz_isolator_ops *ops;
	struct mz_err err;    /* of the last prepare */
	struct mz_launch *l; /* of the last prepare */
} w;

/* Settings as YAML. */
static inline void world_open(const char *settings)
{
	w.k = mz_kit_new();
	if (mz_kit_add(w.k, &mz_module, settings, &w.m, &w.err) < 0)
		fail_msg("%s", w.err.msg);
	w.ops = mz_kit_ops(w.m);
}

/* The agent starts again: the same directory and storage, nothing of what was known. */
static inline void world_restart(const char *settings)
{
	mz_kit_unload(w.m);
	if (mz_kit_add(w.k, &mz_module, settings, &w.m, &w.err) < 0)
		fail_msg("%s", w.err.msg);
	w.ops = mz_kit_ops(w.m);
}

static inline void world_close(void)
{
	mz_kit_free(w.k);
	w.k = NULL;
}

/* The settings are refused; the reason is in w.err. */
static inline void world_refuses(const char *settings)
{
	struct mz_kit *k = mz_kit_new();
	struct mz_kit_module *m;
	assert_true(mz_kit_add(k, &mz_module, settings, &m, &w.err) < 0);
	mz_kit_free(k);
}

static inline struct mz_container *world_container(const char *id, const char *info)
{
	struct mz_container *c = mz_kit_container(w.k, id, "cpus:1;mem:32");
	if (info)
		c->container = mz_kit_info(w.k, info);
	return c;
}

/* What the launch was asked for, or "" if it failed: then w.err says why. */
static inline const char *world_prepare(const struct mz_container *c)
{
	struct mz_kit_op r;
	w.l = mz_kit_launch(w.k);
	w.ops->prepare(mz_kit_inst(w.m), c, w.l, mz_kit_op(w.m, &r, 0));
	w.err = (struct mz_err){0};
	if (mz_kit_wait(w.k, &r) < 0) {
		w.err = r.err;
		return "";
	}
	return mz_kit_launch_text(w.l);
}

static inline int world_isolate(const struct mz_container *c, int32_t pid)
{
	struct mz_kit_op r;
	w.ops->isolate(mz_kit_inst(w.m), c, pid, mz_kit_op(w.m, &r, 0));
	return mz_kit_wait(w.k, &r);
}

static inline int world_cleanup(const char *id)
{
	struct mz_kit_op r;
	w.ops->cleanup(mz_kit_inst(w.m), id, mz_kit_op(w.m, &r, 0));
	return mz_kit_wait(w.k, &r);
}

static inline int world_recover(const struct mz_container *const *v, size_t n)
{
	struct mz_kit_op r;
	w.ops->recover(mz_kit_inst(w.m), v, n, mz_kit_op(w.m, &r, 0));
	return mz_kit_wait(w.k, &r);
}

#endif
