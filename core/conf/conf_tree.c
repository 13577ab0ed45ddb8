/* conf_tree.c - nodes of the tree: making, finding, freeing.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "conf/conf_impl.h"

struct conf_node *conf_node_new(enum conf_type type, const char *file, int line)
{
	struct conf_node *n = xnew(struct conf_node);
	n->type = type;
	n->file = xstrdup(file);
	n->line = line;
	return n;
}

struct conf_node *conf_map_new(const char *file)
{
	return conf_node_new(CONF_MAP, file, 0);
}

void conf_free(struct conf_node *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->n; i++) {
		if (n->key)
			free(n->key[i]);
		conf_free(n->child[i]);
	}
	free(n->key);
	free(n->child);
	free(n->text);
	free(n->file);
	free(n);
}

void conf_cleanup_node(struct conf_node **n)
{
	conf_free(*n);
}

void conf_node_add(struct conf_node *parent, const char *key, struct conf_node *child)
{
	size_t n = parent->n;
	/* Doubled at each power of two: the struct has no member for a capacity. */
	if ((n & (n - 1)) == 0) {
		size_t cap = n ? n * 2 : 1;
		parent->child = xreallocarray(parent->child, cap, sizeof(*parent->child));
		if (key)
			parent->key = xreallocarray(parent->key, cap, sizeof(*parent->key));
	}
	if (key)
		parent->key[n] = xstrdup(key);
	parent->child[n] = child;
	parent->n++;
}

void conf_node_replace(struct conf_node *parent, size_t i, struct conf_node *child)
{
	conf_free(parent->child[i]);
	parent->child[i] = child;
}

long conf_node_find(const struct conf_node *parent, const char *name, size_t len)
{
	if (parent->type == CONF_MAP) {
		for (size_t i = 0; i < parent->n; i++)
			if (strncmp(parent->key[i], name, len) == 0 && !parent->key[i][len])
				return (long)i;
		return -1;
	}
	if (parent->type != CONF_LIST || len == 0 || len > 9 || strspn(name, "0123456789") < len)
		return -1;
	long at = strtol(name, NULL, 10);
	return at < (long)parent->n ? at : -1;
}

const struct conf_node *conf_get(const struct conf_node *map, const char *key)
{
	if (!map || map->type != CONF_MAP)
		return NULL;
	long at = conf_node_find(map, key, strlen(key));
	return at < 0 ? NULL : map->child[at];
}

const struct conf_node *conf_at(const struct conf_node *root, const char *path)
{
	const struct conf_node *n = root;
	while (n) {
		size_t len = strcspn(path, ".");
		long at = conf_node_find(n, path, len);
		if (at < 0)
			return NULL;
		n = n->child[at];
		if (!path[len])
			return n;
		path += len + 1;
	}
	return NULL;
}

const char *conf_where(const struct conf_node *n, char out[256])
{
	if (n->line > 0)
		snprintf(out, 256, "%.240s:%d", n->file, n->line);
	else
		snprintf(out, 256, "%s", n->file);
	return out;
}

const char *conf_type_name(enum conf_type type)
{
	switch (type) {
	case CONF_NULL:
		return "nothing";
	case CONF_SCALAR:
		return "a single value";
	case CONF_LIST:
		return "a list";
	case CONF_MAP:
		return "a map";
	}
	return "?";
}
