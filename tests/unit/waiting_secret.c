/* waiting_secret.c - for containers_busy_test: a resolver that takes its time. It has an
 * answer when there is a file "tell" in the agent's directory, which it removes, and
 * says with a file "asked" that it was asked.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#define MZ_MODULE_ABI 1
#include <fcntl.h>
#include <mezzo/secret.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct waiting {
	const struct mz_host *h;
	struct question *questions;
	char asked[300], tell[300];
};

struct question {
	struct question *next;
	struct waiting *w;
	const struct mz_secret_request *r;
	struct mz_op *op;
};

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	(void)conf;
	(void)err;
	const struct mz_secret_host *k = h->kind;
	struct waiting *w = calloc(1, sizeof(*w));
	w->h = h;
	snprintf(w->asked, sizeof(w->asked), "%s/asked", k->work_dir(h));
	snprintf(w->tell, sizeof(w->tell), "%s/tell", k->work_dir(h));
	*inst = w;
	return 0;
}

static void destroy(void *inst)
{
	struct waiting *w = inst;
	while (w && w->questions) {
		struct question *q = w->questions;
		w->questions = q->next;
		free(q);
	}
	free(w);
}

static void look(void *arg)
{
	struct question *q = arg, **at = &q->w->questions;
	const struct mz_host *h = q->w->h;
	if (unlink(q->w->tell) < 0) {
		h->timer(h, 1000000, look, q);
		return;
	}
	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	q->r->put(q->r->arg, (struct mz_bytes){"told", 4});
	h->op_done(q->op, NULL, NULL);
	free(q);
}

static void resolve(void *inst, const struct mz_secret_request *r, struct mz_op *op)
{
	struct waiting *w = inst;
	struct question *q = calloc(1, sizeof(*q));
	*q = (struct question){.next = w->questions, .w = w, .r = r, .op = op};
	w->questions = q;
	close(open(w->asked, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	look(q);
}

static const struct mz_secret_ops ops = {.size = sizeof(ops), .create = create, .destroy = destroy, .resolve = resolve};

MZ_MODULE = {
	MZ_MODULE_HEAD(SECRET),
	.name = "waiting",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Takes its time",
	.ops = (const struct mz_ops *)&ops,
};
