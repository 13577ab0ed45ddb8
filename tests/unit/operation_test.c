/* operation_test.c - the rules of operations on resources that need nothing but
 * the message: a row for each, read from JSON and from protobuf, and what each
 * operation would consume. What depends on offers, frameworks and agents is in
 * master_operation_test.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/operation.h"
#include "wire/codec.h"
#include "wire/pb.h"

#define RESERVED(role, more) ",\"reservations\":[{\"type\":\"DYNAMIC\",\"role\":\"" role "\"" more "}]"
#define STATIC(role) ",\"reservations\":[{\"type\":\"STATIC\",\"role\":\"" role "\"}]"
#define REFINED ",\"reservations\":[{\"type\":\"STATIC\",\"role\":\"a\"},{\"type\":\"DYNAMIC\",\"role\":\"a/b\"}]"
#define SCALAR(name, value, more) "{\"name\":\"" name "\",\"type\":\"SCALAR\",\"scalar\":{\"value\":" value "}" more "}"
#define CPUS(more) SCALAR("cpus", "2", more)
#define RW(mode) "\"volume\":{\"container_path\":\"p\",\"mode\":\"" mode "\"}"
#define DISK(value, disk, more) SCALAR("disk", value, ",\"disk\":{" disk "}" more)
#define VOLUME(id, value, more) \
	DISK(value, "\"persistence\":{\"id\":\"" id "\",\"principal\":\"me\"}," RW("RW"), RESERVED("a", "") more)
#define PATH "\"source\":{\"type\":\"PATH\",\"path\":{\"root\":\"/p\"}}"
#define MOUNT "\"source\":{\"type\":\"MOUNT\",\"mount\":{\"root\":\"/m\"}}"
#define ON(source, value) DISK(value, "\"persistence\":{\"id\":\"v\"}," RW("RW") "," source, RESERVED("a", ""))
#define FREE(source, value) DISK(value, source, RESERVED("a", ""))
#define PROVIDER(id) ",\"provider_id\":{\"value\":\"" id "\"}"

#define OP(type, field, more) "{\"type\":\"" type "\",\"" field "\":{" more "}}"
#define RESERVE(list) OP("RESERVE", "reserve", "\"resources\":[" list "]")
#define RERESERVE(source, list) OP("RESERVE", "reserve", "\"source\":[" source "],\"resources\":[" list "]")
#define UNRESERVE(list) OP("UNRESERVE", "unreserve", "\"resources\":[" list "]")
#define CREATE(list) OP("CREATE", "create", "\"volumes\":[" list "]")
#define DESTROY(list) OP("DESTROY", "destroy", "\"volumes\":[" list "]")
#define GROW(volume, addition) OP("GROW_VOLUME", "grow_volume", "\"volume\":" volume ",\"addition\":" addition)
#define SHRINK(volume, subtract) \
	OP("SHRINK_VOLUME", "shrink_volume", "\"volume\":" volume ",\"subtract\":{\"value\":" subtract "}")
#define CREATE_DISK(source, target, more) \
	OP("CREATE_DISK", "create_disk", "\"source\":" source ",\"target_type\":\"" target "\"" more)
#define DESTROY_DISK(source) OP("DESTROY_DISK", "destroy_disk", "\"source\":" source)
#define RAW(more) "\"source\":{\"type\":\"RAW\"" more "}"
#define PROFILE ",\"target_profile\":\"fast\""

static const struct row {
	const char *op;
	const char *error;    /* NULL: it is valid */
	const char *consumed; /* a list of Resource then; NULL: nothing */
} rows[] = {
	/* ---- RESERVE ---- */
	{RESERVE(""), NULL, NULL},
	{RESERVE(SCALAR("cpus", "0", RESERVED("a", ""))), NULL, NULL},
	{RESERVE(CPUS(RESERVED("a", ""))), NULL, CPUS("")},
	{RESERVE(CPUS(RESERVED("a", ",\"principal\":\"me\"") ",\"allocation_info\":{\"role\":\"a\"}")), NULL, CPUS("")},
	{RESERVE(CPUS(",\"role\":\"a\",\"reservation\":{\"principal\":\"me\"}")), NULL, CPUS("")}, /* the old form */
	{RESERVE(CPUS(REFINED)), NULL, CPUS(STATIC("a"))},
	{RESERVE(CPUS(RESERVED("a", "")) "," FREE(MOUNT, "5")), NULL, CPUS("") "," DISK("5", MOUNT, "")},
	{RESERVE("{\"name\":\"ports\",\"type\":\"RANGES\",\"ranges\":{\"range\":[{\"begin\":1,\"end\":9}]}" RESERVED("a", "") "}"),
	 NULL, "{\"name\":\"ports\",\"type\":\"RANGES\",\"ranges\":{\"range\":[{\"begin\":1,\"end\":9}]}}"},
	{RESERVE(SCALAR("cpus", "-1", RESERVED("a", ""))), "negative", NULL},
	{RESERVE(CPUS("")), "'cpus' is not dynamically reserved", NULL},
	{RESERVE(CPUS(STATIC("a"))), "'cpus' is not dynamically reserved", NULL},
	{RESERVE(CPUS(",\"role\":\"a\"")), "'cpus' is not dynamically reserved", NULL},
	{RESERVE(CPUS(RESERVED("*", ""))), "Nothing can be reserved for role '*'", NULL},
	{RESERVE(CPUS(RESERVED("a//b", ""))), "two in a row", NULL},
	{RESERVE(CPUS(",\"reservations\":[{\"type\":\"DYNAMIC\",\"role\":\"a\"},{\"type\":\"DYNAMIC\",\"role\":\"b\"}]")),
	 "not below role 'a'", NULL},
	{RESERVE(CPUS(RESERVED("a", "") ",\"revocable\":{}")), "Revocable 'cpus' cannot be reserved", NULL},
	{RESERVE(VOLUME("v", "5", "")), "Persistent volume 'v' cannot be reserved", NULL},
	{RESERVE(CPUS(RESERVED("a", "") PROVIDER("x"))), NULL, CPUS(PROVIDER("x"))},
	{RESERVE(CPUS(RESERVED("a", "") PROVIDER("x")) "," CPUS(RESERVED("a", ""))), "same resource provider", NULL},
	{RESERVE(CPUS(RESERVED("a", "") PROVIDER("x")) "," CPUS(RESERVED("a", "") PROVIDER("y"))), "same resource provider",
	 NULL},
	/* with source */
	{RERESERVE(CPUS(RESERVED("b", "")), CPUS(RESERVED("a", ""))), NULL, CPUS(RESERVED("b", ""))},
	{RERESERVE(CPUS(""), CPUS(REFINED)), NULL, CPUS("")},
	{RERESERVE(CPUS(RESERVED("b", "") ",\"allocation_info\":{\"role\":\"b\"}"), CPUS(RESERVED("a", ""))), NULL,
	 CPUS(RESERVED("b", ""))},
	{RERESERVE(CPUS(RESERVED("b", "")) "," SCALAR("mem", "9", RESERVED("b", "")),
		   CPUS(RESERVED("a", "")) "," SCALAR("mem", "9", RESERVED("a", ""))),
	 NULL, CPUS(RESERVED("b", "")) "," SCALAR("mem", "9", RESERVED("b", ""))},
	{RERESERVE(SCALAR("cpus", "-1", ""), CPUS(RESERVED("a", ""))), "'source': resources[0] cpus: ", NULL},
	{RERESERVE(SCALAR("cpus", "0", ""), CPUS(RESERVED("a", ""))), "'source': A changed reservation is of no resources",
	 NULL},
	{RERESERVE(CPUS(""), ""), "is of no resources", NULL},
	{RERESERVE(CPUS(RESERVED("b", "")) "," SCALAR("mem", "9", RESERVED("c", "")),
		   CPUS(RESERVED("a", "")) "," SCALAR("mem", "9", RESERVED("a", ""))),
	 "'source': The resources do not all have the same reservations", NULL},
	{RERESERVE(CPUS(RESERVED("b", "")) "," SCALAR("mem", "9", RESERVED("b", "")),
		   CPUS(RESERVED("a", "")) "," SCALAR("mem", "9", RESERVED("a", ",\"principal\":\"x\""))),
	 "do not all have the same reservations", NULL},
	{RERESERVE(SCALAR("cpus", "3", RESERVED("b", "")), CPUS(RESERVED("a", ""))), "differ in more than their reservations",
	 NULL},
	{RERESERVE(SCALAR("mem", "2", RESERVED("b", "")), CPUS(RESERVED("a", ""))), "differ in more than their reservations",
	 NULL},
	{RERESERVE(VOLUME("v", "5", ""), FREE(PATH, "5")), "'source': Persistent volume 'v' cannot be reserved", NULL},
	{RERESERVE(CPUS(""), CPUS("")), "'cpus' is not dynamically reserved", NULL},
	/* ---- UNRESERVE ---- */
	{UNRESERVE(""), NULL, NULL},
	{UNRESERVE(CPUS(RESERVED("a", ""))), NULL, CPUS(RESERVED("a", ""))},
	{UNRESERVE(CPUS(REFINED)), NULL, CPUS(REFINED)},
	{UNRESERVE(CPUS("")), "'cpus' is not dynamically reserved", NULL},
	{UNRESERVE(CPUS(STATIC("a"))), "'cpus' is not dynamically reserved", NULL},
	{UNRESERVE(CPUS(RESERVED("a", "") ",\"revocable\":{}")), "Revocable 'cpus' cannot be reserved", NULL},
	{UNRESERVE(VOLUME("v", "5", "")), "Persistent volume 'v' cannot be unreserved", NULL},
	{UNRESERVE(CPUS(RESERVED("a", "") PROVIDER("x")) "," CPUS(RESERVED("a", ""))), "same resource provider", NULL},
	/* ---- CREATE ---- */
	{CREATE(""), NULL, NULL},
	{CREATE(VOLUME("v", "5", "")), NULL, SCALAR("disk", "5", RESERVED("a", ""))},
	{CREATE(VOLUME("v", "5", "") "," VOLUME("w", "5", "")), NULL, SCALAR("disk", "10", RESERVED("a", ""))},
	{CREATE(VOLUME("v", "5", ",\"shared\":{}")), NULL, SCALAR("disk", "5", RESERVED("a", ""))},
	{CREATE(DISK("5", "\"persistence\":{\"id\":\"v\"}," RW("RW"), STATIC("a"))), NULL, SCALAR("disk", "5", STATIC("a"))},
	{CREATE(ON(PATH, "5")), NULL, FREE(PATH, "5")},
	{CREATE(ON(MOUNT, "5")), NULL, FREE(MOUNT, "5")},
	{CREATE(ON("\"source\":{\"type\":\"BLOCK\",\"id\":\"b\"}", "5")), NULL,
	 FREE("\"source\":{\"type\":\"BLOCK\",\"id\":\"b\"}", "5")},
	{CREATE(ON(RAW(""), "5")), "cannot be on a RAW disk", NULL},
	{CREATE(SCALAR("disk", "5", RESERVED("a", ""))), "'disk' is not a persistent volume", NULL},
	{CREATE(FREE(PATH, "5")), "'disk' is not a persistent volume", NULL},
	{CREATE(CPUS(RESERVED("a", ""))), "'cpus' is not a persistent volume", NULL},
	{CREATE(SCALAR("cpus", "5", ",\"disk\":{\"persistence\":{\"id\":\"v\"}," RW("RW") "}" RESERVED("a", ""))),
	 "Only a scalar named 'disk'", NULL},
	{CREATE(DISK("5", "\"persistence\":{\"id\":\"v\"}", RESERVED("a", ""))), "needs 'volume'", NULL},
	{CREATE(DISK("5", RW("RW"), RESERVED("a", ""))), "is for persistent volumes only", NULL},
	{CREATE(DISK("5", "\"persistence\":{\"id\":\"v\"}," RW("RO"), RESERVED("a", ""))), "must have the mode RW", NULL},
	{CREATE(DISK("5", "\"persistence\":{\"id\":\"v\"},\"volume\":{\"container_path\":\"p\",\"mode\":\"RW\",\"host_path\":\"/h\"}",
		     RESERVED("a", ""))),
	 "cannot have 'host_path'", NULL},
	{CREATE(VOLUME("a/b", "5", "")), "has a '/'", NULL},
	{CREATE(VOLUME("", "5", "")), "Persistence id is empty", NULL},
	{CREATE(DISK("5", "\"persistence\":{\"id\":\"v\"}," RW("RW"), "")), "must be reserved", NULL},
	{CREATE(VOLUME("v", "5", ",\"revocable\":{}")), "cannot be revocable", NULL},
	{CREATE(VOLUME("v", "5", "") "," VOLUME("v", "6", "")), "Persistent volume 'v' is named twice", NULL},
	{CREATE(VOLUME("v", "5", "") "," VOLUME("v", "5", "")), "Persistent volume 'v' is named twice", NULL},
	{CREATE(VOLUME("v", "5", "") "," DISK("5", "\"persistence\":{\"id\":\"v\"}," RW("RW"), RESERVED("b", ""))), NULL,
	 SCALAR("disk", "5", RESERVED("a", "")) "," SCALAR("disk", "5", RESERVED("b", ""))}, /* another role's */
	{CREATE(VOLUME("v", "5", PROVIDER("x")) "," VOLUME("w", "5", "")), "same resource provider", NULL},
	/* ---- DESTROY ---- */
	{DESTROY(""), NULL, NULL},
	{DESTROY(VOLUME("v", "5", "")), NULL, VOLUME("v", "5", "")},
	{DESTROY(VOLUME("v", "5", ",\"shared\":{}")), NULL, VOLUME("v", "5", ",\"shared\":{}")},
	{DESTROY(ON(MOUNT, "5")), NULL, ON(MOUNT, "5")},
	{DESTROY(SCALAR("disk", "5", RESERVED("a", ""))), "'disk' is not a persistent volume", NULL},
	{DESTROY(DISK("5", "\"persistence\":{\"id\":\"v\"}," RW("RO"), RESERVED("a", ""))), "must have the mode RW", NULL},
	{DESTROY(VOLUME("v", "5", "") "," VOLUME("v", "5", "")), "Persistent volume 'v' is named twice", NULL},
	{DESTROY(VOLUME("v", "5", PROVIDER("x")) "," VOLUME("w", "5", "")), "same resource provider", NULL},
	/* ---- GROW_VOLUME ---- */
	{GROW(VOLUME("v", "5", ""), SCALAR("disk", "2", RESERVED("a", ""))), NULL,
	 VOLUME("v", "5", "") "," SCALAR("disk", "2", RESERVED("a", ""))},
	{GROW(VOLUME("v", "5", ",\"allocation_info\":{\"role\":\"a\"}"), SCALAR("disk", "2", RESERVED("a", ""))), NULL,
	 VOLUME("v", "5", "") "," SCALAR("disk", "2", RESERVED("a", ""))},
	{GROW(ON(PATH, "5"), FREE(PATH, "2")), NULL, ON(PATH, "5") "," FREE(PATH, "2")},
	{GROW(VOLUME("v", "-5", ""), SCALAR("disk", "2", RESERVED("a", ""))), "'volume': resources[0] disk: ", NULL},
	{GROW(VOLUME("v", "0", ""), SCALAR("disk", "2", RESERVED("a", ""))), "The size of 'volume' must be greater", NULL},
	{GROW(VOLUME("v", "5", ""), SCALAR("disk", "-2", RESERVED("a", ""))), "'addition': resources[0] disk: ", NULL},
	{GROW(VOLUME("v", "5", ""), SCALAR("disk", "0", RESERVED("a", ""))), "The size of 'addition' must be greater", NULL},
	{GROW(VOLUME("v", "5", PROVIDER("x")), SCALAR("disk", "2", RESERVED("a", "") PROVIDER("x"))),
	 "of a resource provider cannot be resized", NULL},
	{GROW(SCALAR("disk", "5", RESERVED("a", "")), SCALAR("disk", "2", RESERVED("a", ""))),
	 "'disk' is not a persistent volume", NULL},
	{GROW(VOLUME("v", "5", ",\"shared\":{}"), SCALAR("disk", "2", RESERVED("a", ""))), "shared volume cannot be resized",
	 NULL},
	{GROW(VOLUME("v", "5", ""), SCALAR("disk", "2", RESERVED("b", ""))), "not of the disk that 'volume' is on", NULL},
	{GROW(VOLUME("v", "5", ""), SCALAR("mem", "2", RESERVED("a", ""))), "not of the disk that 'volume' is on", NULL},
	{GROW(VOLUME("v", "5", ""), FREE(PATH, "2")), "not of the disk that 'volume' is on", NULL},
	{GROW(VOLUME("v", "5", ""), VOLUME("v", "2", "")), "not of the disk that 'volume' is on", NULL},
	{GROW(ON(MOUNT, "5"), FREE(MOUNT, "2")), "not of the disk that 'volume' is on", NULL},
	/* ---- SHRINK_VOLUME ---- */
	{SHRINK(VOLUME("v", "5", ""), "2"), NULL, VOLUME("v", "5", "")},
	{SHRINK(ON(PATH, "5"), "4.999"), NULL, ON(PATH, "5")},
	{SHRINK(VOLUME("v", "5", ""), "0"), "'subtract' must be greater than zero", NULL},
	{SHRINK(VOLUME("v", "5", ""), "0.0001"), "'subtract' must be greater than zero", NULL}, /* three decimals count */
	{SHRINK(VOLUME("v", "5", ""), "-1"), "'subtract': The value -1 is negative", NULL},
	{SHRINK(VOLUME("v", "5", ""), "5"), "'subtract' must be less than the size", NULL},
	{SHRINK(VOLUME("v", "5", ""), "6"), "'subtract' must be less than the size", NULL},
	{SHRINK(VOLUME("v", "0", ""), "1"), "The size of 'volume' must be greater", NULL},
	{SHRINK(VOLUME("v", "5", PROVIDER("x")), "2"), "of a resource provider cannot be resized", NULL},
	{SHRINK(ON(MOUNT, "5"), "2"), "on a MOUNT disk cannot be shrunk", NULL},
	{SHRINK(SCALAR("disk", "5", RESERVED("a", "")), "2"), "'disk' is not a persistent volume", NULL},
	{SHRINK(VOLUME("v", "5", ",\"shared\":{}"), "2"), "shared volume cannot be resized", NULL},
	/* ---- CREATE_DISK ---- */
	{CREATE_DISK(DISK("5", RAW(",\"profile\":\"p\""), PROVIDER("x")), "MOUNT", ""), NULL,
	 DISK("5", RAW(",\"profile\":\"p\""), PROVIDER("x"))},
	{CREATE_DISK(DISK("5", RAW(",\"id\":\"i\""), PROVIDER("x")), "BLOCK", PROFILE), NULL,
	 DISK("5", RAW(",\"id\":\"i\""), PROVIDER("x"))},
	{CREATE_DISK(DISK("-5", RAW(""), PROVIDER("x")), "BLOCK", PROFILE), "'source': resources[0] disk: ", NULL},
	{CREATE_DISK(DISK("0", RAW(""), PROVIDER("x")), "BLOCK", PROFILE), "The size of 'source' must be greater", NULL},
	{CREATE_DISK(DISK("5", RAW(""), ""), "BLOCK", PROFILE), "'source' is not of a resource provider", NULL},
	{CREATE_DISK(DISK("5", MOUNT, PROVIDER("x")), "BLOCK", PROFILE), "'source' is not a RAW disk", NULL},
	{CREATE_DISK(SCALAR("disk", "5", PROVIDER("x")), "BLOCK", PROFILE), "'source' is not a RAW disk", NULL},
	{CREATE_DISK(DISK("5", RAW(""), PROVIDER("x")), "PATH", PROFILE), "'target_type' must be MOUNT or BLOCK", NULL},
	{CREATE_DISK(DISK("5", RAW(""), PROVIDER("x")), "UNKNOWN", PROFILE), "'target_type' must be MOUNT or BLOCK", NULL},
	{CREATE_DISK(DISK("5", RAW(",\"profile\":\"p\""), PROVIDER("x")), "MOUNT", PROFILE), "cannot be given for a disk", NULL},
	{CREATE_DISK(DISK("5", RAW(""), PROVIDER("x")), "MOUNT", ""), "is needed for a disk without a profile", NULL},
	/* ---- DESTROY_DISK ---- */
	{DESTROY_DISK(DISK("5", RAW(",\"id\":\"i\""), PROVIDER("x"))), NULL, DISK("5", RAW(",\"id\":\"i\""), PROVIDER("x"))},
	{DESTROY_DISK(DISK("5", "\"source\":{\"type\":\"MOUNT\",\"id\":\"i\"}", PROVIDER("x"))), NULL,
	 DISK("5", "\"source\":{\"type\":\"MOUNT\",\"id\":\"i\"}", PROVIDER("x"))},
	{DESTROY_DISK(DISK("5", "\"source\":{\"type\":\"BLOCK\",\"id\":\"i\"}", PROVIDER("x"))), NULL,
	 DISK("5", "\"source\":{\"type\":\"BLOCK\",\"id\":\"i\"}", PROVIDER("x"))},
	{DESTROY_DISK(DISK("0", RAW(",\"id\":\"i\""), PROVIDER("x"))), "The size of 'source' must be greater", NULL},
	{DESTROY_DISK(DISK("5", RAW(",\"id\":\"i\""), "")), "'source' is not of a resource provider", NULL},
	{DESTROY_DISK(DISK("5", "\"source\":{\"type\":\"PATH\",\"id\":\"i\"}", PROVIDER("x"))), "is not a MOUNT, BLOCK or RAW disk",
	 NULL},
	{DESTROY_DISK(SCALAR("disk", "5", PROVIDER("x"))), "is not a MOUNT, BLOCK or RAW disk", NULL},
	{DESTROY_DISK(DISK("5", RAW(""), PROVIDER("x"))), "it has no id", NULL},
	{DESTROY_DISK(DISK("5", "\"persistence\":{\"id\":\"v\"}," RW("RW") ",\"source\":{\"type\":\"BLOCK\",\"id\":\"i\"}",
			   RESERVED("a", "") PROVIDER("x"))),
	 "Persistent volume 'v' cannot be destroyed as a disk", NULL},
	/* ---- others ---- */
	{OP("LAUNCH", "launch", ""), "Not an operation on resources", NULL},
};

static void check_row(size_t i, const Mesos__V1__Offer__Operation *op, struct arena *a)
{
	const struct row *row = &rows[i];
	mz_autooperation struct operation_resources r = {0};
	struct mz_err err = {0};
	int rc = operation_check(op, a, &r, &err);
	if (row->error) {
		if (rc != -EINVAL || !strstr(err.msg, row->error))
			fail_msg("row %zu: %d: %s", i, rc, err.msg);
		return;
	}
	if (rc)
		fail_msg("row %zu: %s", i, err.msg);
	mz_autores resources want = {0};
	mz_autofree char *json = xasprintf("[%s]", row->consumed ? row->consumed : "");
	if (row->consumed)
		assert_int_equal(res_parse(json, NULL, &want, &err), 0);
	if (!res_equal(&want, &r.consumed)) {
		mz_autobuf struct buf text = {0};
		res_format_text(&r.consumed, &text);
		fail_msg("row %zu consumes %s", i, buf_str(&text));
	}
}

static void test_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < MZ_N(rows); i++) {
		mz_autoarena struct arena a = {0};
		struct mz_err err = {0};
		pb_msg *m = codec_decode(CODEC_JSON, &mesos__v1__offer__operation__descriptor, &a, rows[i].op,
					 strlen(rows[i].op), &err);
		if (!m)
			fail_msg("row %zu: %s", i, err.msg);
		check_row(i, (Mesos__V1__Offer__Operation *)m, &a);
		struct mz_bytes packed = pb_encode_arena(m, &a);
		m = codec_decode(CODEC_PROTOBUF, &mesos__v1__offer__operation__descriptor, &a, packed.data, packed.size, &err);
		assert_non_null(m);
		check_row(i, (Mesos__V1__Offer__Operation *)m, &a);
	}
}

/* What master and authorizer look at: upgraded, merged, with the details of volumes. */
static void test_list(void **state)
{
	(void)state;
	static const char json[] = GROW(VOLUME("v", "5", ""), SCALAR("disk", "2", ",\"role\":\"a\",\"reservation\":{}"));
	mz_autoarena struct arena a = {0};
	mz_autooperation struct operation_resources r = {0};
	struct mz_err err = {0};
	pb_msg *m = codec_decode(CODEC_JSON, &mesos__v1__offer__operation__descriptor, &a, json, strlen(json), &err);
	assert_non_null(m);
	assert_int_equal(operation_check((Mesos__V1__Offer__Operation *)m, &a, &r, &err), 0);
	assert_int_equal(r.n, 2);
	assert_string_equal(r.list[0]->disk->persistence->principal, "me");
	assert_string_equal(reservation_top(r.list[1])->role, "a");
	assert_int_equal(reservation_top(r.list[1])->type, MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__DYNAMIC);
	assert_true(res_equal(&r.named, &r.consumed));
	assert_null(res_repeated_volume(&r.named));
	res_add(&r.named, &r.consumed);
	assert_string_equal(res_repeated_volume(&r.named), "v");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
