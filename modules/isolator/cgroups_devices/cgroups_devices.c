/* cgroups_devices.c - isolator/cgroups_devices: which devices a container may open and
 * make. Device files are made of those that the operator names by their path.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "../../lib/cgroup_isolator.h"
#include "../../lib/device_rules.h"

struct devices {
	struct cgroups cg; /* first member */
	size_t n;
	struct rule rules[RULES_MAX];
	char *paths[RULES_MAX]; /* of the rule's device file, or NULL */
};

/* What every container may have: null, zero, full, random, urandom, tty, console, ptmx,
 * the pseudo-terminals, tun; and making any device file, which opens none. */
static const struct rule usual[] = {
	{'c', -1, -1, RULE_MKNOD}, {'b', -1, -1, RULE_MKNOD}, {'c', 1, 3, 7},	{'c', 1, 5, 7}, {'c', 1, 7, 7},
	{'c', 1, 8, 7},		   {'c', 1, 9, 7},	      {'c', 5, 0, 7},	{'c', 5, 1, 7}, {'c', 5, 2, 7},
	{'c', 136, -1, 7},	   {'c', 10, 200, 7},
};

static int limit_v1(const struct devices *p, const char *id, struct mz_err *err)
{
	char text[64];
	int rc = cg_write(&p->cg.g, id, "devices.deny", "a", err);
	for (size_t i = 0; i < p->n && rc == 0; i++) {
		rule_format(&p->rules[i], text);
		rc = cg_write(&p->cg.g, id, "devices.allow", text, err);
	}
	return rc;
}

static int limit(void *inst, const struct mz_container *c, struct mz_err *err)
{
	const struct devices *p = inst;
	char path[CG_PATH_SIZE];
	if (p->cg.g.version == 1)
		return limit_v1(p, c->id, err);
	int rc = cg_path(&p->cg.g, c->id, path);
	if (rc < 0)
		return cg_fail(err, rc, "Container '%s' has no cgroup", c->id);
	/* For those that add to them. */
	rc = rules_save(p->rules, p->n, path, err);
	return rc < 0 ? rc : rules_attach(p->rules, p->n, path, err);
}

/* For whom has a /dev of its own; where it is that of the machine, it is there. Who may open it at all is
 * the group's matter, so that the file is open to every user. */
static int make_files(const struct devices *p, const struct mz_container *c, struct mz_launch *l, struct mz_err *err)
{
	int rc = 0;
	for (size_t i = 0; i < p->n && rc == 0; i++) {
		const struct rule *r = &p->rules[i];
		uint32_t mode = (r->type == 'b' ? S_IFBLK : S_IFCHR) | (r->access & RULE_READ ? 0444 : 0) |
				(r->access & RULE_WRITE ? 0222 : 0);
		if (p->paths[i])
			rc = p->cg.k->launch_device(l, p->paths[i], mode, (uint32_t)r->major, (uint32_t)r->minor);
		if (rc < 0)
			(void)cg_fail(err, rc, "Container '%s' cannot have the device %s: %s", c->id, p->paths[i], strerror(-rc));
	}
	return rc;
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct devices *p = inst;
	struct mz_err err;
	/* One for debugging sees the files of its parent. */
	int rc = c->container_class == MZ_CONTAINER_DEBUG ? 0 : make_files(p, c, l, &err);
	if (rc < 0)
		cgroups_answer(p->cg.h, op, rc, &err);
	else
		cgroups_prepare(inst, c, l, op);
}

/* "/dev/fuse rw": the file itself, where that is a link to it. */
static int take_path(const char *text, char **ret, struct mz_err *err)
{
	char path[256];
	(void)snprintf(path, sizeof(path), "%.*s", (int)strcspn(text, " "), text);
	*ret = realpath(path, NULL);
	return *ret ? 0 : cg_fail(err, -errno, "The device %s cannot be found: %s", path, strerror(errno));
}

static int take_rules(struct devices *p, const struct mz_conf *conf, struct mz_err *err)
{
	const char *text;
	if (p->cg.h->conf_int(conf, "usual")) {
		memcpy(p->rules, usual, sizeof(usual));
		p->n = sizeof(usual) / sizeof(usual[0]);
	}
	for (size_t i = 0; (text = p->cg.h->conf_item(conf, "allowed", i)); i++) {
		if (p->n == RULES_MAX)
			return cg_fail(err, -E2BIG, "There are more than %d allowed devices", RULES_MAX);
		int rc = rule_parse(text, &p->rules[p->n], err);
		if (rc == 0 && *text == '/')
			rc = take_path(text, &p->paths[p->n], err);
		if (rc < 0)
			return rc;
		p->n++;
	}
	return 0;
}

static void forget_paths(struct devices *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->paths[i]);
}

static void destroy(void *inst)
{
	if (inst)
		forget_paths(inst);
	cgroups_destroy(inst);
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct devices *p = cgroups_new(sizeof(*p), h, err);
	if (!p)
		return -ENOMEM;
	p->cg.limit = limit;
	int rc = take_rules(p, conf, err);
	if (rc == 0)
		rc = cgroups_find(&p->cg.g, h, "devices", err);
	if (rc < 0)
		forget_paths(p);
	return cgroups_created(p, rc, NULL, inst, err);
}

static const struct mz_setting settings[] = {
	MZ_SETTING(LIST, "allowed", "", 0, 0, "More devices: \"/dev/fuse rw\", \"c 10:229 rwm\", \"b 8:* r\""),
	MZ_SETTING(BOOL, "usual", "true", 0, 0, "Allow null, zero, random, terminals and the like"),
	MZ_SETTING_END,
};

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.flags = cgroups_flags,
	.recover = cgroups_recover, /* the limits stay with the group */
	.prepare = prepare,
	.cleanup = cgroups_cleanup,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "cgroups_devices",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Which devices a container may use, by cgroups",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
