/* containers_test.c - real containers: the real loop, the real modules, the real
 * mezzo-init. Runs from the build tree; takes no port and no privilege (but tests
 * the change of user only as root).
 * SPDX-License-Identifier: Apache-2.0 */
#include "containers_posix_world.h"

#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/loop_event.h"
#include "model/resources.h"
#include "module/containers_real.h"
#include "os/tree.h"

static void tells_how_it_ended(void **state)
{
	struct life *l = *state;
	struct run *ok = launch(l, "ok", "exit 0"), *seven = launch(l, "seven", "exit 7"),
		   *killed = launch(l, "killed", "kill -9 $$");
	until_end(l, ok);
	until_end(l, seven);
	until_end(l, killed);
	assert_int_equal(ok->code, 0);
	assert_true(ok->pid > 0);
	assert_int_equal(ok->wait_status, 0);
	assert_true(WIFEXITED(seven->wait_status));
	assert_int_equal(WEXITSTATUS(seven->wait_status), 7);
	assert_true(WIFSIGNALED(killed->wait_status));
	assert_int_equal(WTERMSIG(killed->wait_status), SIGKILL);
}

static void captures_output(void **state)
{
	struct life *l = *state;
	struct run *r = launch(l, "out", "echo $GREETING; pwd; echo oops >&2; ls /proc/self/fd | wc -w; umask");
	until_end(l, r);
	assert_int_equal(r->wait_status, 0);
	mz_autofree char *want = xasprintf("hello\n%s\n4\n0022\n", at("runs/%s", "out"));
	assert_string_equal(read_text(at("runs/%s/stdout", "out")), want);
	assert_string_equal(read_text(at("runs/%s/stderr", "out")), "oops\n");
	char target[256] = "";
	assert_true(readlink(at("runs/%s", "latest"), target, sizeof(target) - 1) > 0);
	assert_string_equal(target, "out");
	struct stat st;
	assert_int_equal(stat(at("runs/%s", "out"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
}

static void reports_what_cannot_run(void **state)
{
	struct life *l = *state;
	const char *const nothing[] = {"/no/such/program", NULL};
	struct run *r = launch_as(l, "none", nothing, NULL, NULL);
	until_end(l, r);
	assert_int_equal(r->code, -ENOENT);
	assert_non_null(strstr(r->message, "/no/such/program"));
	assert_non_null(strstr(r->message, "No such file"));
	assert_false(r->exited);
	const char *const true_argv[] = {"/bin/true", NULL};
	r = launch_as(l, "user", true_argv, "no-such-user", NULL);
	until_end(l, r);
	if (geteuid() == 0) {
		assert_int_equal(r->code, -ENOENT);
		assert_non_null(strstr(r->message, "no-such-user"));
	}
	/* The id of one that never ran is free again. */
	run_of("none")->id[0] = '\0';
	r = launch_as(l, "none", true_argv, NULL, NULL);
	until_end(l, r);
	assert_int_equal(r->code, 0);
}

/* A container without what it asks for would not be what was asked for. */
static void refuses_what_nobody_provides(void **state)
{
	static const char *const kinds[] = {"mesos.image", "volumes/HOST_PATH", "volumes/SANDBOX_PATH", "volumes/SECRET",
					    "volumes/IMAGE", "network_infos", NULL};
	struct life *l = *state;
	const char *const argv[] = {"/bin/true", NULL};
	for (size_t i = 0; i < MZ_N(kinds); i++) {
		Mesos__V1__ContainerInfo c = MESOS__V1__CONTAINER_INFO__INIT;
		Mesos__V1__ContainerInfo__MesosInfo mesos = MESOS__V1__CONTAINER_INFO__MESOS_INFO__INIT;
		Mesos__V1__Image image = MESOS__V1__IMAGE__INIT;
		Mesos__V1__Volume volume = MESOS__V1__VOLUME__INIT, *volumes = &volume;
		Mesos__V1__Volume__Source source = MESOS__V1__VOLUME__SOURCE__INIT;
		Mesos__V1__NetworkInfo network = MESOS__V1__NETWORK_INFO__INIT, *networks = &network;
		char id[8];
		snprintf(id, sizeof(id), "p%zu", i);
		c.type = MESOS__V1__CONTAINER_INFO__TYPE__MESOS;
		c.mesos = &mesos;
		c.network_infos = &networks;
		c.n_network_infos = 1; /* that of the host, which has no name */
		image.type = MESOS__V1__IMAGE__TYPE__DOCKER;
		volume.container_path = (char *)"v";
		const char *kind = kinds[i] ? kinds[i] : "";
		c.volumes = &volumes;
		c.n_volumes = str_starts(kind, "volumes/");
		if (str_eq(kind, "mesos.image"))
			mesos.image = &image;
		else if (str_eq(kind, "network_infos"))
			network.name = (char *)"other";
		else if (str_eq(kind, "volumes/IMAGE"))
			volume.image = &image;
		else if (str_eq(kind, "volumes/HOST_PATH"))
			volume.host_path = (char *)"/";
		else
			volume.source = &source;
		source.has_type = 1;
		source.type = str_eq(kind, "volumes/SECRET") ? MESOS__V1__VOLUME__SOURCE__TYPE__SECRET
							     : MESOS__V1__VOLUME__SOURCE__TYPE__SANDBOX_PATH;
		struct run *r = run_launch(l, (struct container_config){.id = id, .argv = argv, .container = &c});
		until_end(l, r);
		assert_int_equal(r->code, kinds[i] ? -EOPNOTSUPP : 0);
		if (kinds[i])
			assert_non_null(strstr(r->message, kinds[i]));
	}
}

static void runs_as_another_user(void **state)
{
	struct life *l = *state;
	struct passwd *pw = getpwnam("nobody");
	if (geteuid() != 0 || !pw)
		skip();
	const char *const argv[] = {"/bin/sh", "-c", "id -u; id -g; touch mine", NULL};
	struct run *r = launch_as(l, "nobody", argv, "nobody", NULL);
	until_end(l, r);
	assert_int_equal(r->code, 0);
	assert_int_equal(r->wait_status, 0);
	char want[64];
	snprintf(want, sizeof(want), "%u\n%u\n", pw->pw_uid, pw->pw_gid);
	assert_string_equal(read_text(at("runs/%s/stdout", "nobody")), want);
	struct stat st;
	/* The sandbox is his and his group's alone; the way to it everybody's. */
	assert_int_equal(stat(at("runs/%s", "nobody"), &st), 0);
	assert_int_equal(st.st_uid, pw->pw_uid);
	assert_int_equal(st.st_gid, pw->pw_gid);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(stat(at("%s", "runs"), &st), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(stat(at("runs/%s/stdout", "nobody"), &st), 0);
	assert_int_equal(st.st_uid, pw->pw_uid);
	/* It cannot fetch what it may not read. */
	Mesos__V1__CommandInfo__URI uri = MESOS__V1__COMMAND_INFO__URI__INIT, *uris[] = {&uri};
	Mesos__V1__CommandInfo cmd = MESOS__V1__COMMAND_INFO__INIT;
	cmd.n_uris = 1;
	cmd.uris = uris;
	mz_autofree char *secret = xstrdup(at("%s", "secret"));
	fclose(fopen(secret, "w"));
	chmod(secret, 0600);
	uri.value = secret;
	r = launch_as(l, "thief", argv, "nobody", &cmd);
	until_end(l, r);
	assert_int_equal(r->code, -EACCES);
	/* And the agent has its rights back. */
	assert_int_equal(access(secret, R_OK), 0);
	r = launch(l, "after", "id -u");
	until_end(l, r);
	assert_string_equal(read_text(at("runs/%s/stdout", "after")), "0\n");
}

/* Waits until a file of the sandbox has text. */
static bool lives(int pid)
{
	return kill(pid, 0) == 0;
}

static void destroys_everything(void **state)
{
	struct life *l = *state;
	/* Children that ignore signals, in sessions of their own, and orphaned. */
	struct run *r = launch(l, "tree",
			       "trap '' TERM; (setsid sh -c 'trap \"\" TERM HUP; sleep 1000 & echo $! > orphan; "
			       "wait' &) ; sleep 1000 & echo $! > child; wait");
	until(l, &r->launched);
	until_text(l, at("runs/%s/orphan", "tree"));
	until_text(l, at("runs/%s/child", "tree"));
	int orphan = atoi(read_text(at("runs/%s/orphan", "tree"))), child = atoi(read_text(at("runs/%s/child", "tree")));
	assert_true(lives(orphan) && lives(child));
	struct mz_err err;
	assert_int_equal(l->c->ops->terminate(l->c, "none", &err), -ENOENT);
	assert_int_equal(l->c->ops->terminate(l->c, "tree", &err), 0);
	assert_int_equal(l->c->ops->terminate(l->c, "tree", &err), 0);
	until(l, &r->exited);
	assert_true(WIFSIGNALED(r->wait_status));
	assert_false(lives(orphan));
	assert_false(lives(child));
	/* What a payload leaves behind goes with it. */
	r = launch(l, "leaves", "setsid sleep 1000 & echo $! > child; exit 3");
	until_end(l, r);
	assert_int_equal(WEXITSTATUS(r->wait_status), 3);
	assert_false(lives(atoi(read_text(at("runs/%s/child", "leaves")))));
}

/* A shim that does not do as it is told is killed itself, and with it what it started. */
static void destroys_deaf_shims(void **state)
{
	struct life *l = *state;
	const char *script = at("%s", "deaf-init");
	mz_autofree char *yaml = xasprintf("{init: %s, destroy_timeout: 50ms}", script);
	life_close(l);
	FILE *f = fopen(script, "w");
	assert_non_null(f);
	fputs("#!/bin/sh\ntrap '' TERM\nhead -c 1 <&1 >/dev/null\nprintf 'ok %d' $$\nexec sleep 1000\n", f);
	assert_int_equal(fchmod(fileno(f), 0755) + fclose(f), 0);
	life_open(l);
	life_add(l, MZ_KIND_CONTAINERIZER, "mesos", yaml);
	struct run *r = launch(l, "deaf", "true");
	struct mz_err err;
	until(l, &r->launched);
	assert_int_equal(r->code, 0);
	assert_int_equal(l->c->ops->terminate(l->c, "deaf", &err), 0);
	until(l, &r->exited);
	assert_int_equal(r->wait_status, -1);
	assert_non_null(strstr(r->message, "without telling"));
	assert_int_equal(kill(r->pid, 0), -1);
	assert_int_equal(errno, ESRCH);
}

static void destroys_what_is_launching(void **state)
{
	struct life *l = *state;
	struct mz_err err;
	for (int turns = 0; turns < 12; turns++) {
		char id[32];
		snprintf(id, sizeof(id), "early%d", turns);
		struct run *r = launch(l, id, "sleep 1000");
		for (int i = 0; i < turns && !r->launched; i++)
			loop_event_turn(l->loop, NS_PER_SEC);
		assert_int_equal(l->c->ops->terminate(l->c, id, &err), 0);
		until_end(l, r);
		assert_true(r->code == -ECANCELED || (r->code == 0 && r->exited));
	}
}

static void measures(void *arg, struct mz_bytes statistics)
{
	Mesos__V1__ResourceStatistics **ret = arg;
	assert_true(statistics.size > 0);
	*ret = mesos__v1__resource_statistics__unpack(NULL, statistics.size, statistics.data);
}

static void on_nothing(void *arg, struct mz_bytes statistics)
{
	*(bool *)arg = true;
	assert_int_equal(statistics.size, 0);
}

static void reports_usage(void **state)
{
	struct life *l = *state;
	bool told = false;
	l->c->ops->usage(l->c, "none", on_nothing, &told);
	assert_true(told);
	struct run *r = launch(l, "usage", "echo x > ready; sleep 1000");
	until(l, &r->launched);
	until_text(l, at("runs/%s/ready", "usage"));
	Mesos__V1__ResourceStatistics *s = NULL;
	l->c->ops->usage(l->c, "usage", measures, &s);
	while (!s)
		loop_event_turn(l->loop, NS_PER_SEC);
	assert_true(s->timestamp > 0);
	assert_true(s->has_cpus_user_time_secs && s->has_cpus_system_time_secs);
	assert_true(s->has_mem_rss_bytes && s->mem_rss_bytes > 100000);
	assert_true(s->cpus_soft_limit == 1.0);
	assert_int_equal(s->mem_limit_bytes, 32 << 20);
	assert_int_equal(s->disk_limit_bytes, 1 << 20);
	assert_true(s->processes >= 2);
	mesos__v1__resource_statistics__free_unpacked(s, NULL);
	struct mz_err err;
	assert_int_equal(l->c->ops->terminate(l->c, "usage", &err), 0);
	until(l, &r->exited);
}

static void enforces_limits(void **state)
{
	struct life *l = *state;
	struct run *r = launch(l, "full", "dd if=/dev/zero of=big bs=1M count=4 2>/dev/null; sleep 1000");
	until_end(l, r);
	assert_int_equal(r->code, 0);
	assert_int_equal(r->reason, 20);
	assert_non_null(strstr(r->message, "Disk"));
}

static void runs_many(void **state)
{
	struct life *l = *state;
	enum { N = 100 };
	struct run *r[N];
	for (int i = 0; i < N; i++) {
		char id[32], script[32];
		snprintf(id, sizeof(id), "many%d", i);
		snprintf(script, sizeof(script), "exit %d", i % 64);
		r[i] = launch(l, id, script);
	}
	for (int i = 0; i < N; i++) {
		until_end(l, r[i]);
		assert_int_equal(r[i]->code, 0);
		assert_int_equal(WEXITSTATUS(r[i]->wait_status), i % 64);
	}
}

static void on_not_recovered(void *arg, const struct mz_err *err)
{
	assert_non_null(err);
	assert_int_equal(err->code, -EMFILE);
	assert_non_null(strstr(err->msg, "Cannot look whether container '"));
	*(bool *)arg = true;
}

/* Who cannot be looked at is not dead. */
static void is_not_lost_for_want_of_descriptors(void **state)
{
	struct life *l = *state;
	struct run *r[2] = {launch(l, "one", "exec sleep 1000"), launch(l, "two", "exec sleep 1000")};
	struct rlimit before, few;
	bool done = false;
	for (int i = 0; i < 2; i++) {
		until(l, &r[i]->launched);
		assert_int_equal(r[i]->code, 0);
	}
	life_close(l);
	life_begin(l);
	int lowest = dup(0);
	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = (rlim_t)lowest + 3; /* the directory, and what one of them takes */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	l->c->ops->recover(l->c, NULL, 0, on_not_recovered, &done);
	until(l, &done);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	life_close(l);
	life_begin(l);
	static const char *const named[] = {"one", "two"};
	run_recover(l, named, 2);
	for (int i = 0; i < 2; i++) {
		assert_false(r[i]->exited);
		assert_true(lives(r[i]->pid));
		struct mz_err err;
		assert_int_equal(l->c->ops->terminate(l->c, r[i]->id, &err), 0);
		until_end(l, r[i]);
	}
}

/* Whoever it is nested in was killed while the agent was away, and is on no record. */
static void destroys_what_has_lost_its_parent(void **state)
{
	struct life *l = *state;
	static const char *const ids[] = {"above", "above.below"};
	struct run *r[2];
	for (int i = 0; i < 2; i++) {
		r[i] = launch(l, ids[i], "exec sleep 1000");
		until(l, &r[i]->launched);
		assert_string_equal(r[i]->message, "");
	}
	life_close(l);
	assert_int_equal(kill(r[0]->pid, SIGKILL), 0);
	assert_int_equal(waitpid(r[0]->pid, NULL, 0), r[0]->pid);
	assert_true(lives(r[1]->pid));
	life_begin(l);
	run_recover(l, ids + 1, 1);
	until(l, &r[1]->exited);
	assert_true(WIFSIGNALED(r[1]->wait_status));
}

static int n_records(void)
{
	int n = 0;
	DIR *d = opendir(at("run/%s", "containers"));
	assert_non_null(d);
	struct dirent *e;
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/* Until the process is gone, which is not our child any more. */
static void until_dead(struct life *l, int pid)
{
	for (int i = 0; i < 60000 && lives(pid); i++)
		loop_event_turn(l->loop, NS_PER_MS);
	assert_false(lives(pid));
}

/* The agent is told the pid at the launch; after that it asks. */
static void until_pid(struct life *l, const char *id, int32_t pid)
{
	struct mz_bytes b = {NULL, 0};
	for (int i = 0; i < 60000 && !b.size; i++) {
		loop_event_turn(l->loop, NS_PER_MS);
		b = l->c->ops->status(l->c, id);
	}
	Mesos__V1__ContainerStatus *s = mesos__v1__container_status__unpack(NULL, b.size, b.data);
	assert_int_equal(s->executor_pid, pid);
	mesos__v1__container_status__free_unpacked(s, NULL);
}

static void survives_the_agent(void **state)
{
	struct life *l = *state;
	/* Each waits for its file to appear, so that the order is ours. */
	static const char wait_then[] = "echo $$ > pid; while ! test -e go; do sleep 0.02; done; exit $(cat go)";
	struct run *stays = launch(l, "stays", wait_then), *ends = launch(l, "ends", wait_then),
		   *orphan = launch(l, "orphan", wait_then), *lost = launch(l, "lost", wait_then);
	struct run *all[] = {stays, ends, orphan, lost};
	int pid[4];
	for (int i = 0; i < 4; i++) {
		until(l, &all[i]->launched);
		assert_int_equal(all[i]->code, 0);
		until_text(l, at("runs/%s/pid", all[i]->id));
		pid[i] = atoi(read_text(at("runs/%s/pid", all[i]->id)));
	}
	life_close(l);

	/* While the agent is away. */
	FILE *f = fopen(at("runs/%s/go.tmp", "ends"), "w");
	fputs("9\n", f);
	fclose(f);
	mz_autofree char *from = xstrdup(at("runs/%s/go.tmp", "ends"));
	assert_int_equal(rename(from, at("runs/%s/go", "ends")), 0);
	kill(lost->pid, SIGKILL); /* its shim */
	/* The shims were our children (an agent's go to pid 1). */
	assert_int_equal(waitpid(ends->pid, NULL, 0), ends->pid);
	assert_int_equal(waitpid(lost->pid, NULL, 0), lost->pid);

	life_begin(l);
	static const char *const named[] = {"stays", "ends", "lost", "never"};
	struct run *never = run_new("never");
	run_recover(l, named, 4);
	until(l, &ends->exited);
	until(l, &lost->exited);
	until(l, &never->exited);
	assert_true(WIFEXITED(ends->wait_status));
	assert_int_equal(WEXITSTATUS(ends->wait_status), 9);
	assert_int_equal(lost->wait_status, -1);
	assert_int_equal(never->wait_status, -1);
	until_dead(l, pid[3]); /* the payload went with its shim */
	assert_int_equal(waitpid(orphan->pid, NULL, 0), orphan->pid);
	assert_false(lives(pid[2]));
	assert_false(orphan->exited);

	assert_false(stays->exited);
	assert_true(lives(pid[0]));
	Mesos__V1__ResourceStatistics *s = NULL;
	l->c->ops->usage(l->c, "stays", measures, &s);
	while (!s)
		loop_event_turn(l->loop, NS_PER_SEC);
	assert_true(s->mem_rss_bytes > 0);
	mesos__v1__resource_statistics__free_unpacked(s, NULL);
	f = fopen(at("runs/%s/go.tmp", "stays"), "w");
	fputs("5\n", f);
	fclose(f);
	free(from);
	until_pid(l, "stays", stays->pid);
	from = xstrdup(at("runs/%s/go.tmp", "stays"));
	assert_int_equal(rename(from, at("runs/%s/go", "stays")), 0);
	until(l, &stays->exited);
	assert_true(WIFEXITED(stays->wait_status));
	assert_int_equal(WEXITSTATUS(stays->wait_status), 5);
	life_close(l);

	/* An agent that names nothing any more finds nothing to keep. */
	life_begin(l);
	run_recover(l, NULL, 0);
	for (int i = 0; i < 60000 && n_records(); i++)
		loop_event_turn(l->loop, NS_PER_MS);
	assert_int_equal(n_records(), 0);
	for (int i = 0; i < 20; i++) /* the worker's answer */
		loop_event_turn(l->loop, NS_PER_MS);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tells_how_it_ended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(captures_output, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reports_what_cannot_run, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses_what_nobody_provides, set_up, tear_down),
		cmocka_unit_test_setup_teardown(runs_as_another_user, set_up, tear_down),
		cmocka_unit_test_setup_teardown(destroys_everything, set_up, tear_down),
		cmocka_unit_test_setup_teardown(destroys_deaf_shims, set_up, tear_down),
		cmocka_unit_test_setup_teardown(destroys_what_is_launching, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reports_usage, set_up, tear_down),
		cmocka_unit_test_setup_teardown(enforces_limits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(runs_many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(survives_the_agent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(is_not_lost_for_want_of_descriptors, set_up, tear_down),
		cmocka_unit_test_setup_teardown(destroys_what_has_lost_its_parent, set_up, tear_down),
	};
	(void)argc;
	if (!find_build(argv[0]))
		return 1;
	log_set_level(MZ_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
