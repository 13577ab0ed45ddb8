/* constraints.h - offer constraints of one framework, checked and compiled.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MASTER_CONSTRAINTS_H
#define MZ_MASTER_CONSTRAINTS_H

#include <stdbool.h>

#include "base/err.h"
#include "mesos/v1/scheduler.pb-c.h"

struct agent;
struct regex_limits;
struct constraints;

/* Every role must be among `roles`. *ret NULL: there are none. ret NULL: checks only. */
int constraints_new(const Mesos__V1__Scheduler__OfferConstraints *c, const char *const *roles, size_t n_roles,
		    const struct regex_limits *l, struct constraints **ret, struct mz_err *err);
void constraints_free(struct constraints *c);
const Mesos__V1__Scheduler__OfferConstraints *constraints_message(const struct constraints *c);
/* c NULL: yes. */
bool constraints_allow(const struct constraints *c, const char *role, const struct agent *a);

#endif
