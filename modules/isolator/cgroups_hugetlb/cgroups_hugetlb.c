/* cgroups_hugetlb.c - isolator/cgroups_hugetlb: how much memory in huge pages a container
 * may have, for each size of page, and how much it has.
 *
 * It reserves no pages: the operator does (vm.nr_hugepages).
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../lib/by_id.h"
#include "../../lib/cgroup_isolator.h"

enum { SIZES_MAX = 16, NAME_SIZE = 16 };

/* A size of page that this machine has. */
struct pages {
	char name[NAME_SIZE]; /* as the files have it: "2MB" */
	int64_t bytes, limit; /* limit -1: none set */
};

/* A container that has more than a limit that was lowered. */
struct owing {
	struct by_id by; /* first member */
	int64_t limits[SIZES_MAX];
	char id[];
};

struct hugetlb {
	struct cgroups cg; /* first member */
	int by_resources;
	size_t n;
	struct pages v[SIZES_MAX];
	struct by_id_table owing;
	struct mz_timer *again; /* NULL: nobody owes */
};

static const int64_t again_ns = 5 * 1000000000LL;

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

/* -EBUSY: it has more. Then it gets no more than that. */
static int write_limit(const struct hugetlb *p, const char *id, const char *file, const char *used_file, int64_t limit,
		       struct mz_err *err)
{
	int64_t used;
	if (limit < 0)
		return cg_write(&p->cg.g, id, file, p->cg.g.version == 1 ? "-1" : "max", err);
	int rc = cg_write_int(&p->cg.g, id, file, limit, err);
	if (rc == -EBUSY && cg_read_int(&p->cg.g, id, used_file, &used, NULL) == 0)
		(void)cg_write_int(&p->cg.g, id, file, used, NULL);
	return rc;
}

/* Limits by size; -EBUSY: some could not be lowered so far. */
static int write_limits(const struct hugetlb *p, const char *id, const int64_t *limits, struct mz_err *err)
{
	char file[64], used[64];
	int busy = 0, rc = 0;
	for (size_t i = 0; i < p->n && rc == 0; i++) {
		const struct pages *s = &p->v[i];
		rc = write_limit(p, id, file_of(p, s, "limit_in_bytes", "max", file),
				 file_of(p, s, "usage_in_bytes", "current", used), limits[i], err);
		busy |= rc == -EBUSY;
		/* Where reservations count, mmap fails, instead of SIGBUS at the first touch. */
		(void)file_of(p, s, "rsvd.limit_in_bytes", "rsvd.max", file);
		if ((rc == 0 || rc == -EBUSY) && cg_has(&p->cg.g, id, file))
			rc = write_limit(p, id, file, file_of(p, s, "rsvd.usage_in_bytes", "rsvd.current", used), limits[i], err);
		busy |= rc == -EBUSY;
		rc = rc == -EBUSY ? 0 : rc;
	}
	return rc < 0 ? rc : busy ? -EBUSY : 0;
}

static void drop(void *inst, const char *id)
{
	struct hugetlb *p = inst;
	free(by_id_take(&p->owing, id));
}

static void on_again(void *arg)
{
	struct hugetlb *p = arg;
	struct mz_err err;
	p->again = NULL;
	for (struct by_id *b = by_id_empty(&p->owing), *next; b; b = next) {
		struct owing *o = (struct owing *)b;
		next = b->next;
		int rc = write_limits(p, o->id, o->limits, &err);
		if (rc == -EBUSY && by_id_add(&p->owing, &o->by, o->id) == 0)
			continue;
		if (rc < 0 && cg_exists(&p->cg.g, o->id))
			cg_log(p->cg.h, MZ_LOG_WARNING, "%s", err.msg);
		free(o);
	}
	if (p->owing.n)
		p->again = p->cg.h->timer(p->cg.h, again_ns, on_again, p);
}

/* Nobody loses pages because his limit was lowered: it follows when he has given some back. */
static int owe(struct hugetlb *p, const char *id, const int64_t *limits, struct mz_err *err)
{
	size_t size = strlen(id) + 1;
	struct owing *o = malloc(sizeof(*o) + size);
	if (!o)
		return cg_fail(err, -ENOMEM, "Out of memory");
	memcpy(o->limits, limits, sizeof(o->limits));
	memcpy(o->id, id, size);
	if (by_id_add(&p->owing, &o->by, o->id) < 0) {
		free(o);
		return cg_fail(err, -ENOMEM, "Out of memory");
	}
	cg_log(p->cg.h, MZ_LOG_INFO, "Container '%s' has more huge pages than its new limit; it gets no more until it has less", id);
	if (!p->again)
		p->again = p->cg.h->timer(p->cg.h, again_ns, on_again, p);
	return 0;
}

static int set_limits(void *inst, const struct mz_container *c, struct mz_err *err)
{
	struct hugetlb *p = inst;
	int64_t limits[SIZES_MAX] = {0};
	drop(p, c->id);
	for (size_t i = 0; i < p->n; i++)
		limits[i] = limit_of(p, c, &p->v[i]);
	int rc = write_limits(p, c->id, limits, err);
	return rc == -EBUSY ? owe(p, c->id, limits, err) : rc;
}

/* ---- telling ------------------------------------------------------------------------ */

static void put(const struct hugetlb *p, struct mz_usage *u, size_t i, const char *field, int64_t v)
{
	char path[64];
	(void)snprintf(path, sizeof(path), "hugetlb_statistics.%zu.%s", i, field);
	(void)p->cg.k->usage->set_integer(u, path, v);
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

static int measure(const struct hugetlb *p, const char *id, struct mz_usage *u, struct mz_err *err)
{
	char file[64], path[64];
	int rc = 0;
	for (size_t i = 0; i < p->n && rc == 0; i++) {
		const struct pages *s = &p->v[i];
		int64_t used, limit, most;
		rc = cg_read_int(&p->cg.g, id, file_of(p, s, "usage_in_bytes", "current", file), &used, err);
		if (rc < 0)
			break;
		(void)snprintf(path, sizeof(path), "hugetlb_statistics.%zu.page_size", i);
		(void)p->cg.k->usage->set_string(u, path, s->name);
		put(p, u, i, "usage_bytes", used);
		put(p, u, i, "failures", failures(p, id, s));
		/* v1 has a large number for no limit. */
		rc = cg_read_int(&p->cg.g, id, file_of(p, s, "limit_in_bytes", "max", file), &limit, err);
		if (rc == 0 && limit <= INT64_MAX / 2)
			put(p, u, i, "limit_bytes", limit);
		if (p->cg.g.version == 1 &&
		    cg_read_int(&p->cg.g, id, file_of(p, s, "max_usage_in_bytes", "", file), &most, NULL) == 0)
			put(p, u, i, "max_usage_bytes", most);
	}
	return rc;
}

static void usage(void *inst, const struct mz_container *c, struct mz_usage *u, struct mz_op *op)
{
	const struct hugetlb *p = inst;
	struct mz_err err;
	cgroups_answer(p->cg.h, op, cgroups_has(&p->cg.g, c) ? measure(p, c->id, u, &err) : 0, &err);
}

/* ---- life --------------------------------------------------------------------------- */

static void destroy(void *inst)
{
	struct hugetlb *p = inst;
	for (struct by_id *b = p ? by_id_empty(&p->owing) : NULL, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	if (p)
		p->cg.h->timer_cancel(p->cg.h, p->again);
	cgroups_destroy(inst);
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct hugetlb *p = cgroups_new(sizeof(*p), h, err);
	if (!p)
		return -ENOMEM;
	p->cg.limit = set_limits;
	p->cg.drop = drop;
	p->by_resources = (int)h->conf_int(conf, "by_resources");
	find_sizes(p);
	return cgroups_created(p, take_limits(p, conf, err), "hugetlb", inst, err);
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
	.usage = usage,
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
