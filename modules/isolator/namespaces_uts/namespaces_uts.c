/* namespaces_uts.c - isolator/namespaces_uts: a container's own host name.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "../namespaces.h"

#include <sched.h>

struct uts {
	struct namespaces n; /* first */
	int always;
};

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct uts *p = calloc(1, sizeof(*p));
	if (!p)
		return iso_no_memory(err);
	*p = (struct uts){.n = {.h = h, .k = h->kind}, .always = (int)h->conf_int(conf, "always")};
	*inst = p;
	return 0;
}

/* sethostname takes anything; what programs can live with is what DNS has. */
static int check_name(const char *s, struct mz_err *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
	size_t n = strlen(s);
	if (n > 0 && n <= 64 && strspn(s, allowed) == n && s[0] != '-' && s[0] != '.')
		return 0;
	return iso_error(err, -EINVAL, "hostname is '%.80s': 1 to 64 letters, digits, '-' and '.' are allowed", s);
}

static int ask(struct uts *p, const struct mz_container *c, struct mz_launch *l, struct mz_err *err)
{
	const char *name = iso_str(c, "hostname");
	if (name && c->container_class != MZ_CONTAINER_DEBUG) {
		int rc = check_name(name, err);
		if (rc == 0)
			rc = ns_new(&p->n, l, CLONE_NEWUTS, "a UTS namespace", err);
		return rc < 0 ? rc : iso_asked(p->n.k->launch_hostname(l, name), "a host name", err);
	}
	if (ns_parent(&p->n, c))
		return ns_enter(&p->n, c, l, CLONE_NEWUTS, "uts", err);
	return p->always ? ns_new(&p->n, l, CLONE_NEWUTS, "a UTS namespace", err) : 0;
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct uts *p = inst;
	struct mz_err err;
	iso_end(p->n.h, op, ask(p, c, l, &err), &err);
}

static const struct mz_setting settings[] = {
	MZ_SETTING(BOOL, "always", "false", 0, 0, "a namespace of its own for containers that name no host name, too"),
	MZ_SETTING_END,
};

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = ns_destroy,
	.flags = ns_flags,
	.recover = ns_recover,
	.prepare = prepare,
	.isolate = ns_isolate,
	.cleanup = ns_cleanup,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "namespaces_uts",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "A host name for a container alone",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
