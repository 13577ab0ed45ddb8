/* containers.c - struct containers of a simulated machine. See machine.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "sim/machine.h"
#include "wire/pb.h"

struct sim_containers {
	struct containers c; /* first member */
	struct sim_machine *machine;
	struct sim_node *node;
};

static void container_free(struct sim_container *c)
{
	sim_exec_free(c->exec);
	free(c->id);
	free(c->framework_id);
	free(c->executor_id);
	free(c);
}

static struct sim_container *container_new(struct sim_machine *m, const struct container_config *cfg)
{
	struct sim_container *c = xnew(struct sim_container);
	c->machine = m;
	c->id = xstrdup(cfg->id);
	c->framework_id = xstrdup(cfg->framework_id);
	c->executor_id = xstrdup(cfg->executor_id);
	c->command = cfg->task_id != NULL;
	c->checkpoint = cfg->checkpoint;
	c->wait_status = -1;
	(void)map_put(&m->containers, c->id, c);
	return c;
}

/* ---- the end of one --------------------------------------------------------------- */

/* An event of the agent: it reaps the container. */
static void on_report(void *arg)
{
	struct sim_container *c = arg;
	struct sim_containers *a = c->machine->agent;
	struct mz_termination t = {.size = sizeof(t), .wait_status = c->wait_status, .state = -1, .reason = -1};
	(void)map_del(&c->machine->containers, c->id);
	a->c.on_exited(a->c.arg, c->id, &t);
	container_free(c);
}

static void report_later(struct sim_container *c)
{
	struct sim_machine *m = c->machine;
	/* The end is told after the start, and once in each life of the agent. */
	if (!m->agent || c->fn || c->reporting)
		return;
	c->reporting = true;
	(void)loop_timer(&m->agent->node->loop, sim_exp(m->sim, 5 * NS_PER_MS), on_report, c);
}

void sim_container_exited(struct sim_container *c, int wait_status)
{
	if (c->exited)
		return;
	c->exited = true;
	c->wait_status = wait_status;
	sim_exec_free(c->exec);
	c->exec = NULL;
	report_later(c);
}

static void on_killed(void *arg)
{
	struct sim_machine *m = ((void **)arg)[0];
	mz_autofree char *id = ((void **)arg)[1];
	free(arg);
	struct sim_container *c = map_get(&m->containers, id);
	if (!c || c->exited)
		return;
	if (c->started)
		sim_container_exited(c, 9);
	else
		c->doomed = true;
}

static void kill_later(struct sim_container *c)
{
	struct sim_machine *m = c->machine;
	void **arg = xcalloc(2, sizeof(*arg));
	arg[0] = m;
	arg[1] = xstrdup(c->id);
	(void)loop_timer(&m->kernel->loop, sim_exp(m->sim, 5 * NS_PER_MS), on_killed, arg);
}

/* ---- the start of one ---------------------------------------------------------------- */

static void on_launch_told(void *arg)
{
	struct sim_container *c = arg;
	void (*fn)(void *, const struct mz_err *, int32_t) = c->fn;
	void *fn_arg = c->arg;
	struct mz_err err;
	c->fn = NULL;
	if (c->started) {
		int32_t pid = c->pid;
		if (c->exited)
			report_later(c);
		fn(fn_arg, NULL, pid);
		return;
	}
	mz_fail(&err, -EIO, c->doomed ? "Container was destroyed while it started" : "No such luck");
	(void)map_del(&c->machine->containers, c->id);
	container_free(c);
	fn(fn_arg, &err, 0);
}

/* An event of the machine: the process starts, or does not. */
static void on_start(void *arg)
{
	struct sim_container *c = arg;
	struct sim_machine *m = c->machine;
	if (!c->doomed && !sim_chance(m->sim, m->cfg->launch_fails_permille)) {
		c->started = true;
		c->pid = ++m->last_pid;
		c->exec = sim_exec_new(c);
	} else {
		c->exited = true;
	}
	if (c->fn && m->agent)
		loop_post(&m->agent->node->loop, on_launch_told, c);
	else if (c->exited)
		report_later(c);
}

static void op_launch(struct containers *cs, const struct container_config *cfg,
		      void (*fn)(void *arg, const struct mz_err *err, int32_t pid), void *arg)
{
	struct sim_containers *a = (struct sim_containers *)cs;
	struct sim_machine *m = a->machine;
	if (map_has(&m->containers, cfg->id))
		sim_fail(m->sim, "Container '%s' was launched twice", cfg->id);
	struct sim_container *c = container_new(m, cfg);
	c->fn = fn;
	c->arg = arg;
	(void)loop_timer(&m->kernel->loop, sim_exp(m->sim, 20 * NS_PER_MS), on_start, c);
}

/* ---- after a restart of the agent ------------------------------------------------------- */

struct recovery {
	struct sim_containers *a;
	void (*fn)(void *arg, const struct mz_err *err);
	void *arg;
};

static void on_recovered(void *arg)
{
	struct recovery r = *(struct recovery *)arg;
	free(arg);
	map_each(&r.a->machine->containers, e) {
		struct sim_container *c = e->value;
		if (c->exited)
			report_later(c);
	}
	r.fn(r.arg, NULL);
}

static bool listed(const struct container_config *const *v, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(v[i]->id, id))
			return true;
	return false;
}

static void op_recover(struct containers *cs, const struct container_config *const *v, size_t n,
		       void (*fn)(void *arg, const struct mz_err *err), void *arg)
{
	struct sim_containers *a = (struct sim_containers *)cs;
	struct sim_machine *m = a->machine;
	map_each(&m->containers, e) {
		struct sim_container *c = e->value;
		c->fn = NULL; /* who asked is gone */
		c->reporting = false;
		if (listed(v, n, c->id))
			continue;
		sim_trace(m->sim, "container %s is nobody's", c->id);
		kill_later(c);
	}
	for (size_t i = 0; i < n; i++)
		if (!map_has(&m->containers, v[i]->id))
			container_new(m, v[i])->exited = true;
	struct recovery *r = xnew(struct recovery);
	*r = (struct recovery){a, fn, arg};
	(void)loop_timer(&a->node->loop, sim_exp(m->sim, 20 * NS_PER_MS), on_recovered, r);
}

/* ---- the rest -------------------------------------------------------------------------- */

struct answer {
	void (*fn)(void *arg, const struct mz_err *err);
	void (*usage)(void *arg, struct mz_bytes statistics);
	void *arg;
	struct buf statistics;
};

static void on_answer(void *arg)
{
	struct answer *x = arg;
	if (x->usage)
		x->usage(x->arg, (struct mz_bytes){x->statistics.data, x->statistics.len});
	else
		x->fn(x->arg, NULL);
	buf_done(&x->statistics);
	free(x);
}

static void answer_later(struct sim_containers *a, struct answer x)
{
	(void)loop_timer(&a->node->loop, sim_exp(a->machine->sim, NS_PER_MS), on_answer, xmemdup(&x, sizeof(x)));
}

static void op_update(struct containers *cs, const char *id MZ_UNUSED, const struct mz_resources *r MZ_UNUSED,
		      const struct container_limits *limits MZ_UNUSED,
		      void (*fn)(void *arg, const struct mz_err *err), void *arg)
{
	answer_later((struct sim_containers *)cs, (struct answer){.fn = fn, .arg = arg});
}

static void op_usage(struct containers *cs, const char *id, void (*fn)(void *arg, struct mz_bytes statistics),
		     void *arg)
{
	struct sim_containers *a = (struct sim_containers *)cs;
	struct answer x = {.usage = fn, .arg = arg};
	if (map_has(&a->machine->containers, id)) {
		Mesos__V1__ResourceStatistics s = MESOS__V1__RESOURCE_STATISTICS__INIT;
		s.timestamp = loop_wall_secs(&a->node->loop);
		pb_encode(&s.base, &x.statistics);
	}
	answer_later(a, x);
}

static int op_terminate(struct containers *cs, const char *id, struct mz_err *err)
{
	struct sim_containers *a = (struct sim_containers *)cs;
	struct sim_container *c = map_get(&a->machine->containers, id);
	if (!c)
		return mz_fail(err, -ENOENT, "There is no container '%s'", id);
	kill_later(c);
	return 0;
}

static void op_remove_sandbox(struct containers *cs, const char *directory MZ_UNUSED,
			      void (*fn)(void *arg, const struct mz_err *err), void *arg)
{
	answer_later((struct sim_containers *)cs, (struct answer){.fn = fn, .arg = arg});
}

static double op_disk_usage(struct containers *cs MZ_UNUSED)
{
	return 0.5;
}

static const struct containers_ops ops = {
	.recover = op_recover,
	.launch = op_launch,
	.update = op_update,
	.usage = op_usage,
	.terminate = op_terminate,
	.remove_sandbox = op_remove_sandbox,
	.disk_usage = op_disk_usage,
};

struct containers *sim_containers_new(struct sim_machine *m, struct sim_node *agent)
{
	struct sim_containers *a = xnew(struct sim_containers);
	a->c.ops = &ops;
	a->machine = m;
	a->node = agent;
	m->agent = a;
	return &a->c;
}

void sim_containers_free(struct containers *c)
{
	struct sim_containers *a = (struct sim_containers *)c;
	if (!a)
		return;
	a->machine->agent = NULL;
	free(a);
}

size_t sim_machine_running(const struct sim_machine *m)
{
	return m->containers.n;
}

void sim_machine_done(struct sim_machine *m)
{
	map_each(&m->containers, e)
		container_free(e->value);
	map_done(&m->containers);
	res_free(m->total);
	sim_node_free(m->kernel);
	sim_disk_free(m->disk);
}
