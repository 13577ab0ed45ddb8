/* containers_sandbox_test.c - what comes into a real container's sandbox, and how it goes: what is
 * fetched, the output and its older parts, its removal. Runs from the build tree; takes no
 * privilege (but tests the change of user only as root).
 * SPDX-License-Identifier: Apache-2.0 */
#include "containers_posix_world.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/loop_event.h"
#include "module/containers_real.h"
#include "os/tree.h"

static void fetches_local_files(void **state)
{
	struct life *l = *state;
	Mesos__V1__CommandInfo__URI uri = MESOS__V1__COMMAND_INFO__URI__INIT, *uris[] = {&uri};
	Mesos__V1__CommandInfo cmd = MESOS__V1__COMMAND_INFO__INIT;
	mz_autofree char *script = xstrdup(at("%s", "script"));
	FILE *f = fopen(script, "w");
	fputs("#!/bin/sh\necho fetched\n", f);
	fclose(f);
	chmod(script, 0644);
	cmd.n_uris = 1;
	cmd.uris = uris;
	uri.value = script;
	uri.has_executable = uri.executable = 1;
	uri.output_file = (char *)(uintptr_t)"sub/tool";
	const char *const argv[] = {"./sub/tool", NULL};
	struct run *r = launch_as(l, "fetch", argv, NULL, &cmd);
	until_end(l, r);
	assert_int_equal(r->code, 0);
	assert_string_equal(read_text(at("runs/%s/stdout", "fetch")), "fetched\n");

	static const char *const bad[] = {"gopher://example.com/x", "/no/such.tar.gz", "/no/such", "relative"};
	for (size_t i = 0; i < MZ_N(bad); i++) {
		char id[32];
		snprintf(id, sizeof(id), "bad%zu", i);
		uri.value = (char *)(uintptr_t)bad[i];
		uri.has_executable = 0;
		uri.output_file = NULL;
		r = launch_as(l, id, argv, NULL, &cmd);
		until_end(l, r);
		assert_true(r->code < 0);
		assert_non_null(strstr(r->message, bad[i]));
	}
	uri.value = script;
	uri.output_file = (char *)(uintptr_t)"../out";
	r = launch_as(l, "outside", argv, NULL, &cmd);
	until_end(l, r);
	assert_int_equal(r->code, -EINVAL);
}

static Mesos__V1__CommandInfo__URI *one_uri(Mesos__V1__CommandInfo *cmd, const char *value)
{
	static Mesos__V1__CommandInfo__URI uri, *uris[] = {&uri};
	mesos__v1__command_info__uri__init(&uri);
	mesos__v1__command_info__init(cmd);
	uri.value = (char *)(uintptr_t)value;
	cmd->n_uris = 1;
	cmd->uris = uris;
	return &uri;
}

static void fetches_archives(void **state)
{
	struct life *l = *state;
	Mesos__V1__CommandInfo cmd;
	const char *const argv[] = {"/bin/sh", "-c", "cat dir/file; ls", NULL};
	assert_int_equal(mkdir(at("%s", "dir"), 0755), 0);
	FILE *f = fopen(at("%s", "dir/file"), "w");
	fputs("packed\n", f);
	fclose(f);
	mz_autofree char *tar = xasprintf("tar -C %s -czf %s/a.tgz dir", root, root);
	assert_int_equal(system(tar), 0);
	mz_autofree char *uri = xasprintf("file://%s/a.tgz", root);
	one_uri(&cmd, uri);
	struct run *r = launch_as(l, "archive", argv, NULL, &cmd);
	until_end(l, r);
	assert_string_equal(r->message, "");
	assert_int_equal(r->code, 0);
	assert_string_equal(read_text(at("runs/%s/stdout", "archive")), "packed\na.tgz\ndir\nstderr\nstdout\n");
	assert_non_null(strstr(read_text(at("runs/%s/stderr", "archive")), uri));
	/* As it is. */
	Mesos__V1__CommandInfo__URI *u = one_uri(&cmd, uri);
	u->has_extract = 1;
	u->extract = 0;
	r = launch_as(l, "whole", argv, NULL, &cmd);
	until_end(l, r);
	assert_string_equal(read_text(at("runs/%s/stdout", "whole")), "a.tgz\nstderr\nstdout\n");
}

/* A server that takes connections and says nothing. */
static int silent_server(char uri[64])
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	snprintf(uri, 64, "http://127.0.0.1:%d/x", ntohs(sin.sin_port));
	return fd;
}

static void until_connected(struct life *l, int server)
{
	int fd = -1;
	for (int i = 0; i < 60000 && (fd = accept(server, NULL, NULL)) < 0; i++)
		loop_event_turn(l->loop, NS_PER_MS);
	assert_true(fd >= 0); /* it stays open until the test ends */
}

static void gives_up_a_fetch(void **state)
{
	struct life *l = *state;
	Mesos__V1__CommandInfo cmd;
	struct mz_err err;
	char uri[64];
	const char *const argv[] = {"/bin/true", NULL};
	int server = silent_server(uri);
	one_uri(&cmd, uri);
	struct run *r = launch_as(l, "given-up", argv, NULL, &cmd);
	until_connected(l, server);
	assert_false(r->launched);
	assert_int_equal(l->c->ops->terminate(l->c, "given-up", &err), 0);
	until_end(l, r);
	assert_int_equal(r->code, -ECANCELED);
	/* It may not even have begun. */
	r = launch_as(l, "at-once", argv, NULL, &cmd);
	assert_int_equal(l->c->ops->terminate(l->c, "at-once", &err), 0);
	until_end(l, r);
	assert_int_equal(r->code, -ECANCELED);
	assert_int_equal(accept(server, NULL, NULL), -1);
	/* An agent that ends does not wait for it. */
	r = launch_as(l, "left", argv, NULL, &cmd);
	until_connected(l, server);
	life_close(l);
	assert_false(r->launched);
	life_begin(l);
	close(server);
}

/* What is in the way in a sandbox is not waited for, and not given away. */
static void fetches_into_its_own_stderr(void **state)
{
	struct life *l = *state;
	Mesos__V1__CommandInfo cmd;
	const char *const argv[] = {"/bin/true", NULL};
	one_uri(&cmd, "http://127.0.0.1:1/x");
	assert_int_equal(mkdir(at("%s", "runs"), 0755), 0);
	assert_int_equal(mkdir(at("runs/%s", "fifo"), 0755), 0);
	assert_int_equal(mkfifo(at("runs/%s/stderr", "fifo"), 0644), 0);
	struct run *r = launch_as(l, "fifo", argv, NULL, &cmd);
	until_end(l, r);
	assert_int_equal(r->code, -ENXIO);
	mz_autofree char *other = xstrdup(at("%s", "other"));
	close(open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	assert_int_equal(mkdir(at("runs/%s", "linked"), 0755), 0);
	assert_int_equal(link(other, at("runs/%s/stderr", "linked")), 0);
	r = launch_as(l, "linked", argv, NULL, &cmd);
	until_end(l, r);
	assert_int_equal(r->code, -EEXIST);
	assert_string_equal(read_text(other), "");
}

static void removes_sandboxes(void **state)
{
	struct life *l = *state;
	struct run *r = launch(l, "gone", "mkdir -p a/b; echo x > a/b/c; chmod 0 a/b");
	until_end(l, r);
	bool done = false;
	l->c->ops->remove_sandbox(l->c, at("runs/%s", "gone"), on_done, &done);
	assert_false(done);
	until(l, &done);
	assert_int_equal(access(at("runs/%s", "gone"), F_OK), -1);
	assert_true(l->c->ops->disk_usage(l->c) > 0);
}

static void remove_run(struct life *l, const char *id)
{
	bool done = false;
	l->c->ops->remove_sandbox(l->c, at("runs/%s", id), on_done, &done);
	until(l, &done);
	assert_int_equal(access(at("runs/%s", id), F_OK), -1);
}

/* What was there for the last run alone goes with it. */
static void removes_what_held_sandboxes(void **state)
{
	struct life *l = *state;
	char target[256] = "";
	until_end(l, launch(l, "first", "exit 0"));
	until_end(l, launch(l, "second", "exit 0"));
	remove_run(l, "first");
	assert_true(readlink(at("runs/%s", "latest"), target, sizeof(target) - 1) > 0);
	assert_string_equal(target, "second");
	remove_run(l, "second");
	assert_int_equal(access(at("%s", "runs"), F_OK), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(access(root, F_OK), 0);
	/* Upwards as far as nothing else is there. */
	const char *const argv[] = {"/bin/true", NULL};
	struct run *r = run_new("deep");
	mz_autofree char *directory = xstrdup(at("%s", "frameworks/f/executors/e/runs/deep"));
	struct container_config cfg = {.id = "deep", .directory = directory, .argv = argv, .env = argv + 1};
	bool done = false;
	l->c->ops->launch(l->c, &cfg, on_launched, r);
	until_end(l, r);
	assert_int_equal(r->code, 0);
	/* The second time an agent was killed half way. */
	for (int i = 0; i < 2; i++) {
		if (i)
			assert_int_equal(tree_make(at("%s", "frameworks/f/executors"), 0755, NULL), 0);
		done = false;
		l->c->ops->remove_sandbox(l->c, directory, on_done, &done);
		until(l, &done);
		assert_int_equal(access(at("%s", "frameworks/f"), F_OK), -1);
		assert_int_equal(access(at("%s", "frameworks"), F_OK), 0);
	}
}

/* ---- logger/rotate ------------------------------------------------------------------ */

static void add_rotate(struct life *l)
{
	char yaml[700];
	snprintf(yaml, sizeof(yaml), "{helper: %s/core/bin/mezzo-logger, max_stdout_size: 64KB, max_stdout_files: 100}",
		 build);
	life_add(l, MZ_KIND_LOGGER, "rotate", yaml);
}

/* The lines 1 … n, in all files of a container's stdout, oldest first. */
static void expect_lines(const char *id, int n)
{
	int expected = 1, n_files = 0;
	for (int i = 100; i >= 0; i--) {
		char name[64], number[16], line[64];
		snprintf(number, sizeof(number), i ? ".%d" : "", i);
		snprintf(name, sizeof(name), "%s/stdout%s", id, number);
		FILE *f = fopen(at("runs/%s", name), "r");
		if (!f)
			continue;
		n_files++;
		while (fgets(line, sizeof(line), f))
			assert_int_equal(atoi(line), expected++);
		assert_true(ftell(f) <= 65536 + 4096);
		fclose(f);
	}
	assert_int_equal(expected, n + 1);
	assert_true(n_files > 1);
}

static void rotates_output(void **state)
{
	struct life *l = *state;
	add_rotate(l);
	struct run *r = launch(l, "talks", "seq 1 100000; echo oops >&2; ls /proc/self/fd | wc -w > fds");
	until_end(l, r);
	assert_int_equal(r->code, 0);
	assert_int_equal(r->wait_status, 0);
	/* The end is told after everything was written. */
	expect_lines("talks", 100000);
	assert_string_equal(read_text(at("runs/%s/stderr", "talks")), "oops\n");
	assert_string_equal(read_text(at("runs/%s/fds", "talks")), "4\n");
}

static void rotates_as_the_user(void **state)
{
	struct life *l = *state;
	struct stat st;
	const struct passwd *pw = getpwnam("nobody");
	if (geteuid() != 0 || !pw) {
		print_message("# SKIP only root can run containers as somebody else\n");
		skip();
	}
	add_rotate(l);
	const char *const argv[] = {"/bin/sh", "-c", "seq 1 20000", NULL};
	struct run *r = launch_as(l, "other", argv, "nobody", NULL);
	until_end(l, r);
	assert_int_equal(r->wait_status, 0);
	expect_lines("other", 20000);
	assert_int_equal(stat(at("runs/%s/stdout.1", "other"), &st), 0);
	assert_int_equal(st.st_uid, pw->pw_uid);
}

static void output_survives_the_agent(void **state)
{
	struct life *l = *state;
	static const char *const named[] = {"talks"};
	add_rotate(l);
	struct run *r = launch(l, "talks",
			       "seq 1 30000; echo > half; while ! test -e go; do sleep 0.02; done; seq 30001 60000");
	until(l, &r->launched);
	assert_int_equal(r->code, 0);
	until_text(l, at("runs/%s/half", "talks"));
	life_close(l);
	close(open(at("runs/%s/go", "talks"), O_WRONLY | O_CREAT, 0644));
	/* All is said while nobody is there. */
	assert_int_equal(waitpid(r->pid, NULL, 0), r->pid);
	while (waitpid(-1, NULL, 0) > 0)
		; /* its logger: an agent's goes to pid 1 */
	life_begin(l);
	add_rotate(l);
	run_recover(l, named, 1);
	until(l, &r->exited);
	assert_int_equal(r->wait_status, 0);
	expect_lines("talks", 60000);
}

static void a_logger_that_fails_fails_the_launch(void **state)
{
	struct life *l = *state;
	const char *const argv[] = {"/bin/true", NULL};
	Mesos__V1__Environment__Variable v = MESOS__V1__ENVIRONMENT__VARIABLE__INIT, *vs[] = {&v};
	Mesos__V1__Environment env = MESOS__V1__ENVIRONMENT__INIT;
	Mesos__V1__CommandInfo cmd = MESOS__V1__COMMAND_INFO__INIT;
	add_rotate(l);
	v.name = (char *)"CONTAINER_LOGGER_MAX_STDOUT_SIZE";
	v.value = (char *)"1B";
	env.n_variables = 1;
	env.variables = vs;
	cmd.environment = &env;
	struct run *r = launch_as(l, "bad", argv, NULL, &cmd);
	until_end(l, r);
	assert_int_equal(r->code, -EINVAL);
	assert_non_null(strstr(r->message, "The logger: Variable 'CONTAINER_LOGGER_MAX_STDOUT_SIZE' is '1B'"));
	assert_false(r->exited);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(fetches_local_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(fetches_archives, set_up, tear_down),
		cmocka_unit_test_setup_teardown(gives_up_a_fetch, set_up, tear_down),
		cmocka_unit_test_setup_teardown(fetches_into_its_own_stderr, set_up, tear_down),
		cmocka_unit_test_setup_teardown(removes_sandboxes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(removes_what_held_sandboxes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rotates_output, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rotates_as_the_user, set_up, tear_down),
		cmocka_unit_test_setup_teardown(output_survives_the_agent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_logger_that_fails_fails_the_launch, set_up, tear_down),
	};
	(void)argc;
	if (!find_build(argv[0]))
		return 1;
	log_set_level(MZ_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
