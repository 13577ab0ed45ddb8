/* posix_mem_test.c - measures this process and its children.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../fake_host.h"

#include <errno.h>
#include <unistd.h>

#include "../proc_tree.h"

static void measures_itself(void **state)
{
	(void)state;
	fake_reset();
	void *inst = fake_create();
	struct mz_container c = {.size = sizeof(c), .id = "c1", .pid = getpid()};
	c.resources = (const struct mz_resources *)&fake;
	fake_ops()->usage(inst, &c, NULL, NULL);
	fake_run();
	assert_int_equal(fake.n_done, 1);
	assert_int_equal(fake.code, 0);
	assert_true(fake_value("mem_rss_bytes") > 100 * 1024);
	assert_true(fake_value("mem_soft_limit_bytes") == 1.5 * 1048576);
	assert_true(fake_value("mem_limit_bytes") == 1.5 * 1048576);
	fake_ops()->destroy(inst);
}

static void limits_of_their_own(void **state)
{
	(void)state;
	fake_reset();
	void *inst = fake_create();
	struct mz_container c = {.size = sizeof(c), .id = "c1", .pid = getpid(), .limit_mem = 3000};
	c.resources = (const struct mz_resources *)&fake;
	fake_ops()->usage(inst, &c, NULL, NULL);
	fake_run();
	assert_true(fake_value("mem_limit_bytes") == 3.0 * 1048576);
	fake_reset();
	c.limit_mem = -1;
	fake_ops()->usage(inst, &c, NULL, NULL);
	fake_run();
	assert_true(fake_value("mem_limit_bytes") == -1);
	fake_ops()->destroy(inst);
}

static void memory_is_counted(void **state)
{
	(void)state;
	struct proc_totals a, b;
	assert_int_equal(proc_totals(getpid(), &a), 0);
	size_t size = 8 << 20;
	char *p = malloc(size);
	assert_non_null(p);
	memset(p, 1, size);
	assert_int_equal(proc_totals(getpid(), &b), 0);
	free(p);
	assert_true(b.rss_bytes - a.rss_bytes > 4 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(measures_itself),
		cmocka_unit_test(limits_of_their_own),
		cmocka_unit_test(memory_is_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
