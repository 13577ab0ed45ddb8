/* gpu_nvidia.c - isolator/gpu_nvidia: whole GPUs of NVIDIA for containers. It gives a
 * container as many as its `gpus`, opens their device files to it, and tells the agent how
 * many there are.
 *
 * isolator/cgroups_devices keeps all other devices from a container, and these until they are
 * given here, once all isolators have prepared. Which GPUs a container has is kept with its
 * group, where it is read from after a restart. What is nested in it may use the same.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../../lib/cgroup_isolator.h"
#include "../../lib/device_rules.h"
#include "nvml.h"

enum { COMMON_MAX = 4 };

static const char attribute[] = "trusted.mezzo.gpus";

/* A device that every container with a GPU needs. */
struct common {
	char path[128];
	uint32_t major, minor;
};

/* A container that has GPUs, or is nested in one that may have them. */
struct owner {
	struct owner *next;
	uint64_t gpus; /* bits of gpu.v; 0 of nested ones */
	int nested;
	char id[];
};

struct gpus {
	const struct mz_host *h;
	const struct mz_isolator_host *k;
	struct cg g;
	char dir[64]; /* of device files */
	size_t n, n_common;
	struct gpu v[GPUS_MAX];
	struct common common[COMMON_MAX];
	struct owner *owners;
	char resources[32];
};

/* ---- who has what ---------------------------------------------------------------------- */

static struct owner **find(struct gpus *p, const char *id)
{
	struct owner **at = &p->owners;
	while (*at && strcmp((*at)->id, id))
		at = &(*at)->next;
	return at;
}

/* The one of this id, made if there is none; NULL: out of memory. */
static struct owner *owner_of(struct gpus *p, const char *id, int nested)
{
	struct owner *o = *find(p, id);
	size_t size = strlen(id) + 1;
	if (o || !(o = calloc(1, sizeof(*o) + size)))
		return o;
	memcpy(o->id, id, size);
	o->nested = nested;
	o->next = p->owners;
	p->owners = o;
	return o;
}

static void drop(struct gpus *p, const char *id)
{
	struct owner **at = find(p, id), *o = *at;
	if (o) {
		*at = o->next;
		free(o);
	}
}

static uint64_t taken(const struct gpus *p)
{
	uint64_t all = 0;
	for (const struct owner *o = p->owners; o; o = o->next)
		all |= o->gpus;
	return all;
}

static size_t count(uint64_t gpus)
{
	return (size_t)__builtin_popcountll(gpus);
}

/* So many more or fewer, the lowest ones first. */
static int resize(struct gpus *p, struct owner *o, const struct mz_container *c, struct mz_err *err)
{
	int64_t want = c->resources ? p->k->resources->scalar(c->resources, "gpus") : 0;
	uint64_t all = taken(p), gpus = o->gpus;
	size_t has = count(gpus);
	if (want % 1000 || want < 0)
		return cg_fail(err, -EINVAL, "Container '%s' has %lld.%03lld gpus; only whole ones can be given", c->id,
			       (long long)want / 1000, (long long)want % 1000);
	want /= 1000;
	for (size_t i = 0; i < p->n && (int64_t)has < want; i++)
		if (!(all >> i & 1)) {
			gpus |= 1ULL << i;
			has++;
		}
	if ((int64_t)has < want)
		return cg_fail(err, -EBUSY, "Container '%s' needs %lld GPUs; it can have %zu of the %zu on this machine", c->id,
			       (long long)want, has, p->n);
	for (size_t i = p->n; i-- > 0 && (int64_t)has > want;)
		if (gpus >> i & 1) {
			gpus &= ~(1ULL << i);
			has--;
		}
	o->gpus = gpus;
	return 0;
}

/* ---- the device files -------------------------------------------------------------------- */

static struct rule rule_of(uint32_t major, uint32_t minor)
{
	return (struct rule){.type = 'c', .major = (int32_t)major, .minor = (int32_t)minor, .access = RULE_READ | RULE_WRITE};
}

static size_t make_rules(const struct gpus *p, uint64_t gpus, struct rule *out, size_t n_max)
{
	size_t n = 0;
	for (size_t i = 0; i < p->n && n < n_max; i++)
		if (gpus >> i & 1)
			out[n++] = rule_of(p->v[i].major, p->v[i].minor);
	for (size_t i = 0; i < p->n_common && gpus && n < n_max; i++)
		out[n++] = rule_of(p->common[i].major, p->common[i].minor);
	return n;
}

static int write_rules(const char *path, const char *file, const struct rule *rules, size_t n, struct mz_err *err)
{
	char to[CG_PATH_SIZE + 32], text[64];
	int rc = 0;
	(void)snprintf(to, sizeof(to), "%s/%s", path, file);
	for (size_t i = 0; i < n && rc == 0; i++) {
		rule_format(&rules[i], text);
		rc = cg_write_path(to, text, err);
	}
	return rc;
}

static int allow_v1(const char *path, const struct gpus *p, uint64_t gpus, struct mz_err *err)
{
	struct rule rules[GPUS_MAX + COMMON_MAX];
	char below[CG_PATH_SIZE + 8];
	size_t n = make_rules(p, ~gpus, rules, GPUS_MAX + COMMON_MAX);
	if (gpus) /* those that all share stay */
		n -= p->n_common;
	int rc = write_rules(path, "devices.deny", rules, n, err);
	n = make_rules(p, gpus, rules, GPUS_MAX + COMMON_MAX);
	if (rc == 0)
		rc = write_rules(path, "devices.allow", rules, n, err);
	/* What is nested lives in a group in between, which may have no less than it has. */
	(void)snprintf(below, sizeof(below), "%s/mezzo", path);
	if (rc == 0 && access(below, F_OK) == 0)
		rc = write_rules(below, "devices.allow", rules, n, err);
	return rc;
}

static int allow_v2(const char *path, const struct gpus *p, uint64_t gpus, struct mz_err *err)
{
	struct rule rules[RULES_MAX];
	size_t n;
	int rc = rules_load(rules, &n, path, err);
	if (rc < 0)
		return rc;
	size_t more = count(gpus) + (gpus ? p->n_common : 0);
	if (n + more > RULES_MAX)
		return cg_fail(err, -E2BIG, "There are more than %d rules for devices", RULES_MAX);
	n += make_rules(p, gpus, rules + n, RULES_MAX - n);
	return rules_attach(rules, n, path, err);
}

/* The container may open these, and no other GPUs. */
static int allow(const struct gpus *p, const char *id, uint64_t gpus, struct mz_err *err)
{
	char path[CG_PATH_SIZE];
	int rc = cg_path(&p->g, id, path);
	if (rc < 0)
		return cg_fail(err, rc, "Container '%s' has no cgroup", id);
	return p->g.version == 1 ? allow_v1(path, p, gpus, err) : allow_v2(path, p, gpus, err);
}

/* Numbers of NVML, "0 3". */
static int keep(const struct gpus *p, const struct owner *o, struct mz_err *err)
{
	char path[CG_PATH_SIZE], text[GPUS_MAX * 4] = "";
	size_t len = 0;
	for (size_t i = 0; i < p->n; i++)
		if (o->gpus >> i & 1)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u", len ? " " : "", p->v[i].index);
	if (cg_path(&p->g, o->id, path) < 0 || setxattr(path, attribute, text, len, 0) < 0)
		return cg_fail(err, -errno, "Cannot keep the GPUs of container '%s' with its cgroup: %s", o->id, strerror(errno));
	return 0;
}

static const struct owner *top_of(struct gpus *p, const char *id)
{
	char top[CG_PATH_SIZE];
	(void)snprintf(top, sizeof(top), "%.*s", (int)strcspn(id, "."), id);
	return *find(p, top);
}

static int is_below(const char *id, const char *top)
{
	size_t n = strlen(top);
	return !strncmp(id, top, n) && id[n] == '.';
}

/* Shorter ids first: v1 gives a child nothing that its parent has not. */
static int allow_nested(struct gpus *p, const struct owner *top, struct mz_err *err)
{
	int rc = 0;
	for (int depth = 1, more = 1; more && rc == 0; depth++) {
		more = 0;
		for (const struct owner *o = p->owners; o && rc == 0; o = o->next) {
			int dots = 0;
			for (const char *s = o->id; *s; s++)
				dots += *s == '.';
			if (!is_below(o->id, top->id) || dots < depth)
				continue;
			more |= dots > depth;
			if (dots == depth && cg_exists(&p->g, o->id))
				rc = allow(p, o->id, top->gpus, err);
		}
	}
	return rc;
}

/* ---- callbacks ----------------------------------------------------------------------------- */

static int launch_devices(const struct gpus *p, uint64_t gpus, struct mz_launch *l)
{
	char path[128];
	int rc = 0;
	for (size_t i = 0; i < p->n && rc == 0; i++)
		if (gpus >> i & 1) {
			(void)snprintf(path, sizeof(path), "%s/nvidia%u", p->dir, p->v[i].node);
			rc = p->k->launch_device(l, path, S_IFCHR | 0666, p->v[i].major, p->v[i].minor);
		}
	for (size_t i = 0; i < p->n_common && gpus && rc == 0; i++)
		rc = p->k->launch_device(l, p->common[i].path, S_IFCHR | 0666, p->common[i].major, p->common[i].minor);
	return rc;
}

/* The variable that CUDA images and libraries look at. */
static int launch_variable(const struct gpus *p, uint64_t gpus, struct mz_launch *l)
{
	char text[GPUS_MAX * GPU_UUID_SIZE] = "void";
	size_t len = 0;
	for (size_t i = 0; i < p->n; i++)
		if (gpus >> i & 1)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len ? "," : "", p->v[i].uuid);
	return p->k->launch_env(l, "NVIDIA_VISIBLE_DEVICES", text);
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct gpus *p = inst;
	struct mz_err err;
	uint64_t gpus = 0;
	int rc = 0;
	struct owner *o = cg_owns(c) ? owner_of(p, c->id, c->parent != NULL) : NULL;
	if (cg_owns(c) && !o)
		rc = cg_fail(&err, -ENOMEM, "Out of memory");
	if (rc == 0 && !c->parent)
		rc = resize(p, o, c, &err);
	const struct owner *top = top_of(p, c->id);
	if (top)
		gpus = top->gpus;
	if (rc == 0)
		rc = cgroups_join(&p->g, c, l, &err);
	if (rc == 0 && !c->parent)
		rc = keep(p, o, &err);
	if (rc == 0) {
		rc = launch_variable(p, gpus, l);
		if (rc == 0)
			rc = launch_devices(p, gpus, l);
		if (rc < 0)
			(void)cg_fail(&err, rc, "The launcher refuses the devices of GPUs: %s", strerror(-rc));
	}
	cgroups_answer(p->h, op, rc, &err);
}

static void isolate(void *inst, const struct mz_container *c, int32_t pid, struct mz_op *op)
{
	(void)pid;
	struct gpus *p = inst;
	struct mz_err err;
	const struct owner *top = top_of(p, c->id);
	cgroups_answer(p->h, op, top && cg_owns(c) ? allow(p, c->id, top->gpus, &err) : 0, &err);
}

static void update(void *inst, const struct mz_container *c, struct mz_op *op)
{
	struct gpus *p = inst;
	struct mz_err err;
	struct owner *o = *find(p, c->id);
	int rc = 0;
	if (o && !c->parent) {
		uint64_t before = o->gpus;
		rc = resize(p, o, c, &err);
		if (rc == 0 && o->gpus != before) {
			rc = keep(p, o, &err);
			if (rc == 0)
				rc = allow(p, o->id, o->gpus, &err);
			if (rc == 0)
				rc = allow_nested(p, o, &err);
		}
	}
	cgroups_answer(p->h, op, rc, &err);
}

static int recover_one(struct gpus *p, const char *id, struct mz_err *err)
{
	char path[CG_PATH_SIZE], text[GPUS_MAX * 12], *end;
	struct owner *o = owner_of(p, id, 0);
	if (!o)
		return cg_fail(err, -ENOMEM, "Out of memory");
	ssize_t len = cg_path(&p->g, id, path) < 0 ? -1 : getxattr(path, attribute, text, sizeof(text) - 1);
	text[len < 0 ? 0 : len] = '\0';
	for (char *s = text; *s; s = end) {
		unsigned long index = strtoul(s, &end, 10);
		if (end == s)
			break;
		for (size_t i = 0; i < p->n; i++)
			if (p->v[i].index == index)
				o->gpus |= 1ULL << i;
	}
	return 0;
}

static void recover(void *inst, const struct mz_container *const *containers, size_t n, struct mz_op *op)
{
	struct gpus *p = inst;
	struct mz_err err;
	int rc = 0;
	for (size_t i = 0; i < n && rc == 0; i++)
		if (!containers[i]->parent)
			rc = recover_one(p, containers[i]->id, &err);
		else if (cg_owns(containers[i]) && !owner_of(p, containers[i]->id, 1))
			rc = cg_fail(&err, -ENOMEM, "Out of memory");
	if (rc == 0)
		rc = cg_remove_orphans(&p->g, containers, n, &err);
	cgroups_answer(p->h, op, rc, &err);
}

static void cleanup(void *inst, const char *id, struct mz_op *op)
{
	struct gpus *p = inst;
	drop(p, id);
	cg_remove_op(&p->g, id, op);
}

/* ---- the instance ------------------------------------------------------------------------------ */

static const char *resources(void *inst)
{
	const struct gpus *p = inst;
	return p->resources;
}

static void destroy(void *inst)
{
	struct gpus *p = inst;
	if (!p)
		return;
	cg_done(&p->g);
	while (p->owners)
		drop(p, p->owners->id);
	free(p);
}

static int device_numbers(const char *path, uint32_t *ret_major, uint32_t *ret_minor, struct mz_err *err)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return cg_fail(err, -ENODEV, "There is no device %s of the GPUs: %s", path, strerror(errno));
	if (!S_ISCHR(st.st_mode))
		return cg_fail(err, -ENODEV, "%s is no device", path);
	*ret_major = major(st.st_rdev);
	*ret_minor = minor(st.st_rdev);
	return 0;
}

/* Those that the setting names, by NVML's number; all without. */
static int select_gpus(struct gpus *p, const struct mz_conf *conf, struct mz_err *err)
{
	uint64_t wanted = 0;
	const char *text;
	size_t n = 0;
	for (size_t i = 0; (text = p->h->conf_item(conf, "devices", i)); i++) {
		char *end;
		unsigned long at = strtoul(text, &end, 10);
		if (*text < '0' || *text > '9' || *end || at >= p->n)
			return cg_fail(err, -EINVAL, "There is no GPU '%s'; this machine has %zu", text, p->n);
		wanted |= 1ULL << at;
	}
	for (size_t i = 0; i < p->n; i++)
		if (!wanted || wanted >> i & 1)
			p->v[n++] = p->v[i];
	p->n = n;
	return 0;
}

static int find_devices(struct gpus *p, const struct mz_conf *conf, struct mz_err *err)
{
	static const char *const names[COMMON_MAX] = {"nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset"};
	char path[128];
	int rc = nvml_read(p->h->conf_str(conf, "library"), p->v, &p->n, err);
	if (rc == 0)
		rc = select_gpus(p, conf, err);
	if (rc == 0 && p->n == 0)
		rc = cg_fail(err, -ENODEV, "This machine has no GPU of NVIDIA");
	for (size_t i = 0; i < p->n && rc == 0; i++) {
		(void)snprintf(path, sizeof(path), "%s/nvidia%u", p->dir, p->v[i].node);
		rc = device_numbers(path, &p->v[i].major, &p->v[i].minor, err);
	}
	/* All but the first belong to parts of the driver that may not be loaded. */
	for (size_t i = 0; i < COMMON_MAX && rc == 0; i++) {
		struct common *c = &p->common[p->n_common];
		(void)snprintf(c->path, sizeof(c->path), "%s/%s", p->dir, names[i]);
		int found = device_numbers(c->path, &c->major, &c->minor, err);
		if (found == 0)
			p->n_common++;
		else if (i == 0)
			rc = found;
	}
	return rc;
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct gpus *p = calloc(1, sizeof(*p));
	const char *dir = h->conf_str(conf, "device_directory");
	if (!p)
		return cg_fail(err, -ENOMEM, "Out of memory");
	p->h = h;
	p->k = h->kind;
	int rc = 0;
	if (strlen(dir) >= sizeof(p->dir))
		rc = cg_fail(err, -ENAMETOOLONG, "The device_directory is longer than %zu characters", sizeof(p->dir) - 1);
	else
		(void)strcpy(p->dir, dir);
	if (rc == 0)
		rc = find_devices(p, conf, err);
	if (rc == 0)
		rc = cgroups_find(&p->g, h, "devices", err);
	if (rc < 0) {
		free(p);
		return rc;
	}
	(void)snprintf(p->resources, sizeof(p->resources), "gpus:%zu", p->n);
	*inst = p;
	return 0;
}

static uint32_t flags(void *inst)
{
	(void)inst;
	return MZ_ISOLATOR_ROOT | MZ_ISOLATOR_NESTED | MZ_ISOLATOR_STANDALONE;
}

static const char *const requires_modules[] = {"isolator/cgroups_devices", NULL};

static const struct mz_setting settings[] = {
	MZ_SETTING(STRING, "library", "libnvidia-ml.so.1", 0, 0, "NVIDIA's management library: a path, or a name that the dynamic linker finds"),
	MZ_SETTING(LIST, "devices", "", 0, 0, "Numbers of the GPUs to give to containers, as nvidia-smi counts; empty: all"),
	MZ_SETTING(PATH, "device_directory", "/dev", 0, 0, "Where the driver's device files are"),
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
	.update = update,
	.cleanup = cleanup,
	.resources = resources,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "gpu_nvidia",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Gives whole GPUs of NVIDIA to containers",
	.settings = settings,
	.requires_modules = requires_modules,
	.ops = (const struct mz_ops *)&ops,
};
