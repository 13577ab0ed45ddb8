/* containers_update_test.c - what a container's isolators are told when its resources
 * change: while it is launched, while it runs, many times at once, and when it ends
 * meanwhile. Real containers and an isolator that takes as long as the test wants.
 * SPDX-License-Identifier: Apache-2.0 */
#include "containers_world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/loop_event.h"
#include "model/resources.h"
#include "module/containers_real.h"
#include "os/tree.h"

/* One update that was asked for. */
struct asked {
	int n_answers, code;
};

static struct run *c; /* the container */

static void on_updated(void *arg, const struct mz_err *err)
{
	struct asked *q = arg;
	q->n_answers++;
	q->code = err ? err->code : 0;
}

static int set_up(void **state)
{
	static struct life l;
	if (make_root("update") < 0)
		return -1;
	mz_autofree char *isolator = xasprintf("%s/tests/unit/waiting_isolator.so", build);
	life_open(&l);
	life_add(&l, MZ_KIND_ISOLATOR, isolator, NULL);
	life_add(&l, MZ_KIND_CONTAINERIZER, "mesos", NULL);
	*state = &l;
	return 0;
}

static int tear_down(void **state)
{
	life_close(*state);
	return tree_remove(root, NULL);
}

static resources *cpus(int n)
{
	struct mz_err err;
	mz_autofree char *text = xasprintf("cpus:%d;mem:32", n);
	resources *r = res_new();
	assert_int_equal(res_parse(text, NULL, r, &err), 0);
	return r;
}

static void launch(struct life *l)
{
	static const char *const argv[] = {"/bin/sleep", "1000", NULL}, *const env[] = {"PATH=/usr/bin:/bin", NULL};
	resources *r = cpus(1);
	struct container_config cfg = {
		.id = "c", .framework_id = "f", .executor_id = "e", .directory = at("%s", "c"), .argv = argv, .env = env, .resources = r};
	c = run_new("c");
	l->c->ops->launch(l->c, &cfg, on_launched, c);
	res_free(r);
}

static void update(struct life *l, int n, struct asked *q)
{
	static const struct container_limits none;
	resources *r = cpus(n);
	l->c->ops->update(l->c, "c", r, &none, on_updated, q);
	res_free(r);
}

static const char *told(void)
{
	return read_text(at("%s", "c/updates"));
}

static void until_told(struct life *l, const char *text)
{
	for (int i = 0; i < 60000 && strcmp(told(), text); i++)
		loop_event_turn(l->loop, NS_PER_SEC / 1000);
	assert_string_equal(told(), text);
}

static void answer(const char *file)
{
	int fd = open(at("c/%s", file), O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static void go(void)
{
	answer("go");
}

static void until_answered(struct life *l, const struct asked *q, int code)
{
	for (int i = 0; i < 60000 && !q->n_answers; i++)
		loop_event_turn(l->loop, NS_PER_SEC);
	assert_int_equal(q->n_answers, 1);
	assert_int_equal(q->code, code);
}

static void end(struct life *l)
{
	assert_int_equal(l->c->ops->terminate(l->c, "c", NULL), 0);
	until(l, &c->exited);
}

/* What comes while isolators prepare with older figures is not lost. */
static void follows_a_launch(void **state)
{
	struct life *l = *state;
	struct asked two = {0}, three = {0};
	launch(l);
	until_told(l, "1\n");
	update(l, 2, &two);
	update(l, 3, &three);
	assert_int_equal(two.n_answers + three.n_answers, 0);
	go();
	until(l, &c->launched);
	assert_int_equal(c->code, 0);
	until_told(l, "1\n3\n");
	assert_int_equal(two.n_answers + three.n_answers, 0);
	go();
	until_answered(l, &two, 0);
	until_answered(l, &three, 0);
	end(l);
	assert_string_equal(told(), "1\n3\n");
}

/* One at a time: what comes meanwhile is one more. */
static void keeps_order(void **state)
{
	struct life *l = *state;
	struct asked q[4] = {0};
	launch(l);
	until_told(l, "1\n");
	go();
	until(l, &c->launched);
	for (int i = 0; i < 4; i++)
		update(l, 4 + i, &q[i]);
	until_told(l, "1\n4\n");
	go();
	until_answered(l, &q[0], 0);
	until_told(l, "1\n4\n7\n");
	assert_int_equal(q[1].n_answers + q[2].n_answers + q[3].n_answers, 0);
	go();
	for (int i = 1; i < 4; i++)
		until_answered(l, &q[i], 0);
	end(l);
}

/* -ENOENT says that the container has ended: an isolator that fails with it while it runs does not. */
static void tells_a_failure_from_an_end(void **state)
{
	struct life *l = *state;
	struct asked two = {0}, three = {0};
	launch(l);
	until_told(l, "1\n");
	go();
	until(l, &c->launched);
	update(l, 2, &two);
	until_told(l, "1\n2\n");
	answer("fail");
	until_answered(l, &two, -EIO);
	update(l, 3, &three);
	until_told(l, "1\n2\n3\n");
	go();
	until_answered(l, &three, 0);
	end(l);
}

/* Everybody is answered once when it ends before his turn comes. */
static void answers_those_who_wait_at_the_end(void **state)
{
	struct life *l = *state;
	struct asked q[3] = {0}, late = {0};
	launch(l);
	until_told(l, "1\n");
	go();
	until(l, &c->launched);
	for (int i = 0; i < 3; i++)
		update(l, 2 + i, &q[i]);
	until_told(l, "1\n2\n");
	assert_int_equal(l->c->ops->terminate(l->c, "c", NULL), 0);
	until(l, &c->exited);
	until_answered(l, &q[1], -ENOENT);
	until_answered(l, &q[2], -ENOENT);
	go();
	until_answered(l, &q[0], 0);
	update(l, 9, &late);
	until_answered(l, &late, -ENOENT);
	assert_string_equal(told(), "1\n2\n");
}

/* And when it is destroyed before it runs. */
static void answers_those_who_wait_for_a_launch(void **state)
{
	struct life *l = *state;
	struct asked q = {0};
	launch(l);
	until_told(l, "1\n");
	update(l, 2, &q);
	assert_int_equal(l->c->ops->terminate(l->c, "c", NULL), 0);
	go();
	until(l, &c->launched);
	assert_int_equal(c->code, -ECANCELED);
	until_answered(l, &q, -ENOENT);
	assert_false(c->exited);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(follows_a_launch, set_up, tear_down),
		cmocka_unit_test_setup_teardown(keeps_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tells_a_failure_from_an_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(answers_those_who_wait_at_the_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(answers_those_who_wait_for_a_launch, set_up, tear_down),
	};
	(void)argc;
	if (!find_build(argv[0]))
		return 1;
	log_set_level(MZ_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
