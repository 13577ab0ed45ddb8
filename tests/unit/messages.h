/* messages.h - every message type, and random messages: for the codec tests.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_TESTS_MESSAGES_H
#define MZ_TESTS_MESSAGES_H

#include "wire/pb.h"

extern const pb_desc *const all_messages[];
extern const size_t n_all_messages;

/* The same message for the same *seed, which moves on. Valid: required fields
 * are set, strings are UTF-8, enums have a name, doubles are finite. */
pb_msg *message_random(const pb_desc *d, struct arena *a, uint64_t *seed);

#endif
