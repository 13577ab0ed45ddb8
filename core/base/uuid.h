/* uuid.h - random (version 4) UUIDs from bytes that the caller supplies, so
 * that the simulator's come from its seed.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_BASE_UUID_H
#define MZ_BASE_UUID_H

#include <stdbool.h>

enum { UUID_BYTES = 16, UUID_TEXT = 37 };

struct uuid {
	unsigned char b[UUID_BYTES];
};

/* Sets the version and variant bits of 16 random bytes. */
void uuid_finish(struct uuid *u);
void uuid_format(const struct uuid *u, char out[UUID_TEXT]);
bool uuid_equal(const struct uuid *a, const struct uuid *b);
bool uuid_is_zero(const struct uuid *u);

#endif
