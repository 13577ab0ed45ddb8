/* check_crash.c - an isolator whose agent is killed, or stopped, at every point of a
 * container's life, and is started again: what is left is taken over or cleaned
 * up. And two instances side by side, which do not know of each other.
 *
 * The first life is a process of its own: it dies of SIGKILL between two steps, or
 * between two turns of the loop within one. The container's process is ours, so that
 * it lives on, or not, as each check wants it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pipe2 */
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "check.h"

enum { MAX_POINTS = 400, MAX_TURNS = 100000 };
/* What becomes of the container in the second life. LOST: nobody tells the isolator of
 * it, it finds what it has kept by itself. */
enum fate { FATE_LIVES, FATE_ENDED, FATE_LOST };
enum step { STEP_CREATED = 1, STEP_RECOVERED, STEP_PREPARED, STEP_ISOLATED, STEP_RAN, STEP_CLEANING, STEP_CLEANED };

/* ---- the container ------------------------------------------------------------------- */

static const struct mz_info *part(struct check *c, struct mz_kit *k, const char *path)
{
	return c->box ? (const struct mz_info *)conf_at((const struct conf_node *)mz_kit_info(k, c->box), path) : NULL;
}

static const char *text(struct check *c, struct mz_kit *k, const char *path, const char *otherwise)
{
	const struct conf_node *n = (const struct conf_node *)part(c, k, path);
	return n && n->type == CONF_SCALAR ? n->text : otherwise;
}

struct mz_container *check_box(struct check *c, struct mz_kit *k, const char *id)
{
	struct mz_container *box = mz_kit_container(k, id, text(c, k, "resources", "cpus:0.5;mem:64;disk:64"));
	box->container = part(c, k, "container");
	box->command = part(c, k, "command");
	box->executor = part(c, k, "executor");
	box->task = part(c, k, "task");
	return box;
}

const struct mz_resources *check_box_update(struct check *c, struct mz_kit *k)
{
	return mz_kit_resources(k, text(c, k, "update", text(c, k, "resources", "cpus:1;mem:96;disk:64")));
}

void check_join(const struct mz_launch *l, pid_t pid)
{
	mz_autofree char *lines = xstrdup(mz_kit_launch_text(l));
	char *save = NULL;
	for (char *line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!str_starts(line, "cgroup "))
			continue;
		mz_autofree char *path = xasprintf("%s/cgroup.procs", line + strlen("cgroup "));
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd >= 0) {
			(void)!dprintf(fd, "%d", (int)pid);
			close(fd);
		}
	}
}

static pid_t sleeper_new(void)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		setsid();
		for (;;)
			pause();
	}
	must(pid > 0);
	return pid;
}

static void sleeper_end(pid_t *pid)
{
	if (*pid > 0) {
		kill(*pid, SIGKILL);
		while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	*pid = 0;
}

/* ---- the first life --------------------------------------------------------------------- */

struct life {
	struct check *c;
	struct mz_kit *k;
	struct mz_kit_module *m;
	const char *dir;
	pid_t sleeper;
	int points; /* until the end */
	bool stops; /* in peace */
	int told;   /* a pipe: a byte for each step */
};

/* A point at which it may end. */
static void point(struct life *l)
{
	if (l->points-- > 0)
		return;
	if (l->stops) {
		mz_kit_free(l->k);
		_exit(0);
	}
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

static void say(const struct life *l, int step)
{
	char byte = (char)step;
	(void)!write(l->told, &byte, 1);
}

static int wait_for(struct life *l, struct mz_kit_op *r)
{
	for (int i = 0; !r->done && i < MAX_TURNS; i++) {
		point(l);
		if (!mz_kit_turn(l->k))
			(void)kit_loop_pass(l->k->loop, 120 * NS_PER_SEC, true);
	}
	point(l);
	return r->done && !r->failed ? 0 : -1;
}

static void run_container(struct life *l)
{
	const struct mz_isolator_ops *ops = mz_kit_ops(l->m);
	void *inst = mz_kit_inst(l->m);
	struct mz_container *box = check_box(l->c, l->k, "kit-1");
	struct mz_launch *launch = mz_kit_launch(l->k);
	struct mz_kit_op r = {.done = 1};
	if (ops->prepare)
		ops->prepare(inst, box, launch, mz_kit_op(l->m, &r, 0));
	if (wait_for(l, &r) < 0)
		return;
	check_join(launch, l->sleeper);
	say(l, STEP_PREPARED);
	box->pid = l->sleeper;
	if (ops->isolate)
		ops->isolate(inst, box, l->sleeper, mz_kit_op(l->m, &r, 0));
	if (wait_for(l, &r) < 0)
		return;
	say(l, STEP_ISOLATED);
	box->resources = check_box_update(l->c, l->k);
	if (ops->update)
		ops->update(inst, box, mz_kit_op(l->m, &r, 0));
	(void)wait_for(l, &r);
	if (ops->usage)
		ops->usage(inst, box, mz_kit_usage(l->k), mz_kit_op(l->m, &r, 0));
	(void)wait_for(l, &r);
	if (ops->status)
		ops->status(inst, box, mz_kit_usage(l->k), mz_kit_op(l->m, &r, 0));
	(void)wait_for(l, &r);
	say(l, STEP_RAN);
}

/* In a process of its own, which it ends. */
static void first_life(struct life *l)
{
	struct mz_err err;
	struct mz_kit_op r = {.done = 1};
	l->k = kit_new_in(l->dir);
	if (mz_kit_load(l->k, l->c->file, l->c->settings, &l->m, &err) < 0)
		_exit(3);
	const struct mz_isolator_ops *ops = mz_kit_ops(l->m);
	say(l, STEP_CREATED);
	point(l);
	if (ops->recover)
		ops->recover(mz_kit_inst(l->m), NULL, 0, mz_kit_op(l->m, &r, 0));
	(void)wait_for(l, &r);
	say(l, STEP_RECOVERED);
	run_container(l);
	/* Cleanup comes when it is dead. */
	kill(l->sleeper, SIGKILL);
	say(l, STEP_CLEANING);
	if (ops->cleanup)
		ops->cleanup(mz_kit_inst(l->m), "kit-1", mz_kit_op(l->m, &r, 0));
	(void)wait_for(l, &r);
	say(l, STEP_CLEANED);
	point(l);
	mz_kit_free(l->k);
	_exit(0);
}

/* The steps that it got to, as bits; *ret_over: it came to its end in peace. */
static unsigned run_first(struct life *l, bool *ret_over, int *ret_status)
{
	int fds[2];
	unsigned steps = 0;
	char byte;
	must(pipe2(fds, O_CLOEXEC) == 0);
	fflush(stdout);
	pid_t pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		l->told = fds[1];
		first_life(l);
	}
	close(fds[1]);
	while (read(fds[0], &byte, 1) == 1)
		steps |= 1u << byte;
	close(fds[0]);
	while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		;
	*ret_over = steps & 1u << STEP_CLEANED && (l->stops || WIFEXITED(*ret_status));
	return steps;
}

/* ---- the second life ------------------------------------------------------------------- */

struct result {
	int n, n_lived;
	struct buf bad[4];
};
enum { BAD_RECOVER, BAD_CLEANUP, BAD_LEFT, BAD_AGAIN };

static void note(struct result *res, int what, int at, const char *step, const char *why)
{
	if (!res->bad[what].len)
		buf_addf(&res->bad[what], "at point %d: %s: %s", at, step, why);
}

static int finish(struct mz_kit *k, struct mz_kit_op *r)
{
	mz_kit_wait(k, r);
	return r->done && !r->failed ? 0 : -1;
}

static void clean(struct mz_kit *k, struct mz_kit_module *m, struct result *res, int at, const char *what)
{
	const struct mz_isolator_ops *ops = mz_kit_ops(m);
	struct mz_kit_op r;
	if (!ops->cleanup)
		return;
	ops->cleanup(mz_kit_inst(m), "kit-1", mz_kit_op(m, &r, 0));
	if (finish(k, &r) < 0)
		note(res, BAD_CLEANUP, at, what, r.err.msg);
}

/* It is taken over, and goes on like any other. */
static void take_over(struct check *c, struct mz_kit *k, struct mz_kit_module *m, struct mz_container *box,
		      struct result *res, int at)
{
	const struct mz_isolator_ops *ops = mz_kit_ops(m);
	struct mz_kit_op r;
	box->resources = check_box_update(c, k);
	if (ops->update) {
		ops->update(mz_kit_inst(m), box, mz_kit_op(m, &r, 0));
		if (finish(k, &r) < 0)
			note(res, BAD_RECOVER, at, "update", r.err.msg);
	}
	if (ops->usage) {
		ops->usage(mz_kit_inst(m), box, mz_kit_usage(k), mz_kit_op(m, &r, 0));
		if (finish(k, &r) < 0)
			note(res, BAD_RECOVER, at, "usage", r.err.msg);
	}
	if (ops->status) {
		ops->status(mz_kit_inst(m), box, mz_kit_usage(k), mz_kit_op(m, &r, 0));
		if (finish(k, &r) < 0)
			note(res, BAD_RECOVER, at, "status", r.err.msg);
	}
}

/* The next one of that id. */
static void third_life(struct check *c, const char *dir, struct result *res, int at)
{
	struct mz_kit *k = kit_new_in(dir);
	struct mz_kit_module *m;
	struct mz_err err;
	struct mz_kit_op r = {.done = 1};
	if (mz_kit_load(k, c->file, c->settings, &m, &err) < 0) {
		note(res, BAD_AGAIN, at, "create", err.msg);
		mz_kit_free(k);
		return;
	}
	const struct mz_isolator_ops *ops = mz_kit_ops(m);
	if (ops->recover)
		ops->recover(mz_kit_inst(m), NULL, 0, mz_kit_op(m, &r, 0));
	if (finish(k, &r) == 0 && ops->prepare)
		ops->prepare(mz_kit_inst(m), check_box(c, k, "kit-1"), mz_kit_launch(k), mz_kit_op(m, &r, 0));
	if (finish(k, &r) < 0)
		note(res, BAD_AGAIN, at, "prepare", r.err.msg);
	clean(k, m, res, at, "cleanup of the next one");
	mz_kit_advance(k, 60 * NS_PER_SEC);
	mz_kit_free(k);
}

static void second_life(struct check *c, const char *dir, pid_t *sleeper, enum fate fate, struct result *res, int at)
{
	bool lives = fate == FATE_LIVES;
	struct mz_kit *k = kit_new_in(dir);
	struct mz_kit_module *m;
	struct mz_kit_op r;
	struct mz_err err;
	if (!lives)
		sleeper_end(sleeper);
	if (mz_kit_load(k, c->file, c->settings, &m, &err) < 0) {
		note(res, BAD_RECOVER, at, "create", err.msg);
		sleeper_end(sleeper);
		mz_kit_free(k);
		return;
	}
	const struct mz_isolator_ops *ops = mz_kit_ops(m);
	struct mz_container *box = check_box(c, k, "kit-1");
	const struct mz_container *const v[] = {box};
	box->pid = lives ? *sleeper : 0;
	if (ops->recover) {
		ops->recover(mz_kit_inst(m), v, lives, mz_kit_op(m, &r, 0));
		if (finish(k, &r) < 0)
			note(res, BAD_RECOVER, at, "recover", r.err.msg);
	}
	if (lives)
		take_over(c, k, m, box, res, at);
	sleeper_end(sleeper);
	if (fate != FATE_LOST) {
		clean(k, m, res, at, "cleanup");
		clean(k, m, res, at, "cleanup a second time");
	}
	mz_kit_advance(k, 60 * NS_PER_SEC); /* what it does by and by */
	mz_kit_free(k);
}

static char *make_dir(void)
{
	const char *tmp = getenv("TMPDIR");
	char *dir = xasprintf("%s/mezzo-kit-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	must(mkdtemp(dir));
	return dir;
}

/* Ends at the point `at`; true: there are no more. The container goes on only if it has
 * been isolated and is not being cleaned up. */
static bool end_at(struct check *c, int at, bool stops, enum fate fate, struct result *res)
{
	mz_autofree char *dir = make_dir();
	mz_autobuf struct buf left = {0};
	struct life l = {.c = c, .dir = dir, .sleeper = sleeper_new(), .points = at, .stops = stops};
	bool over;
	int status;
	unsigned steps = run_first(&l, &over, &status);
	if (!(steps & 1u << STEP_CREATED) || (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL))
		note(res, BAD_RECOVER, at, "the first life", "it crashed");
	if (fate == FATE_LIVES && (!(steps & 1u << STEP_ISOLATED) || steps & 1u << STEP_CLEANING))
		fate = FATE_ENDED;
	res->n++;
	res->n_lived += fate == FATE_LIVES;
	second_life(c, dir, &l.sleeper, fate, res, at);
	check_left(dir, &left);
	if (left.len)
		note(res, BAD_LEFT, at, "left behind", buf_str(&left));
	third_life(c, dir, res, at);
	check_left_remove(dir);
	return over;
}

static void report(struct check *c, struct result *res, const char *what)
{
	static const char *const names[] = {"is recovered", "is cleaned up, twice", "leaves nothing behind",
					    "can come again under its id"};
	for (size_t i = 0; i < MZ_N(names); i++) {
		if (!check(c, !res->bad[i].len, "%s: the container %s", what, names[i]))
			check_note("%s", buf_str(&res->bad[i]));
		buf_done(&res->bad[i]);
	}
}

static void every_point(struct check *c, bool stops, enum fate fate)
{
	struct result res = {0};
	int at = 0;
	while (at < MAX_POINTS && !end_at(c, at, stops, fate, &res))
		at++;
	check(c, at < MAX_POINTS, "the life of a container comes to an end");
	mz_autobuf struct buf what = {0};
	buf_addf(&what, "%s at each of %d points", stops ? "stopped" : "killed", res.n);
	if (fate == FATE_LIVES)
		buf_addf(&what, ", %d with a container that goes on", res.n_lived);
	else if (fate == FATE_LOST)
		buf_adds(&what, ", with a container that nobody remembers");
	report(c, &res, buf_str(&what));
}

/* ---- two at once ------------------------------------------------------------------------ */

struct side {
	char *dir;
	struct mz_kit *k;
	struct mz_kit_module *m;
	pid_t sleeper;
	struct mz_container *box;
};

static bool side_begin(struct check *c, struct side *s)
{
	struct mz_err err;
	struct mz_kit_op r = {.done = 1};
	s->dir = make_dir();
	s->sleeper = sleeper_new();
	s->k = kit_new_in(s->dir);
	if (mz_kit_load(s->k, c->file, c->settings, &s->m, &err) < 0)
		return false;
	const struct mz_isolator_ops *ops = mz_kit_ops(s->m);
	struct mz_launch *l = mz_kit_launch(s->k);
	s->box = check_box(c, s->k, "kit-1"); /* of the same id */
	if (ops->recover)
		ops->recover(mz_kit_inst(s->m), NULL, 0, mz_kit_op(s->m, &r, 0));
	if (finish(s->k, &r) < 0)
		return false;
	if (ops->prepare)
		ops->prepare(mz_kit_inst(s->m), s->box, l, mz_kit_op(s->m, &r, 0));
	if (finish(s->k, &r) < 0)
		return false;
	check_join(l, s->sleeper);
	s->box->pid = s->sleeper;
	if (ops->isolate)
		ops->isolate(mz_kit_inst(s->m), s->box, s->sleeper, mz_kit_op(s->m, &r, 0));
	return finish(s->k, &r) == 0;
}

static void side_end(struct side *s, struct result *res)
{
	mz_autobuf struct buf left = {0};
	sleeper_end(&s->sleeper);
	if (s->m)
		clean(s->k, s->m, res, 0, "cleanup");
	mz_kit_advance(s->k, 60 * NS_PER_SEC);
	mz_kit_free(s->k);
	check_left(s->dir, &left);
	if (left.len)
		note(res, BAD_LEFT, 0, "left behind", buf_str(&left));
	check_left_remove(s->dir);
	free(s->dir);
}

static void side_by_side(struct check *c)
{
	struct side a = {0}, b = {0};
	struct result res = {0};
	mz_autobuf struct buf before = {0}, after = {0};
	bool both = side_begin(c, &a) && side_begin(c, &b);
	check(c, both, "two instances take a container of the same id");
	if (both) {
		check_left(b.dir, &before);
		side_end(&a, &res);
		mz_kit_advance(b.k, 60 * NS_PER_SEC);
		check_left(b.dir, &after);
		if (!check(c, strcmp(buf_str(&before), buf_str(&after)) == 0, "the end of the one leaves the other alone"))
			check_note("before:\n%s# after:\n%s", buf_str(&before), buf_str(&after));
		take_over(c, b.k, b.m, b.box, &res, 0);
	} else if (a.k) {
		side_end(&a, &res);
	}
	if (b.k)
		side_end(&b, &res);
	report(c, &res, "two instances");
}

void check_isolator_crash(struct check *c)
{
	/* One that refuses the container here has nothing to show. */
	struct result res = {0};
	struct side probe = {0};
	bool takes = side_begin(c, &probe);
	side_end(&probe, &res);
	for (size_t i = 0; i < MZ_N(res.bad); i++)
		buf_done(&res.bad[i]);
	if (!takes) {
		check_skip(c, "it does not take the container here", "killed at each point");
		return;
	}
	every_point(c, false, FATE_LIVES);
	every_point(c, false, FATE_ENDED);
	every_point(c, false, FATE_LOST);
	every_point(c, true, FATE_LIVES);
	every_point(c, true, FATE_ENDED);
	side_by_side(c);
}
