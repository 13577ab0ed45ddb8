/* operation.h - operations that change the form of resources: RESERVE, UNRESERVE,
 * CREATE, DESTROY, GROW_VOLUME, SHRINK_VOLUME, CREATE_DISK, DESTROY_DISK. Here are
 * the rules that need nothing but the message; what depends on frameworks, offers
 * and agents is the master's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODEL_OPERATION_H
#define MZ_MODEL_OPERATION_H

#include "model/resources.h"

/* What a checked operation is about. */
struct operation_resources {
	/* Its resources, its volumes, its volume with the addition, or its source: in
	 * post-refinement form, without what has no amount. In the arena. */
	Mesos__V1__Resource **list;
	size_t n;
	resources named;    /* the same as a set, without allocation */
	resources consumed; /* what must be there to be changed, without allocation */
};

/* *ret is done by the caller with operation_resources_done(). -EINVAL with the
 * rule that is broken, or if the operation has another type. The payload of its
 * type is set. */
int operation_check(const Mesos__V1__Offer__Operation *op, struct arena *a, struct operation_resources *ret,
		    struct mz_err *err);
void operation_resources_done(struct operation_resources *r);
#define mz_autooperation MZ_CLEANUP(operation_resources_done)

/* The reservation that counts: the last of the stack; NULL: unreserved. */
const Mesos__V1__Resource__ReservationInfo *reservation_top(const Mesos__V1__Resource *r);
/* The id of a persistent volume that the set has twice for one role; NULL: none. */
const char *res_repeated_volume(const resources *r);

#endif
