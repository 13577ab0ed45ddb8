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
	int64_t cpus, mem, other; /* thousandths */
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
	char log[16384], launch[CG_PATH_SIZE + 64];
	struct {
		char name[96];
		double value;
	} set[192];
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

/* Maps: "key=value,key=value". */
static const char *world_conf_pair(const struct mz_conf *c, const char *name, size_t i, const char **ret_value)
{
	char *item = (char *)world_conf_item(c, name, i), *is = item ? strchr(item, '=') : NULL;
	if (!is)
		return NULL;
	*is = '\0';
	*ret_value = is + 1;
	return item;
}

static int64_t world_now(const struct mz_host *h)
{
	(void)h;
	return 1000000000;
}

static int64_t world_wall(const struct mz_host *h)
{
	(void)h;
	return 5000000000;
}

static struct mz_metric *world_metric(const struct mz_host *h, int type, const char *name)
{
	(void)h, (void)type, (void)name;
	return NULL;
}

static void world_metric_add(struct mz_metric *m, int64_t delta)
{
	(void)m, (void)delta;
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

#include "cgroup_world_kind.h"

static const struct mz_host world_host = {.size = sizeof(world_host),
					  .log = world_log,
					  .conf_str = world_conf_str,
					  .conf_int = world_conf_int,
					  .conf_item = world_conf_item,
					  .conf_pair = world_conf_pair,
					  .now = world_now,
					  .wall = world_wall,
					  .metric = world_metric,
					  .metric_add = world_metric_add,
					  .timer = world_timer,
					  .timer_cancel = world_timer_cancel,
					  .watch = world_watch,
					  .unwatch = world_unwatch,
					  .offload = world_offload,
					  .op_done = world_op_done,
					  .kind = &world_isolator};

#include "cgroup_world_files.h"

#endif
