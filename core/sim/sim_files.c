/* sim_files.c - see sim_files.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_files.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"

struct sim_files {
	struct files f; /* first member */
	struct sim_node *node;
	struct map attached; /* virtual path -> real path */
};

struct answer {
	files_browse_fn browse;
	files_read_fn read;
	void *arg;
};

static void op_attach(struct files *f, const char *virtual_path, const char *real_path)
{
	struct sim_files *s = (struct sim_files *)f;
	free(map_put(&s->attached, virtual_path, xstrdup(real_path)));
}

static void op_detach(struct files *f, const char *virtual_path)
{
	struct sim_files *s = (struct sim_files *)f;
	free(map_del(&s->attached, virtual_path));
}

static bool op_attached(struct files *f, size_t i, const char **ret_virtual, const char **ret_real)
{
	struct sim_files *s = (struct sim_files *)f;
	map_each(&s->attached, e) {
		if (i-- > 0)
			continue;
		*ret_virtual = e->key;
		*ret_real = e->value;
		return true;
	}
	return false;
}

static void on_answer(void *arg)
{
	struct answer a = *(struct answer *)arg;
	struct mz_err err;
	free(arg);
	mz_fail(&err, -ENOENT, "There are no files in a simulated sandbox");
	if (a.browse)
		a.browse(a.arg, &err, NULL, 0);
	else
		a.read(a.arg, &err, 0, (struct mz_bytes){0}, 0);
}

static void answer_later(struct files *f, struct answer a)
{
	struct sim_files *s = (struct sim_files *)f;
	loop_post(&s->node->loop, on_answer, xmemdup(&a, sizeof(a)));
}

static void op_browse(struct files *f, const char *path MZ_UNUSED, files_browse_fn fn, void *arg)
{
	answer_later(f, (struct answer){.browse = fn, .arg = arg});
}

static void op_read(struct files *f, const char *path MZ_UNUSED, int64_t offset MZ_UNUSED, int64_t length MZ_UNUSED,
		    files_read_fn fn, void *arg)
{
	answer_later(f, (struct answer){.read = fn, .arg = arg});
}

static void op_free(struct files *f)
{
	struct sim_files *s = (struct sim_files *)f;
	map_each(&s->attached, e)
		free(e->value);
	map_done(&s->attached);
	free(s);
}

static const struct files_ops ops = {op_attach, op_detach, op_attached, op_browse, op_read, op_free};

struct files *sim_files_new(struct sim_node *n)
{
	struct sim_files *s = xnew(struct sim_files);
	s->f.ops = &ops;
	s->node = n;
	return &s->f;
}
