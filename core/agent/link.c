/* link.c - the agent's connection to its master: dialling, registering, and the
 * dispatch of what the master says.
 *
 * Not here: what the messages do (launch.c, updates.c, …). One link at a time;
 * its first frame is Register, its first answer Registered or Shutdown.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "agent/internal.h"

enum { MAX_BACKOFF_SECS = 60, DEFAULT_PING_TIMEOUT_SECS = 75 };

static void on_ping_timeout(void *arg);
static void drop_link(struct agent *a);

/* ---- sending --------------------------------------------------------------- */

void agent_tell_master(struct agent *a, Mezzo__Link__ToMaster *m)
{
	if (!a->link)
		return;
	struct buf mz_autobuf b = {0};
	pb_encode(&m->base, &b);
	int rc = link_send(a->link, b.data, b.len);
	if (rc == -EMSGSIZE)
		log_error(AREA, "A message of %zu bytes to the master is larger than a frame, dropped", b.len);
	else if (rc < 0)
		log_debug(AREA, "Message to the master was dropped: %d", rc);
}

/* What the master keeps of a task: what only its executor needs would make the
 * report of a full agent too large for a frame. */
static Mesos__V1__TaskInfo *report_info(struct task *t, struct arena *m)
{
	Mesos__V1__TaskInfo *info = (Mesos__V1__TaskInfo *)agent_task_info(t, m);
	const Mesos__V1__CommandInfo *c = info->command    ? info->command
					  : info->executor ? info->executor->command
							   : NULL;
	char *user = c ? c->user : NULL;
	info->has_data = 0;
	info->data = (ProtobufCBinaryData){0};
	info->check = NULL;
	info->executor = NULL;
	info->command = NULL;
	if (user) {
		info->command = PB_NEW(m, Mesos__V1__CommandInfo, mesos__v1__command_info);
		info->command->user = user;
	}
	return info;
}

static Mezzo__Link__TaskReport *report_task(struct task *t, struct arena *m)
{
	Mezzo__Link__TaskReport *r = PB_NEW(m, Mezzo__Link__TaskReport, mezzo__link__task_report);
	r->framework_id = PB_NEW(m, Mesos__V1__FrameworkID, mesos__v1__framework_id);
	r->framework_id->value = t->framework->id;
	r->task = report_info(t, m);
	if (!t->executor->command) {
		r->executor_id = PB_NEW(m, Mesos__V1__ExecutorID, mesos__v1__executor_id);
		r->executor_id->value = t->executor->id;
	}
	r->state = t->state;
	if (t->updates) {
		r->has_status_update_state = 1;
		r->status_update_state = t->updates->state;
		r->has_status_update_uuid = 1;
		r->status_update_uuid = (ProtobufCBinaryData){UUID_BYTES, t->updates->uuid};
	}
	r->n_statuses = t->statuses.n;
	r->statuses = (Mesos__V1__TaskStatus **)pb_array(m, t->statuses.n);
	for (size_t i = 0; i < t->statuses.n; i++)
		r->statuses[i] = (Mesos__V1__TaskStatus *)pb_decode(&mesos__v1__task_status__descriptor, m,
								    t->statuses.v[i].data, t->statuses.v[i].size, NULL);
	return r;
}

static Mezzo__Link__ExecutorReport *report_executor(struct executor *ex, struct arena *m)
{
	Mezzo__Link__ExecutorReport *r = PB_NEW(m, Mezzo__Link__ExecutorReport, mezzo__link__executor_report);
	r->framework_id = PB_NEW(m, Mesos__V1__FrameworkID, mesos__v1__framework_id);
	r->framework_id->value = ex->framework->id;
	r->executor = ex->info;
	r->container_id = PB_NEW(m, Mesos__V1__ContainerID, mesos__v1__container_id);
	r->container_id->value = ex->container_id;
	return r;
}

/* Everything that runs or has news: the master rebuilds its picture from it. */
static void report_frameworks(struct agent *a, Mezzo__Link__Register *r, struct arena *m)
{
	size_t n_tasks = 0, n_executors = 0;
	map_each(&a->frameworks, e) {
		struct framework *f = e->value;
		n_tasks += f->tasks.n;
		n_executors += f->executors.n;
	}
	r->frameworks = (Mesos__V1__FrameworkInfo **)pb_array(m, a->frameworks.n);
	r->tasks = (Mezzo__Link__TaskReport **)pb_array(m, n_tasks);
	r->executors = (Mezzo__Link__ExecutorReport **)pb_array(m, n_executors);
	map_each(&a->frameworks, e) {
		struct framework *f = e->value;
		if (f->shutting_down)
			continue; /* its tasks end without a word: the master must not count on them */
		r->frameworks[r->n_frameworks++] = f->info;
		map_each(&f->executors, x) {
			struct executor *ex = x->value;
			if (!ex->command) /* the master does not know command executors */
				r->executors[r->n_executors++] = report_executor(ex, m);
		}
		map_each(&f->tasks, t)
			r->tasks[r->n_tasks++] = report_task(t->value, m);
	}
	r->completed_frameworks = (Mesos__V1__FrameworkID **)pb_array(m, a->completed_frameworks.n);
	for (size_t i = 0; i < a->completed_frameworks.n; i++) {
		Mesos__V1__FrameworkID *id = PB_NEW(m, Mesos__V1__FrameworkID, mesos__v1__framework_id);
		id->value = a->completed_frameworks.v[i]->id;
		r->completed_frameworks[r->n_completed_frameworks++] = id;
	}
}

static void send_register(struct agent *a)
{
	struct arena mz_autoarena m = {0};
	Mezzo__Link__ToMaster *to = PB_NEW(&m, Mezzo__Link__ToMaster, mezzo__link__to_master);
	Mezzo__Link__Register *r = PB_NEW(&m, Mezzo__Link__Register, mezzo__link__register);
	r->agent_info = a->info;
	r->version = (char *)a->cfg.version;
	r->pid = a->pid;
	r->n_capabilities = agent_capabilities(&m, &r->capabilities);
	report_frameworks(a, r, &m);
	to->message_case = MEZZO__LINK__TO_MASTER__MESSAGE_REGISTER;
	to->register_ = r;
	agent_tell_master(a, to);
}

/* ---- what the master says ---------------------------------------------------- */

static void restart_ping_timer(struct agent *a)
{
	loop_timer_cancel(a->loop, a->ping_timer);
	a->ping_timer = loop_timer(a->loop, a->ping_timeout_ns, on_ping_timeout, a);
}

static void save_self(struct agent *a)
{
	Mezzo__Records__AgentSelf self = MEZZO__RECORDS__AGENT_SELF__INIT;
	self.info = a->info;
	self.boot_id = (char *)a->cfg.boot_id;
	struct buf mz_autobuf b = {0};
	pb_encode(&self.base, &b);
	store_put(a->deps.store, "agent", b.data, b.len, NULL, NULL);
}

static void handle_registered(struct agent *a, const Mezzo__Link__Registered *m)
{
	const char *id = m->agent_id->value;
	if (!a->id) {
		a->id = xstrdup(id);
		a->info->id = PB_NEW(&a->arena, Mesos__V1__AgentID, mesos__v1__agent_id);
		a->info->id->value = arena_strdup(&a->arena, id);
		save_self(a);
	} else if (strcmp(a->id, id) != 0) {
		agent_fatal(a, "Agent '%s' was registered under another id, '%s'", a->id, id);
		return;
	} else if (!a->self_saved) {
		save_self(a); /* it may have grown, or the machine was rebooted */
	}
	a->self_saved = true;
	a->registered = true;
	a->register_backoff_ns = a->cfg.registration_backoff_ns;
	double secs = m->ping_timeout_secs > 0 ? m->ping_timeout_secs : DEFAULT_PING_TIMEOUT_SECS;
	a->ping_timeout_ns = (int64_t)(secs * 1e9);
	xset(&a->master_hostname, m->master_info->hostname ? m->master_info->hostname : "");
	restart_ping_timer(a);
	log_info(AREA, "Registered with master '%s' as agent '%s'", m->master_info->id, a->id);
	for (size_t i = 0; i < m->n_reconcile; i++) {
		const Mezzo__Link__KillTask *k = m->reconcile[i];
		struct framework *f = agent_framework_find(a, k->framework_id->value);
		if (f && !f->shutting_down && map_get(&f->tasks, k->task_id->value))
			continue; /* it has been reported after all */
		struct framework none = {.agent = a, .id = k->framework_id->value};
		update_make(f ? f : &none, k->task_id->value, NULL, MESOS__V1__TASK_STATE__TASK_DROPPED,
			    MESOS__V1__TASK_STATUS__REASON__REASON_RECONCILIATION, "Task is unknown to the agent");
	}
	updates_resume(a);
	if (a->deps.on_registered)
		a->deps.on_registered(a->deps.arg, a->id);
}

static void handle_shutdown(struct agent *a, const Mezzo__Link__Shutdown *m)
{
	if (a->ending)
		return;
	log_error(AREA, "The master shuts this agent down: %s", m->message);
	/* A new life needs a new id: the old record must not come back. */
	store_delete(a->deps.store, "agent", NULL, NULL);
	a->ending = xstrdup(m->message);
	map_each(&a->frameworks, e)
		agent_framework_shutdown(e->value);
	agent_maybe_end(a);
}

static void on_ended(void *arg)
{
	struct agent *a = arg;
	agent_fatal(a, "Shut down by the master: %s", a->ending);
}

void agent_maybe_end(struct agent *a)
{
	if (a->ending && !a->containers.n && !a->stopping)
		store_barrier(a->deps.store, on_ended, a);
}

static void handle_ping(struct agent *a, const Mezzo__Link__Ping *m)
{
	restart_ping_timer(a);
	Mezzo__Link__ToMaster to = MEZZO__LINK__TO_MASTER__INIT;
	Mezzo__Link__Pong pong = MEZZO__LINK__PONG__INIT;
	to.message_case = MEZZO__LINK__TO_MASTER__MESSAGE_PONG;
	to.pong = &pong;
	agent_tell_master(a, &to);
	if (!m->connected && a->registered) {
		log_warning(AREA, "The master counts this agent as gone, registering again");
		a->registered = false;
		updates_pause(a);
		send_register(a);
	}
}

static void handle_shutdown_executor(struct agent *a, const Mezzo__Link__ShutdownExecutor *m)
{
	struct framework *f = agent_framework_find(a, m->framework_id->value);
	struct executor *ex = f ? agent_executor_find(f, m->executor_id->value) : NULL;
	if (ex)
		agent_executor_shutdown(ex);
	else
		log_warning(AREA, "Asked to shut down executor '%s' of framework '%s', which is not here",
			    m->executor_id->value, m->framework_id->value);
}

static void handle_shutdown_framework(struct agent *a, const Mezzo__Link__ShutdownFramework *m)
{
	struct framework *f = agent_framework_find(a, m->framework_id->value);
	if (f)
		agent_framework_shutdown(f);
}

static void handle_update_framework(struct agent *a, const Mezzo__Link__UpdateFramework *m)
{
	struct framework *f = m->framework->id ? agent_framework_find(a, m->framework->id->value) : NULL;
	if (f)
		agent_framework_update(f, m->framework);
}

static void handle_framework_message(struct agent *a, const Mezzo__Link__FrameworkMessage *m)
{
	struct framework *f = agent_framework_find(a, m->framework_id->value);
	struct executor *ex = f ? agent_executor_find(f, m->executor_id->value) : NULL;
	if (!ex || !ex->stream) {
		a->metrics.invalid_framework_messages++;
		log_warning(AREA, "Message for executor '%s' of framework '%s' was dropped: not connected",
			    m->executor_id->value, m->framework_id->value);
		return;
	}
	a->metrics.valid_framework_messages++;
	Mesos__V1__Executor__Event e = MESOS__V1__EXECUTOR__EVENT__INIT;
	Mesos__V1__Executor__Event__Message msg = MESOS__V1__EXECUTOR__EVENT__MESSAGE__INIT;
	msg.data = m->data;
	e.has_type = 1;
	e.type = MESOS__V1__EXECUTOR__EVENT__TYPE__MESSAGE;
	e.message = &msg;
	agent_executor_send(ex, &e);
}

static void dispatch(struct agent *a, const Mezzo__Link__ToAgent *m)
{
	if (a->ending)
		return; /* no master has a say any more */
	switch (m->message_case) {
	case MEZZO__LINK__TO_AGENT__MESSAGE_REGISTERED:
		handle_registered(a, m->registered);
		break;
	case MEZZO__LINK__TO_AGENT__MESSAGE_SHUTDOWN:
		handle_shutdown(a, m->shutdown);
		break;
	case MEZZO__LINK__TO_AGENT__MESSAGE_RUN_TASKS:
		handle_run_tasks(a, m->run_tasks);
		break;
	case MEZZO__LINK__TO_AGENT__MESSAGE_KILL_TASK:
		handle_kill_task(a, m->kill_task);
		break;
	case MEZZO__LINK__TO_AGENT__MESSAGE_SHUTDOWN_EXECUTOR:
		handle_shutdown_executor(a, m->shutdown_executor);
		break;
	case MEZZO__LINK__TO_AGENT__MESSAGE_SHUTDOWN_FRAMEWORK:
		handle_shutdown_framework(a, m->shutdown_framework);
		break;
	case MEZZO__LINK__TO_AGENT__MESSAGE_UPDATE_FRAMEWORK:
		handle_update_framework(a, m->update_framework);
		break;
	case MEZZO__LINK__TO_AGENT__MESSAGE_ACKNOWLEDGE:
		handle_acknowledge(a, m->acknowledge);
		break;
	case MEZZO__LINK__TO_AGENT__MESSAGE_FRAMEWORK_MESSAGE:
		handle_framework_message(a, m->framework_message);
		break;
	case MEZZO__LINK__TO_AGENT__MESSAGE_PING:
		handle_ping(a, m->ping);
		break;
	default:
		log_warning(AREA, "The master sent a message of unknown kind %d, ignoring", (int)m->message_case);
	}
}

static void on_link_frame(void *arg, const void *frame, size_t size)
{
	struct agent *a = arg;
	struct arena mz_autoarena m = {0};
	struct mz_err err;
	Mezzo__Link__ToAgent *to =
		(Mezzo__Link__ToAgent *)pb_decode(&mezzo__link__to_agent__descriptor, &m, frame, size, &err);
	if (!to) {
		log_error(AREA, "The master sent a frame that is no message, ignoring: %s", err.msg);
		return;
	}
	if (!a->stopping)
		dispatch(a, to);
}

/* ---- the link itself --------------------------------------------------------- */

static void on_dial_timer(void *arg)
{
	struct agent *a = arg;
	a->dial_timer = NULL;
	agent_dial(a);
}

/* Tries again after a random time that grows up to a minute. */
static void dial_later(struct agent *a)
{
	if (!a->master || a->stopping || a->dial_timer)
		return;
	uint64_t delay = loop_random_below(a->loop, (uint64_t)a->register_backoff_ns + 1);
	a->register_backoff_ns = MZ_MIN(a->register_backoff_ns * 2, MAX_BACKOFF_SECS * NS_PER_SEC);
	a->dial_timer = loop_timer(a->loop, (int64_t)delay, on_dial_timer, a);
}

static void link_is_gone(struct agent *a)
{
	a->link = NULL;
	a->registered = false;
	loop_timer_cancel(a->loop, a->ping_timer);
	a->ping_timer = NULL;
	updates_pause(a);
}

static void on_link_gone(void *arg, const char *why)
{
	struct agent *a = arg;
	log_warning(AREA, "Lost the master at %s: %s", a->master ? a->master : "?", why);
	link_is_gone(a);
	dial_later(a);
}

static void on_ping_timeout(void *arg)
{
	struct agent *a = arg;
	a->ping_timer = NULL;
	log_warning(AREA, "No ping from the master within %lld s, connecting again",
		    (long long)(a->ping_timeout_ns / NS_PER_SEC));
	drop_link(a);
	dial_later(a);
}

static void on_dialled(void *arg, struct link *l, const char *why)
{
	struct agent *a = arg;
	a->dialing = false;
	if (!l) {
		log_warning(AREA, "Cannot reach the master at %s: %s", a->master ? a->master : "?", why);
		dial_later(a);
		return;
	}
	a->link = l;
	l->on_frame = on_link_frame;
	l->on_gone = on_link_gone;
	l->arg = a;
	/* Registered must follow within the usual silence, or we try again. */
	a->ping_timeout_ns = DEFAULT_PING_TIMEOUT_SECS * NS_PER_SEC;
	restart_ping_timer(a);
	send_register(a);
}

void agent_dial(struct agent *a)
{
	if (!a->master || a->dialing || a->link || a->stopping || a->ending || a->phase != AGENT_RECOVERED)
		return;
	a->dialing = true;
	a->deps.dialer->ops->dial(a->deps.dialer, a->master, on_dialled, a);
}

static void drop_link(struct agent *a)
{
	if (a->dialing) {
		a->deps.dialer->ops->cancel(a->deps.dialer, a);
		a->dialing = false;
	}
	if (!a->link)
		return;
	struct link *l = a->link;
	link_is_gone(a);
	link_close(l);
}

void agent_set_master(struct agent *a, const char *address)
{
	if (str_eq(a->master, address))
		return;
	loop_timer_cancel(a->loop, a->dial_timer);
	a->dial_timer = NULL;
	drop_link(a);
	xset(&a->master, address);
	a->register_backoff_ns = a->cfg.registration_backoff_ns;
	agent_dial(a);
}
