/* linux_seccomp.c - isolator/linux_seccomp: which system calls a container may make,
 * by profiles in Docker's format. profile.c compiles them; this decides whose is used.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "../../lib/pending.h"
#include "../caps.h"
#include "profile.h"

#include <fcntl.h>
#include <unistd.h>

struct seccomp {
	const struct mz_host *h;
	const struct mz_isolator_host *k;
	const char *dir, *default_profile; /* of the settings */
	uint64_t caps;
	struct pending *jobs;
};

/* One launch, while a worker compiles. */
struct job {
	struct pending pending; /* first member */
	struct seccomp *p;
	struct mz_launch *l;
	struct mz_op *op;
	uint64_t caps;
	char *name;
	void *program;
	size_t size;
	int rc;
	struct mz_err err;
};

static int check_name(const char *name, const char *field, struct mz_err *err)
{
	if (*name && *name != '.' && !strchr(name, '/'))
		return 0;
	return iso_error(err, -EINVAL, "%s is '%s', which is not the name of a file in profile_dir", field, name);
}

/* The text of the profile, allocated. */
static int load(const char *dir, const char *name, char **ret, size_t *ret_size, struct mz_err *err)
{
	int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = at < 0 ? -1 : openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int code = errno;
	char *text = malloc(PROFILE_MAX_BYTES + 1);
	if (!text)
		code = ENOMEM;
	size_t n = 0;
	ssize_t got = 1;
	if (fd >= 0 && text) {
		while (n <= PROFILE_MAX_BYTES && (got = read(fd, text + n, PROFILE_MAX_BYTES + 1 - n)) > 0)
			n += (size_t)got;
		code = errno;
	}
	if (at >= 0)
		close(at);
	if (fd >= 0)
		close(fd);
	if (fd < 0 || got < 0 || !text) {
		free(text);
		return iso_error(err, -code, "Seccomp profile '%s' in %s: %s", name, dir, strerror(code));
	}
	*ret = text;
	*ret_size = n;
	return 0;
}

static int compile(const struct seccomp *p, const char *name, uint64_t caps, void **ret, size_t *ret_size,
		   struct mz_err *err)
{
	char *text = NULL;
	size_t size = 0;
	struct mz_err why;
	int rc = load(p->dir, name, &text, &size, err);
	if (rc < 0)
		return rc;
	rc = profile_compile(text, size, caps, ret, ret_size, &why);
	free(text);
	return rc < 0 ? iso_error(err, rc, "Seccomp profile '%s': %.180s", name, why.msg) : 0;
}

static void destroy(void *inst)
{
	struct seccomp *p = inst;
	if (p)
		pending_drop_all(&p->jobs);
	free(p);
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct seccomp *p = calloc(1, sizeof(*p));
	if (!p)
		return iso_no_memory(err);
	*p = (struct seccomp){.h = h, .k = h->kind};
	p->dir = h->conf_str(conf, "profile_dir");
	p->default_profile = h->conf_str(conf, "default_profile");
	int rc = caps_setting(h, conf, "capabilities", &p->caps, err);
	if (rc >= 0 && *p->default_profile) {
		/* A mistake in it is better found now than by every task. */
		void *program = NULL;
		size_t size;
		rc = check_name(p->default_profile, "default_profile", err);
		if (rc == 0)
			rc = compile(p, p->default_profile, p->caps, &program, &size, err);
		free(program);
	}
	if (rc < 0) {
		free(p);
		return rc;
	}
	*inst = p;
	return 0;
}

static uint32_t flags(void *inst)
{
	(void)inst;
	return MZ_ISOLATOR_NESTED | MZ_ISOLATOR_STANDALONE | MZ_ISOLATOR_ROOT;
}

static void work(void *arg)
{
	struct job *j = arg;
	j->rc = compile(j->p, j->name, j->caps, &j->program, &j->size, &j->err);
}

static void job_free(struct pending *p)
{
	struct job *j = (struct job *)p;
	free(j->program);
	free(j->name);
	free(j);
}

static void on_compiled(void *arg)
{
	struct job *j = arg;
	const struct mz_bytes program = {j->program, j->size};
	if (j->rc == 0)
		j->rc = iso_asked(j->p->k->launch_seccomp(j->l, program), "a seccomp filter", &j->err);
	pending_end(&j->pending);
	iso_end(j->p->h, j->op, j->rc, &j->err);
	job_free(&j->pending);
}

/* The profile's name; NULL: none is to be used. */
static int choose(const struct seccomp *p, const struct mz_container *c, const char **ret, struct mz_err *err)
{
	const char *name = iso_str(c, "linux_info.seccomp.profile_name");
	*ret = NULL;
	if (iso_int(c, "linux_info.seccomp.unconfined", 0))
		return name ? iso_error(err, -EINVAL,
					"linux_info.seccomp.unconfined is true, but profile_name is '%s' as well", name) :
			      0;
	if (name)
		*ret = name;
	else if (*p->default_profile)
		*ret = p->default_profile;
	return name ? check_name(name, "linux_info.seccomp.profile_name", err) : 0;
}

/* What the rules may see: never more than the operator says. */
static int find_caps(const struct seccomp *p, const struct mz_container *c, uint64_t *ret, struct mz_err *err)
{
	static const char *const paths[] = {"linux_info.bounding_capabilities", "linux_info.effective_capabilities",
					    "linux_info.capability_info"};
	uint64_t asked = 0;
	*ret = p->caps;
	for (size_t i = 0; i < 3; i++) {
		int rc = caps_of(c, paths[i], &asked, err);
		if (rc > 0)
			*ret = p->caps & asked;
		if (rc != 0)
			return rc < 0 ? rc : 0;
	}
	return 0;
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct seccomp *p = inst;
	struct mz_err err;
	const char *name = NULL;
	uint64_t caps = 0;
	int rc = choose(p, c, &name, &err);
	if (rc == 0)
		rc = find_caps(p, c, &caps, &err);
	if (rc < 0 || !name) {
		iso_end(p->h, op, rc, &err);
		return;
	}
	struct job *j = calloc(1, sizeof(*j));
	if (j) {
		*j = (struct job){.p = p, .l = l, .op = op, .caps = caps, .name = strdup(name)};
		pending_add(&p->jobs, &j->pending, job_free);
	}
	if (!j || !j->name)
		rc = iso_no_memory(&err);
	else if (p->h->offload(p->h, work, on_compiled, j) < 0)
		rc = iso_error(&err, -EAGAIN, "The agent has too much work waiting");
	if (rc == 0)
		return;
	if (j) {
		pending_end(&j->pending);
		job_free(&j->pending);
	}
	iso_end(p->h, op, rc, &err);
}

static const struct mz_setting settings[] = {
	MZ_SETTING(PATH, "profile_dir", "/etc/mezzo/seccomp", 0, 0, "directory of the profiles"),
	MZ_SETTING(STRING, "default_profile", "", 0, 0,
		   "profile of containers that name none; empty: they are not confined"),
	MZ_SETTING(LIST, "capabilities", "", 0, 0,
		   "capabilities that rules for them are applied for, as far as a container has them"),
	MZ_SETTING_END,
};

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.flags = flags,
	.prepare = prepare,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "linux_seccomp",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Which system calls containers may make, by profiles in Docker's format",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
