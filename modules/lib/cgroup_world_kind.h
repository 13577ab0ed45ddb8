/* cgroup_world_kind.h - the part of cgroup_world.h that is the services of the isolators'
 * kind. Included by it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODULES_LIB_CGROUP_WORLD_KIND_H
#define MZ_MODULES_LIB_CGROUP_WORLD_KIND_H

static int64_t world_scalar(const struct mz_resources *r, const char *name)
{
	return !strcmp(name, "cpus") ? r->cpus : !strcmp(name, "mem") ? r->mem : r->other;
}

static size_t world_count(const struct mz_resources *r)
{
	(void)r;
	return 1;
}

static struct mz_res_item world_item(const struct mz_resources *r, size_t i)
{
	(void)i;
	return (struct mz_res_item){.kind = (uint32_t)r->revocable, .amount = r->cpus};
}

static const struct mz_res_kind *world_kind(uint32_t kind)
{
	static struct mz_res_kind k[2] = {{.name = "cpus"}, {.name = "cpus", .flags = MZ_RES_REVOCABLE}};
	return &k[kind];
}

static struct mz_resources *world_new(void)
{
	return calloc(1, sizeof(struct mz_resources));
}

static void world_free(struct mz_resources *r)
{
	free(r);
}

static int world_parse(const char *text, struct mz_resources *to, struct mz_err *err)
{
	double mem = 0;
	(void)err;
	if (sscanf(text, "mem:%lf", &mem) == 1)
		to->mem = (int64_t)(mem * 1000);
	return 0;
}

static int world_set(const char *path, double value)
{
	assert_in_range(world.n_set, 0, 191);
	(void)snprintf(world.set[world.n_set].name, sizeof(world.set[0].name), "%s", path);
	world.set[world.n_set++].value = value;
	return 0;
}

static int world_set_integer(struct mz_usage *u, const char *path, int64_t v)
{
	(void)u;
	return world_set(path, (double)v);
}

static int world_set_number(struct mz_usage *u, const char *path, double v)
{
	(void)u;
	return world_set(path, v);
}

static int world_set_string(struct mz_usage *u, const char *path, const char *v)
{
	char both[96];
	(void)u;
	(void)snprintf(both, sizeof(both), "%s=%s", path, v);
	return world_set(both, 0);
}

/* -1: it was not set. */
static double world_value(const char *name)
{
	for (int i = 0; i < world.n_set; i++)
		if (!strcmp(world.set[i].name, name))
			return world.set[i].value;
	return -1;
}

static void world_limitation(const struct mz_host *h, const char *id, const struct mz_limitation *l)
{
	(void)h;
	world.n_limitations++;
	world.reason = l->reason;
	(void)snprintf(world.limited, sizeof(world.limited), "%s", id);
	(void)snprintf(world.limit_message, sizeof(world.limit_message), "%s", l->message);
}

static int world_launch_cgroup(struct mz_launch *l, const char *path)
{
	(void)l;
	size_t n = strlen(world.launch);
	(void)snprintf(world.launch + n, sizeof(world.launch) - n, "cgroup %s\n", path);
	return 0;
}

static int world_launch_oom(struct mz_launch *l, int value)
{
	(void)l;
	size_t n = strlen(world.launch);
	(void)snprintf(world.launch + n, sizeof(world.launch) - n, "oom_score_adj %d\n", value);
	return 0;
}

static int world_launch_env(struct mz_launch *l, const char *name, const char *value)
{
	(void)l;
	size_t n = strlen(world.launch);
	(void)snprintf(world.launch + n, sizeof(world.launch) - n, "env %s=%s\n", name, value);
	return 0;
}

static int world_launch_device(struct mz_launch *l, const char *path, uint32_t mode, uint32_t major, uint32_t minor)
{
	(void)l;
	size_t n = strlen(world.launch);
	(void)snprintf(world.launch + n, sizeof(world.launch) - n, "device %s %o %u:%u\n", path, mode, major, minor);
	return 0;
}

static const char *world_hierarchy(const struct mz_host *h)
{
	(void)h;
	return world.hierarchy;
}

static const char *world_root(const struct mz_host *h)
{
	(void)h;
	return world.root;
}

static const struct mz_resources_api world_resources = {.size = sizeof(world_resources),
							.create = world_new,
							.destroy = world_free,
							.count = world_count,
							.item = world_item,
							.kind = world_kind,
							.scalar = world_scalar,
							.parse = world_parse};
static const struct mz_usage_api world_usage = {.size = sizeof(world_usage),
						.set_integer = world_set_integer,
						.set_number = world_set_number,
						.set_string = world_set_string};
static const struct mz_isolator_host world_isolator = {.size = sizeof(world_isolator),
						       .resources = &world_resources,
						       .usage = &world_usage,
						       .limitation = world_limitation,
						       .launch_env = world_launch_env,
						       .launch_device = world_launch_device,
						       .launch_cgroup = world_launch_cgroup,
						       .launch_oom_score_adj = world_launch_oom,
						       .cgroups_hierarchy = world_hierarchy,
						       .cgroups_root = world_root};

#endif
