/* recover.c - the agent's records become its state again: frameworks, executors,
 * tasks and update streams are rebuilt, containers re-attached, and executors
 * given a moment to subscribe before the master is told what runs.
 *
 * A record that cannot be read costs itself: it is logged, counted and skipped.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/gc.h"
#include "agent/nested.h"

/* Why each kind of record is read in this order: the later ones refer to the
 * earlier ones. */
struct reader {
	struct agent *agent;
	struct arena arena;
};

static int bad_record(struct agent *a, const char *key, const char *why)
{
	a->metrics.recovery_errors++;
	log_error(AREA, "Record '%s' cannot be used, ignoring: %s", key, why);
	return 0;
}

static int on_self(void *arg, const char *key, const void *data, size_t size)
{
	struct agent *a = arg;
	struct arena mz_autoarena m = {0};
	struct mz_err err;
	if (strcmp(key, "agent") != 0)
		return 0;
	Mezzo__Records__AgentSelf *r = (Mezzo__Records__AgentSelf *)pb_decode(&mezzo__records__agent_self__descriptor,
									     &m, data, size, &err);
	if (!r || !r->info->id)
		return bad_record(a, key, r ? "No id" : err.msg);
	a->id = xstrdup(r->info->id->value);
	a->old_info = (Mesos__V1__AgentInfo *)pb_copy(&r->info->base, &a->arena);
	a->rebooted = r->boot_id && a->cfg.boot_id && strcmp(r->boot_id, a->cfg.boot_id) != 0;
	a->info->id = PB_NEW(&a->arena, Mesos__V1__AgentID, mesos__v1__agent_id);
	a->info->id->value = arena_strdup(&a->arena, a->id);
	return 0;
}

static int on_framework(void *arg, const char *key, const void *data, size_t size)
{
	struct agent *a = arg;
	struct arena mz_autoarena m = {0};
	struct mz_err err;
	Mezzo__Records__AgentFramework *r = (Mezzo__Records__AgentFramework *)pb_decode(
		&mezzo__records__agent_framework__descriptor, &m, data, size, &err);
	if (!r || !r->info->id)
		return bad_record(a, key, r ? "No id" : err.msg);
	agent_framework_add(a, r->info);
	return 0;
}

static int on_executor(void *arg, const char *key, const void *data, size_t size)
{
	struct agent *a = arg;
	struct arena mz_autoarena m = {0};
	struct mz_err err;
	Mezzo__Records__AgentExecutor *r = (Mezzo__Records__AgentExecutor *)pb_decode(
		&mezzo__records__agent_executor__descriptor, &m, data, size, &err);
	if (!r)
		return bad_record(a, key, err.msg);
	struct framework *f = agent_framework_find(a, r->framework_id->value);
	if (!f)
		return bad_record(a, key, "Its framework is unknown");
	/* An id may be in use again while the last of its former bearer is unacknowledged. */
	struct executor *live = agent_executor_find(f, r->info->executor_id->value);
	if (live && !r->ended)
		return bad_record(a, key, "There are two executors of that id");
	struct executor *ex = agent_executor_new(f, r->info, r->command_executor);
	map_del(&a->containers, ex->container_id);
	xset(&ex->container_id, r->container_id->value);
	xset(&ex->directory, r->directory);
	xset(&ex->user, r->user);
	xset(&ex->key, key);
	ex->recovered = true;
	ex->launched = true;
	ex->subscribed_once = true;
	ex->ended = r->ended;
	ex->wait_status = r->wait_status;
	ex->sent_task = !ex->command; /* of a command executor its updates tell */
	agent_executor_attach_files(ex);
	if (live)
		agent_executor_attach_files(live); /* "latest" is its own */
	if (ex->ended) {
		map_del(&f->executors, ex->id);
		if (live)
			map_put(&f->executors, live->id, live);
		vec_push(&f->ended_executors, ex);
		ex->fsm = AGENT_EXECUTOR_TERMINATED;
	} else {
		map_put(&a->containers, ex->container_id, ex);
	}
	return 0;
}

static struct executor *executor_of_container(struct framework *f, const char *container_id)
{
	struct executor *ex = map_get(&f->agent->containers, container_id);
	for (size_t i = 0; !ex && i < f->ended_executors.n; i++)
		if (strcmp(f->ended_executors.v[i]->container_id, container_id) == 0)
			ex = f->ended_executors.v[i];
	return ex;
}

static int on_task(void *arg, const char *key, const void *data, size_t size)
{
	struct agent *a = arg;
	struct arena mz_autoarena m = {0};
	struct mz_err err;
	Mezzo__Records__AgentTask *r = (Mezzo__Records__AgentTask *)pb_decode(
		&mezzo__records__agent_task__descriptor, &m, data, size, &err);
	if (!r)
		return bad_record(a, key, err.msg);
	struct framework *f = agent_framework_find(a, r->framework_id->value);
	struct executor *ex = f ? executor_of_container(f, r->container_id->value) : NULL;
	if (!ex)
		return bad_record(a, key, "Its executor is unknown");
	struct task *t = agent_task_new(f, r->task, 0);
	t->durable = true;
	agent_task_step(t, AGENT_TASK_ON_SEND); /* perhaps: the executor tells */
	if (ex->command && !ex->command_task)
		ex->command_task = (Mesos__V1__TaskInfo *)pb_copy(&r->task->base, &ex->arena);
	agent_executor_add_task(ex, t);
	return 0;
}

static int on_update(void *arg, const char *key, const void *data, size_t size)
{
	struct agent *a = arg;
	struct arena mz_autoarena m = {0};
	struct mz_err err;
	Mezzo__Records__AgentUpdate *r = (Mezzo__Records__AgentUpdate *)pb_decode(
		&mezzo__records__agent_update__descriptor, &m, data, size, &err);
	if (!r || r->status->uuid.len != UUID_BYTES)
		return bad_record(a, key, r ? "No uuid" : err.msg);
	struct framework *f = agent_framework_find(a, r->framework_id->value);
	struct task *t = f ? map_get(&f->tasks, r->status->task_id->value) : NULL;
	if (!t) {
		/* Acknowledged to the end, and the rest of its records is gone. */
		store_delete(a->deps.store, key, NULL, NULL);
		return 0;
	}
	update_restore(t, key, r);
	return 0;
}

static int on_container(void *arg, const char *key, const void *data, size_t size)
{
	struct agent *a = arg;
	struct arena mz_autoarena m = {0};
	struct mz_err err;
	Mezzo__Records__AgentContainer *r = (Mezzo__Records__AgentContainer *)pb_decode(
		&mezzo__records__agent_container__descriptor, &m, data, size, &err);
	return r ? nested_restore(a, key, r) : bad_record(a, key, err.msg);
}

static int on_sandbox(void *arg, const char *key, const void *data, size_t size)
{
	struct agent *a = arg;
	struct arena mz_autoarena m = {0};
	struct mz_err err;
	Mezzo__Records__AgentSandbox *r = (Mezzo__Records__AgentSandbox *)pb_decode(
		&mezzo__records__agent_sandbox__descriptor, &m, data, size, &err);
	if (!r)
		return bad_record(a, key, err.msg);
	gc_restore(a, key, r->directory, r->ended_time);
	return 0;
}

/* ---- after reading ------------------------------------------------------------------ */

static bool checkpoints(const struct framework *f)
{
	return f->info->has_checkpoint && f->info->checkpoint;
}

static void recovered(struct agent *a);

static void on_reregistration_timeout(void *arg)
{
	struct agent *a = arg;
	a->recover_timer = NULL;
	VEC(struct executor *) silent = {0};
	map_each(&a->containers, e) {
		struct executor *ex = e->value;
		if (!ex->stream && ex->fsm != AGENT_EXECUTOR_TERMINATING)
			vec_push(&silent, ex);
	}
	for (size_t i = 0; i < silent.n; i++) {
		log_warning(AREA, "Executor '%s' did not return after the restart", silent.v[i]->id);
		agent_executor_destroy(silent.v[i], MESOS__V1__TASK_STATE__TASK_FAILED,
				 MESOS__V1__TASK_STATUS__REASON__REASON_EXECUTOR_REREGISTRATION_TIMEOUT,
				 "Executor did not subscribe again after the agent's restart");
	}
	vec_done(&silent);
	if (a->phase == AGENT_REATTACHING) /* else the end of the last one has told already */
		recovered(a);
}

/* What nobody counts any more uses the machine until it has ended, too. */
static bool all_returned(struct agent *a)
{
	map_each(&a->containers, e) {
		struct executor *ex = e->value;
		bool ends = ex->fsm == AGENT_EXECUTOR_TERMINATING;
		if (ends ? ex->framework->shutting_down : !ex->stream)
			return false;
	}
	return true;
}

void agent_maybe_recovered(struct agent *a)
{
	if (a->phase != AGENT_REATTACHING || !a->reattached || !all_returned(a))
		return;
	loop_timer_cancel(a->loop, a->recover_timer);
	a->recover_timer = NULL;
	recovered(a);
}

/* Everything that can be known is known: the master may be told. */
static void recovered(struct agent *a)
{
	a->phase = AGENT_RECOVERED;
	a->metrics.recovery_secs = (double)(loop_now(a->loop) - a->recover_started_ns) / 1e9;
	VEC(struct framework *) all = {0};
	map_each(&a->frameworks, e)
		vec_push(&all, e->value);
	for (size_t i = 0; i < all.n; i++) {
		struct framework *f = all.v[i];
		VEC(struct executor *) ended = {0};
		for (size_t k = 0; k < f->ended_executors.n; k++)
			vec_push(&ended, f->ended_executors.v[k]);
		size_t n_before = ended.n;
		for (size_t k = 0; k < n_before; k++)
			if (!ended.v[k]->tasks.n)
				agent_executor_maybe_complete(ended.v[k]);
		vec_done(&ended);
		if (n_before == 0)
			agent_framework_maybe_complete(f);
	}
	vec_done(&all);
	gc_start(a);
	log_info(AREA, "Recovered %zu frameworks and %zu containers", a->frameworks.n, a->containers.n);
	agent_dial(a);
}

/* Nothing outlives a reboot; process ids of before mean something else now. */
static void end_all(struct agent *a)
{
	const struct mz_termination t = {
		.size = sizeof(t),
		.wait_status = -1,
		.state = MESOS__V1__TASK_STATE__TASK_GONE,
		.reason = MESOS__V1__TASK_STATUS__REASON__REASON_EXECUTOR_TERMINATED,
		.message = "The machine was rebooted",
	};
	nested_end_all(a, &t);
	map_each(&a->containers, e) {
		mz_autofree char *id = xstrdup(e->key);
		on_container_exited(a, id, &t);
	}
}

/* Updates of another agent id: nobody waits for them. */
static void forget_ended(struct agent *a)
{
	map_each(&a->frameworks, e) {
		struct framework *f = e->value;
		f->shutting_down = true;
		while (f->ended_executors.n)
			agent_executor_forget_tasks(f->ended_executors.v[f->ended_executors.n - 1]);
	}
}

static void on_reattached(void *arg, const struct mz_err *err)
{
	struct agent *a = arg;
	if (err) {
		agent_fatal(a, "Containers could not be recovered: %s", err->msg);
		return;
	}
	if (a->rebooted)
		end_all(a);
	if (!a->id)
		forget_ended(a);
	/* Frameworks that do not checkpoint: the master counts their tasks as lost.
	 * Without an id, everything here is left over from another life. */
	VEC(struct executor *) lost = {0};
	map_each(&a->containers, e) {
		struct executor *ex = e->value;
		if (!checkpoints(ex->framework) || !a->id)
			vec_push(&lost, ex);
	}
	for (size_t i = 0; i < lost.n; i++) {
		lost.v[i]->framework->shutting_down = true;
		agent_executor_destroy(lost.v[i], -1, -1, NULL);
	}
	vec_done(&lost);
	nested_end_sessions(a);
	a->reattached = true;
	if (all_returned(a))
		recovered(a);
	else
		a->recover_timer = loop_timer(a->loop, a->cfg.executor_reregistration_timeout_ns,
					      on_reregistration_timeout, a);
}

static void reattach(struct agent *a)
{
	struct arena mz_autoarena m = {0};
	size_t n = 0;
	size_t most = a->containers.n + a->nested.n + 1;
	struct container_config *v = arena_calloc(&m, sizeof(*v) * most);
	const struct container_config **list = arena_calloc(&m, sizeof(*list) * most);
	VEC(resources *) sets = {0};
	map_each(&a->containers, e) {
		struct executor *ex = e->value;
		if (a->rebooted)
			break;
		resources *r = agent_executor_resources(ex);
		vec_push(&sets, r);
		xset(&ex->role, res_allocation_role(r));
		v[n] = (struct container_config){
			.id = ex->container_id,
			.framework_id = ex->framework->id,
			.executor_id = ex->id,
			.task_id = ex->command ? ex->id : NULL,
			.user = ex->user,
			.directory = ex->directory,
			.resources = r,
			.limits = agent_executor_limits(ex),
			.command = ex->info->command,
			.container = agent_executor_container(ex),
			.executor = ex->info,
			.task = ex->command_task,
			.role = ex->role,
			.principal = ex->framework->info->principal,
			.checkpoint = checkpoints(ex->framework),
		};
		agent_container_terminal(&v[n]);
		n++;
	}
	if (!a->rebooted)
		n += nested_live(a, &m, v + n);
	for (size_t i = 0; i < n; i++)
		list[i] = &v[i];
	a->deps.containers->ops->recover(a->deps.containers, list, n, on_reattached, a);
	for (size_t i = 0; i < sets.n; i++)
		res_free(sets.v[i]);
	vec_done(&sets);
}

static bool same_attribute(const Mesos__V1__Attribute *a, const Mesos__V1__Attribute *b)
{
	struct buf mz_autobuf x = {0}, y = {0};
	pb_encode(&a->base, &x);
	pb_encode(&b->base, &y);
	return x.len == y.len && (!x.len || memcmp(x.data, y.data, x.len) == 0);
}

static int check_attributes(struct agent *a, struct mz_err *err)
{
	for (size_t i = 0; i < a->old_info->n_attributes; i++) {
		const Mesos__V1__Attribute *was = a->old_info->attributes[i];
		bool found = false;
		for (size_t k = 0; k < a->info->n_attributes; k++)
			found = found || same_attribute(was, a->info->attributes[k]);
		if (!found)
			return mz_fail(err, -EINVAL, "Agent '%s' in '%s' had attribute '%s', which is gone or changed",
				       a->id, a->cfg.work_dir, was->name);
	}
	return 0;
}

/* The agent keeps its id only as the same agent: same address, no less of
 * anything, no attribute changed. It may have more of each. */
static int check_reconfiguration(struct agent *a, struct mz_err *err)
{
	const Mesos__V1__AgentInfo *old = a->old_info;
	if (strcmp(old->hostname, a->info->hostname) != 0)
		return mz_fail(err, -EINVAL,
			       "Agent '%s' in '%s' had host name '%s', not '%s': remove the work directory's store or "
			       "keep the name",
			       a->id, a->cfg.work_dir, old->hostname, a->info->hostname);
	if (old->port != a->info->port)
		return mz_fail(err, -EINVAL, "Agent '%s' in '%s' had port %d, not %d, and its executors know no other",
			       a->id, a->cfg.work_dir, old->port, a->info->port);
	if (check_attributes(a, err) < 0)
		return err->code;
	resources *before = res_new();
	int rc = res_from_pb(old->resources, old->n_resources, before, err);
	if (rc == 0 && !res_contains(a->total, before)) {
		struct buf mz_autobuf was = {0}, is = {0};
		res_format_text(before, &was);
		res_format_text(a->total, &is);
		rc = mz_fail(err, -EINVAL, "Agent '%s' in '%s' had resources '%s', which '%s' does not contain", a->id,
			     a->cfg.work_dir, buf_str(&was), buf_str(&is));
	}
	res_free(before);
	return rc;
}

static void new_life(struct agent *a)
{
	free(a->id);
	a->id = NULL;
	a->info->id = NULL;
	store_delete(a->deps.store, "agent", NULL, NULL);
}

int agent_recover(struct agent *a, struct mz_err *err)
{
	static const struct {
		const char *prefix;
		int (*fn)(void *arg, const char *key, const void *data, size_t size);
	} kinds[] = {
		{"agent", on_self},   {"framework/", on_framework}, {"executor/", on_executor},
		{"task/", on_task},   {"update/", on_update},	    {"sandbox/", on_sandbox},
		{"container/", on_container},
	};
	a->phase = AGENT_READING;
	a->recover_started_ns = loop_now(a->loop);
	for (size_t i = 0; i < MZ_N(kinds); i++) {
		int rc = store_each(a->deps.store, kinds[i].prefix, kinds[i].fn, a, err);
		if (rc < 0)
			return mz_wrap(err, "Records of the agent");
		if (i == 0 && a->old_info && check_reconfiguration(a, err) < 0) {
			if (!a->rebooted)
				return err->code;
			log_warning(AREA, "After a reboot a changed agent is a new one: %s", err->msg);
			new_life(a);
		}
	}
	a->metrics.recovery_errors += store_n_bad(a->deps.store);
	nested_restored(a);
	a->phase = AGENT_REATTACHING;
	reattach(a);
	return 0;
}
