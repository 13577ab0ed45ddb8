/* cgroups_net_cls.c - isolator/cgroups_net_cls: marks what a container sends with a handle
 * of its own, by which tc and iptables tell it apart.
 *
 * A handle is 32 bits: the primary one, the operator's, above; the secondary one, one for
 * each top-level container, below. The kernel keeps it in the group, and that is
 * where it is read from after a restart; nested groups start with their parent's.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>

#include <stdio.h>
#include <stdlib.h>

#include "../../lib/by_id.h"
#include "../../lib/cgroup_isolator.h"

#define CLASSID "net_cls.classid"

enum { HANDLES = 0x10000 };

struct owner {
	struct by_id by; /* first member */
	uint16_t handle;
	char id[];
};

struct net_cls {
	struct cgroups cg; /* first member */
	uint32_t primary;	 /* 0: none are given out */
	uint32_t first, last;	 /* secondary ones */
	uint32_t next;		 /* the one after that which was given last */
	struct by_id_table owners;
	unsigned char used[HANDLES];
};

static int keep(struct net_cls *p, const char *id, uint16_t handle, struct mz_err *err)
{
	size_t size = strlen(id) + 1;
	struct owner *o = malloc(sizeof(*o) + size);
	if (!o)
		return cg_fail(err, -ENOMEM, "Out of memory");
	o->handle = handle;
	memcpy(o->id, id, size);
	if (by_id_add(&p->owners, &o->by, o->id) < 0) {
		free(o);
		return cg_fail(err, -ENOMEM, "Out of memory");
	}
	p->used[handle] = 1;
	return 0;
}

static void drop(void *inst, const char *id)
{
	struct net_cls *p = inst;
	struct owner *o = (struct owner *)by_id_take(&p->owners, id);
	if (!o)
		return;
	p->used[o->handle] = 0;
	free(o);
}

/* One that was given back is used again late: rules for it may lag behind. */
static int allocate(struct net_cls *p, const char *id, uint16_t *ret_handle, struct mz_err *err)
{
	uint32_t n = p->last - p->first + 1;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t handle = p->first + (p->next - p->first + i) % n;
		if (p->used[handle])
			continue;
		int rc = keep(p, id, (uint16_t)handle, err);
		if (rc < 0)
			return rc;
		p->next = handle == p->last ? p->first : handle + 1;
		*ret_handle = (uint16_t)handle;
		return 0;
	}
	return cg_fail(err, -ENOSPC, "All %u secondary handles of net_cls (0x%04x to 0x%04x) are used by containers", n,
		       p->first, p->last);
}

static int set_handle(void *inst, const struct mz_container *c, struct mz_err *err)
{
	struct net_cls *p = inst;
	uint16_t handle = 0;
	if (!p->primary || c->parent)
		return 0;
	drop(p, c->id);
	int rc = allocate(p, c->id, &handle, err);
	return rc < 0 ? rc : cg_write_int(&p->cg.g, c->id, CLASSID, (int64_t)p->primary << 16 | handle, err);
}

/* cgroup_info.net_cls.classid, of the group that it lives in. */
static void status(void *inst, const struct mz_container *c, struct mz_usage *u, struct mz_op *op)
{
	struct net_cls *p = inst;
	struct mz_err err;
	char id[CG_PATH_SIZE];
	int64_t classid;
	cg_owner(&p->cg.g, c, id);
	int has = cg_exists(&p->cg.g, id), rc = has ? cg_read_int(&p->cg.g, id, CLASSID, &classid, &err) : 0;
	if (has && rc == 0 && classid > 0)
		(void)p->cg.k->usage->set_integer(u, "cgroup_info.net_cls.classid", classid);
	cgroups_answer(p->cg.h, op, rc, &err);
}

/* ---- life --------------------------------------------------------------------------- */

/* Handles of other ranges, which the operator has configured away meanwhile, stay with
 * their containers and are not given out. */
static int found(void *inst, const struct mz_container *c, struct mz_err *err)
{
	struct net_cls *p = inst;
	const char *id = c->id;
	int64_t classid;
	if (c->parent || !cg_exists(&p->cg.g, id))
		return 0;
	int rc = cg_read_int(&p->cg.g, id, CLASSID, &classid, err);
	if (rc < 0 || classid <= 0 || classid >> 16 != p->primary)
		return rc;
	uint16_t handle = (uint16_t)(classid & 0xffff);
	if (p->used[handle]) {
		cg_log(p->cg.h, MZ_LOG_WARNING, "Container '%s' has the net_cls handle 0x%x, and another one has it too", id,
		       (unsigned)classid);
		return 0;
	}
	return keep(p, id, handle, err);
}

static void destroy(void *inst)
{
	struct net_cls *p = inst;
	for (struct by_id *b = p ? by_id_empty(&p->owners) : NULL, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	cgroups_destroy(inst);
}

/* "0x12", 1 to 0xffff; *end is what follows. */
static int parse_handle(const char *text, uint32_t *ret, const char **end)
{
	char *e;
	unsigned long v = strtoul(text, &e, 16);
	if (strncmp(text, "0x", 2) != 0 || e == text + 2 || v < 1 || v >= HANDLES)
		return -EINVAL;
	*ret = (uint32_t)v;
	*end = e;
	return 0;
}

static int take_handles(struct net_cls *p, const struct mz_conf *conf, struct mz_err *err)
{
	const char *primary = p->cg.h->conf_str(conf, "primary_handle"), *end;
	const char *secondary = p->cg.h->conf_str(conf, "secondary_handles");
	if (!*primary)
		return *secondary ? cg_fail(err, -EINVAL, "There are secondary_handles, and no primary_handle") : 0;
	if (parse_handle(primary, &p->primary, &end) < 0 || *end)
		return cg_fail(err, -EINVAL, "The primary_handle '%s' is none of 0x1 to 0xffff", primary);
	p->first = 1;
	p->last = HANDLES - 1;
	if (*secondary && (parse_handle(secondary, &p->first, &end) < 0 || *end != ',' ||
			   parse_handle(end + 1, &p->last, &end) < 0 || *end || p->first > p->last))
		return cg_fail(err, -EINVAL, "The secondary_handles '%s' are no range like 0x1,0xffff", secondary);
	p->next = p->first;
	return 0;
}

static int find_group(struct net_cls *p, struct mz_err *err)
{
	struct cg v2;
	int rc = cgroups_find(&p->cg.g, p->cg.h, "net_cls", err);
	if (rc != -ENOENT || cgroups_find(&v2, p->cg.h, "", NULL) < 0)
		return rc;
	return cg_fail(err, -EOPNOTSUPP,
		       "net_cls is a controller of cgroups v1, which is not mounted at or below %s; v2 has none (there, match "
		       "with nftables' 'socket cgroupv2')",
		       p->cg.k->cgroups_hierarchy(p->cg.h));
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct net_cls *p = cgroups_new(sizeof(*p), h, err);
	if (!p)
		return -ENOMEM;
	p->cg.limit = set_handle;
	p->cg.found = found;
	p->cg.drop = drop;
	int rc = take_handles(p, conf, err);
	if (rc == 0)
		rc = find_group(p, err);
	return cgroups_created(p, rc, NULL, inst, err);
}

static const struct mz_setting settings[] = {
	MZ_SETTING(STRING, "primary_handle", "", 0, 0, "Upper 16 bits of all handles, as 0xaaaa; empty: containers get none"),
	MZ_SETTING(STRING, "secondary_handles", "", 0, 0, "Lower 16 bits, the first and the last: 0x1,0xffff; empty: those"),
	MZ_SETTING_END,
};

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.flags = cgroups_flags,
	.recover = cgroups_recover,
	.prepare = cgroups_prepare,
	.status = status,
	.cleanup = cgroups_cleanup,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "cgroups_net_cls",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Marks a container's packets with a handle for tc and iptables, by cgroups v1",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
