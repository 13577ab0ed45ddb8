/* namespaces_uts.c - isolator/namespaces_uts: a container's own host name.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "../answer.h"
#include "../pids.h"

#include <sched.h>

struct uts {
	const struct mz_host *h;
	const struct mz_isolator_host *k;
	int always;
	struct pids pids;
};

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct uts *p = calloc(1, sizeof(*p));
	if (!p)
		return iso_no_memory(err);
	*p = (struct uts){.h = h, .k = h->kind, .always = (int)h->conf_int(conf, "always")};
	*inst = p;
	return 0;
}

static void destroy(void *inst)
{
	struct uts *p = inst;
	if (p)
		pids_done(&p->pids);
	free(p);
}

static uint32_t flags(void *inst)
{
	(void)inst;
	return MZ_ISOLATOR_NESTED | MZ_ISOLATOR_STANDALONE | MZ_ISOLATOR_ROOT;
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
	int32_t parent = pids_get(&p->pids, c->parent);
	if (name && c->container_class != MZ_CONTAINER_DEBUG) {
		int rc = check_name(name, err);
		if (rc == 0)
			rc = iso_asked(p->k->launch_namespace(l, CLONE_NEWUTS), "a UTS namespace", err);
		return rc < 0 ? rc : iso_asked(p->k->launch_hostname(l, name), "a host name", err);
	}
	if (parent > 0) {
		char path[48];
		snprintf(path, sizeof(path), "/proc/%d/ns/uts", parent);
		return iso_asked(p->k->launch_enter(l, CLONE_NEWUTS, path), "the parent's UTS namespace", err);
	}
	if (p->always)
		return iso_asked(p->k->launch_namespace(l, CLONE_NEWUTS), "a UTS namespace", err);
	return 0;
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct uts *p = inst;
	struct mz_err err;
	iso_end(p->h, op, ask(p, c, l, &err), &err);
}

static void isolate(void *inst, const struct mz_container *c, int32_t pid, struct mz_op *op)
{
	struct uts *p = inst;
	struct mz_err err;
	iso_end(p->h, op, pids_set(&p->pids, c->id, pid) ? 0 : iso_no_memory(&err), &err);
}

static void recover(void *inst, const struct mz_container *const *v, size_t n, struct mz_op *op)
{
	struct uts *p = inst;
	struct mz_err err;
	int rc = 0;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = pids_set(&p->pids, v[i]->id, v[i]->pid) ? 0 : iso_no_memory(&err);
	iso_end(p->h, op, rc, &err);
}

static void cleanup(void *inst, const char *id, struct mz_op *op)
{
	struct uts *p = inst;
	pids_drop(&p->pids, id);
	iso_end(p->h, op, 0, NULL);
}

static const struct mz_setting settings[] = {
	MZ_SETTING(BOOL, "always", "false", 0, 0, "a namespace of its own for containers that name no host name, too"),
	MZ_SETTING_END,
};

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.flags = flags,
	.recover = recover,
	.prepare = prepare,
	.isolate = isolate,
	.cleanup = cleanup,
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
