/* fsm.c - the driver of the state machines, and what the tables say about
 * task states. The machines themselves are in transitions.def.
 * Called by master and agent for each change of state of anything.
 * SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>

#include "base/err.h"
#include "base/log.h"
#include "model/model.h"

/* Every cell is -1 first and then some are set: that is the point. */
#pragma GCC diagnostic ignored "-Woverride-init"

#define FSM_NAME(M, s) #s,
#define FSM_ROW(M, s, e, to) [M##_##s * M##_N_EVENTS + M##_ON_##e] = M##_##to,
#define FSM_DEFINE(m, M, text)                                                                       \
	static const char *const m##_state_names[] = {m##_STATES(FSM_NAME, M)};                      \
	static const char *const m##_event_names[] = {m##_EVENTS(FSM_NAME, M)};                      \
	static const int8_t m##_next[] = {[0 ... M##_N_STATES * M##_N_EVENTS - 1] = -1,              \
					  m##_ROWS(FSM_ROW, M)};                                     \
	const struct fsm m##_fsm = {text,	       m##_state_names, M##_N_STATES, m##_event_names, \
				    M##_N_EVENTS, m##_next};
FSM_MACHINES(FSM_DEFINE)

#define FSM_POINTER(m, M, text) &m##_fsm,
const struct fsm *const fsm_all[] = {FSM_MACHINES(FSM_POINTER) NULL};

/* A status is its own event only as long as the numbers are the same. */
#define SAME_AS_TASK_STATE(M, s)                                                       \
	_Static_assert((int)M##_##s == (int)MESOS__V1__TASK_STATE__TASK_##s, #s);      \
	_Static_assert((int)M##_ON_##s == (int)MESOS__V1__TASK_STATE__TASK_##s, #s);
FSM_TASK_STATES(SAME_AS_TASK_STATE, MASTER_TASK)
#define SAME_AS_OPERATION_STATE(M, s)                                                           \
	_Static_assert((int)M##_##s == (int)MESOS__V1__OPERATION_STATE__OPERATION_##s, #s);     \
	_Static_assert((int)M##_ON_##s == (int)MESOS__V1__OPERATION_STATE__OPERATION_##s, #s);
FSM_OPERATION_STATES(SAME_AS_OPERATION_STATE, MASTER_OPERATION)

int fsm_step(const struct fsm *m, const char *id, int state, int event, struct mz_err *err)
{
	must(state >= 0 && (size_t)state < m->n_states);
	must(event >= 0 && (size_t)event < m->n_events);
	int next = m->next[(size_t)state * m->n_events + (size_t)event];
	if (next < 0)
		return mz_fail(err, -EPROTO, "%c%s '%s' in %s got %s", toupper((unsigned char)m->name[0]),
			       m->name + 1, id, m->states[state], m->events[event]);
	log_debug("fsm", "%s '%s' in %s got %s: %s", m->name, id, m->states[state], m->events[event],
		  m->states[next]);
	return next;
}

bool task_state_is_terminal(Mesos__V1__TaskState s)
{
	/* What may be acknowledged away has ended. */
	return (unsigned)s < MASTER_TASK_REMOVED &&
	       master_task_next[(int)s * MASTER_TASK_N_EVENTS + MASTER_TASK_ON_ACKNOWLEDGED] >= 0;
}

const char *task_state_name(Mesos__V1__TaskState s)
{
	const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(&mesos__v1__task_state__descriptor, (int)s);
	return v ? v->name : "TASK_UNKNOWN";
}
