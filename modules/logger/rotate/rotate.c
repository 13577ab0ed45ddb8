/* rotate.c - logger/rotate: gives each container two pipes, and a process that outlives
 * the agent (mezzo-logger) at their other ends. This module starts it, hears from it
 * whether it can write, replaces it if it is killed, and at the container's end waits for
 * it; the writing and rotating is all mezzo-logger's.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rotate.h"

int refuse_with(struct mz_err *err, int code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	err->code = code < 0 ? code : -code;
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return err->code;
}

void say(struct rotate *r, int level, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->h->log(r->h, level, text);
}

static void prepare(void *inst, const struct mz_container *c, struct mz_op *op)
{
	struct rotate *r = inst;
	struct options o = r->defaults;
	struct mz_err err;
	struct log *l = NULL;
	int rc = override_apply(c, r->prefix, &o, &err);
	if (rc == 0)
		rc = log_new(r, c->id, &l, &err);
	if (rc == 0)
		rc = log_set_args(l, c, &o, &err);
	if (rc == 0) {
		l->op = op;
		rc = log_start(l, &err);
	}
	if (rc == 0)
		return;
	if (l)
		log_free(l);
	r->h->op_done(op, &err, NULL);
}

static void ended(void *inst, const char *id, struct mz_op *op)
{
	struct rotate *r = inst;
	struct log *l = log_find(r, id);
	/* It failed, or nobody knows of its process any more; or it is asked for twice. */
	if (!l || (l->op && l->out < 0)) {
		r->h->op_done(op, NULL, NULL);
	} else if (l->op) {
		log_cancel(l);
		r->h->op_done(op, NULL, NULL);
	} else {
		l->op = op;
		log_end(l);
	}
}

static void recover(void *inst, const struct mz_container *const *v, size_t n, struct mz_op *op)
{
	(void)v, (void)n;
	struct rotate *r = inst;
	struct mz_err err;
	int rc = log_recover_all(r);
	if (rc < 0)
		refuse_with(&err, rc, "Cannot find the loggers that run: error %d", -rc);
	r->h->op_done(op, rc < 0 ? &err : NULL, NULL);
}

/* ---- the instance ------------------------------------------------------------------------- */

static void destroy(void *inst)
{
	struct rotate *r = inst;
	if (!r)
		return;
	for (struct by_id *b = by_id_empty(&r->logs), *next; b; b = next) {
		next = b->next;
		log_free((struct log *)b); /* the process goes on */
	}
	free(r->helper);
	free(r);
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct rotate *r = calloc(1, sizeof(*r));
	if (!r)
		return refuse_with(err, -ENOMEM, "Out of memory");
	r->h = h;
	r->k = h->kind;
	r->prefix = h->conf_str(conf, "prefix");
	r->defaults = (struct options){
		.out = {h->conf_int(conf, "max_stdout_size"), h->conf_int(conf, "max_stdout_files")},
		.err = {h->conf_int(conf, "max_stderr_size"), h->conf_int(conf, "max_stderr_files")},
		.compress = (int)h->conf_int(conf, "compress"),
		.timestamps = (int)h->conf_int(conf, "timestamps"),
	};
	const char *path = h->conf_str(conf, "helper");
	if (path[0])
		r->helper = strdup(path);
	else if (asprintf(&r->helper, "%s/mezzo-logger", r->k->libexec_dir(h)) < 0)
		r->helper = NULL;
	r->running = h->metric(h, MZ_METRIC_GAUGE, "loggers");
	r->restarts = h->metric(h, MZ_METRIC_COUNTER, "restarts");
	int rc = 0;
	if (!r->helper)
		rc = refuse_with(err, -ENOMEM, "Out of memory");
	else if (access(r->helper, X_OK) < 0)
		rc = refuse_with(err, -errno, "Cannot execute '%.180s': set 'helper' to where mezzo-logger is", r->helper);
	if (rc < 0) {
		destroy(r);
		return rc;
	}
	*inst = r;
	return 0;
}

static const struct mz_setting settings[] = {
	MZ_SETTING(BYTES, "max_stdout_size", "10MB", ROTATE_PAGE, INT64_MAX, "largest stdout before another file is begun"),
	MZ_SETTING(BYTES, "max_stderr_size", "10MB", ROTATE_PAGE, INT64_MAX, "the same for stderr"),
	MZ_SETTING(INT, "max_stdout_files", "5", 0, ROTATE_MAX_FILES, "older ones that are kept: stdout.1, stdout.2 …"),
	MZ_SETTING(INT, "max_stderr_files", "5", 0, ROTATE_MAX_FILES, "the same for stderr"),
	MZ_SETTING(BOOL, "compress", "false", 0, 0, "older ones are compressed with gzip: stdout.1.gz …"),
	MZ_SETTING(BOOL, "timestamps", "false", 0, 0, "each line begins with the time (UTC) at which it came"),
	MZ_SETTING(STRING, "prefix", "CONTAINER_LOGGER_", 0, 0,
		   "variables of a task that begin with it change all of this for its container"),
	MZ_SETTING(STRING, "helper", "", 0, 0, "mezzo-logger; empty: the installed one"),
	MZ_SETTING_END,
};

static const struct mz_logger_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.recover = recover,
	.prepare = prepare,
	.ended = ended,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(LOGGER),
	.name = "rotate",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Output goes to files of the sandbox that are rotated by size",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
