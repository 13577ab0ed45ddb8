/* locate.h - a task by its name: what the master knows of it, and where it runs.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEZZO_CLI_LOCATE_H
#define MEZZO_CLI_LOCATE_H

#include "cli/cli.h"
#include "sdk/address.h"

struct located {
	json_t *tasks;	    /* the answer that `task` is a part of */
	const json_t *task;
	struct address at; /* its agent */
	char ip[ADDRESS_IP_MAX];
};

/* The task of the first argument, of --framework if that is given. */
int locate(const struct cli *c, struct located *ret, struct mz_err *err);
void located_done(struct located *l);
/* The id of the container that the task runs in, as JSON; the caller frees. Errors
 * say why there is none: it has not started, or it has ended. */
int locate_container(const struct located *l, char **ret, struct mz_err *err);
/* Was it started with a terminal? */
bool located_has_tty(const struct located *l);

#endif
