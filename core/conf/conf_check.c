/* conf_check.c - a tree against the table of the keys that a daemon accepts,
 * and the values of a checked tree.
 *
 * A key with nothing behind it ("port:") is as good as absent.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/conf_impl.h"

const struct conf_key *conf_key_find(const struct conf_key *keys, const char *path)
{
	for (const struct conf_key *k = keys; k->path; k++)
		if (strcmp(k->path, path) == 0)
			return k;
	return NULL;
}

static bool is_section(const struct conf_key *keys, const char *path)
{
	size_t len = strlen(path);
	for (const struct conf_key *k = keys; k->path; k++)
		if (strncmp(k->path, path, len) == 0 && k->path[len] == '.')
			return true;
	return false;
}

/* ---- what the author may have meant ---------------------------------------- */

/* Levenshtein's distance of two short strings. */
static size_t distance(const char *a, const char *b, size_t b_len)
{
	size_t row[CONF_MAX_PATH];
	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t above = row[j];
			size_t change = diagonal + (a[i - 1] != b[j - 1]);
			row[j] = MZ_MIN(change, MZ_MIN(above, row[j - 1]) + 1);
			diagonal = above;
		}
	}
	return row[b_len];
}

static size_t count_dots(const char *s, size_t len)
{
	size_t n = 0;
	for (size_t i = 0; i < len; i++)
		n += s[i] == '.';
	return n;
}

/* The start of the first `dots + 1` parts of `path`; 0 if it has fewer. */
static size_t head_len(const char *path, size_t dots)
{
	const char *p = path;
	for (;; p++) {
		p += strcspn(p, ".");
		if (!dots--)
			return (size_t)(p - path);
		if (!*p)
			return 0;
	}
}

static const char *last_part(const char *path)
{
	const char *dot = strrchr(path, '.');
	return dot ? dot + 1 : path;
}

bool conf_suggest(const struct conf_key *keys, const char *path, char out[CONF_MAX_PATH])
{
	size_t len = strlen(path), dots = count_dots(path, len), best_len = 0;
	size_t best = len <= 3 ? 2 : len <= 8 ? 3 : 4; /* to be undercut */
	const char *found = NULL;
	if (len >= CONF_MAX_PATH)
		return false;
	for (const struct conf_key *k = keys; k->path; k++) {
		size_t n = head_len(k->path, dots);
		if (!n || n >= CONF_MAX_PATH)
			continue;
		size_t d = distance(path, k->path, n);
		if (d < best) {
			best = d;
			found = k->path;
			best_len = n;
		}
	}
	/* Rightly spelt, but in the wrong section. */
	for (const struct conf_key *k = keys; k->path && !found; k++)
		if (strcmp(last_part(k->path), last_part(path)) == 0 && strcmp(k->path, path) != 0) {
			found = k->path;
			best_len = strlen(k->path);
		}
	if (found)
		snprintf(out, CONF_MAX_PATH, "%.*s", (int)best_len, found);
	return found != NULL;
}

/* ---- checking -------------------------------------------------------------- */

static int fail_unknown(const struct conf_key *keys, const struct conf_node *n, const char *path,
			struct mz_err *err)
{
	char where[256], meant[CONF_MAX_PATH], below[CONF_MAX_PATH];
	/* Behind an unknown section, its first key tells more. */
	if (n->type == CONF_MAP && n->n && strlen(path) + strlen(n->key[0]) + 2 <= sizeof(below)) {
		snprintf(below, sizeof(below), "%s.%s", path, n->key[0]);
		if (conf_suggest(keys, below, meant))
			return mz_fail(err, -EINVAL, "%s: Unknown key '%.60s', did you mean '%.60s'?",
				       conf_where(n->child[0], where), below, meant);
	}
	if (conf_suggest(keys, path, meant))
		return mz_fail(err, -EINVAL, "%s: Unknown key '%.60s', did you mean '%.60s'?",
			       conf_where(n, where), path, meant);
	return mz_fail(err, -EINVAL, "%s: Unknown key '%.60s'", conf_where(n, where), path);
}

static int fail_type(const struct conf_node *n, const char *path, const char *wanted, struct mz_err *err)
{
	char where[256];
	return mz_fail(err, -EINVAL, "%s: Key '%.60s' must be %s, not %s", conf_where(n, where), path, wanted,
		       conf_type_name(n->type));
}

/* The elements of a list or map of strings. */
static int check_strings(const struct conf_node *n, const char *path, struct mz_err *err)
{
	char where[256];
	for (size_t i = 0; i < n->n; i++)
		if (n->child[i]->type != CONF_SCALAR)
			return mz_fail(err, -EINVAL, "%s: An element of '%.60s' must be a single value, not %s",
				       conf_where(n->child[i], where), path, conf_type_name(n->child[i]->type));
	return 0;
}

static int check_scalar(const struct conf_node *n, const struct conf_key *k, struct mz_err *err)
{
	char where[256];
	if (n->type != CONF_SCALAR)
		return fail_type(n, k->path, "a single value", err);
	bool bare = k->type == MZ_SETTING_INT || k->type == MZ_SETTING_BOOL || k->type == MZ_SETTING_NUMBER;
	if (n->quoted && bare)
		return mz_fail(err, -EINVAL, "%s: Key '%.60s': \"%.40s\" is quoted, so it is a string; "
			       "write it without quotes", conf_where(n, where), k->path, n->text);
	int rc = conf_value(k->type, n->text, k->min, k->max, k->choices, NULL, err);
	if (rc < 0)
		mz_wrap(err, "%s: Key '%.60s'", conf_where(n, where), k->path);
	return rc;
}

static int check_key(const struct conf_node *n, const struct conf_key *k, struct mz_err *err)
{
	if (n->type == CONF_NULL || k->type == CONF_KEY_TREE)
		return 0;
	if (k->type == MZ_SETTING_LIST)
		return n->type == CONF_LIST ? check_strings(n, k->path, err)
					    : fail_type(n, k->path, "a list", err);
	if (k->type == MZ_SETTING_MAP)
		return n->type == CONF_MAP ? check_strings(n, k->path, err)
					   : fail_type(n, k->path, "a map", err);
	return check_scalar(n, k, err);
}

/* `path` has room for CONF_MAX_PATH bytes and holds `len` of them: the path of
 * `map`, with a dot behind it unless it is the root. */
static int check_map(const struct conf_node *map, const struct conf_key *keys, char *path, size_t len,
		     struct mz_err *err)
{
	char where[256];
	for (size_t i = 0; i < map->n; i++) {
		const struct conf_node *n = map->child[i];
		const char *key = map->key[i];
		size_t key_len = strlen(key);
		if (len + key_len + 2 > CONF_MAX_PATH)
			return mz_fail(err, -EINVAL, "%s: Unknown key '%.60s…'", conf_where(n, where), key);
		memcpy(path + len, key, key_len + 1);
		if (strchr(key, '.'))
			return mz_fail(err, -EINVAL, "%s: Unknown key '%.60s': a key has no dots, write nested maps",
				       conf_where(n, where), path);
		const struct conf_key *k = conf_key_find(keys, path);
		int rc = 0;
		if (k) {
			rc = check_key(n, k, err);
		} else if (!is_section(keys, path)) {
			rc = fail_unknown(keys, n, path, err);
		} else if (n->type == CONF_MAP) {
			memcpy(path + len + key_len, ".", 2);
			rc = check_map(n, keys, path, len + key_len + 1, err);
		} else if (n->type != CONF_NULL) {
			rc = fail_type(n, path, "a map", err);
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

int conf_check(const struct conf_node *root, const struct conf_key *keys, struct mz_err *err)
{
	char path[CONF_MAX_PATH] = "", where[256];
	if (root->type == CONF_NULL)
		return 0;
	if (root->type != CONF_MAP)
		return mz_fail(err, -EINVAL, "%s: The file must be a map, not %s", conf_where(root, where),
			       conf_type_name(root->type));
	return check_map(root, keys, path, 0, err);
}

/* ---- values ------------------------------------------------------------------ */

static const char *text_of(const struct conf_node *root, const struct conf_key *keys, const char *path,
			   const struct conf_key **ret_key)
{
	const struct conf_key *k = conf_key_find(keys, path);
	must(k != NULL);
	*ret_key = k;
	const struct conf_node *n = conf_at(root, path);
	return n && n->type == CONF_SCALAR ? n->text : k->def;
}

const char *conf_str(const struct conf_node *root, const struct conf_key *keys, const char *path)
{
	const struct conf_key *k;
	return text_of(root, keys, path, &k);
}

int64_t conf_int(const struct conf_node *root, const struct conf_key *keys, const char *path)
{
	const struct conf_key *k;
	const char *text = text_of(root, keys, path, &k);
	int64_t v = 0;
	/* What was written has been checked, limits too; a default that cannot be
	 * read is our own mistake. It may stand outside the limits ("0secs": off). */
	if (text)
		must(conf_value(k->type, text, 0, 0, NULL, &v, NULL) == 0);
	return v;
}
