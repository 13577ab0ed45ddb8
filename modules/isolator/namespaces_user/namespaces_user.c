/* namespaces_user.c - isolator/namespaces_user: user ids of a container stand for ids
 * on the host that nobody else has. Root in it is nobody outside.
 *
 * Each top-level container has a slot, a range of host ids; which one is stored, so that
 * it is not given twice after a restart.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "../../lib/by_id.h"
#include "../../lib/id_name.h"
#include "../../lib/pending.h"
#include "../answer.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pwd.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct box {
	struct by_id by; /* first */
	int32_t pid;	 /* -1: not one that runs */
	uint32_t slot;
	char key[];
};

struct userns {
	const struct mz_host *h;
	const struct mz_isolator_host *k;
	uint32_t first_id, ids, n_slots;
	struct by_id_table boxes; /* top level: those with a slot, by their keys */
	unsigned char *taken;
	struct pending *jobs; /* prepares and cleanups under way */
};

/* One prepare, from storing the slot to handing over the sandbox; or one cleanup. */
struct job {
	struct pending pending; /* first */
	struct userns *p;
	const struct mz_container *c; /* lives as long as op */
	struct mz_launch *l;
	struct mz_op *op;
	uint32_t outside;
	int rc;
	struct mz_err err;
};

/* Its key in the storage, which takes no longer ones. */
static const char *key_of(const char *id, char out[ID_NAME_SIZE])
{
	enum { MAX_KEY = 200 };
	return id_short(id, MAX_KEY, out);
}

static struct box *find(const struct userns *p, const char *id)
{
	char key[ID_NAME_SIZE];
	return (struct box *)by_id_find(&p->boxes, key_of(id, key));
}

static struct box *add(struct userns *p, const char *key, uint32_t slot)
{
	size_t size = strlen(key) + 1;
	struct box *b = calloc(1, sizeof(*b) + size);
	if (!b)
		return NULL;
	memcpy(b->key, key, size);
	if (by_id_add(&p->boxes, &b->by, b->key) < 0) {
		free(b);
		return NULL;
	}
	b->slot = slot;
	p->taken[slot] = 1;
	return b;
}

static void job_drop(struct pending *pending)
{
	free(pending);
}

static struct job *job_new(struct userns *p, struct mz_op *op)
{
	struct job *j = calloc(1, sizeof(*j));
	if (!j)
		return NULL;
	j->p = p;
	j->op = op;
	pending_add(&p->jobs, &j->pending, job_drop);
	return j;
}

static void job_free(struct job *j)
{
	pending_end(&j->pending);
	free(j);
}

static void destroy(void *inst)
{
	struct userns *p = inst;
	if (!p)
		return;
	/* The host has waited for running work; no done() or callback of the storage follows. */
	pending_drop_all(&p->jobs);
	for (struct by_id *b = by_id_empty(&p->boxes), *next; b; b = next) {
		next = b->next;
		free(b);
	}
	free(p->taken);
	free(p);
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	int64_t first = h->conf_int(conf, "first_id"), ids = h->conf_int(conf, "ids_per_container"),
		n = h->conf_int(conf, "max_containers");
	if (first + ids * n > 0xffffffffll)
		return iso_error(err, -EINVAL, "first_id %lld, and %lld times %lld ids, go beyond the last id, 4294967294",
				 (long long)first, (long long)n, (long long)ids);
	struct userns *p = calloc(1, sizeof(*p));
	if (p)
		*p = (struct userns){.h = h,
				     .k = h->kind,
				     .first_id = (uint32_t)first,
				     .ids = (uint32_t)ids,
				     .n_slots = (uint32_t)n,
				     .taken = calloc((size_t)n, 1)};
	if (!p || !p->taken) {
		free(p);
		return iso_no_memory(err);
	}
	*inst = p;
	return 0;
}

static uint32_t flags(void *inst)
{
	(void)inst;
	return MZ_ISOLATOR_NESTED | MZ_ISOLATOR_STANDALONE | MZ_ISOLATOR_ROOT;
}

/* ---- the sandbox ---------------------------------------------------------- */

enum { MAX_DEPTH = 128 };

/* Takes fd, a directory: gives away what is in it, on its own file system. */
static int give(int fd, dev_t dev, uid_t uid, gid_t gid, int depth)
{
	struct stat st;
	struct dirent *e;
	int rc = 0;
	DIR *d = fdopendir(fd);
	if (!d) {
		rc = -errno;
		close(fd);
		return rc;
	}
	if (fchown(fd, uid, gid) < 0)
		rc = -errno;
	while (rc == 0 && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != dev)
			continue;
		if (!S_ISDIR(st.st_mode)) {
			rc = fchownat(fd, e->d_name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
			continue;
		}
		int sub = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub < 0)
			rc = -errno;
		else if (depth < MAX_DEPTH)
			rc = give(sub, dev, uid, gid, depth + 1);
		else
			rc = close(sub) < 0 ? -errno : -ELOOP;
	}
	closedir(d);
	return rc;
}

/* What is nested has its sandbox in that of its parent, whose tasks may have put a link on the
 * way to it: none is followed below the agent's work directory. */
static int open_sandbox(const struct mz_container *c)
{
	size_t n = c->work_dir ? strlen(c->work_dir) : 0;
	struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
	if (!n || strncmp(c->sandbox, c->work_dir, n) || c->sandbox[n] != '/')
		return -EXDEV;
	int base = open(c->work_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (base < 0)
		return -errno;
	const char *rest = c->sandbox + n + strspn(c->sandbox + n, "/");
	int fd = (int)syscall(SYS_openat2, base, rest, &how, sizeof(how)), code = -errno;
	close(base);
	return fd < 0 ? code : fd;
}

/* maker: who must own it, or -1. */
static int give_tree(const struct mz_container *c, int64_t maker, uid_t uid, gid_t gid)
{
	struct stat st;
	int fd = open_sandbox(c);
	if (fd < 0)
		return fd;
	int rc = fstat(fd, &st) < 0 ? -errno : maker >= 0 && st.st_uid != maker && st.st_uid != uid ? -EPERM : 0;
	if (rc < 0) {
		close(fd);
		return rc;
	}
	return give(fd, st.st_dev, uid, gid, 1);
}

/* The user's name is looked up outside: the container may have another list of them. */
static int give_sandbox(struct job *j)
{
	char buf[4096];
	struct passwd pw, *found = NULL;
	uid_t owner = 0;
	gid_t group = 0;
	if (j->c->user) {
		if (getpwnam_r(j->c->user, &pw, buf, sizeof(buf), &found) != 0 || !found)
			return iso_error(&j->err, -ENOENT, "User '%.100s' is not known on this machine", j->c->user);
		owner = found->pw_uid;
		group = found->pw_gid;
	}
	if (owner >= j->p->ids || group >= j->p->ids)
		return iso_error(&j->err, -ERANGE, "User '%.100s' has id %u and group %u, a container has %u ids only",
				 j->c->user, (unsigned)owner, (unsigned)group, j->p->ids);
	/* What is nested has its sandbox in that of its parent, whose tasks may have put
	 * something else there: what the agent has made, none of them can own. */
	int64_t maker = j->c->parent ? (int64_t)owner : -1;
	int rc = j->c->sandbox ? give_tree(j->c, maker, owner + j->outside, group + j->outside) : 0;
	return rc < 0 ? iso_error(&j->err, rc, "Sandbox %.150s: %s", j->c->sandbox, strerror(-rc)) : 0;
}

static void work(void *arg)
{
	struct job *j = arg;
	j->rc = give_sandbox(j);
}

/* ---- prepare ---------------------------------------------------------------- */

static void end(struct job *j)
{
	iso_end(j->p->h, j->op, j->rc, &j->err);
	job_free(j);
}

static void on_given(void *arg)
{
	struct job *j = arg;
	const struct mz_isolator_host *k = j->p->k;
	if (j->rc == 0)
		j->rc = iso_asked(k->launch_namespace(j->l, CLONE_NEWUSER), "a user namespace", &j->err);
	if (j->rc == 0)
		j->rc = iso_asked(k->launch_id_map(j->l, 0, 0, j->outside, j->p->ids), "a map of user ids", &j->err);
	if (j->rc == 0)
		j->rc = iso_asked(k->launch_id_map(j->l, 1, 0, j->outside, j->p->ids), "a map of group ids", &j->err);
	end(j);
}

static void on_given_inside(void *arg)
{
	end(arg);
}

static void on_stored(void *arg, const struct mz_err *err)
{
	struct job *j = arg;
	if (err) {
		j->rc = iso_error(&j->err, err->code, "The range of ids cannot be stored: %.200s", err->msg);
	} else if (j->p->h->offload(j->p->h, work, on_given, j) < 0) {
		j->rc = iso_error(&j->err, -EAGAIN, "The agent has too much work waiting");
	} else {
		return;
	}
	end(j);
}

static int enter(struct userns *p, const struct mz_container *c, struct mz_launch *l, uint32_t *ret_slot,
		 struct mz_err *err)
{
	char top[512], path[48];
	snprintf(top, sizeof(top), "%.*s", (int)strcspn(c->id, "."), c->id);
	const struct box *b = find(p, top);
	if (!b || b->pid <= 0)
		return iso_error(err, -ESRCH, "The process of container %.150s is not known", top);
	*ret_slot = b->slot;
	snprintf(path, sizeof(path), "/proc/%d/ns/user", b->pid);
	return iso_asked(p->k->launch_enter(l, CLONE_NEWUSER, path), path, err);
}

/* Its sandbox was made by the agent just now, for a user of the host. */
static void prepare_inside(struct userns *p, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct mz_err err;
	uint32_t slot = 0;
	int rc = enter(p, c, l, &slot, &err);
	struct job *j = rc == 0 && c->sandbox ? job_new(p, op) : NULL;
	if (!j) {
		iso_end(p->h, op, rc == 0 && c->sandbox ? iso_no_memory(&err) : rc, &err);
		return;
	}
	j->c = c;
	j->l = l;
	j->outside = p->first_id + slot * p->ids;
	if (p->h->offload(p->h, work, on_given_inside, j) < 0) {
		j->rc = iso_error(&j->err, -EAGAIN, "The agent has too much work waiting");
		end(j);
	}
}

/* A slot for a container: its own, if it has one already. */
static struct box *allocate(struct userns *p, const char *id, struct mz_err *err)
{
	char key[ID_NAME_SIZE];
	struct box *b = find(p, id);
	if (b)
		return b;
	const unsigned char *hole = memchr(p->taken, 0, p->n_slots);
	if (!hole) {
		iso_error(err, -ENOSPC, "All %u ranges of user ids are in use", p->n_slots);
		return NULL;
	}
	b = add(p, key_of(id, key), (uint32_t)(hole - p->taken));
	if (!b)
		iso_no_memory(err);
	return b;
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct userns *p = inst;
	struct mz_err err = {0};
	if (c->parent) {
		prepare_inside(p, c, l, op);
		return;
	}
	struct box *b = allocate(p, c->id, &err);
	struct job *j = b ? job_new(p, op) : NULL;
	if (!j) {
		iso_end(p->h, op, err.code ? err.code : iso_no_memory(&err), &err);
		return;
	}
	j->c = c;
	j->l = l;
	j->outside = p->first_id + b->slot * p->ids;
	p->h->storage_put(p->h, b->key, (struct mz_bytes){&b->slot, sizeof(b->slot)}, on_stored, j);
}

static void isolate(void *inst, const struct mz_container *c, int32_t pid, struct mz_op *op)
{
	struct userns *p = inst;
	struct box *b = find(p, c->id);
	if (b)
		b->pid = pid;
	iso_end(p->h, op, 0, NULL);
}

/* ---- recovery and the end ------------------------------------------------------ */

static void on_forgotten(void *arg, const struct mz_err *err)
{
	(void)arg, (void)err; /* it is tried again by the next start */
}

static void on_cleaned(void *arg, const struct mz_err *err)
{
	struct job *j = arg;
	j->p->h->op_done(j->op, err, NULL);
	job_free(j);
}

static int on_record(void *arg, const char *key, struct mz_bytes value)
{
	struct userns *p = arg;
	uint32_t slot = 0;
	if (value.size != sizeof(slot))
		return 0;
	memcpy(&slot, value.data, sizeof(slot));
	if (slot >= p->n_slots || by_id_find(&p->boxes, key))
		return 0;
	struct box *b = add(p, key, slot);
	if (!b)
		return -ENOMEM;
	b->pid = -1;
	return 0;
}

static void forget(struct userns *p, struct box *b)
{
	(void)by_id_take(&p->boxes, b->key);
	p->taken[b->slot] = 0;
	free(b);
}

static void recover(void *inst, const struct mz_container *const *v, size_t n, struct mz_op *op)
{
	struct userns *p = inst;
	struct mz_err err;
	int rc = p->h->storage_each(p->h, on_record, p);
	for (size_t i = 0; i < n; i++) {
		struct box *b = find(p, v[i]->id);
		if (b)
			b->pid = v[i]->pid;
	}
	for (struct box *b = (struct box *)by_id_next(&p->boxes, NULL), *next; b; b = next) {
		next = (struct box *)by_id_next(&p->boxes, &b->by);
		if (b->pid >= 0)
			continue;
		p->h->storage_put(p->h, b->key, (struct mz_bytes){NULL, 0}, on_forgotten, NULL);
		forget(p, b);
	}
	/* The record of one that is gone may have stayed, while another got its range. */
	for (const struct by_id *b = by_id_next(&p->boxes, NULL); b; b = by_id_next(&p->boxes, b))
		p->taken[((const struct box *)b)->slot] = 1;
	iso_end(p->h, op, rc < 0 ? iso_error(&err, rc, "The ranges of user ids cannot be read: %s", strerror(-rc)) : 0, &err);
}

static void cleanup(void *inst, const char *id, struct mz_op *op)
{
	struct userns *p = inst;
	struct mz_err err;
	struct box *b = find(p, id);
	struct job *j = b ? job_new(p, op) : NULL;
	if (!j) {
		iso_end(p->h, op, b ? iso_no_memory(&err) : 0, &err);
		return;
	}
	char key[ID_NAME_SIZE];
	forget(p, b);
	p->h->storage_put(p->h, key_of(id, key), (struct mz_bytes){NULL, 0}, on_cleaned, j);
}

static const struct mz_setting settings[] = {
	MZ_SETTING(INT, "first_id", "1000000", 1, 4294967294, "first user and group id of the host that containers are given"),
	MZ_SETTING(INT, "ids_per_container", "65536", 1, 4294967294, "ids of each container, from 0"),
	MZ_SETTING(INT, "max_containers", "1024", 1, 65536, "how many containers there are ids for"),
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
	.name = "namespaces_user",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Root in a container is nobody on the host",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
