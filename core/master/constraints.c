/* constraints.c - offer constraints: which agents a framework's roles may be
 * offered. Groups are alternatives; the constraints of a group must all hold.
 * Regular expressions are refused when a framework subscribes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "master/internal.h"

typedef Mesos__V1__Scheduler__OfferConstraints pb_constraints;
typedef Mesos__V1__Scheduler__AttributeConstraint pb_constraint;
typedef Mesos__V1__Scheduler__AttributeConstraint__Predicate pb_predicate;

#define SELECT(name) MESOS__V1__SCHEDULER__ATTRIBUTE_CONSTRAINT__SELECTOR__SELECTOR_##name
#define PREDICATE(name) MESOS__V1__SCHEDULER__ATTRIBUTE_CONSTRAINT__PREDICATE__PREDICATE_##name
#define PSEUDO(name) MESOS__V1__SCHEDULER__ATTRIBUTE_CONSTRAINT__SELECTOR__PSEUDOATTRIBUTE_TYPE__##name

static int check_one(const pb_constraint *c, const char *role, struct mz_err *err)
{
	if (c->selector->selector_case != SELECT(PSEUDOATTRIBUTE_TYPE) &&
	    c->selector->selector_case != SELECT(ATTRIBUTE_NAME))
		return mz_fail(err, -EINVAL, "Offer constraints of role '%s' have a constraint without selector",
			       role);
	switch (c->predicate->predicate_case) {
	case PREDICATE(EXISTS):
	case PREDICATE(NOT_EXISTS):
	case PREDICATE(TEXT_EQUALS):
	case PREDICATE(TEXT_NOT_EQUALS):
		return 0;
	case PREDICATE(TEXT_MATCHES):
	case PREDICATE(TEXT_NOT_MATCHES):
		return mz_fail(err, -ENOTSUP,
			       "Offer constraints of role '%s' use a regular expression, which is not supported",
			       role);
	default:
		return mz_fail(err, -EINVAL, "Offer constraints of role '%s' have a constraint without predicate",
			       role);
	}
}

int constraints_check(const pb_constraints *c, const char *const *roles, size_t n_roles, struct mz_err *err)
{
	for (size_t i = 0; c && i < c->n_role_constraints; i++) {
		const char *role = c->role_constraints[i]->key;
		const Mesos__V1__Scheduler__OfferConstraints__RoleConstraints *rc = c->role_constraints[i]->value;
		size_t at = 0;
		while (at < n_roles && !str_eq(roles[at], role))
			at++;
		if (at == n_roles)
			return mz_fail(err, -EINVAL,
				       "Offer constraints name role '%s', which the framework does not subscribe with",
				       role);
		if (!rc || !rc->n_groups)
			return mz_fail(err, -EINVAL, "Offer constraints of role '%s' are empty", role);
		for (size_t g = 0; g < rc->n_groups; g++) {
			if (!rc->groups[g]->n_attribute_constraints)
				return mz_fail(err, -EINVAL, "Offer constraints of role '%s' have an empty group",
					       role);
			for (size_t j = 0; j < rc->groups[g]->n_attribute_constraints; j++) {
				int r = check_one(rc->groups[g]->attribute_constraints[j], role, err);
				if (r < 0)
					return r;
			}
		}
	}
	return 0;
}

/* The value that a selector means: NULL absent. *ret_text: it is a text. */
static const char *selected(const pb_constraint *c, const struct agent *a, bool *ret_text, bool *ret_there)
{
	const Mesos__V1__DomainInfo__FaultDomain *d = a->info->domain ? a->info->domain->fault_domain : NULL;
	const char *v = NULL;
	*ret_text = true;
	if (c->selector->selector_case == SELECT(PSEUDOATTRIBUTE_TYPE)) {
		if (c->selector->pseudoattribute_type == PSEUDO(HOSTNAME))
			v = a->info->hostname;
		else if (c->selector->pseudoattribute_type == PSEUDO(REGION))
			v = d && d->region ? d->region->name : NULL;
		else if (c->selector->pseudoattribute_type == PSEUDO(ZONE))
			v = d && d->zone ? d->zone->name : NULL;
		*ret_there = v != NULL;
		return v;
	}
	*ret_there = false;
	for (size_t i = 0; i < a->info->n_attributes; i++) {
		const Mesos__V1__Attribute *at = a->info->attributes[i];
		if (!str_eq(at->name, c->selector->attribute_name))
			continue;
		*ret_there = true;
		*ret_text = at->text != NULL;
		return at->text ? at->text->value : NULL;
	}
	return NULL;
}

static bool holds(const pb_constraint *c, const struct agent *a)
{
	bool text, there;
	const char *v = selected(c, a, &text, &there);
	const pb_predicate *p = c->predicate;
	switch (p->predicate_case) {
	case PREDICATE(EXISTS):
		return there;
	case PREDICATE(NOT_EXISTS):
		return !there;
	case PREDICATE(TEXT_EQUALS):
		return there && (!text || str_eq(v, p->text_equals->value));
	case PREDICATE(TEXT_NOT_EQUALS):
		return !there || !text || !str_eq(v, p->text_not_equals->value);
	default:
		return false; /* refused by constraints_check */
	}
}

bool constraints_allow(const pb_constraints *c, const char *role, const struct agent *a)
{
	for (size_t i = 0; c && i < c->n_role_constraints; i++) {
		if (!str_eq(c->role_constraints[i]->key, role))
			continue;
		const Mesos__V1__Scheduler__OfferConstraints__RoleConstraints *rc = c->role_constraints[i]->value;
		for (size_t g = 0; g < rc->n_groups; g++) {
			size_t j = 0;
			while (j < rc->groups[g]->n_attribute_constraints &&
			       holds(rc->groups[g]->attribute_constraints[j], a))
				j++;
			if (j == rc->groups[g]->n_attribute_constraints)
				return true;
		}
		return false;
	}
	return true;
}
