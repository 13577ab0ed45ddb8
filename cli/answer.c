/* answer.c - one GET or POST of a daemon and its JSON. jansson is named in cli/ only.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "cli/cli.h"
#include "loop/loop_event.h"
#include "sdk/address.h"
#include "wire/http_event.h"

enum { DEFAULT_PORT = 5050, REDIRECTS_MAX = 5 };
#define GET_TIMEOUT_NS (30 * NS_PER_SEC)

struct get {
	struct loop *loop;
	bool done;
	int status;
	char *body, *location, *error;
	size_t size;
};

static void on_answer(void *arg, const struct http_response *r)
{
	struct get *g = arg;

	g->done = true;
	g->status = r->status;
	g->body = xstrndup(r->body_size ? r->body : "", r->body_size);
	g->size = r->body_size;
	g->error = xstrdup(r->error ? r->error : "no answer");
	g->location = xstrdup(http_response_header(r, "Location"));
}

static void get_clear(struct get *g)
{
	free(MZ_MOVE(g->body));
	free(MZ_MOVE(g->location));
	free(MZ_MOVE(g->error));
	g->done = false;
}

static int get_once(struct get *g, const struct address *at, const char *target, struct mz_err *err)
{
	static const struct http_header headers[] = {{"Accept", "application/json"}};
	mz_autofree char *name = address_text(at);
	char ip[ADDRESS_IP_MAX];
	struct http_client *c;
	int rc = address_resolve(at, ip, err);

	if (rc < 0)
		return rc;
	get_clear(g);
	c = http_client_new(g->loop, ip, at->port);
	http_client_call(c, "GET", target, headers, 1, NULL, 0, GET_TIMEOUT_NS, on_answer, g);
	while (!g->done)
		loop_event_turn(g->loop, NS_PER_SEC);
	http_client_free(c);
	if (g->status == 0)
		return mz_fail(err, -ECONNREFUSED, "%s: %s", name, g->error);
	return 0;
}

static int to_json(const struct get *g, const char *name, const char *target, json_t **ret, struct mz_err *err)
{
	json_error_t je;
	mz_autobuf struct buf text = {0};

	if (g->status != 200) {
		cli_add_clean(&text, g->body);
		return mz_fail(err, -EIO, "%s answered %s with status %d%s%.160s", name, target, g->status,
			       text.len ? ": " : "", buf_str(&text));
	}
	*ret = json_loadb(g->body, g->size, JSON_ALLOW_NUL | JSON_DECODE_ANY, &je);
	if (!*ret)
		return mz_fail(err, -EPROTO, "%s answered %s with broken JSON: %s", name, target, je.text);
	return 0;
}

static int get_from(struct get *g, const char *where, const char *target, json_t **ret, struct mz_err *err)
{
	struct address at = {0};
	mz_autofree char *name = NULL;
	int rc = address_parse(where, DEFAULT_PORT, &at, err);

	for (int i = 0; rc == 0; i++) {
		rc = get_once(g, &at, target, err);
		if (rc < 0 || (g->status != 307 && g->status != 302) || !g->location)
			break;
		address_done(&at);
		rc = i < REDIRECTS_MAX ? address_parse_location(g->location, &at, err)
				       : mz_fail(err, -ELOOP, "%s: too many redirects", where);
	}
	if (rc == 0) {
		name = address_text(&at);
		rc = to_json(g, name, target, ret, err);
	}
	address_done(&at);
	return rc;
}

int cli_get(const char *where, const char *target, json_t **ret, struct mz_err *err)
{
	mz_autofree char *copy = xstrdup(where);
	struct get g = {0};
	char *save = NULL;
	int rc = loop_event_new(1, &g.loop, err);

	if (rc < 0)
		return rc;
	rc = mz_fail(err, -EINVAL, "No master is given");
	for (char *s = strtok_r(copy, ",", &save); s && rc < 0; s = strtok_r(NULL, ",", &save))
		rc = get_from(&g, str_trim(s), target, ret, err);
	get_clear(&g);
	loop_event_turn(g.loop, 0); /* what was closed is freed by posted work */
	loop_event_free(g.loop);
	return rc;
}

int cli_post(const char *ip, int port, const char *json, int64_t timeout_ns, int *ret_status, char **ret_body,
	     struct mz_err *err)
{
	static const struct http_header headers[] = {{"Accept", "application/json"}, {"Content-Type", "application/json"}};
	struct get g = {0};
	int rc = loop_event_new(1, &g.loop, err);

	if (rc < 0)
		return rc;
	struct http_client *c = http_client_new(g.loop, ip, port);
	http_client_call(c, "POST", "/api/v1", headers, MZ_N(headers), json, strlen(json), timeout_ns, on_answer, &g);
	while (!g.done)
		loop_event_turn(g.loop, NS_PER_SEC);
	http_client_free(c);
	if (g.status == 0)
		rc = mz_fail(err, -ECONNREFUSED, "%s:%d: %s", ip, port, g.error);
	*ret_status = g.status;
	*ret_body = MZ_MOVE(g.body);
	get_clear(&g);
	loop_event_turn(g.loop, 0); /* what was closed is freed by posted work */
	loop_event_free(g.loop);
	return rc;
}

json_t *cli_get_or_tell(const char *where, const char *target)
{
	struct mz_err err = {0};
	json_t *v = NULL;

	if (cli_get(where, target, &v, &err) < 0)
		cli_fail(0, "%s", err.msg);
	return v;
}

/* ---- members --------------------------------------------------------------- */

const char *js_str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : "";
}

double js_num(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

json_t *js_array(const json_t *o, const char *key)
{
	static json_t *none;
	json_t *v = json_object_get(o, key);

	if (json_is_array(v))
		return v;
	if (!none)
		none = json_array();
	return none;
}

const char *js_amount(const json_t *o, const char *key, char out[32])
{
	/* Thousandths are all that there is; 0.1 + 0.2 shall not show more. */
	snprintf(out, 32, "%.3f", js_num(o, key));
	for (size_t n = strlen(out); n && (out[n - 1] == '0' || out[n - 1] == '.');) {
		bool dot = out[--n] == '.';
		out[n] = '\0';
		if (dot)
			break;
	}
	return out;
}

void cli_print_json(const json_t *v)
{
	json_dumpf(v, stdout, JSON_ENCODE_ANY | JSON_INDENT(2));
	fputc('\n', stdout);
}

char *cli_agent_address(const json_t *slaves, const char *agent_id)
{
	json_t *s;
	size_t i;

	json_array_foreach(js_array(slaves, "slaves"), i, s) {
		const char *at = strchr(js_str(s, "pid"), '@');
		if (str_eq(js_str(s, "id"), agent_id) && at)
			return xstrdup(at + 1);
	}
	return NULL;
}

bool cli_state_is_terminal(const char *state)
{
	static const char *const live[] = {"TASK_STAGING", "TASK_STARTING", "TASK_RUNNING", "TASK_KILLING",
					   "TASK_UNREACHABLE", "TASK_UNKNOWN"};

	for (size_t i = 0; i < MZ_N(live); i++)
		if (str_eq(state, live[i]))
			return false;
	return true;
}

static double last_time(const json_t *task)
{
	json_t *statuses = js_array(task, "statuses");
	size_t n = json_array_size(statuses);

	return n ? js_num(json_array_get(statuses, n - 1), "timestamp") : 0;
}

int cli_find_task(const json_t *tasks, const char *id, const char *framework_id, const json_t **ret,
		  struct mz_err *err)
{
	const json_t *best = NULL;
	bool live = false, several = false;
	json_t *t;
	size_t i;

	json_array_foreach(js_array(tasks, "tasks"), i, t) {
		bool is_live = !cli_state_is_terminal(js_str(t, "state"));
		if (!str_eq(js_str(t, "id"), id) ||
		    (framework_id && !str_eq(js_str(t, "framework_id"), framework_id)))
			continue;
		if (best && is_live && live)
			several = true;
		if (!best || (is_live && !live) || (is_live == live && last_time(t) > last_time(best))) {
			best = t;
			live = is_live;
		}
	}
	if (several)
		return mz_fail(err, -EEXIST, "Task '%s' runs in several frameworks (choose one with --framework)", id);
	if (!best)
		return mz_fail(err, -ENOENT, "No task '%s'%s%s", id, framework_id ? " in framework " : "",
			       framework_id ? framework_id : "");
	*ret = best;
	return 0;
}
