/* disk_xfs_test.c - on the XFS with project quotas that TMPDIR is on, as root; elsewhere only
 * what is refused.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../kit_world.h"
#include "../volume_disk_world.h"
#include "quota.h"

static const int64_t minute = 60000000000;

static const char *tmp(void)
{
	const char *dir = getenv("TMPDIR");
	return dir ? dir : "/tmp";
}

/* Is there what the other tests need? */
static void needs_quota(void)
{
	struct quota q;
	struct mz_err err = {0};
	if (geteuid() != 0)
		(void)strcpy(err.msg, "not root");
	else if (quota_open(&q, tmp(), 1, &err) == 0) {
		quota_done(&q);
		return;
	}
	print_message("# SKIP %s\n", err.msg);
	skip();
}

static void refuses_settings(void **state)
{
	(void)state;
	static const char *const ranges[] = {"", "5", "[5-4]", "[0-4]", "5-6]", "[5-6", "[5-6]x", "[5--6]", "[a-b]", "[5-99999999999]"};
	char yaml[128];
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		(void)snprintf(yaml, sizeof(yaml), "{project_range: \"%s\"}", ranges[i]);
		world_refuses(yaml);
		if (!strstr(w.err.msg, "is no range like [5000-10000]"))
			fail_msg("'%s': '%s'", ranges[i], w.err.msg);
	}
	world_refuses("{kill: true}");
	assert_non_null(strstr(w.err.msg, "kill is set, but not enforce"));
	/* proc is no XFS. */
	struct quota q;
	struct mz_err err;
	assert_int_equal(quota_open(&q, "/proc", 0, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "/proc is on no XFS"));
	assert_int_equal(quota_open(&q, "/no/such/directory", 0, &err), -ENOENT);
}

/* Writes MB after MB; how many there was room for. */
static int fill_file(const char *path, int mb)
{
	static char block[1 << 20];
	int n = 0;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	while (fd >= 0 && n < mb && write(fd, block, sizeof(block)) == (ssize_t)sizeof(block))
		n++;
	if (fd >= 0)
		(void)fsync(fd);
	(void)close(fd);
	return n;
}

static int fill(const struct mz_container *c, const char *name, int mb)
{
	char path[1024];
	(void)snprintf(path, sizeof(path), "%s/%s", c->sandbox, name);
	return fill_file(path, mb);
}

static struct mz_container *box(const char *id, const char *text)
{
	struct mz_container *c = world_container(id, NULL);
	c->resources = mz_kit_resources(w.k, text);
	(void)mkdir(c->sandbox, 0755);
	return c;
}

static void begin(const struct mz_container *c)
{
	(void)world_prepare(c);
	if (w.err.code)
		fail_msg("%s", w.err.msg);
}

static const char *usage_of(const struct mz_container *c)
{
	struct mz_kit_op r;
	struct mz_usage *u = mz_kit_usage(w.k);
	w.ops->usage(mz_kit_inst(w.m), c, u, mz_kit_op(w.m, &r, 0));
	assert_int_equal(mz_kit_wait(w.k, &r), 0);
	return mz_kit_usage_text(u);
}

/* Of a field; -1: it is not told. */
static int64_t told(const struct mz_container *c, const char *field)
{
	char line[128];
	(void)snprintf(line, sizeof(line), "%s ", field);
	const char *at = strstr(usage_of(c), line);
	return at ? strtoll(at + strlen(line), NULL, 10) : -1;
}

static int64_t used(const struct mz_container *c, int64_t *ret_limit)
{
	*ret_limit = told(c, "disk_limit_bytes");
	return told(c, "disk_used_bytes");
}

static void update(struct mz_container *c, const char *text)
{
	struct mz_kit_op r;
	if (text)
		c->resources = mz_kit_resources(w.k, text);
	w.ops->update(mz_kit_inst(w.m), c, mz_kit_op(w.m, &r, 0));
	assert_int_equal(mz_kit_wait(w.k, &r), 0);
}

static void measures(void **state)
{
	(void)state;
	int64_t limit;
	needs_quota();
	world_open("{project_range: \"7000-7001\"}");
	struct mz_container *c = box("c1", "cpus:1;disk:2"), *n = world_container("c1.n", NULL);
	n->parent = "c1";
	/* The fetcher was there before. */
	char path[1024];
	assert_int_equal(fill(c, "fetched", 1), 1);
	(void)snprintf(path, sizeof(path), "%s/dir", c->sandbox);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(fill(c, "dir/more", 1), 1);
	begin(c);
	begin(n);
	if (used(c, &limit) < 2 << 20)
		fail_msg("%lld bytes", (long long)used(c, &limit));
	assert_int_equal(limit, 2 << 20);
	assert_int_equal(used(n, &limit), -1);
	/* It does not enforce. */
	assert_int_equal(fill(c, "dir/big", 8), 8);
	assert_true(used(c, &limit) >= 10 << 20);
	assert_true(used(c, &limit) < 11 << 20);
	assert_int_equal(world_cleanup("c1.n"), 0);
	assert_int_equal(world_cleanup("c1"), 0);
	assert_int_equal(world_cleanup("c1"), 0);
	assert_int_equal(world_cleanup("never"), 0);
	world_close();
}

static void enforces(void **state)
{
	(void)state;
	int64_t limit;
	needs_quota();
	world_open("{enforce: true, project_range: \"7010-7019\"}");
	struct mz_container *c = box("c1", "cpus:1;disk:4"), *d = box("c2", "cpus:1");
	begin(c);
	begin(d);
	/* The directory takes a block of it. */
	assert_in_range(fill(c, "a", 8), 3, 4);
	assert_true(used(c, &limit) <= 4 << 20);
	assert_int_equal(limit, 4 << 20);
	assert_int_equal(fill(d, "a", 8), 8);
	assert_true(used(d, &limit) >= 8 << 20);
	assert_int_equal(limit, -1);
	update(c, "cpus:1;disk:6");
	assert_in_range(fill(c, "a", 8), 5, 6);
	update(c, "cpus:1");
	assert_int_equal(fill(c, "a", 8), 8);
	mz_kit_advance(w.k, minute);
	assert_string_equal(mz_kit_events(w.k), "");
	assert_int_equal(world_cleanup("c1"), 0);
	assert_int_equal(world_cleanup("c2"), 0);
	world_close();
}

static int was_told(void *arg)
{
	(void)arg;
	return mz_kit_metric(w.m, "exceeded") > 0;
}

static void ends_containers(void **state)
{
	(void)state;
	int64_t limit;
	needs_quota();
	world_open("{enforce: true, kill: true, headroom: 2MB, project_range: \"7020-7029\"}");
	struct mz_container *c = box("c1", "cpus:1;disk:4");
	begin(c);
	assert_in_range(fill(c, "a", 3), 3, 3);
	mz_kit_advance(w.k, minute);
	assert_string_equal(mz_kit_events(w.k), "");
	assert_in_range(fill(c, "b", 8), 2, 3);
	assert_true(used(c, &limit) <= 6 << 20);
	assert_int_equal(limit, 4 << 20);
	assert_int_equal(mz_kit_until(w.k, was_told, NULL, minute), 0);
	assert_non_null(strstr(mz_kit_events(w.k), "limitation c1 reason 20 Disk usage of the sandbox ("));
	mz_kit_advance(w.k, minute); /* told once */
	assert_true(mz_kit_metric(w.m, "exceeded") == 1);
	assert_int_equal(world_cleanup("c1"), 0);
	world_close();
}

static int projects_are(void *arg)
{
	return mz_kit_metric(w.m, "projects") == *(double *)arg;
}

static void remove_sandbox(const struct mz_container *c)
{
	char path[1024];
	(void)snprintf(path, sizeof(path), "%s/a", c->sandbox);
	(void)unlink(path);
	assert_int_equal(rmdir(c->sandbox), 0);
}

/* XFS takes what was removed off the account a little later. */
static void until_empty(struct quota *q, uint32_t project)
{
	struct quota_use u = {.n_files = 1};
	struct mz_err err;
	for (int i = 0; i < 3000 && (u.n_files || u.used_bytes); i++) {
		(void)poll(NULL, 0, 10);
		assert_int_equal(quota_get(q, project, &u, &err), 0);
	}
	assert_int_equal(u.n_files, 0);
}

static void numbers(void **state)
{
	(void)state;
	int64_t limit;
	double none = 0, one = 1;
	static const char settings[] = "{enforce: true, project_range: \"[7030-7032]\"}";
	needs_quota();
	/* Somebody else has the second one. */
	struct quota q;
	struct mz_err err;
	char other[512];
	(void)snprintf(other, sizeof(other), "%s/mezzo-xfs-XXXXXX", tmp());
	assert_non_null(mkdtemp(other));
	assert_int_equal(quota_open(&q, tmp(), 1, &err), 0);
	assert_int_equal(quota_give(&q, other, 7031, &err), 0);
	world_open(settings);
	struct mz_container *a = box("a", "cpus:1;disk:4"), *b = box("b", "cpus:1;disk:4"), *c = box("c", "cpus:1;disk:4");
	begin(a);
	begin(b);
	assert_string_equal(world_prepare(c), "");
	assert_int_equal(w.err.code, -ENOSPC);
	assert_non_null(strstr(w.err.msg, "All 3 projects, 7030 to 7032, are used"));
	assert_int_equal(fill(a, "a", 2), 2);
	assert_int_equal(fill(b, "a", 1), 1);
	/* An ended container's number is free when its sandbox is gone; the agent restarts. */
	assert_int_equal(world_cleanup("b"), 0);
	mz_kit_advance(w.k, minute);
	assert_true(projects_are(&(double){2}));
	world_restart(settings);
	const struct mz_container *v[] = {a};
	assert_int_equal(world_recover(v, 1), 0);
	assert_true(projects_are(&(double){2}));
	assert_true(used(a, &limit) >= 2 << 20);
	assert_int_equal(limit, 4 << 20);
	assert_int_equal(used(b, &limit), -1);
	assert_in_range(fill(a, "a", 8), 3, 4);
	remove_sandbox(b);
	assert_int_equal(mz_kit_until(w.k, projects_are, &one, minute), 0);
	struct quota_use u;
	assert_int_equal(quota_get(&q, 7032, &u, &err), 0);
	assert_int_equal(u.hard_bytes, 0);
	until_empty(&q, 7032);
	begin(c);
	assert_in_range(fill(c, "a", 8), 3, 4);
	assert_int_equal(world_cleanup("a"), 0);
	assert_int_equal(world_cleanup("c"), 0);
	remove_sandbox(a);
	remove_sandbox(c);
	assert_int_equal(mz_kit_until(w.k, projects_are, &none, minute), 0);
	/* Nothing of it is left after another restart. */
	world_restart(settings);
	assert_int_equal(world_recover(NULL, 0), 0);
	assert_true(projects_are(&none));
	world_close();
	quota_done(&q);
	assert_int_equal(rmdir(other), 0);
}

/* 2 MB of disk, and a volume of `mb`. */
static struct mz_resources *with_volume(int mb, const char *more)
{
	struct mz_err err;
	struct mz_resources *r = res_new();
	assert_int_equal(res_parse("cpus:1;disk:2", NULL, r, &err), 0);
	for (int i = 0; i < mb; i++)
		add_volume(r, "web", "v1", "data", more);
	return r;
}

static void make_volume(const char *top)
{
	char command[1200];
	assert_non_null(realpath(mz_kit_dir(w.k), world.dir)); /* %D */
	(void)snprintf(command, sizeof(command), "mkdir -p %s/volumes/roles/web/v1", at(top));
	assert_int_equal(system(command), 0);
}

static void remove_volume(const char *top)
{
	char command[1200];
	(void)snprintf(command, sizeof(command), "rm -r %s/volumes", at(top));
	assert_int_equal(system(command), 0);
}

/* Each is a project of its own: measured and limited apart from the sandbox, in whatever container it is;
 * it outlives them, and a restart. */
static void volumes(void **state)
{
	(void)state;
	static const char settings[] = "{enforce: true, kill: true, headroom: 2MB, project_range: \"7040-7049\"}";
	static const char limit[] = "disk_statistics.0.limit_bytes", is[] = "disk_statistics.0.used_bytes";
	double none = 0, one = 1;
	needs_quota();
	world_open(settings);
	struct mz_container *c = box("c1", "cpus:1"), *d = box("c2", "cpus:1");
	struct mz_resources *four = with_volume(4, ""), *six = with_volume(6, "");
	c->resources = d->resources = four;
	make_volume("%D");
	assert_int_equal(fill_file(at("%D/volumes/roles/web/v1/old"), 1), 1);
	begin(c);
	assert_true(projects_are(&one));
	assert_int_equal(world_isolate(c, getpid()), 0);
	assert_true(projects_are(&(double){2}));
	assert_non_null(strstr(usage_of(c), "disk_statistics.0.persistence.id v1"));
	assert_int_equal(told(c, limit), 4 << 20);
	assert_in_range(told(c, is), 1 << 20, 2 << 20);
	assert_in_range(told(c, "disk_used_bytes"), 0, 1 << 20);
	/* Its size follows; the sandbox's limit stays. */
	c->resources = six;
	update(c, NULL);
	assert_int_equal(told(c, limit), 6 << 20);
	assert_int_equal(told(c, "disk_limit_bytes"), 2 << 20);
	assert_in_range(fill_file(at("%D/volumes/roles/web/v1/more"), 9), 6, 7);
	assert_int_equal(fill(c, "own", 1), 1);
	assert_int_equal(mz_kit_until(w.k, was_told, NULL, minute), 0);
	assert_non_null(strstr(mz_kit_events(w.k), "limitation c1 reason 20 Disk usage of the volume v1 ("));
	assert_non_null(strstr(mz_kit_events(w.k), "is over its size (6144KB)"));
	/* It goes on after a restart; then it is another container's. */
	world_restart(settings);
	const struct mz_container *v[] = {c};
	assert_int_equal(world_recover(v, 1), 0);
	assert_true(projects_are(&(double){2}));
	assert_in_range(told(c, is), 7 << 20, 8 << 20);
	assert_int_equal(world_cleanup("c1"), 0);
	assert_int_equal(unlink(at("%D/volumes/roles/web/v1/more")), 0);
	begin(d);
	assert_int_equal(world_isolate(d, getpid()), 0);
	assert_true(projects_are(&(double){3}));
	assert_int_equal(told(d, limit), 4 << 20);
	assert_in_range(fill_file(at("%D/volumes/roles/web/v1/more"), 9), 4, 5);
	/* Without the volume nothing is told of it. */
	update(d, "cpus:1;disk:2");
	assert_int_equal(told(d, limit), -1);
	assert_int_equal(world_cleanup("c2"), 0);
	/* Its number is free when it is gone. */
	mz_kit_advance(w.k, minute);
	assert_true(projects_are(&(double){3}));
	remove_volume("%D");
	assert_int_equal(mz_kit_until(w.k, projects_are, &(double){2}, minute), 0);
	char own[1024];
	(void)snprintf(own, sizeof(own), "%s/own", c->sandbox);
	assert_int_equal(unlink(own), 0);
	remove_sandbox(c);
	remove_sandbox(d);
	assert_int_equal(mz_kit_until(w.k, projects_are, &none, minute), 0);
	res_free(four);
	res_free(six);
	world_close();
}

/* On another file system, or not there: nothing is told of them, and they keep nobody from running. */
static void volumes_elsewhere(void **state)
{
	(void)state;
	double one = 1;
	char dir[] = "/tmp/mezzo-xfs-XXXXXX", source[128];
	static const char *const roots[] = {"/proc", NULL};
	needs_quota();
	assert_non_null(mkdtemp(dir));
	for (int i = 0; i < 2; i++) {
		world_open("{project_range: \"7050-7059\"}");
		struct mz_container *c = box("c1", "cpus:1");
		struct quota q;
		struct mz_err err;
		const char *root = roots[i] ? roots[i] : dir;
		(void)snprintf(source, sizeof(source), ",\"source\":{\"type\":\"PATH\",\"path\":{\"root\":\"%s\"}}", root);
		struct mz_resources *r = with_volume(1, source);
		c->resources = r;
		if (!roots[i])
			make_volume(dir);
		assert_int_equal(quota_open(&q, tmp(), 0, &err), 0);
		if (roots[i] || quota_give(&q, dir, 7050, &err) == -EXDEV) {
			begin(c);
			assert_int_equal(world_isolate(c, getpid()), 0);
			assert_true(projects_are(&one));
			assert_null(strstr(usage_of(c), "disk_statistics"));
		}
		quota_done(&q);
		assert_int_equal(world_cleanup("c1"), 0);
		world_close();
		res_free(r);
	}
	remove_volume(dir);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_settings), cmocka_unit_test(measures), cmocka_unit_test(enforces),
		cmocka_unit_test(ends_containers),  cmocka_unit_test(numbers),	cmocka_unit_test(volumes),
		cmocka_unit_test(volumes_elsewhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
