/* sandbox.c - the logger that is none: output goes straight into the files `stdout`
 * and `stderr` of the sandbox, which grow as they are written.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/logger.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct sandbox {
	const struct mz_host *host;
};

static int create(const struct mz_host *host, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	(void)conf;
	struct sandbox *s = calloc(1, sizeof(*s));
	if (!s) {
		err->code = -ENOMEM;
		snprintf(err->msg, sizeof(err->msg), "Out of memory");
		return -ENOMEM;
	}
	s->host = host;
	*inst = s;
	return 0;
}

static void destroy(void *inst)
{
	free(inst);
}

static void prepare(void *inst, const struct mz_container *c, struct mz_op *op)
{
	const struct sandbox *s = inst;
	(void)c;
	const struct mz_logger_result files = {
		.size = sizeof(files), .fd_out = -1, .fd_err = -1, .file_out = "stdout", .file_err = "stderr"};
	s->host->op_done(op, NULL, &files);
}

static const struct mz_logger_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.prepare = prepare,
	/* recover, ended: NULL, because nothing runs beside the container. */
};

MZ_MODULE = {
	MZ_MODULE_HEAD(LOGGER),
	.name = "sandbox",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Output goes to the files stdout and stderr of the sandbox",
	.ops = (const struct mz_ops *)&ops,
};
