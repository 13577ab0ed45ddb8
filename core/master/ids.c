/* ids.c - small messages in arenas: ids and times. Values are not copied.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/internal.h"

#define ID(fn, Type, lower)                                                  \
	Mesos__V1__##Type *fn(struct arena *a, const char *v)                \
	{                                                                    \
		Mesos__V1__##Type *id = PB_NEW(a, Mesos__V1__##Type, mesos__v1__##lower); \
		id->value = (char *)v;                                       \
		return id;                                                   \
	}

ID(id_framework, FrameworkID, framework_id)
ID(id_agent, AgentID, agent_id)
ID(id_offer, OfferID, offer_id)
ID(id_task, TaskID, task_id)
ID(id_executor, ExecutorID, executor_id)

Mesos__V1__TimeInfo *time_info(struct arena *a, double secs)
{
	Mesos__V1__TimeInfo *t = PB_NEW(a, Mesos__V1__TimeInfo, mesos__v1__time_info);
	t->nanoseconds = (int64_t)(secs * 1e6) * 1000;
	return t;
}
