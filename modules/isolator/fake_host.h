/* fake_host.h - a host for the isolators' unit tests: one instance, no loop; work
 * that is offloaded waits until the test runs it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_ISOLATOR_FAKE_HOST_H
#define MZ_ISOLATOR_FAKE_HOST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct mz_module mz_module;

static struct {
	void (*work)(void *), (*done)(void *), *arg;
	void (*timer_fn)(void *);
	void *timer_arg;
	int64_t timer_ns;
	int n_done, code;
	int n_limitations, reason;
	char limited[64], text[128];
	const char *volume; /* id of a volume of 1 MB, on a disk at `disk`; NULL: none */
	const char *disk;
	int64_t interval, enforce, max_files;
	const char *hierarchy, *root; /* of cgroups */
	struct {
		char name[64];
		double value;
	} set[16];
	int n_set;
} fake;

static void fake_op_done(struct mz_op *op, const struct mz_err *err, const void *result)
{
	(void)op;
	(void)result;
	fake.n_done++;
	fake.code = err ? err->code : 0;
}

static int fake_offload(const struct mz_host *h, void (*work)(void *), void (*done)(void *), void *arg)
{
	(void)h;
	fake.work = work;
	fake.done = done;
	fake.arg = arg;
	return 0;
}

static void fake_run(void)
{
	fake.work(fake.arg);
	fake.done(fake.arg);
}

static struct mz_timer *fake_timer(const struct mz_host *h, int64_t ns, void (*fn)(void *), void *arg)
{
	(void)h;
	fake.timer_fn = fn;
	fake.timer_arg = arg;
	fake.timer_ns = ns;
	return (struct mz_timer *)&fake;
}

static void fake_timer_cancel(const struct mz_host *h, struct mz_timer *t)
{
	(void)h;
	if (t)
		fake.timer_fn = NULL;
}

static struct mz_metric *fake_metric(const struct mz_host *h, int type, const char *name)
{
	(void)h;
	(void)type;
	(void)name;
	return NULL;
}

static void fake_metric_add(struct mz_metric *m, int64_t delta)
{
	(void)m;
	(void)delta;
}

static int64_t fake_conf_int(const struct mz_conf *c, const char *name)
{
	(void)c;
	if (!strcmp(name, "max_files"))
		return fake.max_files;
	return !strcmp(name, "interval") ? fake.interval : fake.enforce;
}

static int fake_set(const char *path, double value)
{
	snprintf(fake.set[fake.n_set].name, sizeof(fake.set[0].name), "%s", path);
	fake.set[fake.n_set++].value = value;
	return 0;
}

static int fake_set_integer(struct mz_usage *u, const char *path, int64_t v)
{
	(void)u;
	return fake_set(path, (double)v);
}

static int fake_set_string(struct mz_usage *u, const char *path, const char *v)
{
	(void)u;
	(void)v;
	return fake_set(path, 0);
}

static int fake_set_number(struct mz_usage *u, const char *path, double v)
{
	(void)u;
	return fake_set(path, v);
}

/* -1: it was not set. */
static double fake_value(const char *name)
{
	for (int i = 0; i < fake.n_set; i++)
		if (!strcmp(fake.set[i].name, name))
			return fake.set[i].value;
	return -1;
}

static void fake_limitation(const struct mz_host *h, const char *id, const struct mz_limitation *l)
{
	(void)h;
	fake.n_limitations++;
	fake.reason = l->reason;
	snprintf(fake.limited, sizeof(fake.limited), "%s", id);
	snprintf(fake.text, sizeof(fake.text), "%s", l->message);
}

/* Every set has 1.5 of everything. */
static int64_t fake_scalar(const struct mz_resources *r, const char *name)
{
	(void)r;
	(void)name;
	return 1500;
}

static size_t fake_count(const struct mz_resources *r)
{
	(void)r;
	return fake.volume ? 2 : 1;
}

static struct mz_res_item fake_item(const struct mz_resources *r, size_t i)
{
	(void)r;
	return (struct mz_res_item){.kind = (uint32_t)i, .amount = i ? 1000 : 1500};
}

static const struct mz_res_kind *fake_res_kind(uint32_t kind)
{
	static const struct mz_res_kind kinds[] = {
		{.size = sizeof(kinds[0]), .name = "disk", .role = "*"},
		{.size = sizeof(kinds[0]), .kind = 1, .flags = MZ_RES_PERSISTENT, .name = "disk", .role = "web/db"}};
	return &kinds[kind];
}

static int fake_volume(const struct mz_resources *r, size_t i, struct mz_res_volume *ret)
{
	(void)r;
	if (i == 0)
		return -ENOENT;
	*ret = (struct mz_res_volume){.size = sizeof(*ret), .source_type = "PATH"};
	snprintf(ret->id, sizeof(ret->id), "%s", fake.volume);
	snprintf(ret->root, sizeof(ret->root), "%s", fake.disk);
	return 0;
}

static const char *fake_work_dir(const struct mz_host *h)
{
	(void)h;
	return "/nowhere";
}

/* Without a hierarchy there are no cgroups. */
static const char *fake_hierarchy(const struct mz_host *h)
{
	(void)h;
	return fake.hierarchy ? fake.hierarchy : "/nowhere";
}

static const char *fake_root(const struct mz_host *h)
{
	(void)h;
	return fake.root ? fake.root : "mezzo";
}

static const struct mz_resources_api fake_resources = {.size = sizeof(fake_resources),
						       .count = fake_count,
						       .item = fake_item,
						       .kind = fake_res_kind,
						       .scalar = fake_scalar,
						       .volume = fake_volume};
static const struct mz_usage_api fake_usage = {
	.size = sizeof(fake_usage), .set_integer = fake_set_integer, .set_number = fake_set_number,
	.set_string = fake_set_string};
static const struct mz_isolator_host fake_kind = {.size = sizeof(fake_kind),
						  .resources = &fake_resources,
						  .usage = &fake_usage,
						  .work_dir = fake_work_dir,
						  .limitation = fake_limitation,
						  .cgroups_hierarchy = fake_hierarchy,
						  .cgroups_root = fake_root};
static const struct mz_host fake_host = {.size = sizeof(fake_host),
					 .conf_int = fake_conf_int,
					 .timer = fake_timer,
					 .timer_cancel = fake_timer_cancel,
					 .offload = fake_offload,
					 .op_done = fake_op_done,
					 .metric = fake_metric,
					 .metric_add = fake_metric_add,
					 .kind = &fake_kind};

static inline const struct mz_isolator_ops *fake_ops(void)
{
	return (const struct mz_isolator_ops *)mz_module.ops;
}

static inline void *fake_create(void)
{
	struct mz_err err;
	void *inst = NULL;
	assert_int_equal(fake_ops()->create(&fake_host, NULL, &inst, &err), 0);
	assert_non_null(inst);
	return inst;
}

/* All of them in one place, so that no test leaves one unused. */
static inline void fake_reset(void)
{
	memset(&fake, 0, sizeof(fake));
	(void)fake_run;
	(void)fake_value;
}

#endif
