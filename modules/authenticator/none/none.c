/* none.c - the authenticator for which everyone is anonymous.
 *
 * An Authorization header is neither needed nor looked at. It never refuses, so
 * it belongs at the end of a list of authenticators, or alone.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/authenticator.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct none {
	const struct mz_host *host;
};

static int none_create(const struct mz_host *host, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	(void)conf;
	struct none *n = calloc(1, sizeof(*n));
	if (!n) {
		err->code = -ENOMEM;
		snprintf(err->msg, sizeof(err->msg), "Out of memory");
		return -ENOMEM;
	}
	n->host = host;
	*inst = n;
	return 0;
}

static void none_destroy(void *inst)
{
	free(inst);
}

static void none_authenticate(void *inst, const struct mz_auth_request *r, struct mz_op *op)
{
	const struct none *n = inst;
	(void)r;
	/* An empty principal is the anonymous one. */
	const struct mz_auth_result result = {.size = sizeof(result), .verdict = MZ_AUTH_OK};
	n->host->op_done(op, NULL, &result);
}

static const struct mz_authenticator_ops ops = {
	.size = sizeof(ops),
	.create = none_create,
	.destroy = none_destroy,
	.authenticate = none_authenticate,
	/* credential: NULL, because there is none to show. */
};

MZ_MODULE = {
	MZ_MODULE_HEAD(AUTHENTICATOR),
	.name = "none",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Accepts everyone as anonymous",
	.ops = (const struct mz_ops *)&ops,
};
