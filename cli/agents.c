/* agents.c - `mezzo agents`.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/str.h"
#include "cli/commands.h"

static void pair(struct table *tab, const json_t *a, const char *key)
{
	char used[32], total[32];

	table_cellf(tab, "%s/%s", js_amount(json_object_get(a, "used_resources"), key, used),
		    js_amount(json_object_get(a, "resources"), key, total));
}

static void attributes(struct table *tab, const json_t *a)
{
	mz_autobuf struct buf b = {0};
	const char *key;
	json_t *v;

	json_object_foreach(json_object_get(a, "attributes"), key, v) {
		char num[32];
		buf_addf(&b, "%s%s:%s", b.len ? ";" : "", key,
			 json_is_string(v) ? json_string_value(v)
					   : js_amount(json_object_get(a, "attributes"), key, num));
	}
	table_cell(tab, buf_str(&b));
}

static const char *state_of(const json_t *a)
{
	if (json_is_true(json_object_get(a, "deactivated")))
		return "deactivated";
	return json_is_true(json_object_get(a, "active")) ? "active" : "disconnected";
}

static int run(struct cli *c)
{
	json_t *v = cli_get_or_tell(cli_master(c), "/slaves"), *a;
	struct table tab = {0};
	size_t i;

	if (!v)
		return EXIT_FAILED;
	if (cli_flag(c, "json")) {
		cli_print_json(js_array(v, "slaves"));
		json_decref(v);
		return EXIT_OK;
	}
	table_column(&tab, "ID", COL_ID);
	table_column(&tab, "HOST", COL_LEFT);
	table_column(&tab, "PORT", COL_RIGHT);
	table_column(&tab, "STATE", COL_LEFT);
	table_column(&tab, "CPUS", COL_RIGHT);
	table_column(&tab, "MEM", COL_RIGHT);
	table_column(&tab, "DISK", COL_RIGHT);
	table_column(&tab, "ATTRIBUTES", COL_LEFT);
	json_array_foreach(js_array(v, "slaves"), i, a) {
		table_cell(&tab, js_str(a, "id"));
		table_cell(&tab, js_str(a, "hostname"));
		table_cellf(&tab, "%d", (int)js_num(a, "port"));
		table_cell(&tab, state_of(a));
		pair(&tab, a, "cpus");
		pair(&tab, a, "mem");
		pair(&tab, a, "disk");
		attributes(&tab, a);
	}
	table_print(&tab, cli_width(c), stdout);
	table_done(&tab);
	json_decref(v);
	return EXIT_OK;
}

const struct cli_command cli_agents = {.name = "agents", .args = "", .summary = "List agents, with used and total resources", .run = run};
