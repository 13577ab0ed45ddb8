/* terminal.h - the terminal of whoever started the program, as a remote one: every key
 * goes there. However the program ends, the terminal gets back what it had.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEZZO_CLI_TERMINAL_H
#define MEZZO_CLI_TERMINAL_H

#include <mezzo/types.h>
#include <stdbool.h>

/* Is standard input one? */
bool terminal_is_there(void);
/* Of standard input, or what it was given if that is none: 24 and 80. */
void terminal_size(int *ret_rows, int *ret_columns);
int terminal_raw(struct mz_err *err);
void terminal_restore(void); /* again, or without terminal_raw(): no-op */

#endif
