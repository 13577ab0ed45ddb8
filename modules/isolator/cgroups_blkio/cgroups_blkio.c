/* cgroups_blkio.c - isolator/cgroups_blkio: what a container reads from and writes to
 * block devices, and how fast: v1 blkio.throttle.*, v2 io.stat and io.max.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../lib/cgroup_isolator.h"

enum { DEVICES_MAX = 64, OP_TOTAL = 0, OP_READ, OP_WRITE, OP_SYNC, OP_ASYNC, OP_DISCARD, N_OPS };
enum { SERVICED = 0, BYTES, N_LISTS };
enum { N_LIMITS = 4 };

static const char *const op_names[N_OPS] = {"TOTAL", "READ", "WRITE", "SYNC", "ASYNC", "DISCARD"};

struct blkio {
	struct cgroups cg; /* first member */
	int counting; /* v1: the kernel was made to count */
	int64_t limits[N_LIMITS]; /* a second, of each disk; 0: none */
};

/* One device, or the sum of all (major -1). */
struct device {
	int major, minor;
	int64_t v[N_LISTS][N_OPS]; /* -1: unknown */
};

struct table {
	size_t n;
	struct device d[DEVICES_MAX];
};

static struct device *device_of(struct table *t, int major, int minor)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->d[i].major == major && t->d[i].minor == minor)
			return &t->d[i];
	if (t->n + (major >= 0) >= DEVICES_MAX) /* the last one is for the sum */
		return NULL;
	struct device *d = &t->d[t->n++];
	d->major = major;
	d->minor = minor;
	for (size_t l = 0; l < N_LISTS; l++)
		for (size_t o = 0; o < N_OPS; o++)
			d->v[l][o] = -1;
	return d;
}

/* ---- v1 ---------------------------------------------------------------------------- */

static int op_of(const char *name)
{
	static const char *const names[N_OPS] = {"Total", "Read", "Write", "Sync", "Async", "Discard"};
	for (int i = 0; i < N_OPS; i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
}

/* "254:0 Read 4096" and, last, "Total 4096". */
static void take_v1(struct table *t, int list, char *text)
{
	char *save = NULL;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		int major = -1, minor = -1;
		char name[16];
		long long v;
		if (sscanf(line, "%d:%d %15s %lld", &major, &minor, name, &v) != 4) {
			major = minor = -1;
			if (sscanf(line, "%15s %lld", name, &v) != 2)
				continue;
		}
		int op = op_of(name);
		struct device *d = op < 0 ? NULL : device_of(t, major, minor);
		if (d)
			d->v[list][op] = v;
	}
}

static int read_v1(const struct blkio *p, const char *id, struct table *t, struct mz_err *err)
{
	/* With what is nested in it, where the kernel counts that. */
	static const char *const files[N_LISTS][2] = {
		{"blkio.throttle.io_serviced_recursive", "blkio.throttle.io_serviced"},
		{"blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"}};
	char text[CG_TEXT_SIZE];
	for (int list = 0; list < N_LISTS; list++) {
		const char *file = files[list][cg_has(&p->cg.g, id, files[list][0]) ? 0 : 1];
		int rc = cg_read(&p->cg.g, id, file, text, sizeof(text), err);
		if (rc < 0)
			return rc;
		take_v1(t, list, text);
	}
	return 0;
}

/* ---- v2 ---------------------------------------------------------------------------- */

static void take_word(struct device *d, struct device *sum, const char *word)
{
	static const struct {
		const char *name;
		int list, op;
	} words[] = {{"rbytes", BYTES, OP_READ},  {"wbytes", BYTES, OP_WRITE},	{"dbytes", BYTES, OP_DISCARD},
		     {"rios", SERVICED, OP_READ}, {"wios", SERVICED, OP_WRITE}, {"dios", SERVICED, OP_DISCARD}};
	char name[16];
	long long v;
	if (sscanf(word, "%15[a-z]=%lld", name, &v) != 2)
		return;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i].name, name) != 0)
			continue;
		int64_t *total = &d->v[words[i].list][OP_TOTAL], *all = &sum->v[words[i].list][OP_TOTAL];
		d->v[words[i].list][words[i].op] = v;
		*total = (*total < 0 ? 0 : *total) + v;
		*all = (*all < 0 ? 0 : *all) + v;
	}
}

/* "254:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0" */
static int read_v2(const struct blkio *p, const char *id, struct table *t, struct mz_err *err)
{
	char text[CG_TEXT_SIZE], *lines = NULL, *words = NULL;
	struct device sum = {.major = -1, .minor = -1, .v = {{0}}};
	int rc = cg_read(&p->cg.g, id, "io.stat", text, sizeof(text), err);
	if (rc < 0)
		return rc;
	for (char *line = strtok_r(text, "\n", &lines); line; line = strtok_r(NULL, "\n", &lines)) {
		int major, minor;
		struct device *d = sscanf(line, "%d:%d ", &major, &minor) == 2 ? device_of(t, major, minor) : NULL;
		for (char *w = strtok_r(line, " ", &words); w && d; w = strtok_r(NULL, " ", &words))
			take_word(d, &sum, w);
	}
	struct device *all = device_of(t, -1, -1);
	for (size_t l = 0; l < N_LISTS && all; l++)
		all->v[l][OP_TOTAL] = sum.v[l][OP_TOTAL];
	return 0;
}

/* ---- telling ------------------------------------------------------------------------ */

static void put_list(const struct blkio *p, struct mz_usage *u, size_t i, const char *list, const int64_t *v)
{
	char path[128];
	int n = 0;
	for (size_t op = 0; op < N_OPS; op++) {
		if (v[op] < 0)
			continue;
		(void)snprintf(path, sizeof(path), "blkio_statistics.throttling.%zu.%s.%d.op", i, list, n);
		(void)p->cg.k->usage->set_string(u, path, op_names[op]);
		(void)snprintf(path, sizeof(path), "blkio_statistics.throttling.%zu.%s.%d.value", i, list, n++);
		(void)p->cg.k->usage->set_integer(u, path, v[op]);
	}
}

static void put_table(const struct blkio *p, struct mz_usage *u, const struct table *t)
{
	char path[128];
	for (size_t i = 0; i < t->n; i++) {
		const struct device *d = &t->d[i];
		if (d->major >= 0) {
			(void)snprintf(path, sizeof(path), "blkio_statistics.throttling.%zu.device.major_number", i);
			(void)p->cg.k->usage->set_integer(u, path, d->major);
			(void)snprintf(path, sizeof(path), "blkio_statistics.throttling.%zu.device.minor_number", i);
			(void)p->cg.k->usage->set_integer(u, path, d->minor);
		}
		put_list(p, u, i, "io_serviced", d->v[SERVICED]);
		put_list(p, u, i, "io_service_bytes", d->v[BYTES]);
	}
}

static void usage(void *inst, const struct mz_container *c, struct mz_usage *u, struct mz_op *op)
{
	struct blkio *p = inst;
	struct mz_err err;
	struct table t = {.n = 0};
	int rc = 0;
	if (cgroups_has(&p->cg.g, c))
		rc = p->cg.g.version == 1 ? read_v1(p, c->id, &t, &err) : read_v2(p, c->id, &t, &err);
	if (rc == 0)
		put_table(p, u, &t);
	cgroups_answer(p->cg.h, op, rc, &err);
}

/* ---- limits --------------------------------------------------------------------------- */

static const struct {
	const char *setting, *v1, *v2;
} limit_names[N_LIMITS] = {
	{"read_bytes", "blkio.throttle.read_bps_device", "rbps"},
	{"write_bytes", "blkio.throttle.write_bps_device", "wbps"},
	{"read_operations", "blkio.throttle.read_iops_device", "riops"},
	{"write_operations", "blkio.throttle.write_iops_device", "wiops"},
};

/* "254:0" of each disk; those that are in memory or files are none. */
static size_t find_disks(char disks[DEVICES_MAX][16])
{
	DIR *dir = opendir("/sys/block");
	struct dirent *e;
	size_t n = 0;
	while (dir && n < DEVICES_MAX && (e = readdir(dir))) {
		char path[512];
		if (e->d_name[0] == '.' || !strncmp(e->d_name, "loop", 4) || !strncmp(e->d_name, "ram", 3) ||
		    !strncmp(e->d_name, "zram", 4))
			continue;
		(void)snprintf(path, sizeof(path), "/sys/block/%s/dev", e->d_name);
		if (cg_read_path(path, disks[n], sizeof(disks[n]), NULL) > 0)
			n++;
	}
	if (dir)
		(void)closedir(dir);
	return n;
}

/* Since 6.10 the kernel counts for a disk only once some group has a limit for it. Ours
 * gets one that no disk reaches. Whatever fails here costs figures only. */
static void start_counting(struct blkio *p, char disks[DEVICES_MAX][16], size_t n)
{
	char text[64];
	for (size_t i = 0; i < n && !p->counting && p->cg.g.version == 1; i++) {
		(void)snprintf(text, sizeof(text), "%.15s %lld", disks[i], (long long)INT64_MAX);
		(void)cg_write(&p->cg.g, NULL, limit_names[1].v1, text, NULL);
	}
	p->counting = 1;
}

static int limit_disk(const struct blkio *p, const char *id, const char *disk, struct mz_err *err)
{
	char text[160];
	int rc = 0, len = snprintf(text, sizeof(text), "%.15s", disk);
	for (size_t i = 0; i < N_LIMITS && rc == 0; i++) {
		if (!p->limits[i])
			continue;
		if (p->cg.g.version == 2) {
			len += snprintf(text + len, sizeof(text) - (size_t)len, " %s=%lld", limit_names[i].v2, (long long)p->limits[i]);
		} else {
			(void)snprintf(text, sizeof(text), "%s %lld", disk, (long long)p->limits[i]);
			rc = cg_write(&p->cg.g, id, limit_names[i].v1, text, err);
		}
	}
	return p->cg.g.version == 2 ? cg_write(&p->cg.g, id, "io.max", text, err) : rc;
}

static int set_limits(void *inst, const struct mz_container *c, struct mz_err *err)
{
	struct blkio *p = inst;
	char disks[DEVICES_MAX][16];
	int any = 0, rc = 0;
	for (size_t i = 0; i < N_LIMITS; i++)
		any |= p->limits[i] > 0;
	if (!any && p->counting)
		return 0;
	size_t n = find_disks(disks);
	start_counting(p, disks, n);
	for (size_t i = 0; i < n && any && rc == 0; i++) {
		rc = limit_disk(p, c->id, disks[i], err);
		/* It went away, or is one without a queue. */
		if (rc == -ENODEV || rc == -ENXIO || rc == -EOPNOTSUPP)
			rc = 0;
	}
	return rc;
}

/* ---- life ---------------------------------------------------------------------------- */

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct blkio *p = cgroups_new(sizeof(*p), h, err);
	if (!p)
		return -ENOMEM;
	p->cg.limit = set_limits;
	for (size_t i = 0; i < N_LIMITS; i++)
		p->limits[i] = h->conf_int(conf, limit_names[i].setting);
	/* The controller was renamed for v2. */
	int rc = cgroups_find(&p->cg.g, h, "blkio", err);
	return rc == -ENOENT ? cgroups_created(p, 0, "io", inst, err) : cgroups_created(p, rc, NULL, inst, err);
}

static const struct mz_setting settings[] = {
	MZ_SETTING(BYTES, "read_bytes", "0", 0, 1LL << 50, "What a container may read from each disk in a second; 0: no limit"),
	MZ_SETTING(BYTES, "write_bytes", "0", 0, 1LL << 50, "What it may write to each disk in a second; 0: no limit"),
	MZ_SETTING(INT, "read_operations", "0", 0, 1000000000, "How often it may read from each disk in a second; 0: no limit"),
	MZ_SETTING(INT, "write_operations", "0", 0, 1000000000, "How often it may write to each disk in a second; 0: no limit"),
	MZ_SETTING_END,
};

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = cgroups_destroy,
	.flags = cgroups_flags,
	.recover = cgroups_recover,
	.prepare = cgroups_prepare,
	.usage = usage,
	.cleanup = cgroups_cleanup,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "cgroups_blkio",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Counts and limits a container's reads and writes of block devices, by cgroups",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
