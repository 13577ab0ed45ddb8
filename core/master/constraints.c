/* constraints.c - offer constraints: which agents a framework's roles may be
 * offered. Groups are alternatives; the constraints of a group must all hold.
 * They are checked, and their regular expressions compiled, when the framework
 * subscribes or updates itself.
 *
 * A text on which an expression runs into its limits satisfies neither
 * TEXT_MATCHES nor TEXT_NOT_MATCHES: nothing is offered on a guess.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "master/constraints.h"
#include "master/internal.h"
#include "master/regex.h"

typedef Mesos__V1__Scheduler__OfferConstraints pb_constraints;
typedef Mesos__V1__Scheduler__OfferConstraints__RoleConstraints pb_role;
typedef Mesos__V1__Scheduler__AttributeConstraint pb_constraint;
typedef Mesos__V1__Scheduler__AttributeConstraint__Predicate pb_predicate;

#define SELECT(name) MESOS__V1__SCHEDULER__ATTRIBUTE_CONSTRAINT__SELECTOR__SELECTOR_##name
#define PREDICATE(name) MESOS__V1__SCHEDULER__ATTRIBUTE_CONSTRAINT__PREDICATE__PREDICATE_##name
#define PSEUDO(name) MESOS__V1__SCHEDULER__ATTRIBUTE_CONSTRAINT__SELECTOR__PSEUDOATTRIBUTE_TYPE__##name

/* Of one framework. All of them may be asked for each agent in each round. */
enum { MAX_CONSTRAINTS = 4096, MAX_BYTES = 1 << 20, MAX_EXPRESSIONS = 256, MAX_COMPILED_BYTES = 1 << 20 };

struct one {
	const pb_constraint *c;
	struct regex *regex; /* NULL: none; shared by equal patterns */
};

struct group {
	struct one *v;
	size_t n;
};

struct role {
	const char *name;
	struct group *groups;
	size_t n;
};

struct constraints {
	struct arena arena;
	const pb_constraints *message;
	struct role *roles;
	size_t n;
	struct map regexes; /* pattern -> struct regex */
	size_t bytes, n_constraints;
};

void constraints_free(struct constraints *c)
{
	if (!c)
		return;
	map_each(&c->regexes, e)
		regex_free(e->value);
	map_done(&c->regexes);
	arena_done(&c->arena);
	free(c);
}

const pb_constraints *constraints_message(const struct constraints *c)
{
	return c->message;
}

/* ---- compiling -------------------------------------------------------------- */

static const char *pattern_of(const pb_predicate *p)
{
	if (p->predicate_case == PREDICATE(TEXT_MATCHES))
		return p->text_matches->regex;
	return p->predicate_case == PREDICATE(TEXT_NOT_MATCHES) ? p->text_not_matches->regex : NULL;
}

static int compile_regex(struct constraints *all, const char *pattern, const struct regex_limits *l,
			 struct regex **ret, struct mz_err *err)
{
	struct regex *r = map_get(&all->regexes, pattern);
	if (!r) {
		int rc = regex_new(pattern, l, &r, err);
		if (rc < 0)
			return rc;
		map_put(&all->regexes, pattern, r);
		all->bytes += regex_size(r);
		if (all->regexes.n > MAX_EXPRESSIONS || all->bytes > MAX_COMPILED_BYTES)
			return mz_fail(err, -E2BIG, "The regular expressions are too many or too large");
	}
	*ret = r;
	return 0;
}

static int compile_one(struct constraints *all, const pb_constraint *c, const struct regex_limits *l,
		       struct one *ret, struct mz_err *err)
{
	ret->c = c;
	switch ((int)c->selector->selector_case) {
	case SELECT(PSEUDOATTRIBUTE_TYPE):
		if (c->selector->pseudoattribute_type == PSEUDO(UNKNOWN))
			return mz_fail(err, -EINVAL, "A selector names no known pseudoattribute");
		break;
	case SELECT(ATTRIBUTE_NAME):
		break;
	default:
		return mz_fail(err, -EINVAL, "A constraint has no selector");
	}
	const char *pattern = pattern_of(c->predicate);
	if (c->predicate->predicate_case == 0)
		return mz_fail(err, -EINVAL, "A constraint has no predicate");
	return pattern ? compile_regex(all, pattern, l, &ret->regex, err) : 0;
}

static int compile_role(struct constraints *all, const pb_role *from, const struct regex_limits *l, struct role *to,
			struct mz_err *err)
{
	if (!from || !from->n_groups)
		return mz_fail(err, -EINVAL, "There are no groups");
	to->n = from->n_groups;
	to->groups = arena_calloc(&all->arena, to->n * sizeof(*to->groups));
	for (size_t g = 0; g < to->n; g++) {
		struct group *group = &to->groups[g];
		group->n = from->groups[g]->n_attribute_constraints;
		if (!group->n)
			return mz_fail(err, -EINVAL, "A group is empty");
		all->n_constraints += group->n;
		if (all->n_constraints > MAX_CONSTRAINTS)
			return mz_fail(err, -E2BIG, "There are more than %d constraints", MAX_CONSTRAINTS);
		group->v = arena_calloc(&all->arena, group->n * sizeof(*group->v));
		for (size_t i = 0; i < group->n; i++) {
			int rc = compile_one(all, from->groups[g]->attribute_constraints[i], l, &group->v[i], err);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

static int compile(struct constraints *all, const char *const *roles, size_t n_roles, const struct regex_limits *l,
		   struct mz_err *err)
{
	all->n = all->message->n_role_constraints;
	all->roles = arena_calloc(&all->arena, (all->n + 1) * sizeof(*all->roles));
	for (size_t i = 0; i < all->n; i++) {
		const char *name = all->message->role_constraints[i]->key;
		size_t at = 0;
		while (at < n_roles && !str_eq(roles[at], name))
			at++;
		if (at == n_roles)
			return mz_fail(err, -EINVAL,
				       "Offer constraints name role '%.80s', which the framework does not subscribe with",
				       name ? name : "");
		all->roles[i].name = name;
		if (compile_role(all, all->message->role_constraints[i]->value, l, &all->roles[i], err) < 0)
			return mz_wrap(err, "Offer constraints of role '%.80s'", name);
	}
	return 0;
}

int constraints_new(const pb_constraints *c, const char *const *roles, size_t n_roles, const struct regex_limits *l,
		    struct constraints **ret, struct mz_err *err)
{
	if (!c) {
		if (ret)
			*ret = NULL;
		return 0;
	}
	if (protobuf_c_message_get_packed_size(&c->base) > MAX_BYTES)
		return mz_fail(err, -E2BIG, "Offer constraints are larger than %d MB", MAX_BYTES >> 20);
	struct constraints *all = xnew(struct constraints);
	all->message = (const pb_constraints *)pb_copy(&c->base, &all->arena);
	int rc = compile(all, roles, n_roles, l, err);
	if (rc < 0 || !ret)
		constraints_free(all);
	else
		*ret = all;
	return rc;
}

/* ---- evaluating --------------------------------------------------------------- */

struct value {
	bool there, text;
	const char *s; /* NULL unless it is a text */
};

static struct value selected(const pb_constraint *c, const struct agent *a)
{
	const Mesos__V1__DomainInfo__FaultDomain *d = a->info->domain ? a->info->domain->fault_domain : NULL;
	const char *s = NULL;
	if (c->selector->selector_case == SELECT(PSEUDOATTRIBUTE_TYPE)) {
		if (c->selector->pseudoattribute_type == PSEUDO(HOSTNAME))
			s = a->info->hostname;
		else if (c->selector->pseudoattribute_type == PSEUDO(REGION))
			s = d && d->region ? d->region->name : NULL;
		else if (c->selector->pseudoattribute_type == PSEUDO(ZONE))
			s = d && d->zone ? d->zone->name : NULL;
		return (struct value){s != NULL, s != NULL, s};
	}
	for (size_t i = 0; i < a->info->n_attributes; i++) {
		const Mesos__V1__Attribute *at = a->info->attributes[i];
		if (str_eq(at->name, c->selector->attribute_name))
			return (struct value){true, at->text != NULL, at->text ? at->text->value : NULL};
	}
	return (struct value){0};
}

static bool matches(const struct one *o, const struct agent *a, const char *text, int wanted)
{
	int r = regex_match(o->regex, text);
	if (r < 0)
		a->m->metrics.constraint_limits++;
	return r == wanted;
}

/* An attribute that is not a text satisfies every predicate about texts; one
 * that is missing, the negative ones. */
static bool holds(const struct one *o, const struct agent *a)
{
	const pb_predicate *p = o->c->predicate;
	struct value v = selected(o->c, a);
	switch ((int)p->predicate_case) {
	case PREDICATE(EXISTS):
		return v.there;
	case PREDICATE(NOT_EXISTS):
		return !v.there;
	case PREDICATE(TEXT_EQUALS):
		return v.there && (!v.text || str_eq(v.s, p->text_equals->value));
	case PREDICATE(TEXT_NOT_EQUALS):
		return !v.text || !str_eq(v.s, p->text_not_equals->value);
	case PREDICATE(TEXT_MATCHES):
		return v.there && (!v.text || matches(o, a, v.s, 1));
	case PREDICATE(TEXT_NOT_MATCHES):
		return !v.text || matches(o, a, v.s, 0);
	default:
		return false; /* refused by compile_one */
	}
}

static bool group_holds(const struct group *g, const struct agent *a)
{
	for (size_t i = 0; i < g->n; i++)
		if (!holds(&g->v[i], a))
			return false;
	return true;
}

bool constraints_allow(const struct constraints *c, const char *role, const struct agent *a)
{
	for (size_t i = 0; c && i < c->n; i++) {
		if (!str_eq(c->roles[i].name, role))
			continue;
		for (size_t g = 0; g < c->roles[i].n; g++)
			if (group_holds(&c->roles[i].groups[g], a))
				return true;
		return false;
	}
	return true;
}
