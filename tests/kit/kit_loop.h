/* kit_loop.h - the loop of the kit: virtual time, real descriptors and children.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_KIT_LOOP_H
#define MZ_KIT_LOOP_H

#include "loop/loop.h"

struct loop *kit_loop_new(void);
void kit_loop_free(struct loop *l);
/* Runs what is due now; false if there was nothing. */
bool kit_loop_turn(struct loop *l);
/* Nothing was due: lets time pass, at most max_ns of it. Time jumps to the next
 * timer; but with `patient`, while there are descriptors or children, it passes as
 * it does for them. False if max_ns is not positive. */
bool kit_loop_pass(struct loop *l, int64_t max_ns, bool patient);

#endif
