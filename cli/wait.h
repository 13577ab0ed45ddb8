/* wait.h - the end of a container, told by its agent. For `mezzo exec` and `mezzo attach`.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEZZO_CLI_WAIT_H
#define MEZZO_CLI_WAIT_H

#include "cli/locate.h"

/* A call about one container, as text that the caller frees; `id` as JSON. */
char *container_call(const char *type, const char *member, const json_t *id);
/* Until the container has ended, at most so long. 0: *ret_status is its exit status,
 * 128+N after signal N; a limit that it went over is told on stderr. -ENOENT: it has
 * ended, and how is not known. Else it may still run. */
int container_wait(const struct located *l, const json_t *id, int64_t timeout_ns, int *ret_status,
		   struct mz_err *err);

#endif
