/* io_chan.h - struct io over a socket on the loop.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_WIRE_IO_CHAN_H
#define MZ_WIRE_IO_CHAN_H

#include "wire/io.h"

/* An io_open_fn. */
struct io *io_chan_open(struct loop *l, int fd, const struct io_cb *cb, void *arg);

#endif
