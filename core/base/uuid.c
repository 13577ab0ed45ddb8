/* uuid.c - see uuid.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/uuid.h"

#include <stdio.h>
#include <string.h>

void uuid_finish(struct uuid *u)
{
	u->b[6] = (unsigned char)((u->b[6] & 0x0f) | 0x40);
	u->b[8] = (unsigned char)((u->b[8] & 0x3f) | 0x80);
}

void uuid_format(const struct uuid *u, char out[UUID_TEXT])
{
	static const char hex[] = "0123456789abcdef";
	char *to = out;
	for (int i = 0; i < UUID_BYTES; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*to++ = '-';
		*to++ = hex[u->b[i] >> 4];
		*to++ = hex[u->b[i] & 15];
	}
	*to = '\0';
}

bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a->b, b->b, UUID_BYTES) == 0;
}

bool uuid_is_zero(const struct uuid *u)
{
	static const struct uuid zero;
	return uuid_equal(u, &zero);
}
