/* init_io.h - mezzo-init's I/O server: a process beside an attachable container that
 * holds the other ends of its stdin, stdout and stderr. It writes the output down
 * and serves those who attach, by the frames of <mezzo/containerizer.h>.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_BIN_INIT_IO_H
#define MZ_BIN_INIT_IO_H

#include <stdint.h>

enum {
	INIT_IO_MAX_CLIENTS = 16,
	INIT_IO_FIRST_MS = 60000, /* for the first client, if output waits for it */
	INIT_IO_END_MS = 5000,	  /* at most, for everybody, once the container has ended */
};

struct init_io {
	int listener; /* listening stream socket */
	int life;     /* ends with the container; a byte ahead of that: it was never started */
	int in;	      /* to the container's stdin; with a tty: its master, for all three */
	int out, err; /* from the container; -1 with a tty */
	int log_out, log_err; /* where output is written down, or -1 */
	int is_tty;
	int wait; /* nothing is read before somebody has attached for output */
	int64_t stall_ms; /* a client that takes nothing for so long is cut */
};

/* Serves until the container has ended and all who are attached have got all of
 * its output. Takes the descriptors. */
void init_io_serve(const struct init_io *io);

#endif
