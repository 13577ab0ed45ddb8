/* containers_io_world.h - see containers_io_world.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_TESTS_CONTAINERS_IO_WORLD_H
#define MZ_TESTS_CONTAINERS_IO_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#define MZ_MODULE_ABI 1
#include <mezzo/containerizer.h>

#include "loop/loop_event.h"
#include "module/containers_real.h"

enum { MAX_RUNS = 16, HEAD = 8 };

/* One life of an agent. */
struct life {
	struct loop *loop;
	struct module_registry *registry;
	struct containers *c;
};

struct run {
	char id[64];
	bool launched, exited;
	int code, wait_status, reason;
	int32_t pid;
	char message[256];
};

/* What a container is launched with. */
struct how {
	bool tty, ordinary, debug;
	int rows, columns;
	const char *user, *steps; /* steps: of tests/unit/steps_isolator.c */
};

struct client {
	int fd;
	char *in, *out, *err; /* out, err: all that has come */
	size_t n_in, n_out, n_err;
	int n_ends;
	bool closed;
};

extern char root[64], build[512], group[32];
extern const char *launcher, *stall, *hierarchy; /* of cgroups; or NULL */
extern const char *const *isolators; /* further ones, NULL-ended; or NULL */

/* A path below root; four of them live. */
char *at(const char *fmt, const char *a);
void life_begin(struct life *l);
void life_end(struct life *l);
/* Turns the loop. */
void until(struct life *l, const bool *what);
struct run *run_new(const char *id);
struct run *launch(struct life *l, const char *id, const char *script, struct how how);
/* Which must succeed. */
struct run *start(struct life *l, const char *id, const char *script, struct how how);
const char *read_text(const char *path);
/* Entries of a directory. */
int n_in(const char *path);
int try_attach(struct life *l, const char *id, int *ret_fd);
void put(int fd, const void *data, size_t size);
void put_frame(int fd, int type, const void *data, size_t size);
struct client attach(struct life *l, const char *id, char kind);
/* What there is, waiting a moment for it. */
void receive(struct client *c);
void until_closed(struct life *l, struct client *c);
void until_output(struct life *l, struct client *c, const char *text);
void client_done(struct client *c);
void say(struct client *c, const char *text);
void on_launched(void *arg, const struct mz_err *err, int32_t pid);
/* A fresh life in *state; afterwards nothing may be left of it. */
int set_up(void **state);
int tear_down(void **state);

#endif
