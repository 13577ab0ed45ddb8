/* id_name.h - the name of a file or directory that stands for one container: its id, as long
 * as the file system takes that. The id of a container that is nested is those of all above it as
 * well, joined by dots; what is longer than a name can be is cut, and ends in a hash of the whole
 * id. No id looks like that: none has two dots in a row.
 *
 * Of such a name the id cannot be told; who has to know it looks among the ids that there are
 * (id_name_is), or has written it down in the file.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODULES_LIB_ID_NAME_H
#define MZ_MODULES_LIB_ID_NAME_H

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { ID_NAME_SIZE = NAME_MAX + 1, ID_NAME_HASH = 2 + 16 };

/* FNV-1a. Somebody may find two ids with one hash; but the beginning of the name is that of the
 * id, so that both are in the same container at the top, and whoever gave the ids meets himself. */
static inline uint64_t id_name_hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3u;
	return h;
}

/* The id itself if it has no more than `max` bytes (above ID_NAME_HASH, up to NAME_MAX), else
 * `out`: for what is not a file. */
static inline const char *id_short(const char *id, size_t max, char out[ID_NAME_SIZE])
{
	size_t keep = max - ID_NAME_HASH;
	if (strlen(id) <= max)
		return id;
	memcpy(out, id, keep);
	(void)snprintf(out + keep, ID_NAME_HASH + 1, "..%016llx", (unsigned long long)id_name_hash(id));
	return out;
}

static inline const char *id_name(const char *id, char out[ID_NAME_SIZE])
{
	return id_short(id, NAME_MAX, out);
}

/* Is it the name of the container with this id? */
static inline int id_name_is(const char *name, const char *id)
{
	char own[ID_NAME_SIZE];
	return strcmp(name, id_name(id, own)) == 0;
}

#endif
