/* check_store.c - what <mezzo/store.h> promises: order, prefixes, atomic batches,
 * and that a durable store has everything after it was opened again.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define TEXT(s) {s, sizeof(s) - 1}
enum { BIG_BYTES = (32 << 20) };

static int on_read(void *arg, const char *key, struct mz_bytes v)
{
	if (v.size > 16)
		buf_addf(arg, "%.8s=%zu bytes;", key, v.size);
	else
		buf_addf(arg, "%s=%.*s;", key, (int)v.size, (const char *)v.data);
	return 0;
}

static int on_stop(void *arg, const char *key, struct mz_bytes v)
{
	(void)key, (void)v;
	++*(int *)arg;
	return 77;
}

static void reads(struct check *c, struct mz_kit_module *m, const char *prefix, const char *want, const char *what)
{
	const struct mz_store_ops *ops = mz_kit_ops(m);
	struct buf got = {0};
	struct mz_err err = {0};
	int rc = ops->each(mz_kit_inst(m), prefix, on_read, &got, &err);
	if (!check(c, rc == 0 && strcmp(buf_str(&got), want) == 0, "%s", what))
		check_note("want '%s', got '%s' %s", want, buf_str(&got), err.msg);
	buf_done(&got);
}

static bool apply(struct check *c, struct mz_kit *k, struct mz_kit_module *m, const struct mz_store_change *v, size_t n,
		  const char *what)
{
	const struct mz_store_ops *ops = mz_kit_ops(m);
	struct mz_kit_op r;
	ops->apply(mz_kit_inst(m), 1, v, n, mz_kit_op(m, &r, 0));
	if (!check_completes(c, k, &r, what))
		return false;
	if (!check(c, !r.failed, "%s succeeds", what))
		check_note("%s", r.err.msg);
	return !r.failed;
}

static void write_some(struct check *c, struct mz_kit *k, struct mz_kit_module *m)
{
	const struct mz_store_change first[] = {
		{"b", TEXT("2")}, {"a/2", TEXT("two")}, {"a/10", TEXT("ten")}, {"a", TEXT("1")},
		{"\xc3\xa9", TEXT("high")}, {"gone", TEXT("x")}, {"empty", {"", 0}},
	};
	const struct mz_store_change second[] = {
		{"gone", {NULL, 0}}, {"never-there", {NULL, 0}}, {"b", TEXT("3")}, {"a/3", TEXT("three")},
	};
	apply(c, k, m, first, MZ_N(first), "a batch");
	apply(c, k, m, second, MZ_N(second), "a batch that deletes and replaces");
}

static void write_big(struct check *c, struct mz_kit *k, struct mz_kit_module *m)
{
	char key[401];
	memset(key, 'k', 400);
	key[0] = 'z';
	key[400] = '\0';
	void *big = xcalloc(1, BIG_BYTES);
	const struct mz_store_change v = {key, {big, BIG_BYTES}};
	apply(c, k, m, &v, 1, "the longest key with the biggest value");
	free(big);
}

/* Many batches without waiting: they complete in the order in which they came. */
static void write_many(struct check *c, struct mz_kit *k, struct mz_kit_module *m)
{
	const struct mz_store_ops *ops = mz_kit_ops(m);
	static struct mz_kit_op r[20];
	static const struct mz_store_change v[] = {{"many", TEXT("x")}};
	bool order = true, good = true;
	for (size_t i = 0; i < MZ_N(r); i++) {
		ops->apply(mz_kit_inst(m), 1, v, 1, mz_kit_op(m, &r[i], 0));
		/* One is outstanding at most; it is the core that sees to it. */
		good &= mz_kit_wait(k, &r[i]) == 0;
		for (size_t j = 0; j < i; j++)
			order &= r[j].done;
	}
	check(c, order && good, "twenty batches in a row complete");
}

void check_store(struct check *c)
{
	struct mz_kit_module *m;
	struct mz_err err = {0};
	struct mz_kit *k = check_kit(c, &m);
	if (!k)
		return;
	const struct mz_store_ops *ops = mz_kit_ops(m);
	uint32_t flags = ops->flags ? ops->flags(mz_kit_inst(m)) : 0;
	check(c, (flags & ~(MZ_STORE_DURABLE | MZ_STORE_SHARED)) == 0, "flags are known ones");
	reads(c, m, "", "", "a new store is empty");
	write_some(c, k, m);
	write_big(c, k, m);
	write_many(c, k, m);
	if (flags & MZ_STORE_DURABLE) {
		mz_kit_unload(m);
		int rc = mz_kit_load(k, c->file, c->settings, &m, &err);
		if (!check(c, rc == 0, "the store opens again")) {
			check_note("%s", err.msg);
			check_end(c, k, "a store");
			return;
		}
		int n = 0;
		ops = mz_kit_ops(m);
		reads(c, m, "", "a=1;a/10=ten;a/2=two;a/3=three;b=3;empty=;many=x;zkkkkkkk=33554432 bytes;\xc3\xa9=high;",
		      "everything is there, in order of bytes");
		reads(c, m, "a/", "a/10=ten;a/2=two;a/3=three;", "a prefix selects");
		reads(c, m, "nothing", "", "a prefix that nothing has");
		check(c, ops->each(mz_kit_inst(m), "a", on_stop, &n, &err) == 77 && n == 1, "a result of fn stops and returns");
	} else {
		check_skip(c, "the store does not claim to be durable", "everything is there after opening again");
	}
	check_end(c, k, "a store");
}
