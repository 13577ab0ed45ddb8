/* permissive.c - the authorizer that allows everything.
 *
 * The default of a cluster whose users all trust each other; it makes no
 * decision and keeps no state. Rules are the business of other authorizers.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/authorizer.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct permissive {
	const struct mz_host *host;
};

static int permissive_create(const struct mz_host *host, const struct mz_conf *conf, void **inst,
			     struct mz_err *err)
{
	(void)conf;
	struct permissive *p = calloc(1, sizeof(*p));
	if (!p) {
		err->code = -ENOMEM;
		snprintf(err->msg, sizeof(err->msg), "Out of memory");
		return -ENOMEM;
	}
	p->host = host;
	*inst = p;
	return 0;
}

static void permissive_destroy(void *inst)
{
	free(inst);
}

static void permissive_authorized(void *inst, int action, const struct mz_subject *s,
				  const struct mz_object *o, struct mz_op *op)
{
	const struct permissive *p = inst;
	(void)action;
	(void)s;
	(void)o;
	p->host->op_done(op, NULL, NULL);
}

static int permissive_allows(void *inst, int action, const struct mz_subject *s, const struct mz_object *o)
{
	(void)inst;
	(void)action;
	(void)s;
	(void)o;
	return 1;
}

static const struct mz_authorizer_ops ops = {
	.size = sizeof(ops),
	.create = permissive_create,
	.destroy = permissive_destroy,
	.authorized = permissive_authorized,
	.allows = permissive_allows,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(AUTHORIZER),
	.name = "permissive",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Allows every action of everyone",
	.ops = (const struct mz_ops *)&ops,
};
