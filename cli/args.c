/* args.c - the command line: one table per command gives parsing and --help.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "cli/cli.h"

const struct cli_opt cli_globals[] = {
	{"master", 'm', "ADDRESS", "the master: host:port or URL, or several with commas (default: $MEZZO_MASTER, or 127.0.0.1:5050)"},
	{"json", 0, NULL, "print JSON"},
	{"wide", 'w', NULL, "do not fit tables to the terminal"},
	{"help", 'h', NULL, "print help"},
	{"version", 0, NULL, "print the version"},
	{0},
};

const struct cli_command *cli_command_find(const char *name)
{
	for (size_t i = 0; cli_commands[i]; i++)
		if (str_eq(cli_commands[i]->name, name))
			return cli_commands[i];
	return NULL;
}

static const struct cli_opt *find(const struct cli_opt *o, const char *name, size_t len, char letter)
{
	for (; o && o->name; o++)
		if (name ? strlen(o->name) == len && memcmp(o->name, name, len) == 0 : o->letter == letter)
			return o;
	return NULL;
}

static const struct cli_opt *lookup(const struct cli *c, const char *name, size_t len, char letter)
{
	const struct cli_opt *o = c->cmd ? find(c->cmd->opts, name, len, letter) : NULL;
	return o ? o : find(cli_globals, name, len, letter);
}

/* The place for messages: "run: " or nothing. */
static const char *place(const struct cli *c, char out[64])
{
	snprintf(out, 64, "%s%s", c->cmd ? c->cmd->name : "", c->cmd ? ": " : "");
	return out;
}

/* The switches of "-itx" one by one, but for the last one. */
static const char *parse_letters(struct cli *c, const char *text)
{
	while (text[1] && text[1] != '-' && text[2]) {
		const struct cli_opt *o = lookup(c, NULL, 0, text[1]);
		if (!o || o->arg)
			break;
		vec_push(&c->values, ((struct cli_value){o, NULL}));
		text++;
	}
	return text;
}

static int parse_option(struct cli *c, int argc, char *const *argv, int *i, struct mz_err *err)
{
	const char *text = parse_letters(c, argv[*i]), *value = NULL;
	bool is_long = text == argv[*i] && text[1] == '-';
	size_t len = is_long ? strcspn(text + 2, "=") : 1;
	const struct cli_opt *o = is_long ? lookup(c, text + 2, len, 0) : lookup(c, NULL, 0, text[1]);
	char at[64];

	if (!o)
		return mz_fail(err, -EINVAL, "%sunknown option '-%.*s' (see 'mezzo%s%s --help')", place(c, at),
			       (int)(is_long ? len + 1 : 1), text + 1, c->cmd ? " " : "", c->cmd ? c->cmd->name : "");
	if (is_long && text[2 + len] == '=')
		value = text + 2 + len + 1;
	else if (!is_long && text[2])
		value = text + 2;
	if (!o->arg && value)
		return mz_fail(err, -EINVAL, "%soption '--%s' takes no value", place(c, at), o->name);
	if (o->arg && !value) {
		if (*i + 1 >= argc)
			return mz_fail(err, -EINVAL, "%soption '--%s' needs a value (%s)", place(c, at), o->name, o->arg);
		value = argv[++*i];
	}
	vec_push(&c->values, ((struct cli_value){o, value}));
	return 0;
}

static int check_counts(const struct cli *c, struct mz_err *err)
{
	if (!c->cmd || cli_flag(c, "help"))
		return 0;
	if (c->args.n > c->cmd->max_args)
		return mz_fail(err, -EINVAL, "%s: unexpected argument '%s'", c->cmd->name, c->args.v[c->cmd->max_args]);
	if (c->args.n < c->cmd->min_args)
		return mz_fail(err, -EINVAL, "%s: too few arguments (usage: mezzo %s %s)", c->cmd->name, c->cmd->name,
			       c->cmd->args);
	return 0;
}

int cli_parse(struct cli *c, int argc, char *const *argv, struct mz_err *err)
{
	for (int i = 1; i < argc; i++) {
		const char *s = argv[i];
		if (c->cmd && c->cmd->n_own && c->args.n >= c->cmd->n_own) {
			/* A "--" between is for those who are used to one. */
			if (c->args.n > c->cmd->n_own || !str_eq(s, "--"))
				vec_push(&c->args, s);
			else if (i + 1 < argc)
				vec_push(&c->args, argv[++i]);
		} else if (str_eq(s, "--")) {
			c->has_rest = true;
			while (++i < argc)
				vec_push(&c->rest, argv[i]);
		} else if (s[0] == '-' && s[1]) {
			int rc = parse_option(c, argc, argv, &i, err);
			if (rc < 0)
				return rc;
		} else if (!c->cmd) {
			c->cmd = cli_command_find(s);
			if (!c->cmd)
				return mz_fail(err, -EINVAL, "unknown command '%s' (see 'mezzo --help')", s);
		} else {
			vec_push(&c->args, s);
		}
	}
	if (c->has_rest && c->cmd && !str_eq(c->cmd->name, "run"))
		for (size_t i = 0; i < c->rest.n; i++)
			vec_push(&c->args, c->rest.v[i]);
	return check_counts(c, err);
}

void cli_done(struct cli *c)
{
	vec_done(&c->values);
	vec_done(&c->args);
	vec_done(&c->rest);
}

const char *cli_option(const struct cli *c, const char *name)
{
	for (size_t i = c->values.n; i-- > 0;)
		if (str_eq(c->values.v[i].opt->name, name))
			return c->values.v[i].value ? c->values.v[i].value : "";
	return NULL;
}

bool cli_flag(const struct cli *c, const char *name)
{
	return cli_option(c, name) != NULL;
}

const char *cli_master(const struct cli *c)
{
	const char *given = cli_option(c, "master");

	if (str_empty(given))
		given = getenv("MEZZO_MASTER");
	return str_empty(given) ? "127.0.0.1:5050" : given;
}

static void print_options(const struct cli_opt *o, FILE *out)
{
	for (; o && o->name; o++) {
		char left[64];
		snprintf(left, sizeof(left), "%c%c%s --%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
			 o->letter ? "," : " ", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
		fprintf(out, "  %-28s %s\n", left, o->help);
	}
}

void cli_help(const struct cli_command *cmd, FILE *out)
{
	if (cmd) {
		fprintf(out, "usage: mezzo [OPTION]... %s%s%s\n\n%s.\n", cmd->name, *cmd->args ? " " : "", cmd->args,
			cmd->summary);
		if (cmd->text)
			fprintf(out, "\n%s\n", cmd->text);
		if (cmd->opts && cmd->opts->name) {
			fputs("\nOptions:\n", out);
			print_options(cmd->opts, out);
		}
	} else {
		fputs("usage: mezzo [OPTION]... COMMAND [ARGUMENT]...\n\n"
		      "Runs tasks on a Mezzo cluster and looks into it.\n\nCommands:\n", out);
		for (size_t i = 0; cli_commands[i]; i++)
			fprintf(out, "  %-12s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
	}
	fputs("\nGlobal options, before or after the command:\n", out);
	print_options(cli_globals, out);
}

int cli_fail(int status, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("mezzo: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}
