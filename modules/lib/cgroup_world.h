/* cgroup_world.h - a host for unit tests of what has to do with cgroups: settings
 * that the test gives, timers and descriptors that the test runs, hierarchies that are
 * the machine's own (v1, hybrid) or made of plain files (v2).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODULES_LIB_CGROUP_WORLD_H
#define MZ_MODULES_LIB_CGROUP_WORLD_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define MZ_MODULE_ABI 1
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <mezzo/isolator.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"

struct mz_resources {
	int64_t cpus, mem, hugetlb; /* thousandths */
	int revocable;
};
struct mz_timer {
	void (*fn)(void *);
	void *arg;
	int64_t ns;
	int used;
};
struct mz_watch {
	void (*fn)(void *, int);
	void *arg;
	int fd, used;
};

static struct {
	char hierarchy[512], root[128];
	const struct mz_module *module;
	struct {
		const char *name, *value;
	} settings[8];
	struct mz_timer timers[64];
	struct mz_watch watches[64];
	int n_done, code;
	char message[256];
	int n_limitations, reason;
	char limited[128], limit_message[8192];
	char log[16384], launch[4096];
	struct {
		char name[96];
		double value;
	} set[128];
	int n_set;
} world;

static void world_op_done(struct mz_op *op, const struct mz_err *err, const void *result)
{
	(void)op, (void)result;
	world.n_done++;
	world.code = err ? err->code : 0;
	(void)snprintf(world.message, sizeof(world.message), "%s", err ? err->msg : "");
}

static void world_log(const struct mz_host *h, int level, const char *text)
{
	(void)h;
	size_t n = strlen(world.log);
	(void)snprintf(world.log + n, sizeof(world.log) - n, "%c %s\n", "DIWE"[level], text);
}

static const char *world_setting(const char *name)
{
	for (size_t i = 0; i < 8 && world.settings[i].name; i++)
		if (!strcmp(world.settings[i].name, name))
			return world.settings[i].value;
	for (const struct mz_setting *s = world.module->settings; s && s->name; s++)
		if (!strcmp(s->name, name))
			return s->def;
	fail_msg("There is no setting '%s'", name);
	return "";
}

static const char *world_conf_str(const struct mz_conf *c, const char *name)
{
	(void)c;
	return world_setting(name);
}

static int64_t world_conf_int(const struct mz_conf *c, const char *name)
{
	(void)c;
	const char *v = world_setting(name);
	return !strcmp(v, "true") ? 1 : !strcmp(v, "false") ? 0 : strtoll(v, NULL, 10);
}

/* Lists are written with commas. */
static const char *world_conf_item(const struct mz_conf *c, const char *name, size_t i)
{
	static char item[4][128];
	(void)c;
	const char *v = world_setting(name);
	for (size_t n = 0; n < i && v; n++)
		v = (v = strchr(v, ',')) ? v + 1 : NULL;
	if (!v || !*v)
		return NULL;
	(void)snprintf(item[i % 4], sizeof(item[0]), "%.*s", (int)strcspn(v, ","), v);
	return item[i % 4];
}

static int64_t world_now(const struct mz_host *h)
{
	(void)h;
	return 1000000000;
}

static struct mz_timer *world_timer(const struct mz_host *h, int64_t ns, void (*fn)(void *), void *arg)
{
	(void)h;
	for (size_t i = 0; i < 64; i++)
		if (!world.timers[i].used) {
			world.timers[i] = (struct mz_timer){fn, arg, ns, 1};
			return &world.timers[i];
		}
	fail_msg("Too many timers");
	return NULL;
}

static void world_timer_cancel(const struct mz_host *h, struct mz_timer *t)
{
	(void)h;
	if (t)
		t->used = 0;
}

/* Runs every timer that is set now, once; returns how many. */
static int world_timers(void)
{
	int n = 0;
	struct mz_timer due[64];
	memcpy(due, world.timers, sizeof(due));
	for (size_t i = 0; i < 64; i++)
		if (due[i].used && world.timers[i].used) {
			world.timers[i].used = 0;
			due[i].fn(due[i].arg);
			n++;
		}
	return n;
}

static struct mz_watch *world_watch(const struct mz_host *h, int fd, int events, void (*fn)(void *, int), void *arg)
{
	(void)h, (void)events;
	for (size_t i = 0; i < 64; i++)
		if (!world.watches[i].used) {
			world.watches[i] = (struct mz_watch){fn, arg, fd, 1};
			return &world.watches[i];
		}
	fail_msg("Too many watches");
	return NULL;
}

static void world_unwatch(const struct mz_host *h, struct mz_watch *w)
{
	(void)h;
	if (w)
		w->used = 0;
}

/* Waits until a watched descriptor is readable, and calls its function; -1: none was. */
static int world_poll(int timeout_ms)
{
	struct pollfd p[64];
	size_t at[64];
	nfds_t n = 0;
	for (size_t i = 0; i < 64; i++)
		if (world.watches[i].used) {
			at[n] = i;
			p[n++] = (struct pollfd){.fd = world.watches[i].fd, .events = POLLIN};
		}
	if (n == 0 || poll(p, n, timeout_ms) <= 0)
		return -1;
	for (nfds_t i = 0; i < n; i++)
		if (p[i].revents && world.watches[at[i]].used)
			world.watches[at[i]].fn(world.watches[at[i]].arg, MZ_READ);
	return 0;
}

static int world_offload(const struct mz_host *h, void (*work)(void *), void (*done)(void *), void *arg)
{
	(void)h;
	work(arg);
	done(arg);
	return 0;
}

/* ---- services of the kind ------------------------------------------------------ */

static int64_t world_scalar(const struct mz_resources *r, const char *name)
{
	return !strcmp(name, "cpus") ? r->cpus : !strcmp(name, "mem") ? r->mem : r->hugetlb;
}

static size_t world_count(const struct mz_resources *r)
{
	(void)r;
	return 1;
}

static struct mz_res_item world_item(const struct mz_resources *r, size_t i)
{
	(void)i;
	return (struct mz_res_item){.kind = (uint32_t)r->revocable, .amount = r->cpus};
}

static const struct mz_res_kind *world_kind(uint32_t kind)
{
	static struct mz_res_kind k[2] = {{.name = "cpus"}, {.name = "cpus", .flags = MZ_RES_REVOCABLE}};
	return &k[kind];
}

static struct mz_resources *world_new(void)
{
	return calloc(1, sizeof(struct mz_resources));
}

static void world_free(struct mz_resources *r)
{
	free(r);
}

static int world_parse(const char *text, struct mz_resources *to, struct mz_err *err)
{
	double mem = 0;
	(void)err;
	if (sscanf(text, "mem:%lf", &mem) == 1)
		to->mem = (int64_t)(mem * 1000);
	return 0;
}

static int world_set(const char *path, double value)
{
	assert_in_range(world.n_set, 0, 127);
	(void)snprintf(world.set[world.n_set].name, sizeof(world.set[0].name), "%s", path);
	world.set[world.n_set++].value = value;
	return 0;
}

static int world_set_integer(struct mz_usage *u, const char *path, int64_t v)
{
	(void)u;
	return world_set(path, (double)v);
}

static int world_set_number(struct mz_usage *u, const char *path, double v)
{
	(void)u;
	return world_set(path, v);
}

static int world_set_string(struct mz_usage *u, const char *path, const char *v)
{
	char both[96];
	(void)u;
	(void)snprintf(both, sizeof(both), "%s=%s", path, v);
	return world_set(both, 0);
}

/* -1: it was not set. */
static double world_value(const char *name)
{
	for (int i = 0; i < world.n_set; i++)
		if (!strcmp(world.set[i].name, name))
			return world.set[i].value;
	return -1;
}

static void world_limitation(const struct mz_host *h, const char *id, const struct mz_limitation *l)
{
	(void)h;
	world.n_limitations++;
	world.reason = l->reason;
	(void)snprintf(world.limited, sizeof(world.limited), "%s", id);
	(void)snprintf(world.limit_message, sizeof(world.limit_message), "%s", l->message);
}

static int world_launch_cgroup(struct mz_launch *l, const char *path)
{
	(void)l;
	size_t n = strlen(world.launch);
	(void)snprintf(world.launch + n, sizeof(world.launch) - n, "cgroup %s\n", path);
	return 0;
}

static int world_launch_oom(struct mz_launch *l, int value)
{
	(void)l;
	size_t n = strlen(world.launch);
	(void)snprintf(world.launch + n, sizeof(world.launch) - n, "oom_score_adj %d\n", value);
	return 0;
}

static const char *world_hierarchy(const struct mz_host *h)
{
	(void)h;
	return world.hierarchy;
}

static const char *world_root(const struct mz_host *h)
{
	(void)h;
	return world.root;
}

static const struct mz_resources_api world_resources = {.size = sizeof(world_resources),
							.create = world_new,
							.destroy = world_free,
							.count = world_count,
							.item = world_item,
							.kind = world_kind,
							.scalar = world_scalar,
							.parse = world_parse};
static const struct mz_usage_api world_usage = {.size = sizeof(world_usage),
						.set_integer = world_set_integer,
						.set_number = world_set_number,
						.set_string = world_set_string};
static const struct mz_isolator_host world_isolator = {.size = sizeof(world_isolator),
						       .resources = &world_resources,
						       .usage = &world_usage,
						       .limitation = world_limitation,
						       .launch_cgroup = world_launch_cgroup,
						       .launch_oom_score_adj = world_launch_oom,
						       .cgroups_hierarchy = world_hierarchy,
						       .cgroups_root = world_root};
static const struct mz_host world_host = {.size = sizeof(world_host),
					  .log = world_log,
					  .conf_str = world_conf_str,
					  .conf_int = world_conf_int,
					  .conf_item = world_conf_item,
					  .now = world_now,
					  .timer = world_timer,
					  .timer_cancel = world_timer_cancel,
					  .watch = world_watch,
					  .unwatch = world_unwatch,
					  .offload = world_offload,
					  .op_done = world_op_done,
					  .kind = &world_isolator};

#include "cgroup_world_files.h"

#endif
