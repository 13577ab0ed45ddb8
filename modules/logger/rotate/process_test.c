/* process_test.c - logger/rotate: whoever is killed or restarted, nothing is lost.
 * SPDX-License-Identifier: Apache-2.0 */
#include "rotate_world.h"

static void holds(const char *text)
{
	static char got[1 << 16];
	size_t n = slurp("stdout", got, sizeof(got) - 1);
	got[n == SIZE_MAX ? 0 : n] = '\0';
	assert_string_equal(got, text);
}

/* Virtual time hardly passes meanwhile: the logger lives in the other one. */
static void until_size(off_t size)
{
	struct stat st;
	while (stat(at("stdout"), &st) < 0 || st.st_size < size)
		mz_kit_advance(t.kit, 1000);
}

static int restarted(void *n)
{
	return mz_kit_metric(t.m, "restarts") >= *(double *)n;
}

static void kill_logger(void)
{
	pid_t pid = only_child();
	assert_true(pid > 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	(void)waitpid(pid, NULL, 0); /* unless the kit was quicker */
}

/* Until another one is started. */
static void kill_and_wait(double n)
{
	kill_logger();
	assert_int_equal(mz_kit_until(t.kit, restarted, &n, 60000000000), 0);
	mz_kit_advance(t.kit, 100000000);
}

/* The next life of the agent, in which the container lives on or not. */
static void restart_agent(int lives)
{
	struct mz_err err;
	char text[600];
	const struct mz_container *v[] = {t.c};
	mz_kit_unload(t.m);
	snprintf(text, sizeof(text), "{helper: %s/core/bin/mezzo-logger}", BUILD_DIR);
	assert_int_equal(mz_kit_add(t.kit, &mz_module, text, &t.m, &err), 0);
	t.ops->recover(mz_kit_inst(t.m), v, lives ? 1 : 0, mz_kit_op(t.m, &t.r, 0));
	assert_int_equal(mz_kit_wait(t.kit, &t.r), 0);
}

static void ended(void)
{
	t.ops->ended(mz_kit_inst(t.m), "c1", mz_kit_op(t.m, &t.r, 0));
	assert_int_equal(mz_kit_wait(t.kit, &t.r), 0);
}

static void outlives_the_agent(void **state)
{
	char got[64];
	(void)state;
	start("");
	put(t.out, "before\n", 7);
	mz_kit_unload(t.m);
	put(t.out, "after\n", 6);
	close(t.out);
	close(t.err);
	assert_true(waitpid(-1, NULL, 0) > 0); /* it ends with the container */
	assert_int_equal(slurp("stdout", got, sizeof(got)), 13);
	assert_memory_equal(got, "before\nafter\n", 13);
}

static void ignores_signals(void **state)
{
	char got[64];
	(void)state;
	start("");
	pid_t pid = only_child();
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(kill(pid, SIGINT), 0);
	assert_int_equal(kill(pid, SIGHUP), 0);
	put(t.out, "there", 5);
	end();
	assert_int_equal(slurp("stdout", got, sizeof(got)), 5);
}

/* ---- the logger goes --------------------------------------------------------------------- */

static void a_killed_one_is_replaced(void **state)
{
	(void)state;
	start("");
	put(t.out, "one\n", 4);
	until_size(4);
	kill_and_wait(1);
	put(t.out, "two\n", 4);
	until_size(8);
	kill_and_wait(2);
	put(t.out, "three\n", 6);
	close(t.out);
	close(t.err);
	ended();
	holds("one\ntwo\nthree\n");
	assert_non_null(strstr(mz_kit_log(t.kit), "Container 'c1': its logger has ended too early; another one takes over"));
	assert_true(mz_kit_metric(t.m, "loggers") == 0);
}

/* What is in the pipe when the container has ended is written by another one. */
static void killed_at_the_end(void **state)
{
	(void)state;
	start("");
	kill_logger();
	put(t.out, "last words", 10);
	close(t.out);
	close(t.err);
	ended();
	holds("last words");
}

/* The container is not stopped by a pipe that nobody reads. */
static void many_in_vain(void **state)
{
	(void)state;
	double n = 0;
	assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	start("");
	assert_int_equal(rename(t.c->sandbox, at("../moved")), 0);
	kill_logger();
	while (++n <= 12)
		assert_int_equal(mz_kit_until(t.kit, restarted, &n, 600000000000), 0);
	while (write(t.out, "x", 1) > 0)
		mz_kit_advance(t.kit, 60000000000);
	assert_int_equal(errno, EPIPE);
	assert_non_null(strstr(mz_kit_log(t.kit), "; its output is lost from here on"));
	close(t.out);
	close(t.err);
	ended();
}

/* Each had worked well for a while: that does not add up. */
static void killed_now_and_then(void **state)
{
	(void)state;
	char all[200] = "";
	start("");
	for (int n = 1; n <= 14; n++) {
		put(t.out, "line\n", 5);
		strcat(all, "line\n");
		until_size(5 * n);
		mz_kit_advance(t.kit, 61000000000);
		kill_and_wait(n);
	}
	close(t.out);
	close(t.err);
	ended();
	holds(all);
	assert_null(strstr(mz_kit_log(t.kit), "is lost"));
}

static void one_is_enough(void **state)
{
	(void)state;
	start("");
	t.ops->prepare(mz_kit_inst(t.m), t.c, mz_kit_op(t.m, &t.r, sizeof(struct mz_logger_result)));
	assert_int_equal(mz_kit_wait(t.kit, &t.r), -EEXIST);
	assert_string_equal(t.r.err.msg, "Container 'c1' has a logger already");
	put(t.out, "of the first\n", 13);
	close(t.out);
	close(t.err);
	ended();
	holds("of the first\n");
	assert_int_equal(prepare(), 0); /* its id is free again */
	end();
}

static void ended_while_it_begins(void **state)
{
	(void)state;
	struct mz_kit_op r;
	load("");
	t.ops->prepare(mz_kit_inst(t.m), t.c, mz_kit_op(t.m, &r, sizeof(struct mz_logger_result)));
	ended();
	assert_int_equal(mz_kit_wait(t.kit, &r), -ECANCELED);
	assert_true(mz_kit_metric(t.m, "loggers") == 0);
	assert_true(waitpid(-1, NULL, 0) > 0); /* it was killed, or has seen the end */
}

/* ---- both go ------------------------------------------------------------------------------ */

static void the_next_life_waits(void **state)
{
	(void)state;
	char *text = make_text(60000, 80);
	start("");
	restart_agent(1);
	assert_true(mz_kit_metric(t.m, "loggers") == 1);
	put(t.out, text, 60000);
	close(t.out);
	close(t.err);
	ended();
	struct stat st;
	assert_int_equal(stat(at("stdout"), &st), 0);
	assert_int_equal(st.st_size, 60000);
	assert_true(mz_kit_metric(t.m, "loggers") == 0);
	/* And forgets it. */
	restart_agent(0);
	assert_true(mz_kit_metric(t.m, "loggers") == 0);
	free(text);
}

static int is_forgotten(void *arg)
{
	(void)arg;
	return mz_kit_metric(t.m, "loggers") == 0;
}

static void of_no_container(void **state)
{
	(void)state;
	start("");
	restart_agent(0);
	assert_true(mz_kit_metric(t.m, "loggers") == 1);
	put(t.out, "late", 4);
	close(t.out);
	close(t.err);
	assert_int_equal(mz_kit_until(t.kit, is_forgotten, NULL, 60000000000), 0);
	holds("late");
}

static void the_next_life_replaces(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("only root may ask for another process's pipes\n");
		skip();
	}
	start("");
	put(t.out, "one\n", 4);
	until_size(4);
	restart_agent(1);
	kill_and_wait(1);
	put(t.out, "two\n", 4);
	until_size(8);
	restart_agent(1); /* of the second one is known as well */
	kill_and_wait(1);
	put(t.err, "x", 1);
	put(t.out, "three\n", 6);
	close(t.out);
	close(t.err);
	ended();
	holds("one\ntwo\nthree\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(outlives_the_agent),
		TEST(ignores_signals),
		TEST(a_killed_one_is_replaced),
		TEST(killed_at_the_end),
		TEST(many_in_vain),
		TEST(killed_now_and_then),
		TEST(one_is_enough),
		TEST(ended_while_it_begins),
		TEST(the_next_life_waits),
		TEST(of_no_container),
		TEST(the_next_life_replaces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
