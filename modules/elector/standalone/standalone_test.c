/* standalone_test.c - the elector of one master: epochs count up and are
 * durable before anyone is told; addresses are parsed or refused by name.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define MZ_MODULE_ABI 1
#include <mezzo/elector.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

extern const struct mz_module mz_module;

/* One timer and one storage write are all that the module ever has pending. */
struct mz_timer {
	void (*fn)(void *);
	void *arg;
};

static struct {
	struct mz_timer timer;
	char stored[64], written[64];
	void (*write_fn)(void *arg, const struct mz_err *err);
	void *write_arg;
	int n_leader, n_elected, n_lost;
	uint64_t epoch;
	uint16_t port, link_port;
	char id[64], ip[64], hostname[64], version[64], json[512], why[400];
} w;

static struct mz_timer *fake_timer(const struct mz_host *h, int64_t delay_ns, void (*fn)(void *), void *arg)
{
	(void)h;
	assert_int_equal(delay_ns, 0);
	assert_null(w.timer.fn);
	w.timer = (struct mz_timer){fn, arg};
	return &w.timer;
}

static void fake_timer_cancel(const struct mz_host *h, struct mz_timer *t)
{
	(void)h;
	if (t)
		t->fn = NULL;
}

static void run_timer(void)
{
	void (*fn)(void *) = w.timer.fn;
	w.timer.fn = NULL;
	if (fn)
		fn(w.timer.arg);
}

static int fake_storage_get(const struct mz_host *h, const char *key, struct mz_bytes *ret)
{
	(void)h;
	assert_string_equal(key, "epoch");
	if (!*w.stored)
		return -ENOENT;
	*ret = (struct mz_bytes){w.stored, strlen(w.stored)};
	return 0;
}

static void fake_storage_put(const struct mz_host *h, const char *key, struct mz_bytes v,
			     void (*fn)(void *, const struct mz_err *), void *arg)
{
	(void)h;
	assert_string_equal(key, "epoch");
	assert_true(v.size < sizeof(w.written));
	memcpy(w.written, v.data, v.size);
	w.written[v.size] = '\0';
	w.write_fn = fn;
	w.write_arg = arg;
}

static void finish_write(const struct mz_err *err)
{
	assert_non_null(w.write_fn);
	if (!err)
		strcpy(w.stored, w.written);
	w.write_fn(w.write_arg, err);
	w.write_fn = NULL;
}

static void fake_leader(const struct mz_host *h, const struct mz_master_info *m)
{
	(void)h;
	w.n_leader++;
	w.port = m->port;
	w.link_port = m->link_port;
	snprintf(w.id, sizeof(w.id), "%s", m->id);
	snprintf(w.ip, sizeof(w.ip), "%s", m->ip);
	snprintf(w.hostname, sizeof(w.hostname), "%s", m->hostname);
	snprintf(w.version, sizeof(w.version), "%s", m->version);
	snprintf(w.json, sizeof(w.json), "%s", m->json);
}

static void fake_elected(const struct mz_host *h, uint64_t epoch)
{
	(void)h;
	w.n_elected++;
	w.epoch = epoch;
}

static void fake_lost(const struct mz_host *h, const char *why)
{
	(void)h;
	w.n_lost++;
	snprintf(w.why, sizeof(w.why), "%s", why);
}

static const struct mz_elector_host kind = {
	.size = sizeof(kind), .leader = fake_leader, .elected = fake_elected, .lost = fake_lost};
static const struct mz_host host = {
	.size = sizeof(host),
	.timer = fake_timer,
	.timer_cancel = fake_timer_cancel,
	.storage_get = fake_storage_get,
	.storage_put = fake_storage_put,
	.kind = &kind,
};

static const struct mz_elector_ops *ops(void)
{
	return (const struct mz_elector_ops *)mz_module.ops;
}

static void *new_elector(void)
{
	struct mz_err err;
	void *inst = NULL;
	assert_int_equal(ops()->create(&host, NULL, &inst, &err), 0);
	return inst;
}

static int reset(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	return 0;
}

static const struct mz_master_info self = {
	.size = sizeof(self),
	.port = 5050,
	.link_port = 5051,
	.id = "m1",
	.ip = "10.0.0.1",
	.hostname = "one",
	.version = "0.1",
	.json = "{}",
};

static void master_leads_with_growing_epoch(void **state)
{
	(void)state;
	for (uint64_t n = 1; n <= 12; n++) {
		struct mz_err err;
		void *inst = new_elector();
		assert_int_equal(ops()->detect(inst, NULL, &err), 0);
		assert_int_equal(ops()->contend(inst, &self, &err), 0);
		run_timer();
		assert_int_equal(w.n_elected, n - 1); /* not before it is durable */
		finish_write(NULL);
		assert_int_equal(w.n_elected, n);
		assert_int_equal(w.epoch, n);
		run_timer();
		assert_int_equal(w.n_leader, n);
		assert_string_equal(w.id, "m1");
		assert_string_equal(w.hostname, "one");
		assert_int_equal(w.link_port, 5051);
		assert_int_equal(ops()->contend(inst, &self, &err), -EALREADY);
		assert_int_equal(ops()->detect(inst, NULL, &err), -EALREADY);
		ops()->destroy(inst);
	}
	assert_string_equal(w.stored, "12");
	assert_int_equal(w.n_lost, 0);
}

static void failed_write_loses(void **state)
{
	(void)state;
	struct mz_err err;
	const struct mz_err full = {-ENOSPC, "No space left on device"};
	void *inst = new_elector();
	assert_int_equal(ops()->contend(inst, &self, &err), 0);
	finish_write(&full);
	run_timer();
	assert_int_equal(w.n_elected + w.n_leader, 0);
	assert_int_equal(w.n_lost, 1);
	assert_non_null(strstr(w.why, "No space left"));
	ops()->destroy(inst);
}

static void garbage_in_storage_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"x", "-1", "1 ", "99999999999999999999"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct mz_err err = {0};
		void *inst = new_elector();
		strcpy(w.stored, bad[i]);
		assert_int_equal(ops()->contend(inst, &self, &err), -EBADMSG);
		assert_non_null(strstr(err.msg, "epoch"));
		ops()->destroy(inst);
	}
}

static void destroy_while_writing(void **state)
{
	(void)state;
	struct mz_err err;
	void *inst = new_elector();
	assert_int_equal(ops()->contend(inst, &self, &err), 0);
	ops()->destroy(inst);
	finish_write(NULL);
	run_timer();
	assert_int_equal(w.n_elected + w.n_leader + w.n_lost, 0);
	ops()->destroy(NULL);
}

static void agent_believes_one_address(void **state)
{
	(void)state;
	static const struct {
		const char *address, *ip, *hostname;
		uint16_t port;
	} rows[] = {
		{"127.0.0.1:5050", "127.0.0.1", "127.0.0.1", 5050},
		{"master.example:80", "", "master.example", 80},
		{"my_host-2:65535", "", "my_host-2", 65535},
		{"[::1]:5050", "::1", "::1", 5050},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mz_err err;
		void *inst = new_elector();
		assert_int_equal(ops()->detect(inst, rows[i].address, &err), 0);
		assert_int_equal(w.n_leader, i); /* not from inside detect */
		run_timer();
		assert_int_equal(w.n_leader, i + 1);
		assert_string_equal(w.ip, rows[i].ip);
		assert_string_equal(w.hostname, rows[i].hostname);
		assert_int_equal(w.port, rows[i].port);
		assert_non_null(strstr(w.json, rows[i].hostname));
		ops()->destroy(inst);
	}
	assert_string_equal(w.json, "{\"address\":{\"hostname\":\"::1\",\"ip\":\"::1\",\"port\":5050},"
				    "\"hostname\":\"::1\",\"pid\":\"master@[::1]:5050\",\"port\":5050}");
}

static void bad_addresses_are_named(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",	   "host",	 "host:",     ":5050",	      "host:0",	       "host:65536",
		"host:5x", "host:-1",	 "ho st:1",   "http://h:1",   "zk://h:2181/m", "::1:5050",
		"[::1]",   "[::1]x:1",	 "[host]:80", "host:5050/",   "ho\"st:80",     "-h:80",
		"[:1",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct mz_err err = {0};
		void *inst = new_elector();
		assert_int_equal(ops()->detect(inst, bad[i], &err), -EINVAL);
		assert_int_equal(err.code, -EINVAL);
		char quoted[64];
		snprintf(quoted, sizeof(quoted), "'%s'", bad[i]);
		assert_non_null(strstr(err.msg, quoted));
		run_timer();
		assert_int_equal(w.n_leader, 0);
		ops()->destroy(inst);
	}
	char longer[400];
	struct mz_err err = {0};
	void *inst = new_elector();
	memset(longer, 'a', sizeof(longer));
	strcpy(longer + sizeof(longer) - 6, ":5050");
	assert_int_equal(ops()->detect(inst, longer, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "too long"));
	ops()->destroy(inst);
}

static void destroy_before_report(void **state)
{
	(void)state;
	struct mz_err err;
	void *inst = new_elector();
	assert_int_equal(ops()->detect(inst, "h:1", &err), 0);
	ops()->destroy(inst);
	run_timer();
	assert_int_equal(w.n_leader, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(master_leads_with_growing_epoch, reset),
		cmocka_unit_test_setup(failed_write_loses, reset),
		cmocka_unit_test_setup(garbage_in_storage_is_refused, reset),
		cmocka_unit_test_setup(destroy_while_writing, reset),
		cmocka_unit_test_setup(agent_believes_one_address, reset),
		cmocka_unit_test_setup(bad_addresses_are_named, reset),
		cmocka_unit_test_setup(destroy_before_report, reset),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
