/* console.h - standard input and output of this program, connected to a container's
 * through its agent. For `mezzo exec` and `mezzo attach`.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEZZO_CLI_CONSOLE_H
#define MEZZO_CLI_CONSOLE_H

#include <mezzo/types.h>
#include <stdbool.h>

enum console_input {
	CONSOLE_NO_INPUT,  /* the container's is left alone */
	CONSOLE_NOTHING,   /* it ends at once */
	CONSOLE_STDIN,
};

struct console_options {
	const char *ip; /* of the agent */
	int port;
	const char *output_call; /* JSON: the call whose answer is the output */
	const char *container;	 /* JSON: the id to send input to */
	enum console_input input;
	bool tty;    /* the container has a terminal; with CONSOLE_STDIN ours becomes raw if it is one */
	bool detach; /* Ctrl-P Ctrl-Q ends it */
};

enum console_end {
	CONSOLE_ENDED,	  /* so has the container */
	CONSOLE_DETACHED,
	CONSOLE_REFUSED,  /* status and text say why */
	CONSOLE_LOST,	  /* text says why */
	CONSOLE_CLOSED,	  /* nobody reads our output any more */
};

struct console_result {
	enum console_end end;
	int status;
	char *text; /* the caller frees */
};

/* Until it is over; the terminal is as it was before then. */
int console_run(const struct console_options *o, struct console_result *ret, struct mz_err *err);

#endif
