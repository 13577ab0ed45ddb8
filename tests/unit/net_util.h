/* net_util.h - a raw TCP client on the loop under test, for tests that must
 * say odd things to a server that runs in the same thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_NET_UTIL_H
#define TESTS_NET_UTIL_H

#include "base/buf.h"
#include "loop/loop_event.h"

struct raw {
	struct loop *loop;
	int fd;
	struct loop_fd *watch;
	struct buf in, out;
	bool eof;
};

/* Turns the loop until it is true; a test that hangs is ended by alarm(2). */
#define run_until(l, cond)                               \
	do {                                             \
		while (!(cond))                          \
			loop_event_turn((l), NS_PER_SEC); \
	} while (0)

struct raw *raw_open(struct loop *l, int port);
/* Queued, and written as the loop turns. */
void raw_send(struct raw *r, const char *text);
void raw_send_bytes(struct raw *r, const void *data, size_t size);
void raw_pause(struct raw *r); /* stops reading */
void raw_resume(struct raw *r);
void raw_close(struct raw *r);
size_t raw_count(const struct raw *r, const char *needle);
bool raw_has(const struct raw *r, const char *needle);

#endif
