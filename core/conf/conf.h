/* conf.h - YAML into a tree that remembers where each value stands.
 *
 * libyaml is named in core/conf only. The tree is what every consumer checks:
 * daemons against struct conf_key tables, the module loader against settings
 * tables. Every complaint names file:line and the path of the key.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_CONF_CONF_H
#define MZ_CONF_CONF_H

#include <mezzo/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum conf_type { CONF_NULL, CONF_SCALAR, CONF_LIST, CONF_MAP };

struct conf_node {
	enum conf_type type;
	char *text;  /* CONF_SCALAR: the value as written, unquoted */
	bool quoted; /* scalar was quoted: a string whatever it looks like */
	size_t n;    /* children of a list or map */
	struct conf_node **child;
	char **key; /* CONF_MAP: key of child i */
	char *file; /* where it stands; "--set" for overrides */
	int line;
};

/* Reads one document. Duplicate keys, tags, anchors and documents over
 * 1 MiB, or deeper than 32, are errors. Errors: "FILE:LINE: …". */
int conf_load(const char *file, struct conf_node **ret, struct mz_err *err);
int conf_parse(const char *name, const char *text, size_t len, struct conf_node **ret, struct mz_err *err);
struct conf_node *conf_map_new(const char *file);
void conf_free(struct conf_node *n); /* NULL is a no-op */

/* `--set path.to.key=value`: the value is YAML; missing maps are made; "a.0.b"
 * indexes a list. */
int conf_set(struct conf_node *root, const char *assignment, struct mz_err *err);

const struct conf_node *conf_get(const struct conf_node *map, const char *key); /* NULL if absent */

/* A key that a daemon accepts. `type` is enum mz_setting_type of <mezzo/module.h>
 * (same spellings, units and limits), or CONF_KEY_TREE: checked by its consumer. */
enum { CONF_KEY_TREE = 100 };
struct conf_key {
	const char *path; /* "agent.ping_timeout" */
	int type;
	const char *def; /* NULL: optional without default */
	int64_t min, max; /* both 0: no limit */
	const char *help;
	const char *const *choices; /* NULL-ended or NULL */
};

/* Refuses unknown keys, wrong types and values out of range ("conf/x.yaml:12:
 * Unknown key 'mastr.port', did you mean 'master.port'?"). */
int conf_check(const struct conf_node *root, const struct conf_key *keys, struct mz_err *err);

/* Values of a checked tree: the written value, or the table's default.
 * Strings live as long as the tree or the table. */
const char *conf_str(const struct conf_node *root, const struct conf_key *keys, const char *path); /* or NULL */
int64_t conf_int(const struct conf_node *root, const struct conf_key *keys, const char *path);
const struct conf_node *conf_at(const struct conf_node *root, const char *path); /* or NULL */

/* One scalar against one type: the unit conversions of enum mz_setting_type. */
int conf_value(int type, const char *text, int64_t min, int64_t max, const char *const *choices,
	       int64_t *ret_int, struct mz_err *err);

/* "FILE:LINE" of a node, for messages. */
const char *conf_where(const struct conf_node *n, char out[256]);

#endif
