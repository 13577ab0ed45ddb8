/* containers_linux_end_test.c - real containers under the launcher linux: killed from everywhere, and
 * at every time, and looked for afterwards. Root only; needs a hierarchy of the freezer or cgroup v2.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "containers_linux_world.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "loop/loop_event.h"
#include "model/resources.h"
#include "module/containers_real.h"

static const char bomb[] = "echo > ready; b() { b | b & b; }; for i in 1 2 3 4 5 6 7 8; do (while :; do /bin/true & done) & done; "
			   "while :; do (sleep 1000 &); done";

static void kills_what_forks(void **state)
{
	struct life *l = *state;
	static const char *const steps[] = {"", PID};
	for (size_t i = 0; i < 2; i++) {
		char id[16];
		snprintf(id, sizeof(id), "bomb%zu", i);
		struct run *r = launch(l, id, steps[i], bomb);
		until(l, &r->launched);
		assert_int_equal(r->code, 0);
		until_text(l, at("runs/%s/ready", id));
		for (int k = 0; k < 20; k++)
			loop_event_turn(l->loop, 5 * NS_PER_MS);
		terminate(l, r);
		until_end(l, r);
		assert_true(WIFSIGNALED(r->wait_status));
		assert_nothing_left(l);
	}
}

/* A process of the container is put into the group, which is made. */
static void move_child(struct life *l, const char *id, const char *dir)
{
	mz_autofree char *procs = procs_of(dir);
	until_text(l, at("runs/%s/child", id));
	assert_int_equal(mkdir(dir, 0755), 0);
	put_number(procs, atoi(read_text(at("runs/%s/child", id))));
}

/* In a group of its own whose name begins as those do that are not shown, and in one below that. */
static void kills_what_hides(void **state)
{
	struct life *l = *state;
	for (int i = 0; i < 2; i++) {
		struct run *r = launch(l, i ? "hides2" : "hides", "", "sleep 1000 & echo $! > child; exec sleep 1000");
		until(l, &r->launched);
		assert_int_equal(r->code, 0);
		mz_autofree char *dir = group_of(l, r->id), *hidden = xasprintf("%s/.hidden", dir), *below = xasprintf("%s/..below", hidden);
		if (i)
			assert_int_equal(mkdir(hidden, 0755), 0);
		move_child(l, r->id, i ? below : hidden);
		int child = atoi(read_text(at("runs/%s/child", r->id)));
		terminate(l, r);
		until_end(l, r);
		assert_true(WIFSIGNALED(r->wait_status));
		assert_nothing_left(l);
		until_dead(l, child);
	}
}

/* By itself below its own group, or with its shim. */
static void kills_what_stands_still(void **state)
{
	struct life *l = *state;
	struct run *r = launch(l, "still", "", "sleep 1000 & echo $! > child; exec sleep 1000");
	until(l, &r->launched);
	assert_int_equal(r->code, 0);
	until_text(l, at("runs/%s/child", "still"));
	mz_autofree char *dir = group_of(l, "still"), *below = xasprintf("%s/below", dir);
	mz_autofree char *frozen = xasprintf("echo FROZEN > %s/freezer.state", below);
	if (access("/sys/fs/cgroup/freezer/tasks", W_OK) == 0) {
		move_child(l, "still", below);
		assert_int_equal(system(frozen), 0);
	}
	assert_int_equal(kill(shim_of("still"), SIGSTOP), 0);
	terminate(l, r);
	until_end(l, r);
	assert_true(WIFSIGNALED(r->wait_status));
	assert_nothing_left(l);
}

static void survives_no_shim(void **state)
{
	struct life *l = *state;
	static const char *const steps[] = {"", PID};
	for (size_t i = 0; i < 2; i++) {
		char id[16];
		snprintf(id, sizeof(id), "shim%zu", i);
		struct run *r = launch(l, id, steps[i],
				       "trap '' TERM HUP; (setsid sh -c 'trap \"\" TERM HUP; sleep 1000 & wait' &); sleep 1000 & "
				       "echo > ready; wait");
		until(l, &r->launched);
		until_text(l, at("runs/%s/ready", id));
		assert_int_equal(kill(shim_of(id), SIGKILL), 0);
		until_end(l, r);
		assert_int_equal(r->wait_status, -1);
		assert_non_null(strstr(r->message, "shim"));
		until_dead(l, r->pid);
		assert_nothing_left(l);
	}
}

static void put_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* As if the kernel were within a file system that does not answer: the agent goes on. */
static void goes_on_without_what_does_not_die(void **state)
{
	struct life *l = *state;
	static const char *const ids[] = {"stuck"};
	mz_autofree char *top = group_of(l, ""), *dir = group_of(l, "stuck"), *freezer = xasprintf("%s/freezer.state", top);
	if (access("/sys/fs/cgroup/freezer/tasks", W_OK) < 0)
		skip();
	struct run *r = launch(l, "stuck", PID, "sleep 1000 & sleep 1000");
	until(l, &r->launched);
	assert_int_equal(r->code, 0);
	put_text(freezer, "FROZEN");
	more_settings = ", destroy_timeout: 50ms";
	life_end(l);
	kill(shim_of("stuck"), SIGKILL);
	(void)waitpid(-1, NULL, 0);
	life_begin(l);
	run_recover(l, ids, 1);
	until(l, &r->exited);
	assert_int_equal(r->wait_status, -1);
	assert_int_equal(access(dir, F_OK), 0);
	put_text(freezer, "THAWED");
	until_dead(l, r->pid);
	while (rmdir(dir) < 0)
		loop_event_turn(l->loop, NS_PER_MS);
	more_settings = "";
	assert_nothing_left(l);
}

static void on_recovered(void *arg, const struct mz_err *err)
{
	assert_null(err);
	*(bool *)arg = true;
}

static void survives_the_agent(void **state)
{
	struct life *l = *state;
	static const char wait_then[] = "echo > ready; while ! test -e go; do sleep 0.02; done; exit $(cat go)";
	static const char *const ids[] = {"stays", "ends", "lost", "orphan"};
	struct run *r[4];
	char shim[4][16];
	for (int i = 0; i < 4; i++) {
		r[i] = launch(l, ids[i], PID, wait_then);
		until(l, &r[i]->launched);
		assert_int_equal(r[i]->code, 0);
		until_text(l, at("runs/%s/ready", ids[i]));
		snprintf(shim[i], sizeof(shim[i]), "%d", shim_of(ids[i]));
	}
	life_end(l);
	mz_autofree char *go = xasprintf("cd %s/runs; echo 9 > ends/x; mv ends/x ends/go", root);
	assert_int_equal(system(go), 0);
	assert_int_equal(waitpid(atoi(shim[1]), NULL, 0), atoi(shim[1]));
	/* Its cgroup is an orphan now. */
	kill(atoi(shim[2]), SIGKILL);
	assert_int_equal(waitpid(atoi(shim[2]), NULL, 0), atoi(shim[2]));
	mz_autofree char *left = group_of(l, "lost");
	assert_int_equal(access(left, F_OK), 0);

	life_begin(l);
	struct container_config cfg[3] = {0};
	const struct container_config *v[3];
	char dirs[3][200];
	bool done = false;
	for (int i = 0; i < 3; i++) {
		snprintf(dirs[i], sizeof(dirs[i]), "%s/runs/%s", root, ids[i]);
		cfg[i] = (struct container_config){.id = ids[i], .directory = dirs[i]};
		v[i] = &cfg[i];
	}
	l->c->ops->recover(l->c, v, 3, on_recovered, &done);
	until(l, &done);
	until(l, &r[1]->exited);
	until(l, &r[2]->exited);
	assert_int_equal(WEXITSTATUS(r[1]->wait_status), 9);
	assert_int_equal(r[2]->wait_status, -1);
	assert_int_equal(access(left, F_OK), -1);
	assert_int_equal(waitpid(atoi(shim[3]), NULL, 0), atoi(shim[3]));
	until_dead(l, r[3]->pid);
	assert_true(lives(r[0]->pid));
	assert_false(r[0]->exited);
	free(go);
	go = xasprintf("cd %s/runs; echo 5 > stays/x; mv stays/x stays/go", root);
	assert_int_equal(system(go), 0);
	until(l, &r[0]->exited);
	assert_int_equal(WEXITSTATUS(r[0]->wait_status), 5);
	assert_nothing_left(l);
}

static void destroys_in_every_state(void **state)
{
	struct life *l = *state;
	make_rootfs();
	mz_autofree char *steps = xasprintf(PID MNT "rootfs %s/rootfs\nmount /proc - proc 14\n", root);
	for (int turns = 0; turns < 16; turns++) {
		char id[32];
		snprintf(id, sizeof(id), "early%d", turns);
		struct run *r = launch(l, id, steps, "sleep 1000");
		for (int i = 0; i < turns && !r->launched; i++)
			loop_event_turn(l->loop, NS_PER_SEC);
		terminate(l, r);
		until_end(l, r);
		assert_true(r->code == -ECANCELED || (r->code == 0 && r->exited));
		assert_nothing_left(l);
	}
}

static void touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static void on_updated(void *arg, const struct mz_err *err)
{
	(void)err; /* either will do */
	assert_false(*(bool *)arg);
	*(bool *)arg = true;
}

static void on_measured(void *arg, struct mz_bytes statistics)
{
	(void)statistics;
	assert_false(*(bool *)arg);
	*(bool *)arg = true;
}

static void on_limits_known(void *arg, bool limited)
{
	assert_false(limited);
	assert_false(*(bool *)arg);
	*(bool *)arg = true;
}

/* Asks for what the isolator is then busy with; false: nobody asks for that. */
static bool ask(struct life *l, const char *id, const char *what, bool *answered)
{
	static const struct container_limits none;
	resources *res = res_new();
	bool asks = true;
	if (!strcmp(what, "update"))
		l->c->ops->update(l->c, id, res, &none, on_updated, answered);
	else if (!strcmp(what, "usage"))
		l->c->ops->usage(l->c, id, on_measured, answered);
	else if (!strcmp(what, "limited"))
		l->c->ops->limited(l->c, id, on_limits_known, answered);
	else
		asks = false;
	res_free(res);
	return asks;
}

/* The isolator's callback; its status is asked for at the launch and for limits. */
static const char *callback_of(const char *what)
{
	return strcmp(what, "limited") ? what : "status";
}

/* Destroyed while the isolator is busy with `what`: it waits for the answer where it must,
 * and ends as ever. */
static void destroy_while(struct life *l, const char *what)
{
	mz_autofree char *hold = xstrdup(at("hold-%s", callback_of(what))), *held = xstrdup(at("held-%s", callback_of(what)));
	bool answered = false, is_limited = !strcmp(what, "limited"), is_status = !strcmp(what, "status");
	bool starts = !strcmp(what, "prepare") || !strcmp(what, "isolate");
	char id[64];
	static int n;
	snprintf(id, sizeof(id), "busy-%s-%d", what, n++);
	if (!is_limited)
		touch(hold);
	struct run *r = launch(l, id, !strcmp(launcher, "linux") ? PID MNT : "", "sleep 1000 & sleep 1000");
	if (!starts && !is_status)
		until(l, &r->launched);
	if (is_limited)
		touch(hold);
	bool asks = ask(l, id, what, &answered), waits = !asks && !is_status;
	if (waits && !starts)
		terminate(l, r);
	until_text(l, held);
	for (int i = 0; is_status && i < 20; i++) {
		loop_event_turn(l->loop, NS_PER_MS);
		assert_false(r->launched); /* its first status update can say it all */
	}
	terminate(l, r);
	for (int i = 0; waits && i < 20; i++) {
		loop_event_turn(l->loop, NS_PER_MS);
		assert_true(!r->exited && r->launched == !starts);
	}
	if (!waits) /* its end is not held up by a question */
		until_end(l, r);
	assert_false(answered);
	assert_int_equal(unlink(hold), 0);
	assert_int_equal(unlink(held), 0);
	until_end(l, r);
	assert_int_equal(r->code, starts ? -ECANCELED : 0);
	if (asks)
		until(l, &answered);
	until_idle(l);
	if (starts) /* the others' stay until the agent knows their end */
		assert_int_equal(access(at("run/containers/%s", id), F_OK), -1);
	assert_nothing_left(l);
}

static void destroy_in_hook(struct life *l)
{
	mz_autofree char *hook = xstrdup(at("%s", "hook")), *steps = xasprintf(PID MNT "hook %s\n", hook);
	FILE *f = fopen(hook, "w");
	fprintf(f, "#!/bin/sh\necho x > %s/held-hook\nexec sleep 1000\n", root);
	assert_int_equal(fchmod(fileno(f), 0700), 0);
	fclose(f);
	struct run *r = launch(l, "hook", steps, "sleep 1000");
	until_text(l, at("%s", "held-hook"));
	terminate(l, r);
	until_end(l, r);
	assert_int_equal(r->code, -ECANCELED);
	assert_nothing_left(l);
}

/* The container is over a limit before we know that it has started. */
static void ends_by_a_limit_while_it_starts(void **state)
{
	struct life *l = *state;
	mz_autofree char *hook = xstrdup(at("%s", "hook")), *steps = xasprintf(PID MNT "hook %s\n", hook);
	mz_autofree char *hold = xstrdup(at("%s", "hold-hook")), *limit = xstrdup(at("%s", "limit"));
	FILE *f = fopen(hook, "w");
	fprintf(f, "#!/bin/sh\necho x > %s/held-hook\nwhile test -e %s/hold-hook; do sleep 0.01; done\n", root, root);
	assert_int_equal(fchmod(fileno(f), 0700), 0);
	fclose(f);
	touch(hold);
	touch(at("%s", "may-limit"));
	struct run *r = launch(l, "limited", steps, "sleep 1000");
	until_text(l, at("%s", "held-hook"));
	touch(limit);
	while (access(limit, F_OK) == 0)
		loop_event_turn(l->loop, NS_PER_MS);
	assert_int_equal(unlink(hold), 0);
	until_end(l, r);
	assert_int_equal(r->code, 0);
	assert_int_equal(r->reason, 8);
	assert_string_equal(r->message, "Too much of it");
	assert_nothing_left(l);
}

static void destroys_while_isolators_are_busy(void **state)
{
	static const char *const calls[] = {"prepare", "isolate", "update", "usage", "status", "limited", "cleanup"};
	struct life *l = *state;
	for (size_t i = 0; i < MZ_N(calls); i++)
		destroy_while(l, calls[i]);
	destroy_in_hook(l);
	life_end(l);
	launcher = "posix";
	life_begin(l);
	for (size_t i = 0; i < MZ_N(calls); i++)
		destroy_while(l, calls[i]);
	launcher = "linux";
}

/* The id of a launch that has failed may be used again at once, also if its shim was killed. */
static void leaves_no_record_of_a_failed_launch(void **state)
{
	struct life *l = *state;
	mz_autofree char *hold = xstrdup(at("hold-%s", "isolate")), *held = xstrdup(at("held-%s", "isolate"));
	touch(hold);
	struct run *r = launch(l, "again", PID, "exit 0");
	until_text(l, held);
	assert_int_equal(kill(shim_of("again"), SIGKILL), 0);
	assert_int_equal(unlink(hold), 0);
	until_end(l, r);
	assert_true(r->code == -ESRCH || r->code == -EPIPE); /* its end is known, or seen when it is told to go on */
	assert_int_equal(access(at("run/containers/%s", "again"), F_OK), -1);
	struct run *second = launch(l, "again", PID, "exit 3");
	until(l, &second->launched);
	assert_string_equal(second->message, "");
	until(l, &r->exited); /* the first that is called so hears of it */
	assert_int_equal(WEXITSTATUS(r->wait_status), 3);
	assert_nothing_left(l);
}

/* It would outlive its parent, which destroys what is nested in it no more. */
static void launch_in_what_ends(struct life *l)
{
	mz_autofree char *hold = xstrdup(at("hold-%s", "cleanup")), *held = xstrdup(at("held-%s", "cleanup"));
	mz_autofree char *id = xasprintf("ends-%s", launcher), *below = xasprintf("%s.below", id);
	touch(hold);
	struct run *r = launch(l, id, "", "exec sleep 1000"), *n;
	until(l, &r->launched);
	assert_int_equal(r->code, 0);
	terminate(l, r);
	until_text(l, held);
	n = launch(l, below, "", "exec sleep 1000");
	until_end(l, n);
	assert_int_equal(n->code, -ENOENT);
	assert_non_null(strstr(n->message, "parent"));
	assert_int_equal(unlink(hold), 0);
	assert_int_equal(unlink(held), 0);
	until_end(l, r);
	assert_nothing_left(l);
}

static void launches_nothing_in_what_ends(void **state)
{
	struct life *l = *state;
	launch_in_what_ends(l);
	life_end(l);
	launcher = "posix";
	life_begin(l);
	launch_in_what_ends(l);
	launcher = "linux";
}

/* The agent stops meanwhile: who comes next cleans up. */
static void stops_while_isolators_are_busy(void **state)
{
	static const char *const calls[] = {"prepare", "isolate", "update", "usage", "status", "limited", "cleanup"};
	struct life *l = *state;
	for (size_t i = 0; i < MZ_N(calls); i++) {
		const char *callback = callback_of(calls[i]);
		mz_autofree char *hold = xstrdup(at("hold-%s", callback)), *held = xstrdup(at("held-%s", callback));
		bool answered = false, done = false, is_limited = callback != calls[i];
		char id[64];
		snprintf(id, sizeof(id), "stop-%s", calls[i]);
		if (!is_limited)
			touch(hold);
		struct run *r = launch(l, id, PID MNT, "sleep 1000 & sleep 1000");
		if (i > 1 && strcmp(calls[i], "status") != 0)
			until(l, &r->launched);
		if (is_limited)
			touch(hold);
		if (!ask(l, id, calls[i], &answered) && !strcmp(calls[i], "cleanup"))
			terminate(l, r);
		until_text(l, held);
		life_end(l);
		assert_int_equal(unlink(hold), 0);
		assert_int_equal(unlink(held), 0);
		life_begin(l);
		l->c->ops->recover(l->c, NULL, 0, on_recovered, &done);
		until(l, &done);
		/* Nobody has named it: it is an orphan, which is destroyed. */
		mz_autofree char *dir = group_of(l, id);
		while (access(dir, F_OK) == 0 || n_in(at("%s", "run/containers"), false))
			loop_event_turn(l->loop, NS_PER_MS);
		assert_nothing_left(l);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

/* Of two that are recovered one is destroyed meanwhile; before that the agent stops once. */
static void destroys_while_isolators_recover(void **state)
{
	struct life *l = *state;
	static const char *const ids[] = {"doomed", "stays"};
	static const struct container_config named[2] = {{.id = "doomed", .directory = "/"}, {.id = "stays", .directory = "/"}};
	const struct container_config *const v[] = {&named[0], &named[1]};
	mz_autofree char *hold = xstrdup(at("%s", "hold-recover")), *held = xstrdup(at("%s", "held-recover"));
	struct run *r[2];
	struct mz_err err;
	bool done = false;
	for (int i = 0; i < 2; i++) {
		r[i] = launch(l, ids[i], PID MNT, "sleep 1000 & sleep 1000");
		until(l, &r[i]->launched);
	}
	touch(hold);
	for (int i = 0; i < 2; i++) {
		life_end(l);
		life_begin(l);
		l->c->ops->recover(l->c, v, 2, on_recovered, &done);
		until_text(l, held);
		assert_int_equal(unlink(held), 0);
	}
	assert_int_equal(l->c->ops->terminate(l->c, "doomed", &err), 0);
	for (int i = 0; i < 20; i++)
		loop_event_turn(l->loop, NS_PER_MS);
	assert_false(done || r[0]->exited);
	assert_int_equal(unlink(hold), 0);
	until(l, &done);
	until(l, &r[0]->exited);
	assert_true(WIFSIGNALED(r[0]->wait_status));
	assert_true(lives(r[1]->pid) && !r[1]->exited);
	terminate(l, r[1]);
	until(l, &r[1]->exited);
	assert_nothing_left(l);
}

static void works_on_v2(void **state)
{
	on_v2(*state);
	kills_what_forks(state);
	kills_what_hides(state);
	survives_no_shim(state);
}

static void run_many(struct life *l, const char *steps)
{
	enum { N = 200 };
	struct run *r[N];
	const char *const argv[] = {"/bin/true", NULL};
	struct timespec a, b;
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < N; i++) {
		char id[32];
		snprintf(id, sizeof(id), "%s%d", launcher, i);
		r[i] = launch_argv(l, id, steps, NULL, argv);
	}
	for (int i = 0; i < N; i++) {
		until_end(l, r[i]);
		assert_string_equal(r[i]->message, "");
		assert_int_equal(r[i]->wait_status, 0);
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	print_message("%d containers launched and ended, launcher %s: %.0f a second\n", N, launcher,
		      N / ((double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9));
}

/* Not a test of speed: the numbers are printed, and all of them must have worked. */
static void runs_many(void **state)
{
	struct life *l = *state;
	run_many(l, PID MNT);
	assert_nothing_left(l);
	life_end(l);
	launcher = "posix";
	life_begin(l);
	run_many(l, "");
	launcher = "linux";
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(kills_what_forks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(kills_what_stands_still, set_up, tear_down),
		cmocka_unit_test_setup_teardown(kills_what_hides, set_up, tear_down),
		cmocka_unit_test_setup_teardown(survives_no_shim, set_up, tear_down),
		cmocka_unit_test_setup_teardown(goes_on_without_what_does_not_die, set_up, tear_down),
		cmocka_unit_test_setup_teardown(survives_the_agent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(destroys_in_every_state, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ends_by_a_limit_while_it_starts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(destroys_while_isolators_are_busy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(leaves_no_record_of_a_failed_launch, set_up, tear_down),
		cmocka_unit_test_setup_teardown(launches_nothing_in_what_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stops_while_isolators_are_busy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(destroys_while_isolators_recover, set_up, tear_down),
		cmocka_unit_test_setup_teardown(works_on_v2, set_up, tear_down),
		cmocka_unit_test_setup_teardown(runs_many, set_up, tear_down),
	};
	(void)argc;
	int status = cannot_run(argv[0]);
	return status ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
