/* hello.c - isolator/hello: greets every container, and counts them.
 *
 * In each container the variable HELLO is set, and a file `hello.txt` lies in its
 * sandbox while it runs. The tutorial docs/modules.md makes this file step by step.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One container that was greeted. */
struct guest {
	struct guest *next;
	char *id;
	char *file;
};

/* The instance. There are no globals: the module may be loaded twice. */
struct hello {
	const struct mz_host *host;
	const struct mz_isolator_host *isolator;
	const char *greeting;
	struct mz_metric *guests;
	struct guest *first;
};

static int create(const struct mz_host *host, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct hello *h = calloc(1, sizeof(*h));
	if (!h) {
		snprintf(err->msg, sizeof(err->msg), "Out of memory");
		return err->code = -ENOMEM;
	}
	h->host = host;
	h->isolator = host->kind;
	h->greeting = host->conf_str(conf, "greeting");
	h->guests = host->metric(host, MZ_METRIC_COUNTER, "guests");
	*inst = h;
	return 0;
}

static void guest_free(struct guest *g)
{
	free(g->id);
	free(g->file);
	free(g);
}

static void destroy(void *inst)
{
	struct hello *h = inst;
	while (h && h->first) {
		struct guest *g = h->first;
		h->first = g->next;
		guest_free(g);
	}
	free(h);
}

static void finish(struct hello *h, struct mz_op *op, int error, const char *what)
{
	struct mz_err err = {.code = -error};
	if (error)
		snprintf(err.msg, sizeof(err.msg), "%s: %s", what, strerror(error));
	h->host->op_done(op, error ? &err : NULL, NULL);
}

static struct guest *guest_new(const struct mz_container *c)
{
	struct guest *g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	g->id = strdup(c->id);
	if (asprintf(&g->file, "%s/hello.txt", c->sandbox) < 0)
		g->file = NULL;
	if (g->id && g->file)
		return g;
	guest_free(g);
	return NULL;
}

static int write_file(const struct hello *h, const struct guest *g)
{
	FILE *f = fopen(g->file, "we");
	if (!f)
		return errno;
	fprintf(f, "%s, %s!\n", h->greeting, g->id);
	return fclose(f) == 0 ? 0 : errno;
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct hello *h = inst;
	struct guest *g = guest_new(c);
	int error = g ? write_file(h, g) : ENOMEM;
	if (!error)
		error = -h->isolator->launch_env(l, "HELLO", h->greeting);
	if (g) {
		g->next = h->first;
		h->first = g;
	}
	if (!error)
		h->host->metric_add(h->guests, 1);
	finish(h, op, error, "Cannot greet the container");
}

static void cleanup(void *inst, const char *container_id, struct mz_op *op)
{
	struct hello *h = inst;
	for (struct guest **p = &h->first; *p; p = &(*p)->next) {
		struct guest *g = *p;
		if (strcmp(g->id, container_id) != 0)
			continue;
		*p = g->next;
		(void)unlink(g->file); /* the container may have removed it */
		guest_free(g);
		break;
	}
	finish(h, op, 0, NULL); /* an unknown container is none of our business */
}

static const struct mz_setting settings[] = {
	MZ_SETTING(STRING, "greeting", "Hello", 0, 0, "What containers are greeted with"),
	MZ_SETTING_END,
};

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.prepare = prepare,
	.cleanup = cleanup,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "hello",
	.version = "1.0",
	.author = "A vendor",
	.summary = "Greets every container",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
