/* check_info.c - rules of CheckInfo and HealthCheck.
 * Called by task_info.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>

#include "base/err.h"
#include "base/str.h"
#include "model/info_check.h"

enum check_type { CHECK_NONE, CHECK_COMMAND, CHECK_HTTP, CHECK_TCP };

struct check {
	int type;
	const Mesos__V1__CommandInfo *command;
	bool http, tcp;
	uint32_t port;
	const char *path, *scheme;
	double seconds[4]; /* delay, interval, timeout, grace */
};

static int parts_check(const struct check *c, struct mz_err *err)
{
	if (c->type != CHECK_COMMAND && c->type != CHECK_HTTP && c->type != CHECK_TCP)
		return mz_fail(err, -EINVAL, "The type must be COMMAND, HTTP or TCP");
	if ((c->command != NULL) != (c->type == CHECK_COMMAND) || c->http != (c->type == CHECK_HTTP) ||
	    c->tcp != (c->type == CHECK_TCP))
		return mz_fail(err, -EINVAL, "Exactly the part of the given type must be set");
	return 0;
}

static int details_check(const struct check *c, struct mz_err *err)
{
	if (c->command && !c->command->value)
		return mz_fail(err, -EINVAL, "The command has no 'value'");
	if (!c->command && c->port > 65535)
		return mz_fail(err, -EINVAL, "%u is not a port", c->port);
	if (c->path && c->path[0] != '/')
		return mz_fail(err, -EINVAL, "The path '%.80s' does not start with '/'", c->path);
	if (c->scheme && !str_eq(c->scheme, "http") && !str_eq(c->scheme, "https"))
		return mz_fail(err, -EINVAL, "The scheme '%.80s' is neither http nor https", c->scheme);
	return c->command ? command_check(c->command, err) : 0;
}

static int one_check(const struct check *c, struct mz_err *err)
{
	static const char *const names[] = {"delay_seconds", "interval_seconds", "timeout_seconds",
					    "grace_period_seconds"};
	int rc = parts_check(c, err);
	if (!rc)
		rc = details_check(c, err);
	for (size_t i = 0; !rc && i < MZ_N(c->seconds); i++)
		if (!isfinite(c->seconds[i]) || c->seconds[i] < 0)
			rc = mz_fail(err, -EINVAL, "'%s' must be finite and not negative", names[i]);
	return rc;
}

int check_check(const Mesos__V1__CheckInfo *m, struct mz_err *err)
{
	if (m->command && !m->command->command)
		return mz_fail(err, -EINVAL, "The command is missing");
	struct check c = {
		.type = m->has_type ? (int)m->type : CHECK_NONE,
		.command = m->command ? m->command->command : NULL,
		.http = m->http != NULL,
		.tcp = m->tcp != NULL,
		.port = m->http ? m->http->port : m->tcp ? m->tcp->port : 0,
		.path = m->http ? m->http->path : NULL,
		.seconds = {m->delay_seconds, m->interval_seconds, m->timeout_seconds},
	};
	return one_check(&c, err);
}

int health_check_check(const Mesos__V1__HealthCheck *m, struct mz_err *err)
{
	struct check c = {
		.type = m->has_type ? (int)m->type : CHECK_NONE,
		.command = m->command,
		.http = m->http != NULL,
		.tcp = m->tcp != NULL,
		.port = m->http ? m->http->port : m->tcp ? m->tcp->port : 0,
		.path = m->http ? m->http->path : NULL,
		.scheme = m->http ? m->http->scheme : NULL,
		.seconds = {m->delay_seconds, m->interval_seconds, m->timeout_seconds, m->grace_period_seconds},
	};
	if (!m->has_type) /* older clients let it be inferred */
		c.type = m->command ? CHECK_COMMAND : m->http ? CHECK_HTTP : m->tcp ? CHECK_TCP : CHECK_NONE;
	return one_check(&c, err);
}
