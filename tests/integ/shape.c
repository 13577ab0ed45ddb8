/* shape.c - holds an answer against a recorded one: each field of the recorded
 * answer must be in ours, with the same JSON type, and doubles written as such.
 * And a protobuf answer against the JSON one. Used by endpoints.sh.
 *
 *	shape golden NAME ALLOW GOLDEN.txt OURS.json
 *	shape pb MESSAGE OURS.pb OURS.json equal|alike
 *
 * ALLOW has a line for each difference that is meant: NAME-pattern PATH-pattern,
 * and a comment why. Exit status 0, 1 (differences, a line each) or 2 (usage).
 * SPDX-License-Identifier: Apache-2.0 */
#include <fnmatch.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "mesos/v1/agent.pb-c.h"
#include "mesos/v1/master.pb-c.h"
#include "wire/json.h"

enum { LOAD_FLAGS = JSON_DECODE_ANY | JSON_ALLOW_NUL };

static const char *name, *allow_text;
static int n_bad;

static char *read_file(const char *path, size_t *ret_size)
{
	FILE *f = fopen(path, "re");
	struct buf b = {0};
	char piece[65536];
	size_t n;
	if (!f) {
		perror(path);
		exit(2);
	}
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		buf_add(&b, piece, n);
	(void)fclose(f);
	if (ret_size)
		*ret_size = b.len;
	return xstrdup(buf_str(&b));
}

/* Is this difference in the list? */
static bool allowed(const char *path)
{
	mz_autofree char *text = xstrdup(allow_text);
	char *at = text, *line;
	while ((line = strsep(&at, "\n"))) {
		char *rest = line, *which = strsep(&rest, " \t"), *pattern = NULL;
		if (!*which || *which == '#')
			continue;
		while (rest && (!pattern || !*pattern))
			pattern = strsep(&rest, " \t");
		if (pattern && fnmatch(which, name, 0) == 0 && fnmatch(pattern, path, 0) == 0)
			return true;
	}
	return false;
}

static void bad(const char *path, const char *what)
{
	if (allowed(path))
		return;
	n_bad++;
	printf("%s: %s\n", path, what);
}

static const char *type_name(const json_t *v)
{
	static const char *const names[] = {"object", "array", "string", "integer", "double", "true", "false", "null"};
	if (json_is_boolean(v))
		return "boolean";
	return names[json_typeof(v)];
}

/* All elements of a list as one: objects with the members of all, recursively. */
static json_t *merged(const json_t *list)
{
	json_t *all = NULL, *v;
	size_t i;
	json_array_foreach(list, i, v) {
		const char *key;
		json_t *member;
		if (!all) {
			all = json_deep_copy(v);
			continue;
		}
		if (json_is_array(all) && json_is_array(v))
			(void)json_array_extend(all, v);
		if (!json_is_object(all) || !json_is_object(v))
			continue;
		json_object_foreach(v, key, member) {
			json_t *had = json_object_get(all, key);
			json_t *both = had ? json_pack("[OO]", had, member) : NULL;
			json_t *one = both ? merged(both) : NULL;
			(void)json_object_set(all, key, one ? one : member);
			json_decref(both);
			json_decref(one);
		}
	}
	return all;
}

static void compare(const json_t *golden, const json_t *ours, const char *path)
{
	const char *key;
	json_t *member;
	if (strcmp(type_name(golden), type_name(ours)) != 0) {
		mz_autofree char *what = xasprintf("is %s, was %s", type_name(ours), type_name(golden));
		bad(path, what);
		return;
	}
	json_object_foreach((json_t *)golden, key, member) {
		mz_autofree char *at = xasprintf("%s.%s", path, key);
		const json_t *mine = json_object_get(ours, key);
		if (mine)
			compare(member, mine, at);
		else
			bad(at, "is not there");
	}
	if (!json_is_array(golden) || !json_array_size(golden))
		return;
	mz_autofree char *at = xasprintf("%s[]", path);
	if (!json_array_size(ours)) {
		bad(at, "the list is empty");
		return;
	}
	json_t *a = merged(golden), *b = merged(ours);
	compare(a, b, at);
	json_decref(a);
	json_decref(b);
}

static json_t *parse(const char *text, const char *where)
{
	json_error_t e;
	json_t *v = json_loads(text, LOAD_FLAGS, &e);
	if (!v) {
		printf("%s is no JSON: %s: %.200s\n", where, e.text, text);
		exit(1);
	}
	return v;
}

static int against_golden(const char *golden_path, const char *ours_path)
{
	mz_autofree char *golden_text = read_file(golden_path, NULL), *ours_text = read_file(ours_path, NULL);
	const char *body = strstr(golden_text, "\n\n");
	json_t *golden = parse(body ? body : "", golden_path), *ours = parse(ours_text, ours_path);
	compare(golden, ours, "");
	json_decref(golden);
	json_decref(ours);
	return n_bad ? 1 : 0;
}

/* Empty lists are written in JSON, and do not exist in protobuf. */
static void prune(json_t *v)
{
	const char *key;
	json_t *member;
	void *next;
	size_t i;
	json_array_foreach(v, i, member)
		prune(member);
	json_object_foreach_safe(v, next, key, member) {
		prune(member);
		if (json_is_array(member) && !json_array_size(member))
			(void)json_object_del(v, key);
	}
}

static int against_json(const char *message, const char *pb_path, const char *json_path, bool equal)
{
	struct arena mz_autoarena arena = {0};
	struct buf mz_autobuf text = {0};
	struct mz_err err;
	size_t size;
	mz_autofree char *ours_text = read_file(json_path, NULL);
	FILE *f = fopen(pb_path, "re");
	char *packed = arena_alloc(&arena, 1u << 24);
	if (!f)
		return 2;
	size = fread(packed, 1, 1u << 24, f);
	(void)fclose(f);
	const pb_desc *desc = str_eq(message, "master") ? &mesos__v1__master__response__descriptor
							 : &mesos__v1__agent__response__descriptor;
	pb_msg *m = pb_decode(desc, &arena, packed, size, &err);
	if (!m) {
		printf("%s: %s\n", pb_path, err.msg);
		return 1;
	}
	json_encode(m, &text);
	json_t *a = parse(buf_str(&text), pb_path), *b = parse(ours_text, json_path);
	prune(a);
	prune(b);
	if (!equal) {
		compare(a, b, "");
		compare(b, a, "");
	} else if (!json_equal(a, b)) {
		n_bad++;
		printf("protobuf: %.3000s\n", buf_str(&text));
		printf("JSON:     %.3000s\n", ours_text);
	}
	json_decref(a);
	json_decref(b);
	return n_bad ? 1 : 0;
}

int main(int argc, char **argv)
{
	name = argc > 2 ? argv[2] : "";
	allow_text = "";
	if (argc == 6 && str_eq(argv[1], "golden")) {
		mz_autofree char *text = read_file(argv[3], NULL);
		allow_text = text;
		return against_golden(argv[4], argv[5]);
	}
	if (argc == 6 && str_eq(argv[1], "pb"))
		return against_json(argv[2], argv[3], argv[4], str_eq(argv[5], "equal"));
	fprintf(stderr, "usage: shape golden NAME ALLOW GOLDEN OURS | shape pb MESSAGE PB JSON equal|alike\n");
	return 2;
}
