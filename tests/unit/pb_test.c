/* pb_test.c - unit tests of core/wire/pb.
 * SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mesos/v1/quota.pb-c.h"
#include "mesos/v1/scheduler.pb-c.h"
#include "messages.h"
#include "wire/fields.h"

static void test_every_message_round_trips(void **state)
{
	uint64_t seed = 7;
	(void)state;
	assert_true(n_all_messages > 350);
	for (size_t i = 0; i < n_all_messages; i++) {
		for (int round = 0; round < 3; round++) {
			mz_autoarena struct arena a = {0};
			struct mz_err err = {0};
			pb_msg *m = message_random(all_messages[i], &a, &seed);
			struct mz_bytes bytes = pb_encode_arena(m, &a);
			pb_msg *back = pb_decode(all_messages[i], &a, bytes.data, bytes.size, &err);
			if (!back)
				fail_msg("%s: %s", all_messages[i]->name, err.msg);
			if (!pb_equal(m, back))
				fail_msg("%s changed", all_messages[i]->name);
		}
	}
}

static void test_copy_is_deep(void **state)
{
	uint64_t seed = 11;
	(void)state;
	for (size_t i = 0; i < n_all_messages; i++) {
		mz_autoarena struct arena b = {0};
		mz_autobuf struct buf before = {0}, after = {0};
		pb_msg *copy;
		{
			mz_autoarena struct arena a = {0};
			pb_msg *m = message_random(all_messages[i], &a, &seed);
			copy = pb_copy(m, &b);
			assert_true(pb_equal(m, copy));
			pb_encode(m, &before);
		}
		/* The source is gone: a shared pointer would read freed memory. */
		pb_encode(copy, &after);
		assert_int_equal(before.len, after.len);
		assert_memory_equal(buf_str(&before), buf_str(&after), before.len);
	}
}

static void test_copy_keeps_unknown_fields(void **state)
{
	mz_autoarena struct arena a = {0};
	mz_autobuf struct buf out = {0};
	static const uint8_t bytes[] = "\x0a\x01x\x9a\x3f\x03new\xa0\x3f\x07";
	(void)state;
	pb_msg *m = pb_decode(&mesos__v1__task_id__descriptor, &a, bytes, sizeof(bytes) - 1, NULL);
	assert_non_null(m);
	pb_encode(pb_copy(m, &a), &out);
	assert_int_equal(out.len, sizeof(bytes) - 1);
	assert_memory_equal(out.data, bytes, out.len);
}

static void test_equal_sees_each_difference(void **state)
{
	mz_autoarena struct arena a = {0};
	Mesos__V1__FrameworkInfo *x = PB_NEW(&a, Mesos__V1__FrameworkInfo, mesos__v1__framework_info);
	(void)state;
	x->user = (char *)"u", x->name = (char *)"n";
	Mesos__V1__FrameworkInfo *y = (void *)pb_copy(&x->base, &a);
	assert_true(pb_equal(&x->base, &y->base));
	y->name = (char *)"m";
	assert_false(pb_equal(&x->base, &y->base));
	y->name = x->name;
	/* Set to the default is not unset. */
	y->role = (char *)"*";
	assert_false(pb_equal(&x->base, &y->base));
	y->role = x->role;
	y->has_checkpoint = 1;
	assert_false(pb_equal(&x->base, &y->base));
	x->has_checkpoint = 1;
	assert_true(pb_equal(&x->base, &y->base));
	y->checkpoint = 1;
	assert_false(pb_equal(&x->base, &y->base));
	y->checkpoint = 0;
	char *roles[] = {(char *)"a", (char *)"b"}, *selor[] = {(char *)"b", (char *)"a"};
	x->roles = roles, x->n_roles = 2;
	y->roles = selor, y->n_roles = 2;
	assert_false(pb_equal(&x->base, &y->base));
	y->roles = roles;
	assert_true(pb_equal(&x->base, &y->base));
	y->n_roles = 1;
	assert_false(pb_equal(&x->base, &y->base));
}

static void test_maps_are_equal_in_any_order(void **state)
{
	mz_autoarena struct arena a = {0};
	Mesos__V1__Value__Scalar one = MESOS__V1__VALUE__SCALAR__INIT, two = MESOS__V1__VALUE__SCALAR__INIT;
	Mesos__V1__TaskInfo__LimitsEntry c = MESOS__V1__TASK_INFO__LIMITS_ENTRY__INIT, d = c;
	Mesos__V1__TaskInfo__LimitsEntry *cd[] = {&c, &d}, *dc[] = {&d, &c};
	(void)state;
	one.value = 1, two.value = 2;
	c.key = (char *)"cpus", c.value = &one;
	d.key = (char *)"disk", d.value = &two;
	Mesos__V1__TaskInfo *x = PB_NEW(&a, Mesos__V1__TaskInfo, mesos__v1__task_info);
	Mesos__V1__TaskInfo *y = PB_NEW(&a, Mesos__V1__TaskInfo, mesos__v1__task_info);
	x->limits = cd, y->limits = dc;
	x->n_limits = y->n_limits = 2;
	assert_true(pb_equal(&x->base, &y->base));
	y->n_limits = 1;
	assert_false(pb_equal(&x->base, &y->base));
	Mesos__V1__TaskInfo__LimitsEntry e = d;
	e.value = &one;
	Mesos__V1__TaskInfo__LimitsEntry *ec[] = {&e, &c};
	y->limits = ec, y->n_limits = 2;
	assert_false(pb_equal(&x->base, &y->base));
}

struct bad {
	const pb_desc *desc;
	const char *bytes;
	size_t size;
	const char *msg;
};
#define BYTES(s) s, sizeof(s) - 1

static void test_bad_bytes(void **state)
{
	static const struct bad table[] = {
		{&mesos__v1__task_id__descriptor, BYTES(""), "Missing required field 'value'"},
		{&mesos__v1__task_id__descriptor, BYTES("\x0a\x05hi"), "value: Not a protobuf message: bad or truncated value"},
		{&mesos__v1__task_id__descriptor, BYTES("\x0a"), "value: Not a protobuf message: bad or truncated value"},
		{&mesos__v1__task_id__descriptor, BYTES("\x0a\x01\xff"), "value: Not UTF-8"},
		{&mesos__v1__task_id__descriptor, BYTES("\x0a\x03\xed\xa0\x80"), "value: Not UTF-8"},
		{&mesos__v1__task_id__descriptor, BYTES("\x0a\x03x\0y"), "value: NUL in a string"},
		{&mesos__v1__task_id__descriptor, BYTES("\x08\x01"), "value: Expected a string"},
		{&mesos__v1__task_id__descriptor, BYTES("\x80\x80\x80"), "Not a protobuf message: bad tag"},
		{&mesos__v1__task_id__descriptor, BYTES("\x00\x01"), "Not a protobuf message: bad tag"},
		{&mesos__v1__task_id__descriptor, BYTES("\x0a\x01x\x13"), "Not a protobuf message: bad or truncated value"},
		{&mesos__v1__task_id__descriptor, BYTES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"),
		 "value: Not a protobuf message: bad or truncated value"},
		/* type ACCEPT, accept { offer_ids {"a"} offer_ids {} } */
		{&mesos__v1__scheduler__call__descriptor, BYTES("\x10\x03\x22\x07\x0a\x03\x0a\x01"
								"a\x0a\x00"),
		 "Missing required field 'accept.offer_ids[1].value'"},
		/* map entries without a value, without a key */
		{&mesos__v1__quota__quota_config__descriptor, BYTES("\x0a\x01r\x1a\x03\x0a\x01k"),
		 "Missing required field 'limits[0].value'"},
		{&mesos__v1__quota__quota_config__descriptor, BYTES("\x0a\x01r\x1a\x00"),
		 "Missing required field 'limits[0].key'"},
		{&mesos__v1__scheduler__call__descriptor, BYTES("\x10\x03\x20\x07"), "accept: Expected a message"},
	};
	(void)state;
	for (size_t i = 0; i < MZ_N(table); i++) {
		mz_autoarena struct arena a = {0};
		struct mz_err err = {0};
		assert_null(pb_decode(table[i].desc, &a, table[i].bytes, table[i].size, &err));
		assert_string_equal(err.msg, table[i].msg);
		/* Nothing was taken before it was refused. */
		assert_int_equal(a.total, 0);
	}
}

static void test_truncated_anywhere(void **state)
{
	uint64_t seed = 3;
	mz_autoarena struct arena a = {0};
	(void)state;
	struct mz_bytes whole = pb_encode_arena(message_random(&mesos__v1__offer__descriptor, &a, &seed), &a);
	for (size_t n = 0; n < whole.size; n++) {
		mz_autoarena struct arena b = {0};
		mz_autobuf struct buf exact = {0}; /* so that asan sees a read too far */
		buf_add(&exact, whole.data, n);
		pb_decode(&mesos__v1__offer__descriptor, &b, buf_str(&exact), n, NULL);
	}
}

static pb_msg *decode_nested(struct arena *a, int depth, struct mz_err *err)
{
	mz_autobuf struct buf b = {0};
	for (int i = 0; i < depth; i++) {
		Mesos__V1__ContainerID id = MESOS__V1__CONTAINER_ID__INIT;
		mz_autobuf struct buf inner = b;
		b = (struct buf){0};
		id.value = (char *)"c";
		pb_encode(&id.base, &b);
		if (!i)
			continue;
		buf_addc(&b, 0x12);
		for (size_t n = inner.len; ; n >>= 7) {
			buf_addc(&b, (char)((n & 0x7f) | (n > 0x7f ? 0x80 : 0)));
			if (n <= 0x7f)
				break;
		}
		buf_add(&b, inner.data, inner.len);
	}
	return pb_decode(&mesos__v1__container_id__descriptor, a, b.data, b.len, err);
}

static void test_depth(void **state)
{
	mz_autoarena struct arena a = {0};
	struct mz_err err = {0};
	(void)state;
	assert_non_null(decode_nested(&a, PB_MAX_DEPTH, &err));
	assert_null(decode_nested(&a, PB_MAX_DEPTH + 2, &err));
	assert_non_null(strstr(err.msg, "Nested too deeply"));
}

/* Two bytes each, and a hundred times as much in memory. */
static void test_many_empty_messages(void **state)
{
	const pb_desc *d = &mesos__v1__container_info__descriptor;
	struct arena mz_autoarena a = {0};
	struct buf mz_autobuf b = {0};
	struct mz_err err;

	(void)state;
	buf_add(&b, "\x08\x02", 2);
	for (int i = 0; i < 10000; i++)
		buf_add(&b, "\x3a\x00", 2);
	const Mesos__V1__ContainerInfo *c = (void *)pb_decode(d, &a, b.data, b.len, &err);
	assert_non_null(c);
	assert_int_equal(c->n_network_infos, 10000);
	while (b.len < 4 << 20)
		buf_add(&b, "\x3a\x00", 2);
	assert_true(b.len / 2 * sizeof(Mesos__V1__NetworkInfo) > pb_room(b.len));
	assert_null(pb_decode(d, &a, b.data, b.len, &err));
	assert_non_null(strstr(err.msg, "network_infos["));
	assert_non_null(strstr(err.msg, "Too many messages"));
}

static void test_enums(void **state)
{
	int v = 0;
	(void)state;
	assert_string_equal(pb_enum_name(&mesos__v1__task_state__descriptor, MESOS__V1__TASK_STATE__TASK_RUNNING),
			    "TASK_RUNNING");
	assert_null(pb_enum_name(&mesos__v1__task_state__descriptor, 4711));
	assert_true(pb_enum_value(&mesos__v1__task_state__descriptor, "TASK_LOST", &v));
	assert_int_equal(v, MESOS__V1__TASK_STATE__TASK_LOST);
	assert_false(pb_enum_value(&mesos__v1__task_state__descriptor, "TASK_", &v));
}

static void test_fields_are_in_proto_order(void **state)
{
	const struct fields *fs = fields_of(&mesos__v1__framework_info__descriptor);
	(void)state;
	/* roles (12) stands between role (6) and hostname (7). */
	assert_string_equal(fs->v[5].f->name, "role");
	assert_string_equal(fs->v[6].f->name, "roles");
	assert_string_equal(fs->v[7].f->name, "hostname");
	for (size_t i = 0; i < n_all_messages; i++) {
		fs = fields_of(all_messages[i]);
		for (unsigned k = 0; k < fs->n; k++) {
			const char *name = fs->v[k].f->name;
			assert_ptr_equal(fields_find(fs, k, name, strlen(name)), &fs->v[k]);
			assert_ptr_equal(fields_find(fs, k + 1, name, strlen(name)), &fs->v[k]);
			const struct field_info *prefix = fields_find(fs, 0, name, strlen(name) - 1);
			assert_true(!prefix || prefix->name_len == strlen(name) - 1);
		}
		assert_null(fields_find(fs, 0, "no_such_field", 13));
	}
}

static void *ask_for_all(void *arg)
{
	const struct fields **got = arg;
	for (size_t i = 0; i < n_all_messages; i++)
		got[i] = fields_of(all_messages[i]);
	return NULL;
}

/* Runs first, while the tables are still to be built. */
static void test_fields_from_many_threads(void **state)
{
	enum { N_THREADS = 4 };
	pthread_t threads[N_THREADS];
	const struct fields **got[N_THREADS];
	(void)state;
	for (int i = 0; i < N_THREADS; i++) {
		got[i] = calloc(n_all_messages, sizeof(got[i][0]));
		assert_int_equal(pthread_create(&threads[i], NULL, ask_for_all, got[i]), 0);
	}
	for (int i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (int i = 1; i < N_THREADS; i++)
		assert_memory_equal(got[0], got[i], n_all_messages * sizeof(got[0][0]));
	for (int i = 0; i < N_THREADS; i++)
		free(got[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields_from_many_threads),
		cmocka_unit_test(test_every_message_round_trips),
		cmocka_unit_test(test_copy_is_deep),
		cmocka_unit_test(test_copy_keeps_unknown_fields),
		cmocka_unit_test(test_equal_sees_each_difference),
		cmocka_unit_test(test_maps_are_equal_in_any_order),
		cmocka_unit_test(test_bad_bytes),
		cmocka_unit_test(test_truncated_anywhere),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_many_empty_messages),
		cmocka_unit_test(test_enums),
		cmocka_unit_test(test_fields_are_in_proto_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
