/* offers.c - `mezzo offers`: offers that frameworks hold at this moment.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

static int run(struct cli *c)
{
	json_t *v = cli_get_or_tell(cli_master(c), "/frameworks"), *list = json_array(), *f, *o;
	struct table tab = {0};
	char num[32];
	size_t i, j;

	if (!v) {
		json_decref(list);
		return EXIT_FAILED;
	}
	json_array_foreach(js_array(v, "frameworks"), i, f)
		json_array_extend(list, js_array(f, "offers"));
	if (cli_flag(c, "json")) {
		cli_print_json(list);
	} else {
		table_column(&tab, "ID", COL_ID);
		table_column(&tab, "FRAMEWORK", COL_ID);
		table_column(&tab, "AGENT", COL_ID);
		table_column(&tab, "ROLE", COL_LEFT);
		table_column(&tab, "CPUS", COL_RIGHT);
		table_column(&tab, "MEM", COL_RIGHT);
		table_column(&tab, "DISK", COL_RIGHT);
		json_array_foreach(list, j, o) {
			const json_t *r = json_object_get(o, "resources");
			table_cell(&tab, js_str(o, "id"));
			table_cell(&tab, js_str(o, "framework_id"));
			table_cell(&tab, js_str(o, "slave_id"));
			table_cell(&tab, js_str(json_object_get(o, "allocation_info"), "role"));
			table_cell(&tab, js_amount(r, "cpus", num));
			table_cell(&tab, js_amount(r, "mem", num));
			table_cell(&tab, js_amount(r, "disk", num));
		}
		table_print(&tab, cli_width(c), stdout);
		table_done(&tab);
	}
	json_decref(list);
	json_decref(v);
	return EXIT_OK;
}

const struct cli_command cli_offers = {.name = "offers", .args = "", .summary = "List the offers that frameworks hold now", .run = run};
