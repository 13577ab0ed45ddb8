/* posix_rlimits.c - isolator/posix_rlimits: resource limits of processes that a task
 * asks for in ContainerInfo.rlimit_info.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../answer.h"

#include <sys/resource.h>

struct rlimits {
	const struct mz_host *h;
	const struct mz_isolator_host *k;
};

static const struct limit {
	const char *name;
	int number;
} limits[] = {
	{"RLMT_AS", RLIMIT_AS},		  {"RLMT_CORE", RLIMIT_CORE},
	{"RLMT_CPU", RLIMIT_CPU},	  {"RLMT_DATA", RLIMIT_DATA},
	{"RLMT_FSIZE", RLIMIT_FSIZE},	  {"RLMT_LOCKS", RLIMIT_LOCKS},
	{"RLMT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLMT_MSGQUEUE", RLIMIT_MSGQUEUE},
	{"RLMT_NICE", RLIMIT_NICE},	  {"RLMT_NOFILE", RLIMIT_NOFILE},
	{"RLMT_NPROC", RLIMIT_NPROC},	  {"RLMT_RSS", RLIMIT_RSS},
	{"RLMT_RTPRIO", RLIMIT_RTPRIO},	  {"RLMT_RTTIME", RLIMIT_RTTIME},
	{"RLMT_SIGPENDING", RLIMIT_SIGPENDING}, {"RLMT_STACK", RLIMIT_STACK},
};

enum { N_LIMITS = sizeof(limits) / sizeof(limits[0]) };

static const struct limit *find(const char *name)
{
	for (size_t i = 0; name && i < N_LIMITS; i++)
		if (!strcmp(limits[i].name, name))
			return &limits[i];
	return NULL;
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	(void)conf;
	struct rlimits *p = calloc(1, sizeof(*p));
	if (!p)
		return iso_no_memory(err);
	*p = (struct rlimits){.h = h, .k = h->kind};
	*inst = p;
	return 0;
}

static uint32_t flags(void *inst)
{
	(void)inst;
	return MZ_ISOLATOR_NESTED | MZ_ISOLATOR_STANDALONE;
}

/* Both or neither; neither is unlimited. */
static int read_limit(const struct mz_container *c, const char *at, uint64_t *ret_soft, uint64_t *ret_hard,
		      struct mz_err *err)
{
	char soft[64], hard[64];
	snprintf(soft, sizeof(soft), "%s.soft", at);
	snprintf(hard, sizeof(hard), "%s.hard", at);
	int has_soft = iso_has(c, soft), has_hard = iso_has(c, hard);
	*ret_soft = *ret_hard = RLIM_INFINITY;
	if (has_soft != has_hard)
		return iso_error(err, -EINVAL, "%s.%s is set without %s: set both, or neither for no limit", at,
				 has_soft ? "soft" : "hard", has_soft ? "hard" : "soft");
	if (!has_soft)
		return 0;
	*ret_soft = (uint64_t)iso_int(c, soft, 0);
	*ret_hard = (uint64_t)iso_int(c, hard, 0);
	if (*ret_soft > *ret_hard)
		return iso_error(err, -EINVAL, "%s.soft is %llu, which is over %s.hard, %llu", at,
				 (unsigned long long)*ret_soft, at, (unsigned long long)*ret_hard);
	return 0;
}

static int ask(const struct rlimits *p, const struct mz_container *c, struct mz_launch *l, struct mz_err *err)
{
	uint32_t seen = 0;
	size_t n = c->container ? c->info->count(c->container, "rlimit_info.rlimits") : 0;
	for (size_t i = 0; i < n; i++) {
		char at[48], path[64];
		uint64_t soft, hard;
		snprintf(at, sizeof(at), "rlimit_info.rlimits.%zu", i);
		snprintf(path, sizeof(path), "%s.type", at);
		const char *name = iso_str(c, path);
		const struct limit *limit = find(name);
		if (!limit)
			return iso_error(err, -EINVAL, "%s is '%s', which is no resource limit", path,
					 name ? name : "");
		if (seen & 1u << (limit - limits))
			return iso_error(err, -EINVAL, "%s: %s is there twice", path, name);
		seen |= 1u << (limit - limits);
		int rc = read_limit(c, at, &soft, &hard, err);
		if (rc == 0)
			rc = iso_asked(p->k->launch_rlimit(l, limit->number, soft, hard), name, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct rlimits *p = inst;
	struct mz_err err;
	iso_end(p->h, op, ask(p, c, l, &err), &err);
}

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = free,
	.flags = flags,
	.prepare = prepare,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "posix_rlimits",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Resource limits of processes, as tasks ask for them",
	.ops = (const struct mz_ops *)&ops,
};
