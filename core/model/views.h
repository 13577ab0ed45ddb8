/* views.h - model objects as the JSON of the read endpoints (/state and its
 * like), shared by master and agent. The forms are those that tools which poll
 * such endpoints read; the v1 API has its own (wire/json.h).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODEL_VIEWS_H
#define MZ_MODEL_VIEWS_H

#include "model/model.h"
#include "model/resources.h"
#include "wire/json.h"

/* {"disk":…,"mem":…,"gpus":…,"cpus":…,"ports":"[…]"}; sets as "{a, b}". */
void view_resources(struct jsonw *w, const resources *r);
/* {"role": {…}} of all reserved ones. */
void view_reserved(struct jsonw *w, const resources *r);
/* The same as lists of Resource messages in endpoint form. */
void view_reserved_full(struct jsonw *w, const resources *r);
void view_resources_full(struct jsonw *w, const resources *r);
/* {"name": text or number, …} */
void view_attributes(struct jsonw *w, Mesos__V1__Attribute *const *v, size_t n);
/* One entry of a task's "statuses". */
void view_status(struct jsonw *w, const Mesos__V1__TaskStatus *s);
/* A task of either daemon. Statuses are packed TaskStatus messages. */
struct view_task {
	const char *id, *name, *framework_id, *executor_id, *agent_id, *user;
	Mesos__V1__TaskState state;
	const resources *resources;
	const Mesos__V1__TaskInfo *info; /* for role, labels, discovery, container, checks; may be NULL */
	const struct mz_bytes *statuses;
	size_t n_statuses;
};
void view_task(struct jsonw *w, const struct view_task *t);
void view_labels(struct jsonw *w, const Mesos__V1__Labels *l);

#endif
