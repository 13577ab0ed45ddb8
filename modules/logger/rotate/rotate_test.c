/* rotate_test.c - logger/rotate with the real mezzo-logger: what a container writes is
 * what lies in its sandbox, however often it is rotated and whatever is in the way.
 * SPDX-License-Identifier: Apache-2.0 */
#include "rotate_world.h"

/* All files of a stream, oldest first; *ret_files counts them. */
static size_t collect(const char *stream, int packed, char *to, size_t room, int whole_lines, int64_t max, int *ret_files)
{
	char name[64];
	size_t n = 0;
	int files = 0;
	for (int i = 1000; i >= 0; i--) {
		snprintf(name, sizeof(name), i ? packed ? "%s.%d.gz" : "%s.%d" : "%s", stream, i);
		size_t k = slurp(name, to + n, room - n);
		if (k == SIZE_MAX)
			continue;
		files++;
		n += k;
		assert_true((int64_t)k <= max + ROTATE_PAGE);
		if (whole_lines && k)
			assert_int_equal(to[n - 1], '\n');
	}
	*ret_files = files;
	return n;
}

static void nothing_is_lost(void **state)
{
	static char got[1 << 20];
	enum { N = 500000 };
	int n_files;
	(void)state;
	char *text = make_text(N, 300);
	start("max_stdout_size: 4096, max_stdout_files: 1000, max_stderr_files: 1");
	put(t.err, "to stderr", 9);
	for (size_t i = 0; i < N;) { /* lines come in pieces */
		size_t k = i % 997 + 1;
		k = k < N - i ? k : N - i;
		put(t.out, text + i, k);
		i += k;
	}
	end();
	assert_int_equal(collect("stdout", 0, got, sizeof(got), 1, 4096, &n_files), N);
	assert_memory_equal(got, text, N);
	assert_true(n_files > N / 8192);
	assert_int_equal(slurp("stderr", got, sizeof(got)), 9);
	assert_memory_equal(got, "to stderr", 9);
	assert_int_equal(access(at("stderr.1"), F_OK), -1);
	free(text);
}

static void files_end_at_a_line(void **state)
{
	static char got[1 << 20];
	int n_files;
	(void)state;
	char *text = make_text(60000, 200);
	start("max_stdout_size: 4096, max_stdout_files: 1000");
	put(t.out, text, 60000);
	end();
	assert_int_equal(collect("stdout", 0, got, sizeof(got), 1, 4096, &n_files), 60000);
	assert_memory_equal(got, text, 60000);
	free(text);
}

static void a_line_longer_than_a_file(void **state)
{
	static char text[30000], got[1 << 17];
	int n_files;
	(void)state;
	memset(text, 'x', sizeof(text));
	start("max_stdout_size: 4096, max_stdout_files: 100");
	put(t.out, text, sizeof(text));
	end();
	assert_int_equal(collect("stdout", 0, got, sizeof(got), 0, 4096, &n_files), sizeof(text));
	assert_int_equal(n_files, 7);
}

static void the_oldest_go(void **state)
{
	static char got[1 << 17];
	int n_files;
	(void)state;
	char *text = make_text(100000, 80);
	start("max_stdout_size: 4096, max_stdout_files: 2, max_stderr_size: 4096, max_stderr_files: 0");
	put(t.out, text, 100000);
	put(t.err, text, 100000);
	end();
	size_t n = collect("stdout", 0, got, sizeof(got), 1, 4096, &n_files);
	assert_int_equal(n_files, 3);
	assert_memory_equal(got, text + 100000 - n, n);
	n = collect("stderr", 0, got, sizeof(got), 1, 4096, &n_files);
	assert_int_equal(n_files, 1);
	assert_memory_equal(got, text + 100000 - n, n);
	free(text);
}

static void compresses(void **state)
{
	static char got[1 << 20];
	int n_files;
	(void)state;
	char *text = make_text(200000, 80);
	start("max_stdout_size: 8KB, max_stdout_files: 100, compress: true");
	put(t.out, text, 200000);
	end();
	assert_int_equal(collect("stdout", 1, got, sizeof(got), 1, 8192, &n_files), 200000);
	assert_memory_equal(got, text, 200000);
	struct stat st;
	assert_int_equal(stat(at("stdout.3.gz"), &st), 0);
	assert_true(st.st_size < 4096);
	assert_int_equal(access(at("stdout.3"), F_OK), -1);
	assert_int_equal(access(at("stdout.1.gz.tmp"), F_OK), -1);
	free(text);
}

static int is_drained(int fd)
{
	int n = -1;
	assert_int_equal(ioctl(fd, FIONREAD, &n), 0);
	return n == 0;
}

static void timestamps(void **state)
{
	char got[256];
	(void)state;
	start("timestamps: true");
	put(t.out, "one", 3);
	while (!is_drained(t.out)) /* a line may come in pieces */
		sched_yield();
	put(t.out, " line\nand\n", 10);
	end();
	size_t n = slurp("stdout", got, sizeof(got) - 1);
	got[n] = '\0';
	assert_int_equal(n, 28 + 9 + 28 + 4);
	int year, month, day, hour, minute, second, micro;
	char rest[32];
	assert_int_equal(sscanf(got, "%4d-%2d-%2dT%2d:%2d:%2d.%6dZ %31[^\n]", &year, &month, &day, &hour, &minute,
				&second, &micro, rest), 8);
	assert_string_equal(rest, "one line");
	assert_true(year > 2000 && month <= 12 && day <= 31 && hour < 24 && minute < 60 && second <= 60);
	assert_string_equal(got + 28 + 9 + 28, "and\n");
}

/* What cannot be compressed stays as it is. */
static void compression_fails(void **state)
{
	static char got[1 << 17];
	(void)state;
	char *text = make_text(100000, 80);
	start("max_stdout_size: 64KB, compress: true");
	assert_int_equal(mkdir(at("stdout.1.gz.tmp"), 0755), 0);
	put(t.out, text, 100000);
	end();
	size_t n = slurp("stdout.1", got, sizeof(got));
	assert_true(n <= 65536 + ROTATE_PAGE);
	n += slurp("stdout", got + n, sizeof(got) - n);
	assert_int_equal(n, 100000);
	assert_memory_equal(got, text, n);
	assert_int_equal(access(at("stdout.1.gz"), F_OK), -1);
	free(text);
}

/* ---- overrides ----------------------------------------------------------------------------- */

static void container_overrides(void **state)
{
	struct options o = {{1, 1}, {2, 2}, 0, 0};
	struct mz_err err;
	(void)state;
	load("");
	static const char *const env[] = {"CONTAINER_LOGGER_MAX_STDERR_FILES=7", "CONTAINER_LOGGER_MAX_STDOUT_SIZE=1GB", NULL};
	t.c->env = env;
	t.c->command = mz_kit_info(t.kit, "{value: x, environment: {variables: ["
					  "{name: CONTAINER_LOGGER_MAX_STDOUT_SIZE, value: 64KB},"
					  "{name: CONTAINER_LOGGER_COMPRESS, value: 'true'},"
					  "{name: CONTAINER_LOGGER_LOGROTATE_STDOUT_OPTIONS, value: \"daily\\n rotate 9\"}]}}");
	assert_int_equal(override_apply(t.c, "CONTAINER_LOGGER_", &o, &err), 0);
	assert_int_equal(o.out.size, 65536);
	assert_int_equal(o.out.n_files, 9);
	assert_int_equal(o.err.size, 2);
	assert_int_equal(o.err.n_files, 7);
	assert_true(o.compress);
	assert_false(o.timestamps);
	o.out.n_files = 3;
	assert_int_equal(override_apply(t.c, "OTHER_", &o, &err), 0);
	assert_int_equal(o.out.n_files, 3);
}

/* Each by itself; the settings are 1:2 and 3:4, neither compressed nor with times. */
static void each_override(void **state)
{
	static const struct {
		const char *variable;
		struct options want;
	} rows[] = {
		{"X_MAX_STDOUT_SIZE=8KB", {{8192, 2}, {3, 4}, 0, 0}},
		{"X_MAX_STDERR_SIZE=8KB", {{1, 2}, {8192, 4}, 0, 0}},
		{"X_MAX_STDOUT_FILES=0", {{1, 0}, {3, 4}, 0, 0}},
		{"X_MAX_STDERR_FILES=1000", {{1, 2}, {3, 1000}, 0, 0}},
		{"X_MAX_FILES=7", {{1, 7}, {3, 7}, 0, 0}},
		{"X_COMPRESS=true", {{1, 2}, {3, 4}, 1, 0}},
		{"X_TIMESTAMPS=true", {{1, 2}, {3, 4}, 0, 1}},
		{"X_LOGROTATE_STDOUT_OPTIONS=compress\n\trotate 8\ndateext", {{1, 8}, {3, 4}, 1, 0}},
		{"X_LOGROTATE_STDERR_OPTIONS=rotate 9\ncompress\nnocompress", {{1, 2}, {3, 9}, 0, 0}},
		{"X_LOGROTATE_STDERR_OPTIONS=rotate 1001\ncompressed\nrotated 3", {{1, 2}, {3, 4}, 0, 0}},
	};
	(void)state;
	load("");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *const env[] = {rows[i].variable, NULL};
		struct options o = {{1, 2}, {3, 4}, 0, 0};
		struct mz_err err;
		t.c->env = env;
		assert_int_equal(override_apply(t.c, "X_", &o, &err), 0);
		if (memcmp(&o, &rows[i].want, sizeof(o)) != 0)
			fail_msg("%s: %lld:%lld %lld:%lld %d %d", rows[i].variable, (long long)o.out.size, (long long)o.out.n_files,
				 (long long)o.err.size, (long long)o.err.n_files, o.compress, o.timestamps);
	}
}

static void bad_overrides_fail_the_launch(void **state)
{
	static const struct {
		const char *variable, *message;
	} bad[] = {
		{"CONTAINER_LOGGER_MAX_STDOUT_SIZE=4095B",
		 "Variable 'CONTAINER_LOGGER_MAX_STDOUT_SIZE' is '4095B': the least is one page, 4096 bytes"},
		{"CONTAINER_LOGGER_MAX_STDERR_SIZE=ten",
		 "Variable 'CONTAINER_LOGGER_MAX_STDERR_SIZE' is 'ten', which is no size (10MB, 512KB …)"},
		{"CONTAINER_LOGGER_MAX_STDERR_SIZE=99999999TB",
		 "Variable 'CONTAINER_LOGGER_MAX_STDERR_SIZE' is '99999999TB', which is no size (10MB, 512KB …)"},
		{"CONTAINER_LOGGER_MAX_FILES=1001",
		 "Variable 'CONTAINER_LOGGER_MAX_FILES' is '1001', which is no number from 0 to 1000"},
		{"CONTAINER_LOGGER_COMPRESS=yes",
		 "Variable 'CONTAINER_LOGGER_COMPRESS' is 'yes', which is neither true nor false"},
	};
	(void)state;
	load("");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *const env[] = {bad[i].variable, NULL};
		t.c->env = env;
		assert_int_equal(prepare(), -EINVAL);
		assert_string_equal(t.r.err.msg, bad[i].message);
	}
}

/* ---- what is in the way ------------------------------------------------------------------- */

static void follows_no_link(void **state)
{
	(void)state;
	load("");
	char target[512];
	snprintf(target, sizeof(target), "%s/target", mz_kit_dir(t.kit));
	assert_int_equal(symlink(target, at("stdout")), 0);
	assert_int_equal(prepare(), -ELOOP);
	assert_non_null(strstr(t.r.err.msg, "Cannot open for the container's output 'stdout'"));
	assert_int_equal(access(target, F_OK), -1);
	assert_int_equal(unlink(at("stdout")), 0);
	assert_int_equal(mkfifo(at("stdout"), 0666), 0);
	assert_int_equal(prepare(), -ENXIO); /* and is not waited for */
}

static void sandbox_is_no_link(void **state)
{
	(void)state;
	char real[512];
	load("");
	snprintf(real, sizeof(real), "%s.moved", t.c->sandbox);
	assert_int_equal(rename(t.c->sandbox, real), 0);
	assert_int_equal(prepare(), -ENOENT);
	assert_int_equal(symlink(real, t.c->sandbox), 0);
	assert_int_equal(prepare(), -ELOOP);
}

static void obstacles_lose_nothing(void **state)
{
	static char got[1 << 20];
	(void)state;
	char *text = make_text(100000, 80);
	start("max_stdout_size: 4096, max_stdout_files: 1000");
	assert_int_equal(mkdir(at("stdout.1"), 0755), 0);
	put(t.out, text, 100000);
	end();
	/* stdout.1 is renamed as any other name; the way is free again after one round. */
	size_t n = 0;
	char name[64];
	for (int i = 1000; i >= 0; i--) {
		struct stat st;
		snprintf(name, sizeof(name), i ? "stdout.%d" : "stdout", i);
		if (stat(at(name), &st) < 0 || S_ISDIR(st.st_mode))
			continue;
		n += slurp(name, got + n, sizeof(got) - n);
	}
	assert_int_equal(n, 100000);
	assert_memory_equal(got, text, n);
	free(text);
}

static void obstacle_at_the_end_loses_nothing(void **state)
{
	static char got[1 << 20];
	(void)state;
	char *text = make_text(100000, 80);
	start("max_stdout_size: 4096, max_stdout_files: 1");
	assert_int_equal(mkdir(at("stdout.1"), 0755), 0); /* can be neither removed nor replaced */
	put(t.out, text, 100000);
	end();
	assert_int_equal(slurp("stdout", got, sizeof(got)), 100000);
	assert_memory_equal(got, text, 100000);
	free(text);
}

static int has_stderr(void)
{
	struct stat st;
	return stat(at("stderr"), &st) == 0 && st.st_size > 0;
}

static void limit_files(pid_t pid, rlim_t soft)
{
	struct rlimit l;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &l), 0);
	l.rlim_cur = soft < l.rlim_max ? soft : l.rlim_max;
	assert_int_equal(prlimit(pid, RLIMIT_FSIZE, &l, NULL), 0);
}

/* As when the disk is full: the container goes on, and the file tells of it. */
static void a_failed_write_is_told(void **state)
{
	static char got[65536];
	(void)state;
	char *text = make_text(20000, 50);
	start("");
	pid_t pid = only_child();
	limit_files(pid, 8192);
	put(t.out, text, 20000);
	while (!is_drained(t.out))
		sched_yield();
	put(t.err, "x", 1); /* is looked at after what was read before */
	while (!has_stderr())
		sched_yield();
	limit_files(pid, RLIM_INFINITY);
	put(t.out, "after\n", 6);
	end();
	static const char note[] = "[11808 bytes of output are missing here: File too large]\nafter\n";
	size_t n = slurp("stdout", got, sizeof(got) - 1);
	got[n] = '\0';
	assert_memory_equal(got, text, 8192);
	assert_string_equal(got + 8192 + (got[8192] == '\n'), note);
	free(text);
}

static void becomes_the_owner(void **state)
{
	struct stat st;
	(void)state;
	if (geteuid() != 0) {
		print_message("only root can become another user\n");
		skip();
	}
	load("max_stdout_size: 4096");
	assert_int_equal(chown(t.c->sandbox, 65534, 65534), 0);
	assert_int_equal(prepare(), 0);
	char line[256], *text = make_text(9000, 50);
	snprintf(line, sizeof(line), "/proc/%d/status", only_child());
	FILE *f = fopen(line, "r");
	int seen = 0;
	while (f && fgets(line, sizeof(line), f)) {
		seen += !strcmp(line, "Uid:\t65534\t65534\t65534\t65534\n");
		seen += !strcmp(line, "Groups:\t \n");
		seen += !strcmp(line, "CapEff:\t0000000000000000\n");
	}
	fclose(f);
	assert_int_equal(seen, 3);
	put(t.out, text, 9000);
	end();
	free(text);
	assert_int_equal(stat(at("stdout.1"), &st), 0);
	assert_int_equal(st.st_uid, 65534);
	assert_int_equal(st.st_mode & 07777, 0644);
}

static void a_missing_helper_is_named(void **state)
{
	struct mz_err err;
	(void)state;
	t.kit = mz_kit_new();
	assert_int_equal(mz_kit_add(t.kit, &mz_module, "{helper: /nowhere/mezzo-logger}", &t.m, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "Cannot execute '/nowhere/mezzo-logger'"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_lost),
		TEST(files_end_at_a_line),
		TEST(a_line_longer_than_a_file),
		TEST(the_oldest_go),
		TEST(compresses),
		TEST(compression_fails),
		TEST(timestamps),
		TEST(container_overrides),
		TEST(each_override),
		TEST(bad_overrides_fail_the_launch),
		TEST(follows_no_link),
		TEST(sandbox_is_no_link),
		TEST(obstacles_lose_nothing),
		TEST(obstacle_at_the_end_loses_nothing),
		TEST(a_failed_write_is_told),
		TEST(becomes_the_owner),
		TEST(a_missing_helper_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
