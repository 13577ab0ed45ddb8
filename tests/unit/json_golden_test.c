/* json_golden_test.c - the recorded answers of a real cluster (tests/golden) go
 * through the codec and come out byte for byte, but for the indentation.
 * SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "mesos/v1/agent.pb-c.h"
#include "mesos/v1/executor.pb-c.h"
#include "mesos/v1/master.pb-c.h"
#include "mesos/v1/scheduler.pb-c.h"
#include "wire/json.h"

static char *read_golden(const char *name)
{
	mz_autofree char *path = xasprintf("%s/%s", GOLDEN_DIR, name);
	mz_autofile FILE *f = fopen(path, "r");
	mz_autobuf struct buf b = {0};
	char chunk[4096];
	size_t n;
	if (!f)
		fail_msg("%s cannot be opened", path);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(&b, chunk, n);
	return buf_take(&b);
}

/* Takes the key at the end back; true if it was the first of its object. */
static bool drop_key(struct buf *b)
{
	b->len -= strlen("\":");
	while (b->data[b->len - 1] != '"')
		b->len--;
	b->len--;
	bool first = b->data[b->len - 1] == '{';
	b->len -= !first;
	return first;
}

/* Some answers are written there by hand and show empty lists, which a message
 * cannot say. White space outside strings is the recorder's; so is 2.4e-05 for 0.000024. */
static void compact(struct buf *b, const char *text)
{
	bool in_string = false;
	for (const char *p = text; *p; p++) {
		if (in_string && *p == '\\')
			buf_addc(b, *p++);
		else if (*p == '"')
			in_string = !in_string;
		else if (!in_string && strchr(" \n\t\r", *p))
			continue;
		size_t token = in_string ? 0 : strspn(p, "-+.0123456789e");
		if (token > 1 && memchr(p, 'e', token)) {
			json_add_double(b, strtod(p, NULL));
			p += token - 1;
			continue;
		}
		if (!in_string && str_starts(p, "[]")) {
			p += drop_key(b) && p[2] == ',' ? 2 : 1;
			continue;
		}
		buf_addc(b, *p);
	}
}

/* The recorded master shows a key on agents that is no field of AgentInfo. */
static void drop_foreign_key(struct buf *b)
{
	static const char found[] = "-S0\"},\"checkpoint\":true";
	for (char *at; (at = strstr(buf_str(b), found));) {
		char *from = at + strlen(found), *to = at + strlen("-S0\"}");
		memmove(to, from, strlen(from) + 1);
		b->len -= (size_t)(from - to);
	}
}

static void check_document(const char *name, const pb_desc *d, const char *text)
{
	mz_autoarena struct arena a = {0};
	mz_autobuf struct buf want = {0}, got = {0}, bytes = {0};
	struct mz_err err = {0};
	compact(&want, text);
	drop_foreign_key(&want);
	pb_msg *m = json_decode(d, &a, text, strlen(text), &err);
	if (!m)
		fail_msg("%s: %s", name, err.msg);
	json_encode(m, &got);
	size_t same = 0;
	while (got.data[same] && got.data[same] == want.data[same])
		same++;
	if (got.data[same] || want.data[same])
		fail_msg("%s changed behind '%.*s': it was '%.60s' and is '%.60s'", name, (int)MZ_MIN(same, (size_t)60),
			 got.data + (same > 60 ? same - 60 : 0), want.data + same, got.data + same);
	/* and through the other encoding */
	pb_encode(m, &bytes);
	m = pb_decode(d, &a, bytes.data, bytes.len, &err);
	if (!m)
		fail_msg("%s: %s", name, err.msg);
	buf_clear(&got);
	json_encode(m, &got);
	assert_string_equal(got.data, want.data);
}

/* Files of one operator API: the body follows the first empty line. */
static int check_answers(const char *prefix, const pb_desc *d)
{
	mz_autodir DIR *dir = opendir(GOLDEN_DIR);
	int n = 0;
	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir));) {
		if (!str_starts(e->d_name, prefix))
			continue;
		mz_autofree char *text = read_golden(e->d_name);
		const char *body = strstr(text, "\n\n");
		assert_non_null(body);
		check_document(e->d_name, d, body);
		n++;
	}
	return n;
}

static void test_operator_answers(void **state)
{
	(void)state;
	assert_int_equal(check_answers("v1_master_", &mesos__v1__master__response__descriptor), 17);
	assert_int_equal(check_answers("v1_agent_", &mesos__v1__agent__response__descriptor), 12);
}

/* One event a line behind `mark`. */
static int check_events(const char *name, const char *mark, const pb_desc *d)
{
	mz_autofree char *text = read_golden(name);
	char *rest = text;
	int n = 0;
	for (char *line; (line = strsep(&rest, "\n"));) {
		if (!*line || !str_starts(line, mark) || str_starts(line, "{\"status\""))
			continue;
		check_document(name, d, line + strlen(mark));
		n++;
	}
	return n;
}

static void test_event_streams(void **state)
{
	const pb_desc *scheduler = &mesos__v1__scheduler__event__descriptor;
	(void)state;
	assert_true(check_events("stream_command.raw", "", scheduler) > 3);
	assert_true(check_events("stream_pod.raw", "", scheduler) > 3);
	assert_true(check_events("stream_custom_executor.raw", "", scheduler) > 3);
	assert_int_equal(check_events("executor_events.txt", "EVENT ", &mesos__v1__executor__event__descriptor), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_operator_answers),
		cmocka_unit_test(test_event_streams),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
