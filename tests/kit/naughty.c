/* naughty.c - an isolator that breaks the contract in one way, with
 * -DNAUGHTY_<name>, which NAUGHTY_NAME says as text: what mezzo-module-check must find.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct inst {
	const struct mz_host *host;
	struct mz_op *kept;
	int n_cleanups;
	char prepared[64];
};

static int is_naughty(const char *name)
{
	return strcmp(NAUGHTY_NAME, name) == 0;
}

/* `never`: who never does. */
static void end(struct inst *i, struct mz_op *op, const char *never, const struct mz_err *err)
{
	if (is_naughty(never))
		i->kept = op;
	else
		i->host->op_done(op, err, NULL);
}

/* What it makes for a container: in the agent's directory, or for all agents at once. */
static void path_of(const struct inst *i, const char *id, char path[512])
{
	const struct mz_isolator_host *k = i->host->kind;
#ifdef NAUGHTY_shares
	const char *last = strrchr(k->work_dir(i->host), '/');
	snprintf(path, 512, "%.*s/mezzo-kit-naughty-%s", (int)(last - k->work_dir(i->host)), k->work_dir(i->host), id);
#else
	snprintf(path, 512, "%s/made-%s", k->work_dir(i->host), id);
#endif
}

static void on_time(void *arg)
{
	struct inst *i = arg;
	const struct mz_isolator_host *k = i->host->kind;
	const struct mz_limitation l = {.size = sizeof(l), .reason = 8, .message = "Too much"};
	k->limitation(i->host, i->prepared, &l);
}

static void on_kept(void *arg, const struct mz_err *err)
{
	(void)arg, (void)err;
}

static int has_record(void *arg, const char *key, struct mz_bytes value)
{
	(void)key, (void)value;
	*(int *)arg = 1;
	return 0;
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct inst *i = inst;
	char path[512];
	int recorded = 0;
	(void)l;
	/* A record that nobody takes away. */
	if (is_naughty("stale")) {
		(void)i->host->storage_each(i->host, has_record, &recorded);
		i->host->storage_put(i->host, c->id, (struct mz_bytes){"x", 1}, on_kept, NULL);
	}
	if (is_naughty("haunts"))
		(void)i->host->timer(i->host, 100000000000, on_time, i);
	path_of(i, c->id, path);
	snprintf(i->prepared, sizeof(i->prepared), "%s", c->id);
#ifdef NAUGHTY_shares
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
#else
	int fd = open(path, O_CREAT | O_WRONLY, 0600);
#endif
	struct mz_err err = {.code = -EEXIST, .msg = "It is there already"};
	if (fd >= 0)
		close(fd);
	i->host->op_done(op, fd < 0 || recorded ? &err : NULL, NULL);
}

/* One that was recovered is none of its own. */
static void update(void *inst, const struct mz_container *c, struct mz_op *op)
{
	struct inst *i = inst;
	struct mz_err err = {.code = -ENOENT, .msg = "Lost"};
	i->host->op_done(op, is_naughty("loses") && strcmp(i->prepared, c->id) != 0 ? &err : NULL, NULL);
}

/* What is there of containers that do not live. */
static void recover(void *inst, const struct mz_container *const *v, size_t n, struct mz_op *op)
{
	struct inst *i = inst;
#if !defined(NAUGHTY_orphans) && !defined(NAUGHTY_shares)
	char path[512];
	path_of(i, "", path);
	char *slash = strrchr(path, '/');
	*slash = '\0';
	DIR *dir = opendir(path);
	for (struct dirent *e; dir && (e = readdir(dir));) {
		size_t k = 0;
		while (k < n && (strlen(e->d_name) < strlen(slash + 1) || strcmp(e->d_name + strlen(slash + 1), v[k]->id) != 0))
			k++;
		if (k == n && strncmp(e->d_name, slash + 1, strlen(slash + 1)) == 0)
			(void)unlinkat(dirfd(dir), e->d_name, 0);
	}
	if (dir)
		closedir(dir);
#else
	(void)v, (void)n;
#endif
	struct mz_err err = {.code = -EIO, .msg = "Nothing to recover"};
	end(i, op, "late_recover", is_naughty("needs_some") && n == 0 ? &err : NULL);
}

#ifdef NAUGHTY_global
static int n_instances;
#endif
#ifdef NAUGHTY_exports
MZ_EXPORT int another_symbol(void);
int another_symbol(void)
{
	return 1;
}
#endif

static int create(const struct mz_host *host, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct inst *i = calloc(1, sizeof(*i));
	(void)conf;
	if (!i)
		return err->code = -ENOMEM;
	i->host = host;
#ifdef NAUGHTY_global
	n_instances++;
#endif
	*inst = i;
	return 0;
}

static void destroy(void *inst)
{
	free(inst);
}

static void cleanup(void *inst, const char *id, struct mz_op *op)
{
	struct inst *i = inst;
	char path[512];
	path_of(i, id, path);
#ifdef NAUGHTY_forgets
	if (strcmp(i->prepared, id) == 0)
#endif
		(void)unlink(path);
#ifdef NAUGHTY_unknown
	if (strncmp(id, "kit-", 4) != 0) {
		struct mz_err err = {.code = -ENOENT, .msg = "Never heard of it"};
		i->host->op_done(op, &err, NULL);
		return;
	}
#endif
	struct mz_err again = {.code = -EALREADY, .msg = "Once is enough"};
	int is_again = strcmp(i->prepared, id) == 0 && i->n_cleanups++ > 0;
	end(i, op, "never", is_naughty("once") && is_again ? &again : NULL);
#ifdef NAUGHTY_twice
	i->host->op_done(op, NULL, NULL);
#endif
}

static const struct mz_setting settings[] = {
	MZ_SETTING(INT, "limit", "1", 1, 10, "A limit"),
	MZ_SETTING_END,
};

static uint32_t flags(void *inst)
{
	(void)inst;
	return is_naughty("flags") ? 1u << 30 : 0;
}

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.flags = flags,
	.recover = recover,
	.prepare = prepare,
	.update = update,
	.cleanup = cleanup,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "naughty",
	.version = "1",
	.author = "Tests",
	.summary = "Breaks the contract in one way",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
