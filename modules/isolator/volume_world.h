/* volume_world.h - for the tests of isolators that mount: a kit with one module, a
 * directory to play in, and what was asked of the last launch.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_ISOLATOR_VOLUME_WORLD_H
#define MZ_ISOLATOR_VOLUME_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>
#include <mezzo/kit.h>

extern const struct mz_module mz_module;

static struct {
	struct mz_kit *k;
	struct mz_kit_module *m;
	struct mz_container *c;
	struct mz_launch *l;
	struct mz_kit_op r;
	char dir[1024]; /* the kit's, by its real name */
} world;

/* Texts with "%D" for the directory; a few live at a time. */
static inline const char *at(const char *text)
{
	static char out[8][8192];
	static unsigned next;
	char *to = out[next++ % 8], *p = to, *end = to + sizeof(out[0]) - 1;
	for (; *text && p < end; text++) {
		if (text[0] == '%' && text[1] == 'D') {
			p += snprintf(p, (size_t)(end - p), "%s", world.dir);
			text++;
		} else {
			*p++ = *text;
		}
	}
	*p = '\0';
	return to;
}

static inline void make_dir(const char *path)
{
	assert_int_equal(mkdir(at(path), 0755), 0);
}

static inline void make_link(const char *to, const char *path)
{
	assert_int_equal(symlink(at(to), at(path)), 0);
}

static inline void make_file(const char *path, const char *text)
{
	int fd = open(at(path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static inline int exists(const char *path)
{
	struct stat st;
	return lstat(at(path), &st) == 0;
}

/* Settings may have %D; NULL: none. The container is "c1". */
static inline void world_begin(const char *settings, const char *const *dirs)
{
	struct mz_err err = {0};
	memset(&world, 0, sizeof(world));
	world.k = mz_kit_new();
	assert_non_null(realpath(mz_kit_dir(world.k), world.dir));
	for (; dirs && *dirs; dirs++)
		make_dir(*dirs);
	if (mz_kit_add(world.k, &mz_module, settings ? at(settings) : NULL, &world.m, &err) < 0)
		fail_msg("%s", err.msg);
	world.c = mz_kit_container(world.k, "c1", "cpus:1");
}

static inline int world_end(void **state)
{
	(void)state;
	mz_kit_free(world.k);
	memset(&world, 0, sizeof(world));
	return 0;
}

/* `volumes` is YAML of ContainerInfo's list, with %D. */
static inline int prepare(const char *volumes)
{
	const struct mz_isolator_ops *ops = mz_kit_ops(world.m);
	char yaml[8192];
	snprintf(yaml, sizeof(yaml), "type: MESOS\nvolumes:\n%s", volumes ? at(volumes) : "");
	world.c->container = volumes ? mz_kit_info(world.k, yaml) : NULL;
	world.l = mz_kit_launch(world.k);
	ops->prepare(mz_kit_inst(world.m), world.c, world.l, mz_kit_op(world.m, &world.r, 0));
	int rc = mz_kit_wait(world.k, &world.r);
	if (rc == 0)
		world.r.err.msg[0] = '\0';
	return rc;
}

static inline const char *asked(void)
{
	return mz_kit_launch_text(world.l);
}

/* The launch fails with this code and a message that is this. */
static inline void refuses(const char *volumes, int code, const char *message)
{
	assert_int_equal(prepare(volumes), code);
	assert_string_equal(world.r.err.msg, at(message));
}

#endif
