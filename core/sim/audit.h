/* audit.h - a scheduler that comes when all others have left, and is offered
 * everything: what nobody gets any more has been lost on the way.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_SIM_AUDIT_H
#define MZ_SIM_AUDIT_H

#include "sim/checker.h"
#include "sim/net.h"

struct sim_audit;

/* In all of the roles. Its offers are the checker's: see checker_all_offered(). */
struct sim_audit *sim_audit_new(struct sim *s, struct sim_net *net, struct checker *c, const char *master,
				const char *const *roles, size_t n_roles);
void sim_audit_free(struct sim_audit *a);

#endif
