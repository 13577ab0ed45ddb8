/* frameworks.c - `mezzo frameworks`.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/str.h"
#include "cli/commands.h"

static const struct cli_opt opts[] = {
	{"all", 'a', NULL, "also frameworks that have ended"},
	{0},
};

static void row(struct table *tab, const json_t *f, bool completed)
{
	const json_t *r = json_object_get(f, "used_resources");
	mz_autobuf struct buf roles = {0};
	char num[32];
	json_t *role;
	size_t i;

	if (!r)
		r = json_object_get(f, "resources");
	json_array_foreach(js_array(f, "roles"), i, role)
		buf_addf(&roles, "%s%s", i ? "," : "", json_is_string(role) ? json_string_value(role) : "?");
	table_cell(tab, js_str(f, "id"));
	table_cell(tab, js_str(f, "name"));
	table_cell(tab, js_str(f, "user"));
	table_cell(tab, roles.len ? buf_str(&roles) : js_str(f, "role"));
	table_cell(tab, completed ? "completed"
			: json_is_true(json_object_get(f, "connected")) ? "connected" : "disconnected");
	table_cellf(tab, "%zu", json_array_size(js_array(f, "tasks")));
	table_cell(tab, js_amount(r, "cpus", num));
	table_cell(tab, js_amount(r, "mem", num));
}

static int run(struct cli *c)
{
	json_t *v = cli_get_or_tell(cli_master(c), "/frameworks"), *f;
	struct table tab = {0};
	size_t i;

	if (!v)
		return EXIT_FAILED;
	if (cli_flag(c, "json")) {
		json_t *list = json_copy(js_array(v, "frameworks"));
		if (cli_flag(c, "all"))
			json_array_extend(list, js_array(v, "completed_frameworks"));
		cli_print_json(list);
		json_decref(list);
		json_decref(v);
		return EXIT_OK;
	}
	table_column(&tab, "ID", COL_ID);
	table_column(&tab, "NAME", COL_LEFT);
	table_column(&tab, "USER", COL_LEFT);
	table_column(&tab, "ROLES", COL_LEFT);
	table_column(&tab, "STATE", COL_LEFT);
	table_column(&tab, "TASKS", COL_RIGHT);
	table_column(&tab, "CPUS", COL_RIGHT);
	table_column(&tab, "MEM", COL_RIGHT);
	json_array_foreach(js_array(v, "frameworks"), i, f)
		row(&tab, f, false);
	if (cli_flag(c, "all"))
		json_array_foreach(js_array(v, "completed_frameworks"), i, f)
			row(&tab, f, true);
	table_print(&tab, cli_width(c), stdout);
	table_done(&tab);
	json_decref(v);
	return EXIT_OK;
}

const struct cli_command cli_frameworks = {.name = "frameworks", .args = "", .summary = "List frameworks", .opts = opts, .run = run};
