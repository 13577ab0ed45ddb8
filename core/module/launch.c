/* launch.c - struct mz_launch: records what isolators ask for in prepare, for the
 * containerizer to read. Nothing is done here.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "module/reflect.h"

enum { MAX_ENTRIES = 4096, MAX_BYTES = 1 << 20, MAX_ARGS = 256 };

struct mz_launch *launch_new(void)
{
	return xnew(struct mz_launch);
}

void launch_free(struct mz_launch *l)
{
	if (!l || l->late)
		return;
	vec_done(&l->entries);
	arena_done(&l->arena);
	free(l);
}

int launch_read(const struct mz_launch *l, size_t i, struct mz_launch_entry *ret)
{
	if (i >= l->entries.n)
		return -ENOENT;
	*ret = l->entries.v[i];
	return 0;
}

static char *copy(struct mz_launch *l, const char *s)
{
	return s ? arena_strdup(&l->arena, s) : NULL;
}

/* The next entry, or NULL: nobody is preparing, or it asks for too much. */
static struct mz_launch_entry *add(struct mz_launch *l, enum mz_launch_step step, const char *a, const char *b)
{
	if (!l->isolator || l->entries.n >= MAX_ENTRIES)
		return NULL;
	struct mz_launch_entry e = {
		.size = sizeof(e),
		.step = step,
		.isolator = copy(l, l->isolator),
		.a = copy(l, a),
		.b = copy(l, b),
	};
	vec_push(&l->entries, e);
	return &l->entries.v[l->entries.n - 1];
}

/* Steps of which a container can have one: twice the same is fine. */
static int add_once(struct mz_launch *l, enum mz_launch_step step, const char *a, uint64_t n)
{
	for (size_t i = 0; i < l->entries.n; i++) {
		const struct mz_launch_entry *e = &l->entries.v[i];
		if (e->step != step)
			continue;
		int same = e->n[0] == n && (e->a == a || (e->a && a && !strcmp(e->a, a)));
		return same ? 0 : -EEXIST;
	}
	struct mz_launch_entry *e = add(l, step, a, NULL);
	if (!e)
		return -EPERM;
	e->n[0] = n;
	return 0;
}

static int add_text(struct mz_launch *l, enum mz_launch_step step, const char *a, const char *b)
{
	return add(l, step, a, b) ? 0 : -EPERM;
}

static int add_bytes(struct mz_launch *l, enum mz_launch_step step, const char *a, uint64_t n, struct mz_bytes bytes)
{
	if (bytes.size > MAX_BYTES)
		return -E2BIG;
	struct mz_launch_entry *e = add(l, step, a, NULL);
	if (!e)
		return -EPERM;
	e->n[0] = n;
	void *data = arena_alloc(&l->arena, bytes.size + 1);
	if (bytes.size)
		memcpy(data, bytes.data, bytes.size);
	e->bytes = (struct mz_bytes){data, bytes.size};
	return 0;
}

static int add_numbers(struct mz_launch *l, enum mz_launch_step step, const char *a, const uint64_t *n, size_t n_n)
{
	struct mz_launch_entry *e = add(l, step, a, NULL);
	if (!e)
		return -EPERM;
	memcpy(e->n, n, n_n * sizeof(n[0]));
	return 0;
}

static int add_env(struct mz_launch *l, const char *name, const char *value)
{
	if (!name[0] || strchr(name, '='))
		return -EINVAL;
	for (size_t i = 0; i < l->entries.n; i++) {
		const struct mz_launch_entry *e = &l->entries.v[i];
		if (e->step == MZ_LAUNCH_ENV && !strcmp(e->a, name))
			return strcmp(e->b, value) ? -EEXIST : 0;
	}
	return add_text(l, MZ_LAUNCH_ENV, name, value);
}

static int add_namespace(struct mz_launch *l, int flag)
{
	return add_numbers(l, MZ_LAUNCH_NAMESPACE, NULL, &(uint64_t){(uint64_t)flag}, 1);
}

static int add_enter(struct mz_launch *l, int flag, const char *path)
{
	return add_numbers(l, MZ_LAUNCH_ENTER, path, &(uint64_t){(uint64_t)flag}, 1);
}

static int add_cgroup(struct mz_launch *l, const char *path)
{
	return add_text(l, MZ_LAUNCH_CGROUP, path, NULL);
}

static int add_rootfs(struct mz_launch *l, const char *path)
{
	return add_once(l, MZ_LAUNCH_ROOTFS, path, 0);
}

/* Who is in another root than we has one of its own: it may be older than this agent. */
static int is_in_other_root(int32_t pid)
{
	char path[48];
	struct stat own, other;
	snprintf(path, sizeof(path), "/proc/%d/root/.", pid);
	return stat("/", &own) == 0 && stat(path, &other) == 0 && (own.st_dev != other.st_dev || own.st_ino != other.st_ino);
}

static int has_rootfs(const struct mz_launch *l)
{
	for (size_t i = 0; i < l->entries.n; i++)
		if (l->entries.v[i].step == MZ_LAUNCH_ROOTFS)
			return 1;
	return l->parent_pid > 0 && is_in_other_root(l->parent_pid);
}

static int is_same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* Has somebody asked for just that file system already, such as a /proc? One is enough. */
static int has_new(const struct mz_launch *l, const struct mz_mount *m)
{
	for (size_t i = 0; m->type && i < l->entries.n; i++) {
		const struct mz_mount *old = l->entries.v[i].mount;
		if (old && is_same(old->type, m->type) && is_same(old->target, m->target) && old->flags == m->flags &&
		    is_same(old->source, m->source) && is_same(old->options, m->options))
			return 1;
	}
	return 0;
}

static int add_mount(struct mz_launch *l, const struct mz_mount *m)
{
	if (l->isolator && has_new(l, m))
		return 0;
	struct mz_launch_entry *e = add(l, MZ_LAUNCH_MOUNT, NULL, NULL);
	if (!e)
		return -EPERM;
	struct mz_mount *own = arena_calloc(&l->arena, sizeof(*own));
	memcpy(own, m, m->size && m->size < sizeof(*own) ? m->size : sizeof(*own));
	own->size = sizeof(*own);
	own->source = copy(l, own->source);
	own->target = copy(l, own->target);
	own->type = copy(l, own->type);
	own->options = copy(l, own->options);
	e->mount = own;
	return 0;
}

static int add_mask(struct mz_launch *l, const char *path)
{
	return add_text(l, MZ_LAUNCH_MASK, path, NULL);
}

static int add_read_only(struct mz_launch *l, const char *path)
{
	return add_text(l, MZ_LAUNCH_READ_ONLY, path, NULL);
}

static int add_device(struct mz_launch *l, const char *path, uint32_t mode, uint32_t dev_major, uint32_t dev_minor)
{
	const uint64_t n[] = {mode, dev_major, dev_minor};
	return add_numbers(l, MZ_LAUNCH_DEVICE, path, n, 3);
}

static int add_rlimit(struct mz_launch *l, int resource, uint64_t soft, uint64_t hard)
{
	const uint64_t n[] = {(uint64_t)resource, soft, hard};
	return add_numbers(l, MZ_LAUNCH_RLIMIT, NULL, n, 3);
}

static int add_capabilities(struct mz_launch *l, uint64_t effective, uint64_t permitted, uint64_t inheritable,
			    uint64_t bounding, uint64_t ambient)
{
	const uint64_t n[] = {effective, permitted, inheritable, bounding, ambient};
	return add_numbers(l, MZ_LAUNCH_CAPABILITIES, NULL, n, 5);
}

static int add_no_new_privs(struct mz_launch *l)
{
	return add_once(l, MZ_LAUNCH_NO_NEW_PRIVS, NULL, 0);
}

static int add_seccomp(struct mz_launch *l, struct mz_bytes program)
{
	return add_bytes(l, MZ_LAUNCH_SECCOMP, NULL, 0, program);
}

static int add_id_map(struct mz_launch *l, int is_gid, uint32_t inside, uint32_t outside, uint32_t count)
{
	const uint64_t n[] = {(uint64_t)is_gid, inside, outside, count};
	return add_numbers(l, MZ_LAUNCH_ID_MAP, NULL, n, 4);
}

static int add_groups(struct mz_launch *l, const uint32_t *gids, size_t n)
{
	if (n > MAX_BYTES / sizeof(gids[0]))
		return -E2BIG;
	return add_bytes(l, MZ_LAUNCH_GROUPS, NULL, 0, (struct mz_bytes){gids, n * sizeof(gids[0])});
}

static int add_work_dir(struct mz_launch *l, const char *path)
{
	return add_once(l, MZ_LAUNCH_WORK_DIR, path, 0);
}

static int add_hostname(struct mz_launch *l, const char *hostname)
{
	return add_once(l, MZ_LAUNCH_HOSTNAME, hostname, 0);
}

static int add_file(struct mz_launch *l, const char *path, uint32_t mode, struct mz_bytes content)
{
	return add_bytes(l, MZ_LAUNCH_FILE, path, mode, content);
}

static int add_oom_score_adj(struct mz_launch *l, int value)
{
	return add_once(l, MZ_LAUNCH_OOM_SCORE_ADJ, NULL, (uint64_t)(int64_t)value);
}

static int add_hook(struct mz_launch *l, const char *const *argv)
{
	size_t n = 0;
	while (argv[n] && n < MAX_ARGS)
		n++;
	if (n == 0 || n == MAX_ARGS)
		return -EINVAL;
	struct mz_launch_entry *e = add(l, MZ_LAUNCH_HOOK, NULL, NULL);
	if (!e)
		return -EPERM;
	const char **own = arena_calloc(&l->arena, (n + 1) * sizeof(own[0]));
	for (size_t i = 0; i < n; i++)
		own[i] = copy(l, argv[i]);
	e->argv = own;
	return 0;
}

void launch_services(struct mz_isolator_host *h)
{
	h->launch_env = add_env;
	h->launch_namespace = add_namespace;
	h->launch_enter = add_enter;
	h->launch_cgroup = add_cgroup;
	h->launch_rootfs = add_rootfs;
	h->launch_mount = add_mount;
	h->launch_mask = add_mask;
	h->launch_read_only = add_read_only;
	h->launch_device = add_device;
	h->launch_rlimit = add_rlimit;
	h->launch_capabilities = add_capabilities;
	h->launch_no_new_privs = add_no_new_privs;
	h->launch_seccomp = add_seccomp;
	h->launch_id_map = add_id_map;
	h->launch_groups = add_groups;
	h->launch_work_dir = add_work_dir;
	h->launch_hostname = add_hostname;
	h->launch_file = add_file;
	h->launch_oom_score_adj = add_oom_score_adj;
	h->launch_hook = add_hook;
	h->launch_has_rootfs = has_rootfs;
}
