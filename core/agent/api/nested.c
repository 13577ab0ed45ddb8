/* nested.c - the calls of POST /api/v1 about containers: LAUNCH_CONTAINER, WAIT_,
 * KILL_ and REMOVE_CONTAINER, and the same under their old names, which know nested
 * containers only. Pods' executors and operators call them. The checks of calls about
 * their input and output, and whether one may, are here, too; what they do is in
 * attach.c and session.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>

#include "agent/api/api.h"
#include "agent/api/attach.h"

typedef Mesos__V1__Agent__Call call_msg;
typedef Mesos__V1__ContainerID id_msg;
typedef Mesos__V1__Agent__Call__LaunchContainer launch_msg;

#define CALL(name) MESOS__V1__AGENT__CALL__TYPE__##name

enum { MAX_ID = 242 };

/* ---- checks -------------------------------------------------------------------------- */

/* Ids become names of directories, and are joined by dots. */
int agent_api_check_id(const id_msg *id, struct mz_err *err)
{
	int rc = container_id_check(id, err);
	for (; rc == 0 && id; id = id->parent) {
		const char *bad = strpbrk(id->value, " .");
		if (strlen(id->value) > MAX_ID)
			rc = mz_fail(err, -EINVAL, "Container id is longer than %d bytes", MAX_ID);
		else if (bad)
			rc = mz_fail(err, -EINVAL, "Container id '%s' has a '%c'", id->value, *bad);
	}
	return rc;
}

/* The three calls that launch, in the words of the one that can say most. False: it is
 * none of them. */
static bool as_launch(const call_msg *c, launch_msg *ret)
{
	*ret = (launch_msg)MESOS__V1__AGENT__CALL__LAUNCH_CONTAINER__INIT;
#define FROM(member)                                                          \
	do {                                                                  \
		ret->container_id = c->member->container_id;                  \
		ret->command = c->member->command;                            \
		ret->container = c->member->container;                        \
	} while (0)
	switch (c->type) {
	case CALL(LAUNCH_CONTAINER):
		*ret = *c->launch_container;
		return true;
	case CALL(LAUNCH_NESTED_CONTAINER):
		FROM(launch_nested_container);
		return true;
	case CALL(LAUNCH_NESTED_CONTAINER_SESSION):
		FROM(launch_nested_container_session);
		return true;
	default:
		return false;
	}
}

static int check_alone(const launch_msg *l, struct mz_err *err)
{
	for (size_t i = 0; i < l->n_resources; i++) {
		const Mesos__V1__Resource *r = l->resources[i];
		if (r->n_reservations || (r->role && strcmp(r->role, "*") != 0) || r->reservation)
			return mz_fail(err, -EINVAL, "Resources of a container without parent must not be reserved");
		if (r->revocable)
			return mz_fail(err, -EINVAL, "Resources of a container without parent must not be revocable");
		if (r->disk && r->disk->persistence)
			return mz_fail(err, -EINVAL, "A container without parent must not have persistent volumes");
	}
	return 0;
}

/* Whose cgroups it may be in, and what it may have of its own. */
static int check_share(const launch_msg *l, bool session, struct mz_err *err)
{
	const id_msg *parent = l->container_id->parent;
	const Mesos__V1__LinuxInfo *linux_info = l->container ? l->container->linux_info : NULL;
	bool says = linux_info && linux_info->has_share_cgroups, shares = says && linux_info->share_cgroups;
	if (!parent && shares)
		return mz_fail(err, -EINVAL, "'share_cgroups' must not be true for a container without parent");
	if (session && says && !shares)
		return mz_fail(err, -EINVAL, "'share_cgroups' must be true for a session");
	if (!parent || !parent->parent)
		return 0;
	if (l->n_resources || l->n_limits)
		return mz_fail(err, -EINVAL, "Only the first level of nested containers may have resources or limits");
	if (says && !shares)
		return mz_fail(err, -EINVAL, "Below the first level of nested containers 'share_cgroups' must be true");
	return 0;
}

static int check_launch(const launch_msg *l, bool session, struct mz_err *err)
{
	mz_autores resources r = {0};
	int rc = check_share(l, session, err);
	if (rc == 0 && !l->container_id->parent)
		rc = check_alone(l, err);
	if (rc == 0 && !l->command)
		rc = mz_fail(err, -EINVAL, "'command' is not set, and images are not supported");
	if (rc == 0)
		rc = command_check(l->command, err);
	if (rc == 0 && l->container)
		rc = container_check(l->container, err);
	if (rc == 0)
		rc = res_from_pb(l->resources, l->n_resources, &r, err);
	if (rc == 0)
		rc = resource_usage_check(&r, err);
	for (size_t i = 0; rc == 0 && i < l->n_limits; i++)
		rc = limit_check(l->limits[i]->key, l->limits[i]->value, &r, err);
	return rc;
}

/* ---- launch --------------------------------------------------------------------------- */

static void on_launched(void *arg, const struct mz_err *err)
{
	if (err)
		http_reply_text(arg, 400, "%s", err->msg);
	else
		http_reply(arg, 200, NULL, NULL, 0);
}

static void launch(struct agent *a, const launch_msg *l, struct http_exchange *x)
{
	struct mz_err err;
	resources *r = res_new();
	struct nested_launch n = {
		.id = l->container_id, .command = l->command, .container = l->container, .resources = r};
	int rc = res_from_pb(l->resources, l->n_resources, r, &err);
	for (size_t i = 0; i < l->n_limits; i++)
		if (l->limits[i]->value)
			agent_set_limit(&n.limits, l->limits[i]->key, l->limits[i]->value->value);
	if (rc == 0)
		rc = nested_launch(a, &n, on_launched, x, &err);
	res_free(r);
	if (rc == -EEXIST)
		http_reply(x, 202, NULL, NULL, 0);
	else if (rc < 0)
		http_reply_text(x, 400, "%s", err.msg);
}

/* ---- wait ------------------------------------------------------------------------------ */

struct waiting {
	struct nested_waiter w;
	struct http_exchange *x;
	enum codec out;
	bool old; /* asked by the old name */
};

static void waiting_free(struct waiting *q)
{
	list_remove(&q->w.node);
	free(q->w.id);
	free(q);
}

static void on_waiter_gone(void *arg)
{
	struct waiting *q = arg;
	struct http_exchange *x = q->x;
	waiting_free(q);
	x->on_gone = NULL;
	http_reply(x, 503, NULL, NULL, 0); /* frees it */
}

/* What it had too much of; NULL: it went over no limit. */
static Mesos__V1__TaskResourceLimitation *limitation_of(const struct mz_termination *t, struct arena *m)
{
	if (!t->limitation)
		return NULL;
	Mesos__V1__TaskResourceLimitation *l =
		PB_NEW(m, Mesos__V1__TaskResourceLimitation, mesos__v1__task_resource_limitation);
	if (t->limitation->resources)
		l->n_resources = res_to_pb(t->limitation->resources, RES_FORMAT_POST, true, m, &l->resources);
	return l;
}

#define FILL(to)                                                              \
	do {                                                                  \
		(to)->has_exit_status = t->wait_status != -1;                 \
		(to)->exit_status = t->wait_status;                           \
		(to)->has_state = t->state >= 0;                              \
		(to)->state = (Mesos__V1__TaskState)t->state;                 \
		(to)->has_reason = t->reason >= 0;                            \
		(to)->reason = (Mesos__V1__TaskStatus__Reason)t->reason;      \
		(to)->message = (char *)t->message;                           \
		(to)->limitation = limitation_of(t, &m);                      \
	} while (0)

static void on_end(struct nested_waiter *w, const struct mz_termination *t)
{
	struct waiting *q = mz_container_of(w, struct waiting, w);
	q->x->on_gone = NULL;
	if (t) {
		struct arena mz_autoarena m = {0};
		Mesos__V1__Agent__Response r = MESOS__V1__AGENT__RESPONSE__INIT;
		Mesos__V1__Agent__Response__WaitContainer wait = MESOS__V1__AGENT__RESPONSE__WAIT_CONTAINER__INIT;
		Mesos__V1__Agent__Response__WaitNestedContainer old =
			MESOS__V1__AGENT__RESPONSE__WAIT_NESTED_CONTAINER__INIT;
		r.has_type = 1;
		if (q->old) {
			r.type = MESOS__V1__AGENT__RESPONSE__TYPE__WAIT_NESTED_CONTAINER;
			r.wait_nested_container = &old;
			FILL(&old);
		} else {
			r.type = MESOS__V1__AGENT__RESPONSE__TYPE__WAIT_CONTAINER;
			r.wait_container = &wait;
			FILL(&wait);
		}
		api_reply_message(q->x, q->out, &r.base);
	} else {
		http_reply_text(q->x, 503, "The agent stops");
	}
	waiting_free(q);
}

static void wait_for(struct agent *a, const id_msg *id, bool old, enum codec out, struct http_exchange *x)
{
	mz_autofree char *path = nested_path(id);
	struct waiting *q = xnew(struct waiting);
	q->w.fn = on_end;
	list_init(&q->w.node);
	q->x = x;
	q->out = out;
	q->old = old;
	x->on_gone = on_waiter_gone;
	x->on_gone_arg = q;
	if (nested_wait(a, path, &q->w) == 0)
		return;
	x->on_gone = NULL;
	waiting_free(q);
	http_reply_text(x, 404, "There is no container '%s'", path);
}

/* ---- kill, remove -------------------------------------------------------------------------- */

static void kill_it(struct agent *a, const id_msg *id, int signal, struct http_exchange *x)
{
	mz_autofree char *path = nested_path(id);
	struct mz_err err;
	if (signal < 1 || signal > SIGRTMAX) {
		http_reply_text(x, 400, "'signal' %d is not a signal", signal);
		return;
	}
	int rc = nested_kill(a, path, signal, &err);
	if (rc == 0)
		http_reply(x, 200, NULL, NULL, 0);
	else
		http_reply_text(x, rc == -ENOENT || rc == -ESRCH ? 404 : 500, "%s", err.msg);
}

static void on_removed(void *arg, const struct mz_err *err)
{
	if (err)
		http_reply_text(arg, 500, "%s", err->msg);
	else
		http_reply(arg, 200, NULL, NULL, 0);
}

static void remove_it(struct agent *a, const id_msg *id, struct http_exchange *x)
{
	mz_autofree char *path = nested_path(id);
	struct mz_err err;
	if (nested_remove(a, path, on_removed, x, &err) < 0)
		http_reply_text(x, 500, "%s", err.msg);
}

/* ---- which call ------------------------------------------------------------------------------ */

#define SIGNAL(m) ((m)->has_signal ? (m)->signal : SIGKILL)

bool agent_api_container_of(const call_msg *c, const char **ret_member, const id_msg **ret_id)
{
	*ret_id = NULL;
	switch (c->type) {
#define MEMBER(TYPE, member)                                                  \
	case CALL(TYPE):                                                      \
		*ret_member = #member;                                        \
		if (c->member)                                                \
			*ret_id = c->member->container_id;                    \
		return true
	MEMBER(LAUNCH_CONTAINER, launch_container);
	MEMBER(WAIT_CONTAINER, wait_container);
	MEMBER(KILL_CONTAINER, kill_container);
	MEMBER(REMOVE_CONTAINER, remove_container);
	MEMBER(LAUNCH_NESTED_CONTAINER, launch_nested_container);
	MEMBER(WAIT_NESTED_CONTAINER, wait_nested_container);
	MEMBER(KILL_NESTED_CONTAINER, kill_nested_container);
	MEMBER(REMOVE_NESTED_CONTAINER, remove_nested_container);
	MEMBER(LAUNCH_NESTED_CONTAINER_SESSION, launch_nested_container_session);
	MEMBER(ATTACH_CONTAINER_OUTPUT, attach_container_output);
	default:
		return false;
	}
}

static void attach_output(struct agent *a, const id_msg *id, struct api_media out, struct http_exchange *x)
{
	mz_autofree char *path = nested_path(id);
	agent_api_output(a, path, false, out, x);
}

static void dispatch(struct agent *a, const call_msg *c, const id_msg *id, struct api_media out,
		     struct http_exchange *x)
{
	launch_msg l;
	switch (c->type) {
	case CALL(LAUNCH_CONTAINER):
	case CALL(LAUNCH_NESTED_CONTAINER):
		(void)as_launch(c, &l);
		launch(a, &l, x);
		break;
	case CALL(WAIT_CONTAINER):
	case CALL(WAIT_NESTED_CONTAINER):
		wait_for(a, id, c->type == CALL(WAIT_NESTED_CONTAINER), out.codec, x);
		break;
	case CALL(KILL_CONTAINER):
		kill_it(a, id, SIGNAL(c->kill_container), x);
		break;
	case CALL(KILL_NESTED_CONTAINER):
		kill_it(a, id, SIGNAL(c->kill_nested_container), x);
		break;
	case CALL(LAUNCH_NESTED_CONTAINER_SESSION):
		agent_api_session(a, c->launch_nested_container_session, out, x);
		break;
	case CALL(ATTACH_CONTAINER_OUTPUT):
		attach_output(a, id, out, x);
		break;
	default:
		remove_it(a, id, x);
		break;
	}
}

/* ---- may they? ------------------------------------------------------------------------------ */

/* What is asked about a container of a framework's, and of an operator's. */
static const struct {
	int call, nested, standalone;
} actions[] = {
	{CALL(LAUNCH_CONTAINER), MZ_ACTION_LAUNCH_NESTED_CONTAINER, MZ_ACTION_LAUNCH_STANDALONE_CONTAINER},
	{CALL(LAUNCH_NESTED_CONTAINER), MZ_ACTION_LAUNCH_NESTED_CONTAINER, MZ_ACTION_LAUNCH_STANDALONE_CONTAINER},
	{CALL(WAIT_CONTAINER), MZ_ACTION_WAIT_NESTED_CONTAINER, MZ_ACTION_WAIT_STANDALONE_CONTAINER},
	{CALL(WAIT_NESTED_CONTAINER), MZ_ACTION_WAIT_NESTED_CONTAINER, MZ_ACTION_WAIT_STANDALONE_CONTAINER},
	{CALL(KILL_CONTAINER), MZ_ACTION_KILL_NESTED_CONTAINER, MZ_ACTION_KILL_STANDALONE_CONTAINER},
	{CALL(KILL_NESTED_CONTAINER), MZ_ACTION_KILL_NESTED_CONTAINER, MZ_ACTION_KILL_STANDALONE_CONTAINER},
	{CALL(REMOVE_CONTAINER), MZ_ACTION_REMOVE_NESTED_CONTAINER, MZ_ACTION_REMOVE_STANDALONE_CONTAINER},
	{CALL(REMOVE_NESTED_CONTAINER), MZ_ACTION_REMOVE_NESTED_CONTAINER, MZ_ACTION_REMOVE_STANDALONE_CONTAINER},
	{CALL(LAUNCH_NESTED_CONTAINER_SESSION), MZ_ACTION_LAUNCH_NESTED_CONTAINER_SESSION,
	 MZ_ACTION_LAUNCH_NESTED_CONTAINER_SESSION},
	{CALL(ATTACH_CONTAINER_INPUT), MZ_ACTION_ATTACH_CONTAINER_INPUT, MZ_ACTION_ATTACH_CONTAINER_INPUT},
	{CALL(ATTACH_CONTAINER_OUTPUT), MZ_ACTION_ATTACH_CONTAINER_OUTPUT, MZ_ACTION_ATTACH_CONTAINER_OUTPUT},
};

/* A call while the authorizer thinks. */
struct asked {
	struct agent *agent;
	struct arena arena;
	const call_msg *call;
	const id_msg *id;
	struct api_media out;
	struct http_exchange *x; /* NULL: the peer has left */
};

static void on_asker_gone(void *arg)
{
	struct asked *q = arg;
	struct http_exchange *x = q->x;
	q->x = NULL;
	x->on_gone = NULL;
	http_reply(x, 503, NULL, NULL, 0); /* frees it */
}

void agent_api_refuse(struct http_exchange *x, const struct mz_err *err)
{
	if (err->code == -EACCES)
		http_reply(x, 403, NULL, NULL, 0);
	else
		http_reply_text(x, err->code == -ECANCELED ? 503 : 500, "Not known to be authorized: %s", err->msg);
}

static void on_authorized(void *arg, const struct mz_err *err)
{
	struct asked *q = arg;
	struct http_exchange *x = q->x;
	if (x)
		x->on_gone = NULL;
	if (x && !err)
		dispatch(q->agent, q->call, q->id, q->out, x);
	else if (x)
		agent_api_refuse(x, err);
	arena_done(&q->arena);
	free(q);
}

static const char *command_user(const call_msg *c)
{
	launch_msg l;
	return as_launch(c, &l) && l.command ? l.command->user : NULL;
}

void agent_api_ask(struct agent *a, const call_msg *c, const id_msg *id, const char *who, authorize_fn fn, void *arg)
{
	const id_msg *top = id;
	while (top->parent)
		top = top->parent;
	const struct executor *ex = map_get(&a->containers, top->value);
	struct mz_object o = {.size = sizeof(o), .agent_id = a->id};
	if (ex) {
		o = authz_executor_object(ex);
		o.parent_user = o.user;
	}
	const char *user = command_user(c);
	if (user)
		o.value = o.user = user;
	mz_autofree char *path = nested_path(id);
	o.container_id = path;
	size_t i = 0;
	while (actions[i].call != (int)c->type)
		i++;
	authorize_ask(&a->authz, &a->questions, ex ? actions[i].nested : actions[i].standalone, who, &o, fn, arg);
}

static void authorize(struct agent *a, const call_msg *c, const char *who, struct api_media out,
		      struct http_exchange *x)
{
	const char *member;
	struct asked *q = xnew(struct asked);
	*q = (struct asked){.agent = a, .out = out, .x = x};
	q->call = (const call_msg *)pb_copy(&c->base, &q->arena);
	(void)agent_api_container_of(q->call, &member, &q->id);
	x->on_gone = on_asker_gone;
	x->on_gone_arg = q;
	agent_api_ask(a, q->call, q->id, who, on_authorized, q);
}

bool agent_api_nested(struct agent *a, const call_msg *c, const char *who, struct api_media out,
		      struct http_exchange *x)
{
	const char *member;
	const id_msg *id;
	launch_msg l;
	struct mz_err err;
	if (!agent_api_container_of(c, &member, &id))
		return false;
	bool old = strstr(member, "nested") != NULL;
	if (a->phase != AGENT_RECOVERED)
		http_reply_text(x, 503, "Agent has not finished recovery");
	else if (!id)
		http_reply_text(x, 400, "Failed to validate call: Expecting '%s' to be present", member);
	else if (agent_api_check_id(id, &err) < 0)
		http_reply_text(x, 400, "Failed to validate call: %s", err.msg);
	else if (old && !id->parent)
		http_reply_text(x, 400, "Failed to validate call: Expecting '%s.container_id.parent' to be present",
				member);
	else if (as_launch(c, &l) && check_launch(&l, c->type == CALL(LAUNCH_NESTED_CONTAINER_SESSION), &err) < 0)
		http_reply_text(x, 400, "Failed to validate call: %s", err.msg);
	else if (a->authz.m)
		authorize(a, c, who, out, x);
	else
		dispatch(a, c, id, out, x);
	return true;
}
