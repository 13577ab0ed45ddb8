/* naughty.c - an isolator that breaks the contract in one way, with
 * -DNAUGHTY_<name>: what mezzo-module-check must find.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct inst {
	const struct mz_host *host;
	struct mz_op *kept;
};

#ifdef NAUGHTY_global
static int n_instances;
#endif
#ifdef NAUGHTY_exports
MZ_EXPORT int another_symbol(void);
int another_symbol(void)
{
	return 1;
}
#endif

static int create(const struct mz_host *host, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct inst *i = calloc(1, sizeof(*i));
	(void)conf;
	if (!i)
		return err->code = -ENOMEM;
	i->host = host;
#ifdef NAUGHTY_global
	n_instances++;
#endif
	*inst = i;
	return 0;
}

static void destroy(void *inst)
{
	free(inst);
}

static void cleanup(void *inst, const char *id, struct mz_op *op)
{
	struct inst *i = inst;
	(void)id;
#ifdef NAUGHTY_unknown
	if (strncmp(id, "kit-", 4) != 0) {
		struct mz_err err = {.code = -ENOENT, .msg = "Never heard of it"};
		i->host->op_done(op, &err, NULL);
		return;
	}
#endif
#ifdef NAUGHTY_never
	i->kept = op;
#else
	i->host->op_done(op, NULL, NULL);
#endif
#ifdef NAUGHTY_twice
	i->host->op_done(op, NULL, NULL);
#endif
}

static const struct mz_setting settings[] = {
	MZ_SETTING(INT, "limit", "1", 1, 10, "A limit"),
	MZ_SETTING_END,
};

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.cleanup = cleanup,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "naughty",
	.version = "1",
	.author = "Tests",
	.summary = "Breaks the contract in one way",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
