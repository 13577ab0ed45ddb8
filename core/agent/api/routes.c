/* routes.c - where the agent's handlers hang: each under "/", under the process
 * name that clients derive from "slave(1)@ip:port", and with ".json" where old
 * tools ask for it. The socket of executors has its own few.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "agent/api/api.h"

static const struct {
	const char *path;
	http_handler_fn fn;
	bool json; /* also as PATH.json */
} routes[] = {
	{"/api/v1", agent_api_operator, false},
	{"/api/v1/executor", agent_api_executor, false},
	{"/state", agent_api_state, true},
	{"/containers", agent_api_containers, false},
	{"/monitor/statistics", agent_api_statistics, true},
	{"/health", agent_api_health, false},
	{"/version", agent_api_version, false},
	{"/flags", agent_api_flags, false},
	{"/metrics/snapshot", agent_api_metrics, false},
	{"/files/browse", agent_api_files_browse, true},
	{"/files/read", agent_api_files_read, true},
	{"/files/download", agent_api_files_download, true},
	{"/files/debug", agent_api_files_debug, true},
};

/* What the executors' socket serves, and nothing below. */
static const struct {
	const char *path;
	http_handler_fn fn;
} executor_routes[] = {
	{"/api/v1", agent_api_containers_of_executors},
	{"/api/v1/executor", agent_api_executor},
};

static const char *const prefixes[] = {"", "/slave(1)"};

static void each(void (*fn)(struct agent *a, const char *path, http_handler_fn handler), struct agent *a)
{
	char path[128];
	for (size_t i = 0; i < MZ_N(routes); i++)
		for (size_t p = 0; p < MZ_N(prefixes); p++) {
			snprintf(path, sizeof(path), "%s%s", prefixes[p], routes[i].path);
			fn(a, path, routes[i].fn);
			if (!routes[i].json)
				continue;
			snprintf(path, sizeof(path), "%s%s.json", prefixes[p], routes[i].path);
			fn(a, path, routes[i].fn);
		}
}

static void add(struct agent *a, const char *path, http_handler_fn fn)
{
	http_route(a->deps.router, path, fn, a);
}

static void del(struct agent *a, const char *path, http_handler_fn fn)
{
	(void)fn;
	http_unroute(a->deps.router, path);
}

static void each_of_executors(struct agent *a, bool on)
{
	char path[128];
	for (size_t i = 0; a->deps.executor_router && i < MZ_N(executor_routes); i++)
		for (size_t p = 0; p < MZ_N(prefixes); p++) {
			snprintf(path, sizeof(path), "%s%s", prefixes[p], executor_routes[i].path);
			if (on)
				http_route_exact(a->deps.executor_router, path, executor_routes[i].fn, a);
			else
				http_unroute(a->deps.executor_router, path);
		}
}

void agent_api_routes(struct agent *a)
{
	each(add, a);
	each_of_executors(a, true);
}

void agent_api_unroute(struct agent *a)
{
	each(del, a);
	each_of_executors(a, false);
}
