/* linux.c - containerizer/mesos: the launcher `linux`. What isolators ask for goes
 * into the launch description; what is asked of nobody comes from the parent. Doing
 * it is mezzo-init's business, of which we keep a copy that nobody can write to.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mesos.h"

/* ---- the description -------------------------------------------------------------- */

static char *room_for(struct text *t, size_t n)
{
	if (t->len + n > t->cap) {
		size_t cap = (t->cap + n) * 2;
		char *more = realloc(t->data, cap);
		if (!more) {
			t->broken = 1;
			return NULL;
		}
		t->data = more;
		t->cap = cap;
	}
	t->len += n;
	return t->data + t->len - n;
}

void text_add(struct text *t, char key, const char *a, const char *b)
{
	size_t n = 1 + strlen(a) + (b ? strlen(b) + 1 : 0) + 1;
	char *at = room_for(t, n);
	if (at)
		sprintf(at, "%c%s%s%s", key, a, b ? "=" : "", b ? b : "");
}

void text_add_line(struct text *t, char key, const char *numbers, const char *rest)
{
	size_t n = 1 + strlen(numbers) + 1 + strlen(rest) + 1;
	char *at = room_for(t, n);
	if (at)
		sprintf(at, "%c%s %s", key, numbers, rest);
}

static void add_hex(struct text *t, char key, struct mz_bytes b)
{
	const unsigned char *data = b.data;
	char *at = room_for(t, 1 + b.size * 2 + 1);
	if (!at)
		return;
	*at++ = key;
	for (size_t i = 0; i < b.size; i++, at += 2)
		sprintf(at, "%02x", data[i]);
	*at = '\0';
}

int text_file(struct text *t, int *ret_fd, struct mz_err *err)
{
	char why[128];
	int rc = t->broken ? fail(err, -ENOMEM, "Out of memory") : 0;
	int fd = rc < 0 ? -1 : memfd_create("launch", MFD_CLOEXEC);
	if (rc == 0 && (fd < 0 || write(fd, t->data, t->len) != (ssize_t)t->len)) {
		rc = fail(err, fd < 0 ? -errno : -EIO, "Cannot write the launch description: %s",
			  reason(errno, why, sizeof(why)));
		if (fd >= 0)
			close(fd);
	}
	free(t->data);
	*t = (struct text){0};
	if (rc == 0)
		*ret_fd = fd;
	return rc;
}

/* ---- steps ------------------------------------------------------------------------- */

static void add_mount(struct text *t, const struct mz_mount *m)
{
	char line[64];
	snprintf(line, sizeof(line), "%u %d %d %d", m->flags, m->recursive != 0, m->target_is_file != 0,
		 m->no_symlinks ? 1 + (m->make_target != 0) : 0);
	text_add_line(t, 'V', line, m->target);
	if (m->source)
		text_add(t, 's', m->source, NULL);
	if (m->type)
		text_add(t, 't', m->type, NULL);
	if (m->options)
		text_add(t, 'o', m->options, NULL);
}

static void add_numbers(struct text *t, char key, const uint64_t *v, size_t n)
{
	char line[128] = "";
	size_t len = 0;
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(line + len, sizeof(line) - len, "%s%llu", i ? " " : "", (unsigned long long)v[i]);
	text_add(t, key, line, NULL);
}

int linux_add_step(struct text *t, const struct mz_launch_entry *e, struct mz_err *err)
{
	char line[64];
	switch (e->step) {
	case MZ_LAUNCH_NAMESPACE:
	case MZ_LAUNCH_ENTER:
		return 0; /* linux_describe */
	case MZ_LAUNCH_CGROUP:
		text_add(t, 'C', e->a, NULL);
		return 0;
	case MZ_LAUNCH_ROOTFS:
		text_add(t, 'B', e->a, NULL);
		return 0;
	case MZ_LAUNCH_MOUNT:
		add_mount(t, e->mount);
		return 0;
	case MZ_LAUNCH_MASK:
		text_add(t, 'X', e->a, NULL);
		return 0;
	case MZ_LAUNCH_READ_ONLY:
		text_add(t, 'W', e->a, NULL);
		return 0;
	case MZ_LAUNCH_DEVICE:
		snprintf(line, sizeof(line), "%o %u %u", (unsigned)e->n[0], (unsigned)e->n[1], (unsigned)e->n[2]);
		text_add_line(t, 'D', line, e->a);
		return 0;
	case MZ_LAUNCH_CAPABILITIES:
		add_numbers(t, 'Q', e->n, 5);
		return 0;
	case MZ_LAUNCH_SECCOMP:
		add_hex(t, 'Z', e->bytes);
		return 0;
	case MZ_LAUNCH_ID_MAP:
		add_numbers(t, 'I', e->n, 4);
		return 0;
	case MZ_LAUNCH_WORK_DIR:
		text_add(t, 'Y', e->a, NULL);
		return 0;
	case MZ_LAUNCH_HOSTNAME:
		text_add(t, 'H', e->a, NULL);
		return 0;
	case MZ_LAUNCH_FILE:
		snprintf(line, sizeof(line), "%o", (unsigned)e->n[0]);
		text_add_line(t, 'f', line, e->a);
		add_hex(t, 'c', e->bytes);
		return 0;
	case MZ_LAUNCH_HOOK:
		for (size_t i = 0; e->argv[i]; i++)
			text_add(t, i ? 'a' : 'h', e->argv[i], NULL);
		return 0;
	default:
		return fail(err, -EOPNOTSUPP, "Isolator '%.100s' asks for something (step %u) that this launcher does not know",
			    e->isolator ? e->isolator : "?", e->step);
	}
}

/* ---- namespaces ---------------------------------------------------------------------- */

static const struct {
	int flag;
	const char *name;
} kinds[] = {
	{CLONE_NEWNS, "mnt"}, {CLONE_NEWUTS, "uts"},   {CLONE_NEWIPC, "ipc"},	    {CLONE_NEWNET, "net"},
	{CLONE_NEWPID, "pid"}, {CLONE_NEWUSER, "user"}, {CLONE_NEWCGROUP, "cgroup"},
};

struct asked {
	uint64_t fresh, entered;
	int rootfs, mounts;
};

static void add_entered(struct text *t, uint64_t flag, const char *path)
{
	char line[32];
	snprintf(line, sizeof(line), "%llu", (unsigned long long)flag);
	text_add_line(t, 'T', line, path);
}

/* What the parent lives in, where nobody asks otherwise. A new user namespace is
 * below the parent's; so are mounts without a root file system of their own. A pid
 * namespace cannot be: who makes one must live in the one above. */
static void add_parents(struct box *b, const struct box *parent, struct text *t, const struct asked *a)
{
	char path[64];
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		uint64_t flag = (uint64_t)kinds[i].flag;
		int below = flag == CLONE_NEWUSER || (flag == CLONE_NEWNS && !a->rootfs);
		if ((a->entered & flag) || ((a->fresh & flag) && !below))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", parent->first, kinds[i].name);
		add_entered(t, flag, path);
	}
	char *rest = format("%s %s", b->m->k->cgroups_root(b->m->h), b->m->k->cgroups_hierarchy(b->m->h));
	snprintf(path, sizeof(path), "%d", parent->first);
	if (rest)
		text_add_line(t, 'p', path, rest);
	else
		t->broken = 1;
	free(rest);
}

int linux_describe(struct box *b, struct text *t, struct mz_err *err)
{
	const struct mz_containerizer_host *k = b->m->k;
	int is_debug = b->c->container_class == MZ_CONTAINER_DEBUG;
	struct asked a = {0};
	struct mz_launch_entry e;
	for (size_t i = 0; k->launch_read(b->launch, i, &e) == 0; i++) {
		if (e.step == MZ_LAUNCH_NAMESPACE && !is_debug) {
			a.fresh |= e.n[0];
		} else if (e.step == MZ_LAUNCH_ENTER) {
			a.entered |= e.n[0];
			add_entered(t, e.n[0], e.a);
		}
		a.rootfs |= e.step == MZ_LAUNCH_ROOTFS;
		a.mounts |= e.step == MZ_LAUNCH_MOUNT || e.step == MZ_LAUNCH_MASK || e.step == MZ_LAUNCH_READ_ONLY;
	}
	if (is_debug && (a.rootfs || a.mounts))
		return fail(err, -EINVAL, "Container '%.100s' is for debugging: it has no file system of its own", b->id);
	/* Never among the mounts of others. */
	if (a.rootfs || a.mounts)
		a.fresh |= CLONE_NEWNS;
	add_numbers(t, 'N', &a.fresh, 1);
	char *group = linux_group(b->m, b->id);
	if (!group)
		return fail(err, -ENOMEM, "Out of memory");
	text_add(t, 'K', group, NULL);
	free(group);
	const struct box *parent = box_parent(b);
	if (parent)
		add_parents(b, parent, t, &a);
	return 0;
}

/* ---- cgroups ------------------------------------------------------------------------- */

char *linux_group(const struct mesos *m, const char *id)
{
	if (!m->groups)
		return NULL;
	size_t n = strlen(m->groups) + 2;
	for (const char *s = id; *s; s++)
		n += *s == '.' ? sizeof("/mezzo/") : 1;
	char *path = malloc(n), *to = path;
	if (!path)
		return NULL;
	to += sprintf(to, "%s/", m->groups);
	for (const char *s = id; *s; s++)
		to += *s == '.' ? sprintf(to, "/mezzo/") : sprintf(to, "%c", *s);
	return path;
}

int linux_kill_groups(struct mesos *m, const char *const *ids, size_t n, mz_exit_fn fn, void *arg, struct mz_err *err)
{
	if (!m->groups)
		return fail(err, -EOPNOTSUPP, "There is no hierarchy of cgroups that processes could be killed by");
	struct text t = {0};
	int fd = -1;
	/* Nested ones first: what is removed takes along what is below it. */
	for (size_t i = n; i-- > 0;) {
		char *path = linux_group(m, ids[i]);
		if (path)
			text_add(&t, 'K', path, NULL);
		else
			t.broken = 1;
		free(path);
	}
	int rc = text_file(&t, &fd, err);
	if (rc < 0)
		return rc;
	char ms[24];
	snprintf(ms, sizeof(ms), "%lld", (long long)(m->destroy_ns / 1000000));
	const char *const argv[] = {m->init_copy ? m->init_copy : m->init_path, "groups", ms, NULL};
	const struct mz_spawn s = {.size = sizeof(s), .fd_in = fd, .fd_out = -1, .fd_err = -1, .argv = argv, .dir = "/"};
	rc = m->h->spawn(m->h, &s, fn, arg, NULL, NULL, err);
	close(fd);
	return rc;
}

/* ---- the instance ---------------------------------------------------------------------- */

static int copy_init(struct mesos *m, struct mz_err *err)
{
	char why[128];
	int from = open(m->init_path, O_RDONLY | O_CLOEXEC);
	int to = memfd_create("mezzo-init", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ssize_t n = from < 0 || to < 0 ? -1 : 1;
	while (n > 0)
		n = sendfile(to, from, NULL, 1 << 20);
	if (n == 0 && (fchmod(to, 0500) < 0 ||
		       fcntl(to, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0))
		n = -1;
	int code = errno;
	if (from >= 0)
		close(from);
	m->init_fd = to;
	if (n < 0)
		return fail(err, -code, "Cannot copy '%.180s' into memory: %s", m->init_path, reason(code, why, sizeof(why)));
	m->init_copy = format("/proc/%d/fd/%d", getpid(), to);
	return m->init_copy ? 0 : fail(err, -ENOMEM, "Out of memory");
}

/* The hierarchy of the freezer, else v2; NULL if there is neither. */
static char *find_groups(const struct mesos *m)
{
	static const char *const marks[] = {"freezer", "cgroup.procs", "", "cgroup.controllers", "unified",
					    "cgroup.controllers"};
	const char *dir = m->k->cgroups_hierarchy(m->h);
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i += 2) {
		char *mark = format("%s/%s/%s", dir, marks[i], marks[i + 1]);
		int there = mark && access(mark, F_OK) == 0;
		free(mark);
		if (there)
			return format("%s%s%s/%s", dir, marks[i][0] ? "/" : "", marks[i], m->k->cgroups_root(m->h));
	}
	return NULL;
}

static int make_groups(struct mesos *m, struct mz_err *err)
{
	char why[128];
	size_t from = strlen(m->k->cgroups_hierarchy(m->h)) + 1;
	for (char *s = strchr(m->groups + from, '/');; s = strchr(s + 1, '/')) {
		if (s)
			*s = '\0';
		int rc = mkdir(m->groups, 0755) < 0 && errno != EEXIST ? -errno : 0;
		if (rc < 0)
			return fail(err, rc, "Cannot make the cgroup '%.180s': %s", m->groups, reason(rc, why, sizeof(why)));
		if (!s)
			return 0;
		*s = '/';
	}
}

int linux_create(struct mesos *m, struct mz_err *err)
{
	/* Also under posix: there may be containers of an earlier life. */
	if (HOST_HAS(m->k, cgroups_root) && m->k->cgroups_hierarchy && m->k->is_root(m->h))
		m->groups = find_groups(m);
	if (!m->is_linux)
		return 0;
	if (!m->k->is_root(m->h))
		return fail(err, -EPERM, "The launcher 'linux' needs root; launcher: posix does not");
	if (!m->groups)
		return fail(err, -ENOENT, "The launcher 'linux' needs cgroups: neither the freezer nor v2 is mounted in '%.150s'",
			    HOST_HAS(m->k, cgroups_hierarchy) ? m->k->cgroups_hierarchy(m->h) : "?");
	int rc = make_groups(m, err);
	return rc < 0 ? rc : copy_init(m, err);
}

void linux_done(struct mesos *m)
{
	if (m->init_fd >= 0)
		close(m->init_fd);
	free(m->init_copy);
	/* Nothing shall be left behind; while containers live, or others use it, it stays. */
	size_t top = m->groups ? strlen(m->groups) - strlen(m->k->cgroups_root(m->h)) : 0;
	while (m->is_linux && m->groups && strlen(m->groups) > top && rmdir(m->groups) == 0)
		*strrchr(m->groups, '/') = '\0';
	free(m->groups);
}
