/* modules.c - `mezzo modules`: what a running daemon has loaded.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

static const struct cli_opt opts[] = {
	{"agent", 'a', "ADDRESS", "of the agent at this host:port, instead of the master"},
	{0},
};

static int run(struct cli *c)
{
	const char *agent = cli_option(c, "agent");
	json_t *v = cli_get_or_tell(agent ? agent : cli_master(c), "/mezzo/modules"), *m;
	struct table tab = {0};
	size_t i;

	if (!v)
		return EXIT_FAILED;
	if (cli_flag(c, "json")) {
		cli_print_json(js_array(v, "modules"));
		json_decref(v);
		return EXIT_OK;
	}
	table_column(&tab, "KIND", COL_LEFT);
	table_column(&tab, "NAME", COL_LEFT);
	table_column(&tab, "VERSION", COL_LEFT);
	table_column(&tab, "ABI", COL_RIGHT);
	table_column(&tab, "STATE", COL_LEFT);
	table_column(&tab, "CALLS", COL_RIGHT);
	table_column(&tab, "TOTAL ms", COL_RIGHT);
	table_column(&tab, "MAX ms", COL_RIGHT);
	table_column(&tab, "FILE", COL_ID);
	table_column(&tab, "REASON", COL_LEFT);
	json_array_foreach(js_array(v, "modules"), i, m) {
		table_cell(&tab, js_str(m, "kind"));
		table_cell(&tab, js_str(m, "name"));
		table_cell(&tab, js_str(m, "version"));
		table_cellf(&tab, "%.0f", js_num(m, "abi"));
		table_cell(&tab, js_str(m, "state"));
		table_cellf(&tab, "%.0f", js_num(m, "calls"));
		table_cellf(&tab, "%.3f", js_num(m, "total_ms"));
		table_cellf(&tab, "%.3f", js_num(m, "max_ms"));
		table_cell(&tab, js_str(m, "file"));
		table_cell(&tab, js_str(m, "reason"));
	}
	table_print(&tab, cli_width(c), stdout);
	table_done(&tab);
	json_decref(v);
	return EXIT_OK;
}

const struct cli_command cli_modules = {.name = "modules", .args = "", .summary = "List the modules of a running daemon", .opts = opts, .run = run};
