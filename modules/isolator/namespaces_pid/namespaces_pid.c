/* namespaces_pid.c - isolator/namespaces_pid: a container sees and signals its own
 * processes only.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "../answer.h"
#include "../pids.h"

#include <sched.h>
#include <sys/mount.h>

struct pidns {
	const struct mz_host *h;
	const struct mz_isolator_host *k;
	int disallow;
	struct pids pids;
};

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct pidns *p = calloc(1, sizeof(*p));
	if (!p)
		return iso_no_memory(err);
	*p = (struct pidns){.h = h, .k = h->kind, .disallow = (int)h->conf_int(conf, "disallow_sharing_agent")};
	*inst = p;
	return 0;
}

static void destroy(void *inst)
{
	struct pidns *p = inst;
	if (p)
		pids_done(&p->pids);
	free(p);
}

static uint32_t flags(void *inst)
{
	(void)inst;
	return MZ_ISOLATOR_NESTED | MZ_ISOLATOR_STANDALONE | MZ_ISOLATOR_ROOT;
}

static int enter(struct pidns *p, struct mz_launch *l, int32_t pid, int flag, const char *name, struct mz_err *err)
{
	char path[48];
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
	return iso_asked(p->k->launch_enter(l, flag, path), path, err);
}

/* /proc shows the namespace of who mounted it. */
static int mount_proc(struct pidns *p, struct mz_launch *l, struct mz_err *err)
{
	static const struct mz_mount proc = {.size = sizeof(proc),
					     .flags = MS_NOSUID | MS_NODEV | MS_NOEXEC,
					     .source = "proc",
					     .target = "/proc",
					     .type = "proc"};
	int rc = iso_asked(p->k->launch_namespace(l, CLONE_NEWNS), "a mount namespace", err);
	return rc < 0 ? rc : iso_asked(p->k->launch_mount(l, &proc), "mounting /proc", err);
}

static int share(struct pidns *p, const struct mz_container *c, struct mz_launch *l, struct mz_err *err)
{
	int32_t parent = pids_get(&p->pids, c->parent);
	if (!c->parent) {
		if (p->disallow)
			return iso_error(err, -EPERM,
					 "linux_info.share_pid_namespace is true, but this agent does not share its own");
		return 0;
	}
	if (parent <= 0)
		return iso_error(err, -ESRCH, "The process of the parent, container %s, is not known", c->parent);
	int rc = enter(p, l, parent, CLONE_NEWPID, "pid", err);
	if (rc < 0 || c->container_class != MZ_CONTAINER_DEBUG)
		return rc < 0 ? rc : mount_proc(p, l, err);
	/* A debug container has the parent's view of files, with it its /proc. */
	return enter(p, l, parent, CLONE_NEWNS, "mnt", err);
}

static int ask(struct pidns *p, const struct mz_container *c, struct mz_launch *l, struct mz_err *err)
{
	if (c->container_class == MZ_CONTAINER_DEBUG || iso_int(c, "linux_info.share_pid_namespace", 0))
		return share(p, c, l, err);
	int rc = iso_asked(p->k->launch_namespace(l, CLONE_NEWPID), "a pid namespace", err);
	return rc < 0 ? rc : mount_proc(p, l, err);
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct pidns *p = inst;
	struct mz_err err;
	iso_end(p->h, op, ask(p, c, l, &err), &err);
}

static void isolate(void *inst, const struct mz_container *c, int32_t pid, struct mz_op *op)
{
	struct pidns *p = inst;
	struct mz_err err;
	iso_end(p->h, op, pids_set(&p->pids, c->id, pid) ? 0 : iso_no_memory(&err), &err);
}

static void recover(void *inst, const struct mz_container *const *v, size_t n, struct mz_op *op)
{
	struct pidns *p = inst;
	struct mz_err err;
	int rc = 0;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = pids_set(&p->pids, v[i]->id, v[i]->pid) ? 0 : iso_no_memory(&err);
	iso_end(p->h, op, rc, &err);
}

static void cleanup(void *inst, const char *id, struct mz_op *op)
{
	struct pidns *p = inst;
	pids_drop(&p->pids, id);
	iso_end(p->h, op, 0, NULL);
}

static const struct mz_setting settings[] = {
	MZ_SETTING(BOOL, "disallow_sharing_agent", "false", 0, 0,
		   "refuse top-level containers that want to share the agent's pid namespace"),
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
	.name = "namespaces_pid",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Containers see their own processes only",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
