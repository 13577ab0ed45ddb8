/* run_output.h - see run_output.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEZZO_CLI_RUN_OUTPUT_H
#define MEZZO_CLI_RUN_OUTPUT_H

#include "cli/tail.h"

struct output {
	const char *task_id;
	int index; /* of the prefix; negative: none */
	bool json;
	struct buf partial[TAIL_STREAMS];
};
void output_write(struct output *o, int stream, const void *data, size_t size);
void output_end(struct output *o); /* lines without an end, too */

#endif
