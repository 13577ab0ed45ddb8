/* store_test.c - batches, order, checksums, failure and barriers of core/store,
 * over a backend that completes when the test says so.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "loop/loop_event.h"
#include "store/store.h"

struct fake {
	struct store_backend b;
	struct map disk; /* key -> struct mz_bytes */
	void (*done)(void *arg, const struct mz_err *err);
	void *arg;
	const struct store_change *v;
	size_t n, n_applies;
	uint64_t epoch;
};

struct fixture {
	struct loop *loop;
	struct fake disk;
	struct store *s;
	struct buf trace;
	struct mz_err failure;
	int n_failures;
};

static int fake_each(struct store_backend *b, const char *prefix,
		     int (*fn)(void *arg, const char *key, struct mz_bytes value), void *arg, struct mz_err *err)
{
	struct fake *f = mz_container_of(b, struct fake, b);
	(void)err;
	map_each(&f->disk, e)
		if (strncmp(e->key, prefix, strlen(prefix)) == 0) {
			int rc = fn(arg, e->key, *(struct mz_bytes *)e->value);
			if (rc)
				return rc;
		}
	return 0;
}

static void fake_apply(struct store_backend *b, uint64_t epoch, const struct store_change *v, size_t n,
		       void (*done)(void *arg, const struct mz_err *err), void *arg)
{
	struct fake *f = mz_container_of(b, struct fake, b);
	assert_null(f->done); /* one outstanding at most */
	f->done = done;
	f->arg = arg;
	f->v = v;
	f->n = n;
	f->n_applies++;
	f->epoch = epoch;
}

static void fake_drop(void *value)
{
	struct mz_bytes *v = value;
	if (v)
		free((void *)v->data);
	free(v);
}

static void fake_put(struct fake *f, const char *key, const void *data, size_t size)
{
	struct mz_bytes *v = xnew(struct mz_bytes);
	*v = (struct mz_bytes){xmemdup(data, size), size};
	fake_drop(map_put(&f->disk, key, v));
}

static void fake_finish(struct fake *f, const struct mz_err *err)
{
	void (*done)(void *, const struct mz_err *) = f->done;
	assert_non_null(done);
	f->done = NULL;
	for (size_t i = 0; !err && i < f->n; i++) {
		if (f->v[i].value.data)
			fake_put(f, f->v[i].key, f->v[i].value.data, f->v[i].value.size);
		else
			fake_drop(map_del(&f->disk, f->v[i].key));
	}
	done(f->arg, err);
}

static void on_failure(void *arg, const struct mz_err *err)
{
	struct fixture *x = arg;
	x->failure = *err;
	x->n_failures++;
}

static void quiet(void *arg, int level, const char *area, const char *text)
{
	(void)level, (void)area;
	buf_addf(&((struct fixture *)arg)->trace, "[%s]", text);
}

static int setup(void **state)
{
	struct fixture *x = xnew(struct fixture);
	assert_int_equal(loop_event_new(1, &x->loop, NULL), 0);
	x->disk.b.each = fake_each;
	x->disk.b.apply = fake_apply;
	x->s = store_new(x->loop, &x->disk.b, on_failure, x);
	log_set_sink(quiet, x);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	store_free(x->s);
	if (x->disk.done)
		fake_finish(&x->disk, NULL);
	loop_event_turn(x->loop, 0);
	loop_event_free(x->loop);
	map_each(&x->disk.disk, e)
		fake_drop(e->value);
	map_done(&x->disk.disk);
	buf_done(&x->trace);
	log_set_sink(NULL, NULL);
	free(x);
	return 0;
}

/* Callbacks write one letter each into the trace of the one fixture. */
static struct fixture *current;
static void mark(void *arg)
{
	buf_adds(&current->trace, arg);
}

static void put(struct fixture *x, const char *key, const char *value, const char *letter)
{
	current = x;
	store_put(x->s, key, value, strlen(value), letter ? mark : NULL, (void *)letter);
}

static int on_read(void *arg, const char *key, const void *data, size_t size)
{
	buf_addf(arg, "%s=%.*s;", key, (int)size, (const char *)data);
	return 0;
}

static void expect_read(struct fixture *x, const char *want)
{
	mz_autobuf struct buf got = {0};
	assert_int_equal(store_each(x->s, "", on_read, &got, NULL), 0);
	assert_string_equal(buf_str(&got), want);
}

static void one_turn_is_one_batch(void **state)
{
	struct fixture *x = *state;
	store_set_epoch(x->s, 7);
	put(x, "a", "1", "A");
	put(x, "b", "2", "B");
	put(x, "a", "3", "C"); /* replaces, both are told */
	assert_int_equal(x->disk.n_applies, 0);
	loop_event_turn(x->loop, 0);
	assert_int_equal(x->disk.n_applies, 1);
	assert_int_equal(x->disk.n, 2);
	assert_int_equal(x->disk.epoch, 7);
	assert_string_equal(buf_str(&x->trace), ""); /* not durable, not told */
	fake_finish(&x->disk, NULL);
	assert_string_equal(buf_str(&x->trace), "ABC");
	expect_read(x, "a=3;b=2;");
}

static void group_commit(void **state)
{
	struct fixture *x = *state;
	put(x, "a", "1", "A");
	loop_event_turn(x->loop, 0);
	put(x, "b", "2", "B");
	loop_event_turn(x->loop, 0);
	put(x, "c", "3", "C");
	loop_event_turn(x->loop, 0);
	assert_int_equal(x->disk.n_applies, 1);
	fake_finish(&x->disk, NULL);
	assert_string_equal(buf_str(&x->trace), "A");
	assert_int_equal(x->disk.n_applies, 2); /* b and c went together */
	assert_int_equal(x->disk.n, 2);
	fake_finish(&x->disk, NULL);
	assert_string_equal(buf_str(&x->trace), "ABC");
	store_delete(x->s, "b", mark, (void *)"D");
	loop_event_turn(x->loop, 0);
	fake_finish(&x->disk, NULL);
	expect_read(x, "a=1;c=3;");
}

static void put_again(void *arg)
{
	put(arg, "again", "1", "Z");
}

static void changes_made_by_callbacks(void **state)
{
	struct fixture *x = *state;
	current = x;
	store_put(x->s, "a", "", 0, put_again, x);
	loop_event_turn(x->loop, 0);
	fake_finish(&x->disk, NULL);
	loop_event_turn(x->loop, 0);
	assert_int_equal(x->disk.n_applies, 2);
	fake_finish(&x->disk, NULL);
	assert_string_equal(buf_str(&x->trace), "Z");
	expect_read(x, "a=;again=1;");
}

static void barriers(void **state)
{
	struct fixture *x = *state;
	current = x;
	store_barrier(x->s, mark, (void *)"0");
	assert_string_equal(buf_str(&x->trace), ""); /* never from inside */
	loop_event_turn(x->loop, 0);
	assert_string_equal(buf_str(&x->trace), "0");
	assert_int_equal(x->disk.n_applies, 0);
	put(x, "a", "1", "A");
	loop_event_turn(x->loop, 0);
	store_barrier(x->s, mark, (void *)"1"); /* of what is being written */
	put(x, "b", "2", "B");
	store_barrier(x->s, mark, (void *)"2"); /* of what gathers */
	loop_event_turn(x->loop, 0);
	assert_string_equal(buf_str(&x->trace), "0");
	fake_finish(&x->disk, NULL);
	assert_string_equal(buf_str(&x->trace), "0A1");
	fake_finish(&x->disk, NULL);
	assert_string_equal(buf_str(&x->trace), "0A1B2");
}

static void a_bad_record_costs_itself(void **state)
{
	struct fixture *x = *state;
	put(x, "good", "1", NULL);
	put(x, "moved", "2", NULL);
	put(x, "flipped", "3", NULL);
	loop_event_turn(x->loop, 0);
	fake_finish(&x->disk, NULL);
	struct mz_bytes *v = map_get(&x->disk.disk, "flipped");
	((char *)v->data)[v->size - 1] ^= 1;
	v = map_get(&x->disk.disk, "moved"); /* under another key */
	fake_put(&x->disk, "other", v->data, v->size);
	fake_put(&x->disk, "short", "abc", 3);
	fake_put(&x->disk, "text", "not a record", 12);
	fake_put(&x->disk, "future", "\x4d\x02\0\0\0\0\0\0", 8);
	expect_read(x, "good=1;moved=2;");
	assert_int_equal(store_n_bad(x->s), 5);
	assert_string_equal(buf_str(&x->trace),
			    "[Record 'flipped' is bad (its checksum is wrong): skipping it]"
			    "[Record 'other' is bad (its checksum is wrong): skipping it]"
			    "[Record 'short' is bad (it is cut off): skipping it]"
			    "[Record 'text' is bad (it does not begin like a record): skipping it]"
			    "[Record 'future' is bad (its version is not known): skipping it]");
}

static void failure_stops_everything(void **state)
{
	struct fixture *x = *state;
	struct mz_err err;
	put(x, "a", "1", "A");
	loop_event_turn(x->loop, 0);
	put(x, "b", "2", "B");
	mz_fail(&err, -ENOSPC, "The disk is full");
	fake_finish(&x->disk, &err);
	assert_int_equal(x->n_failures, 1);
	assert_string_equal(x->failure.msg, "The disk is full");
	put(x, "c", "3", "C");
	store_barrier(x->s, mark, (void *)"D");
	loop_event_turn(x->loop, 0);
	assert_int_equal(x->disk.n_applies, 1);
	assert_string_equal(buf_str(&x->trace), "");
}

static void forgetting(void **state)
{
	struct fixture *x = *state;
	put(x, "a", "1", "A");
	put(x, "b", "2", "B");
	store_forget(x->s, (void *)"A");
	loop_event_turn(x->loop, 0);
	fake_finish(&x->disk, NULL);
	assert_string_equal(buf_str(&x->trace), "B");
	expect_read(x, "a=1;b=2;");
}

static void free_in_callback(void *arg)
{
	struct fixture *x = arg;
	store_free(x->s);
	x->s = NULL;
}

static void freeing_inside_a_callback(void **state)
{
	struct fixture *x = *state;
	store_put(x->s, "a", "1", 1, free_in_callback, x);
	put(x, "b", "2", "B");
	loop_event_turn(x->loop, 0);
	fake_finish(&x->disk, NULL);
	assert_null(x->s);
	assert_string_equal(buf_str(&x->trace), "");
}

static void freeing_while_writing(void **state)
{
	struct fixture *x = *state;
	put(x, "a", "1", "A");
	loop_event_turn(x->loop, 0);
	put(x, "b", "2", "B");
	store_free(x->s);
	x->s = NULL;
	fake_finish(&x->disk, NULL);
	loop_event_turn(x->loop, 0);
	assert_string_equal(buf_str(&x->trace), "");
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(one_turn_is_one_batch), T(group_commit), T(changes_made_by_callbacks), T(barriers),
		T(a_bad_record_costs_itself), T(failure_stops_everything), T(forgetting),
		T(freeing_inside_a_callback), T(freeing_while_writing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
