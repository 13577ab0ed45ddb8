/* cgroup_world_files.h - the part of cgroup_world.h that makes hierarchies, members
 * and instances. Included by it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODULES_LIB_CGROUP_WORLD_FILES_H
#define MZ_MODULES_LIB_CGROUP_WORLD_FILES_H

#define WORLD_OP ((struct mz_op *)&world)

static inline void world_write(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	if (!f)
		fail_msg("%s: %s", path, strerror(errno));
	(void)fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* A file of the v2 tree of plain files, with the directories above it. */
static inline void world_file(const char *file, const char *text)
{
	char path[1024];
	(void)snprintf(path, sizeof(path), "%s/%s", world.hierarchy, file);
	for (char *p = path + strlen(world.hierarchy); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		(void)mkdir(path, 0755);
		*p = '/';
	}
	world_write(path, text);
}

static inline void world_expect(const char *file, const char *text)
{
	char path[1024], got[4096];
	(void)snprintf(path, sizeof(path), "%s/%s", world.hierarchy, file);
	if (cg_read_path(path, got, sizeof(got), NULL) < 0)
		fail_msg("%s: there is no such file", path);
	if (strcmp(got, text) != 0)
		fail_msg("%s is '%s', not '%s'", file, got, text);
}

/* Forgets everything; the machine's hierarchies. */
static inline void world_real(const struct mz_module *module)
{
	memset(&world, 0, sizeof(world));
	world.module = module;
	(void)snprintf(world.hierarchy, sizeof(world.hierarchy), "/sys/fs/cgroup");
	(void)snprintf(world.root, sizeof(world.root), "mezzo-test-%d", (int)getpid());
	/* Each test uses some of them; none may be left unused. */
	(void)world_host, (void)world_poll, (void)world_timers, (void)world_value;
}

/* Root, and a hierarchy of that version with the controller that can be written? Else
 * the test skips. */
static inline int world_has(const char *controller, int version)
{
	struct cg g;
	if (geteuid() != 0)
		print_message("# SKIP only root makes cgroups\n");
	else if (cg_find(&g, NULL, "/sys/fs/cgroup", "x", controller, NULL) < 0 || g.version != version)
		print_message("# SKIP there is no v%d hierarchy with %s\n", version, controller);
	else if (access(g.mount, W_OK) < 0)
		print_message("# SKIP %s is read-only\n", g.mount);
	else
		return 1;
	return 0;
}

static inline int world_has_v1(const char *controller)
{
	return world_has(controller, 1);
}

/* Of either version. */
static inline int world_has_some(const char *controller)
{
	struct cg g;
	return world_has(controller, cg_find(&g, NULL, "/sys/fs/cgroup", "x", controller, NULL) == 0 ? g.version : 1);
}

/* A v2 tree of plain files, with the groups that the containers of tests get. */
static inline void world_v2(const struct mz_module *module, const char *controllers)
{
	world_real(module);
	const char *tmp = getenv("TMPDIR");
	(void)snprintf(world.hierarchy, sizeof(world.hierarchy), "%s/mezzo-cg-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(world.hierarchy));
	(void)snprintf(world.root, sizeof(world.root), "mezzo");
	world_file("cgroup.controllers", controllers);
	static const char *const dirs[] = {"", "mezzo/", "mezzo/c1/", "mezzo/c1/mezzo/"};
	for (size_t i = 0; i < 4; i++) {
		char file[64];
		(void)snprintf(file, sizeof(file), "%scgroup.subtree_control", dirs[i]);
		world_file(file, "");
	}
}

static inline int world_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline void world_v2_remove(void)
{
	assert_int_equal(nftw(world.hierarchy, world_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* ---- instances ------------------------------------------------------------------- */

static inline const struct mz_isolator_ops *world_ops(void)
{
	return (const struct mz_isolator_ops *)world.module->ops;
}

static inline void *world_create(void)
{
	struct mz_err err = {0};
	void *inst = NULL;
	if (world_ops()->create(&world_host, NULL, &inst, &err) < 0)
		fail_msg("create: %s", err.msg);
	return inst;
}

static inline void world_ok(void)
{
	if (world.n_done != 1 || world.code != 0)
		fail_msg("%d answers, the last: %d %s", world.n_done, world.code, world.message);
	world.n_done = 0;
}

static inline void world_prepare(void *inst, const struct mz_container *c)
{
	world.launch[0] = '\0';
	world_ops()->prepare(inst, c, NULL, WORLD_OP);
	world_ok();
}

static inline void world_update(void *inst, const struct mz_container *c)
{
	world_ops()->update(inst, c, WORLD_OP);
	world_ok();
}

static inline void world_status(void *inst, const struct mz_container *c)
{
	world_ops()->status(inst, c, NULL, WORLD_OP);
	world_ok();
}

static inline void world_measure(void *inst, const struct mz_container *c)
{
	world.n_set = 0;
	world_ops()->usage(inst, c, NULL, WORLD_OP);
	world_ok();
}

/* Nothing is told of one without a group, and that is no failure. */
static inline void world_measures_nothing(void *inst, const struct mz_container *c)
{
	world_measure(inst, c);
	assert_int_equal(world.n_set, 0);
}

/* Cleans up and lets pending removals end, waiting for the kernel in between. */
static inline void world_cleanup(void *inst, const char *id)
{
	world_ops()->cleanup(inst, id, WORLD_OP);
	for (int i = 0; i < 200 && !world.n_done && world_timers(); i++)
		(void)poll(NULL, 0, 10);
	world_ok();
}

/* ---- members ----------------------------------------------------------------------- */

/* Forks; the child enters the groups of world.launch, and runs fn. */
static inline pid_t world_member(int (*fn)(void))
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	for (char *p = strtok(world.launch, "\n"); p; p = strtok(NULL, "\n")) {
		char path[1024];
		if (strncmp(p, "cgroup ", 7) != 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s/cgroup.procs", p + 7);
		if (cg_write_path(path, "0", NULL) < 0)
			_exit(126);
	}
	_exit(fn());
}

static inline int world_wait(pid_t pid)
{
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static inline int world_pause(void)
{
	return pause();
}

#endif
