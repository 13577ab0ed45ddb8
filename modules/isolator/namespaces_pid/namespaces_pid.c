/* namespaces_pid.c - isolator/namespaces_pid: a container sees and signals its own
 * processes only.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "../namespaces.h"

#include <sched.h>
#include <sys/mount.h>

struct pidns {
	struct namespaces n; /* first */
	int disallow;
};

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct pidns *p = calloc(1, sizeof(*p));
	if (!p)
		return iso_no_memory(err);
	*p = (struct pidns){.n = {.h = h, .k = h->kind}, .disallow = (int)h->conf_int(conf, "disallow_sharing_agent")};
	*inst = p;
	return 0;
}

/* /proc shows the namespace of who mounted it. */
static int mount_proc(const struct pidns *p, struct mz_launch *l, struct mz_err *err)
{
	static const struct mz_mount proc = {.size = sizeof(proc),
					     .flags = MS_NOSUID | MS_NODEV | MS_NOEXEC,
					     .source = "proc",
					     .target = "/proc",
					     .type = "proc"};
	int rc = ns_new(&p->n, l, CLONE_NEWNS, "a mount namespace", err);
	return rc < 0 ? rc : iso_asked(p->n.k->launch_mount(l, &proc), "mounting /proc", err);
}

static int share(struct pidns *p, const struct mz_container *c, struct mz_launch *l, struct mz_err *err)
{
	if (!c->parent)
		return !p->disallow ? 0 :
				      iso_error(err, -EPERM, "linux_info.share_pid_namespace is true, but this agent does "
							     "not share its own");
	int rc = ns_enter(&p->n, c, l, CLONE_NEWPID, "pid", err);
	if (rc < 0)
		return rc;
	/* A debug container has the parent's view of files, with it its /proc. */
	return c->container_class == MZ_CONTAINER_DEBUG ? ns_enter(&p->n, c, l, CLONE_NEWNS, "mnt", err) :
							  mount_proc(p, l, err);
}

static int ask(struct pidns *p, const struct mz_container *c, struct mz_launch *l, struct mz_err *err)
{
	if (c->container_class == MZ_CONTAINER_DEBUG || iso_int(c, "linux_info.share_pid_namespace", 0))
		return share(p, c, l, err);
	int rc = ns_new(&p->n, l, CLONE_NEWPID, "a pid namespace", err);
	return rc < 0 ? rc : mount_proc(p, l, err);
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct pidns *p = inst;
	struct mz_err err;
	iso_end(p->n.h, op, ask(p, c, l, &err), &err);
}

static const struct mz_setting settings[] = {
	MZ_SETTING(BOOL, "disallow_sharing_agent", "false", 0, 0,
		   "refuse top-level containers that want to share the agent's pid namespace"),
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
	.name = "namespaces_pid",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Containers see their own processes only",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
