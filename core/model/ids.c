/* ids.c - the syntax of ids that clients choose. They become names of
 * directories, which is what the rules are for.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "model/model.h"

enum { ID_MAX_BYTES = 255, MAX_CONTAINER_DEPTH = 32 };

int id_check(const char *what, const char *id, struct mz_err *err)
{
	if (!id || !*id)
		return mz_fail(err, -EINVAL, "%s is empty", what);
	if (strlen(id) > ID_MAX_BYTES)
		return mz_fail(err, -EINVAL, "%s is longer than %d bytes", what, ID_MAX_BYTES);
	if (strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
		return mz_fail(err, -EINVAL, "%s must not be '%s'", what, id);
	for (const char *c = id; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return mz_fail(err, -EINVAL, "%s has a control character", what);
		if (*c == '/' || *c == '\\')
			return mz_fail(err, -EINVAL, "%s '%s' has a '%c'", what, id, *c);
	}
	return 0;
}

int container_id_check(const Mesos__V1__ContainerID *id, struct mz_err *err)
{
	for (int depth = 1; id; id = id->parent, depth++) {
		if (depth > MAX_CONTAINER_DEPTH)
			return mz_fail(err, -EINVAL, "Container id is nested deeper than %d", MAX_CONTAINER_DEPTH);
		int rc = id_check("Container id", id->value, err);
		if (rc)
			return rc;
	}
	return 0;
}
