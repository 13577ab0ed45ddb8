/* namespaces_ipc.c - isolator/namespaces_ipc: System V IPC, POSIX message queues and
 * /dev/shm of a container alone.
 *
 * /dev/shm is a tmpfs that the agent mounts below its runtime directory and that is bound into
 * the container: so that nested containers can share it. It goes with the container.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "../../lib/id_name.h"
#include "../namespaces.h"

#include <dirent.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

struct ipc {
	struct namespaces n; /* first */
	int disallow, private_default;
	int64_t shm_bytes;
	struct removal *removals; /* under way */
	char dir[512]; /* of the tmpfs */
};

/* A worker takes a tmpfs away: what is in it may be as much as the container's memory. */
struct removal {
	struct removal *next;
	struct ipc *p;
	struct mz_op *op;
	char path[1024];
	int rc;
	struct mz_err err;
};

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct ipc *p = calloc(1, sizeof(*p));
	if (!p)
		return iso_no_memory(err);
	*p = (struct ipc){.n = {.h = h, .k = h->kind}};
	p->disallow = (int)h->conf_int(conf, "disallow_sharing_agent");
	p->private_default = !strcmp(h->conf_str(conf, "default_mode"), "private");
	p->shm_bytes = h->conf_int(conf, "default_shm_size");
	int n = snprintf(p->dir, sizeof(p->dir), "%s/shm", p->n.k->runtime_dir(h));
	if (n >= (int)sizeof(p->dir)) {
		free(p);
		return iso_error(err, -ENAMETOOLONG, "The runtime directory has too long a name");
	}
	*inst = p;
	return 0;
}

static void destroy(void *inst)
{
	struct ipc *p = inst;
	/* The host has waited for running work; its done() will not be called. */
	while (p && p->removals) {
		struct removal *r = p->removals;
		p->removals = r->next;
		free(r);
	}
	ns_destroy(p);
}

static int path_of(const struct ipc *p, const char *id, char *out, size_t size, struct mz_err *err)
{
	char own[ID_NAME_SIZE];
	const char *name = id_name(id, own);
	if (strchr(name, '/') || snprintf(out, size, "%s/%s", p->dir, name) >= (int)size)
		return iso_error(err, -EINVAL, "Container id '%.100s' makes no path", id);
	return 0;
}

/* Takes the tmpfs away; 0 if there is none. */
static int remove_shm(const char *path, struct mz_err *err)
{
	if ((umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != ENOENT && errno != EINVAL && errno != EPERM) ||
	    (rmdir(path) < 0 && errno != ENOENT)) {
		int code = errno;
		return iso_error(err, -code, "%.180s: %s", path, strerror(code));
	}
	return 0;
}

static int make_shm(struct ipc *p, const char *path, int64_t bytes, struct mz_err *err)
{
	char options[64];
	snprintf(options, sizeof(options), "mode=1777,size=%lld", (long long)bytes);
	int rc = remove_shm(path, err);
	if (rc < 0)
		return rc;
	if ((mkdir(p->dir, 0700) < 0 && errno != EEXIST) || mkdir(path, 0755) < 0 ||
	    mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0) {
		int code = errno;
		(void)rmdir(path);
		return iso_error(err, -code, "tmpfs of %s on %.150s: %s", options, path, strerror(code));
	}
	return 0;
}

static int bind_shm(struct ipc *p, const char *path, struct mz_launch *l, struct mz_err *err)
{
	const struct mz_mount m = {.size = sizeof(m), .flags = MS_BIND, .source = path, .target = "/dev/shm"};
	int rc = ns_new(&p->n, l, CLONE_NEWNS, "a mount namespace", err);
	return rc < 0 ? rc : iso_asked(p->n.k->launch_mount(l, &m), "mounting /dev/shm", err);
}

static int own(struct ipc *p, const struct mz_container *c, struct mz_launch *l, struct mz_err *err)
{
	char path[1024];
	int64_t mb = iso_int(c, "linux_info.shm_size", -1);
	if (mb == 0)
		return iso_error(err, -EINVAL, "linux_info.shm_size is 0; it has to be at least 1 (MB)");
	int rc = path_of(p, c->id, path, sizeof(path), err);
	if (rc == 0)
		rc = make_shm(p, path, mb > 0 ? mb << 20 : p->shm_bytes, err);
	if (rc == 0)
		rc = ns_new(&p->n, l, CLONE_NEWIPC, "an IPC namespace", err);
	return rc < 0 ? rc : bind_shm(p, path, l, err);
}

/* What the parent has: its own, or in turn that of its parent, or the agent's. */
static int share(struct ipc *p, const struct mz_container *c, struct mz_launch *l, struct mz_err *err)
{
	char path[1024];
	struct stat st;
	if (iso_has(c, "linux_info.shm_size"))
		return iso_error(err, -EINVAL,
				 "linux_info.shm_size is %lld, but ipc_mode is not PRIVATE: /dev/shm is not this container's",
				 (long long)iso_int(c, "linux_info.shm_size", 0));
	if (!c->parent)
		return p->disallow ? iso_error(err, -EPERM, "linux_info.ipc_mode is SHARE_PARENT, but this agent does "
							    "not share its own IPC namespace") :
				     0;
	int rc = ns_enter(&p->n, c, l, CLONE_NEWIPC, "ipc", err);
	/* Debug containers live among the parent's mounts. */
	if (rc < 0 || c->container_class == MZ_CONTAINER_DEBUG)
		return rc;
	char *id = strdup(c->parent);
	if (!id)
		return iso_no_memory(err);
	for (char *dot = id; dot && rc == 0; dot = strrchr(id, '.')) {
		if (dot != id)
			*dot = '\0';
		rc = path_of(p, id, path, sizeof(path), err);
		if (rc == 0 && stat(path, &st) == 0) {
			rc = bind_shm(p, path, l, err);
			break;
		}
	}
	free(id);
	return rc;
}

static int ask(struct ipc *p, const struct mz_container *c, struct mz_launch *l, struct mz_err *err)
{
	const char *mode = iso_str(c, "linux_info.ipc_mode");
	if (c->container_class == MZ_CONTAINER_DEBUG)
		return share(p, c, l, err);
	if (!mode)
		return c->parent ? (iso_has(c, "linux_info.shm_size") ? own(p, c, l, err) : share(p, c, l, err)) :
		       p->private_default || iso_has(c, "linux_info.shm_size") ? own(p, c, l, err) : share(p, c, l, err);
	if (!strcmp(mode, "PRIVATE"))
		return own(p, c, l, err);
	if (!strcmp(mode, "SHARE_PARENT"))
		return share(p, c, l, err);
	return iso_error(err, -EINVAL, "linux_info.ipc_mode is '%s', which is not known", mode);
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct ipc *p = inst;
	struct mz_err err;
	iso_end(p->n.h, op, ask(p, c, l, &err), &err);
}

/* Of a hashed name the id is not to be told. */
static int lives(const struct ipc *p, const struct mz_container *const *v, size_t n, const char *name)
{
	if (ns_knows(&p->n, name))
		return 1;
	for (size_t i = 0; strstr(name, "..") && i < n; i++)
		if (id_name_is(name, v[i]->id))
			return 1;
	return 0;
}

static void remove_orphans(struct ipc *p, const struct mz_container *const *v, size_t n)
{
	DIR *d = opendir(p->dir);
	struct dirent *e;
	while (d && (e = readdir(d))) {
		char path[1024], text[400];
		struct mz_err err;
		if (e->d_name[0] == '.' || lives(p, v, n, e->d_name))
			continue;
		if (path_of(p, e->d_name, path, sizeof(path), &err) < 0 || remove_shm(path, &err) < 0) {
			snprintf(text, sizeof(text), "An orphan's /dev/shm stays: %s", err.msg);
			p->n.h->log(p->n.h, MZ_LOG_WARNING, text);
		}
	}
	if (d)
		closedir(d);
}

static void recover(void *inst, const struct mz_container *const *v, size_t n, struct mz_op *op)
{
	struct ipc *p = inst;
	struct mz_err err;
	int rc = ns_remember_all(&p->n, v, n, &err);
	if (rc == 0)
		remove_orphans(p, v, n);
	iso_end(p->n.h, op, rc, &err);
}

static void removal_work(void *arg)
{
	struct removal *r = arg;
	r->rc = remove_shm(r->path, &r->err);
}

static void on_removed(void *arg)
{
	struct removal *r = arg, **at = &r->p->removals;
	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	iso_end(r->p->n.h, r->op, r->rc, &r->err);
	free(r);
}

static void cleanup(void *inst, const char *id, struct mz_op *op)
{
	struct ipc *p = inst;
	struct mz_err err;
	struct removal *r = calloc(1, sizeof(*r));
	ns_forget(&p->n, id);
	/* Most containers that are nested have none; what makes no path has none either. */
	if (!r || path_of(p, id, r->path, sizeof(r->path), &err) < 0 || access(r->path, F_OK) < 0) {
		iso_end(p->n.h, op, r ? 0 : iso_no_memory(&err), &err);
		free(r);
		return;
	}
	r->p = p;
	r->op = op;
	r->next = p->removals;
	p->removals = r;
	if (p->n.h->offload(p->n.h, removal_work, on_removed, r) == 0)
		return;
	/* Rather wait for it than leave it. */
	removal_work(r);
	on_removed(r);
}

static const char *const modes[] = {"private", "share_parent", NULL};
static const struct mz_setting settings[] = {
	{sizeof(struct mz_setting), MZ_SETTING_STRING, "default_mode", "private", 0, 0,
	 "private | share_parent: what top-level containers get that do not say", modes},
	MZ_SETTING(BYTES, "default_shm_size", "64MB", 4096, 1ll << 50, "size of /dev/shm where a container does not say"),
	MZ_SETTING(BOOL, "disallow_sharing_agent", "false", 0, 0,
		   "refuse top-level containers that want to share the agent's IPC namespace"),
	MZ_SETTING_END,
};

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.flags = ns_flags,
	.recover = recover,
	.prepare = prepare,
	.isolate = ns_isolate,
	.cleanup = cleanup,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "namespaces_ipc",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "IPC objects and /dev/shm of a container alone",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
