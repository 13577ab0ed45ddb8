/* volume_disk_world.h - for tests: resources with persistent volumes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_ISOLATOR_VOLUME_DISK_WORLD_H
#define MZ_ISOLATOR_VOLUME_DISK_WORLD_H

#include "volume_world.h"

#include "model/resources.h"
#include "wire/json.h"

/* Adds a volume of 1 MB to `to`; `more` is JSON behind the other members of "disk". */
static inline void add_volume(struct mz_resources *to, const char *role, const char *id, const char *container_path,
			      const char *more)
{
	struct arena mz_autoarena a = {0};
	struct mz_err err = {0};
	char json[2048];
	snprintf(json, sizeof(json),
		 "{\"name\":\"disk\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1},"
		 "\"reservations\":[{\"type\":\"STATIC\",\"role\":\"%s\"}],"
		 "\"disk\":{\"persistence\":{\"id\":\"%s\"},"
		 "\"volume\":{\"container_path\":\"%s\",\"mode\":\"%s\"}%s}}",
		 role, id, container_path, strstr(more, "RO") ? "RO" : "RW", strstr(more, "RO") ? "" : more);
	Mesos__V1__Resource *r = (Mesos__V1__Resource *)json_decode(&mesos__v1__resource__descriptor, &a, at(json),
								    strlen(at(json)), &err);
	if (!r || res_from_pb(&r, 1, to, &err) < 0)
		fail_msg("%s", err.msg);
}

#endif
