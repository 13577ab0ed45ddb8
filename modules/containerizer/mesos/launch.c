/* launch.c - containerizer/mesos: a launch, step by step: isolators prepare, the logger does,
 * the user is looked up, the shim is started, isolators isolate, the shim goes on.
 * Behind each step it may have been destroyed meanwhile, which end.c deals with.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "mesos.h"

void on_box_started(struct box *b, int32_t payload)
{
	struct mesos *m = b->m;
	b->payload = payload;
	b->has_record = 1;
	if (b->state != BOX_STARTING)
		return; /* being destroyed: its exit follows */
	box_go(b, BOX_RUNNING);
	m->h->metric_add(m->launched, 1);
	struct mz_launch_result r = {.size = sizeof(r), .mine = 1, .pid = b->first};
	struct mz_op *op = b->launch_op;
	b->launch_op = NULL;
	b->c = NULL;
	m->k->launch_free(b->launch);
	b->launch = NULL;
	m->h->op_done(op, NULL, &r);
	if (b->limitation.size)
		box_destroy(b);
	io_check(b); /* it may have been killed meanwhile */
}

static void isolate_next(struct box *b);

static void on_isolated(void *arg, const struct mz_err *err, const void *result)
{
	(void)result;
	struct box *b = arg;
	b->asking = 0;
	if (b->shim_gone) {
		box_ended(b);
		return;
	}
	if (err && b->state == BOX_ISOLATING) {
		fail(&b->err, err->code, "Isolator '%.60s': %.180s", b->m->k->isolator_name(b->m->h, b->i), err->msg);
		box_destroy(b);
		return;
	}
	b->i++;
	isolate_next(b);
}

static void isolate_next(struct box *b)
{
	struct mesos *m = b->m;
	if (b->state != BOX_ISOLATING)
		return; /* destroyed meanwhile: the shim's exit goes on from here */
	while (b->i < m->k->n_isolators(m->h) && !concerns(m, b->i, b->id))
		b->i++;
	if (b->i < m->k->n_isolators(m->h)) {
		b->asking = 1;
		m->k->isolator_isolate(m->h, b->i, b->c, b->first, m->k->op(m->h, on_isolated, b));
		return;
	}
	struct mz_err err;
	box_go(b, BOX_STARTING);
	if (shim_release(b, &err) < 0)
		give_up(b, &err);
}

static void start(struct box *b)
{
	struct mz_err err;
	if (shim_start(b, &err) < 0) {
		give_up(b, &err);
		return;
	}
	b->has_record = b->is_linux; /* it makes one now; else when it is released */
	if (b->is_linux)
		box_go(b, BOX_CREATING);
	else
		on_box_created(b, b->pid);
}

void on_box_created(struct box *b, int32_t first)
{
	b->first = first;
	if (b->state == BOX_DESTROYING)
		return; /* called off: its exit follows */
	box_go(b, BOX_ISOLATING);
	b->i = 0;
	isolate_next(b);
}

static void resolve_work(void *arg)
{
	struct box *b = arg;
	struct passwd pw, *found = NULL;
	char buf[16384];
	int rc = getpwnam_r(b->c->user, &pw, buf, sizeof(buf), &found);
	if (rc || !found) {
		fail(&b->err, rc ? rc : ENOENT, "User '%.100s' is not known on this machine", b->c->user);
		return;
	}
	b->switch_user = 1;
	b->uid = pw.pw_uid;
	b->gid = pw.pw_gid;
	b->n_groups = (int)(sizeof(b->groups) / sizeof(b->groups[0]));
	if (getgrouplist(pw.pw_name, pw.pw_gid, b->groups, &b->n_groups) < 0)
		b->n_groups = (int)(sizeof(b->groups) / sizeof(b->groups[0])); /* the first of them */
}

static void on_resolved(void *arg)
{
	struct box *b = arg;
	if (!called_off(b))
		start(b);
}

static void resolve_user(struct box *b)
{
	struct mesos *m = b->m;
	const char *user = b->c->user;
	if (!user || !m->k->switch_user(m->h) || !m->k->is_root(m->h) || (m->own_user && !strcmp(user, m->own_user))) {
		start(b);
		return;
	}
	box_go(b, BOX_RESOLVING);
	if (m->h->offload(m->h, resolve_work, on_resolved, b) < 0) {
		struct mz_err err;
		fail(&err, -EAGAIN, "The agent has too much work waiting to look up a user");
		give_up(b, &err);
	}
}

static void on_logger_prepared(void *arg, const struct mz_err *err, const void *result)
{
	struct box *b = arg;
	const struct mz_logger_result *r = result;
	if (err) {
		struct mz_err e;
		fail(&e, err->code, "The logger: %.200s", err->msg);
		give_up(b, &e);
		return;
	}
	if (r) {
		b->fd_out = r->fd_out;
		b->fd_err = r->fd_err;
		b->file_out = r->file_out ? strdup(r->file_out) : NULL;
		b->file_err = r->file_err ? strdup(r->file_err) : NULL;
	}
	if (!called_off(b))
		resolve_user(b);
}

static void prepare_logger(struct box *b)
{
	struct mesos *m = b->m;
	if (!HOST_HAS(m->k, logger_prepare)) {
		resolve_user(b);
		return;
	}
	b->is_logged = 1;
	m->k->logger_prepare(m->h, b->c, m->k->op(m->h, on_logger_prepared, b));
}

static void prepare_next(struct box *b);

static void on_prepared(void *arg, const struct mz_err *err, const void *result)
{
	(void)result;
	struct box *b = arg;
	if (err) {
		struct mz_err e;
		fail(&e, err->code, "Isolator '%.60s': %.180s", b->m->k->isolator_name(b->m->h, b->i), err->msg);
		give_up(b, &e);
		return;
	}
	if (called_off(b))
		return;
	b->i++;
	prepare_next(b);
}

static void prepare_next(struct box *b)
{
	struct mesos *m = b->m;
	while (b->i < m->k->n_isolators(m->h) && !concerns(m, b->i, b->id))
		b->i++;
	if (b->i < m->k->n_isolators(m->h))
		m->k->isolator_prepare(m->h, b->i, b->c, b->launch, m->k->op(m->h, on_prepared, b));
	else
		prepare_logger(b);
}

static int is_provided(struct mesos *m, const char *id, const char *what, const char *path, struct mz_err *err)
{
	for (size_t i = 0; i < m->k->n_isolators(m->h); i++)
		if (concerns(m, i, id) && m->k->isolator_provides(m->h, i, what))
			return 0;
	return fail(err, -EOPNOTSUPP, "container.%s: no isolator of this agent provides '%s'", path, what);
}

/* What nobody sees to would be passed over in silence. */
static int all_provided(struct mesos *m, const struct mz_container *c, struct mz_err *err)
{
	const struct mz_info_api *in = c->info;
	char path[64], part[96];
	int rc = 0;
	if (!c->container || !HOST_HAS(m->k, isolator_provides))
		return 0;
	if (in->has(c->container, "mesos.image"))
		rc = is_provided(m, c->id, "mesos.image", "mesos.image", err);
	for (size_t i = 0, n = in->count(c->container, "volumes"); rc == 0 && i < n; i++) {
		const char *type = "HOST_PATH";
		snprintf(path, sizeof(path), "volumes.%zu", i);
		snprintf(part, sizeof(part), "%s.image", path);
		if (in->has(c->container, part))
			type = "IMAGE";
		snprintf(part, sizeof(part), "%s.source.type", path);
		if (in->has(c->container, part))
			type = in->str(c->container, part);
		snprintf(part, sizeof(part), "volumes/%.60s", type ? type : "");
		rc = is_provided(m, c->id, part, path, err);
	}
	for (size_t i = 0, n = in->count(c->container, "network_infos"); rc == 0 && i < n; i++) {
		snprintf(path, sizeof(path), "network_infos.%zu.name", i);
		if (in->has(c->container, path))
			rc = is_provided(m, c->id, "network_infos", path, err);
	}
	return rc;
}

void mesos_launch(void *inst, const struct mz_container *c, struct mz_op *op)
{
	struct mesos *m = inst;
	const char *type = c->container ? c->info->str(c->container, "type") : NULL;
	if (type && strcmp(type, "MESOS")) {
		struct mz_launch_result r = {.size = sizeof(r)};
		m->h->op_done(op, NULL, &r);
		return;
	}
	struct mz_err err;
	if (all_provided(m, c, &err) < 0)
		return m->h->op_done(op, &err, NULL);
	if (box_find(m, c->id))
		return refuse(m, op, -EEXIST, "There is a container of this id already");
	struct box *b = box_new(m, c->id);
	if (!b)
		return refuse(m, op, -ENOMEM, "Out of memory");
	b->launch_op = op;
	struct box *parent = c->parent ? box_parent(b) : NULL;
	if (c->parent && (!parent || parent->state != BOX_RUNNING || parent->shim_gone)) {
		b->launch_op = NULL;
		b->orphan = 1;
		box_free(b);
		return refuse(m, op, -ENOENT, "The parent container is not running");
	}
	b->c = c;
	b->is_linux = m->is_linux;
	b->launch = m->k->launch_new(m->h);
	prepare_next(b);
}
