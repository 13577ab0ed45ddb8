/* mezzo-logger.h - between the files of mezzo-logger, the process that writes down one
 * container's output for logger/rotate, its only user. One of it stays beside every
 * such container, so it is small: no stdio, no heap but zlib's, and that in a child.
 *
 * fd 0	read end of the container's stdout
 * fd 1	read end of its stderr
 * fd 2	where it says once "ok", or "failed ERRNO TEXT" and ends
 *
 * ARGUMENTS, all of the form key=value
 *	base=DIR	an existing directory that no container can change
 *	dir=PATH	the sandbox, relative to it; no part may be a symbolic link
 *	owner=1		give up root: be the user that the sandbox belongs to
 *	out=SIZE:FILES	the largest `stdout`, and how many older ones stay
 *	err=SIZE:FILES	the same for `stderr`
 *	gzip=1		older ones are compressed
 *	time=1		each line begins with the time at which it was read
 *
 * FILES of a stream: `stdout`, and the older `stdout.1`, `stdout.2` … or
 * `stdout.1.gz` … A file ends at the end of a line where there is one.
 *
 * It ends when both pipes are at their end; no signal but SIGKILL ends it earlier.
 * While a write fails (the disk is full), output is dropped and counted, and the count
 * is written down as soon as that works: a full disk does not hold up the container.
 *
 * Over time it takes no more than a tenth of one processor, and what compresses a quarter: a
 * container that writes more than can be done with that is held up.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_BIN_LOGGER_H
#define MZ_BIN_LOGGER_H

#include <stdint.h>
#include <sys/types.h>

enum { LOGGER_BUFFER = 65536, LOGGER_MIN = 64 /* SIZE: a time and something behind it */,
       LOGGER_STAMP = 28 /* "2026-11-21T14:28:09.123456Z " */,
       LOGGER_GRACE = 4096 /* by which a file may exceed SIZE to end at the end of a line */ };

struct stream {
	int in;		  /* the pipe; -1: at its end */
	int file;	  /* what is being written, or -1 */
	const char *name; /* "stdout" */
	int64_t max, size; /* of the file, with what waits in `out` */
	int n_files;
	int gzip, time;
	int mid_line;	  /* the last byte was no line's end */
	int64_t dropped;  /* bytes since a write has failed */
	int code;	  /* why */
	pid_t packer;	  /* compresses `name`.1, or 0 */
	char stamp[LOGGER_STAMP]; /* of what is being added */
	size_t n_out;
	char out[LOGGER_BUFFER];
};

extern int logger_dir; /* the sandbox */

/* ---- mezzo-logger-pace.c ---- */
struct pace {
	int one_in;	 /* of how many processors it may keep one busy: 10 is a tenth of one */
	int64_t used_ns; /* processor time of this process so far */
	int64_t due_ns;	 /* when that would have been used up, on the monotonic clock */
};
/* To be called between pieces of work of a millisecond or so: rests if there was too much. */
void pace_keep(struct pace *p);

/* ---- mezzo-logger-stream.c ---- */
/* 0 or a negative errno. */
int stream_open(struct stream *s);
void stream_add(struct stream *s, const char *data, size_t n);
/* Everything that was added is in the file. */
void stream_flush(struct stream *s);
void stream_close(struct stream *s);

/* ---- mezzo-logger-pack.c ---- */
/* In a child of its own: `name` becomes `name`.gz. Does not return. */
void pack_and_exit(const char *name) __attribute__((noreturn));

#endif
