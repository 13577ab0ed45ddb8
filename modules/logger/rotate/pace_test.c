/* pace_test.c - logger/rotate: a container that writes without end gets no more of the machine by its
 * logger than that has. How fast the machine is, or how busy, does not matter to these tests:
 * whatever processor time was used, so much time must have passed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "rotate_world.h"

#include <time.h>

/* What may be used at once, and what may be used before it is looked at again. */
enum { BURST_MS = 50, SLACK_MS = 30 };

static int64_t clock_ms(clockid_t clock)
{
	struct timespec now;
	return clock_gettime(clock, &now) < 0 ? -1 : (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* -1: it has ended. */
static int64_t used_ms(pid_t pid)
{
	clockid_t clock;
	return clock_getcpuclockid(pid, &clock) != 0 ? -1 : clock_ms(clock);
}

static void took_its_time(int64_t begin_ms, int64_t used, int one_in)
{
	assert_true(clock_ms(CLOCK_MONOTONIC) - begin_ms >= (used - BURST_MS - SLACK_MS) * one_in);
}

static void the_writer(void **state)
{
	(void)state;
	char *text = make_text(1 << 20, 200);
	int64_t begin = clock_ms(CLOCK_MONOTONIC), used = 0;
	start("max_stdout_size: 1MB");
	pid_t pid = only_child();
	while ((used = used_ms(pid)) < 250)
		put(t.out, text, 1 << 20);
	took_its_time(begin, used, 10);
	end();
	free(text);
}

static pid_t child_of(pid_t pid)
{
	char path[64];
	int child = 0;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	FILE *f = fopen(path, "r");
	if (f && fscanf(f, "%d", &child) != 1)
		child = 0;
	if (f)
		fclose(f);
	return child;
}

static void the_packer(void **state)
{
	(void)state;
	enum { FILE_MB = 64 };
	char *text = make_text(1 << 20, 200);
	int64_t begin = 0, used = 0, most = 0;
	start("max_stdout_size: 64MB, compress: true");
	pid_t logger = only_child(), pid;
	for (int i = 0; i <= FILE_MB; i++)
		put(t.out, text, 1 << 20);
	while (!(pid = child_of(logger)))
		sched_yield();
	begin = clock_ms(CLOCK_MONOTONIC) - used_ms(pid);
	while ((used = used_ms(pid)) >= 0 && used < 200) {
		most = used;
		sched_yield();
	}
	assert_true(used >= 200 || most > BURST_MS + SLACK_MS); /* there was something to do */
	took_its_time(begin, used >= 200 ? used : most, 4);
	end();
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_writer),
		TEST(the_packer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
