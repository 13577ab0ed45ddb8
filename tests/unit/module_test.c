/* module_test.c - settings, the registry and every service of struct mz_host, with
 * a module that is linked in and does what the test says.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "kit_impl.h"

/* ---- the module ------------------------------------------------------------- */

struct probe {
	const struct mz_host *h;
	const struct mz_conf *conf;
};

static int probe_create(const struct mz_host *host, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	(void)err;
	struct probe *p = xnew(struct probe);
	p->h = host;
	p->conf = conf;
	*inst = p;
	return 0;
}

static void probe_destroy(void *inst)
{
	free(inst);
}

static void probe_cleanup(void *inst, const char *id, struct mz_op *op)
{
	struct probe *p = inst;
	struct mz_err err;
	if (strcmp(id, "twice") == 0)
		p->h->op_done(op, NULL, NULL);
	if (strcmp(id, "fails") == 0) {
		mz_fail(&err, -EBUSY, "It is in use");
		p->h->op_done(op, &err, NULL);
		return;
	}
	if (strcmp(id, "never") != 0)
		p->h->op_done(op, NULL, NULL);
}

static const char *const colours[] = {"red", "green", NULL};
static const struct mz_setting probe_settings[] = {
	MZ_SETTING(STRING, "text", "hello", 0, 0, "A text"),
	MZ_SETTING(BOOL, "flag", "false", 0, 0, "A flag"),
	MZ_SETTING(INT, "number", "5", 1, 10, "A number"),
	MZ_SETTING(BYTES, "room", "10MB", 0, 0, "Bytes"),
	MZ_SETTING(DURATION, "wait", "5secs", 0, 0, "A time"),
	MZ_SETTING(NUMBER, "part", "0.5", 0, 0, "A fraction"),
	MZ_SETTING(PATH, "dir", "", 0, 0, "A directory"),
	MZ_SETTING(LIST, "list", "[a, b]", 0, 0, "A list"),
	MZ_SETTING(MAP, "map", "", 0, 0, "A map"),
	{sizeof(struct mz_setting), MZ_SETTING_STRING, "colour", "red", 0, 0, "red | green", colours},
	MZ_SETTING_END,
};
static const struct mz_isolator_ops probe_ops = {
	.size = sizeof(probe_ops), .create = probe_create, .destroy = probe_destroy, .cleanup = probe_cleanup};
static const struct mz_module probe = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "probe",
	.version = "1.2",
	.author = "Tests",
	.summary = "Does what the test says",
	.settings = probe_settings,
	.ops = (const struct mz_ops *)&probe_ops,
};

/* ---- the fixture -------------------------------------------------------------- */

static struct mz_kit *kit;
static struct mz_kit_module *module;
static const struct mz_host *h;
static struct buf trace;

static int setup(void **state)
{
	(void)state;
	kit = mz_kit_new();
	assert_int_equal(mz_kit_add(kit, &probe, NULL, &module, NULL), 0);
	h = mz_kit_host(module);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mz_kit_free(kit);
	buf_done(&trace);
	return 0;
}

static void mark(void *arg)
{
	buf_adds(&trace, arg);
}

static void expect(const char *want)
{
	assert_string_equal(buf_str(&trace), want);
	buf_clear(&trace);
}

/* ---- settings ------------------------------------------------------------------ */

static void settings_have_their_defaults(void **state)
{
	const struct mz_conf *c = ((struct probe *)mz_kit_inst(module))->conf;
	(void)state;
	assert_string_equal(h->conf_str(c, "text"), "hello");
	assert_int_equal(h->conf_int(c, "flag"), 0);
	assert_int_equal(h->conf_int(c, "number"), 5);
	assert_int_equal(h->conf_int(c, "room"), 10 << 20);
	assert_int_equal(h->conf_int(c, "wait"), 5 * NS_PER_SEC);
	assert_int_equal(h->conf_int(c, "part"), 500);
	assert_string_equal(h->conf_str(c, "dir"), "");
	assert_string_equal(h->conf_item(c, "list", 1), "b");
	assert_null(h->conf_item(c, "list", 2));
	assert_null(h->conf_pair(c, "map", 0, NULL));
}

static void settings_are_read(void **state)
{
	static const char yaml[] = "text: 'x y'\nflag: true\nnumber: 10\nroom: 4KB\nwait: 100ms\npart: 2\n"
				   "dir: /tmp\nlist: []\nmap: {k: v, l: w, m: [x, y]}\ncolour: green\n";
	struct mz_kit *k = mz_kit_new();
	struct mz_kit_module *m;
	struct mz_err err;
	const char *value;
	(void)state;
	if (mz_kit_add(k, &probe, yaml, &m, &err) < 0)
		fail_msg("%s", err.msg);
	const struct mz_conf *c = ((struct probe *)mz_kit_inst(m))->conf;
	assert_string_equal(h->conf_str(c, "text"), "x y");
	assert_int_equal(h->conf_int(c, "flag"), 1);
	assert_int_equal(h->conf_int(c, "wait"), 100 * NS_PER_MS);
	assert_int_equal(h->conf_int(c, "part"), 2000);
	assert_string_equal(h->conf_str(c, "dir"), "/tmp");
	assert_null(h->conf_item(c, "list", 0));
	assert_string_equal(h->conf_pair(c, "map", 1, &value), "l");
	assert_string_equal(value, "w");
	assert_string_equal(h->conf_pair(c, "map", 2, &value), "m");
	assert_string_equal(value, "x y");
	assert_string_equal(h->conf_str(c, "colour"), "green");
	mz_kit_free(k);
}

static void wrong_settings_are_refused(void **state)
{
	static const char *const wrong[][2] = {
		{"{number: 11}", "settings:1: Setting 'number' of module 'isolator/probe'"},
		{"\n\nnumber: x\n", "settings:3: Setting 'number' of module 'isolator/probe'"},
		{"{flag: maybe}", "Setting 'flag'"},
		{"{dir: relative}", "Setting 'dir'"},
		{"{colour: blue}", "Setting 'colour'"},
		{"{list: a}", "Want a list"},
		{"{map: [a]}", "Want a map"},
		{"{map: {a: {b: c}}}", "The value of 'a' is neither a string nor a list of strings"},
		{"{map: {a: [b, [c]]}}", "The value of 'a' is neither"},
		{"{text: [a]}", "Want one value of type string"},
		{"\nnunber: 3\n", "settings:2: Unknown setting 'nunber' of module 'isolator/probe', did you mean 'number'?"},
		{"{something_else: 3}", "Unknown setting 'something_else' of module 'isolator/probe'"},
		{"[a]", "The settings of module 'isolator/probe' are not a map"},
	};
	(void)state;
	for (size_t i = 0; i < MZ_N(wrong); i++) {
		struct mz_kit *k = mz_kit_new();
		struct mz_kit_module *m;
		struct mz_err err = {0};
		assert_true(mz_kit_add(k, &probe, wrong[i][0], &m, &err) < 0);
		if (!strstr(err.msg, wrong[i][1]))
			fail_msg("%s: want '%s' in '%s'", wrong[i][0], wrong[i][1], err.msg);
		mz_kit_free(k);
	}
}

/* ---- references in the configuration ----------------------------------------------- */

static int load_ref(const char *yaml, struct module **ret, struct mz_err *err)
{
	struct conf_node *n = NULL;
	assert_int_equal(conf_parse("x.yaml", yaml, strlen(yaml), &n, err), 0);
	int rc = module_load(kit->registry, MZ_KIND_ISOLATOR, n, ret, err);
	conf_free(n);
	return rc;
}

static void references(void **state)
{
	struct module *m;
	struct mz_err err;
	(void)state;
	if (load_ref("{name: probe, as: second, settings: {number: 7}}", &m, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(module_name(m), "isolator/second");
	assert_ptr_not_equal(module_inst(m), mz_kit_inst(module));
	static const char *const wrong[][2] = {
		{"probe", "x.yaml:1: built in: Duplicate module 'isolator/probe', it is loaded from built in already"},
		{"nowhere", "x.yaml:1: No module 'isolator/nowhere' in "},
		{"{settings: {}}", "x.yaml:1: A module needs 'name' or 'file'"},
		{"{name: probe, set: 1}", "Unknown key 'set' of a module; it has 'name', 'file', 'as' and 'settings'"},
		{"{file: x.so}", "File 'x.so' of a module is not an absolute path"},
		{"{name: probe, as: A B}", "The name 'A B' of an instance is not [a-z0-9_]+"},
		{"[probe]", "Want the name of a module, or a map with 'name' or 'file'"},
		{"\n{name: probe, as: third,\n settings: {number: 70}}", "x.yaml:3: Setting 'number'"},
	};
	for (size_t i = 0; i < MZ_N(wrong); i++) {
		assert_true(load_ref(wrong[i][0], &m, &err) < 0);
		if (!strstr(err.msg, wrong[i][1]))
			fail_msg("%s: want '%s' in '%s'", wrong[i][0], wrong[i][1], err.msg);
	}
}

static void on_info(void *arg, const struct module_info *i)
{
	(void)arg;
	buf_addf(&trace, "%s %s %s %u;", i->instance, i->version, module_state_name(i->state), i->abi);
}

static void the_list_of_modules(void **state)
{
	struct module *m;
	(void)state;
	assert_true(load_ref("nowhere", &m, NULL) < 0);
	module_registry_each(kit->registry, on_info, NULL);
	expect("isolator/probe 1.2 active 1;isolator/nowhere  failed 0;");
	mz_kit_unload(module);
	module_registry_each(kit->registry, on_info, NULL);
	expect("isolator/probe 1.2 off 1;isolator/nowhere  failed 0;");
}

static void description(void **state)
{
	struct module_desc d;
	(void)state;
	assert_int_equal(module_inspect_data("x.so", &probe, 0, NULL, &d, NULL), 0);
	module_describe(&d, &trace);
	module_desc_done(&d);
	const char *text = buf_str(&trace);
	assert_true(strncmp(text, "isolator/probe 1.2\nDoes what the test says\n", 42) == 0);
	assert_non_null(strstr(text, "  number: int, default 5, 1 to 10\n      A number\n"));
	assert_non_null(strstr(text, "  colour: string, default red, one of red | green\n"));
}

/* ---- ops ------------------------------------------------------------------------ */

static void cleanup(const char *id, struct mz_kit_op *r)
{
	const struct mz_isolator_ops *ops = mz_kit_ops(module);
	ops->cleanup(mz_kit_inst(module), id, mz_kit_op(module, r, 0));
}

static void an_op_ends_once_and_from_the_loop(void **state)
{
	struct mz_kit_op r;
	(void)state;
	cleanup("once", &r);
	assert_false(r.done); /* completed inside the callback, told by the loop */
	assert_int_equal(mz_kit_wait(kit, &r), 0);
	cleanup("fails", &r);
	assert_int_equal(mz_kit_wait(kit, &r), -EBUSY);
	assert_string_equal(r.err.msg, "It is in use");
	assert_string_equal(mz_kit_log(kit), "");
}

static void completing_twice_is_reported(void **state)
{
	struct mz_kit_op r, s;
	(void)state;
	cleanup("twice", &r);
	assert_int_equal(mz_kit_wait(kit, &r), 0);
	assert_non_null(strstr(mz_kit_log(kit), "E module/isolator/probe Module 'isolator/probe' completed 'a callback' "
						"twice, ignoring the second time"));
	mz_kit_clear(kit);
	struct mz_op *op = mz_kit_op(module, &s, 0);
	h->op_done(op, NULL, NULL);
	assert_int_equal(mz_kit_wait(kit, &s), 0);
	h->op_done(op, NULL, NULL); /* it is nobody's by now */
	assert_non_null(strstr(mz_kit_log(kit), "twice, ignoring the second time"));
}

static void a_deadline_passes(void **state)
{
	struct mz_kit_op r;
	(void)state;
	struct mz_op *op = mz_kit_op(module, &r, 0);
	assert_int_equal(mz_kit_wait(kit, &r), -ETIMEDOUT);
	assert_string_equal(r.err.msg, "Module 'isolator/probe' did not complete 'a callback' within 60000 ms");
	mz_kit_clear(kit);
	h->op_done(op, NULL, NULL);
	mz_kit_turn(kit);
	assert_string_equal(mz_kit_log(kit), "W module/isolator/probe Module 'isolator/probe' completed 'a callback' "
					     "after its deadline, ignoring\n");
}

static void results_are_copied_to_size(void **state)
{
	struct mz_kit_op r;
	struct mz_container_status s = {.size = offsetof(struct mz_container_status, pid), .pid = 7};
	(void)state;
	struct mz_op *op = mz_kit_op(module, &r, sizeof(s));
	h->op_done(op, NULL, &s);
	assert_int_equal(mz_kit_wait(kit, &r), 0);
	struct mz_container_status got;
	memcpy(&got, r.result.bytes, sizeof(got));
	assert_int_equal(got.pid, 0); /* behind what the module says it has */
	s.size = sizeof(s);
	op = mz_kit_op(module, &r, sizeof(s));
	h->op_done(op, NULL, &s);
	s.pid = 8;
	assert_int_equal(mz_kit_wait(kit, &r), 0);
	memcpy(&got, r.result.bytes, sizeof(got));
	assert_int_equal(got.pid, 7);
}

static void many_ops(void **state)
{
	static struct mz_kit_op r[500];
	(void)state;
	for (int round = 0; round < 5; round++) {
		for (size_t i = 0; i < MZ_N(r); i++)
			cleanup("once", &r[i]);
		for (size_t i = 0; i < MZ_N(r); i++)
			assert_int_equal(mz_kit_wait(kit, &r[i]), 0);
	}
	assert_string_equal(mz_kit_log(kit), "");
}

/* ---- the other services ------------------------------------------------------------ */

static void timers_and_posts(void **state)
{
	(void)state;
	int64_t start = h->now(h);
	h->timer(h, 2 * NS_PER_SEC, mark, (void *)"2");
	h->timer(h, NS_PER_SEC, mark, (void *)"1");
	struct mz_timer *t = h->timer(h, NS_PER_SEC, mark, (void *)"X");
	h->timer_cancel(h, t);
	h->timer_cancel(h, NULL);
	h->post(h, mark, (void *)"p");
	expect("");
	mz_kit_advance(kit, 3 * NS_PER_SEC);
	expect("p12");
	assert_int_equal(h->now(h) - start, 3 * NS_PER_SEC);
	assert_int_equal(h->offload(h, mark, mark, (void *)"w"), 0);
	mz_kit_turn(kit);
	expect("ww");
}

static void what_destroy_forgot_is_closed(void **state)
{
	int fds[2];
	static const char *const argv[] = {"/bin/true", NULL};
	struct mz_spawn s = {.size = sizeof(s), .fd_in = -1, .fd_out = -1, .fd_err = -1, .argv = argv};
	(void)state;
	assert_int_equal(pipe(fds), 0);
	h->timer(h, NS_PER_SEC, mark, (void *)"t");
	h->post(h, mark, (void *)"p");
	h->watch(h, fds[0], MZ_READ, (void (*)(void *, int))(void (*)(void))mark, (void *)"w");
	assert_int_equal(h->spawn(h, &s, NULL, NULL, NULL, NULL, NULL), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	mz_kit_unload(module);
	mz_kit_advance(kit, 10 * NS_PER_SEC);
	expect("");
	close(fds[0]);
	close(fds[1]);
}

static void on_readable(void *arg, int ready)
{
	char c;
	assert_int_equal(ready, MZ_READ);
	assert_int_equal(read(*(int *)arg, &c, 1), 1);
	buf_addc(&trace, c);
}

static void on_exit_of(void *arg, int32_t pid, int32_t status)
{
	(void)pid;
	buf_addf(&trace, "%s%x", (const char *)arg, (unsigned)status);
}

static int traced(void *arg)
{
	return strcmp(buf_str(&trace), arg) == 0;
}

static void descriptors_and_children(void **state)
{
	int fds[2];
	static const char *const argv[] = {"/bin/sh", "-c", "printf \"$A\"; exit 3", NULL};
	static const char *const env[] = {"A=a", NULL};
	(void)state;
	assert_int_equal(pipe(fds), 0);
	struct mz_spawn s = {.size = sizeof(s), .fd_in = -1, .fd_out = fds[1], .fd_err = -1, .argv = argv, .env = env};
	struct mz_watch *w = h->watch(h, fds[0], MZ_READ, on_readable, &fds[0]);
	assert_int_equal(h->spawn(h, &s, on_exit_of, (void *)"=", NULL, NULL, NULL), 0);
	assert_int_equal(mz_kit_until(kit, traced, (void *)"a=300", 60 * NS_PER_SEC), 0);
	h->unwatch(h, w);
	close(fds[0]);
	close(fds[1]);
	static const char *const nothing[] = {"/nonexistent", NULL};
	struct mz_err err = {0};
	s.argv = nothing;
	s.fd_out = -1;
	assert_true(h->spawn(h, &s, NULL, NULL, NULL, NULL, &err) < 0);
	assert_non_null(strstr(err.msg, "/nonexistent"));
}

static void on_stored(void *arg, const struct mz_err *err)
{
	buf_addf(&trace, "%s%d;", (const char *)arg, err ? err->code : 0);
}

static int on_key(void *arg, const char *key, struct mz_bytes v)
{
	(void)arg;
	buf_addf(&trace, "%s=%.*s;", key, (int)v.size, (const char *)v.data);
	return 0;
}

static void storage(void **state)
{
	struct mz_bytes v;
	struct mz_err err;
	(void)state;
	assert_int_equal(h->storage_get(h, "b", &v), -ENOENT);
	h->storage_put(h, "b", (struct mz_bytes){"two", 3}, on_stored, (void *)"b");
	h->storage_put(h, "a", (struct mz_bytes){"one", 3}, on_stored, (void *)"a");
	h->storage_put(h, "c", (struct mz_bytes){"x", 1}, NULL, NULL);
	h->storage_put(h, "c", (struct mz_bytes){NULL, 0}, NULL, NULL);
	h->storage_put(h, "", (struct mz_bytes){"x", 1}, on_stored, (void *)"empty");
	expect("");
	mz_kit_advance(kit, NS_PER_SEC);
	assert_non_null(strstr(buf_str(&trace), "b0;a0;"));
	assert_non_null(strstr(buf_str(&trace), "empty-22;"));
	buf_clear(&trace);
	assert_int_equal(h->storage_get(h, "b", &v), 0);
	assert_memory_equal(v.data, "two", 3);
	assert_int_equal(h->storage_each(h, on_key, NULL), 0);
	expect("a=one;b=two;");
	/* The next instance finds it; another module does not. */
	mz_kit_unload(module);
	assert_int_equal(mz_kit_add(kit, &probe, NULL, &module, &err), 0);
	h = mz_kit_host(module);
	assert_int_equal(h->storage_get(h, "a", &v), 0);
	struct module *other;
	assert_int_equal(load_ref("{name: probe, as: other}", &other, &err), 0);
	assert_int_equal(module_host(other)->storage_get(module_host(other), "a", &v), -ENOENT);
}

static void metrics(void **state)
{
	(void)state;
	struct mz_metric *c = h->metric(h, MZ_METRIC_COUNTER, "things");
	struct mz_metric *g = h->metric(h, MZ_METRIC_GAUGE, "level");
	assert_ptr_equal(h->metric(h, MZ_METRIC_COUNTER, "things"), c);
	h->metric_add(c, 2);
	h->metric_add(c, 3);
	h->metric_set(g, 0.25);
	assert_true(mz_kit_metric(module, "things") == 5);
	assert_true(mz_kit_metric(module, "level") == 0.25);
	assert_true(mz_kit_metric(module, "calls") == 1); /* create */
	assert_true(isnan(mz_kit_metric(module, "nothing")));
}

static void answer(void *arg, struct mz_request *r)
{
	struct mz_bytes body = h->request_body(r);
	const char *q = h->request_query(r, "q");
	mz_autofree char *text = xasprintf("%s %s %s q=%s %.*s", (const char *)arg, h->request_method(r), h->request_path(r),
					   q ? q : "-", (int)body.size, (const char *)body.data);
	h->request_reply(r, 200, "text/plain", (struct mz_bytes){text, strlen(text)});
	if (strcmp(arg, "twice") == 0)
		h->request_reply(r, 200, "text/plain", (struct mz_bytes){text, strlen(text)});
}

static void routes(void **state)
{
	struct mz_err err;
	int status;
	(void)state;
	assert_int_equal(h->route(h, "/x", answer, (void *)"x", &err), 0);
	assert_int_equal(h->route(h, "/x", answer, (void *)"x", &err), -EEXIST);
	assert_int_equal(h->route(h, "y", answer, NULL, &err), -EINVAL);
	assert_int_equal(h->route(h, "/twice", answer, (void *)"twice", &err), 0);
	assert_string_equal(mz_kit_request(module, "POST", "/x/deep", "q=1%202", "body", &status),
			    "x POST /x/deep q=1 2 body");
	assert_int_equal(status, 200);
	mz_kit_request(module, "GET", "/z", NULL, NULL, &status);
	assert_int_equal(status, 404);
	assert_string_equal(mz_kit_log(kit), "");
	mz_kit_request(module, "GET", "/twice", NULL, NULL, &status);
	assert_non_null(strstr(mz_kit_log(kit), "answered a request twice"));
}

static void logging(void **state)
{
	(void)state;
	h->log(h, MZ_LOG_WARNING, "100% done");
	assert_string_equal(mz_kit_log(kit), "W module/isolator/probe 100% done\n");
	assert_string_equal(h->name(h), "isolator/probe");
}

static void slow_calls_are_told(void **state)
{
	struct mz_kit_op r;
	struct module_isolator iso;
	(void)state;
	module_registry_set_slow_call(kit->registry, 1); /* every call is slower than that */
	module_as_isolator(module->m, &iso);
	MODULE_CALL(&iso, cleanup, "once", mz_kit_op(module, &r, 0));
	assert_int_equal(mz_kit_wait(kit, &r), 0);
	assert_non_null(strstr(mz_kit_log(kit), "Module 'isolator/probe' held up the loop for 0 ms in 'cleanup'"));
	assert_true(mz_kit_metric(module, "calls") == 2);
	assert_true(mz_kit_metric(module, "total_ms") > 0);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(settings_have_their_defaults), T(settings_are_read), T(wrong_settings_are_refused), T(references),
		T(the_list_of_modules), T(description), T(an_op_ends_once_and_from_the_loop),
		T(completing_twice_is_reported), T(a_deadline_passes), T(results_are_copied_to_size), T(many_ops),
		T(timers_and_posts), T(what_destroy_forgot_is_closed), T(descriptors_and_children), T(storage),
		T(metrics), T(routes), T(logging), T(slow_calls_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
