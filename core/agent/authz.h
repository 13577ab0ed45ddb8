/* authz.h - what the agent asks its authorizer; authz.c. Included by internal.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_AGENT_AUTHZ_H
#define MZ_AGENT_AUTHZ_H

#include <stdbool.h>

#include "module/authorize.h"
#include "wire/http.h"

struct agent;
struct framework;
struct executor;
struct task;

/* May `who` (NULL: anonymous) see it? */
struct mz_object authz_executor_object(const struct executor *ex);
bool authz_see_framework(const struct framework *f, const char *who);
bool authz_see_executor(const struct executor *ex, const char *who);
bool authz_see_task(const struct task *t, const char *who);
bool authz_see_container(const struct agent *a, const struct executor *ex, const char *id, const char *who);
bool authz_see_flags(const struct agent *a, const char *who);
bool authz_sandbox(struct agent *a, const char *path, const char *who);
/* An endpoint as a whole; false: answered with 403. */
bool authz_get(const struct agent *a, const char *path, const struct http_request *r, struct http_exchange *x);

#endif
