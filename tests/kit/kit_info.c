/* kit_info.c - messages from YAML, and launch requests and usage fields as text.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "kit_impl.h"
#include "wire/json.h"

/* ---- messages: a struct mz_info is a node of a YAML tree ---------------------- */

static const struct conf_node *at(const struct mz_info *m, const char *path)
{
	return conf_at((const struct conf_node *)m, path);
}

static int info_has(const struct mz_info *m, const char *path)
{
	const struct conf_node *n = at(m, path);
	return n && (n->type != CONF_LIST || n->n > 0);
}

static size_t info_count(const struct mz_info *m, const char *path)
{
	const struct conf_node *n = at(m, path);
	return n && n->type == CONF_LIST ? n->n : 0;
}

static const char *info_str(const struct mz_info *m, const char *path)
{
	const struct conf_node *n = at(m, path);
	return n && n->type == CONF_SCALAR ? n->text : NULL;
}

static int64_t info_integer(const struct mz_info *m, const char *path, int64_t otherwise)
{
	const char *text = info_str(m, path);
	int64_t v;
	if (!text)
		return otherwise;
	if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
		return text[0] == 't';
	return str_to_i64(text, &v) == 0 ? v : otherwise;
}

static double info_number(const struct mz_info *m, const char *path, double otherwise)
{
	const char *text = info_str(m, path);
	double v;
	return text && str_to_double(text, &v) == 0 ? v : otherwise;
}

static struct mz_bytes info_bytes(const struct mz_info *m, const char *path)
{
	const char *text = info_str(m, path);
	return text ? (struct mz_bytes){text, strlen(text)} : (struct mz_bytes){NULL, 0};
}

/* What looks like a number or a truth value is one. */
static void add_json(struct buf *b, const struct conf_node *n)
{
	double v;
	const char *text = n->text ? n->text : "";
	bool plain = !n->quoted && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0 || str_to_double(text, &v) == 0);
	if (n->type == CONF_SCALAR || n->type == CONF_NULL) {
		if (plain)
			buf_adds(b, text);
		else
			json_add_string(b, text);
		return;
	}
	buf_addc(b, n->type == CONF_LIST ? '[' : '{');
	for (size_t i = 0; i < n->n; i++) {
		if (i)
			buf_addc(b, ',');
		if (n->type == CONF_MAP)
			buf_addf(b, "\"%s\":", n->key[i]);
		add_json(b, n->child[i]);
	}
	buf_addc(b, n->type == CONF_LIST ? ']' : '}');
}

static int info_json(const struct mz_info *m, const char *path, void (*put)(void *arg, struct mz_bytes text), void *arg)
{
	const struct conf_node *n = *path ? at(m, path) : (const struct conf_node *)m;
	if (!n || n->type != CONF_MAP)
		return -ENOENT;
	struct buf mz_autobuf b = {0};
	add_json(&b, n);
	put(arg, (struct mz_bytes){b.data, b.len});
	return 0;
}

const struct mz_info_api *mz_kit_info_api(void)
{
	static const struct mz_info_api api = {
		.size = sizeof(api),
		.has = info_has,
		.count = info_count,
		.str = info_str,
		.integer = info_integer,
		.number = info_number,
		.bytes = info_bytes,
		.json = info_json,
	};
	return &api;
}

const struct mz_info *mz_kit_info(struct mz_kit *k, const char *yaml)
{
	struct conf_node *n = NULL;
	struct mz_err err;
	if (conf_parse("message", yaml, strlen(yaml), &n, &err) < 0) {
		fprintf(stderr, "mz_kit_info: %s\n", err.msg);
		abort();
	}
	vec_push(&k->yaml, n);
	return (const struct mz_info *)n;
}

/* ---- usage -------------------------------------------------------------------- */

struct mz_usage {
	struct buf text;
};

static int set_integer(struct mz_usage *u, const char *path, int64_t value)
{
	buf_addf(&u->text, "%s %lld\n", path, (long long)value);
	return 0;
}

static int set_number(struct mz_usage *u, const char *path, double value)
{
	buf_addf(&u->text, "%s %g\n", path, value);
	return 0;
}

static int set_string(struct mz_usage *u, const char *path, const char *value)
{
	buf_addf(&u->text, "%s %s\n", path, value);
	return 0;
}

const struct mz_usage_api *kit_usage_api(void)
{
	static const struct mz_usage_api api = {
		.size = sizeof(api),
		.set_integer = set_integer,
		.set_number = set_number,
		.set_string = set_string,
	};
	return &api;
}

struct mz_usage *mz_kit_usage(struct mz_kit *k)
{
	struct mz_usage *u = xnew(struct mz_usage);
	vec_push(&k->usages, u);
	return u;
}

const char *mz_kit_usage_text(const struct mz_usage *u)
{
	return buf_str(&u->text);
}

void kit_usage_free(struct mz_usage *u)
{
	buf_done(&u->text);
	free(u);
}

/* ---- launch requests ------------------------------------------------------------ */

struct mz_launch {
	struct buf text;
};

struct mz_launch *kit_launch_new(void)
{
	return xnew(struct mz_launch);
}

struct mz_launch *mz_kit_launch(struct mz_kit *k)
{
	struct mz_launch *l = kit_launch_new();
	vec_push(&k->launches, l);
	return l;
}

const char *mz_kit_launch_text(const struct mz_launch *l)
{
	return buf_str(&l->text);
}

void kit_launch_free(struct mz_launch *l)
{
	if (!l)
		return;
	buf_done(&l->text);
	free(l);
}

#define LINE(...) (buf_addf(&l->text, __VA_ARGS__), buf_addc(&l->text, '\n'), 0)
typedef unsigned long long ull;

static int l_env(struct mz_launch *l, const char *name, const char *value)
{
	return LINE("env %s=%s", name, value);
}

static int l_namespace(struct mz_launch *l, int flag)
{
	return LINE("namespace 0x%x", (unsigned)flag);
}

static int l_enter(struct mz_launch *l, int flag, const char *path)
{
	return LINE("enter 0x%x %s", (unsigned)flag, path);
}

static int l_cgroup(struct mz_launch *l, const char *path)
{
	return LINE("cgroup %s", path);
}

static int l_rootfs(struct mz_launch *l, const char *path)
{
	return LINE("rootfs %s", path);
}

static int l_mount(struct mz_launch *l, const struct mz_mount *m)
{
	return LINE("mount %s %s %s %s 0x%x%s", m->source ? m->source : "-", m->target, m->type ? m->type : "bind",
		    m->options ? m->options : "-", m->flags, m->make_target ? " made" : "");
}

static int l_mask(struct mz_launch *l, const char *path)
{
	return LINE("mask %s", path);
}

static int l_read_only(struct mz_launch *l, const char *path)
{
	return LINE("read_only %s", path);
}

static int l_device(struct mz_launch *l, const char *path, uint32_t mode, uint32_t dev_major, uint32_t dev_minor)
{
	return LINE("device %s %o %u:%u", path, mode, dev_major, dev_minor);
}

static int l_rlimit(struct mz_launch *l, int resource, uint64_t soft, uint64_t hard)
{
	return LINE("rlimit %d %llu %llu", resource, (ull)soft, (ull)hard);
}

static int l_capabilities(struct mz_launch *l, uint64_t e, uint64_t p, uint64_t i, uint64_t b, uint64_t a)
{
	return LINE("capabilities %llx %llx %llx %llx %llx", (ull)e, (ull)p, (ull)i, (ull)b, (ull)a);
}

static int l_no_new_privs(struct mz_launch *l)
{
	return LINE("no_new_privs");
}

static int l_seccomp(struct mz_launch *l, struct mz_bytes program)
{
	return LINE("seccomp %zu bytes", program.size);
}

static int l_id_map(struct mz_launch *l, int is_gid, uint32_t inside, uint32_t outside, uint32_t n)
{
	return LINE("id_map %s %u %u %u", is_gid ? "gid" : "uid", inside, outside, n);
}

static int l_groups(struct mz_launch *l, const uint32_t *gids, size_t n)
{
	buf_adds(&l->text, "groups");
	for (size_t i = 0; i < n; i++)
		buf_addf(&l->text, " %u", gids[i]);
	return LINE("%s", "");
}

static int l_work_dir(struct mz_launch *l, const char *path)
{
	return LINE("work_dir %s", path);
}

static int l_hostname(struct mz_launch *l, const char *hostname)
{
	return LINE("hostname %s", hostname);
}

static int l_file(struct mz_launch *l, const char *path, uint32_t mode, struct mz_bytes content)
{
	return LINE("file %s %o %.*s", path, mode, (int)content.size, (const char *)content.data);
}

static int l_oom_score_adj(struct mz_launch *l, int value)
{
	return LINE("oom_score_adj %d", value);
}

static int l_hook(struct mz_launch *l, const char *const *argv)
{
	buf_adds(&l->text, "hook");
	for (; *argv; argv++)
		buf_addf(&l->text, " %s", *argv);
	return LINE("%s", "");
}

static int l_has_rootfs(const struct mz_launch *l)
{
	const char *text = buf_str(&l->text);
	return !strncmp(text, "rootfs ", 7) || strstr(text, "\nrootfs ");
}

void kit_launch_fill(struct mz_isolator_host *h)
{
	h->launch_env = l_env;
	h->launch_namespace = l_namespace;
	h->launch_enter = l_enter;
	h->launch_cgroup = l_cgroup;
	h->launch_rootfs = l_rootfs;
	h->launch_mount = l_mount;
	h->launch_mask = l_mask;
	h->launch_read_only = l_read_only;
	h->launch_device = l_device;
	h->launch_rlimit = l_rlimit;
	h->launch_capabilities = l_capabilities;
	h->launch_no_new_privs = l_no_new_privs;
	h->launch_seccomp = l_seccomp;
	h->launch_id_map = l_id_map;
	h->launch_groups = l_groups;
	h->launch_work_dir = l_work_dir;
	h->launch_hostname = l_hostname;
	h->launch_file = l_file;
	h->launch_oom_score_adj = l_oom_score_adj;
	h->launch_hook = l_hook;
	h->launch_has_rootfs = l_has_rootfs;
}
