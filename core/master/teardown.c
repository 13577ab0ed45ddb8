/* teardown.c - TEARDOWN: the end is on record before it is answered, and answered
 * before the stream closes, because clients take a stream that closes first for
 * an error.
 *
 *	record durable -> 202 -> removed
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/internal.h"

struct teardown {
	struct list in_master;
	struct master *m;
	mz_key framework;
	struct http_exchange *x;
};

static void teardown_free(struct teardown *t)
{
	list_remove(&t->in_master);
	free(t);
}

void teardowns_drop(struct master *m)
{
	list_each(&m->teardowns, struct teardown, in_master, t) {
		store_forget(m->store, t);
		http_reply_text(t->x, 503, "Master is ending");
		teardown_free(t);
	}
}

static void on_durable(void *arg)
{
	struct teardown *t = arg;
	struct framework *f = framework_by_key(t->m, t->framework);
	http_reply(t->x, 202, NULL, NULL, 0);
	if (f) /* a second call may have been faster */
		framework_remove(f, MASTER_FRAMEWORK_ON_TEARDOWN, "its scheduler asked for it");
	teardown_free(t);
}

void call_teardown(struct call_ctx *c, struct http_exchange *x)
{
	struct teardown *t = xnew(struct teardown);
	t->m = c->m;
	t->framework = c->f->key;
	t->x = x;
	list_append(&c->m->teardowns, &t->in_master);
	c->m->metrics.messages_unregister_framework++;
	framework_put(c->m, c->f->info, c->f->registered_time, loop_wall_secs(c->m->loop), on_durable, t);
}
