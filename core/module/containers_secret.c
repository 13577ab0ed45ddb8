/* containers_secret.c - what secrets stand for: an isolator's question goes on to the
 * configured resolver (<mezzo/secret.h>), and the answer back. What passes
 * through is wiped, and is in no log.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "loop/loop.h"
#include "module/containers_impl.h"

enum { PATH_SIZE = 512 };

struct question {
	struct list link; /* in containers_real.secrets */
	struct containers_real *r;
	struct mz_secret_request q;
	char *name, *key;
	void *value; /* as the framework wrote it */
	size_t value_size;
	void *secret; /* as the resolver gave it */
	size_t secret_size;
	int put; /* times; -1: it was too large */
	struct mz_err err; /* answered without the resolver */
	void (*fn)(void *arg, const struct mz_err *err, struct mz_bytes secret);
	void *arg;
};

static void wipe(void *data, size_t size)
{
	if (data)
		explicit_bzero(data, size);
	free(data);
}

static void question_free(struct question *q)
{
	list_remove(&q->link);
	wipe(q->value, q->value_size);
	wipe(q->secret, q->secret_size);
	free(q->name);
	free(q->key);
	free(q);
}

static void answer(struct question *q, const struct mz_err *err)
{
	struct mz_bytes none = {NULL, 0}, secret = {q->secret, q->secret_size};
	q->fn(q->arg, err, err ? none : secret);
	question_free(q);
}

static void on_put(void *arg, struct mz_bytes secret)
{
	struct question *q = arg;
	if (q->put || secret.size > MZ_SECRET_MAX) {
		q->put = -1;
		return;
	}
	q->put = 1;
	q->secret = xcalloc(1, secret.size + 1);
	q->secret_size = secret.size;
	if (secret.size)
		memcpy(q->secret, secret.data, secret.size);
}

static void on_resolved(void *arg, const struct mz_err *err, const void *result)
{
	(void)result;
	struct question *q = arg;
	struct mz_err bad;
	if (!err && q->put != 1) {
		mz_fail(&bad, -EPROTO, "Resolver '%s' gave no secret, several, or one over %d bytes",
			module_name(q->r->secret.m), MZ_SECRET_MAX);
		err = &bad;
	}
	if (real_is_late(err)) {
		q->put = -1; /* what it puts into it now is dropped */
		q->fn(q->arg, err, (struct mz_bytes){NULL, 0});
		return;
	}
	answer(q, err);
}

static void on_refused(void *arg)
{
	struct question *q = arg;
	struct containers_real *r = q->r;
	if (!r->closing)
		answer(q, &q->err);
	else
		question_free(q);
	real_pending_end(r);
}

/* Reads the message; what is wrong with it is in q->err. */
static void read_secret(struct question *q, const struct mz_info *m, const char *path)
{
	const struct mz_info_api *api = info_api();
	char at[PATH_SIZE];
#define AT(field) (snprintf(at, sizeof(at), "%.400s." field, path), at)
	const char *type = api->str(m, AT("type"));
	if (type && !strcmp(type, "VALUE")) {
		struct mz_bytes v = api->bytes(m, AT("value.data"));
		q->q.type = MZ_SECRET_VALUE;
		q->value = xcalloc(1, v.size + 1);
		q->value_size = v.size;
		if (v.size)
			memcpy(q->value, v.data, v.size);
		q->q.value = (struct mz_bytes){q->value, v.size};
	} else if (type && !strcmp(type, "REFERENCE")) {
		const char *name = api->str(m, AT("reference.name")), *key = api->str(m, AT("reference.key"));
		q->q.type = MZ_SECRET_REFERENCE;
		q->q.name = q->name = xstrdup(name ? name : "");
		q->q.key = q->key = xstrdup(key);
	} else {
		mz_fail(&q->err, -EINVAL, "%s.type '%s': must be REFERENCE or VALUE", path, type ? type : "");
	}
#undef AT
}

void containers_secret(const struct mz_host *h, const struct mz_info *m, const char *path,
		       void (*fn)(void *arg, const struct mz_err *err, struct mz_bytes secret), void *arg)
{
	struct containers_real *r = module_user(module_of_host(h));
	struct question *q = xnew(struct question);
	q->r = r;
	q->fn = fn;
	q->arg = arg;
	q->q.size = sizeof(q->q);
	q->q.put = on_put;
	q->q.arg = q;
	list_append(&r->secrets, &q->link);
	read_secret(q, m, path);
	if (!q->err.code && !r->secret.m)
		mz_fail(&q->err, -ENOTSUP, "The agent has no secret resolver");
	if (q->err.code) {
		r->n_pending++;
		loop_post(r->loop, on_refused, q);
		return;
	}
	MODULE_CALL(&r->secret, resolve, &q->q, module_op_new(r->secret.m, "resolve", r->deadline_ns, 0, on_resolved, q));
}

/* Answers will not come any more: the modules are gone. */
void containers_secrets_done(struct containers_real *r)
{
	list_each(&r->secrets, struct question, link, q)
	{
		if (!q->err.code) /* else it is posted, and comes back */
			question_free(q);
	}
}
