/* module.c - `mezzo module describe|check FILE`: a module's file, without
 * running any of its code but what the dynamic linker runs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "module/module.h"

#include "base/str.h"
#include "cli/commands.h"

static json_t *settings_json(const struct module_desc *d)
{
	json_t *list = json_array();
	struct mz_setting s;

	for (size_t i = 0; module_setting(d, i, &s); i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s?, s:s?}", "name", s.name, "type",
						      module_setting_type_name(s.type), "default", s.def, "help", s.help));
	return list;
}

static void print_json(const struct module_desc *d, const struct mz_err *err, const char *file)
{
	json_t *v = err ? json_pack("{s:s, s:b, s:s}", "file", file, "ok", 0, "error", err->msg)
			: json_pack("{s:s, s:b, s:s?, s:s, s:s?, s:s?, s:s?, s:i, s:o}", "file", file, "ok", 1, "kind",
				    module_kind_name(d->mod.kind), "name", d->mod.name, "version", d->mod.version,
				    "author", d->mod.author, "summary", d->mod.summary, "abi", (int)d->mod.abi,
				    "settings", settings_json(d));
	cli_print_json(v);
	json_decref(v);
}

static int run(struct cli *c)
{
	const char *what = c->args.v[0], *file = c->args.v[1];
	mz_autofree char *path = NULL;
	struct module_desc d = {0};
	struct mz_err err = {0};
	mz_autobuf struct buf text = {0};

	if (!str_eq(what, "describe") && !str_eq(what, "check"))
		return cli_fail(EXIT_USAGE, "module: 'describe' or 'check' expected, not '%s'", what);
	/* A bare name would be searched for among the system's libraries. */
	path = strchr(file, '/') ? xstrdup(file) : xasprintf("./%s", file);
	if (module_inspect(path, 0, NULL, &d, &err) < 0) {
		if (cli_flag(c, "json")) {
			print_json(NULL, &err, path);
			return EXIT_FAILED;
		}
		return cli_fail(EXIT_FAILED, "%s", err.msg);
	}
	if (cli_flag(c, "json")) {
		print_json(&d, NULL, path);
	} else if (str_eq(what, "describe")) {
		module_describe(&d, &text);
		fputs(buf_str(&text), stdout);
	} else {
		printf("%s: ok: %s/%s %s, ABI %u\n", path, module_kind_name(d.mod.kind), d.mod.name, d.mod.version,
		       d.mod.abi);
	}
	module_desc_done(&d);
	return EXIT_OK;
}

const struct cli_command cli_module = {
	.name = "module",
	.args = "describe|check FILE",
	.summary = "Describe a module's file, or check that it can be loaded",
	.text = "None of the module's callbacks is run. `check` says in one line what is wrong.",
	.min_args = 2,
	.max_args = 2,
	.run = run,
};
