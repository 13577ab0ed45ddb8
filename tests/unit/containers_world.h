/* containers_world.h - for tests of real containers: one life of an agent's containers
 * with the real loop and modules, and what became of each container. Which modules, and
 * how containers are launched, is the tests' affair. Runs from the build tree.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_TESTS_CONTAINERS_WORLD_H
#define MZ_TESTS_CONTAINERS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>

#include "loop/loop_event.h"
#include "module/containers_real.h"

enum { MAX_RUNS = 600 };

/* One life of an agent. */
struct life {
	struct loop *loop;
	struct module_registry *registry;
	struct containers *c;
	const char *hierarchy; /* of cgroups, or NULL */
	int64_t isolator_deadline_ns; /* 0: the usual one */
};

struct run {
	char id[64];
	bool launched, exited;
	int code, wait_status, reason;
	int32_t pid;
	char message[256];
};

extern char root[64];	/* a directory of this test alone */
extern char build[512]; /* the build tree */
extern char group[32];	/* the cgroup of its containers */

/* From argv[0], which is below tests/unit; false: not there. */
bool find_build(const char *argv0);
/* A fresh `root` that others than root may pass, and no runs. -1: errno. */
int make_root(const char *name);
/* A path below root; four of them live. */
char *at(const char *fmt, const char *a);
/* Content, at most 4 KB of it, or "(none)"; four of them live. */
const char *read_text(const char *path);

/* Without any module yet. l->hierarchy and the deadline are kept from life to life. */
void life_open(struct life *l);
void life_add(struct life *l, uint32_t kind, const char *name, const char *yaml);
void life_close(struct life *l);
/* What was given to the worker before is done. */
void until_idle(struct life *l);
/* Turns the loop. */
void until(struct life *l, const bool *what);
/* Turns the loop until there is a line in the file. */
void until_text(struct life *l, const char *path);
/* Of a launch that may fail. */
void until_end(struct life *l, struct run *r);

struct run *run_new(const char *id);
struct run *run_of(const char *id); /* NULL: none */
struct run *run_at(size_t i);	    /* NULL: behind the last */
/* Launches what cfg says, with an id and arguments at least; the rest has defaults: the sandbox
 * runs/ID, a PATH, some resources, the parent that the id names. */
struct run *run_launch(struct life *l, struct container_config cfg);
/* A life that begins: the agent names these, with the sandboxes runs/ID. */
void run_recover(struct life *l, const char *const *ids, size_t n);
/* Of what must succeed: with a bool. */
void on_done(void *arg, const struct mz_err *err);
/* For containers_ops.launch, with a run. */
void on_launched(void *arg, const struct mz_err *err, int32_t pid);

#endif
