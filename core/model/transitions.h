/* transitions.h - enums and tables from transitions.def: for each machine m
 * `enum m_state` {M_STATE …, M_N_STATES}, `enum m_event` {M_ON_EVENT …,
 * M_N_EVENTS} and `m_fsm`. Included by model.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODEL_TRANSITIONS_H
#define MZ_MODEL_TRANSITIONS_H

#include "model/transitions.def"

#define FSM_STATE_ENUM(M, s) M##_##s,
#define FSM_EVENT_ENUM(M, e) M##_ON_##e,
#define FSM_DECLARE(m, M, text)                                              \
	enum m##_state { m##_STATES(FSM_STATE_ENUM, M) M##_N_STATES };       \
	enum m##_event { m##_EVENTS(FSM_EVENT_ENUM, M) M##_N_EVENTS };       \
	extern const struct fsm m##_fsm;
FSM_MACHINES(FSM_DECLARE)

/* All of them; NULL behind the last. */
extern const struct fsm *const fsm_all[];

#endif
