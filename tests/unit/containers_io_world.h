/* containers_io_world.h - see containers_io_world.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_TESTS_CONTAINERS_IO_WORLD_H
#define MZ_TESTS_CONTAINERS_IO_WORLD_H

#define MZ_MODULE_ABI 1
#include <mezzo/containerizer.h>

#include "containers_world.h"

enum { HEAD = 8 };

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

extern const char *launcher, *stall, *hierarchy; /* of cgroups; or NULL */
extern const char *const *isolators; /* further ones, NULL-ended; or NULL */

void life_begin(struct life *l);
void life_end(struct life *l);
struct run *launch(struct life *l, const char *id, const char *script, struct how how);
/* Which must succeed. */
struct run *start(struct life *l, const char *id, const char *script, struct how how);
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
/* A fresh life in *state; afterwards nothing may be left of it. */
int set_up(void **state);
int set_up_on_posix(void **state);
int set_up_on_linux(void **state);
int tear_down(void **state);
/* In place of what needs it. */
void launcher_linux(void **state);
/* Finds the build, too; false: a test program cannot run at all. */
bool begin(int argc, char **argv, bool *ret_has_linux);

#define TEST(fn_, launcher_) cmocka_unit_test_setup_teardown(fn_, set_up_##launcher_, tear_down)

#endif
