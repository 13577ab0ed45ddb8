/* operator_json.c - answers of the operator API in JSON. The lists of a view are
 * written also when they are empty, as clients of these calls are used to.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/api/api.h"

static void write_tasks(struct jsonw *w, const Mesos__V1__Master__Response__GetTasks *g)
{
	jsonw_key(w, "get_tasks");
	jsonw_object(w);
	API_LIST(w, g, tasks);
	API_LIST(w, g, unreachable_tasks);
	API_LIST(w, g, completed_tasks);
	jsonw_end(w);
}

static void write_executors(struct jsonw *w, const Mesos__V1__Master__Response__GetExecutors *g)
{
	jsonw_key(w, "get_executors");
	jsonw_object(w);
	API_LIST(w, g, executors);
	jsonw_end(w);
}

static void write_frameworks(struct jsonw *w, const Mesos__V1__Master__Response__GetFrameworks *g)
{
	jsonw_key(w, "get_frameworks");
	jsonw_object(w);
	API_LIST(w, g, frameworks);
	API_LIST(w, g, completed_frameworks);
	jsonw_end(w);
}

static void write_agents(struct jsonw *w, const Mesos__V1__Master__Response__GetAgents *g)
{
	jsonw_key(w, "get_agents");
	jsonw_object(w);
	API_LIST(w, g, agents);
	API_LIST(w, g, recovered_agents);
	jsonw_end(w);
}

static void write_state(struct jsonw *w, const Mesos__V1__Master__Response__GetState *g)
{
	jsonw_key(w, "get_state");
	jsonw_object(w);
	write_tasks(w, g->get_tasks);
	write_executors(w, g->get_executors);
	write_frameworks(w, g->get_frameworks);
	write_agents(w, g->get_agents);
	jsonw_end(w);
}

void operator_json(const Mesos__V1__Master__Response *r, struct buf *out)
{
	struct jsonw w = {.out = out};
	if (!r->get_tasks && !r->get_executors && !r->get_frameworks && !r->get_agents && !r->get_state) {
		jsonw_message(&w, &r->base);
		return;
	}
	jsonw_object(&w);
	jsonw_kstring(&w, "type", pb_enum_name(&mesos__v1__master__response__type__descriptor, (int)r->type));
	if (r->get_tasks)
		write_tasks(&w, r->get_tasks);
	if (r->get_executors)
		write_executors(&w, r->get_executors);
	if (r->get_frameworks)
		write_frameworks(&w, r->get_frameworks);
	if (r->get_agents)
		write_agents(&w, r->get_agents);
	if (r->get_state)
		write_state(&w, r->get_state);
	jsonw_end(&w);
}
