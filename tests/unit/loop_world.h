/* loop_world.h - a loop with what its tests note down: loop_test.c, loop_child_test.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LOOP_WORLD_H
#define TESTS_LOOP_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "loop/loop_event.h"

struct fixture {
	struct loop *l;
	struct buf trace;
	struct loop_timer *timer;
	struct loop_fd *fd;
	struct loop_child *child;
	int n, limit, status;
	pid_t pid;
	int64_t when;
};

static inline int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);
	struct mz_err err;
	if (loop_event_new(2, &f->l, &err) < 0)
		return -1;
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;
	loop_event_free(f->l);
	buf_done(&f->trace);
	free(f);
	return 0;
}

static inline void stop(void *arg)
{
	struct fixture *f = arg;
	loop_event_stop(f->l);
}

static inline void unexpected_exit(void *arg, pid_t pid, int status)
{
	(void)arg;
	(void)pid;
	(void)status;
	fail_msg("a closed handle was called");
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

#endif
