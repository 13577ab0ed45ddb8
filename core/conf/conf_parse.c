/* conf_parse.c - YAML text to a tree, by libyaml's events. What has more than
 * one reading (tags, anchors, several documents, duplicate keys) is refused.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/conf_impl.h"

struct reader {
	yaml_parser_t parser;
	yaml_event_t event; /* the current one */
	bool have_event;
	const char *name, *text;
	struct mz_err *err;
};

static int line_of(const yaml_mark_t *mark)
{
	return (int)mark->line + 1;
}

static int fail_at(struct reader *r, int line, const char *what)
{
	return mz_fail(r->err, -EINVAL, "%.120s:%d: %s", r->name, line, what);
}

/* libyaml's own complaint, with a line also where it only knows an offset. */
static int fail_parser(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	const char *problem = p->problem ? p->problem : "not YAML";
	int line = line_of(&p->problem_mark);
	if (p->error == YAML_MEMORY_ERROR)
		return mz_fail(r->err, -ENOMEM, "%.120s: Out of memory", r->name);
	if (p->error == YAML_READER_ERROR) {
		line = 1;
		for (size_t i = 0; i < p->problem_offset && r->text[i]; i++)
			line += r->text[i] == '\n';
	}
	return mz_fail(r->err, -EINVAL, "%.120s:%d: Not valid YAML: %s%s%s", r->name, line, problem,
		       p->context ? " " : "", p->context ? p->context : "");
}

static int next(struct reader *r)
{
	if (r->have_event)
		yaml_event_delete(&r->event);
	r->have_event = false;
	if (!yaml_parser_parse(&r->parser, &r->event))
		return fail_parser(r);
	r->have_event = true;
	return 0;
}

/* Anchors and tags make one text mean two things; both are refused. */
static int check_plain(struct reader *r, const void *anchor, const void *tag)
{
	int line = line_of(&r->event.start_mark);
	if (anchor)
		return fail_at(r, line, "Anchors are not supported; quote a value that starts with '&'");
	if (tag)
		return fail_at(r, line, "Tags are not supported; quote a value that starts with '!'");
	return 0;
}

static int parse_node(struct reader *r, int depth, struct conf_node **ret);

static bool is_null(const char *text)
{
	return !*text || str_eq(text, "~") || str_eq(text, "null");
}

static int parse_scalar(struct reader *r, struct conf_node **ret)
{
	const yaml_event_t *e = &r->event;
	int line = line_of(&e->start_mark);
	const char *text = (const char *)e->data.scalar.value;
	int rc = check_plain(r, e->data.scalar.anchor, e->data.scalar.tag);
	if (rc < 0)
		return rc;
	if (strlen(text) != e->data.scalar.length)
		return fail_at(r, line, "A value contains a NUL byte");
	bool quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	if (!quoted && is_null(text)) {
		*ret = conf_node_new(CONF_NULL, r->name, line);
		return 0;
	}
	struct conf_node *n = conf_node_new(CONF_SCALAR, r->name, line);
	n->text = xstrdup(text);
	n->quoted = quoted;
	*ret = n;
	return 0;
}

static int parse_list(struct reader *r, int depth, struct conf_node *list)
{
	for (;;) {
		int rc = next(r);
		if (rc < 0)
			return rc;
		if (r->event.type == YAML_SEQUENCE_END_EVENT)
			return 0;
		struct conf_node *child = NULL;
		rc = parse_node(r, depth + 1, &child);
		if (rc < 0)
			return rc;
		conf_node_add(list, NULL, child);
	}
}

/* The current event is a key; its text goes to *ret. */
static int parse_key(struct reader *r, struct map *seen, char **ret)
{
	const yaml_event_t *e = &r->event;
	int line = line_of(&e->start_mark);
	if (e->type == YAML_ALIAS_EVENT)
		return fail_at(r, line, "Aliases are not supported; quote a key that starts with '*'");
	if (e->type != YAML_SCALAR_EVENT)
		return fail_at(r, line, "A key must be a single value");
	int rc = check_plain(r, e->data.scalar.anchor, e->data.scalar.tag);
	if (rc < 0)
		return rc;
	const char *text = (const char *)e->data.scalar.value;
	if (!*text || strlen(text) != e->data.scalar.length)
		return fail_at(r, line, "A key is empty or contains a NUL byte");
	if (map_has(seen, text))
		return mz_fail(r->err, -EINVAL, "%.120s:%d: Key '%.60s' is there twice, first in line %zu",
			       r->name, line, text, (size_t)map_get(seen, text));
	map_put(seen, text, (void *)(size_t)line);
	*ret = xstrdup(text);
	return 0;
}

static int parse_map_into(struct reader *r, int depth, struct conf_node *map, struct map *seen)
{
	for (;;) {
		int rc = next(r);
		if (rc < 0)
			return rc;
		if (r->event.type == YAML_MAPPING_END_EVENT)
			return 0;
		mz_autofree char *key = NULL;
		int line = line_of(&r->event.start_mark);
		rc = parse_key(r, seen, &key);
		if (rc < 0)
			return rc;
		rc = next(r);
		if (rc < 0)
			return rc;
		struct conf_node *child = NULL;
		rc = parse_node(r, depth + 1, &child);
		if (rc < 0)
			return rc;
		/* A complaint about a key's value points at the key. */
		child->line = line;
		conf_node_add(map, key, child);
	}
}

static int parse_map(struct reader *r, int depth, struct conf_node *map)
{
	struct map seen = {0};
	int rc = parse_map_into(r, depth, map, &seen);
	map_done(&seen);
	return rc;
}

/* The current event begins a node. */
static int parse_node(struct reader *r, int depth, struct conf_node **ret)
{
	const yaml_event_t *e = &r->event;
	int line = line_of(&e->start_mark);
	if (e->type == YAML_ALIAS_EVENT)
		return fail_at(r, line, "Aliases are not supported; quote a value that starts with '*'");
	if (e->type == YAML_SCALAR_EVENT)
		return parse_scalar(r, ret);
	bool is_map = e->type == YAML_MAPPING_START_EVENT;
	if (!is_map && e->type != YAML_SEQUENCE_START_EVENT)
		return fail_at(r, line, "A value is missing");
	int rc = is_map ? check_plain(r, e->data.mapping_start.anchor, e->data.mapping_start.tag)
			: check_plain(r, e->data.sequence_start.anchor, e->data.sequence_start.tag);
	if (rc < 0)
		return rc;
	if (depth >= CONF_MAX_DEPTH)
		return fail_at(r, line, "Nested too deeply (more than 32 levels)");
	conf_autonode struct conf_node *n = conf_node_new(is_map ? CONF_MAP : CONF_LIST, r->name, line);
	rc = is_map ? parse_map(r, depth, n) : parse_list(r, depth, n);
	if (rc < 0)
		return rc;
	*ret = MZ_MOVE(n);
	return 0;
}

/* STREAM-START [DOCUMENT-START node DOCUMENT-END] STREAM-END */
static int parse_stream(struct reader *r, struct conf_node **ret)
{
	int rc;
	if ((rc = next(r)) < 0 || (rc = next(r)) < 0)
		return rc;
	if (r->event.type == YAML_STREAM_END_EVENT) {
		*ret = conf_node_new(CONF_NULL, r->name, 1);
		return 0;
	}
	if ((rc = next(r)) < 0)
		return rc;
	conf_autonode struct conf_node *root = NULL;
	if ((rc = parse_node(r, 0, &root)) < 0)
		return rc;
	if ((rc = next(r)) < 0 || (rc = next(r)) < 0)
		return rc;
	if (r->event.type != YAML_STREAM_END_EVENT)
		return fail_at(r, line_of(&r->event.start_mark), "A second document begins; only one is allowed");
	*ret = MZ_MOVE(root);
	return 0;
}

int conf_parse(const char *name, const char *text, size_t len, struct conf_node **ret, struct mz_err *err)
{
	if (len > CONF_MAX_BYTES)
		return mz_fail(err, -EFBIG, "%.120s: Larger than 1 MiB", name);
	/* A NUL-ended copy, so that lines can be counted behind an error. */
	mz_autofree char *copy = xmalloc(len + 1);
	if (len)
		memcpy(copy, text, len);
	copy[len] = '\0';
	struct reader r = {.name = name, .text = copy, .err = err};
	if (!yaml_parser_initialize(&r.parser))
		return mz_fail(err, -ENOMEM, "%.120s: Out of memory", name);
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)copy, len);
	int rc = parse_stream(&r, ret);
	if (r.have_event)
		yaml_event_delete(&r.event);
	yaml_parser_delete(&r.parser);
	return rc;
}

int conf_load(const char *file, struct conf_node **ret, struct mz_err *err)
{
	mz_autofile FILE *f = fopen(file, "re");
	if (!f)
		return mz_fail(err, errno, "Cannot read '%.180s': %s", file, strerror(errno));
	mz_autofree char *text = xmalloc(CONF_MAX_BYTES + 1);
	size_t len = fread(text, 1, CONF_MAX_BYTES + 1, f);
	if (ferror(f))
		return mz_fail(err, errno, "Cannot read '%.180s': %s", file, strerror(errno));
	return conf_parse(file, text, len, ret, err);
}
