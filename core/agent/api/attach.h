/* attach.h - between operator.c, nested.c, attach.c and session.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_AGENT_API_ATTACH_H
#define MZ_AGENT_API_ATTACH_H

#include "agent/nested.h"
#include "wire/api.h"

/* Embedded first in what has an open request or stream of these calls; in agent.attached. */
struct attached {
	struct list node;
	/* The agent stops: answers, and frees itself. */
	void (*stop)(struct attached *at);
};

/* ---- attach.c ------------------------------------------------------------------- */

/* A streamed POST /api/v1: ATTACH_CONTAINER_INPUT is the only one there is. */
void agent_api_attach_input(struct agent *a, const struct http_request *r, struct http_exchange *x);
/* Answers with what the container writes. A session ends with who listens: its
 * container is destroyed. */
void agent_api_output(struct agent *a, const char *container_id, bool session, struct api_media media,
		      struct http_exchange *x);

/* ---- session.c ------------------------------------------------------------------- */

void agent_api_session(struct agent *a, const Mesos__V1__Agent__Call__LaunchNestedContainerSession *s,
		       struct api_media media, struct http_exchange *x);

/* ---- nested.c -------------------------------------------------------------------- */

int agent_api_check_id(const Mesos__V1__ContainerID *id, struct mz_err *err);
/* May they call this about the container of that id? fn once, perhaps from inside:
 * err NULL: yes, -EACCES: no. The call has to live until then. */
void agent_api_ask(struct agent *a, const Mesos__V1__Agent__Call *c, const Mesos__V1__ContainerID *id, const char *who,
		   authorize_fn fn, void *arg);
/* Answers with why they may not. */
void agent_api_refuse(struct http_exchange *x, const struct mz_err *err);

#endif
