/* os_test.c - directories, files for the API, and discovery of the machine.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/loop_event.h"
#include "os/files.h"
#include "os/host.h"
#include "os/tree.h"

static char dir[64];

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, 0644), 0);
	close(fd);
}

static char *at(const char *name)
{
	static char path[4][256];
	static int i;
	i = (i + 1) % 4;
	snprintf(path[i], sizeof(path[i]), "%s/%s", dir, name);
	return path[i];
}

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/mezzo-os-test-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return tree_remove(dir, NULL);
}

static void makes_and_removes_trees(void **state)
{
	(void)state;
	struct mz_err err;
	assert_int_equal(tree_make(at("a/b/c"), 0750, &err), 0);
	assert_int_equal(tree_make(at("a/b/c"), 0750, &err), 0);
	struct stat st;
	assert_int_equal(stat(at("a/b/c"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0750);
	write_file(at("a/b/file"), "x");
	write_file(at("kept"), "x");
	assert_int_equal(symlink(at("kept"), at("a/link")), 0);
	assert_int_equal(symlink(dir, at("a/dirlink")), 0);
	assert_int_equal(chmod(at("a/b/c"), 0), 0);
	assert_int_equal(tree_remove(at("a"), &err), 0);
	assert_int_equal(access(at("a"), F_OK), -1);
	assert_int_equal(access(at("kept"), F_OK), 0);
	assert_int_equal(tree_remove(at("a"), &err), 0);
	write_file(at("f"), "x");
	assert_int_equal(tree_make(at("f/x"), 0755, &err), -ENOTDIR);
	assert_non_null(strstr(err.msg, "f"));
}

static void removes_deep_trees(void **state)
{
	(void)state;
	assert_int_equal(mkdir(at("deep"), 0755), 0);
	int fd = open(at("deep"), O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(mkdirat(fd, "sub", 0755), 0);
		int next = openat(fd, "sub", O_RDONLY | O_DIRECTORY);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	close(fd);
	struct mz_err err;
	assert_int_equal(tree_remove(at("deep"), &err), 0);
	assert_int_equal(access(at("deep"), F_OK), -1);
}

static void links_and_copies(void **state)
{
	(void)state;
	struct mz_err err;
	char target[128];
	assert_int_equal(tree_link("one", at("latest"), &err), 0);
	assert_int_equal(tree_link("two", at("latest"), &err), 0);
	ssize_t n = readlink(at("latest"), target, sizeof(target) - 1);
	assert_int_equal(n, 3);
	assert_memory_equal(target, "two", 3);
	write_file(at("from"), "content");
	int fd = open(dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(tree_copy(at("from"), fd, "to", 0755, &err), 0);
	struct stat st;
	assert_int_equal(stat(at("to"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0755);
	assert_int_equal(st.st_size, 7);
	assert_int_equal(tree_copy(at("nothing"), fd, "to", 0755, &err), -ENOENT);
	assert_int_equal(tree_copy(dir, fd, "to", 0755, &err), -EINVAL);
	close(fd);
}

/* ---- files -------------------------------------------------------------------- */

struct answer {
	int n_calls, code;
	int64_t offset, size;
	char data[256];
	size_t n_data, n_entries;
	char names[8][256];
	char modes[8][12];
};

static void on_browse(void *arg, const struct mz_err *err, const struct file_entry *v, size_t n)
{
	struct answer *a = arg;
	a->n_calls++;
	a->code = err ? err->code : 0;
	a->n_entries = n;
	for (size_t i = 0; i < n && i < 8; i++) {
		snprintf(a->names[i], sizeof(a->names[i]), "%s", v[i].path);
		strcpy(a->modes[i], v[i].mode);
		assert_non_null(v[i].uid);
		assert_non_null(v[i].gid);
	}
}

static void on_read(void *arg, const struct mz_err *err, int64_t offset, struct mz_bytes data, int64_t size)
{
	struct answer *a = arg;
	a->n_calls++;
	a->code = err ? err->code : 0;
	a->offset = offset;
	a->size = size;
	a->n_data = data.size;
	if (data.size && data.size < sizeof(a->data))
		memcpy(a->data, data.data, data.size);
}

static struct loop *loop;

static struct answer browse(struct files *f, const char *path)
{
	struct answer a = {0};
	f->ops->browse(f, path, on_browse, &a);
	assert_int_equal(a.n_calls, 0);
	while (!a.n_calls)
		loop_event_turn(loop, NS_PER_SEC);
	return a;
}

static struct answer read_at(struct files *f, const char *path, int64_t offset, int64_t length)
{
	struct answer a = {0};
	f->ops->read(f, path, offset, length, on_read, &a);
	assert_int_equal(a.n_calls, 0);
	while (!a.n_calls)
		loop_event_turn(loop, NS_PER_SEC);
	return a;
}

static void shows_files(void **state)
{
	(void)state;
	struct mz_err err;
	assert_int_equal(loop_event_new(2, &loop, &err), 0);
	struct files *f = files_new(loop);
	assert_int_equal(tree_make(at("box/sub"), 0755, &err), 0);
	write_file(at("box/stdout"), "hello world");
	write_file(at("secret"), "secret");
	assert_int_equal(symlink(at("secret"), at("box/link")), 0);
	assert_int_equal(symlink("../secret", at("box/link2")), 0);
	f->ops->attach(f, "/virtual/box/", at("box"));
	f->ops->attach(f, "/agent/log", at("secret"));

	struct answer a = browse(f, "/virtual/box");
	assert_int_equal(a.code, 0);
	assert_int_equal(a.n_entries, 4);
	assert_string_equal(a.names[0], "/virtual/box/link");
	assert_string_equal(a.names[2], "/virtual/box/stdout");
	assert_string_equal(a.modes[2], "-rw-r--r--");
	assert_string_equal(a.names[3], "/virtual/box/sub");
	assert_string_equal(a.modes[3], "drwxr-xr-x");
	assert_string_equal(a.modes[0], "lrwxrwxrwx");
	assert_int_equal(browse(f, "/virtual/box//sub/").code, 0);
	assert_int_equal(browse(f, "/virtual/none").code, -ENOENT);
	assert_int_equal(browse(f, "").code, -ENOENT);
	assert_int_equal(browse(f, "/virtual/box/stdout").code, -ENOTDIR);

	a = read_at(f, "/virtual/box/stdout", 6, 100);
	assert_int_equal(a.code, 0);
	assert_int_equal(a.offset, 6);
	assert_int_equal(a.n_data, 5);
	assert_memory_equal(a.data, "world", 5);
	assert_int_equal(a.size, 11);
	a = read_at(f, "/virtual/box/stdout", -1, -1);
	assert_int_equal(a.offset, 11);
	assert_int_equal(a.n_data, 0);
	assert_int_equal(read_at(f, "/virtual/box/stdout", 100, -1).n_data, 0);
	assert_int_equal(read_at(f, "/virtual/box/stdout", 0, 3).n_data, 3);
	assert_int_equal(read_at(f, "/virtual/box/sub", 0, 3).code, -EISDIR);
	a = read_at(f, "/agent/log", 0, -1);
	assert_memory_equal(a.data, "secret", 6);
	/* What lies outside stays outside. */
	assert_int_equal(read_at(f, "/virtual/box/link", 0, -1).code, -EACCES);
	assert_int_equal(read_at(f, "/virtual/box/link2", 0, -1).code, -EACCES);
	assert_int_equal(read_at(f, "/virtual/box/../secret", 0, -1).code, -EACCES);

	const char *v, *r;
	assert_true(f->ops->attached(f, 0, &v, &r));
	assert_string_equal(v, "/virtual/box");
	assert_true(f->ops->attached(f, 1, &v, &r));
	assert_false(f->ops->attached(f, 2, &v, &r));
	f->ops->detach(f, "/virtual/box");
	assert_int_equal(browse(f, "/virtual/box").code, -ENOENT);
	files_free(f);
	loop_event_free(loop);
}

static void links_stay_inside(void **state)
{
	(void)state;
	struct mz_err err;
	assert_int_equal(loop_event_new(2, &loop, &err), 0);
	struct files *f = files_new(loop);
	assert_int_equal(tree_make(at("box/runs/one"), 0755, &err), 0);
	assert_int_equal(tree_make(at("out"), 0755, &err), 0);
	write_file(at("box/runs/one/stdout"), "inside");
	write_file(at("out/stdout"), "outside");
	assert_int_equal(symlink("one", at("box/runs/latest")), 0);
	assert_int_equal(symlink("runs/latest/stdout", at("box/log")), 0);
	assert_int_equal(symlink("../box/runs", at("box/by_way_of_out")), 0);
	assert_int_equal(symlink("../out", at("box/out")), 0);
	assert_int_equal(symlink("/", at("box/root")), 0);
	assert_int_equal(symlink("/proc/self/root", at("box/magic")), 0);
	assert_int_equal(symlink("loop", at("box/loop")), 0);
	assert_int_equal(mkfifo(at("box/pipe"), 0644), 0);
	f->ops->attach(f, "/v", at("box"));
	struct answer a = read_at(f, "/v/runs/latest/stdout", 0, -1);
	assert_int_equal(a.code, 0);
	assert_memory_equal(a.data, "inside", 6);
	assert_int_equal(read_at(f, "/v/log", 0, -1).n_data, 6);
	assert_int_equal(read_at(f, "/v/runs/../log", 0, -1).n_data, 6);
	assert_int_equal(browse(f, "/v/runs/latest").n_entries, 1);
	static const char *const leads_out[] = {"/v/by_way_of_out/one/stdout", "/v/out/stdout", "/v/root/etc/passwd",
						"/v/magic/etc/passwd", "/v/runs/../../out/stdout"};
	for (size_t i = 0; i < sizeof(leads_out) / sizeof(leads_out[0]); i++)
		assert_int_equal(read_at(f, leads_out[i], 0, -1).code, -EACCES);
	assert_int_equal(browse(f, "/v/out").code, -EACCES);
	assert_int_equal(browse(f, "/v/root").code, -EACCES);
	assert_int_equal(browse(f, "/v/..").code, -EACCES);
	assert_int_equal(read_at(f, "/v/loop", 0, -1).code, -ELOOP);
	assert_int_equal(read_at(f, "/v/pipe", 0, -1).code, -EINVAL); /* and is not waited for */
	files_free(f);
	loop_event_free(loop);
}

static atomic_bool stop;

/* A task that swaps a directory with a link to the outside, as fast as it can. */
static void *swap(void *arg)
{
	(void)arg;
	char a[256], b[256];
	strcpy(a, at("box/sub"));
	strcpy(b, at("box/evil"));
	while (!atomic_load(&stop))
		(void)renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
	return NULL;
}

static void swapped_links_show_nothing(void **state)
{
	(void)state;
	struct mz_err err;
	pthread_t thread;
	int n_read = 0, n_refused = 0;
	assert_int_equal(loop_event_new(2, &loop, &err), 0);
	struct files *f = files_new(loop);
	assert_int_equal(tree_make(at("box/sub/deep"), 0755, &err), 0);
	assert_int_equal(tree_make(at("out/deep"), 0755, &err), 0);
	write_file(at("box/sub/deep/file"), "inside");
	write_file(at("out/deep/file"), "secret");
	assert_int_equal(symlink("../out", at("box/evil")), 0);
	f->ops->attach(f, "/v", at("box"));
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&thread, NULL, swap, NULL), 0);
	/* Until both were seen; that it takes for ever is the runner's matter. */
	for (int i = 0; i < 2000 || !n_read || !n_refused; i++) {
		struct answer a = read_at(f, i % 2 ? "/v/sub/deep/file" : "/v/sub/deep/../deep/file", 0, -1);
		if (a.code == 0) {
			assert_memory_equal(a.data, "inside", 6);
			n_read++;
		} else {
			assert_true(a.code == -EACCES || a.code == -EAGAIN);
			n_refused++;
		}
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	files_free(f);
	loop_event_free(loop);
}

static void finds_the_machine(void **state)
{
	(void)state;
	struct host_resources r;
	host_resources(dir, &r);
	assert_true(r.n_cpus >= 1);
	assert_true(r.mem_mb > 0 && r.mem_mb * 1048576 < r.mem_total_bytes);
	assert_true(r.disk_mb > 0);
	mz_autofree char *all = host_resources_text(NULL, NULL, dir);
	assert_non_null(strstr(all, "cpus:"));
	assert_non_null(strstr(all, ";ports:[31000-32000]"));
	mz_autofree char *some = host_resources_text("cpus(ops):2; disk:10;", NULL, dir);
	assert_int_equal(strncmp(some, "cpus(ops):2; disk:10;mem:", 25), 0);
	assert_null(strstr(some, "disk:10;disk"));
	mz_autofree char *json = host_resources_text("[{}]", "gpus:4", dir);
	assert_string_equal(json, "[{}]");
	mz_autofree char *found = host_resources_text("gpus:2", "gpus:4;;fpgas:1;wrong", dir);
	assert_int_equal(strncmp(found, "gpus:2;cpus:", 12), 0);
	assert_null(strstr(found, "gpus:4"));
	assert_string_equal(strstr(found, ";ports"), ";ports:[31000-32000];fpgas:1");
	char *id = NULL;
	assert_int_equal(host_boot_id(&id, NULL), 0);
	assert_int_equal(strlen(id), 36);
	free(id);
	double usage = host_disk_usage(dir);
	assert_true(usage >= 0 && usage <= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(makes_and_removes_trees, set_up, tear_down),
		cmocka_unit_test_setup_teardown(removes_deep_trees, set_up, tear_down),
		cmocka_unit_test_setup_teardown(links_and_copies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(shows_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(links_stay_inside, set_up, tear_down),
		cmocka_unit_test_setup_teardown(swapped_links_show_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(finds_the_machine, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
