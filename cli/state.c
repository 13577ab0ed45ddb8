/* state.c - `mezzo state`: the cluster on one page.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "cli/commands.h"

static const char *const names[] = {"cpus", "mem", "disk", "gpus"};

static void count_tasks(const json_t *v, size_t *n_live, size_t *n_frameworks)
{
	json_t *f, *t;
	size_t i, j;

	json_array_foreach(js_array(v, "frameworks"), i, f) {
		++*n_frameworks;
		json_array_foreach(js_array(f, "tasks"), j, t)
			*n_live += !cli_state_is_terminal(js_str(t, "state"));
	}
}

static void print_line(const char *name, const char *value)
{
	mz_autobuf struct buf b = {0};

	cli_add_clean(&b, str_empty(value) ? "-" : value);
	printf("%-12s %s\n", name, buf_str(&b));
}

static int run(struct cli *c)
{
	json_t *v = cli_get_or_tell(cli_master(c), "/state"), *s;
	double used[MZ_N(names)] = {0}, total[MZ_N(names)] = {0};
	size_t n_live = 0, n_frameworks = 0, n_active = 0, i;

	if (!v)
		return EXIT_FAILED;
	if (cli_flag(c, "json")) {
		cli_print_json(v);
		json_decref(v);
		return EXIT_OK;
	}
	count_tasks(v, &n_live, &n_frameworks);
	json_array_foreach(js_array(v, "slaves"), i, s) {
		n_active += json_is_true(json_object_get(s, "active"));
		for (size_t k = 0; k < MZ_N(names); k++) {
			used[k] += js_num(json_object_get(s, "used_resources"), names[k]);
			total[k] += js_num(json_object_get(s, "resources"), names[k]);
		}
	}
	print_line("master", js_str(v, "pid"));
	print_line("id", js_str(v, "id"));
	print_line("leader", js_str(v, "leader"));
	print_line("version", js_str(v, "version"));
	printf("%-12s %zu active, %zu known\n", "agents", n_active, json_array_size(js_array(v, "slaves")));
	printf("%-12s %zu\n%-12s %zu live\n", "frameworks", n_frameworks, "tasks", n_live);
	for (size_t k = 0; k < MZ_N(names); k++)
		if (total[k] > 0)
			printf("%-12s %.6g of %.10g used\n", names[k], used[k], total[k]);
	json_decref(v);
	return EXIT_OK;
}

const struct cli_command cli_state = {
	.name = "state",
	.args = "",
	.summary = "Show the cluster on one page; with --json, the master's whole state",
	.run = run,
};
