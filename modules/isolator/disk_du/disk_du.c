/* disk_du.c - isolator/disk_du: measures from time to time how much disk a sandbox
 * takes, and ends containers that take more than they were given, if it is told to.
 *
 * Every container has a timer of its own; the walk is done on a worker thread.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "du.h"

/* Of TaskStatus. */
enum { REASON_CONTAINER_LIMITATION_DISK = 20 };

struct disk_du {
	const struct mz_host *h;
	const struct mz_isolator_host *k;
	int64_t interval_ns;
	int enforce;
	int64_t max_files; /* 0: any number */
	struct box *boxes;
	struct box *leaving; /* cleaned up while a worker has them */
	struct mz_metric *walks, *exceeded;
};

struct box {
	struct box *next;
	struct disk_du *d;
	char *id, *sandbox;
	int64_t limit_bytes; /* -1: none */
	int64_t used_bytes;  /* -1: not measured yet */
	struct mz_timer *timer;
	int walking; /* a worker has it */
	int gone;    /* among the leaving: free it when the worker is done */
	int told;    /* of the limitation */
	struct du walked;
	int walk_code;
};

static int out_of_memory(struct mz_err *err)
{
	*err = (struct mz_err){.code = -ENOMEM, .msg = "Out of memory"};
	return -ENOMEM;
}

static struct box **find(struct disk_du *d, const char *id)
{
	struct box **at = &d->boxes;
	while (*at && strcmp((*at)->id, id))
		at = &(*at)->next;
	return at;
}

static void box_free(struct box *b)
{
	b->d->h->timer_cancel(b->d->h, b->timer);
	free(b->id);
	free(b->sandbox);
	free(b);
}

static void on_due(void *arg);

static void wait_again(struct box *b)
{
	b->timer = b->d->h->timer(b->d->h, b->d->interval_ns, on_due, b);
}

/* What is wrong with what was measured: text, or nothing. */
static void find_fault(const struct box *b, char *text, size_t size)
{
	if (b->limit_bytes >= 0 && b->used_bytes > b->limit_bytes)
		snprintf(text, size, "Disk usage of the sandbox (%lldKB) is over the container's disk (%lldKB)",
			 (long long)b->used_bytes / 1024, (long long)b->limit_bytes / 1024);
	else if (b->d->max_files && b->walked.n_files > b->d->max_files)
		snprintf(text, size, "The sandbox holds more than %lld files (max_files of disk_du)",
			 (long long)b->d->max_files);
	else if (b->walked.too_deep)
		snprintf(text, size, "Directories of the sandbox are nested more than %d deep: what they hold cannot be measured",
			 DU_MAX_DEPTH);
}

static void judge(struct box *b)
{
	struct disk_du *d = b->d;
	char text[128] = "";
	if (d->enforce && !b->told)
		find_fault(b, text, sizeof(text));
	if (!text[0])
		return;
	struct mz_limitation l = {.size = sizeof(l), .reason = REASON_CONTAINER_LIMITATION_DISK, .message = text};
	b->told = 1;
	d->h->metric_add(d->exceeded, 1);
	d->k->limitation(d->h, b->id, &l);
}

static void walk_work(void *arg)
{
	struct box *b = arg;
	b->walk_code = du(b->sandbox, b->d->enforce ? b->d->max_files : 0, &b->walked);
}

static void forget(struct box *b)
{
	struct box **at = &b->d->leaving;
	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
	box_free(b);
}

static void on_walked(void *arg)
{
	struct box *b = arg;
	b->walking = 0;
	if (b->gone) {
		forget(b);
		return;
	}
	b->d->h->metric_add(b->d->walks, 1);
	if (b->walk_code == 0)
		b->used_bytes = b->walked.bytes;
	wait_again(b);
	judge(b); /* last: it may come back with cleanup */
}

static void on_due(void *arg)
{
	struct box *b = arg;
	b->timer = NULL;
	b->walking = b->d->h->offload(b->d->h, walk_work, on_walked, b) == 0;
	if (!b->walking)
		wait_again(b); /* the agent is busy: next time */
}

static int64_t limit_of(const struct disk_du *d, const struct mz_container *c)
{
	/* Thousandths of a MB; no disk at all means that nothing was asked for. */
	int64_t disk = c->resources ? d->k->resources->scalar(c->resources, "disk") : 0;
	return disk > 0 ? disk * 1048576 / 1000 : -1;
}

static int add(struct disk_du *d, const struct mz_container *c, struct mz_err *err)
{
	struct box *b = calloc(1, sizeof(*b));
	if (!b)
		return out_of_memory(err);
	b->d = d;
	b->id = strdup(c->id);
	b->sandbox = strdup(c->sandbox);
	b->limit_bytes = limit_of(d, c);
	b->used_bytes = -1;
	if (!b->id || !b->sandbox) {
		box_free(b);
		return out_of_memory(err);
	}
	b->next = d->boxes;
	d->boxes = b;
	wait_again(b);
	return 0;
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	(void)l;
	struct disk_du *d = inst;
	struct mz_err err;
	int rc = c->sandbox ? add(d, c, &err) : 0;
	d->h->op_done(op, rc < 0 ? &err : NULL, NULL);
}

static void recover(void *inst, const struct mz_container *const *v, size_t n, struct mz_op *op)
{
	struct disk_du *d = inst;
	struct mz_err err;
	int rc = 0;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = v[i]->sandbox ? add(d, v[i], &err) : 0;
	d->h->op_done(op, rc < 0 ? &err : NULL, NULL);
}

static void update(void *inst, const struct mz_container *c, struct mz_op *op)
{
	struct disk_du *d = inst;
	struct box *b = *find(d, c->id);
	if (b)
		b->limit_bytes = limit_of(d, c);
	d->h->op_done(op, NULL, NULL);
}

static void usage(void *inst, const struct mz_container *c, struct mz_usage *u, struct mz_op *op)
{
	struct disk_du *d = inst;
	const struct box *b = *find(d, c->id);
	if (b && b->limit_bytes >= 0)
		(void)d->k->usage->set_integer(u, "disk_limit_bytes", b->limit_bytes);
	if (b && b->used_bytes >= 0)
		(void)d->k->usage->set_integer(u, "disk_used_bytes", b->used_bytes);
	d->h->op_done(op, NULL, NULL);
}

static void cleanup(void *inst, const char *id, struct mz_op *op)
{
	struct disk_du *d = inst;
	struct box **at = find(d, id), *b = *at;
	if (b) {
		*at = b->next;
		if (b->walking) {
			b->gone = 1;
			b->next = d->leaving;
			d->leaving = b;
		} else {
			box_free(b);
		}
	}
	d->h->op_done(op, NULL, NULL);
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct disk_du *d = calloc(1, sizeof(*d));
	if (!d)
		return out_of_memory(err);
	d->h = h;
	d->k = h->kind;
	d->interval_ns = h->conf_int(conf, "interval");
	d->enforce = (int)h->conf_int(conf, "enforce");
	d->max_files = h->conf_int(conf, "max_files");
	d->walks = h->metric(h, MZ_METRIC_COUNTER, "walks");
	d->exceeded = h->metric(h, MZ_METRIC_COUNTER, "exceeded");
	*inst = d;
	return 0;
}

static void free_all(struct box *b)
{
	while (b) {
		struct box *next = b->next;
		box_free(b);
		b = next;
	}
}

static void destroy(void *inst)
{
	struct disk_du *d = inst;
	if (!d)
		return;
	/* The host has waited for running work; its done() will not be called. */
	free_all(d->boxes);
	free_all(d->leaving);
	free(d);
}

static const struct mz_setting settings[] = {
	MZ_SETTING(DURATION, "interval", "15secs", 1000000, 86400000000000, "time between two measurements of a sandbox"),
	MZ_SETTING(BOOL, "enforce", "false", 0, 0, "end containers whose sandbox takes more than their disk"),
	MZ_SETTING(INT, "max_files", "1000000", 0, 1000000000000,
		   "with enforce: end containers whose sandbox holds more files and directories; 0: any number"),
	MZ_SETTING_END,
};

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.recover = recover,
	.prepare = prepare,
	.update = update,
	.usage = usage,
	.cleanup = cleanup,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "disk_du",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Measures the disk that sandboxes take, and enforces the limit",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
