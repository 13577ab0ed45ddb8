/* containers_world.c - see containers_world.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "containers_world.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"

char root[64], build[512], group[32];
static struct run runs[MAX_RUNS];
static size_t n_runs;

/* ---- places ------------------------------------------------------------------------ */

bool find_build(const char *argv0)
{
	if (!realpath(argv0, build))
		return false;
	for (int i = 0; i < 3; i++)
		*strrchr(build, '/') = '\0';
	return true;
}

int make_root(const char *name)
{
	n_runs = 0;
	snprintf(root, sizeof(root), "/tmp/mezzo-%s-test-XXXXXX", name);
	snprintf(group, sizeof(group), "mezzo-test-%d", getpid());
	return mkdtemp(root) && chmod(root, 0755) == 0 ? 0 : -1;
}

char *at(const char *fmt, const char *a)
{
	static char path[4][600];
	static int i;
	char rest[400];
	i = (i + 1) % 4;
	snprintf(rest, sizeof(rest), fmt, a);
	snprintf(path[i], sizeof(path[i]), "%s/%s", root, rest);
	return path[i];
}

const char *read_text(const char *path)
{
	static char text[4][4096];
	static int i;
	i = (i + 1) % 4;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return "(none)";
	ssize_t n = read(fd, text[i], sizeof(text[i]) - 1);
	close(fd);
	text[i][n < 0 ? 0 : n] = '\0';
	return text[i];
}

/* ---- runs -------------------------------------------------------------------------- */

struct run *run_new(const char *id)
{
	assert_true(n_runs < MAX_RUNS);
	struct run *r = &runs[n_runs++];
	*r = (struct run){.wait_status = -2};
	snprintf(r->id, sizeof(r->id), "%s", id);
	return r;
}

struct run *run_of(const char *id)
{
	for (size_t i = 0; i < n_runs; i++)
		if (!strcmp(runs[i].id, id))
			return &runs[i];
	return NULL;
}

struct run *run_at(size_t i)
{
	return i < n_runs ? &runs[i] : NULL;
}

static void on_exited(void *arg, const char *id, const struct mz_termination *t)
{
	(void)arg;
	struct run *r = run_of(id);
	if (!r)
		fail_msg("'%s' is not ours", id);
	assert_false(r->exited);
	r->exited = true;
	r->wait_status = t->wait_status;
	r->reason = t->reason;
	if (t->message)
		snprintf(r->message, sizeof(r->message), "%s", t->message);
}

void on_launched(void *arg, const struct mz_err *err, int32_t pid)
{
	struct run *r = arg;
	assert_false(r->launched);
	r->launched = true;
	r->code = err ? err->code : 0;
	r->pid = pid;
	if (err)
		snprintf(r->message, sizeof(r->message), "%s", err->msg);
}

/* ---- lives ------------------------------------------------------------------------- */

void life_open(struct life *l)
{
	struct mz_err err = {0};
	char modules[600], libexec[600], runtime[128];
	snprintf(modules, sizeof(modules), "%s/modules", build);
	snprintf(libexec, sizeof(libexec), "%s/core/bin", build);
	snprintf(runtime, sizeof(runtime), "%s/run", root);
	assert_int_equal(loop_event_new(1, &l->loop, &err), 0);
	l->registry = module_registry_new(l->loop);
	module_registry_add_path(l->registry, modules);
	const struct containers_real_config cfg = {.loop = l->loop,
						   .registry = l->registry,
						   .work_dir = root,
						   .runtime_dir = runtime,
						   .libexec_dir = libexec,
						   .cgroups_hierarchy = l->hierarchy,
						   .cgroups_root = group,
						   .isolator_deadline_ns = l->isolator_deadline_ns,
						   .switch_user = true};
	assert_int_equal(containers_real_new(&cfg, &l->c, &err), 0);
	l->c->on_exited = on_exited;
}

void life_add(struct life *l, uint32_t kind, const char *name, const char *yaml)
{
	struct mz_err err = {0};
	struct module *m = NULL;
	struct conf_node *settings = NULL;
	if (yaml)
		assert_int_equal(conf_parse("test", yaml, strlen(yaml), &settings, &err), 0);
	if (module_load_name(l->registry, kind, name, settings, &m, &err) < 0)
		fail_msg("%s", err.msg);
	conf_free(settings);
	containers_real_add(l->c, m);
}

static void nothing(void *arg)
{
	(void)arg;
}

static void set(void *arg)
{
	*(bool *)arg = true;
}

/* There is one worker. */
void until_idle(struct life *l)
{
	bool idle = false;
	assert_int_equal(loop_offload(l->loop, nothing, set, &idle), 0);
	while (!idle)
		loop_event_turn(l->loop, NS_PER_SEC);
}

void life_close(struct life *l)
{
	containers_real_free(l->c);
	module_registry_free(l->registry);
	until_idle(l); /* nothing of a module is on its way */
	loop_event_free(l->loop);
	*l = (struct life){.hierarchy = l->hierarchy, .isolator_deadline_ns = l->isolator_deadline_ns};
}

void until(struct life *l, const bool *what)
{
	for (int i = 0; i < 60000 && !*what; i++)
		loop_event_turn(l->loop, 10 * NS_PER_MS);
	assert_true(*what);
}

void until_end(struct life *l, struct run *r)
{
	until(l, &r->launched);
	if (r->code == 0)
		until(l, &r->exited);
}
