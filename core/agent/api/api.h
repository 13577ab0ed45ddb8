/* api.h - the agent's HTTP handlers. Routes: routes.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_AGENT_API_API_H
#define MZ_AGENT_API_API_H

#include "agent/internal.h"
#include "mesos/v1/agent.pb-c.h"
#include "wire/api.h"

void agent_api_executor(void *arg, const struct http_request *r, struct http_exchange *x);
void agent_api_operator(void *arg, const struct http_request *r, struct http_exchange *x);
/* The same for those who come through the executors' socket: calls about containers
 * inside a container; 403 for every other one. */
void agent_api_containers_of_executors(void *arg, const struct http_request *r, struct http_exchange *x);
void agent_api_state(void *arg, const struct http_request *r, struct http_exchange *x);
void agent_api_containers(void *arg, const struct http_request *r, struct http_exchange *x);
void agent_api_statistics(void *arg, const struct http_request *r, struct http_exchange *x);
void agent_api_health(void *arg, const struct http_request *r, struct http_exchange *x);
void agent_api_version(void *arg, const struct http_request *r, struct http_exchange *x);
void agent_api_flags(void *arg, const struct http_request *r, struct http_exchange *x);
void agent_api_files_browse(void *arg, const struct http_request *r, struct http_exchange *x);
void agent_api_files_read(void *arg, const struct http_request *r, struct http_exchange *x);
void agent_api_files_download(void *arg, const struct http_request *r, struct http_exchange *x);
void agent_api_files_debug(void *arg, const struct http_request *r, struct http_exchange *x);
void agent_api_metrics(void *arg, const struct http_request *r, struct http_exchange *x);

/* Calls about containers; false: it is none of them, and not answered. */
bool agent_api_nested(struct agent *a, const Mesos__V1__Agent__Call *c, const char *who, struct api_media out,
		      struct http_exchange *x);

/* The member of such a call, and the container that it names, NULL if that is missing;
 * false: it is none of them. */
bool agent_api_container_of(const Mesos__V1__Agent__Call *c, const char **ret_member,
			    const Mesos__V1__ContainerID **ret_id);

/* Every metric, in no order. */
void agent_metrics_each(struct agent *a, void (*add)(void *to, const char *name, double value), void *to);

#endif
