/* register.c - an agent registers, or returns:
 *
 *	rules -> authorizer -> its id -> record durable -> admitted, Registered is sent
 *
 * The link may go away at any step; its struct then lives on (busy) until the
 * outstanding callback. What a returning agent reports is merged in report.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "master/internal.h"

static struct agent *known_agent(struct master *m, const char *id)
{
	struct agent *a = id ? agent_get(m, id) : NULL;
	return a ? a : id ? map_get(&m->recovered, id) : NULL;
}

static const char *given_id(const Mezzo__Link__Register *reg)
{
	const Mesos__V1__AgentID *id = reg->agent_info->id;
	return id && id->value[0] ? id->value : NULL;
}

/* 0, or why the agent is refused for good. */
static int check(struct agent_link *al, struct mz_err *err)
{
	struct master *m = al->m;
	const Mezzo__Link__Register *reg = al->reg;
	const char *id = given_id(reg);
	mz_autofree char *path = NULL, *ip = NULL;
	int port;
	if (str_empty(reg->agent_info->hostname))
		return mz_fail(err, -EINVAL, "Agent has no hostname");
	if (!address_parse(reg->pid, &path, &ip, &port))
		return mz_fail(err, -EINVAL, "Agent's pid '%s' is not NAME@IP:PORT", reg->pid);
	if (id && id_check("agent id", id, err) < 0)
		return err->code;
	if (id && map_has(&m->gone, id))
		return mz_fail(err, -EINVAL, "Agent %s was marked gone", id);
	if (reg->agent_info->domain && !(m->cfg.region && m->cfg.zone))
		return mz_fail(err, -EINVAL, "Agent has a domain, but the master has none");
	resources *r = res_new();
	int result = res_from_pb(reg->agent_info->resources, reg->agent_info->n_resources, r, err);
	res_free(r);
	if (result < 0)
		return mz_wrap(err, "Agent's resources are invalid");
	if (protobuf_c_message_get_packed_size(&reg->agent_info->base) > MAX_OFFERS_BYTES)
		return mz_fail(err, -EMSGSIZE, "The AgentInfo is larger than %d MB", MAX_OFFERS_BYTES >> 20);
	struct agent *a = id ? agent_get(m, id) : NULL;
	if (a && (!str_eq(a->info->hostname, reg->agent_info->hostname) || !str_eq(a->ip, ip)))
		return mz_fail(err, -EINVAL, "Agent %s is known at another address, %s (%s)", id,
			       a->info->hostname, a->ip);
	return 0;
}

/* ---- admission ------------------------------------------------------------------ */

static void take_registration(struct agent *a, struct agent_link *al)
{
	const Mezzo__Link__Register *reg = al->reg;
	agent_set_info(a, reg->agent_info);
	a->capabilities = 0;
	a->n_caps = reg->n_capabilities;
	a->caps = (Mesos__V1__AgentInfo__Capability **)pb_array(&a->info_arena, reg->n_capabilities + 1);
	for (size_t i = 0; i < reg->n_capabilities; i++) {
		a->caps[i] = (Mesos__V1__AgentInfo__Capability *)pb_copy(&reg->capabilities[i]->base,
									&a->info_arena);
		if ((unsigned)a->caps[i]->type < 32)
			a->capabilities |= 1u << a->caps[i]->type;
	}
	xset(&a->version, reg->version);
	mz_autofree char *address = address_of(reg->pid);
	agent_leave_address(a);
	agent_set_pid(a, reg->pid);
	address_take(a->m, address, a->id);
}

static void attach(struct agent *a, struct agent_link *al)
{
	struct agent_link *old = a->link;
	if (old)
		agent_link_drop(old, NULL);
	al->agent = a;
	a->link = al;
	al->m->n_links_unregistered--;
	agent_link_in_time(al);
	loop_timer_cancel(a->m->loop, a->reregister);
	a->reregister = NULL;
}

static void shut_down_completed(struct agent *a, const Mezzo__Link__Register *reg)
{
	for (size_t i = 0; i < reg->n_frameworks; i++) {
		Mesos__V1__FrameworkID *id = reg->frameworks[i]->id;
		if (id && map_has(&a->m->completed_index, id->value))
			agent_send_shutdown(a, id->value);
	}
}

/* Frameworks whose info changed while the agent was away. */
static void send_infos(struct agent *a, const Mezzo__Link__Register *reg)
{
	for (size_t i = 0; i < reg->n_frameworks; i++) {
		struct framework *f =
			reg->frameworks[i]->id ? framework_get(a->m, reg->frameworks[i]->id->value) : NULL;
		if (!f || pb_equal(&f->info->base, &reg->frameworks[i]->base))
			continue;
		Mezzo__Link__UpdateFramework u = MEZZO__LINK__UPDATE_FRAMEWORK__INIT;
		Mezzo__Link__ToAgent msg = MEZZO__LINK__TO_AGENT__INIT;
		u.framework = f->info;
		msg.message_case = MEZZO__LINK__TO_AGENT__MESSAGE_UPDATE_FRAMEWORK;
		msg.update_framework = &u;
		(void)agent_send(a, &msg);
	}
}

static void send_registered(struct agent *a, Mezzo__Link__Registered *r)
{
	mz_autoarena struct arena arena = {0};
	Mezzo__Link__ToAgent msg = MEZZO__LINK__TO_AGENT__INIT;
	r->agent_id = id_agent(&arena, a->id);
	r->master_info = a->m->info;
	r->ping_timeout_secs =
		(double)a->m->cfg.agent_ping_timeout_ns * a->m->cfg.max_agent_ping_timeouts / NS_PER_SEC;
	msg.message_case = MEZZO__LINK__TO_AGENT__MESSAGE_REGISTERED;
	msg.registered = r;
	(void)agent_send(a, &msg);
}

/* Where the agent is found: in the table, among those expected back, nowhere; the
 * last may mean that it was given up. */
static struct agent *find_or_make(struct agent_link *al, bool *ret_is_known, struct lost_agent **ret_lost)
{
	struct master *m = al->m;
	const char *id = given_id(al->reg);
	struct agent *a = agent_get(m, id);
	*ret_is_known = a != NULL;
	if (a)
		return a;
	a = map_del(&m->recovered, id);
	if (!a) {
		struct lost_agent *lost = *ret_lost = map_del(&m->unreachable, id);
		a = agent_add(m, id, al->reg->agent_info);
		if (lost)
			address_leave(m, lost->address, id);
		a->deactivated = lost && lost->deactivated;
		a->registered_time = loop_wall_secs(m->loop);
	}
	map_put(&m->agents, a->id, a);
	return a;
}

static void admit(struct agent_link *al)
{
	struct master *m = al->m;
	bool is_known;
	struct lost_agent *lost = NULL;
	struct agent *a = find_or_make(al, &is_known, &lost);
	bool total_changed = false;
	resources *before = res_copy(a->total);
	if (agent_connected(a)) /* its old link has not been noticed to be dead */
		agent_disconnected(a, "it has dialled again");
	agent_step(a, MASTER_AGENT_ON_REGISTER);
	attach(a, al);
	take_registration(a, al);
	total_changed = !res_equal(before, a->total);
	res_free(before);
	agent_step(a, MASTER_AGENT_ON_ADMITTED);
	if (al->is_new)
		m->metrics.agent_registrations++;
	else
		m->metrics.agent_reregistrations++;
	if (!al->is_new)
		a->reregistered_time = loop_wall_secs(m->loop);
	mz_autoarena struct arena arena = {0};
	Mezzo__Link__Registered r = MEZZO__LINK__REGISTERED__INIT;
	report_merge(a, al->reg, is_known, &r, &arena);
	lost_returned(lost);
	send_registered(a, &r);
	shut_down_completed(a, al->reg);
	send_infos(a, al->reg);
	agent_send_pending_kills(a);
	agent_start_pinging(a);
	if (a->in_allocator && total_changed)
		alloc_update_agent(a);
	if (a->in_allocator && !a->deactivated)
		alloc_activate_agent(a, true);
	if (!a->in_allocator)
		alloc_add_agent(a);
	log_info(AREA, "Agent %s at %s (%s) %s with %zu tasks", a->id, a->info->hostname, al->link->peer,
		 al->is_new ? "registered" : "returned", a->n_tasks);
	al->reg = NULL;
	arena_done(&al->arena);
	agent_link_take_early(al);
}

static void delete_record(struct master *m, const char *id)
{
	mz_autofree char *key = xasprintf("agent/%s", id);
	store_delete(m->store, key, NULL, NULL);
}

/* Nobody was there as its id was made; who came meanwhile and has left is removed too. */
static bool is_still_alone(struct agent_link *al)
{
	const char *other;
	return !al->is_new || address_settle(al, &other) == ADDRESS_FREE;
}

static void on_durable(void *arg)
{
	struct agent_link *al = arg;
	struct master *m = al->m;
	struct mz_err err;
	if (!al->link && al->is_new) /* nobody has heard the id */
		delete_record(m, given_id(al->reg));
	if (agent_link_unbusy(al))
		return;
	if (map_has(&m->marking, given_id(al->reg))) {
		agent_link_drop(al, NULL); /* it comes again when that is settled */
	} else if (!is_still_alone(al)) {
		delete_record(m, given_id(al->reg));
		agent_link_drop(al, NULL);
	} else if (check(al, &err) < 0) {
		agent_link_drop(al, err.msg);
	} else {
		admit(al);
	}
}

/* The id of who has none. False: not now, it may come again. */
static bool find_id(struct agent_link *al, const char **ret_id)
{
	struct master *m = al->m;
	char name[96];
	*ret_id = given_id(al->reg);
	al->is_new = false;
	if (*ret_id)
		return true;
	enum address_verdict verdict = address_settle(al, ret_id);
	if (verdict == ADDRESS_BUSY)
		return false;
	al->is_new = verdict == ADDRESS_FREE;
	if (al->is_new)
		snprintf(name, sizeof(name), "%s-S%llu", m->id, (unsigned long long)m->next_agent++);
	else
		log_info(AREA, "Agent %s at %s has not heard its id, and is told again", *ret_id, al->link->peer);
	al->reg->agent_info->id =
		id_agent(&al->arena, arena_strdup(&al->arena, al->is_new ? name : *ret_id));
	return true;
}

/* It is not told to shut down: it comes again, and there may be room then. Those whose
 * records are being written may make it a few more. */
static bool has_room(const struct agent_link *al)
{
	struct master *m = al->m;
	size_t n = m->agents.n + m->recovered.n;
	if (n < m->cfg.max_agents || known_agent(m, given_id(al->reg)))
		return true;
	log_warning(AREA, "The agent at %s has to wait: %zu are known, and no more may be", al->link->peer, n);
	return false;
}

static void write_record(struct agent_link *al)
{
	struct master *m = al->m;
	const char *id;
	if (!find_id(al, &id) || !has_room(al)) {
		agent_link_drop(al, NULL);
		return;
	}
	struct agent *a = known_agent(m, id);
	al->busy = true;
	if (a && str_eq(a->pid, al->reg->pid) && pb_equal(&a->info->base, &al->reg->agent_info->base)) {
		store_barrier(m->store, on_durable, al);
		return;
	}
	Mezzo__Records__AgentRecord r = MEZZO__RECORDS__AGENT_RECORD__INIT;
	struct lost_agent *lost = id ? map_get(&m->unreachable, id) : NULL;
	r.info = al->reg->agent_info;
	r.pid = al->reg->pid;
	r.registered_time = a ? a->registered_time : loop_wall_secs(m->loop);
	r.has_deactivated = r.deactivated = a ? a->deactivated : lost && lost->deactivated;
	struct mz_bytes b = pb_encode_arena(&r.base, &al->arena);
	mz_autofree char *key = xasprintf("agent/%s", given_id(al->reg));
	store_put(m->store, key, b.data, b.size, on_durable, al);
}

static void on_authorized(void *arg, const struct mz_err *err)
{
	struct agent_link *al = arg;
	if (agent_link_unbusy(al))
		return;
	if (err)
		agent_link_drop(al, err->msg);
	else
		write_record(al);
}

void on_register(struct agent_link *al, const Mezzo__Link__ToMaster *msg, struct arena *arena)
{
	struct master *m = al->m;
	struct mz_err err;
	if (al->agent || al->busy) {
		log_warning(AREA, "Agent at %s registers twice on one link, which is cut", al->link->peer);
		struct agent *a = al->agent;
		agent_link_drop(al, NULL);
		if (a)
			agent_disconnected(a, "it broke the protocol");
		return;
	}
	al->arena = *arena;
	*arena = (struct arena){0};
	al->reg = msg->register_;
	if (given_id(al->reg))
		m->metrics.messages_reregister_agent++;
	else
		m->metrics.messages_register_agent++;
	if (given_id(al->reg) && map_has(&m->marking, given_id(al->reg))) {
		agent_link_drop(al, NULL);
		return;
	}
	if (check(al, &err) < 0) {
		agent_link_drop(al, err.msg);
		return;
	}
	al->busy = true;
	struct mz_object o = {.size = sizeof(o), .agent_id = given_id(al->reg)};
	authz_check(m, MZ_ACTION_REGISTER_AGENT, NULL, &o, on_authorized, al);
}
