/* cgroup_test.c - groups in a v2 tree of plain files, and in the machine's own
 * hierarchies (as root).
 * SPDX-License-Identifier: Apache-2.0 */
#include "cgroup_world.h"

#include "cgroup_isolator.h"

static void find(struct cg *g, const char *controller)
{
	struct mz_err err;
	if (cg_find(g, &world_host, world.hierarchy, world.root, controller, &err) < 0)
		fail_msg("%s", err.msg);
}

static void paths_on_v2(void **state)
{
	(void)state;
	char path[CG_PATH_SIZE], want[CG_PATH_SIZE];
	struct cg g;
	struct mz_err err;
	world_v2(NULL, "cpu memory");
	find(&g, "memory");
	assert_int_equal(g.version, 2);
	assert_int_equal(cg_path(&g, "a.b.c", path), 0);
	(void)snprintf(want, sizeof(want), "%s/mezzo/a/mezzo/b/mezzo/c", world.hierarchy);
	assert_string_equal(path, want);
	assert_int_equal(cg_procs_path(&g, "a", path), 0);
	(void)snprintf(want, sizeof(want), "%s/mezzo/a/leaf", world.hierarchy);
	assert_string_equal(path, want);
	static const char *const bad[] = {"", "a..b", ".", "a/b", "a."};
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(cg_path(&g, bad[i], path), -EINVAL);
	char *endless = malloc(3 * CG_PATH_SIZE);
	memset(endless, 'x', 3 * CG_PATH_SIZE);
	endless[3 * CG_PATH_SIZE - 1] = '\0';
	assert_int_equal(cg_path(&g, endless, path), -ENAMETOOLONG);
	free(endless);
	assert_int_equal(cg_find(&g, &world_host, world.hierarchy, "mezzo", "pids", &err), -ENOENT);
	assert_non_null(strstr(err.msg, "'pids'"));
	static const char *const roots[] = {"", "/x", "a/../b", ".", "a/.."};
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(cg_find(&g, &world_host, world.hierarchy, roots[i], "cpu", &err), -EINVAL);
	/* Needs no enabling. */
	assert_int_equal(cg_find(&g, &world_host, world.hierarchy, "mezzo", "devices", &err), 0);
	assert_true(g.implicit);
	world_v2_remove();
}

/* Whoever is root in a container names its groups as he likes. */
static void members(void **state)
{
	(void)state;
	static const char *const dirs[] = {"c1", "c1/a", "c1/.hidden", "c1/.hidden/..b"};
	char path[CG_PATH_SIZE];
	struct cg_pids pids;
	world_v2(NULL, "cpu");
	for (int i = 0; i < 4; i++) {
		char file[64], text[16];
		(void)snprintf(path, sizeof(path), "%s/%s", world.hierarchy, dirs[i]);
		assert_int_equal(mkdir(path, 0755), 0);
		(void)snprintf(file, sizeof(file), "%s/cgroup.procs", dirs[i]);
		(void)snprintf(text, sizeof(text), "%d\n", 1 << i);
		world_file(file, text);
	}
	(void)snprintf(path, sizeof(path), "%s/c1", world.hierarchy);
	assert_int_equal(cg_members(path, 1, 100, &pids), 0);
	int32_t sum = 0;
	for (size_t i = 0; i < pids.n; i++)
		sum += pids.v[i];
	assert_int_equal(pids.n, 4);
	assert_int_equal(sum, 15);
	free(pids.v);
	assert_int_equal(cg_members(path, 0, 100, &pids), 0);
	assert_int_equal(pids.n, 1);
	free(pids.v);
	assert_int_equal(cg_members(path, 1, 3, &pids), -E2BIG);
	world_v2_remove();
}

static void makes_on_v2(void **state)
{
	(void)state;
	struct cg g;
	struct mz_err err;
	world_v2(NULL, "cpu memory");
	find(&g, "memory");
	assert_int_equal(cg_make(&g, "c1.d", &err), 0);
	world_expect("cgroup.subtree_control", "+memory");
	world_expect("mezzo/cgroup.subtree_control", "+memory");
	world_expect("mezzo/c1/cgroup.subtree_control", "+memory");
	world_expect("mezzo/c1/mezzo/cgroup.subtree_control", "+memory");
	assert_true(cg_exists(&g, "c1.d"));
	assert_false(cg_exists(&g, "c1")); /* made for its child's sake */
	assert_int_equal(cg_make(&g, "c1", &err), 0);
	assert_true(cg_exists(&g, "c1"));
	/* What is on stays untouched. */
	world_file("cgroup.subtree_control", "cpu memory");
	assert_int_equal(cg_make(&g, "c1.d", &err), 0);
	world_expect("cgroup.subtree_control", "cpu memory");
	/* A tree that cannot be written says where. */
	world_file("mezzo/cgroup.subtree_control", "");
	char path[1024];
	(void)snprintf(path, sizeof(path), "%s/mezzo/cgroup.subtree_control", world.hierarchy);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(cg_make(&g, "c2", &err), -ENOENT);
	assert_non_null(strstr(err.msg, "mezzo/cgroup.subtree_control"));
	world_v2_remove();
}

static void files(void **state)
{
	(void)state;
	struct cg g;
	struct mz_err err;
	int64_t v = 0;
	world_v2(NULL, "cpu memory");
	find(&g, "cpu");
	world_file("mezzo/c1/a", "max\n");
	world_file("mezzo/c1/b", "12\n");
	world_file("mezzo/c1/c", "x\n");
	world_file("mezzo/c1/d", "18446744073709551615\n");
	assert_int_equal(cg_read_int(&g, "c1", "a", &v, &err), 0);
	assert_true(v == INT64_MAX);
	assert_int_equal(cg_read_int(&g, "c1", "b", &v, &err), 0);
	assert_int_equal(v, 12);
	assert_int_equal(cg_read_int(&g, "c1", "c", &v, &err), -EBADMSG);
	assert_int_equal(cg_read_int(&g, "c1", "d", &v, &err), 0);
	assert_true(v == INT64_MAX);
	assert_int_equal(cg_read_int(&g, "c1", "e", &v, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "/mezzo/c1/e"));
	assert_int_equal(cg_write_int(&g, "c1", "b", -7, &err), 0);
	world_expect("mezzo/c1/b", "-7");
	assert_int_equal(cg_write(&g, "c1", "new", "1", &err), -ENOENT); /* makes no files */
	assert_false(cg_has(&g, "c1", "new"));
	const char *text = "nr_periods 3\nnr_throttled 12\nnr 5";
	assert_int_equal(cg_key(text, "nr", &v), 0);
	assert_int_equal(v, 5);
	assert_int_equal(cg_key(text, "nr_throttled", &v), 0);
	assert_int_equal(v, 12);
	assert_int_equal(cg_key(text, "throttled", &v), -ENOENT);
	world_file("mezzo/c1/cgroup.procs", "1\n2\n");
	world_file("mezzo/c1/leaf/cgroup.procs", "3\n");
	world_file("mezzo/c1/mezzo/d/cgroup.procs", "");
	world_file("mezzo/c1/mezzo/cgroup.procs", "");
	assert_int_equal(cg_count(&g, "c1", "cgroup.procs", &v, &err), 0);
	assert_int_equal(v, 3);
	world_v2_remove();
}

static void who_owns(void **state)
{
	(void)state;
	struct cg g;
	char id[CG_PATH_SIZE];
	world_v2(NULL, "cpu memory");
	find(&g, "cpu");
	assert_int_equal(cg_make(&g, "c1", NULL), 0);
	struct mz_container c = {.size = sizeof(c), .id = "c1.b.c", .parent = "c1.b"};
	cg_owner(&g, &c, id);
	assert_string_equal(id, "c1.b.c");
	c.share_cgroups = 1;
	cg_owner(&g, &c, id);
	assert_string_equal(id, "c1");
	c.share_cgroups = 0;
	c.container_class = MZ_CONTAINER_DEBUG;
	cg_owner(&g, &c, id);
	assert_string_equal(id, "c1");
	world_v2_remove();
}

static void collect(void *arg, const char *id)
{
	(void)snprintf((char *)arg + strlen(arg), 256 - strlen(arg), "%s ", id);
}

static void makes_and_removes(void **state)
{
	(void)state;
	struct cg g;
	struct mz_err err;
	char path[CG_PATH_SIZE], ids[256] = "";
	if (!world_has_some("cpuset"))
		skip();
	world_real(NULL);
	find(&g, "cpuset");
	assert_int_equal(cg_make(&g, "a", &err), 0);
	assert_int_equal(cg_make(&g, "a.b", &err), 0);
	assert_int_equal(cg_make(&g, "a.b", &err), 0);
	assert_true(cg_read(&g, "a.b", g.version == 1 ? "cpuset.cpus" : "cpuset.cpus.effective", ids, sizeof(ids), &err) > 0); /* inherited */
	ids[0] = '\0';
	assert_int_equal(cg_each(&g, collect, ids, &err), 0);
	assert_string_equal(ids, "a.b a ");

	/* With a member it cannot go; once that is dead, it goes with all below it. */
	(void)cg_procs_path(&g, "a.b", path);
	(void)snprintf(world.launch, sizeof(world.launch), "cgroup %s\n", path);
	pid_t pid = world_member(world_pause);
	int64_t n = 0;
	while (n < 1)
		assert_int_equal(cg_count(&g, "a", "cgroup.procs", &n, &err), 0);
	cg_remove_op(&g, "a", NULL);
	assert_int_equal(world.n_done, 0);
	assert_int_equal(world_timers(), 1);
	assert_int_equal(world.n_done, 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	(void)world_wait(pid);
	for (int i = 0; i < 100 && world_timers(); i++)
		(void)poll(NULL, 0, 5);
	world_ok();
	assert_false(cg_exists(&g, "a"));
	cg_remove_op(&g, "a", NULL); /* once more, and what never was */
	world_ok();
	cg_remove_op(&g, "../x", NULL);
	world_ok();
	cg_done(&g);
	(void)cg_path(&g, NULL, path);
	assert_int_equal(access(path, F_OK), -1);
}

static void gives_up(void **state)
{
	(void)state;
	struct cg g;
	if (!world_has_some("pids"))
		skip();
	world_real(NULL);
	find(&g, "pids");
	assert_int_equal(cg_make(&g, "a", NULL), 0);
	char path[CG_PATH_SIZE];
	(void)cg_procs_path(&g, "a", path);
	(void)snprintf(world.launch, sizeof(world.launch), "cgroup %s\n", path);
	pid_t pid = world_member(world_pause);
	int64_t n = 0;
	while (n < 1)
		assert_int_equal(cg_count(&g, "a", "cgroup.procs", &n, NULL), 0);
	cg_remove_op(&g, "a", NULL);
	int tries = 0;
	while (world_timers())
		tries++;
	assert_true(tries > 20);
	assert_int_equal(world.n_done, 1);
	assert_int_equal(world.code, -EBUSY);
	(void)cg_path(&g, "a", path);
	assert_non_null(strstr(world.message, path));
	world.n_done = 0;
	/* A removal that is pending when the instance ends is forgotten. */
	cg_remove_op(&g, "a", NULL);
	cg_done(&g);
	assert_int_equal(world_timers(), 0);
	(void)kill(pid, SIGKILL);
	(void)world_wait(pid);
	find(&g, "pids");
	cg_remove_op(&g, "a", NULL);
	for (int i = 0; i < 100 && world_timers(); i++)
		(void)poll(NULL, 0, 5);
	world_ok();
	cg_done(&g);
}

static void orphans(void **state)
{
	(void)state;
	struct cg g;
	struct mz_err err;
	char path[CG_PATH_SIZE];
	if (!world_has_some("pids"))
		skip();
	world_real(NULL);
	find(&g, "pids");
	static const char *const ids[] = {"a", "a.b", "c", "c.d", "e"};
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(cg_make(&g, ids[i], &err), 0);
	(void)cg_procs_path(&g, "c.d", path);
	(void)snprintf(world.launch, sizeof(world.launch), "cgroup %s\n", path);
	pid_t pid = world_member(world_pause);
	int64_t n = 0;
	while (n < 1)
		assert_int_equal(cg_count(&g, "c.d", "cgroup.procs", &n, &err), 0);
	struct mz_container known[2] = {{.id = "a.b", .parent = "a"}, {.id = "ee"}};
	const struct mz_container *list[2] = {&known[0], &known[1]};
	assert_int_equal(cg_remove_orphans(&g, list, 2, &err), 0);
	int status = world_wait(pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	for (int i = 0; i < 100 && world_timers(); i++)
		(void)poll(NULL, 0, 5);
	assert_true(cg_exists(&g, "a.b"));
	assert_true(cg_exists(&g, "a"));
	assert_false(cg_exists(&g, "c"));
	assert_false(cg_exists(&g, "e"));
	cg_remove_op(&g, "a", NULL);
	cg_done(&g);
}

/* v2 without controllers is there on hybrid machines too. */
static void hybrid(void **state)
{
	(void)state;
	struct cg g;
	struct mz_err err;
	world_real(NULL);
	if (geteuid() != 0 || cg_find(&g, &world_host, world.hierarchy, world.root, "", &err) < 0) {
		print_message("# SKIP not root, or no v2 hierarchy\n");
		skip();
	}
	assert_int_equal(g.version, 2);
	assert_int_equal(cg_make(&g, "a", &err), 0);
	assert_true(cg_has(&g, "a", "leaf/cgroup.procs"));
	cg_remove_op(&g, "a", NULL);
	world_ok();
	assert_false(cg_exists(&g, "a"));
	cg_done(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_on_v2),
		cmocka_unit_test(members),
		cmocka_unit_test(makes_on_v2),
		cmocka_unit_test(files),
		cmocka_unit_test(who_owns),
		cmocka_unit_test(makes_and_removes),
		cmocka_unit_test(gives_up),
		cmocka_unit_test(orphans),
		cmocka_unit_test(hybrid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
