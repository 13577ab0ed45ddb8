/* cgroups_hugetlb.c - isolator/cgroups_hugetlb: how much memory in huge pages a container
 * may have, for each size of page, and how much it has.
 *
 * The API's statistics have no field for huge pages, so that a route of this module's own
 * tells. It reserves no pages: the operator does (vm.nr_hugepages).
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../lib/cgroup_isolator.h"
#include "../../lib/pending.h"

enum { SIZES_MAX = 16, NAME_SIZE = 16 };

/* A size of page that this machine has. */
struct pages {
	char name[NAME_SIZE]; /* as the files have it: "2MB" */
	int64_t bytes, limit; /* limit -1: none set */
};

struct hugetlb {
	struct cgroups cg; /* first member */
	int by_resources;
	size_t n;
	struct pages v[SIZES_MAX];
	struct pending *replies;
};

/* ---- sizes -------------------------------------------------------------------------- */

/* As the kernel writes it. */
static void size_name(int64_t bytes, char *out)
{
	static const struct {
		int64_t unit;
		const char *name;
	} units[] = {{1LL << 30, "GB"}, {1LL << 20, "MB"}, {1LL << 10, "KB"}};
	for (size_t i = 0; i < 3; i++)
		if (bytes >= units[i].unit) {
			(void)snprintf(out, NAME_SIZE, "%d%s", (int)(bytes / units[i].unit), units[i].name);
			return;
		}
}

static void find_sizes(struct hugetlb *p)
{
	DIR *dir = opendir("/sys/kernel/mm/hugepages");
	struct dirent *e;
	while (dir && p->n < SIZES_MAX && (e = readdir(dir))) {
		long kb;
		if (sscanf(e->d_name, "hugepages-%ldkB", &kb) != 1 || kb <= 0)
			continue;
		p->v[p->n] = (struct pages){.bytes = kb * 1024, .limit = -1};
		size_name(p->v[p->n].bytes, p->v[p->n].name);
		p->n++;
	}
	if (dir)
		(void)closedir(dir);
}

/* "64MB"; -1: it is none. */
static int64_t parse_bytes(const char *text)
{
	static const char units[] = "KMGT";
	char *end;
	errno = 0;
	long long v = strtoll(text, &end, 10);
	if (end == text || v < 0 || errno)
		return -1;
	if (!strcmp(end, "") || !strcmp(end, "B"))
		return v;
	const char *unit = strchr(units, *end);
	int shift = unit ? 10 * (int)(unit - units + 1) : 0;
	if (!shift || strcmp(end + 1, "B") != 0 || v > INT64_MAX >> shift)
		return -1;
	return v << shift;
}

static int take_limits(struct hugetlb *p, const struct mz_conf *conf, struct mz_err *err)
{
	const char *name, *text;
	for (size_t i = 0; (name = p->cg.h->conf_pair(conf, "limits", i, &text)); i++) {
		size_t at = 0;
		while (at < p->n && strcmp(p->v[at].name, name) != 0)
			at++;
		if (at == p->n)
			return cg_fail(err, -EINVAL, "This machine has no huge pages of the size '%s', which has a limit", name);
		p->v[at].limit = parse_bytes(text);
		if (p->v[at].limit < 0)
			return cg_fail(err, -EINVAL, "The limit of huge pages '%s' is '%s', which is no size like 64MB", name, text);
	}
	return 0;
}

/* ---- limits ------------------------------------------------------------------------- */

/* File of one page size; v1 and v2 call them otherwise. */
static const char *file_of(const struct hugetlb *p, const struct pages *s, const char *v1, const char *v2, char out[64])
{
	(void)snprintf(out, 64, "hugetlb.%s.%s", s->name, p->cg.g.version == 1 ? v1 : v2);
	return out;
}

/* Bytes, in whole pages; -1: none. */
static int64_t limit_of(const struct hugetlb *p, const struct mz_container *c, const struct pages *s)
{
	char name[32];
	if (!p->by_resources || !c->resources)
		return s->limit < 0 ? -1 : s->limit / s->bytes * s->bytes;
	/* Thousandths of a MB. */
	(void)snprintf(name, sizeof(name), "hugepages_%s", s->name);
	int64_t mb = p->cg.k->resources->scalar(c->resources, name);
	if (mb <= 0)
		return s->limit < 0 ? 0 : s->limit / s->bytes * s->bytes;
	return mb / 1000 * 1048576 / s->bytes * s->bytes;
}

static int set_limits(void *inst, const struct mz_container *c, struct mz_err *err)
{
	const struct hugetlb *p = inst;
	char file[64];
	int rc = 0;
	for (size_t i = 0; i < p->n && rc == 0; i++) {
		const struct pages *s = &p->v[i];
		int64_t limit = limit_of(p, c, s);
		const char *none = p->cg.g.version == 1 ? "-1" : "max";
		char text[32];
		(void)snprintf(text, sizeof(text), "%lld", (long long)limit);
		rc = cg_write(&p->cg.g, c->id, file_of(p, s, "limit_in_bytes", "max", file), limit < 0 ? none : text, err);
		/* Where reservations count, mmap fails, instead of SIGBUS at the first touch. */
		(void)file_of(p, s, "rsvd.limit_in_bytes", "rsvd.max", file);
		if (rc == 0 && cg_has(&p->cg.g, c->id, file))
			rc = cg_write(&p->cg.g, c->id, file, limit < 0 ? none : text, err);
	}
	return rc;
}

/* ---- telling ------------------------------------------------------------------------ */

/* The answer to one request, written by a worker: some files for each container and size. */
struct reply {
	struct pending pending; /* first member */
	const struct hugetlb *p;
	struct mz_request *q;
	char *text; /* NULL: there is no room for it */
	size_t len, cap;
	int n;
};

__attribute__((format(printf, 2, 3))) static void put(struct reply *r, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = r->text ? vsnprintf(r->text + r->len, r->cap - r->len, fmt, ap) : -1;
	va_end(ap);
	if (n > 0)
		r->len += (size_t)n;
}

/* For one element. */
static void make_room(struct reply *r)
{
	enum { ROOM = CG_PATH_SIZE + 512 };
	if (!r->text || r->cap - r->len > ROOM)
		return;
	char *more = realloc(r->text, r->cap * 2 + ROOM);
	if (!more)
		free(r->text);
	r->text = more;
	r->cap = r->cap * 2 + ROOM;
}

static void put_bytes(struct reply *r, const char *name, int64_t value)
{
	if (value != INT64_MAX) /* no limit */
		put(r, ",\"%s\":%lld", name, (long long)value);
}

/* v1 has a limit of its own for none. */
static int64_t no_limit(int64_t v)
{
	return v > INT64_MAX / 2 ? INT64_MAX : v;
}

static int64_t failures(const struct hugetlb *p, const char *id, const struct pages *s)
{
	char file[64], text[256];
	int64_t v = 0;
	(void)file_of(p, s, "failcnt", "events", file);
	if (p->cg.g.version == 1)
		(void)cg_read_int(&p->cg.g, id, file, &v, NULL);
	else if (cg_read(&p->cg.g, id, file, text, sizeof(text), NULL) >= 0)
		(void)cg_key(text, "max", &v);
	return v;
}

/* Ids are safe in JSON: they are names of directories that the agent made, without quotes. */
static void put_container(void *arg, const char *id)
{
	struct reply *r = arg;
	const struct hugetlb *p = r->p;
	char file[64];
	for (size_t i = 0; i < p->n && !strpbrk(id, "\"\\"); i++) {
		const struct pages *s = &p->v[i];
		int64_t used, limit = INT64_MAX, most = INT64_MAX;
		if (cg_read_int(&p->cg.g, id, file_of(p, s, "usage_in_bytes", "current", file), &used, NULL) < 0)
			continue;
		(void)cg_read_int(&p->cg.g, id, file_of(p, s, "limit_in_bytes", "max", file), &limit, NULL);
		if (p->cg.g.version == 1)
			(void)cg_read_int(&p->cg.g, id, file_of(p, s, "max_usage_in_bytes", "", file), &most, NULL);
		make_room(r);
		put(r, "%s{\"container_id\":\"%s\",\"page_size\":\"%s\"", r->n++ ? "," : "", id, s->name);
		put_bytes(r, "limit_bytes", no_limit(limit));
		put_bytes(r, "usage_bytes", used);
		put_bytes(r, "max_usage_bytes", most);
		put_bytes(r, "failures", failures(p, id, s));
		put(r, "}");
	}
}

static void reply_work(void *arg)
{
	struct reply *r = arg;
	r->cap = 4096;
	r->text = malloc(r->cap);
	put(r, "[");
	(void)cg_each(&r->p->cg.g, put_container, r, NULL);
	make_room(r);
	put(r, "]");
}

static void reply_free(struct pending *p)
{
	struct reply *r = (struct reply *)p;
	free(r->text);
	free(r);
}

static void on_written(void *arg)
{
	struct reply *r = arg;
	const struct mz_host *h = r->p->cg.h;
	pending_end(&r->pending);
	if (r->text)
		h->request_reply(r->q, 200, "application/json", (struct mz_bytes){r->text, r->len});
	else
		h->request_reply(r->q, 503, "text/plain", (struct mz_bytes){"Out of memory\n", 14});
	reply_free(&r->pending);
}

static void on_request(void *arg, struct mz_request *q)
{
	static const char busy[] = "The agent has too much work waiting\n";
	struct hugetlb *p = arg;
	struct reply *r = calloc(1, sizeof(*r));
	if (r) {
		*r = (struct reply){.p = p, .q = q};
		pending_add(&p->replies, &r->pending, reply_free);
		if (p->cg.h->offload(p->cg.h, reply_work, on_written, r) == 0)
			return;
		pending_end(&r->pending);
		reply_free(&r->pending);
	}
	p->cg.h->request_reply(q, 503, "text/plain", (struct mz_bytes){busy, sizeof(busy) - 1});
}

/* ---- life --------------------------------------------------------------------------- */

static void destroy(void *inst)
{
	if (inst)
		pending_drop_all(&((struct hugetlb *)inst)->replies);
	cgroups_destroy(inst);
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct hugetlb *p = cgroups_new(sizeof(*p), h, err);
	if (!p)
		return -ENOMEM;
	p->cg.limit = set_limits;
	p->by_resources = (int)h->conf_int(conf, "by_resources");
	find_sizes(p);
	int rc = take_limits(p, conf, err);
	if (rc == 0)
		rc = cgroups_find(&p->cg.g, h, "hugetlb", err);
	if (rc == 0)
		rc = h->route(h, "/usage", on_request, p, err);
	return cgroups_created(p, rc, NULL, inst, err);
}

static const struct mz_setting settings[] = {
	MZ_SETTING(MAP, "limits", "", 0, 0, "Page size (2MB, 1GB) to what a container may have in such pages; others: no limit"),
	MZ_SETTING(BOOL, "by_resources", "false", 0, 0, "Limit by the container's resources hugepages_2MB and so on, in MB; no such: 0"),
	MZ_SETTING_END,
};

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.flags = cgroups_flags,
	.recover = cgroups_recover,
	.prepare = cgroups_prepare,
	.update = cgroups_update,
	.cleanup = cgroups_cleanup,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "cgroups_hugetlb",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Limits a container's memory in huge pages, by cgroups",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
