/* journal.c - see journal.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "journal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

FILE *journal_open(const char *path, void (*fn)(void *arg, char *line), void *arg)
{
	FILE *j = fopen(path, "a+");
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	off_t whole = 0;

	if (!j)
		return NULL;
	rewind(j);
	/* A line without its end was being written when we died: it never was. */
	while ((len = getline(&line, &cap, j)) > 0 && line[len - 1] == '\n') {
		whole += len;
		line[len - 1] = '\0';
		fn(arg, line);
	}
	free(line);
	if (ftruncate(fileno(j), whole) < 0) {
		fclose(j);
		return NULL;
	}
	fseek(j, 0, SEEK_END);
	return j;
}

void journal_add(FILE *j, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(j, fmt, ap);
	va_end(ap);
	fputc('\n', j);
}

int journal_sync(FILE *j)
{
	return fflush(j) == 0 && fsync(fileno(j)) == 0 ? 0 : -1;
}
