/* roles.c - the syntax and the tree of roles.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "model/model.h"

/* One component between slashes. */
static int component_check(const char *role, const char *c, size_t len, struct mz_err *err)
{
	if (len == 0)
		return mz_fail(err, -EINVAL, "Role '%s' starts or ends with '/', or has two in a row", role);
	if ((len == 1 && c[0] == '.') || (len == 2 && c[0] == '.' && c[1] == '.') || (len == 1 && c[0] == '*'))
		return mz_fail(err, -EINVAL, "Role '%s' has the component '%.*s'", role, (int)len, c);
	if (c[0] == '-')
		return mz_fail(err, -EINVAL, "Role '%s' has a component that starts with '-'", role);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)c[i] <= ' ' || c[i] == 0x7f)
			return mz_fail(err, -EINVAL, "A role has white space or a control character");
	return 0;
}

int role_check(const char *role, struct mz_err *err)
{
	if (!role || !*role)
		return mz_fail(err, -EINVAL, "A role is empty");
	if (strcmp(role, "*") == 0)
		return 0;
	if (strlen(role) > ROLE_MAX_BYTES)
		return mz_fail(err, -EINVAL, "Role '%.40s…' is longer than %d bytes", role, ROLE_MAX_BYTES);
	for (const char *c = role;;) {
		size_t len = strcspn(c, "/");
		int rc = component_check(role, c, len, err);
		if (rc)
			return rc;
		if (!c[len])
			return 0;
		c += len + 1;
	}
}

bool role_is_under(const char *role, const char *ancestor)
{
	size_t len = strlen(ancestor);
	return strncmp(role, ancestor, len) == 0 && (role[len] == '\0' || role[len] == '/');
}
