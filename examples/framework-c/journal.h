/* journal.h - what a scheduler must not forget: a file of lines that only grows.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_H
#define JOURNAL_H

#include <stdio.h>

/* Opens or makes the file, and hands each whole line to fn. */
FILE *journal_open(const char *path, void (*fn)(void *arg, char *line), void *arg);
/* Appends a line; it may still be lost. */
void journal_add(FILE *j, const char *fmt, ...);
/* Everything so far is on the disk: 0, or -1. */
int journal_sync(FILE *j);

#endif
