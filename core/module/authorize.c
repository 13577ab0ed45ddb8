/* authorize.c - see authorize.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "module/authorize.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"

static const int64_t DEADLINE_NS = 30000000000;

struct question {
	struct list node; /* in `open` */
	struct mz_op *op;
	authorize_fn fn;
	void *arg;
};

static void on_authorized(void *arg, const struct mz_err *err, const void *result)
{
	struct question *q = arg;
	(void)result;
	list_remove(&q->node);
	q->fn(q->arg, err);
	free(q);
}

void authorize_ask(const struct module_authorizer *m, struct list *open, int action, const char *principal,
		   const struct mz_object *o, authorize_fn fn, void *arg)
{
	if (!m->m) {
		fn(arg, NULL);
		return;
	}
	struct mz_subject s = {.size = sizeof(s), .principal = principal};
	struct question *q = xnew(struct question);
	*q = (struct question){.fn = fn, .arg = arg};
	list_append(open, &q->node);
	q->op = module_op_new(m->m, "authorized", DEADLINE_NS, 0, on_authorized, q);
	MODULE_CALL(m, authorized, action, &s, o, q->op);
}

void authorize_drop(struct list *open, bool tell)
{
	struct mz_err err;
	mz_fail(&err, -ECANCELED, "It was asked of somebody who has ended");
	while (!list_empty(open)) {
		struct question *q = list_first(open, struct question, node);
		list_remove(&q->node);
		module_op_forget(q->op);
		if (tell)
			q->fn(q->arg, &err);
		free(q);
	}
}

bool authorize_view(const struct module_authorizer *m, int action, const char *principal, const struct mz_object *o)
{
	struct mz_subject s = {.size = sizeof(s), .principal = principal};
	return !m->m || MODULE_CALL(m, allows, action, &s, o) != 0;
}
