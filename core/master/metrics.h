/* metrics.h - the master's counters. Names are made when they are read.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MASTER_METRICS_H
#define MZ_MASTER_METRICS_H

#include <stdint.h>

#include "base/map.h"
#include "base/vec.h"

/* X(C name, name behind "master/") */
#define MASTER_COUNTERS(X)                                                                 \
	X(dropped_messages, "dropped_messages")                                            \
	X(invalid_executor_to_framework, "invalid_executor_to_framework_messages")         \
	X(invalid_framework_to_executor, "invalid_framework_to_executor_messages")         \
	X(invalid_operation_acks, "invalid_operation_status_update_acknowledgements")      \
	X(invalid_operation_updates, "invalid_operation_status_updates")                   \
	X(invalid_acks, "invalid_status_update_acknowledgements")                          \
	X(invalid_updates, "invalid_status_updates")                                       \
	X(messages_authenticate, "messages_authenticate")                                  \
	X(messages_deactivate_framework, "messages_deactivate_framework")                  \
	X(messages_decline_offers, "messages_decline_offers")                              \
	X(messages_executor_to_framework, "messages_executor_to_framework")                \
	X(messages_exited_executor, "messages_exited_executor")                            \
	X(messages_framework_to_executor, "messages_framework_to_executor")                \
	X(messages_kill_task, "messages_kill_task")                                        \
	X(messages_launch_tasks, "messages_launch_tasks")                                  \
	X(messages_operation_update, "messages_operation_status_update")                   \
	X(messages_operation_ack, "messages_operation_status_update_acknowledgement")      \
	X(messages_reconcile_operations, "messages_reconcile_operations")                  \
	X(messages_reconcile_tasks, "messages_reconcile_tasks")                            \
	X(messages_register_framework, "messages_register_framework")                      \
	X(messages_register_agent, "messages_register_slave")                              \
	X(messages_reregister_framework, "messages_reregister_framework")                  \
	X(messages_reregister_agent, "messages_reregister_slave")                          \
	X(messages_resource_request, "messages_resource_request")                          \
	X(messages_revive_offers, "messages_revive_offers")                                \
	X(messages_status_update, "messages_status_update")                                \
	X(messages_ack, "messages_status_update_acknowledgement")                          \
	X(messages_suppress_offers, "messages_suppress_offers")                            \
	X(messages_unregister_framework, "messages_unregister_framework")                  \
	X(messages_unregister_agent, "messages_unregister_slave")                          \
	X(messages_update_agent, "messages_update_slave")                                  \
	X(refused_calls, "refused_calls")                                                  \
	X(throttled_calls, "throttled_calls")                                              \
	X(constraint_limits, "offer_constraints_limit_exceeded")                           \
	X(recovery_agent_removals, "recovery_slave_removals")                              \
	X(agent_registrations, "slave_registrations")                                      \
	X(agent_removals, "slave_removals")                                                \
	X(agent_removals_registered, "slave_removals/reason_registered")                   \
	X(agent_removals_unhealthy, "slave_removals/reason_unhealthy")                     \
	X(agent_removals_unregistered, "slave_removals/reason_unregistered")               \
	X(agent_reregistrations, "slave_reregistrations")                                  \
	X(agent_shutdowns_canceled, "slave_shutdowns_canceled")                            \
	X(agent_shutdowns_completed, "slave_shutdowns_completed")                          \
	X(agent_shutdowns_scheduled, "slave_shutdowns_scheduled")                          \
	X(agent_unreachable_canceled, "slave_unreachable_canceled")                        \
	X(agent_unreachable_completed, "slave_unreachable_completed")                      \
	X(agent_unreachable_scheduled, "slave_unreachable_scheduled")                      \
	X(valid_executor_to_framework, "valid_executor_to_framework_messages")             \
	X(valid_framework_to_executor, "valid_framework_to_executor_messages")             \
	X(valid_operation_acks, "valid_operation_status_update_acknowledgements")          \
	X(valid_operation_updates, "valid_operation_status_updates")                       \
	X(valid_acks, "valid_status_update_acknowledgements")                              \
	X(valid_updates, "valid_status_updates")

enum { N_CALL_TYPES = 18, N_EVENT_TYPES = 12, N_OPERATION_TYPES = 15 };

struct master_metrics {
#define X(c, n) uint64_t c;
	MASTER_COUNTERS(X)
#undef X
	uint64_t tasks[14]; /* ended in that state */
	struct map reasons; /* "task_<state>/source_…/reason_…" -> count as a pointer */
	uint64_t operations_error[N_OPERATION_TYPES];
};

struct framework_metrics {
	uint64_t calls[N_CALL_TYPES], events[N_EVENT_TYPES], operations[N_OPERATION_TYPES];
	uint64_t offers_sent, offers_accepted, offers_declined, offers_rescinded;
	uint64_t tasks_terminal[14];
};

struct master;
struct metric {
	char *name;
	double value;
};
struct metric_list {
	VEC(struct metric) v;
};
/* Everything, sorted by name. */
void metrics_collect(struct master *m, struct metric_list *ret);
void metric_list_done(struct metric_list *l);
void metrics_done(struct master_metrics *m);

#endif
