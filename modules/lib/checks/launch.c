/* launch.c - lib/checks: what is run, from a TaskInfo; and signalling what
 * has become of it.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#define MZ_MODULE_ABI 1
#include "launch.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_TREE = 4096 };

static int fail(struct mz_err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int fail(struct mz_err *err, int code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	err->code = code;
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return code;
}

void launch_done(struct launch *l)
{
	for (char **p = l->argv; p && *p; p++)
		free(*p);
	for (char **p = l->env; p && *p; p++)
		free(*p);
	free(l->argv);
	free(l->env);
	*l = (struct launch){0};
}

static size_t count(const char *const *v)
{
	size_t n = 0;
	while (v && v[n])
		n++;
	return n;
}

/* A variable of an environment that is being made; there may be very many. */
struct variable {
	char *text;	/* NAME=value */
	size_t len;	/* of NAME */
	size_t at;	/* a later one counts */
};

struct variables {
	struct variable *v;
	size_t n;
};

static int put(struct variables *e, char *text)
{
	if (!text)
		return -ENOMEM;
	e->v[e->n] = (struct variable){text, strcspn(text, "="), e->n};
	e->n++;
	return 0;
}

static int same_name(const struct variable *a, const struct variable *b)
{
	return a->len == b->len && !memcmp(a->text, b->text, a->len);
}

static int by_name(const void *a, const void *b)
{
	const struct variable *x = a, *y = b;
	int order = memcmp(x->text, y->text, x->len < y->len ? x->len : y->len);
	if (order)
		return order;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return x->at < y->at ? -1 : 1;
}

/* The last one of each name; `env` has room for all. */
static void finish(struct variables *e, char **env)
{
	qsort(e->v, e->n, sizeof(e->v[0]), by_name);
	for (size_t i = 0; i < e->n; i++) {
		if (i + 1 < e->n && same_name(&e->v[i], &e->v[i + 1]))
			free(e->v[i].text);
		else
			*env++ = e->v[i].text;
	}
}

/* What `field` (a CommandInfo) sets. */
static int put_own(struct variables *e, const struct mz_executor_host *k, const struct mz_info *task, const char *field)
{
	char path[128], *variable;
	snprintf(path, sizeof(path), "%s.environment.variables", field);
	size_t n = k->info->count(task, path);
	for (size_t i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s.environment.variables.%zu.name", field, i);
		const char *name = k->info->str(task, path);
		snprintf(path, sizeof(path), "%s.environment.variables.%zu.value", field, i);
		const char *value = k->info->str(task, path);
		if (!name || !value)
			continue; /* a secret, which is not ours to resolve */
		if (asprintf(&variable, "%s=%s", name, value) < 0)
			variable = NULL;
		if (put(e, variable) < 0)
			return -ENOMEM;
	}
	return 0;
}

int launch_env(struct launch *l, const struct mz_executor_host *k, const struct mz_host *h, const struct mz_info *task,
	       const char *field, struct mz_err *err)
{
	const char *const *base = k->environment(h);
	char path[128];
	snprintf(path, sizeof(path), "%s.environment.variables", field ? field : "command");
	size_t most = count(base) + k->info->count(task, "command.environment.variables") + k->info->count(task, path) + 1;
	int rc = 0;
	struct variables e = {.v = calloc(most, sizeof(e.v[0]))};
	l->env = calloc(most, sizeof(l->env[0]));
	if (!l->env || !e.v)
		rc = -ENOMEM;
	for (size_t i = 0; rc == 0 && base && base[i]; i++)
		rc = put(&e, strdup(base[i]));
	if (rc == 0)
		rc = put_own(&e, k, task, "command");
	if (rc == 0 && field && strcmp(field, "command"))
		rc = put_own(&e, k, task, field);
	if (l->env)
		finish(&e, l->env); /* launch_done frees them */
	free(e.v);
	return rc < 0 ? fail(err, rc, "Out of memory") : 0;
}

static int is_program(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* The file of a command without a slash, by the PATH that the task will have. */
char *launch_find(const struct launch *l, const char *name, const char *dir)
{
	char *found = NULL;
	if (name[0] == '/')
		return strdup(name);
	if (strchr(name, '/'))
		return asprintf(&found, "%s/%s", dir, name) < 0 ? NULL : found;
	const char *path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	for (char **e = l->env; *e; e++)
		if (!strncmp(*e, "PATH=", 5))
			path = *e + 5;
	while (*path) {
		size_t len = strcspn(path, ":");
		if (asprintf(&found, "%.*s/%s", (int)len, path, name) < 0)
			return NULL;
		if (len && is_program(found))
			return found;
		free(found);
		path += len + (path[len] == ':');
	}
	return strdup(name); /* not there: starting it says so */
}

static int make_argv(struct launch *l, const struct mz_executor_host *k, const struct mz_host *h,
		     const struct mz_info *task, const char *field, struct mz_err *err)
{
	const struct mz_info_api *info = k->info;
	char path[128];
	snprintf(path, sizeof(path), "%s.value", field);
	const char *value = info->str(task, path);
	snprintf(path, sizeof(path), "%s.shell", field);
	int shell = (int)info->integer(task, path, 1);
	snprintf(path, sizeof(path), "%s.arguments", field);
	size_t n = info->count(task, path);
	if (!info->has(task, field))
		return fail(err, -EINVAL, "The task has no %s", field);
	if (!value)
		return fail(err, -EINVAL, "The %s of the task has no value", field);
	l->argv = calloc((shell ? 3 : n ? n : 1) + 1, sizeof(l->argv[0]));
	if (!l->argv)
		return fail(err, -ENOMEM, "Out of memory");
	if (shell) {
		l->argv[0] = strdup("/bin/sh");
		l->argv[1] = strdup("-c");
		l->argv[2] = strdup(value);
		return 0;
	}
	l->argv[0] = launch_find(l, value, k->sandbox(h));
	/* arguments[0] is the name that the program is given: the file's stands. */
	for (size_t i = 1; i < n && l->argv[0]; i++) {
		snprintf(path, sizeof(path), "%s.arguments.%zu", field, i);
		const char *argument = info->str(task, path);
		l->argv[i] = strdup(argument ? argument : "");
	}
	return l->argv[0] ? 0 : fail(err, -ENOMEM, "Out of memory");
}

int launch_make(struct launch *l, const struct mz_executor_host *k, const struct mz_host *h, const struct mz_info *task,
		const char *field, struct mz_err *err)
{
	int rc = launch_env(l, k, h, task, field, err);
	return rc < 0 ? rc : make_argv(l, k, h, task, field, err);
}

/* ---- killing -------------------------------------------------------------------- */

int64_t kill_grace_ns(const struct mz_executor_host *k, const struct mz_info *task, int64_t asked_ns)
{
	static const int64_t otherwise = 3 * 1000000000LL, most = INT64_MAX / 4;
	int64_t ns = asked_ns < 0 ? k->info->integer(task, "kill_policy.grace_period.nanoseconds", otherwise) : asked_ns;
	return ns < 0 ? otherwise : ns < most ? ns : most;
}

static void add_children(int32_t pid, int32_t *v, size_t *n)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *d = opendir(path);
	struct dirent *e;
	while (d && (e = readdir(d))) {
		char file[384];
		snprintf(file, sizeof(file), "/proc/%d/task/%s/children", pid, e->d_name);
		FILE *f = e->d_name[0] == '.' ? NULL : fopen(file, "re");
		while (f && *n < MAX_TREE && fscanf(f, "%d", &v[*n]) == 1)
			(*n)++;
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
}

void kill_tree(int32_t pid, int signal)
{
	int32_t *v = calloc(MAX_TREE, sizeof(v[0]));
	size_t n = 0;
	if (v) {
		v[n++] = pid;
		for (size_t i = 0; i < n; i++)
			add_children(v[i], v, &n);
	}
	/* The group first, at one stroke: a shell and what it waits for. */
	kill(-pid, signal);
	for (size_t i = 1; i < n; i++)
		if (getpgid(v[i]) != pid)
			kill(v[i], signal);
	free(v);
}
