/* environment_secret.c - isolator/environment_secret: variables of type SECRET in the
 * environment of a container's command.
 *
 * The agent's resolver is asked for one after the other while the container is
 * prepared. Values go into the launch description only, which is in memory.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "../answer.h"

struct environment_secret {
	const struct mz_host *h;
	const struct mz_isolator_host *k;
	struct job *jobs;
	struct mz_metric *resolved;
};

/* One container that is being prepared; `c` lives until op is completed. */
struct job {
	struct job *next;
	struct environment_secret *e;
	const struct mz_container *c;
	struct mz_launch *l;
	struct mz_op *op;
	size_t i, n; /* variables */
};

static void job_free(struct job *j)
{
	struct job **at = &j->e->jobs;
	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
	free(j);
}

static void job_end(struct job *j, const struct mz_err *err)
{
	const struct mz_host *h = j->e->h;
	struct mz_op *op = j->op;
	job_free(j);
	h->op_done(op, err, NULL);
}

static const char *name_of(const struct job *j)
{
	char path[64];
	snprintf(path, sizeof(path), "environment.variables.%zu.name", j->i);
	const char *name = j->e->k->info->str(j->c->command, path);
	return name ? name : "";
}

/* The text goes through memory of our own, which is wiped: it needs an end. */
static int set(struct job *j, struct mz_bytes secret, struct mz_err *err)
{
	const char *name = name_of(j);
	if (secret.size && memchr(secret.data, 0, secret.size))
		return iso_error(err, -EINVAL, "command.environment.variables[%zu] '%.80s': the secret has a NUL byte", j->i,
			    name);
	char *value = malloc(secret.size + 1);
	if (!value)
		return iso_no_memory(err);
	if (secret.size)
		memcpy(value, secret.data, secret.size);
	value[secret.size] = '\0';
	int rc = j->e->k->launch_env(j->l, name, value);
	explicit_bzero(value, secret.size);
	free(value);
	if (rc < 0)
		return iso_error(err, rc, "command.environment.variables[%zu] '%.80s': %s", j->i, name,
			    rc == -EEXIST ? "set to something else as well" : strerror(-rc));
	j->e->h->metric_add(j->e->resolved, 1);
	return 0;
}

static void next(struct job *j);

static void on_secret(void *arg, const struct mz_err *err, struct mz_bytes secret)
{
	struct job *j = arg;
	struct mz_err e;
	if (err)
		iso_error(&e, err->code, "command.environment.variables[%zu] '%.60s': %.150s", j->i, name_of(j), err->msg);
	if (err || set(j, secret, &e) < 0) {
		job_end(j, &e);
		return;
	}
	j->i++;
	next(j);
}

static void next(struct job *j)
{
	const struct environment_secret *e = j->e;
	char path[64];
	for (; j->i < j->n; j->i++) {
		snprintf(path, sizeof(path), "environment.variables.%zu.type", j->i);
		const char *type = e->k->info->str(j->c->command, path);
		if (type && !strcmp(type, "SECRET"))
			break;
	}
	if (j->i == j->n) {
		job_end(j, NULL);
		return;
	}
	snprintf(path, sizeof(path), "environment.variables.%zu.secret", j->i);
	e->k->secret(e->h, j->c->command, path, on_secret, j);
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct environment_secret *e = inst;
	struct mz_err err;
	struct job *j = calloc(1, sizeof(*j));
	if (!j) {
		iso_end(e->h, op, iso_no_memory(&err), &err);
		return;
	}
	*j = (struct job){.next = e->jobs, .e = e, .c = c, .l = l, .op = op};
	e->jobs = j;
	j->n = c->command ? e->k->info->count(c->command, "environment.variables") : 0;
	next(j);
}

static uint32_t flags(void *inst)
{
	(void)inst;
	return MZ_ISOLATOR_NESTED | MZ_ISOLATOR_STANDALONE;
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	(void)conf;
	struct environment_secret *e = calloc(1, sizeof(*e));
	if (!e)
		return iso_no_memory(err);
	e->h = h;
	e->k = h->kind;
	e->resolved = h->metric(h, MZ_METRIC_COUNTER, "resolved");
	*inst = e;
	return 0;
}

static void destroy(void *inst)
{
	struct environment_secret *e = inst;
	while (e && e->jobs)
		job_free(e->jobs);
	free(e);
}

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.flags = flags,
	.prepare = prepare,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "environment_secret",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Variables of type SECRET in the environment of containers",
	.ops = (const struct mz_ops *)&ops,
};
