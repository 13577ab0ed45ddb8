/* mezzo-logger-stream.c - mezzo-logger: one stream, its file and the older ones. The
 * sandbox is the container's, so every name in it may be anything at any time: nothing
 * is followed, nothing is opened that is not a file, and what fails leaves the
 * stream with the file that it has.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h> /* renameat */
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bin/mezzo-logger.h"

enum { NAME = 64 };

/* ---- numbers and names ------------------------------------------------------------------ */

static char *put_text(char *at, const char *s)
{
	size_t n = strlen(s);
	memcpy(at, s, n + 1);
	return at + n;
}

static char *put_number(char *at, int64_t n, int width)
{
	char digits[24], *d = digits + sizeof(digits);
	*--d = '\0';
	do {
		*--d = (char)('0' + n % 10);
		n /= 10;
		width--;
	} while (n || width > 0);
	return put_text(at, d);
}

/* "stdout.3", "stdout.3.gz"; number 0: the one that is written. */
static void name_of(const struct stream *s, int number, int packed, char out[NAME])
{
	char *at = put_text(out, s->name);
	if (number) {
		at = put_text(at, ".");
		at = put_number(at, number, 1);
	}
	if (packed)
		put_text(at, ".gz");
}

static void put_stamp(char out[LOGGER_STAMP])
{
	struct timespec t;
	struct tm tm;
	char text[64], *at = text;
	clock_gettime(CLOCK_REALTIME, &t);
	gmtime_r(&t.tv_sec, &tm);
	at = put_number(at, tm.tm_year + 1900, 4);
	at = put_text(at, "-");
	at = put_number(at, tm.tm_mon + 1, 2);
	at = put_text(at, "-");
	at = put_number(at, tm.tm_mday, 2);
	at = put_text(at, "T");
	at = put_number(at, tm.tm_hour, 2);
	at = put_text(at, ":");
	at = put_number(at, tm.tm_min, 2);
	at = put_text(at, ":");
	at = put_number(at, tm.tm_sec, 2);
	at = put_text(at, ".");
	at = put_number(at, t.tv_nsec / 1000, 6);
	put_text(at, "Z ");
	memcpy(out, text, LOGGER_STAMP);
}

/* ---- writing -------------------------------------------------------------------------------- */

static int write_all(int fd, const char *data, size_t n, size_t *ret_done)
{
	*ret_done = 0;
	while (*ret_done < n) {
		ssize_t k = write(fd, data + *ret_done, n - *ret_done);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k < 0 ? -errno : -EIO;
		*ret_done += (size_t)k;
	}
	return 0;
}

/* What could not be written is told at its place, once something can be. */
static void tell_dropped(struct stream *s)
{
	char text[160], *at = text;
	size_t done;
	const char *why = strerrordesc_np(s->code);
	at = put_text(at, s->mid_line ? "\n[" : "[");
	at = put_number(at, s->dropped, 1);
	at = put_text(at, " bytes of output are missing here: ");
	at = put_text(at, why && strlen(why) < 60 ? why : "they could not be written");
	at = put_text(at, "]\n");
	if (write_all(s->file, text, (size_t)(at - text), &done) == 0)
		s->dropped = 0;
	s->size += (int64_t)done;
}

void stream_flush(struct stream *s)
{
	size_t done = 0;
	if (!s->n_out)
		return;
	if (s->dropped)
		tell_dropped(s);
	int rc = s->dropped ? -s->code : write_all(s->file, s->out, s->n_out, &done);
	if (rc < 0) {
		s->code = -rc;
		s->dropped += (int64_t)(s->n_out - done);
		s->size -= (int64_t)(s->n_out - done);
	}
	s->n_out = 0;
}

static void put(struct stream *s, const char *data, size_t n)
{
	s->size += (int64_t)n;
	while (n) {
		size_t room = sizeof(s->out) - s->n_out, k = n < room ? n : room;
		memcpy(s->out + s->n_out, data, k);
		s->n_out += k;
		data += k;
		n -= k;
		if (s->n_out == sizeof(s->out))
			stream_flush(s);
	}
}

/* ---- the older ones --------------------------------------------------------------------------- */

static int open_file(const char *name, int flags)
{
	struct stat st;
	/* O_NONBLOCK: a pipe in its place would be waited for. */
	int fd = openat(logger_dir, name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags,
			0644);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

static void wait_packer(struct stream *s)
{
	while (s->packer > 0 && waitpid(s->packer, NULL, 0) < 0 && errno == EINTR)
		;
	s->packer = 0;
}

static void start_packer(struct stream *s)
{
	char name[NAME];
	name_of(s, 1, 0, name);
	s->packer = fork();
	if (s->packer == 0)
		pack_and_exit(name);
	if (s->packer < 0)
		s->packer = 0; /* it stays as it is, which is no loss */
}

/* Makes the name free; 0 if it could not. */
static int shift(struct stream *s)
{
	char from[NAME], to[NAME];
	if (!s->n_files)
		return unlinkat(logger_dir, s->name, 0) == 0 || errno == ENOENT;
	for (int packed = 0; packed < 2; packed++) {
		name_of(s, s->n_files, packed, to);
		(void)unlinkat(logger_dir, to, 0);
		for (int i = s->n_files - 1; i > 0; i--) {
			name_of(s, i, packed, from);
			(void)renameat(logger_dir, from, logger_dir, to);
			memcpy(to, from, NAME);
		}
	}
	name_of(s, 1, 0, to);
	return renameat(logger_dir, s->name, logger_dir, to) == 0 || errno == ENOENT;
}

static void rotate(struct stream *s)
{
	stream_flush(s);
	/* The file that it reads is renamed now. */
	wait_packer(s);
	/* If it fails: goes on with the file it has, and tries again when that has grown
	 * as much again. */
	s->size = 0;
	if (!shift(s))
		return;
	int fd = open_file(s->name, O_EXCL);
	if (fd == -EEXIST) { /* the container was quicker, so it is none of ours */
		(void)unlinkat(logger_dir, s->name, 0);
		fd = open_file(s->name, O_EXCL);
	}
	if (fd < 0)
		return;
	close(s->file);
	s->file = fd;
	if (s->gzip && s->n_files)
		start_packer(s);
}

/* ---- what comes ----------------------------------------------------------------------------------- */

/* How much of a line (with its end, if that is there) goes into the file that is
 * written now; 0: none, another file is to begin. */
static size_t fits(const struct stream *s, size_t n, size_t stamp)
{
	int64_t room = s->max - s->size - (int64_t)stamp;
	if ((int64_t)n <= room)
		return n;
	/* The rest of a line that has begun goes behind its beginning. */
	if (s->mid_line && (int64_t)n <= room + LOGGER_GRACE)
		return n;
	/* Not all of it: a new file rather than a torn line, unless it is torn already
	 * or longer than any file. */
	if (!s->mid_line && s->size)
		return 0;
	return room > 0 ? (size_t)room : 0;
}

static void add_line(struct stream *s, const char *line, size_t n)
{
	while (n) {
		size_t stamp = s->time && !s->mid_line ? LOGGER_STAMP : 0;
		size_t k = fits(s, n, stamp);
		if (!k) {
			rotate(s);
			continue;
		}
		put(s, s->stamp, stamp);
		put(s, line, k);
		s->mid_line = line[k - 1] != '\n';
		line += k;
		n -= k;
	}
}

void stream_add(struct stream *s, const char *data, size_t n)
{
	if (!s->time && s->size + (int64_t)n <= s->max) {
		put(s, data, n);
		s->mid_line = data[n - 1] != '\n';
		return;
	}
	if (s->time)
		put_stamp(s->stamp);
	while (n) {
		const char *end = memchr(data, '\n', n);
		size_t k = end ? (size_t)(end - data) + 1 : n;
		add_line(s, data, k);
		data += k;
		n -= k;
	}
}

int stream_open(struct stream *s)
{
	struct stat st;
	int fd = open_file(s->name, 0);
	if (fd < 0)
		return fd;
	s->file = fd;
	s->size = fstat(fd, &st) == 0 ? st.st_size : 0;
	return 0;
}

void stream_close(struct stream *s)
{
	stream_flush(s);
	if (s->dropped)
		tell_dropped(s);
	close(s->file);
	wait_packer(s);
}
