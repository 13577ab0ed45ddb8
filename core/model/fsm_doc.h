/* fsm_doc.h - the state machines as a page of the documentation.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODEL_FSM_DOC_H
#define MZ_MODEL_FSM_DOC_H

#include "base/buf.h"

void fsm_print_page(struct buf *out);

#endif
