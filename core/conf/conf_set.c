/* conf_set.c - `--set path.to.key=value`: one assignment into a tree.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/conf_impl.h"

static const char SET[] = "--set";

static int fail(struct mz_err *err, const char *path, const char *what)
{
	return mz_fail(err, -EINVAL, "--set '%.120s': %s", path, what);
}

/* Every component is there, and there are not too many. */
static int check_path(const char *path, struct mz_err *err)
{
	size_t depth = 0;
	for (const char *p = path;; p++) {
		size_t len = strcspn(p, ".");
		if (!len)
			return fail(err, path, "The path has an empty part");
		depth++;
		p += len;
		if (!*p)
			break;
	}
	if (depth > CONF_MAX_DEPTH || strlen(path) >= CONF_MAX_PATH)
		return fail(err, path, "The path is too long");
	return 0;
}

/* The place of one component in `parent`, made if it may be made. */
static int place(struct conf_node *parent, const char *path, const char *name, struct mz_err *err, size_t *ret)
{
	if (parent->type == CONF_NULL)
		parent->type = CONF_MAP;
	long at = conf_node_find(parent, name, strlen(name));
	if (at >= 0) {
		*ret = (size_t)at;
		return 0;
	}
	if (parent->type == CONF_LIST) {
		uint64_t index;
		if (str_to_u64(name, &index) < 0)
			return mz_fail(err, -EINVAL, "--set '%.120s': '%.60s' is not an index of a list", path,
				       name);
		if (index != parent->n)
			return mz_fail(err, -EINVAL, "--set '%.120s': The list has %zu elements only", path,
				       parent->n);
		conf_node_add(parent, NULL, conf_node_new(CONF_NULL, SET, 0));
	} else if (parent->type == CONF_MAP) {
		conf_node_add(parent, name, conf_node_new(CONF_NULL, SET, 0));
	} else {
		return mz_fail(err, -EINVAL, "--set '%.120s': '%.60s' cannot be set inside a single value", path,
			       name);
	}
	*ret = parent->n - 1;
	return 0;
}

static void mark(struct conf_node *n)
{
	n->line = 0;
	for (size_t i = 0; i < n->n; i++)
		mark(n->child[i]);
}

int conf_set(struct conf_node *root, const char *assignment, struct mz_err *err)
{
	const char *equals = strchr(assignment, '=');
	if (!equals)
		return fail(err, assignment, "Expected path=value");
	mz_autofree char *path = xstrndup(assignment, (size_t)(equals - assignment));
	int rc = check_path(path, err);
	if (rc < 0)
		return rc;
	conf_autonode struct conf_node *value = NULL;
	struct mz_err why = {0};
	rc = conf_parse(SET, equals + 1, strlen(equals + 1), &value, &why);
	if (rc < 0) {
		/* A line number inside a command line helps nobody. */
		const char *text = strstr(why.msg, ": ");
		return mz_fail(err, rc, "--set '%.100s': %s", path, text ? text + 2 : why.msg);
	}
	mark(value);
	mz_autofree char *parts = xstrdup(path);
	struct conf_node *parent = root;
	for (char *name = parts;;) {
		char *dot = strchr(name, '.');
		if (dot)
			*dot = '\0';
		size_t at = 0;
		rc = place(parent, path, name, err, &at);
		if (rc < 0)
			return rc;
		if (!dot) {
			conf_node_replace(parent, at, MZ_MOVE(value));
			return 0;
		}
		parent = parent->child[at];
		name = dot + 1;
	}
}
