/* mesos.c - containerizer/mesos: runs containers natively, each under a shim of its
 * own (mezzo-init), fenced by the configured isolators. The launcher `posix` needs
 * no privilege and no kernel feature beyond processes; a container is then whatever
 * descends from its shim. Under `linux` (linux.c) it is what is in its cgroup.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mesos.h"

/* TASK_FAILED */
enum { TASK_FAILED = 3 };

/* ---- small things ------------------------------------------------------------ */

void say(struct mesos *m, int level, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	m->h->log(m->h, level, text);
}

int fail(struct mz_err *err, int code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	err->code = code < 0 ? code : -code;
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return err->code;
}

char *format(const char *fmt, ...)
{
	char *s;
	va_list ap;
	va_start(ap, fmt);
	int n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : s;
}

const char *reason(int code, char *buf, size_t size)
{
	return strerror_r(code < 0 ? -code : code, buf, size);
}

void pending_add(struct mesos *m, struct pending *p, void (*drop)(struct pending *p))
{
	*p = (struct pending){.next = m->pending, .at = &m->pending, .drop = drop};
	if (p->next)
		p->next->at = &p->next;
	m->pending = p;
}

void pending_end(struct pending *p)
{
	*p->at = p->next;
	if (p->next)
		p->next->at = p->at;
}

/* ---- the table ----------------------------------------------------------------- */

static unsigned bucket(const char *id)
{
	unsigned h = 5381;
	while (*id)
		h = h * 33 + (unsigned char)*id++;
	return h % N_BUCKETS;
}

struct box *box_find(struct mesos *m, const char *id)
{
	struct box *b = m->buckets[bucket(id)];
	while (b && strcmp(b->id, id))
		b = b->next;
	return b;
}

struct box *box_new(struct mesos *m, const char *id)
{
	struct box *b = calloc(1, sizeof(*b));
	char *own = strdup(id);
	if (!b || !own) {
		free(b);
		free(own);
		return NULL;
	}
	unsigned at = bucket(id);
	*b = (struct box){
		.next = m->buckets[at], .m = m, .id = own, .control = -1, .pidfd = -1, .wait_status = -1, .fd_out = -1, .fd_err = -1, .io.pidfd = -1};
	m->buckets[at] = b;
	m->n_nested += strchr(id, '.') != NULL;
	m->h->metric_add(m->running, 1);
	return b;
}

struct box *box_parent(const struct box *b)
{
	const char *dot = strrchr(b->id, '.');
	char *id = dot ? strndup(b->id, (size_t)(dot - b->id)) : NULL;
	struct box *parent = id ? box_find(b->m, id) : NULL;
	free(id);
	return parent;
}

static int is_in(const struct box *b, const char *id, size_t len)
{
	return !strncmp(b->id, id, len) && b->id[len] == '.';
}

int box_destroy_nested(struct box *b)
{
	struct mesos *m = b->m;
	size_t len = strlen(b->id);
	int any = 0;
	for (size_t i = 0; m->n_nested && i < N_BUCKETS; i++)
		for (struct box *x = m->buckets[i]; x; x = x->next)
			if (is_in(x, b->id, len) && !strchr(x->id + len + 1, '.')) {
				any = 1;
				box_destroy(x); /* which frees nothing: the answers come later */
			}
	return any;
}

static void box_free(struct box *b)
{
	struct box **at = &b->m->buckets[bucket(b->id)];
	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
	b->m->n_nested -= strchr(b->id, '.') != NULL;
	b->m->h->metric_add(b->m->running, -1);
	shim_done(b);
	io_done(b);
	b->m->k->launch_free(b->launch);
	free(b->limitation_message);
	free(b->file_out);
	free(b->file_err);
	free(b->id);
	free(b);
}

/* From each state, the states that may follow. */
static const char *const state_name[BOX_N_STATES] = {"PREPARING", "RESOLVING", "CREATING",   "ISOLATING",
						     "STARTING",  "RUNNING",   "DESTROYING", "CLEANING"};
static const unsigned char follows[BOX_N_STATES] = {
	[BOX_PREPARING] = 1 << BOX_RESOLVING | 1 << BOX_CREATING | 1 << BOX_ISOLATING | 1 << BOX_CLEANING,
	[BOX_RESOLVING] = 1 << BOX_CREATING | 1 << BOX_ISOLATING | 1 << BOX_CLEANING,
	[BOX_CREATING] = 1 << BOX_ISOLATING | 1 << BOX_DESTROYING | 1 << BOX_CLEANING,
	[BOX_ISOLATING] = 1 << BOX_STARTING | 1 << BOX_DESTROYING | 1 << BOX_CLEANING,
	[BOX_STARTING] = 1 << BOX_RUNNING | 1 << BOX_DESTROYING | 1 << BOX_CLEANING,
	[BOX_RUNNING] = 1 << BOX_DESTROYING | 1 << BOX_CLEANING,
	[BOX_DESTROYING] = 1 << BOX_CLEANING,
	[BOX_CLEANING] = 0,
};

static void go(struct box *b, enum box_state to)
{
	if (!(follows[b->state] & 1 << to))
		say(b->m, MZ_LOG_ERROR, "Container '%s' goes from %s to %s, which is not foreseen", b->id,
		    state_name[b->state], state_name[to]);
	b->state = to;
}

/* ---- the end ------------------------------------------------------------------- */

static void finish(struct box *b)
{
	struct mesos *m = b->m;
	m->h->metric_add(m->destroyed, 1);
	if (b->launch_op) {
		if (b->limitation.size)
			fail(&b->err, -EDQUOT, "%s", b->limitation_message ? b->limitation_message : "It went over a limit");
		if (!b->err.code)
			fail(&b->err, -ECANCELED, "The container was destroyed while it was launched");
		if (b->has_record)
			record_remove(m, b->id);
		m->h->op_done(b->launch_op, &b->err, NULL);
	} else if (!b->orphan) {
		struct mz_termination t = {
			.size = sizeof(t), .wait_status = b->wait_status, .state = -1, .reason = -1};
		if (b->err.code)
			t.message = b->err.msg;
		if (b->limitation.size) {
			t.state = TASK_FAILED;
			t.reason = b->limitation.reason;
			t.message = b->limitation.message;
			t.limitation = &b->limitation;
		}
		record_remove_later(m, b->id);
		m->k->exited(m->h, b->id, &t);
	} else {
		record_remove(m, b->id);
	}
	struct recovery *r = b->recovery;
	struct box *parent = box_parent(b);
	box_free(b);
	if (r)
		recovery_step(r);
	/* It may have waited for this one. */
	if (parent && parent->shim_gone && !parent->asking && parent->state != BOX_CLEANING)
		box_ended(parent);
}

static void on_logger_ended(void *arg, const struct mz_err *err, const void *result)
{
	(void)result;
	struct box *b = arg;
	if (err)
		say(b->m, MZ_LOG_WARNING, "The logger of container '%s' did not end well, going on: %s", b->id, err->msg);
	finish(b);
}

static void tell_logger(struct box *b)
{
	struct mesos *m = b->m;
	if (b->is_logged && HOST_HAS(m->k, logger_ended))
		m->k->logger_ended(m->h, b->id, m->k->op(m->h, on_logger_ended, b));
	else
		finish(b);
}

static void end_logging(struct box *b)
{
	if (!io_wait(b, tell_logger))
		tell_logger(b);
}

/* Does this isolator want to know of the container? */
static int concerns(struct mesos *m, size_t i, const char *id)
{
	return !strchr(id, '.') || (m->k->isolator_flags(m->h, i) & MZ_ISOLATOR_NESTED);
}

static void cleanup_next(struct box *b);

static void on_cleaned(void *arg, const struct mz_err *err, const void *result)
{
	(void)result;
	struct box *b = arg;
	if (err)
		say(b->m, MZ_LOG_ERROR, "Isolator '%s' could not clean up container '%s', going on: %s",
		    b->m->k->isolator_name(b->m->h, b->i), b->id, err->msg);
	cleanup_next(b);
}

static void cleanup_next(struct box *b)
{
	struct mesos *m = b->m;
	while (b->i > 0 && !concerns(m, b->i - 1, b->id))
		b->i--;
	if (b->i == 0) {
		end_logging(b);
		return;
	}
	b->i--;
	m->k->isolator_cleanup(m->h, b->i, b->id, m->k->op(m->h, on_cleaned, b));
}

static void go_cleaning(struct box *b)
{
	go(b, BOX_CLEANING);
	b->i = b->m->k->n_isolators(b->m->h);
	cleanup_next(b);
}

void box_ended(struct box *b)
{
	b->shim_gone = 1;
	if (!box_destroy_nested(b))
		go_cleaning(b);
}

static void give_up(struct box *b, const struct mz_err *err)
{
	if (!b->err.code)
		b->err = *err;
	if (b->state == BOX_ISOLATING || b->state == BOX_STARTING)
		box_destroy(b);
	else
		go_cleaning(b);
}

/* A destroy that came while an answer was awaited that cannot be called back. */
static int called_off(struct box *b)
{
	if (!b->err.code)
		return 0;
	give_up(b, &b->err);
	return 1;
}

void on_box_exited(struct box *b)
{
	struct mesos *m = b->m;
	if (!b->launch_op && b->wait_status == -1 && !b->err.code) {
		fail(&b->err, -ESRCH, "The shim of the container ended without telling how its process ended");
		if (b->payload > 0 && !b->is_linux)
			kill(-b->payload, SIGKILL); /* its session: what can be found without the shim */
		say(m, MZ_LOG_ERROR, "Container '%s': %s", b->id, b->err.msg);
	} else if (b->launch_op && !b->err.code) {
		fail(&b->err, -ESRCH, "The shim of the container ended before it started anything");
	}
	shim_done(b);
	b->shim_gone = 1;
	if (!b->asking)
		box_ended(b);
}

void box_destroy(struct box *b)
{
	switch (b->state) {
	case BOX_PREPARING:
	case BOX_RESOLVING:
		if (!b->err.code)
			fail(&b->err, -ECANCELED, "The container was destroyed while it was launched");
		break; /* seen when the answer that is under way comes */
	case BOX_CREATING:
	case BOX_ISOLATING:
		if (!b->err.code)
			fail(&b->err, -ECANCELED, "The container was destroyed while it was launched");
		go(b, BOX_DESTROYING);
		shim_call_off(b);
		break;
	case BOX_STARTING:
	case BOX_RUNNING:
		if (b->launch_op && !b->err.code)
			fail(&b->err, -ECANCELED, "The container was destroyed while it was launched");
		if (b->shim_gone)
			break; /* it waits for what is nested in it */
		go(b, BOX_DESTROYING);
		shim_signal(b, SIGTERM);
		box_destroy_nested(b);
		break;
	default:
		break; /* under way already */
	}
}

/* ---- launch -------------------------------------------------------------------- */

void on_box_started(struct box *b, int32_t payload)
{
	struct mesos *m = b->m;
	b->payload = payload;
	b->has_record = 1;
	if (b->state != BOX_STARTING)
		return; /* being destroyed: its exit follows */
	go(b, BOX_RUNNING);
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
	go(b, BOX_STARTING);
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
	if (b->is_linux)
		go(b, BOX_CREATING);
	else
		on_box_created(b, b->pid);
}

void on_box_created(struct box *b, int32_t first)
{
	b->first = first;
	if (b->state == BOX_DESTROYING)
		return; /* called off: its exit follows */
	go(b, BOX_ISOLATING);
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
	go(b, BOX_RESOLVING);
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

static void refuse(struct mesos *m, struct mz_op *op, int code, const char *text)
{
	struct mz_err err;
	fail(&err, code, "%s", text);
	m->h->op_done(op, &err, NULL);
}

static void mesos_launch(void *inst, const struct mz_container *c, struct mz_op *op)
{
	struct mesos *m = inst;
	const char *type = c->container ? c->info->str(c->container, "type") : NULL;
	if (type && strcmp(type, "MESOS")) {
		struct mz_launch_result r = {.size = sizeof(r)};
		m->h->op_done(op, NULL, &r);
		return;
	}
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

/* ---- questions about running containers --------------------------------------- */

/* One question that goes to each isolator in turn. */
struct round {
	struct pending pending;
	struct mesos *m;
	char *id;
	const struct mz_container *c; /* update: the caller's, which lives until the end */
	struct mz_container own;	      /* else: only the id matters */
	struct mz_usage *u;
	struct mz_op *op;
	size_t i;
	enum { ROUND_UPDATE, ROUND_USAGE, ROUND_STATUS } what;
	int32_t pid;
};

static void round_drop(struct pending *p)
{
	struct round *r = (struct round *)p;
	free(r->id);
	free(r);
}

static void round_end(struct round *r, const struct mz_err *err)
{
	struct mz_container_status s = {.size = sizeof(s), .pid = r->pid};
	pending_end(&r->pending);
	r->m->h->op_done(r->op, err, !err && r->what == ROUND_STATUS ? &s : NULL);
	round_drop(&r->pending);
}

static void round_next(struct round *r);

static void on_round(void *arg, const struct mz_err *err, const void *result)
{
	(void)result;
	struct round *r = arg;
	if (err && r->what == ROUND_UPDATE) {
		round_end(r, err);
		return;
	}
	if (err) /* the others may know more */
		say(r->m, MZ_LOG_WARNING, "Isolator '%s' cannot measure container '%s', ignoring: %s",
		    r->m->k->isolator_name(r->m->h, r->i), r->id, err->msg);
	r->i++;
	round_next(r);
}

static void round_next(struct round *r)
{
	const struct mz_containerizer_host *k = r->m->k;
	const struct mz_host *h = r->m->h;
	while (r->i < k->n_isolators(h) && !concerns(r->m, r->i, r->id))
		r->i++;
	if (r->i >= k->n_isolators(h) || !box_find(r->m, r->id)) {
		round_end(r, NULL);
		return;
	}
	struct mz_op *op = k->op(h, on_round, r);
	if (r->what == ROUND_UPDATE)
		k->isolator_update(h, r->i, r->c, op);
	else if (r->what == ROUND_USAGE)
		k->isolator_usage(h, r->i, r->c, r->u, op);
	else
		k->isolator_status(h, r->i, r->c, r->u, op);
}

static void ask(struct mesos *m, int what, const char *id, const struct mz_container *c, struct mz_usage *u,
		struct mz_op *op)
{
	struct box *b = box_find(m, id);
	if (!b || b->state != BOX_RUNNING)
		return refuse(m, op, -ENOENT, "The container is not running");
	struct round *r = calloc(1, sizeof(*r));
	char *own = strdup(id);
	if (!r || !own) {
		free(r);
		free(own);
		return refuse(m, op, -ENOMEM, "Out of memory");
	}
	pending_add(m, &r->pending, round_drop);
	r->m = m;
	r->id = own;
	r->own = (struct mz_container){.size = sizeof(r->own), .id = own, .pid = b->first};
	r->c = c ? c : &r->own;
	r->u = u;
	r->op = op;
	r->what = what;
	r->pid = b->first;
	if (what == ROUND_STATUS && u)
		(void)m->k->usage->set_integer(u, "executor_pid", b->first); /* no such field: not wanted */
	round_next(r);
}

static void mesos_update(void *inst, const struct mz_container *c, struct mz_op *op)
{
	ask(inst, ROUND_UPDATE, c->id, c, NULL, op);
}

static void mesos_usage(void *inst, const char *id, struct mz_usage *u, struct mz_op *op)
{
	ask(inst, ROUND_USAGE, id, NULL, u, op);
}

static void mesos_status(void *inst, const char *id, struct mz_usage *u, struct mz_op *op)
{
	ask(inst, ROUND_STATUS, id, NULL, u, op);
}

static int mesos_kill(void *inst, const char *id, int signal, struct mz_err *err)
{
	struct box *b = box_find(inst, id);
	if (!b || b->state != BOX_RUNNING)
		return fail(err, -ENOENT, "Container '%.200s' is not running", id);
	char why[128];
	int rc = shim_forward(b, signal);
	return rc < 0 ? fail(err, rc, "Cannot signal container '%.150s': %s", id, reason(rc, why, sizeof(why))) : 0;
}

static int mesos_terminate(void *inst, const char *id, struct mz_err *err)
{
	struct box *b = box_find(inst, id);
	if (!b)
		return fail(err, -ENOENT, "There is no container '%.200s'", id);
	box_destroy(b);
	return 0;
}

static void mesos_remove(void *inst, const char *id, struct mz_op *op)
{
	struct mesos *m = inst;
	if (box_find(m, id))
		return refuse(m, op, -EBUSY, "The container has not ended yet");
	record_remove_asked(m, id, op);
}

static void on_limitation(void *inst, const char *id, const struct mz_limitation *l)
{
	struct box *b = box_find(inst, id);
	if (!b || b->limitation.size || b->state == BOX_CLEANING)
		return;
	b->limitation_message = l->message ? strdup(l->message) : NULL;
	b->limitation = (struct mz_limitation){
		.size = sizeof(b->limitation), .reason = l->reason, .message = b->limitation_message};
	say(b->m, MZ_LOG_INFO, "Container '%s' is destroyed: %s", id, l->message ? l->message : "it went over a limit");
	/* Its start may be on the way to us: then it was launched, and ends like that. */
	if (b->state != BOX_STARTING || b->shim_gone)
		box_destroy(b);
}

/* ---- the instance -------------------------------------------------------------- */

static void destroy(void *inst)
{
	struct mesos *m = inst;
	if (!m)
		return;
	for (size_t i = 0; i < N_BUCKETS; i++)
		while (m->buckets[i])
			box_free(m->buckets[i]);
	while (m->pending) {
		struct pending *p = m->pending;
		pending_end(p);
		p->drop(p);
	}
	records_done(m);
	linux_done(m);
	free(m->init_path);
	free(m->records);
	free(m->io_dir);
	free(m->own_user);
	free(m);
}

static int make_records_dir(struct mesos *m, struct mz_err *err)
{
	char why[128];
	const char *dir = m->k->runtime_dir(m->h);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return fail(err, -errno, "Cannot make '%.180s': %s", dir, reason(errno, why, sizeof(why)));
	if (mkdir(m->records, 0700) < 0 && errno != EEXIST)
		return fail(err, -errno, "Cannot make '%.180s': %s", m->records, reason(errno, why, sizeof(why)));
	return 0;
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct mesos *m = calloc(1, sizeof(*m));
	if (!m)
		return fail(err, -ENOMEM, "Out of memory");
	m->h = h;
	m->k = h->kind;
	m->ended_tail = &m->ended;
	m->init_fd = -1;
	m->stall_ns = h->conf_int(conf, "attach_stall");
	m->is_linux = !strcmp(h->conf_str(conf, "launcher"), "linux");
	const char *path = h->conf_str(conf, "init");
	m->init_path = path[0] ? strdup(path) : format("%s/mezzo-init", m->k->libexec_dir(h));
	m->records = format("%s/containers", m->k->runtime_dir(h));
	struct passwd pw, *found = NULL;
	char buf[4096];
	if (getpwuid_r(geteuid(), &pw, buf, sizeof(buf), &found) == 0 && found)
		m->own_user = strdup(found->pw_name);
	m->running = h->metric(h, MZ_METRIC_GAUGE, "containers");
	m->launched = h->metric(h, MZ_METRIC_COUNTER, "launched");
	m->destroyed = h->metric(h, MZ_METRIC_COUNTER, "destroyed");
	int rc = 0;
	if (!m->init_path || !m->records)
		rc = fail(err, -ENOMEM, "Out of memory");
	else if (access(m->init_path, X_OK) < 0)
		rc = fail(err, -errno, "Cannot execute '%.200s': set 'init' to where mezzo-init is", m->init_path);
	else
		rc = make_records_dir(m, err);
	if (rc == 0)
		rc = io_create(m, err);
	if (rc == 0)
		rc = linux_create(m, err);
	if (rc < 0) {
		destroy(m);
		return rc;
	}
	m->k->on_limitation(h, on_limitation, m);
	*inst = m;
	return 0;
}

static const char *const launchers[] = {"posix", "linux", NULL};
static const struct mz_setting settings[] = {
	{sizeof(struct mz_setting), MZ_SETTING_STRING, "launcher", "posix", 0, 0,
	 "posix: a container is the processes that descend from its shim; needs no privilege | linux: namespaces, "
	 "cgroups, file systems of its own; needs root",
	 launchers},
	MZ_SETTING(DURATION, "attach_stall", "30secs", 1000000, 86400LL * 1000000000,
		   "who is attached to a container and takes nothing of its output for so long is cut"),
	MZ_SETTING(STRING, "init", "", 0, 0, "mezzo-init, the shim; empty: the installed one"),
	MZ_SETTING_END,
};

static const struct mz_containerizer_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.recover = mesos_recover,
	.launch = mesos_launch,
	.update = mesos_update,
	.usage = mesos_usage,
	.status = mesos_status,
	.kill = mesos_kill,
	.terminate = mesos_terminate,
	.remove = mesos_remove,
	.attach = mesos_attach,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(CONTAINERIZER),
	.name = "mesos",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Runs containers natively, each under its own shim, fenced by isolators",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
