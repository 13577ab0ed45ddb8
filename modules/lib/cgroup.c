/* cgroup.c - where groups are, making them, their files. Removing them is in
 * cgroup_remove.c. See cgroup.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include "cgroup.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int cg_fail(struct mz_err *err, int code, const char *fmt, ...)
{
	va_list ap;
	if (!err)
		return code;
	va_start(ap, fmt);
	err->code = code;
	(void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return code;
}

void cg_log(const struct mz_host *h, int level, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	if (!h || !h->log)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	h->log(h, level, text);
}

/* ---- where it is ----------------------------------------------------------- */

/* Is `word` among the words of `list`? */
static int has_word(const char *list, const char *word, const char *separators)
{
	size_t n = strlen(word);
	for (const char *p = list; *p;) {
		p += strspn(p, separators);
		size_t len = strcspn(p, separators);
		if (len == n && n > 0 && !memcmp(p, word, n))
			return 1;
		p += len;
	}
	return 0;
}

static int is_implicit(const char *controller)
{
	return !*controller || has_word("freezer devices perf_event", controller, " ");
}

/* mountinfo writes space, tab, newline and backslash as \ooo. */
static void unescape(char *s)
{
	char *to = s;
	while (*s) {
		if (s[0] == '\\' && isdigit((unsigned char)s[1]) && isdigit((unsigned char)s[2]) &&
		    isdigit((unsigned char)s[3])) {
			*to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

static int is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);
	while (n > 0 && dir[n - 1] == '/')
		n--;
	return !strncmp(path, dir, n) && (path[n] == '\0' || path[n] == '/');
}

/* Does the v2 directory `mount` have the controller? Takes it if so. */
static int take_v2(struct cg *g, const char *mount)
{
	char path[1024], list[1024];
	int n = snprintf(path, sizeof(path), "%s/cgroup.controllers", mount);
	if (n < 0 || (size_t)n >= sizeof(path) || strlen(mount) >= sizeof(g->mount))
		return 0;
	if (cg_read_path(path, list, sizeof(list), NULL) < 0)
		return 0;
	g->implicit = is_implicit(g->controller);
	if (!g->implicit && !has_word(list, g->controller, " "))
		return 0;
	g->version = 2;
	(void)snprintf(g->mount, sizeof(g->mount), "%s", mount);
	return 1;
}

/* One line of mountinfo: "ID PARENT DEV ROOT MOUNT OPTIONS … - TYPE SOURCE SUPER". */
static int take_line(struct cg *g, char *line, const char *hierarchy)
{
	char mount[sizeof(g->mount)], type[32], super[512];
	char *rest = strstr(line, " - ");
	if (sscanf(line, "%*s %*s %*s %*s %511s", mount) != 1 || !rest)
		return 0;
	if (sscanf(rest, " - %31s %*s %511s", type, super) != 2)
		return 0;
	unescape(mount);
	if (!is_below(mount, hierarchy))
		return 0;
	if (!strcmp(type, "cgroup2"))
		return take_v2(g, mount);
	if (strcmp(type, "cgroup") || !*g->controller || !has_word(super, g->controller, ","))
		return 0;
	g->version = 1;
	(void)snprintf(g->mount, sizeof(g->mount), "%s", mount);
	return 1;
}

static int root_is_plain(const char *root)
{
	if (!*root || *root == '/' || strlen(root) >= sizeof(((struct cg *)0)->root))
		return 0;
	for (const char *p = root; *p; p += strspn(p, "/")) {
		size_t n = strcspn(p, "/");
		if (p[0] == '.' && (n == 1 || (n == 2 && p[1] == '.')))
			return 0;
		p += n;
	}
	return 1;
}

int cg_find(struct cg *g, const struct mz_host *h, const char *hierarchy, const char *root,
	    const char *controller, struct mz_err *err)
{
	memset(g, 0, sizeof(*g));
	g->h = h;
	if (!hierarchy || !root || !root_is_plain(root) || strlen(controller) >= sizeof(g->controller))
		return cg_fail(err, -EINVAL, "The cgroups root '%s' is no plain relative path", root ? root : "");
	(void)snprintf(g->controller, sizeof(g->controller), "%s", controller);
	(void)snprintf(g->root, sizeof(g->root), "%s", root);

	FILE *f = fopen("/proc/self/mountinfo", "re");
	if (!f)
		return cg_fail(err, -errno, "Cannot read /proc/self/mountinfo: %s", strerror(errno));
	char *line = NULL;
	size_t size = 0;
	int found = 0;
	while (!found && getline(&line, &size, f) > 0)
		found = take_line(g, line, hierarchy);
	free(line);
	(void)fclose(f);
	if (found || take_v2(g, hierarchy))
		return 0;
	return cg_fail(err, -ENOENT, "There is no cgroup hierarchy with '%s' at or below %s",
		       *controller ? controller : "v2", hierarchy);
}

/* ---- paths ----------------------------------------------------------------- */

static int add_text(char *out, size_t *len, const char *text, size_t n)
{
	if (*len + n + 1 > CG_PATH_SIZE)
		return -ENAMETOOLONG;
	memcpy(out + *len, text, n);
	*len += n;
	out[*len] = '\0';
	return 0;
}

int cg_path(const struct cg *g, const char *id, char *out)
{
	size_t len = 0;
	int rc = add_text(out, &len, g->mount, strlen(g->mount));
	if (rc == 0)
		rc = add_text(out, &len, "/", 1);
	if (rc == 0)
		rc = add_text(out, &len, g->root, strlen(g->root));
	if (!id)
		return rc;
	for (int depth = 0; rc == 0; depth++) {
		size_t n = strcspn(id, ".");
		if (n == 0 || memchr(id, '/', n))
			return -EINVAL;
		rc = add_text(out, &len, depth ? "/mezzo/" : "/", depth ? 7 : 1);
		if (rc == 0)
			rc = add_text(out, &len, id, n);
		if (!id[n])
			break;
		id += n + 1;
	}
	return rc;
}

int cg_procs_path(const struct cg *g, const char *id, char *out)
{
	int rc = cg_path(g, id, out);
	size_t len = rc ? 0 : strlen(out);
	if (rc == 0 && g->version == 2)
		rc = add_text(out, &len, "/leaf", 5);
	return rc;
}

int cg_exists(const struct cg *g, const char *id)
{
	char path[CG_PATH_SIZE];
	/* On v2 an ancestor in the path may have been made for its children's sake. */
	return cg_procs_path(g, id, path) == 0 && access(path, F_OK) == 0;
}

int cg_owns(const struct mz_container *c)
{
	return !c->parent || (!c->share_cgroups && c->container_class != MZ_CONTAINER_DEBUG);
}

void cg_owner(const struct cg *g, const struct mz_container *c, char *out)
{
	(void)snprintf(out, CG_PATH_SIZE, "%s", c->id);
	if (cg_owns(c))
		return;
	for (char *dot = strrchr(out, '.'); dot; dot = strrchr(out, '.')) {
		*dot = '\0';
		if (cg_exists(g, out))
			return;
	}
}

/* ---- making ---------------------------------------------------------------- */

/* v2: the children of `dir` shall have the controller. */
static int enable(const struct cg *g, const char *dir, struct mz_err *err)
{
	char path[CG_PATH_SIZE + 32], text[1024];
	(void)snprintf(path, sizeof(path), "%s/cgroup.subtree_control", dir);
	int rc = cg_read_path(path, text, sizeof(text), err);
	if (rc < 0 || has_word(text, g->controller, " "))
		return rc < 0 ? rc : 0;
	(void)snprintf(text, sizeof(text), "+%s", g->controller);
	return cg_write_path(path, text, err);
}

/* v1 cpuset: a new group has no cpus and no memory nodes, and takes no process. */
static int inherit(const char *dir, const char *file, struct mz_err *err)
{
	char path[CG_PATH_SIZE + 32], text[1024];
	(void)snprintf(path, sizeof(path), "%s/%s", dir, file);
	int rc = cg_read_path(path, text, sizeof(text), err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	(void)snprintf(path, sizeof(path), "%.*s/%s", (int)(strrchr(dir, '/') - dir), dir, file);
	rc = cg_read_path(path, text, sizeof(text), err);
	if (rc < 0)
		return rc;
	(void)snprintf(path, sizeof(path), "%s/%s", dir, file);
	return cg_write_path(path, text, err);
}

static int make_one(const struct cg *g, const char *dir, struct mz_err *err)
{
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return cg_fail(err, -errno, "Cannot make the cgroup %s: %s", dir, strerror(errno));
	if (g->version != 1 || strcmp(g->controller, "cpuset") != 0)
		return 0;
	int rc = inherit(dir, "cpuset.cpus", err);
	return rc ? rc : inherit(dir, "cpuset.mems", err);
}

int cg_make(struct cg *g, const char *id, struct mz_err *err)
{
	char path[CG_PATH_SIZE];
	int rc = cg_path(g, id, path);
	if (rc < 0)
		return cg_fail(err, rc, "Container '%s' cannot have a cgroup: %s", id, strerror(-rc));
	for (char *p = path + strlen(g->mount); rc == 0 && p; ) {
		*p = '\0';
		if (g->version == 2 && !g->implicit)
			rc = enable(g, path, err);
		*p = '/';
		p = strchr(p + 1, '/');
		if (p)
			*p = '\0';
		if (rc == 0)
			rc = make_one(g, path, err);
	}
	if (rc < 0 || g->version == 1 || !id)
		return rc;
	(void)cg_procs_path(g, id, path);
	return make_one(g, path, err);
}

/* ---- files ----------------------------------------------------------------- */

int cg_read_path(const char *path, char *buf, size_t size, struct mz_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cg_fail(err, -errno, "Cannot open %s: %s", path, strerror(errno));
	size_t len = 0;
	ssize_t n;
	while (len + 1 < size && (n = read(fd, buf + len, size - 1 - len)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int rc = cg_fail(err, -errno, "Cannot read %s: %s", path, strerror(errno));
			(void)close(fd);
			return rc;
		}
		len += (size_t)n;
	}
	(void)close(fd);
	while (len > 0 && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	return (int)len;
}

int cg_write_path(const char *path, const char *text, struct mz_err *err)
{
	/* No O_CREAT: a file that is not there is a controller that is not there. */
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_TRUNC);
	if (fd < 0)
		return cg_fail(err, -errno, "Cannot open %s: %s", path, strerror(errno));
	ssize_t n;
	do
		n = write(fd, text, strlen(text));
	while (n < 0 && errno == EINTR);
	int rc = n < 0 ? cg_fail(err, -errno, "Cannot write '%s' to %s: %s", text, path, strerror(errno)) : 0;
	(void)close(fd);
	return rc;
}

static int file_path(const struct cg *g, const char *id, const char *file, char *out, struct mz_err *err)
{
	int rc = cg_path(g, id, out);
	size_t len = rc ? 0 : strlen(out);
	if (rc == 0)
		rc = add_text(out, &len, "/", 1);
	if (rc == 0)
		rc = add_text(out, &len, file, strlen(file));
	return rc < 0 ? cg_fail(err, rc, "No path to %s of container '%s': %s", file, id, strerror(-rc)) : 0;
}

int cg_read(const struct cg *g, const char *id, const char *file, char *buf, size_t size, struct mz_err *err)
{
	char path[CG_PATH_SIZE];
	int rc = file_path(g, id, file, path, err);
	return rc < 0 ? rc : cg_read_path(path, buf, size, err);
}

int cg_read_int(const struct cg *g, const char *id, const char *file, int64_t *ret_value, struct mz_err *err)
{
	char text[64], *end;
	int rc = cg_read(g, id, file, text, sizeof(text), err);
	if (rc < 0)
		return rc;
	if (!strcmp(text, "max")) {
		*ret_value = INT64_MAX;
		return 0;
	}
	errno = 0;
	long long v = strtoll(text, &end, 10);
	if (end == text)
		return cg_fail(err, -EBADMSG, "%s of container '%s' is '%s', not a number", file, id, text);
	*ret_value = errno == ERANGE ? INT64_MAX : v;
	return 0;
}

int cg_write(const struct cg *g, const char *id, const char *file, const char *text, struct mz_err *err)
{
	char path[CG_PATH_SIZE];
	int rc = file_path(g, id, file, path, err);
	return rc < 0 ? rc : cg_write_path(path, text, err);
}

int cg_write_int(const struct cg *g, const char *id, const char *file, int64_t value, struct mz_err *err)
{
	char text[32];
	(void)snprintf(text, sizeof(text), "%lld", (long long)value);
	return cg_write(g, id, file, text, err);
}

int cg_has(const struct cg *g, const char *id, const char *file)
{
	char path[CG_PATH_SIZE];
	return file_path(g, id, file, path, NULL) == 0 && access(path, F_OK) == 0;
}

int cg_key(const char *text, const char *key, int64_t *ret_value)
{
	size_t n = strlen(key);
	for (const char *p = text; p && *p;) {
		if (!strncmp(p, key, n) && p[n] == ' ') {
			*ret_value = strtoll(p + n + 1, NULL, 10);
			return 0;
		}
		p = strchr(p, '\n');
		if (p)
			p++;
	}
	return -ENOENT;
}
