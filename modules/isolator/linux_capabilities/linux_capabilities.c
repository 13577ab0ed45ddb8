/* linux_capabilities.c - isolator/linux_capabilities: which capabilities a container
 * has, and which it can ever get.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../caps.h"

#include <sys/prctl.h>

struct set {
	int given;
	uint64_t caps;
};

struct capabilities {
	const struct mz_host *h;
	const struct mz_isolator_host *k;
	struct set effective, bounding; /* the agent's */
};

/* What the agent itself may not have, it cannot give. */
static int check_ours(const char *what, uint64_t caps, struct mz_err *err)
{
	for (int i = 0; i < N_CAPS; i++)
		if (caps & 1ull << i && prctl(PR_CAPBSET_READ, i, 0, 0, 0) != 1)
			return iso_error(err, -EPERM, "%s: the agent does not have %s itself", what, caps_name(i));
	return 0;
}

static int check_within(const char *what, uint64_t caps, const char *bound, uint64_t bounding, struct mz_err *err)
{
	if (!(caps & ~bounding))
		return 0;
	return iso_error(err, -EPERM, "%s has %s, which is not in %s", what, caps_first(caps & ~bounding), bound);
}

static int read_setting(struct capabilities *p, const struct mz_conf *conf, const char *name, struct set *ret,
			struct mz_err *err)
{
	int rc = caps_setting(p->h, conf, name, &ret->caps, err);
	if (rc <= 0)
		return rc;
	ret->given = 1;
	return check_ours(name, ret->caps, err);
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct capabilities *p = calloc(1, sizeof(*p));
	if (!p)
		return iso_no_memory(err);
	*p = (struct capabilities){.h = h, .k = h->kind};
	int rc = read_setting(p, conf, "effective", &p->effective, err);
	if (rc == 0)
		rc = read_setting(p, conf, "bounding", &p->bounding, err);
	if (rc == 0 && p->effective.given && !p->bounding.given)
		p->bounding = p->effective;
	if (rc == 0 && p->effective.given)
		rc = check_within("effective", p->effective.caps, "bounding", p->bounding.caps, err);
	if (rc < 0) {
		free(p);
		return rc;
	}
	*inst = p;
	return 0;
}

static uint32_t flags(void *inst)
{
	(void)inst;
	return MZ_ISOLATOR_NESTED | MZ_ISOLATOR_STANDALONE | MZ_ISOLATOR_ROOT;
}

/* What the task says, under the name that it used. */
static int read_task(const struct mz_container *c, const char *path, struct set *ret, const char **ret_path,
		     struct mz_err *err)
{
	int rc = caps_of(c, path, &ret->caps, err);
	if (rc <= 0)
		return rc;
	ret->given = 1;
	*ret_path = path;
	return check_ours(path, ret->caps, err);
}

/* The task's word, or what follows from its other word, or the agent's. */
static int decide(const struct capabilities *p, const struct mz_container *c, struct set *e, struct set *b,
		  struct mz_err *err)
{
	const char *e_path = "effective", *b_path = "bounding";
	int rc = read_task(c, "linux_info.effective_capabilities", e, &e_path, err);
	if (rc == 0 && !e->given)
		rc = read_task(c, "linux_info.capability_info", e, &e_path, err);
	if (rc == 0)
		rc = read_task(c, "linux_info.bounding_capabilities", b, &b_path, err);
	if (rc == 0 && p->bounding.given && e->given)
		rc = check_within(e_path, e->caps, "the agent's bounding capabilities", p->bounding.caps, err);
	if (rc == 0 && p->bounding.given && b->given)
		rc = check_within(b_path, b->caps, "the agent's bounding capabilities", p->bounding.caps, err);
	if (rc < 0)
		return rc;
	if (!b->given)
		*b = e->given ? *e : p->bounding;
	if (!e->given)
		*e = p->effective.given ? (struct set){1, p->effective.caps & b->caps} : *b;
	return e->given ? check_within(e_path, e->caps, b_path, b->caps, err) : 0;
}

static int ask(const struct capabilities *p, const struct mz_container *c, struct mz_launch *l, struct mz_err *err)
{
	struct set e = {0}, b = {0};
	int rc = decide(p, c, &e, &b, err);
	if (rc < 0 || !b.given)
		return rc;
	/* Ambient: who is not root keeps them when it runs a program. */
	return iso_asked(p->k->launch_capabilities(l, e.caps, e.caps, e.caps, b.caps, e.caps), "capabilities", err);
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct capabilities *p = inst;
	struct mz_err err;
	iso_end(p->h, op, ask(p, c, l, &err), &err);
}

static const struct mz_setting settings[] = {
	MZ_SETTING(LIST, "effective", "", 0, 0,
		   "capabilities of containers that ask for none; empty: all of `bounding`, [NONE]: none"),
	MZ_SETTING(LIST, "bounding", "", 0, 0,
		   "capabilities that a container may have at most; empty: as `effective`, or no bound, [NONE]: none"),
	MZ_SETTING_END,
};

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = free,
	.flags = flags,
	.prepare = prepare,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "linux_capabilities",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Which Linux capabilities containers have, and can get",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
