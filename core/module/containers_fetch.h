/* containers_fetch.h - what a container's URIs ask for, and the program that does it.
 * Between containers_sandbox.c and containers_fetch.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODULE_CONTAINERS_FETCH_H
#define MZ_MODULE_CONTAINERS_FETCH_H

#include <stdatomic.h>

#include "loop/loop.h"
#include "module/containers_impl.h"

struct fetch_uri {
	char *value, *name; /* name: in the sandbox */
	bool executable, extract;
};

struct fetch {
	struct list link; /* in containers_real.fetches */
	struct containers_real *r;
	VEC(struct fetch_uri) uris;
	bool by_program; /* else all of it is copying local files */
	atomic_bool cancelled; /* also read by the worker that copies */
	int fd_stderr; /* of the sandbox; -1: not open */
	int fd_out;    /* where the program says why it failed */
	struct loop_child *child; /* while it runs */
	char *directory;
	void (*fn)(void *arg, const struct mz_err *err);
	void *arg;
};

/* The path that a URI names on this machine, or NULL. */
const char *fetch_local_path(const char *uri);

/* NULL: there is nothing to fetch. */
struct fetch *fetch_new(struct containers_real *r, const char *directory, const Mesos__V1__CommandInfo *cmd);
void fetch_free(struct fetch *f); /* not while it runs */
/* Starts mezzo-fetcher, with the rights of `user` (NULL: ours); fn once, later. */
int fetch_start(struct fetch *f, const char *user,
		void (*fn)(void *arg, const struct mz_err *err), void *arg, struct mz_err *err);

#endif
