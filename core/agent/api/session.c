/* session.c - LAUNCH_NESTED_CONTAINER_SESSION: a process beside a running container, in
 * its namespaces and cgroups, whose output is the answer. It ends with who listens.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/api/attach.h"

/* Until its container runs. */
struct session {
	struct attached base; /* first member */
	struct agent *agent;
	struct http_exchange *x; /* NULL: nobody listens any more */
	struct api_media media;
	char *id;
};

static void session_free(struct session *s)
{
	list_remove(&s->base.node);
	free(s->id);
	free(s);
}

/* on_launched follows in any case. */
static void on_listener_gone(void *arg)
{
	struct session *s = arg;
	struct http_exchange *x = MZ_MOVE(s->x);
	nested_destroy(s->agent, s->id);
	x->on_gone = NULL;
	http_reply(x, 503, NULL, NULL, 0); /* frees it */
}

static void on_launched(void *arg, const struct mz_err *err)
{
	struct session *s = arg;
	struct http_exchange *x = s->x;
	if (x)
		x->on_gone = NULL;
	if (x && err)
		http_reply_text(x, 400, "%s", err->msg);
	else if (x)
		agent_api_output(s->agent, s->id, true, s->media, x);
	session_free(s);
}

/* on_launched follows, as the container is given up. */
static void session_stop(struct attached *at)
{
	struct session *s = (struct session *)at;
	if (!s->x)
		return;
	s->x->on_gone = NULL;
	http_reply_text(MZ_MOVE(s->x), 503, "The agent stops");
}

void agent_api_session(struct agent *a, const Mesos__V1__Agent__Call__LaunchNestedContainerSession *call,
		       struct api_media media, struct http_exchange *x)
{
	struct mz_err err;
	const struct nested_launch l = {
		.id = call->container_id, .command = call->command, .container = call->container, .debug = true};
	struct session *s = xnew(struct session);
	*s = (struct session){.base.stop = session_stop, .agent = a, .x = x, .media = media,
			      .id = nested_path(call->container_id)};
	list_append(&a->attached, &s->base.node);
	x->on_gone = on_listener_gone;
	x->on_gone_arg = s;
	int rc = nested_launch(a, &l, on_launched, s, &err);
	if (rc == 0)
		return;
	x->on_gone = NULL;
	session_free(s);
	if (rc == -EEXIST)
		http_reply(x, 202, NULL, NULL, 0);
	else
		http_reply_text(x, 400, "%s", err.msg);
}
