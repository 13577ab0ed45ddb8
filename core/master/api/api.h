/* api.h - shared by the files that serve the master's HTTP API.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MASTER_API_H
#define MZ_MASTER_API_H

#include "master/internal.h"
#include "mesos/v1/master.pb-c.h"
#include "model/views.h"
#include "wire/api.h"

/* One request for a read endpoint. */
struct api_request {
	struct master *m;
	const struct http_request *r;
	struct http_exchange *x;
};

/* Answers with the JSON and frees it. */
void api_answer(const struct api_request *q, struct buf *json);
/* Not leading: 307 to the leader or 503, and true. */
bool api_not_leading(struct master *m, const struct http_request *r, struct http_exchange *x);

void api_scheduler(void *arg, const struct http_request *r, struct http_exchange *x);
void api_operator(void *arg, const struct http_request *r, struct http_exchange *x);

/* Read endpoints, one file each. */
void api_state(const struct api_request *q);
void api_summary(const struct api_request *q);
void api_slaves(const struct api_request *q);
void api_frameworks(const struct api_request *q);
void api_tasks(const struct api_request *q);
void api_roles(const struct api_request *q);
void api_health(const struct api_request *q);
void api_version(const struct api_request *q);
void api_flags(const struct api_request *q);
void api_metrics(const struct api_request *q);
void api_constraints_debug(const struct api_request *q);

/* operator_json.c */
void operator_json(const Mesos__V1__Master__Response *r, struct buf *out);

/* views.c: objects in the form of the read endpoints. */
void show_task(struct jsonw *w, const struct task *t);
void show_framework_head(struct jsonw *w, const struct framework *f);
void show_framework(struct jsonw *w, const struct framework *f, const char *principal);
void show_agent_head(struct jsonw *w, const struct agent *a);
void show_refused(struct jsonw *w, const struct framework *f); /* ../refused.c */
void show_flags(struct jsonw *w, struct master *m);
bool may_see_task(const struct framework *f, const struct task *t, const char *principal);
bool may_see_executor(const struct framework *f, const struct executor *e, const char *principal);

/* roles.c: what is in use of each role. */
struct role_sum {
	const char *name;
	resources *allocated, *offered, *reserved;
	VEC(const struct framework *) frameworks;
};
struct role_list {
	VEC(struct role_sum) v; /* sorted by name */
};
void roles_collect(struct master *m, const char *principal, struct role_list *ret);
void role_list_done(struct role_list *l);

#endif
