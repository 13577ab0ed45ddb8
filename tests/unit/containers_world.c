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

#include "base/mem.h"
#include "conf/conf.h"
#include "model/resources.h"

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

struct run *run_launch(struct life *l, struct container_config cfg)
{
	static const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
	struct run *r = run_new(cfg.id);
	const char *dot = strrchr(cfg.id, '.');
	mz_autofree char *parent = dot ? xstrndup(cfg.id, (size_t)(dot - cfg.id)) : NULL;
	resources *res = res_new();
	struct mz_err err;
	assert_int_equal(res_parse("cpus:1;mem:32;disk:1", NULL, res, &err), 0);
	cfg.parent = parent;
	cfg.framework_id = "f";
	cfg.executor_id = "e";
	cfg.directory = at("runs/%s", cfg.id);
	cfg.env = cfg.env ? cfg.env : env;
	cfg.resources = cfg.resources ? cfg.resources : res;
	l->c->ops->launch(l->c, &cfg, on_launched, r);
	res_free(res);
	assert_false(r->launched); /* always later */
	return r;
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

void on_done(void *arg, const struct mz_err *err)
{
	assert_null(err);
	*(bool *)arg = true;
}

void run_recover(struct life *l, const char *const *ids, size_t n)
{
	struct container_config cfg[8] = {0};
	const struct container_config *v[8];
	char dirs[8][600];
	bool done = false;
	for (size_t i = 0; i < n; i++) {
		snprintf(dirs[i], sizeof(dirs[i]), "%s/runs/%s", root, ids[i]);
		cfg[i] = (struct container_config){.id = ids[i], .directory = dirs[i]};
		v[i] = &cfg[i];
	}
	l->c->ops->recover(l->c, v, n, on_done, &done);
	until(l, &done);
}

void until_text(struct life *l, const char *path)
{
	mz_autofree char *own = xstrdup(path);
	for (int i = 0; i < 60000 && !strchr(read_text(own), '\n'); i++)
		loop_event_turn(l->loop, NS_PER_MS);
	assert_non_null(strchr(read_text(own), '\n'));
}
