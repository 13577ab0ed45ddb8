/* override.c - logger/rotate: what a container's own variables change.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rotate.h"

/* The value of a variable: of the command, else of all that the container gets. */
static const char *find(const struct mz_container *c, const char *prefix, const char *name)
{
	const struct mz_info_api *api = c->info;
	size_t n_prefix = strlen(prefix), n_name = strlen(name);
	size_t n = c->command && api ? api->count(c->command, "environment.variables") : 0;
	char path[64];
	for (size_t i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "environment.variables.%zu.name", i);
		const char *key = api->str(c->command, path);
		if (!key || strncmp(key, prefix, n_prefix) || strcmp(key + n_prefix, name))
			continue;
		snprintf(path, sizeof(path), "environment.variables.%zu.value", i);
		return api->str(c->command, path);
	}
	for (size_t i = 0; c->env && c->env[i]; i++) {
		const char *e = c->env[i];
		if (!strncmp(e, prefix, n_prefix) && !strncmp(e + n_prefix, name, n_name) && e[n_prefix + n_name] == '=')
			return e + n_prefix + n_name + 1;
	}
	return NULL;
}

static int parse_size(const char *v, int64_t *ret)
{
	static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
	char *end;
	errno = 0;
	int64_t n = strtoll(v, &end, 10);
	if (errno || end == v || n < 0)
		return -EINVAL;
	if (!*end) {
		*ret = n;
		return 0;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(end, units[i])) {
			if (n > INT64_MAX >> (10 * i))
				return -EINVAL;
			*ret = n << (10 * i);
			return 0;
		}
	return -EINVAL;
}

static int take_size(const struct mz_container *c, const char *prefix, const char *name, int64_t *to, struct mz_err *err)
{
	const char *v = find(c, prefix, name);
	int64_t n;
	if (!v)
		return 0;
	if (parse_size(v, &n) < 0)
		return refuse_with(err, -EINVAL, "Variable '%s%s' is '%.60s', which is no size (10MB, 512KB …)", prefix, name, v);
	if (n < ROTATE_PAGE)
		return refuse_with(err, -EINVAL, "Variable '%s%s' is '%.60s': the least is one page, %d bytes", prefix, name, v,
			    ROTATE_PAGE);
	*to = n;
	return 0;
}

static int take_number(const struct mz_container *c, const char *prefix, const char *name, int64_t *to,
		       struct mz_err *err)
{
	const char *v = find(c, prefix, name);
	char *end;
	if (!v)
		return 0;
	long n = strtol(v, &end, 10);
	if (end == v || *end || n < 0 || n > ROTATE_MAX_FILES)
		return refuse_with(err, -EINVAL, "Variable '%s%s' is '%.60s', which is no number from 0 to %d", prefix, name, v,
			    ROTATE_MAX_FILES);
	*to = n;
	return 0;
}

static int take_bool(const struct mz_container *c, const char *prefix, const char *name, int *to, struct mz_err *err)
{
	const char *v = find(c, prefix, name);
	if (!v)
		return 0;
	if (strcmp(v, "true") && strcmp(v, "false"))
		return refuse_with(err, -EINVAL, "Variable '%s%s' is '%.60s', which is neither true nor false", prefix, name, v);
	*to = v[0] == 't';
	return 0;
}

/* Lines of logrotate's language: the two that mean something here. */
static void take_logrotate(const struct mz_container *c, const char *prefix, const char *name, int64_t *n_files,
			   int *compress)
{
	const char *v = find(c, prefix, name);
	while (v && *v) {
		int n;
		size_t len = strcspn(v, "\n");
		if (sscanf(v, " rotate %d", &n) == 1 && n >= 0 && n <= ROTATE_MAX_FILES)
			*n_files = n;
		const char *word = v + strspn(v, " \t");
		size_t n_word = strcspn(word, " \t\n");
		if (n_word == strlen("compress") && !strncmp(word, "compress", n_word))
			*compress = 1;
		if (n_word == strlen("nocompress") && !strncmp(word, "nocompress", n_word))
			*compress = 0;
		v += len + (v[len] == '\n');
	}
}

int override_apply(const struct mz_container *c, const char *prefix, struct options *o, struct mz_err *err)
{
	int64_t both = -1;
	take_logrotate(c, prefix, "LOGROTATE_STDOUT_OPTIONS", &o->out.n_files, &o->compress);
	take_logrotate(c, prefix, "LOGROTATE_STDERR_OPTIONS", &o->err.n_files, &o->compress);
	int rc = take_number(c, prefix, "MAX_FILES", &both, err);
	if (rc == 0 && both >= 0)
		o->out.n_files = o->err.n_files = both;
	if (rc == 0)
		rc = take_number(c, prefix, "MAX_STDOUT_FILES", &o->out.n_files, err);
	if (rc == 0)
		rc = take_number(c, prefix, "MAX_STDERR_FILES", &o->err.n_files, err);
	if (rc == 0)
		rc = take_size(c, prefix, "MAX_STDOUT_SIZE", &o->out.size, err);
	if (rc == 0)
		rc = take_size(c, prefix, "MAX_STDERR_SIZE", &o->err.size, err);
	if (rc == 0)
		rc = take_bool(c, prefix, "COMPRESS", &o->compress, err);
	if (rc == 0)
		rc = take_bool(c, prefix, "TIMESTAMPS", &o->timestamps, err);
	return rc;
}
