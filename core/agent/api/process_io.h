/* process_io.h - the records of ATTACH_CONTAINER_INPUT, ATTACH_CONTAINER_OUTPUT and
 * LAUNCH_NESTED_CONTAINER_SESSION: made, and checked. Pure.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_AGENT_API_PROCESS_IO_H
#define MZ_AGENT_API_PROCESS_IO_H

#include "mesos/v1/agent.pb-c.h"
#include "wire/codec.h"

/* One record with output, appended; stream: MZ_IO_STDOUT or MZ_IO_STDERR. */
void process_io_add_output(struct buf *out, enum codec c, int stream, const void *data, size_t size);
void process_io_add_heartbeat(struct buf *out, enum codec c, int64_t interval_ns);
/* The first record of a request, and each that follows. */
int process_io_check_first(const Mesos__V1__Agent__Call *c, struct mz_err *err);
int process_io_check_next(const Mesos__V1__Agent__Call *c, struct mz_err *err);

#endif
