/* rotate_world.h - for the tests of logger/rotate: one container, and the real mezzo-logger.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_LOGGER_ROTATE_WORLD_H
#define MZ_LOGGER_ROTATE_WORLD_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "rotate.h"
#include <mezzo/kit.h>

extern const struct mz_module mz_module;

static struct {
	struct mz_kit *kit;
	struct mz_kit_module *m;
	struct mz_container *c;
	const struct mz_logger_ops *ops;
	struct mz_kit_op r;
	int out, err;
} t;

static inline void load(const char *settings)
{
	char text[1024];
	struct mz_err err;
	snprintf(text, sizeof(text), "{helper: %s/core/bin/mezzo-logger%s%s}", BUILD_DIR, *settings ? ", " : "", settings);
	t.kit = mz_kit_new();
	int rc = mz_kit_add(t.kit, &mz_module, text, &t.m, &err);
	if (rc < 0)
		print_error("%s\n", err.msg);
	assert_int_equal(rc, 0);
	t.ops = mz_kit_ops(t.m);
	t.c = mz_kit_container(t.kit, "c1", "cpus:1;mem:32");
}

static inline int prepare(void)
{
	struct mz_logger_result got;
	t.ops->prepare(mz_kit_inst(t.m), t.c, mz_kit_op(t.m, &t.r, sizeof(got)));
	int rc = mz_kit_wait(t.kit, &t.r);
	if (rc < 0)
		return rc;
	memcpy(&got, t.r.result.bytes, sizeof(got));
	t.out = got.fd_out;
	t.err = got.fd_err;
	assert_true(t.out > 2 && t.err > 2);
	return 0;
}

static inline void start(const char *settings)
{
	load(settings);
	int rc = prepare();
	if (rc < 0)
		print_error("%s\n", t.r.err.msg);
	assert_int_equal(rc, 0);
}

/* The container's end; the files are whole when it returns. */
static inline void end(void)
{
	close(t.out);
	close(t.err);
	t.ops->ended(mz_kit_inst(t.m), "c1", mz_kit_op(t.m, &t.r, 0));
	assert_int_equal(mz_kit_wait(t.kit, &t.r), 0);
	assert_string_equal(mz_kit_log(t.kit), "");
}

static inline void put(int fd, const char *data, size_t n)
{
	while (n) {
		ssize_t k = write(fd, data, n);
		assert_true(k > 0);
		data += k;
		n -= (size_t)k;
	}
}

static inline const char *at(const char *name)
{
	static char path[4][512];
	static int i;
	i = (i + 1) % 4;
	snprintf(path[i], sizeof(path[i]), "%s/%s", t.c->sandbox, name);
	return path[i];
}

/* gzopen reads what is not compressed as it is. */
static inline size_t slurp(const char *name, char *to, size_t room)
{
	gzFile f = gzopen(at(name), "rb");
	if (!f)
		return SIZE_MAX;
	int n = gzread(f, to, (unsigned)room);
	assert_int_equal(gzclose(f), Z_OK);
	assert_true(n >= 0);
	return (size_t)n;
}

/* `n` bytes of lines of many lengths. */
static inline char *make_text(size_t n, unsigned longest)
{
	char *text = malloc(n);
	unsigned seed = 7;
	for (size_t i = 0; i < n;) {
		size_t len = (seed = seed * 1103515245 + 12345) / 65536 % longest + 1;
		for (; len > 1 && i < n - 1; len--, i++)
			text[i] = (char)('a' + i % 26);
		text[i++] = '\n';
	}
	return text;
}

/* The logger that runs; zombies are not counted. */
static inline pid_t only_child(void)
{
	FILE *f = fopen("/proc/thread-self/children", "r");
	int pid, found = -1;
	siginfo_t is;
	assert_non_null(f);
	while (fscanf(f, "%d", &pid) == 1) {
		is.si_pid = 0;
		if (waitid(P_PID, (id_t)pid, &is, WEXITED | WNOHANG | WNOWAIT) == 0 && is.si_pid == 0)
			found = pid;
	}
	fclose(f);
	return found;
}

/* A test that has failed has left its pipes open: its logger would be waited for in vain. */
static inline int tear_down(void **state)
{
	(void)state;
	mz_kit_free(t.kit);
	t.kit = NULL;
	for (pid_t pid; (pid = only_child()) > 0; waitpid(pid, NULL, 0))
		(void)kill(pid, SIGKILL);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

#endif
