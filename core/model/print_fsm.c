/* print_fsm.c - writes docs/state-machines.md to its standard output:
 *	make core/model/print_fsm && core/model/print_fsm >docs/state-machines.md
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "model/fsm_doc.h"

int main(void)
{
	mz_autobuf struct buf out = {0};
	fsm_print_page(&out);
	return fputs(buf_str(&out), stdout) < 0 || fflush(stdout) != 0;
}
