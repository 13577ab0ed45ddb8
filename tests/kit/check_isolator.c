/* check_isolator.c - the life of a container as <mezzo/isolator.h> tells it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <string.h>

#include "check.h"

static const char *const sleep_argv[] = {"/bin/sleep", "1000", NULL};

static void on_exit_of_sleep(void *arg, pid_t pid, int status)
{
	(void)pid, (void)status;
	*(int *)arg = 1;
}

static int flag_is_set(void *arg)
{
	return *(int *)arg;
}

static bool cleanup(struct check *c, struct mz_kit *k, struct mz_kit_module *m, const char *id, const char *what)
{
	const struct mz_isolator_ops *ops = mz_kit_ops(m);
	struct mz_kit_op r;
	if (!ops->cleanup)
		return true;
	ops->cleanup(mz_kit_inst(m), id, mz_kit_op(m, &r, 0));
	if (!check_completes(c, k, &r, what))
		return false;
	if (!check(c, !r.failed, "%s succeeds", what)) {
		check_note("%s", r.err.msg);
		return false;
	}
	return true;
}

/* One that this instance never prepared: each is answered, whatever the answer. */
static void ask_unknown(struct check *c, struct mz_kit *k, struct mz_kit_module *m, int32_t pid)
{
	const struct mz_isolator_ops *ops = mz_kit_ops(m);
	void *inst = mz_kit_inst(m);
	struct mz_container *box = check_box(c, k, "never-seen");
	struct mz_kit_op r;
	box->pid = pid;
	if (ops->update) {
		ops->update(inst, box, mz_kit_op(m, &r, 0));
		check_completes(c, k, &r, "update of an unknown container");
	}
	if (ops->usage) {
		ops->usage(inst, box, mz_kit_usage(k), mz_kit_op(m, &r, 0));
		check_completes(c, k, &r, "usage of an unknown container");
	}
	if (ops->status) {
		ops->status(inst, box, mz_kit_usage(k), mz_kit_op(m, &r, 0));
		check_completes(c, k, &r, "status of an unknown container");
	}
	/* As the containerizer asks: it knows the id and the pid, no more. */
	struct mz_container bare = {.size = sizeof(bare), .id = "never-seen", .pid = pid, .info = mz_kit_info_api()};
	if (ops->usage) {
		ops->usage(inst, &bare, mz_kit_usage(k), mz_kit_op(m, &r, 0));
		check_completes(c, k, &r, "usage of an unknown container without anything else");
	}
	if (ops->status) {
		ops->status(inst, &bare, mz_kit_usage(k), mz_kit_op(m, &r, 0));
		check_completes(c, k, &r, "status of an unknown container without anything else");
	}
}

static void run_container(struct check *c, struct mz_kit *k, struct mz_kit_module *m, int32_t pid)
{
	const struct mz_isolator_ops *ops = mz_kit_ops(m);
	void *inst = mz_kit_inst(m);
	struct mz_container *box = check_box(c, k, "kit-1");
	struct mz_kit_op r;
	if (ops->prepare) {
		struct mz_launch *l = mz_kit_launch(k);
		ops->prepare(inst, box, l, mz_kit_op(m, &r, 0));
		if (!check_completes(c, k, &r, "prepare"))
			return;
		if (r.failed) {
			check_skip(c, r.err.msg, "prepare refuses the container here");
			cleanup(c, k, m, "kit-1", "cleanup after a failed prepare");
			return;
		}
		check_join(l, pid);
	}
	if (ops->isolate) {
		box->pid = pid;
		ops->isolate(inst, box, pid, mz_kit_op(m, &r, 0));
		check_completes(c, k, &r, "isolate");
	}
	box->pid = pid;
	box->resources = check_box_update(c, k);
	if (ops->update) {
		ops->update(inst, box, mz_kit_op(m, &r, 0));
		check_completes(c, k, &r, "update");
	}
	for (int i = 0; i < 2 && ops->usage; i++) {
		ops->usage(inst, box, mz_kit_usage(k), mz_kit_op(m, &r, 0));
		check_completes(c, k, &r, i ? "usage again" : "usage");
	}
	if (ops->status) {
		ops->status(inst, box, mz_kit_usage(k), mz_kit_op(m, &r, 0));
		check_completes(c, k, &r, "status");
	}
	mz_kit_advance(k, 60 * NS_PER_SEC); /* timers of the container's */
}

void check_isolator(struct check *c)
{
	struct mz_kit_module *m;
	struct mz_kit *k = check_kit(c, &m);
	if (!k)
		return;
	const struct mz_isolator_ops *ops = mz_kit_ops(m);
	struct mz_kit_op r;
	uint32_t flags = ops->flags ? ops->flags(mz_kit_inst(m)) : 0;
	check(c, (flags & ~(MZ_ISOLATOR_NESTED | MZ_ISOLATOR_STANDALONE | MZ_ISOLATOR_ROOT)) == 0, "flags are known ones");
	if (ops->recover) {
		ops->recover(mz_kit_inst(m), NULL, 0, mz_kit_op(m, &r, 0));
		if (check_completes(c, k, &r, "recover of nothing"))
			check(c, !r.failed, "recover of nothing succeeds");
	}
	struct loop_child *child = NULL;
	struct loop_spawn spawn = {.argv = sleep_argv, .fds = {-1, -1, -1}};
	pid_t pid = 0;
	int ended = 0;
	if (check(c, loop_spawn(k->loop, &spawn, on_exit_of_sleep, &ended, &child, &pid, NULL) == 0, "a process starts")) {
		ask_unknown(c, k, m, pid);
		run_container(c, k, m, pid);
		loop_child_signal(k->loop, child, SIGKILL);
		mz_kit_until(k, flag_is_set, &ended, 10 * NS_PER_SEC);
	}
	cleanup(c, k, m, "kit-1", "cleanup");
	cleanup(c, k, m, "kit-1", "cleanup a second time");
	cleanup(c, k, m, "never-seen", "cleanup of an unknown container");
	size_t before = strlen(mz_kit_events(k));
	mz_kit_advance(k, 60 * NS_PER_SEC); /* what it has forgotten to stop */
	const char *told = mz_kit_events(k) + before;
	if (!check(c, !*told, "nothing is told of containers that are cleaned up"))
		check_note("%s", told);
	check_end(c, k, "the life of a container");
	check_isolator_crash(c);
}
