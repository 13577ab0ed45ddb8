/* roots.h - the messages that peers send us, by the first byte of an input.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_FUZZ_ROOTS_H
#define MZ_FUZZ_ROOTS_H

#include "mesos/v1/agent.pb-c.h"
#include "mesos/v1/executor.pb-c.h"
#include "mesos/v1/master.pb-c.h"
#include "mesos/v1/scheduler.pb-c.h"
#include "mezzo/link.pb-c.h"
#include "wire/pb.h"

static inline const pb_desc *root_of(uint8_t selector)
{
	switch (selector) {
	case 's':
		return &mesos__v1__scheduler__call__descriptor;
	case 'S':
		return &mesos__v1__scheduler__event__descriptor;
	case 'e':
		return &mesos__v1__executor__call__descriptor;
	case 'E':
		return &mesos__v1__executor__event__descriptor;
	case 'm':
		return &mesos__v1__master__call__descriptor;
	case 'M':
		return &mesos__v1__master__response__descriptor;
	case 'a':
		return &mesos__v1__agent__call__descriptor;
	case 'A':
		return &mesos__v1__agent__response__descriptor;
	case 'l':
		return &mezzo__link__to_master__descriptor;
	case 'L':
		return &mezzo__link__to_agent__descriptor;
	default:
		return &mesos__v1__task_info__descriptor;
	}
}

#endif
