/* resources.c - operations that change the form of resources: what they may do
 * with these offers, of this framework, on this agent. The rules of the messages
 * are the model's (model/operation.c).
 *
 * None is carried out by this master: each one gets OPERATION_ERROR, and what it
 * would have consumed goes back with the leftovers.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "master/accept/accept.h"

#define OPERATION(name) MESOS__V1__OFFER__OPERATION__TYPE__##name
#define SOURCE(name) MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__##name
#define CAPABILITY(name) MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__##name

typedef Mesos__V1__Resource__ReservationInfo pb_reservation;

/* One operation that has passed the rules of its message. */
struct change {
	struct accept *a;
	struct framework *f;
	struct agent *agent;
	const pb_operation *op;
	struct operation_resources r;
};

static bool agent_has(const struct agent *agent, Mesos__V1__AgentInfo__Capability__Type capability)
{
	return agent->capabilities & (1u << capability);
}

static const char *role_of(const pb_resource *r)
{
	const pb_reservation *top = reservation_top(r);
	return top ? top->role : "*";
}

/* ---- rules of all --------------------------------------------------------------- */

static int check_id(const struct change *c, struct mz_err *err)
{
	if (!c->op->id)
		return 0;
	if (!agent_has(c->agent, CAPABILITY(RESOURCE_PROVIDER)))
		return mz_fail(err, -EINVAL, "An operation with an id needs an agent with RESOURCE_PROVIDER");
	for (size_t i = 0; i < c->r.n; i++)
		if (!c->r.list[i]->provider_id && !agent_has(c->agent, CAPABILITY(AGENT_OPERATION_FEEDBACK)))
			return mz_fail(err, -EINVAL, "An operation with an id, on resources of the agent itself, "
						     "needs an agent with AGENT_OPERATION_FEEDBACK");
	return 0;
}

static int check_allocation(const struct change *c, struct mz_err *err)
{
	for (size_t i = 0; i < c->r.n; i++) {
		const Mesos__V1__Resource__AllocationInfo *allocation = c->r.list[i]->allocation_info;
		if (allocation && allocation->role && !str_eq(allocation->role, c->a->role))
			return mz_fail(err, -EINVAL, "Resources are allocated to role '%s', the offer is for '%s'",
				       allocation->role, c->a->role);
	}
	return 0;
}

static int check_offered(const struct change *c, struct mz_err *err)
{
	if (res_contains(c->a->remaining, &c->r.consumed))
		return 0;
	mz_autobuf struct buf want = {0}, have = {0};
	res_format_text(&c->r.consumed, &want);
	res_format_text(c->a->remaining, &have);
	return mz_fail(err, -ENOSPC, "The operation uses more than is offered: %.90s, offered %.90s", buf_str(&want),
		       buf_str(&have));
}

/* ---- reservations ------------------------------------------------------------------ */

/* Neither side may get reservations that it cannot read. */
static int check_stack(const struct change *c, const pb_resource *r, struct mz_err *err)
{
	const char *role = role_of(r);
	if (strchr(role, '/') && !agent_has(c->agent, CAPABILITY(HIERARCHICAL_ROLE)))
		return mz_fail(err, -EINVAL, "Role '%s' needs an agent with HIERARCHICAL_ROLE", role);
	if (r->n_reservations < 2)
		return 0;
	if (!agent_has(c->agent, CAPABILITY(RESERVATION_REFINEMENT)))
		return mz_fail(err, -EINVAL, "A refined reservation needs an agent with RESERVATION_REFINEMENT");
	if (!framework_has(c->f, MZ_FW_REFINEMENT))
		return mz_fail(err, -EINVAL, "A refined reservation needs a framework with RESERVATION_REFINEMENT");
	return 0;
}

static int check_principal(const struct change *c, const char *what, const char *principal, struct mz_err *err)
{
	const char *own = c->f->info->principal;
	if (!own || str_eq(own, principal))
		return 0;
	if (!principal)
		return mz_fail(err, -EINVAL, "The %s has no principal, the framework has '%s'", what, own);
	return mz_fail(err, -EINVAL, "The %s has the principal '%s', the framework has '%s'", what, principal, own);
}

static int check_reserve(const struct change *c, struct mz_err *err)
{
	if (c->op->reserve->n_source)
		return mz_fail(err, -EINVAL, "'source' is for operators only");
	for (size_t i = 0; i < c->r.n; i++) {
		const pb_resource *r = c->r.list[i];
		const pb_reservation *top = reservation_top(r);
		if (!str_eq(top->role, c->a->role))
			return mz_fail(err, -EINVAL, "The reservation is for role '%s', the offer is for '%s'", top->role,
				       c->a->role);
		if (!framework_has_role(c->f, top->role))
			return mz_fail(err, -EINVAL, "The framework has no role '%s'", top->role);
		if (check_stack(c, r, err) || check_principal(c, "reservation", top->principal, err))
			return -EINVAL;
	}
	return 0;
}

/* ---- volumes ------------------------------------------------------------------------ */

static int check_create(const struct change *c, struct mz_err *err)
{
	mz_autores resources there = {0};
	for (size_t i = 0; i < c->r.n; i++) {
		const pb_resource *r = c->r.list[i];
		if (r->shared && !framework_has(c->f, MZ_FW_SHARED))
			return mz_fail(err, -EINVAL, "A shared volume needs a framework with SHARED_RESOURCES");
		if (check_stack(c, r, err) || check_principal(c, "volume", r->disk->persistence->principal, err))
			return -EINVAL;
	}
	res_add_filtered(&there, c->agent->total, RES_PERSISTENT);
	res_add(&there, &c->r.named);
	const char *repeated = res_repeated_volume(&there);
	return repeated ? mz_fail(err, -EINVAL, "Persistent volume '%s' exists on the agent", repeated) : 0;
}

static bool holds(const resources *allocated, const resources *volume)
{
	resources *plain = res_unallocate(allocated);
	bool has = res_contains(plain, volume);
	res_free(plain);
	return has;
}

/* Somebody may be about to use it: it is in an offer, or in an ACCEPT whose tasks
 * the authorizer thinks about. */
static bool is_offered_elsewhere(const struct change *c, const resources *volume)
{
	if (holds(c->agent->offered, volume))
		return true;
	list_each(&c->a->m->accepts, struct accept, in_master, other)
		if (other != c->a && other->agent == c->a->agent && res_contains(other->offered, volume))
			return true;
	return false;
}

static int check_destroyed(const struct change *c, const pb_resource *r, struct mz_err *err)
{
	mz_autores resources with_role = {0};
	pb_resource *one = (pb_resource *)r;
	const char *id = r->disk->persistence->id;
	int rc = res_from_pb(&one, 1, &with_role, err);
	if (rc)
		return rc;
	resources *volume = res_unallocate(&with_role);
	if (!r->provider_id && !res_contains(c->agent->total, volume))
		rc = mz_fail(err, -EINVAL, "Persistent volume '%s' does not exist on the agent", id);
	else if (holds(c->agent->used, volume))
		rc = mz_fail(err, -EINVAL, "Persistent volume '%s' is in use", id);
	else if (r->shared && is_offered_elsewhere(c, volume))
		rc = mz_fail(err, -EINVAL, "Persistent volume '%s' is in another offer", id);
	res_free(volume);
	return rc;
}

static int check_destroy(const struct change *c, struct mz_err *err)
{
	int rc = 0;
	for (size_t i = 0; !rc && i < c->r.n; i++)
		rc = check_destroyed(c, c->r.list[i], err);
	return rc;
}

static int check_resize(const struct change *c, struct mz_err *err)
{
	if (!agent_has(c->agent, CAPABILITY(RESIZE_VOLUME)))
		return mz_fail(err, -EINVAL, "Resizing a volume needs an agent with RESIZE_VOLUME");
	return 0;
}

/* ---- asking the authorizer -------------------------------------------------------------- */

static const char *reserver_of(const pb_resource *r)
{
	return reservation_top(r)->principal;
}

static const char *creator_of(const pb_resource *r)
{
	return r->disk->persistence->principal;
}

static int action_on_disk(const pb_operation *op, const pb_resource *r)
{
	bool create = op->type == OPERATION(CREATE_DISK);
	switch (create ? op->create_disk->target_type : r->disk->source->type) {
	case SOURCE(BLOCK):
		return create ? MZ_ACTION_CREATE_BLOCK_DISK : MZ_ACTION_DESTROY_BLOCK_DISK;
	case SOURCE(MOUNT):
		return create ? MZ_ACTION_CREATE_MOUNT_DISK : MZ_ACTION_DESTROY_MOUNT_DISK;
	default:
		return MZ_ACTION_DESTROY_RAW_DISK;
	}
}

/* ---- the table ----------------------------------------------------------------------------- */

static const struct rules {
	Mesos__V1__Offer__Operation__Type type;
	int (*check)(const struct change *c, struct mz_err *err); /* NULL: no rules of its own */
	int action; /* of the authorizer; 0: by the type of the disk */
	const char *(*creator)(const pb_resource *r); /* whom the action is about; NULL: about the role */
} table[] = {
	{OPERATION(RESERVE), check_reserve, MZ_ACTION_RESERVE_RESOURCES, NULL},
	{OPERATION(UNRESERVE), NULL, MZ_ACTION_UNRESERVE_RESOURCES, reserver_of},
	{OPERATION(CREATE), check_create, MZ_ACTION_CREATE_VOLUME, NULL},
	{OPERATION(DESTROY), check_destroy, MZ_ACTION_DESTROY_VOLUME, creator_of},
	{OPERATION(GROW_VOLUME), check_resize, MZ_ACTION_RESIZE_VOLUME, NULL},
	{OPERATION(SHRINK_VOLUME), check_resize, MZ_ACTION_RESIZE_VOLUME, NULL},
	{OPERATION(CREATE_DISK), NULL, 0, NULL},
	{OPERATION(DESTROY_DISK), NULL, 0, NULL},
};

static const struct rules *rules_of(const pb_operation *op)
{
	for (size_t i = 0; i < MZ_N(table); i++)
		if (table[i].type == op->type)
			return &table[i];
	return NULL;
}

void ask_resources(struct accept *a, struct framework *f, size_t operation)
{
	const pb_operation *op = a->call->accept->operations[operation];
	const struct rules *rules = rules_of(op);
	mz_autooperation struct operation_resources r = {0};
	struct mz_object last = {0};
	/* Whatever breaks a rule is refused for that. */
	if (!rules || operation_check(op, &a->arena, &r, NULL) < 0)
		return;
	for (size_t i = 0; i < r.n; i++) {
		struct mz_object o = {.role = role_of(r.list[i])};
		o.creator = rules->creator ? rules->creator(r.list[i]) : NULL;
		o.value = rules->creator ? o.creator : o.role;
		if (i && str_eq(o.role, last.role) && str_eq(o.creator, last.creator))
			continue;
		last = o;
		ask(a, f, rules->action ? rules->action : action_on_disk(op, r.list[i]), &o,
		    &a->denied_operations[operation]);
	}
}

/* ---- applying -------------------------------------------------------------------------------- */

static int check(struct change *c, struct arena *arena, struct mz_err *err)
{
	int (*own)(const struct change *c, struct mz_err *err) = rules_of(c->op)->check;
	int rc = operation_check(c->op, arena, &c->r, err);
	if (!rc)
		rc = check_id(c, err);
	if (!rc)
		rc = check_allocation(c, err);
	if (!rc && own)
		rc = own(c, err);
	return rc ? rc : check_offered(c, err);
}

void apply_resources(struct accept *a, struct framework *f, struct agent *agent, pb_operation *op)
{
	mz_autoarena struct arena arena = {0};
	mz_autobuf struct buf why = {0};
	struct change c = {.a = a, .f = f, .agent = agent, .op = op};
	struct mz_err err = {0};
	const char *denied = a->denied_operations[a->current];
	const char *name = pb_enum_name(&mesos__v1__offer__operation__type__descriptor, (int)op->type);
	if (denied)
		buf_adds(&why, denied);
	else if (check(&c, &arena, &err) < 0)
		buf_addf(&why, "%s is not valid: %s", name, err.msg);
	else
		buf_addf(&why, "%s is valid, and not supported by this master", name);
	operation_resources_done(&c.r);
	refuse_operation(f, op, agent->id, buf_str(&why));
}
