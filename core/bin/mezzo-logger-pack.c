/* mezzo-logger-pack.c - mezzo-logger: compresses a file that is not written any more,
 * in a process of its own, so that the container's output is read meanwhile.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h> /* renameat */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "bin/mezzo-logger.h"

enum { PIECE = 32768, GZIP_WINDOW = 15 + 16 };

static int write_all(int fd, const unsigned char *data, size_t n)
{
	while (n) {
		ssize_t k = write(fd, data, n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return -1;
		data += k;
		n -= (size_t)k;
	}
	return 0;
}

static int pack(int from, int to)
{
	static unsigned char in[PIECE], out[PIECE];
	z_stream z = {0};
	struct pace pace = {.one_in = 4};
	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -1;
	for (int flush = Z_NO_FLUSH; flush != Z_FINISH;) {
		ssize_t n = read(from, in, sizeof(in));
		if (n < 0)
			return -1;
		flush = n ? Z_NO_FLUSH : Z_FINISH;
		z.next_in = in;
		z.avail_in = (unsigned)n;
		do {
			z.next_out = out;
			z.avail_out = sizeof(out);
			if (deflate(&z, flush) == Z_STREAM_ERROR || write_all(to, out, sizeof(out) - z.avail_out) < 0)
				return -1;
		} while (!z.avail_out);
		pace_keep(&pace);
	}
	return deflateEnd(&z) == Z_OK ? 0 : -1;
}

void pack_and_exit(const char *name)
{
	char packed[64], partial[64];
	struct stat st;
	/* If the parent is killed, the container must notice. */
	close(0);
	close(1);
	(void)!nice(10);
	strcpy(packed, name);
	strcat(packed, ".gz");
	strcpy(partial, packed);
	strcat(partial, ".tmp");
	(void)unlinkat(logger_dir, partial, 0);
	int from = openat(logger_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int to = openat(logger_dir, partial, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	/* The old one goes only after the new one is whole and has its name. */
	if (from < 0 || to < 0 || fstat(from, &st) < 0 || !S_ISREG(st.st_mode) || pack(from, to) < 0 ||
	    renameat(logger_dir, partial, logger_dir, packed) < 0) {
		(void)unlinkat(logger_dir, partial, 0);
		_exit(1);
	}
	(void)unlinkat(logger_dir, name, 0);
	_exit(0);
}
