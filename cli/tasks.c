/* tasks.c - `mezzo tasks`.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "cli/commands.h"

static const struct cli_opt opts[] = {
	{"all", 'a', NULL, "also tasks that have ended"},
	{"framework", 'f', "ID", "only tasks of this framework"},
	{0},
};

static bool wanted(const struct cli *c, const json_t *t)
{
	const char *fw = cli_option(c, "framework");

	return (cli_flag(c, "all") || !cli_state_is_terminal(js_str(t, "state"))) &&
	       (!fw || str_eq(fw, js_str(t, "framework_id")));
}

static int run(struct cli *c)
{
	json_t *v = cli_get_or_tell(cli_master(c), "/tasks?limit=1000000"), *list = json_array(), *t;
	struct table tab = {0};
	char num[32];
	size_t i;

	if (!v) {
		json_decref(list);
		return EXIT_FAILED;
	}
	json_array_foreach(js_array(v, "tasks"), i, t)
		if (wanted(c, t))
			json_array_append(list, t);
	if (cli_flag(c, "json")) {
		cli_print_json(list);
	} else {
		table_column(&tab, "ID", COL_LEFT);
		table_column(&tab, "NAME", COL_LEFT);
		table_column(&tab, "STATE", COL_LEFT);
		table_column(&tab, "CPUS", COL_RIGHT);
		table_column(&tab, "MEM", COL_RIGHT);
		table_column(&tab, "ROLE", COL_LEFT);
		table_column(&tab, "AGENT", COL_ID);
		table_column(&tab, "FRAMEWORK", COL_ID);
		json_array_foreach(list, i, t) {
			const json_t *r = json_object_get(t, "resources");
			const char *state = js_str(t, "state");
			table_cell(&tab, js_str(t, "id"));
			table_cell(&tab, js_str(t, "name"));
			table_cell(&tab, str_starts(state, "TASK_") ? state + 5 : state);
			table_cell(&tab, js_amount(r, "cpus", num));
			table_cell(&tab, js_amount(r, "mem", num));
			table_cell(&tab, js_str(t, "role"));
			table_cell(&tab, js_str(t, "slave_id"));
			table_cell(&tab, js_str(t, "framework_id"));
		}
		table_print(&tab, cli_width(c), stdout);
		table_done(&tab);
	}
	json_decref(list);
	json_decref(v);
	return EXIT_OK;
}

const struct cli_command cli_tasks = {.name = "tasks", .args = "", .summary = "List tasks", .opts = opts, .run = run};
