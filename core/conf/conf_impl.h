/* conf_impl.h - what the files of core/conf share. Nobody else includes it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_CONF_CONF_IMPL_H
#define MZ_CONF_CONF_IMPL_H

/* The types of settings are the public ones. */
#define MZ_MODULE_ABI 1
#include <mezzo/module.h>

#include "base/err.h"
#include "conf/conf.h"

enum {
	CONF_MAX_BYTES = 1 << 20,
	CONF_MAX_DEPTH = 32,
	CONF_MAX_PATH = 512, /* of a key, with its NUL */
};

struct conf_node *conf_node_new(enum conf_type type, const char *file, int line);
void conf_cleanup_node(struct conf_node **n);
#define conf_autonode MZ_CLEANUP(conf_cleanup_node)
/* Both take `child`; `key` is NULL in a list. */
void conf_node_add(struct conf_node *parent, const char *key, struct conf_node *child);
void conf_node_replace(struct conf_node *parent, size_t i, struct conf_node *child);
/* The child that one component of a path names, or -1. */
long conf_node_find(const struct conf_node *parent, const char *name, size_t len);
/* "a map", "a list", … */
const char *conf_type_name(enum conf_type type);

/* The row of `path`; NULL if there is none. */
const struct conf_key *conf_key_find(const struct conf_key *keys, const char *path);
/* The known key or section that the author of `path` may have meant, in `out`. */
bool conf_suggest(const struct conf_key *keys, const char *path, char out[CONF_MAX_PATH]);

#endif
