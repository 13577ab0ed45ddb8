/* lmdb_test.c - the embedded store: order, atomic batches, one owner, and what
 * is left after kill -9 in the middle of writing.
 *
 * The fake host runs offloaded work at once (in the writer children), or when
 * the test says so.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* nftw */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define MZ_MODULE_ABI 1
#include <mezzo/store.h>

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern const struct mz_module mz_module;

/* ---- fake host ----------------------------------------------------------- */

struct mz_op {
	int n_done;
	struct mz_err err;
};

struct mz_conf {
	const char *path;
	int64_t map_size;
};

struct mz_timer {
	void (*fn)(void *);
	void *arg;
};

enum { MAX_JOBS = 8 };

static struct {
	char dir[64], work_dir[80];
	struct {
		void (*work)(void *), (*done)(void *);
		void *arg;
	} jobs[MAX_JOBS];
	size_t n_jobs;
	int is_full; /* offload answers -EAGAIN */
	int max_outstanding;
	struct mz_timer timer;
	struct mz_op *order[MAX_JOBS];
	size_t n_order;
} w;

static const char *fake_conf_str(const struct mz_conf *c, const char *name)
{
	assert_string_equal(name, "path");
	return c->path;
}

static int64_t fake_conf_int(const struct mz_conf *c, const char *name)
{
	assert_string_equal(name, "map_size");
	return c->map_size;
}

static int fake_offload(const struct mz_host *h, void (*work)(void *), void (*done)(void *), void *arg)
{
	(void)h;
	if (w.is_full)
		return -EAGAIN;
	assert_true(w.n_jobs < MAX_JOBS);
	w.jobs[w.n_jobs].work = work;
	w.jobs[w.n_jobs].done = done;
	w.jobs[w.n_jobs].arg = arg;
	if ((int)++w.n_jobs > w.max_outstanding)
		w.max_outstanding = (int)w.n_jobs;
	return 0;
}

static void run_jobs(void)
{
	while (w.n_jobs) {
		void (*work)(void *) = w.jobs[0].work, (*done)(void *) = w.jobs[0].done;
		void *arg = w.jobs[0].arg;
		memmove(w.jobs, w.jobs + 1, --w.n_jobs * sizeof(w.jobs[0]));
		work(arg);
		done(arg);
	}
}

static struct mz_timer *fake_timer(const struct mz_host *h, int64_t delay_ns, void (*fn)(void *), void *arg)
{
	(void)h;
	assert_true(delay_ns > 0);
	assert_null(w.timer.fn);
	w.timer = (struct mz_timer){fn, arg};
	return &w.timer;
}

static void fake_timer_cancel(const struct mz_host *h, struct mz_timer *t)
{
	(void)h;
	t->fn = NULL;
}

static void fake_op_done(struct mz_op *op, const struct mz_err *err, const void *result)
{
	assert_null(result);
	op->n_done++;
	if (err)
		op->err = *err;
	if (w.n_order < MAX_JOBS)
		w.order[w.n_order++] = op;
}

static struct mz_metric *fake_metric(const struct mz_host *h, int type, const char *name)
{
	(void)h;
	(void)type;
	(void)name;
	return NULL;
}

static void fake_metric_add(struct mz_metric *m, int64_t delta)
{
	(void)m;
	(void)delta;
}

static void fake_metric_set(struct mz_metric *m, double value)
{
	(void)m;
	(void)value;
}

static const char *fake_work_dir(const struct mz_host *h)
{
	(void)h;
	return w.work_dir;
}

static const struct mz_store_host kind = {.size = sizeof(kind), .work_dir = fake_work_dir};
static const struct mz_host host = {
	.size = sizeof(host),
	.conf_str = fake_conf_str,
	.conf_int = fake_conf_int,
	.offload = fake_offload,
	.timer = fake_timer,
	.timer_cancel = fake_timer_cancel,
	.op_done = fake_op_done,
	.metric = fake_metric,
	.metric_add = fake_metric_add,
	.metric_set = fake_metric_set,
	.kind = &kind,
};
static const struct mz_conf conf = {.path = "", .map_size = 64 << 20};

static const struct mz_store_ops *ops(void)
{
	return (const struct mz_store_ops *)mz_module.ops;
}

static int setup(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	strcpy(w.dir, "/tmp/mezzo-lmdb-XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	snprintf(w.work_dir, sizeof(w.work_dir), "%s/work", w.dir);
	assert_int_equal(mkdir(w.work_dir, 0700), 0);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	(void)state;
	return nftw(w.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void *open_store(const struct mz_conf *c)
{
	struct mz_err err = {0};
	void *inst = NULL;
	int rc = ops()->create(&host, c, &inst, &err);
	if (rc < 0)
		print_error("%s\n", err.msg);
	assert_int_equal(rc, 0);
	return inst;
}

static int apply(void *inst, const struct mz_store_change *v, size_t n)
{
	struct mz_op op = {0};
	ops()->apply(inst, 1, v, n, &op);
	run_jobs();
	assert_int_equal(op.n_done, 1);
	return op.err.code;
}

static struct mz_bytes text(const char *s)
{
	return (struct mz_bytes){s, strlen(s)};
}

struct listing {
	char text[4096];
	int stop_after, rc;
};

static int list_one(void *arg, const char *key, struct mz_bytes v)
{
	struct listing *l = arg;
	size_t len = strlen(l->text);
	assert_non_null(v.data);
	snprintf(l->text + len, sizeof(l->text) - len, "%s=%.*s;", key, (int)v.size, (const char *)v.data);
	return l->stop_after && --l->stop_after == 0 ? l->rc : 0;
}

static void assert_content(void *inst, const char *prefix, const char *want)
{
	struct mz_err err;
	struct listing l = {.text = ""};
	assert_int_equal(ops()->each(inst, prefix, list_one, &l, &err), 0);
	assert_string_equal(l.text, want);
}

/* ---- tests ------------------------------------------------------------------- */

static void reopen_keeps_content_in_order(void **state)
{
	(void)state;
	const struct mz_store_change first[] = {
		{"b/2", text("two")}, {"b", text("x")}, {"a/1", text("")}, {"b/10", text("ten")}, {"c", text("gone")}};
	const struct mz_store_change second[] = {
		{"b/2", text("TWO")}, {"c", {NULL, 0}}, {"never", {NULL, 0}}, {"d", text("1")}, {"d", text("2")}};
	void *inst = open_store(&conf);
	assert_int_equal(ops()->flags(inst), MZ_STORE_DURABLE);
	assert_content(inst, "", "");
	assert_int_equal(apply(inst, first, 5), 0);
	ops()->destroy(inst);

	inst = open_store(&conf);
	assert_content(inst, "", "a/1=;b=x;b/10=ten;b/2=two;c=gone;");
	assert_content(inst, "b/", "b/10=ten;b/2=two;");
	assert_content(inst, "zzz", "");
	assert_int_equal(apply(inst, second, 5), 0);
	assert_int_equal(apply(inst, NULL, 0), 0);
	ops()->destroy(inst);

	inst = open_store(&conf);
	assert_content(inst, "", "a/1=;b=x;b/10=ten;b/2=TWO;d=2;");
	struct mz_err err;
	struct listing l = {.stop_after = 2, .rc = 77};
	assert_int_equal(ops()->each(inst, "", list_one, &l, &err), 77);
	assert_string_equal(l.text, "a/1=;b=x;");
	ops()->destroy(inst);
	ops()->destroy(NULL);
}

static void limits_are_checked_and_atomic(void **state)
{
	(void)state;
	char key[402];
	memset(key, 'k', sizeof(key));
	key[401] = '\0';
	void *inst = open_store(&conf);
	const struct mz_store_change long_key[] = {{"good", text("1")}, {key, text("1")}};
	const struct mz_store_change no_key[] = {{"good", text("1")}, {"", text("1")}};
	const struct mz_store_change big[] = {{"good", text("1")}, {"big", {key, (32u << 20) + 1}}};
	assert_int_equal(apply(inst, long_key, 2), -EINVAL);
	assert_int_equal(apply(inst, no_key, 2), -EINVAL);
	assert_int_equal(apply(inst, big, 2), -E2BIG);
	assert_content(inst, "", "");
	key[400] = '\0';
	const struct mz_store_change longest[] = {{key, text("1")}};
	assert_int_equal(apply(inst, longest, 1), 0);
	ops()->destroy(inst);

	inst = open_store(&conf);
	struct mz_err err;
	struct listing l = {.text = ""};
	assert_int_equal(ops()->each(inst, key, list_one, &l, &err), 0);
	assert_int_equal(strlen(l.text), 400 + 3);
	ops()->destroy(inst);
}

static int compare_big(void *arg, const char *key, struct mz_bytes v)
{
	assert_string_equal(key, "big");
	assert_int_equal(v.size, 32 << 20);
	assert_memory_equal(v.data, arg, v.size);
	return 0;
}

/* A value of the largest size does not fit the smallest map: it grows. */
static void map_grows(void **state)
{
	(void)state;
	const struct mz_conf small = {.path = "", .map_size = 1 << 20};
	size_t size = 32 << 20;
	unsigned char *data = malloc(size);
	assert_non_null(data);
	for (size_t i = 0; i < size; i++)
		data[i] = (unsigned char)(i * 31 >> 3);
	void *inst = open_store(&small);
	const struct mz_store_change v[] = {{"big", {data, size}}};
	for (int i = 0; i < 3; i++)
		assert_int_equal(apply(inst, v, 1), 0);
	ops()->destroy(inst);
	inst = open_store(&small);
	struct mz_err err;
	assert_int_equal(ops()->each(inst, "", compare_big, data, &err), 0);
	ops()->destroy(inst);
	free(data);
}

static void second_owner_is_refused(void **state)
{
	(void)state;
	char path[128], want[64];
	snprintf(path, sizeof(path), "%s/deep/er/store", w.dir);
	const struct mz_conf named = {.path = path, .map_size = 1 << 20};
	void *a = open_store(&named), *b = &w;
	struct mz_err err = {0};
	assert_int_equal(ops()->create(&host, &named, &b, &err), -EBUSY);
	assert_ptr_equal(b, &w); /* untouched */
	snprintf(want, sizeof(want), "is in use by process %ld", (long)getpid());
	assert_non_null(strstr(err.msg, want));
	assert_non_null(strstr(err.msg, path));
	/* Another directory is another store. */
	void *c = open_store(&conf);
	ops()->destroy(c);
	ops()->destroy(a);
	a = open_store(&named);
	ops()->destroy(a);
}

static void bad_places_are_named(void **state)
{
	(void)state;
	struct mz_err err = {0};
	void *inst = NULL;
	const struct mz_conf relative = {.path = "some/where", .map_size = 1 << 20};
	assert_int_equal(ops()->create(&host, &relative, &inst, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "some/where"));

	char path[128];
	snprintf(path, sizeof(path), "%s/file", w.dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
	strcat(path, "/store");
	const struct mz_conf below_file = {.path = path, .map_size = 1 << 20};
	assert_int_equal(ops()->create(&host, &below_file, &inst, &err), -ENOTDIR);
	assert_non_null(strstr(err.msg, "/file"));

	/* A data.mdb that is none. */
	snprintf(path, sizeof(path), "%s/store", w.work_dir);
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/data.mdb");
	f = fopen(path, "w");
	assert_non_null(f);
	for (int i = 0; i < 16384; i++)
		fputc('x', f);
	fclose(f);
	assert_int_equal(ops()->create(&host, &conf, &inst, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, w.work_dir));
	assert_null(inst);
}

static void batches_complete_in_order(void **state)
{
	(void)state;
	struct mz_op op[3] = {{0}, {0}, {0}};
	const struct mz_store_change v[] = {{"k", text("1")}, {"k", text("2")}, {"k", text("3")}};
	void *inst = open_store(&conf);
	w.is_full = 1;
	for (int i = 0; i < 3; i++)
		ops()->apply(inst, 1, &v[i], 1, &op[i]);
	assert_int_equal(w.n_jobs, 0);
	w.is_full = 0;
	void (*fn)(void *) = w.timer.fn;
	assert_non_null(fn);
	w.timer.fn = NULL;
	fn(w.timer.arg);
	assert_int_equal(op[0].n_done, 0);
	run_jobs();
	assert_int_equal(w.max_outstanding, 1);
	assert_int_equal(w.n_order, 3);
	for (int i = 0; i < 3; i++) {
		assert_ptr_equal(w.order[i], &op[i]);
		assert_int_equal(op[i].err.code, 0);
	}
	ops()->destroy(inst);
	inst = open_store(&conf);
	assert_content(inst, "", "k=3;");
	ops()->destroy(inst);
}

static void destroy_with_batches_waiting(void **state)
{
	(void)state;
	struct mz_op op[2] = {{0}, {0}};
	const struct mz_store_change v[] = {{"k", text("1")}};
	void *inst = open_store(&conf);
	ops()->apply(inst, 1, v, 1, &op[0]);
	ops()->apply(inst, 1, v, 1, &op[1]);
	assert_int_equal(w.n_jobs, 1);
	ops()->destroy(inst);
	run_jobs(); /* the worker comes to it too late */
	assert_int_equal(op[0].n_done + op[1].n_done, 0);

	inst = open_store(&conf);
	w.is_full = 1;
	ops()->apply(inst, 1, v, 1, &op[0]);
	assert_non_null(w.timer.fn);
	ops()->destroy(inst);
	assert_null(w.timer.fn);
	w.is_full = 0;
	inst = open_store(&conf);
	assert_content(inst, "", "");
	ops()->destroy(inst);
}

/* ---- kill -9 ------------------------------------------------------------------- */

enum { N_KEYS = 5, VALUE_SIZE = 3000 };

/* Batch i sets every key of a group to i (and a long tail made of i), and adds
 * one record of its own. Its number goes down the pipe when it is complete. */
static void writer(int pipe_fd, uint32_t first)
{
	void *inst = NULL;
	struct mz_err err;
	static unsigned char value[N_KEYS][VALUE_SIZE];
	if (ops()->create(&host, &conf, &inst, &err) < 0)
		_exit(1);
	for (uint32_t i = first;; i++) {
		struct mz_store_change v[N_KEYS + 1];
		char key[N_KEYS][24], own[16];
		for (int k = 0; k < N_KEYS; k++) {
			snprintf(key[k], sizeof(key[k]), "group/%d", k);
			memset(value[k], (int)(i & 0xff), VALUE_SIZE);
			memcpy(value[k], &i, sizeof(i));
			v[k] = (struct mz_store_change){key[k], {value[k], VALUE_SIZE}};
		}
		snprintf(own, sizeof(own), "own/%08u", i);
		v[N_KEYS] = (struct mz_store_change){own, {&i, sizeof(i)}};
		struct mz_op op = {0};
		w.n_order = MAX_JOBS;
		ops()->apply(inst, 1, v, N_KEYS + 1, &op);
		run_jobs();
		if (op.n_done != 1 || op.err.code || write(pipe_fd, &i, sizeof(i)) != sizeof(i))
			_exit(1);
	}
}

struct survivors {
	uint32_t group, n_group, last_own;
};

static int check_survivor(void *arg, const char *key, struct mz_bytes v)
{
	struct survivors *s = arg;
	uint32_t i;
	assert_true(v.size >= sizeof(i));
	memcpy(&i, v.data, sizeof(i));
	if (strncmp(key, "own/", 4) == 0) {
		assert_int_equal(i, s->last_own + 1); /* none is missing */
		s->last_own = i;
		return 0;
	}
	assert_int_equal(v.size, VALUE_SIZE);
	for (size_t b = sizeof(i); b < v.size; b++)
		assert_int_equal(((const unsigned char *)v.data)[b], i & 0xff);
	if (s->n_group++)
		assert_int_equal(i, s->group); /* all of one batch */
	s->group = i;
	return 0;
}

static void kill_9_loses_nothing(void **state)
{
	(void)state;
	uint32_t last = 0;
	for (int round = 0; round < 20; round++) {
		int fds[2];
		assert_int_equal(pipe(fds), 0);
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			close(fds[0]);
			writer(fds[1], last + 1);
		}
		close(fds[1]);
		uint32_t i = 0, completed = last;
		for (int n = 0; n < 3 + round * 7; n++) {
			assert_int_equal(read(fds[0], &i, sizeof(i)), sizeof(i));
			completed = i;
		}
		kill(pid, SIGKILL);
		while (read(fds[0], &i, sizeof(i)) == sizeof(i))
			completed = i;
		close(fds[0]);
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));

		struct survivors s = {0};
		struct mz_err err;
		void *inst = open_store(&conf);
		assert_int_equal(ops()->each(inst, "", check_survivor, &s, &err), 0);
		ops()->destroy(inst);
		assert_int_equal(s.n_group, N_KEYS);
		assert_int_equal(s.group, s.last_own);
		assert_true(s.group == completed || s.group == completed + 1);
		last = s.group;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reopen_keeps_content_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(limits_are_checked_and_atomic, setup, teardown),
		cmocka_unit_test_setup_teardown(map_grows, setup, teardown),
		cmocka_unit_test_setup_teardown(second_owner_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_places_are_named, setup, teardown),
		cmocka_unit_test_setup_teardown(batches_complete_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(destroy_with_batches_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(kill_9_loses_nothing, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
