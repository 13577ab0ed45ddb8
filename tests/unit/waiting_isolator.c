/* waiting_isolator.c - for containers_update_test: an isolator that writes down into
 * the sandbox, in the file "updates", how many cpus it is told of, and is done with that
 * when somebody has made the file "go" there, which it removes; or "fail": it fails then.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#define MZ_MODULE_ABI 1
#include <errno.h>
#include <mezzo/isolator.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct waiting {
	const struct mz_host *h;
	const struct mz_isolator_host *k;
};

struct wait {
	struct waiting *w;
	struct mz_op *op;
	char go[500], fail[500];
};

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	(void)conf;
	(void)err;
	struct waiting *w = calloc(1, sizeof(*w));
	w->h = h;
	w->k = h->kind;
	*inst = w;
	return 0;
}

static void look(void *arg)
{
	static const struct mz_err err = {.code = -ENOENT, .msg = "There is no such file"};
	struct wait *x = arg;
	int fails = unlink(x->fail) == 0;
	if (!fails && unlink(x->go) < 0) {
		x->w->h->timer(x->w->h, 1000000, look, x);
		return;
	}
	x->w->h->op_done(x->op, fails ? &err : NULL, NULL);
	free(x);
}

static void note(struct waiting *w, const struct mz_container *c, struct mz_op *op)
{
	struct wait *x = calloc(1, sizeof(*x));
	x->w = w;
	x->op = op;
	char path[500];
	snprintf(path, sizeof(path), "%s/updates", c->sandbox);
	FILE *f = fopen(path, "a");
	fprintf(f, "%lld\n", (long long)w->k->resources->scalar(c->resources, "cpus") / 1000);
	fclose(f);
	snprintf(x->go, sizeof(x->go), "%s/go", c->sandbox);
	snprintf(x->fail, sizeof(x->fail), "%s/fail", c->sandbox);
	look(x);
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	(void)l;
	note(inst, c, op);
}

static void update(void *inst, const struct mz_container *c, struct mz_op *op)
{
	note(inst, c, op);
}

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops), .create = create, .destroy = free, .prepare = prepare, .update = update};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "waiting",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Takes its time",
	.ops = (const struct mz_ops *)&ops,
};
