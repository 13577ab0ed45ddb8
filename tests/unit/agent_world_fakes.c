/* agent_world_fakes.c - what an agent of agent_world.h stands on: containers, their
 * I/O servers, files and the dialer, of which nothing is real.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent_world.h"

#include <errno.h>
#include <string.h>

/* ---- things that happen a little later ----------------------------------------- */

struct world_job {
	struct world *w;
	void (*fn)(void *arg, const struct mz_err *err);
	void (*launched)(void *arg, const struct mz_err *err, int32_t pid);
	void *arg;
	bool failed, update, removal;
	char *exited; /* a container */
	int wait_status, limit_reason;
	resources *exceeded;
};

static struct world *world_of(struct containers *c)
{
	return mz_container_of((struct fake_containers *)c, struct world, containers);
}

static void on_job(void *arg)
{
	struct world_job *j = arg;
	struct world *w = j->w;
	const struct mz_err err = {.code = -EIO, .msg = "the test says so"};
	for (size_t i = 0; i < w->jobs.n; i++)
		if (w->jobs.v[i] == j)
			vec_remove(&w->jobs, i);
	w->containers.n_removing -= j->removal;
	if (j->fn)
		j->fn(j->arg, j->failed ? &err : NULL);
	if (j->launched)
		j->launched(j->arg, j->failed ? &err : NULL, j->failed ? 0 : 4711);
	if (j->exited) {
		struct mz_termination t = {
			.size = sizeof(t), .wait_status = j->wait_status, .state = -1, .reason = -1};
		struct mz_limitation l = {.size = sizeof(l),
					  .reason = j->limit_reason,
					  .message = "too much",
					  .resources = j->exceeded};
		if (j->exceeded) {
			t.state = MESOS__V1__TASK_STATE__TASK_FAILED;
			t.reason = l.reason;
			t.message = l.message;
			t.limitation = &l;
		}
		w->containers.c.on_exited(w->containers.c.arg, j->exited, &t);
	}
	res_free(j->exceeded);
	free(j->exited);
	free(j);
}

static struct world_job *job_new(struct world *w)
{
	struct world_job *j = xnew(struct world_job);
	j->w = w;
	vec_push(&w->jobs, j);
	return j;
}

static struct world_job *later(struct world *w)
{
	struct world_job *j = job_new(w);
	loop_timer(w->loop, 0, on_job, j);
	return j;
}

/* ---- containers ------------------------------------------------------------------- */

void container_exit(struct world *w, const char *id, int wait_status)
{
	char *copy = xstrdup(id);
	free(map_del(&w->containers.live, id));
	if (!w->a) {
		free(copy); /* nobody looks: recover finds it ended */
		return;
	}
	struct world_job *j = later(w);
	j->exited = copy;
	j->wait_status = wait_status;
}

void container_launched(struct world *w, bool failed)
{
	struct fake_containers *f = &w->containers;
	f->hold_launch = false;
	f->held_launch->failed = failed;
	if (failed)
		free(map_del(&f->live, f->launched.v[f->launched.n - 1]));
	loop_timer(w->loop, 0, on_job, MZ_MOVE(f->held_launch));
	world_settle(w);
}

void container_exceeds(struct world *w, const char *id, int reason, const char *mem)
{
	struct mz_err err;
	mz_autofree char *text = xasprintf("mem:%s", mem);
	container_exit(w, id, 9);
	struct world_job *j = w->jobs.v[w->jobs.n - 1];
	j->limit_reason = reason;
	j->exceeded = res_new();
	if (res_parse(text, NULL, j->exceeded, &err) < 0)
		fail_msg("%s", err.msg);
	world_settle(w);
}

static void fake_recover(struct containers *c, const struct container_config *const *v, size_t n,
			 void (*fn)(void *arg, const struct mz_err *err), void *arg)
{
	struct world *w = world_of(c);
	struct buf all = {0};
	w->containers.n_recovered = n;
	for (size_t i = 0; i < n; i++)
		buf_addf(&all, "%s cpus=%lld mem=%lld share=%d class=%d attachable=%d\n", v[i]->id, (long long)v[i]->limits.cpus,
			 (long long)v[i]->limits.mem, v[i]->share_cgroups, (int)v[i]->container_class, v[i]->attachable);
	xset(&w->containers.recovered, buf_str(&all));
	buf_done(&all);
	for (size_t i = 0; i < n; i++)
		if (!map_has(&w->containers.live, v[i]->id))
			container_exit(w, v[i]->id, 3 << 8);
	struct world_job *j = later(w);
	j->fn = fn;
	j->arg = arg;
}

static void fake_launch(struct containers *c, const struct container_config *cfg,
			void (*fn)(void *arg, const struct mz_err *err, int32_t pid), void *arg)
{
	struct world *w = world_of(c);
	struct fake_containers *f = &w->containers;
	struct world_job *j = f->hold_launch ? job_new(w) : later(w);
	f->held_launch = f->hold_launch ? j : NULL;
	j->launched = fn;
	j->arg = arg;
	j->failed = f->fail_launch;
	xset(&f->last_executor, cfg->executor_id);
	xset(&f->last_parent, cfg->parent);
	xset(&f->last_role, cfg->role);
	xset(&f->last_principal, cfg->principal);
	xset(&f->last_user, cfg->user);
	xset(&f->last_start, cfg->start_directory);
	f->limits = cfg->limits;
	f->share_cgroups = cfg->share_cgroups;
	f->container_class = (int)cfg->container_class;
	f->tty = cfg->tty;
	f->attachable = cfg->attachable;
	f->rows = cfg->tty_rows;
	f->columns = cfg->tty_columns;
	struct buf b = {0};
	for (size_t i = 0; cfg->argv[i]; i++)
		buf_addf(&b, "%s|", cfg->argv[i]);
	xset(&f->last_argv, buf_str(&b));
	buf_clear(&b);
	for (size_t i = 0; cfg->env[i]; i++)
		buf_addf(&b, "%s\n", cfg->env[i]);
	xset(&f->last_env, buf_str(&b));
	buf_done(&b);
	vec_push(&f->launched, xstrdup(cfg->id));
	if (!f->fail_launch)
		free(map_put(&f->live, cfg->id, xstrdup(cfg->id)));
}

static void fake_update(struct containers *c, const char *id, const struct mz_resources *r,
			const struct container_limits *limits, void (*fn)(void *arg, const struct mz_err *err),
			void *arg)
{
	struct world *w = world_of(c);
	(void)id;
	(void)r;
	w->containers.limits = *limits;
	w->containers.n_updates++;
	struct world_job *j = later(w);
	j->update = true;
	j->failed = w->containers.fail_update;
	j->fn = fn;
	j->arg = arg;
}

static void fake_usage(struct containers *c, const char *id, void (*fn)(void *arg, struct mz_bytes statistics),
		       void *arg)
{
	struct fake_containers *f = &world_of(c)->containers;
	(void)id;
	f->n_usage_questions++;
	if (f->hold_usage)
		vec_push(&f->usage_questions, ((struct usage_question){fn, arg}));
	else
		fn(arg, (struct mz_bytes){0});
}

void container_measured(struct world *w)
{
	struct fake_containers *f = &w->containers;
	struct usage_question q = f->usage_questions.v[0];
	vec_remove(&f->usage_questions, 0);
	q.fn(q.arg, (struct mz_bytes){0});
	world_settle(w);
}

static int fake_terminate(struct containers *c, const char *id, struct mz_err *err)
{
	struct world *w = world_of(c);
	if (!map_has(&w->containers.live, id))
		return mz_fail(err, -ENOENT, "No container '%s'", id);
	w->containers.n_terminated++;
	if (!w->containers.slow_end)
		container_exit(w, id, 9);
	return 0;
}

static int fake_kill(struct containers *c, const char *id, int signal, struct mz_err *err)
{
	struct world *w = world_of(c);
	if (!map_has(&w->containers.live, id))
		return mz_fail(err, -ENOENT, "No container '%s'", id);
	free(w->containers.last_killed);
	w->containers.last_killed = xasprintf("%s:%d", id, signal);
	return 0;
}

static void fake_forget(struct containers *c, const char *id, void (*fn)(void *arg, const struct mz_err *err), void *arg)
{
	struct world *w = world_of(c);
	(void)id;
	w->containers.n_removed++;
	struct world_job *j = later(w);
	j->fn = fn;
	j->arg = arg;
}

static void fake_remove(struct containers *c, const char *directory, void (*fn)(void *arg, const struct mz_err *err),
			void *arg)
{
	struct world *w = world_of(c);
	struct fake_containers *f = &w->containers;
	vec_push(&f->removed, xstrdup(directory));
	f->n_removing++;
	f->n_removing_most = MZ_MAX(f->n_removing_most, f->n_removing);
	struct world_job *j = f->hold_remove ? job_new(w) : later(w);
	j->removal = true;
	j->failed = f->fail_remove;
	j->fn = fn;
	j->arg = arg;
}

static double fake_disk_usage(struct containers *c)
{
	return world_of(c)->containers.usage;
}

/* ---- their I/O servers: connections without anything behind them ---------------------- */

static struct world *io_world; /* of the test that runs: opening has no argument of ours */

struct io *world_io_open(struct loop *l, int fd, const struct io_cb *cb, void *arg)
{
	(void)l;
	struct fake_io *f = fake_io_new(fd, cb, arg);
	vec_push(&io_world->ios, f);
	return &f->io;
}

void container_attached(struct world *w)
{
	struct fake_containers *f = &w->containers;
	struct mz_err err;
	if (f->attach_error)
		mz_fail(&err, f->attach_error, "the test says so");
	f->hold_attach = false;
	f->attach_fn(f->attach_arg, f->attach_error ? &err : NULL, f->attach_error ? -1 : ++f->n_attached);
}

static void fake_attach(struct containers *c, const char *id, void (*fn)(void *arg, const struct mz_err *err, int fd),
			void *arg)
{
	struct world *w = world_of(c);
	struct fake_containers *f = &w->containers;
	struct mz_err err;
	f->attach_fn = fn;
	f->attach_arg = arg;
	if (!map_has(&f->live, id)) {
		mz_fail(&err, -ENOENT, "No container '%s'", id);
		fn(arg, &err, -1);
	} else if (!f->hold_attach) {
		container_attached(w);
	}
}

static void fake_limited(struct containers *c, const char *id, void (*fn)(void *arg, bool limited), void *arg)
{
	struct fake_containers *f = &world_of(c)->containers;
	(void)id;
	if (!f->hold_limited) {
		fn(arg, false);
		return;
	}
	vec_push(&f->limit_questions, ((struct limit_question){fn, arg}));
}

void container_limited(struct world *w, bool limited)
{
	struct fake_containers *f = &w->containers;
	f->hold_limited = false;
	for (size_t i = 0; i < f->limit_questions.n; i++)
		f->limit_questions.v[i].fn(f->limit_questions.v[i].arg, limited);
	vec_done(&f->limit_questions);
	world_settle(w);
}

static struct mz_bytes fake_status(struct containers *c, const char *id)
{
	(void)id;
	return world_of(c)->containers.status;
}

static const struct containers_ops containers_ops = {
	.status = fake_status,
	.limited = fake_limited,
	.attach = fake_attach,
	.recover = fake_recover,
	.launch = fake_launch,
	.update = fake_update,
	.usage = fake_usage,
	.terminate = fake_terminate,
	.kill = fake_kill,
	.remove = fake_forget,
	.remove_sandbox = fake_remove,
	.disk_usage = fake_disk_usage,
};

/* ---- files: what is attached, nothing in it ------------------------------------------ */

static struct map *attached_of(struct files *f)
{
	return &mz_container_of(f, struct world, files)->attached;
}

static void on_attach(struct files *f, const char *path, const char *real)
{
	free(map_put(attached_of(f), path, xstrdup(real)));
}

static void on_detach(struct files *f, const char *path)
{
	free(map_del(attached_of(f), path));
}

static bool on_attached(struct files *f, size_t i, const char **ret_virtual, const char **ret_real)
{
	map_each(attached_of(f), e) {
		if (i--)
			continue;
		*ret_virtual = e->key;
		*ret_real = e->value;
		return true;
	}
	return false;
}

static const struct files_ops files_ops = {.attach = on_attach, .detach = on_detach, .attached = on_attached};

/* ---- the master's address ---------------------------------------------------------------- */

struct dial {
	void (*fn)(void *arg, struct link *l, const char *why);
	void *arg;
	struct world *w;
};

static void on_dialled(void *arg, const struct mz_err *err)
{
	struct dial *d = arg;
	struct world *w = d->w;
	(void)err;
	if (w->refuse_dials) {
		d->fn(d->arg, NULL, "refused");
		return;
	}
	w->link = fake_link_new(w->loop);
	vec_push(&w->links, w->link);
	d->fn(d->arg, &w->link->link, NULL);
}

static void on_dial(struct link_dialer *dialer, const char *address,
		    void (*fn)(void *arg, struct link *l, const char *why), void *arg)
{
	struct world *w = mz_container_of(dialer, struct world, dialer);
	struct dial *d = arena_calloc(&w->arena, sizeof(*d));
	(void)address;
	*d = (struct dial){fn, arg, w};
	w->n_dials++;
	struct world_job *j = later(w);
	j->fn = on_dialled;
	j->arg = d;
}

void world_forget_jobs(struct world *w)
{
	/* A process that is gone hears nothing: its timers are not run. */
	for (size_t i = 0; i < w->jobs.n; i++) {
		struct world_job *j = w->jobs.v[i];
		if (j->launched || j->update) { /* the argument is the agent's: let it go as at an exit */
			free(((void **)j->arg)[1]);
			free(j->arg);
		}
		j->fn = NULL;
		j->launched = NULL;
		j->update = false;
		free(j->exited);
		j->exited = NULL;
	}
}

static void on_cancel(struct link_dialer *dialer, void *arg)
{
	struct world *w = mz_container_of(dialer, struct world, dialer);
	(void)arg;
	for (size_t i = 0; i < w->jobs.n; i++)
		if (w->jobs.v[i]->fn == on_dialled)
			w->jobs.v[i]->fn = NULL;
}

static const struct link_dialer_ops dialer_ops = {on_dial, on_cancel};

void world_fakes_init(struct world *w)
{
	w->containers.c.ops = &containers_ops;
	w->files.ops = &files_ops;
	w->dialer.ops = &dialer_ops;
	io_world = w;
}
