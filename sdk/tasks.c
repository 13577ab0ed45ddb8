/* tasks.c - tasks, executors and groups as messages: built into the offer's arena,
 * their resources taken out of what is left of it. Nothing is sent here.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/model.h"
#include "sdk/impl.h"
#include "wire/json.h"

typedef Mesos__V1__TaskInfo pb_task;
typedef Mesos__V1__ExecutorInfo pb_executor;

/* What tasks and executors have in common. */
struct program {
	bool shell;
	const char *command, *user;
	const char *const *argv;
	size_t n_argv;
	const struct mzf_env *env;
	size_t n_env;
	const struct mzf_uri *uris;
	size_t n_uris;
};

static Mesos__V1__Environment *make_env(struct arena *a, const struct mzf_env *env, size_t n)
{
	typedef Mesos__V1__Environment__Variable pb_variable;
	Mesos__V1__Environment *e;

	if (!n)
		return NULL;
	e = PB_NEW(a, Mesos__V1__Environment, mesos__v1__environment);
	e->variables = (pb_variable **)pb_array(a, n);
	e->n_variables = n;
	for (size_t i = 0; i < n; i++) {
		pb_variable *v = PB_NEW(a, pb_variable, mesos__v1__environment__variable);
		v->name = arena_strdup(a, env[i].name);
		v->value = arena_strdup(a, env[i].value);
		e->variables[i] = v;
	}
	return e;
}

static Mesos__V1__Labels *make_labels(struct arena *a, const struct mzf_env *labels, size_t n)
{
	Mesos__V1__Labels *l;

	if (!n)
		return NULL;
	l = PB_NEW(a, Mesos__V1__Labels, mesos__v1__labels);
	l->labels = (Mesos__V1__Label **)pb_array(a, n);
	l->n_labels = n;
	for (size_t i = 0; i < n; i++) {
		Mesos__V1__Label *v = PB_NEW(a, Mesos__V1__Label, mesos__v1__label);
		v->key = arena_strdup(a, labels[i].name);
		v->value = labels[i].value ? arena_strdup(a, labels[i].value) : NULL;
		l->labels[i] = v;
	}
	return l;
}

static Mesos__V1__CommandInfo *make_command(struct arena *a, const struct program *p)
{
	typedef Mesos__V1__CommandInfo__URI pb_uri;
	Mesos__V1__CommandInfo *c = PB_NEW(a, Mesos__V1__CommandInfo, mesos__v1__command_info);

	c->has_shell = 1;
	c->shell = p->shell;
	c->value = arena_strdup(a, p->command);
	c->user = p->user ? arena_strdup(a, p->user) : NULL;
	c->arguments = (char **)pb_array(a, p->n_argv);
	c->n_arguments = p->n_argv;
	for (size_t i = 0; i < p->n_argv; i++)
		c->arguments[i] = arena_strdup(a, p->argv[i]);
	c->environment = make_env(a, p->env, p->n_env);
	c->uris = (pb_uri **)pb_array(a, p->n_uris);
	c->n_uris = p->n_uris;
	for (size_t i = 0; i < p->n_uris; i++) {
		const struct mzf_uri *from = &p->uris[i];
		pb_uri *u = PB_NEW(a, pb_uri, mesos__v1__command_info__uri);
		u->value = arena_strdup(a, from->value);
		u->output_file = from->output_file ? arena_strdup(a, from->output_file) : NULL;
		u->has_executable = u->has_extract = u->has_cache = 1;
		u->executable = from->executable;
		u->extract = !from->no_extract;
		u->cache = from->cache;
		c->uris[i] = u;
	}
	return c;
}

/* The message with the fields of a JSON object beside, or over, its own. */
static int add_json(struct arena *a, pb_msg **m, const char *json, struct mz_err *err)
{
	mz_autobuf struct buf b = {0};
	mz_autofree char *copy = xstrdup(json ? json : "");
	char *text = str_trim(copy);
	size_t len = strlen(text);
	pb_msg *more;

	if (!len)
		return 0;
	if (text[0] != '{' || text[len - 1] != '}')
		return mz_fail(err, -EINVAL, "The JSON of further fields is no object");
	text[len - 1] = '\0';
	text = str_trim(text + 1);
	if (!*text)
		return 0;
	json_encode(*m, &b);
	b.len--; /* its own brace */
	buf_addf(&b, ",%s}", text);
	more = json_decode((*m)->descriptor, a, buf_str(&b), b.len, err);
	if (!more)
		return err->code;
	*m = more;
	return 0;
}

/* ---- executors --------------------------------------------------------------- */

static void fill_executor(struct mzf_offer *o, pb_executor *pb, const struct mzf_executor *x, const resources *own)
{
	struct arena *a = &o->arena;
	const struct program p = {x->shell, x->command, NULL, x->argv, x->n_argv, x->env, x->n_env, x->uris, x->n_uris};

	pb->has_type = 1;
	pb->type = x->command ? MESOS__V1__EXECUTOR_INFO__TYPE__CUSTOM : MESOS__V1__EXECUTOR_INFO__TYPE__DEFAULT;
	pb->executor_id = MZF_ID(a, ExecutorID, executor_id, x->id);
	if (o->f->id)
		pb->framework_id = MZF_ID(a, FrameworkID, framework_id, o->f->id);
	if (x->command)
		pb->command = make_command(a, &p);
	pb->n_resources = res_to_pb(own, RES_FORMAT_POST, true, a, &pb->resources);
}

/* Its resources depend on the text and the role alone: an executor that runs is
 * used again only for an equal ExecutorInfo. */
static int make_executor(struct mzf_offer *o, const struct mzf_executor *given, bool group, resources *left,
			 pb_executor **ret, struct mz_err *err)
{
	struct mzf_executor x = {0};
	struct arena *a = &o->arena;
	mz_autores resources own = {0};
	pb_msg *pb;
	int rc;

	memcpy(&x, given, MZ_MIN(sizeof(x), given->size));
	rc = id_check("executor id", x.id ? x.id : "", err);
	if (rc < 0)
		return rc;
	if (!x.command && !group)
		return mz_fail(err, -EINVAL, "Executor '%s' has no command", x.id);
	if (x.resources) {
		mz_autores resources plain = {0};
		rc = res_parse(x.resources, NULL, &plain, err);
		if (rc < 0)
			return mz_wrap(err, "Executor '%s'", x.id);
		resources *allocated = res_allocate(&plain, o->role);
		res_add(&own, allocated);
		res_free(allocated);
	}
	if (!map_has(&o->executors, x.id)) {
		if (!res_contains(left, &own))
			return mz_fail(err, -ENOSPC, "Not enough for executor '%s'", x.id);
		res_subtract(left, &own);
	}
	*ret = PB_NEW(a, pb_executor, mesos__v1__executor_info);
	fill_executor(o, *ret, &x, &own);
	pb = &(*ret)->base;
	rc = add_json(a, &pb, x.json, err);
	if (rc == 0)
		rc = mzf_check(pb, err);
	*ret = (pb_executor *)pb;
	return rc < 0 ? mz_wrap(err, "Executor '%s'", x.id) : 0;
}

/* ---- tasks --------------------------------------------------------------------- */

static int check_task(const struct mzf_task *t, bool group, struct mz_err *err)
{
	int rc = id_check("task id", t->id ? t->id : "", err);

	if (rc < 0)
		return rc;
	if (group && t->executor)
		return mz_fail(err, -EINVAL, "Task '%s' is of a group: its executor is the group's", t->id);
	if (!group && !t->command == !t->executor)
		return mz_fail(err, -EINVAL, "Task '%s' needs a command or an executor", t->id);
	if (!isfinite(t->kill_grace_secs) || t->kill_grace_secs < 0 || t->kill_grace_secs > 1e9)
		return mz_fail(err, -EINVAL, "Task '%s': the grace period is out of range", t->id);
	return 0;
}

static pb_task *fill_task(struct mzf_offer *o, const struct mzf_task *t, const resources *r)
{
	struct arena *a = &o->arena;
	const struct program p = {t->shell, t->command, t->user, t->argv, t->n_argv, t->env, t->n_env, t->uris, t->n_uris};
	pb_task *pb = PB_NEW(a, pb_task, mesos__v1__task_info);

	pb->name = arena_strdup(a, t->name ? t->name : t->id);
	pb->task_id = MZF_ID(a, TaskID, task_id, t->id);
	pb->agent_id = MZF_ID(a, AgentID, agent_id, o->agent_id);
	pb->n_resources = res_to_pb(r, RES_FORMAT_POST, true, a, &pb->resources);
	pb->labels = make_labels(a, t->labels, t->n_labels);
	if (t->command)
		pb->command = make_command(a, &p);
	if (t->data.size) {
		pb->has_data = 1;
		pb->data.len = t->data.size;
		pb->data.data = memcpy(arena_alloc(a, t->data.size), t->data.data, t->data.size);
	}
	if (t->kill_grace_secs > 0) {
		pb->kill_policy = PB_NEW(a, Mesos__V1__KillPolicy, mesos__v1__kill_policy);
		pb->kill_policy->grace_period = PB_NEW(a, Mesos__V1__DurationInfo, mesos__v1__duration_info);
		pb->kill_policy->grace_period->nanoseconds = (int64_t)(t->kill_grace_secs * 1e9);
	}
	return pb;
}

/* Takes out of *left, which the caller throws away on failure. */
static int make_task(struct mzf_offer *o, const struct mzf_task *given, bool group, resources *left, pb_task **ret,
		     struct mz_err *err)
{
	struct mzf_task t = {0};
	mz_autores resources taken = {0};
	pb_executor *executor = NULL;
	pb_msg *pb;
	int rc;

	memcpy(&t, given, MZ_MIN(sizeof(t), given->size));
	rc = check_task(&t, group, err);
	if (rc == 0 && t.executor)
		rc = make_executor(o, t.executor, false, left, &executor, err);
	if (rc == 0)
		rc = mzf_take(left, t.resources ? t.resources : "", &taken, err);
	if (rc < 0)
		return rc;
	res_subtract(left, &taken);
	pb = &fill_task(o, &t, &taken)->base;
	rc = add_json(&o->arena, &pb, t.json, err);
	if (rc == 0)
		rc = mzf_check(pb, err);
	if (rc < 0)
		return mz_wrap(err, "Task '%s'", t.id);
	*ret = (pb_task *)pb;
	(*ret)->executor = executor;
	return 0;
}

static void keep(struct mzf_offer *o, const resources *left, const pb_executor *executor)
{
	res_clear(&o->left);
	res_add(&o->left, left);
	if (executor)
		map_put(&o->executors, executor->executor_id->value, o);
}

int mzf_offer_add_task(struct mzf_offer *o, const struct mzf_task *t, struct mz_err *err)
{
	struct mz_err unwanted;
	mz_autores resources left = {0};
	pb_task *pb;
	int rc;

	res_add(&left, &o->left);
	rc = make_task(o, t, false, &left, &pb, err ? err : &unwanted);
	if (rc < 0)
		return rc;
	keep(o, &left, pb->executor);
	vec_push(&o->tasks, pb);
	return 0;
}

int mzf_offer_add_group(struct mzf_offer *o, const struct mzf_executor *e, const struct mzf_task *const *tasks,
			size_t n, struct mz_err *err)
{
	struct mz_err unwanted;
	mz_autores resources left = {0};
	struct mzf_group g = {.n = n, .tasks = (pb_task **)pb_array(&o->arena, n)};
	int rc;

	err = err ? err : &unwanted;
	if (!n)
		return mz_fail(err, -EINVAL, "A group needs tasks");
	res_add(&left, &o->left);
	rc = make_executor(o, e, true, &left, &g.executor, err);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = make_task(o, tasks[i], true, &left, &g.tasks[i], err);
	if (rc < 0)
		return rc;
	keep(o, &left, g.executor);
	vec_push(&o->groups, g);
	return 0;
}
