/* sizes.c - a module whose structs have other sizes than today's: -DSHORT for one
 * that was built when the table of callbacks ended after the common head, -DLONG
 * for one that was built against headers of a later minor version.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>

#ifdef SHORT
struct sized_ops {
	MZ_OPS_HEAD;
};
struct sized_module {
	struct mz_module m;
};
struct sized_setting {
	struct mz_setting s;
};
#else
struct sized_ops {
	struct mz_isolator_ops ops;
	void (*later)(void *inst);
};
struct sized_module {
	struct mz_module m;
	const char *later;
};
struct sized_setting {
	struct mz_setting s;
	const char *later;
};
static void later(void *inst)
{
	(void)inst;
}
#endif

static int instance; /* never written: its address is the instance */

static int create(const struct mz_host *host, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	(void)err;
	if (host->conf_int(conf, "second") != 2)
		return -22;
	*inst = &instance;
	return 0;
}

static void destroy(void *inst)
{
	(void)inst;
}

static const struct sized_ops ops = {
#ifdef SHORT
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
#else
	.ops = {.size = sizeof(ops), .create = create, .destroy = destroy},
	.later = later,
#endif
};

#define ROW(type_, name_, def_) \
	{.s = {.size = sizeof(struct sized_setting), .type = type_, .name = name_, .def = def_, .help = "A number"}}
static const struct sized_setting settings[] = {
	ROW(MZ_SETTING_INT, "first", "1"),
	ROW(MZ_SETTING_INT, "second", "2"),
	{.s = {.size = sizeof(struct sized_setting)}},
};

extern MZ_EXPORT const struct sized_module mz_module;
const struct sized_module mz_module = {
	.m = {
		MZ_MODULE_HEAD(ISOLATOR),
#ifndef SHORT
		.size = sizeof(struct sized_module),
#endif
		.name = "sizes",
		.version = "1",
		.author = "Tests",
		.summary = "Structs of another size",
		.settings = &settings[0].s,
		.ops = (const struct mz_ops *)&ops,
	},
};
