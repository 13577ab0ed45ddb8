/* containers_busy_test.c - containers whose modules take longer than they may, and those
 * that are destroyed, or whose agent stops, while a resolver of secrets is busy. (Destroyed
 * while isolators are: containers_linux_end_test; while files are fetched: containers_test.)
 * What a module was given has to live as long as it may look at it: with sanitizers these
 * are tests of that, too. Takes no privilege.
 * SPDX-License-Identifier: Apache-2.0 */
#include "containers_world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/resources.h"
#include "os/tree.h"

static const int64_t short_ns = 20 * NS_PER_MS;

static void life_begin(struct life *l, int64_t deadline_ns)
{
	mz_autofree char *isolator = xasprintf("%s/tests/unit/steps_isolator.so", build);
	mz_autofree char *resolver = xasprintf("%s/tests/unit/waiting_secret.so", build);
	mz_autofree char *mesos = xasprintf("{init: %s/core/bin/mezzo-init}", build);
	l->isolator_deadline_ns = deadline_ns;
	life_open(l);
	life_add(l, MZ_KIND_SECRET, resolver, NULL);
	life_add(l, MZ_KIND_ISOLATOR, "environment_secret", NULL);
	life_add(l, MZ_KIND_ISOLATOR, isolator, NULL);
	life_add(l, MZ_KIND_CONTAINERIZER, "mesos", mesos);
}

static int set_up(void **state)
{
	static struct life l;
	if (make_root("busy") < 0)
		return -1;
	*state = &l;
	return 0;
}

static int tear_down(void **state)
{
	life_close(*state);
	return tree_remove(root, NULL);
}

static void touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static void until_there(struct life *l, const char *name)
{
	mz_autofree char *path = xstrdup(at("%s", name));
	for (int i = 0; i < 60000 && access(path, F_OK) < 0; i++)
		loop_event_turn(l->loop, NS_PER_MS);
	assert_int_equal(unlink(path), 0);
}

static struct run *launch(struct life *l, const char *id, const Mesos__V1__CommandInfo *cmd)
{
	static const char *const argv[] = {"/bin/sh", "-c", "echo $SECRET; exec sleep 1000", NULL};
	return run_launch(l, (struct container_config){.id = id, .argv = argv, .command = cmd});
}

static void end(struct life *l, struct run *r)
{
	struct mz_err err;
	assert_int_equal(l->c->ops->terminate(l->c, r->id, &err), 0);
	until_end(l, r);
}

/* ---- secrets ------------------------------------------------------------------------- */

static struct run *launch_with_secret(struct life *l, const char *id)
{
	Mesos__V1__Secret__Reference ref = MESOS__V1__SECRET__REFERENCE__INIT;
	Mesos__V1__Secret secret = MESOS__V1__SECRET__INIT;
	Mesos__V1__Environment__Variable v = MESOS__V1__ENVIRONMENT__VARIABLE__INIT, *vs[] = {&v};
	Mesos__V1__Environment env = MESOS__V1__ENVIRONMENT__INIT;
	Mesos__V1__CommandInfo cmd = MESOS__V1__COMMAND_INFO__INIT;
	ref.name = (char *)"s";
	secret.has_type = 1;
	secret.type = MESOS__V1__SECRET__TYPE__REFERENCE;
	secret.reference = &ref;
	v.name = (char *)"SECRET";
	v.has_type = 1;
	v.type = MESOS__V1__ENVIRONMENT__VARIABLE__TYPE__SECRET;
	v.secret = &secret;
	env.n_variables = 1;
	env.variables = vs;
	cmd.environment = &env;
	return launch(l, id, &cmd);
}

static void destroyed_while_a_resolver_is_busy(void **state)
{
	struct life *l = *state;
	struct mz_err err;
	life_begin(l, 0);
	struct run *r = launch_with_secret(l, "waits");
	until_there(l, "asked");
	assert_int_equal(l->c->ops->terminate(l->c, "waits", &err), 0);
	for (int i = 0; i < 20; i++)
		loop_event_turn(l->loop, NS_PER_MS);
	assert_false(r->launched); /* what the resolver was given is still in use */
	touch(at("%s", "tell"));
	until_end(l, r);
	assert_int_equal(r->code, -ECANCELED);
	/* As ever without that. */
	r = launch_with_secret(l, "knows");
	until_there(l, "asked");
	touch(at("%s", "tell"));
	until(l, &r->launched);
	for (int i = 0; i < 60000 && strcmp(read_text(at("runs/%s/stdout", "knows")), "told\n"); i++)
		loop_event_turn(l->loop, NS_PER_MS);
	assert_string_equal(read_text(at("runs/%s/stdout", "knows")), "told\n");
	end(l, r);
}

static void a_resolver_that_is_late(void **state)
{
	struct life *l = *state;
	life_begin(l, short_ns);
	struct run *r = launch_with_secret(l, "late");
	until_end(l, r);
	assert_int_equal(r->code, -ETIMEDOUT);
	touch(at("%s", "tell"));
	for (int i = 0; i < 60000 && access(at("%s", "tell"), F_OK) == 0; i++)
		loop_event_turn(l->loop, NS_PER_MS);
	assert_int_equal(access(at("%s", "tell"), F_OK), -1);
}

static void stops_while_a_resolver_is_busy(void **state)
{
	struct life *l = *state;
	life_begin(l, 0);
	struct run *r = launch_with_secret(l, "stops");
	until_there(l, "asked");
	life_close(l);
	assert_false(r->launched);
	life_begin(l, 0);
}

/* ---- isolators that are late ------------------------------------------------------------ */

static void on_updated(void *arg, const struct mz_err *err)
{
	*(int *)arg = err ? err->code : 1;
}

static void on_measured(void *arg, struct mz_bytes statistics)
{
	(void)statistics;
	*(int *)arg = 1;
}

static void answers_that_come_too_late(void **state)
{
	static const struct container_limits none;
	static const struct {
		const char *what;
		int launched, answer; /* codes */
	} rows[] = {{"prepare", -ETIMEDOUT, 0}, {"isolate", -ETIMEDOUT, 0}, {"update", 0, -ETIMEDOUT},
		    {"usage", 0, 1},		{"status", 0, 0},	    {"cleanup", 0, 0}};
	struct life *l = *state;
	life_begin(l, short_ns);
	for (size_t i = 0; i < MZ_N(rows); i++) {
		const char *what = rows[i].what;
		mz_autofree char *hold = xstrdup(at("hold-%s", what)), *done = xasprintf("done-%s", what);
		int answer = 0;
		touch(hold);
		struct run *r = launch(l, what, NULL);
		until(l, &r->launched);
		assert_int_equal(r->code, rows[i].launched);
		resources *res = res_new();
		if (!strcmp(what, "update"))
			l->c->ops->update(l->c, what, res, &none, on_updated, &answer);
		else if (!strcmp(what, "usage"))
			l->c->ops->usage(l->c, what, on_measured, &answer);
		for (int k = 0; k < 60000 && answer != rows[i].answer; k++)
			loop_event_turn(l->loop, NS_PER_MS);
		assert_int_equal(answer, rows[i].answer);
		res_free(res);
		if (r->code == 0)
			end(l, r);
		/* It is gone for everybody else by now. */
		assert_int_equal(unlink(hold), 0);
		until_there(l, done);
	}
}

/* An isolator looks at what it was given while newer figures are told to the others. */
static void updates_while_it_is_measured(void **state)
{
	static const struct container_limits none;
	struct life *l = *state;
	int measured = 0, updated = 0;
	life_begin(l, 0);
	struct run *r = launch(l, "m", NULL);
	until(l, &r->launched);
	mz_autofree char *hold = xstrdup(at("%s", "hold-usage"));
	touch(hold);
	l->c->ops->usage(l->c, "m", on_measured, &measured);
	for (int i = 0; i < 3; i++) {
		resources *res = res_new();
		updated = 0;
		l->c->ops->update(l->c, "m", res, &none, on_updated, &updated);
		res_free(res);
		for (int k = 0; k < 60000 && !updated; k++)
			loop_event_turn(l->loop, NS_PER_MS);
		assert_int_equal(updated, 1);
	}
	assert_int_equal(measured, 0);
	assert_int_equal(unlink(hold), 0);
	until_there(l, "done-usage");
	end(l, r);
	assert_int_equal(measured, 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(destroyed_while_a_resolver_is_busy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_resolver_that_is_late, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stops_while_a_resolver_is_busy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(answers_that_come_too_late, set_up, tear_down),
		cmocka_unit_test_setup_teardown(updates_while_it_is_measured, set_up, tear_down),
	};
	(void)argc;
	if (!find_build(argv[0]))
		return 1;
	log_set_level(MZ_LOG_ERROR + 1); /* they are told which are late */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
