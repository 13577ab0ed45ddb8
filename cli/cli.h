/* cli.h - what the commands of `mezzo` share: arguments, tables, answers of
 * daemons. One file a command; main.c only chooses.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEZZO_CLI_H
#define MEZZO_CLI_H

#include <jansson.h>
#include <mezzo/types.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/vec.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_TIMEOUT = 124 };

/* ---- commands and their arguments (args.c) --------------------------------- */

struct cli;

struct cli_opt {
	const char *name; /* without "--"; NULL ends the table */
	char letter;	  /* 0: none */
	const char *arg;  /* NULL: a switch */
	const char *help;
};

struct cli_command {
	const char *name;
	const char *args; /* as the usage line shows them */
	const char *summary;
	const char *text; /* a paragraph of --help; NULL: none */
	const struct cli_opt *opts;
	size_t min_args, max_args;
	size_t n_own; /* behind so many arguments all is another program's; 0: nothing is */
	int (*run)(struct cli *c);
};

struct cli_value {
	const struct cli_opt *opt;
	const char *value;
};

/* One parsed command line. */
struct cli {
	const struct cli_command *cmd; /* NULL: none is named */
	VEC(struct cli_value) values;
	VEC(const char *) args; /* of the command; what follows `--` is in `rest` */
	VEC(const char *) rest;
	bool has_rest;
};

extern const struct cli_command *const cli_commands[]; /* NULL-terminated */
extern const struct cli_opt cli_globals[];

const struct cli_command *cli_command_find(const char *name);
/* argv[0] is skipped; strings are used in place. */
int cli_parse(struct cli *c, int argc, char *const *argv, struct mz_err *err);
void cli_done(struct cli *c);
bool cli_flag(const struct cli *c, const char *name);
/* The last one given, or NULL. */
const char *cli_option(const struct cli *c, const char *name);
/* --master, MEZZO_MASTER, or the default. */
const char *cli_master(const struct cli *c);
void cli_help(const struct cli_command *cmd, FILE *out); /* NULL: of all */
/* Prints "mezzo: …" on stderr and returns `status`. */
int cli_fail(int status, const char *fmt, ...) MZ_PRINTF(2, 3);
int cli_main(int argc, char *const *argv);

/* ---- tables (table.c) ------------------------------------------------------ */

enum { TABLE_MAX_COLUMNS = 16, TABLE_UNLIMITED = 0 };
enum { COL_LEFT = 0, COL_RIGHT = 1, COL_ID = 2 /* cut at its front: ids differ at their ends */ };

struct table {
	struct {
		const char *title;
		int align;
	} columns[TABLE_MAX_COLUMNS];
	size_t n_columns;
	VEC(char *) cells; /* row by row */
};
void table_column(struct table *t, const char *title, int align);
/* The next cell, from left to right; NULL prints "-". Copied. */
void table_cell(struct table *t, const char *text);
void table_cellf(struct table *t, const char *fmt, ...) MZ_PRINTF(2, 3);
void table_print(const struct table *t, size_t width, FILE *out);
void table_done(struct table *t);
/* Of stdout; TABLE_UNLIMITED with --wide, or if it is no terminal. */
size_t cli_width(const struct cli *c);
/* Text without control characters, so that no name can drive the terminal. */
void cli_add_clean(struct buf *b, const char *s);

/* ---- answers (answer.c) ---------------------------------------------------- */

/* GET of a daemon's JSON, with redirects. `where` as for --master. The caller
 * frees with json_decref. Errors name the daemon. */
int cli_get(const char *where, const char *target, json_t **ret, struct mz_err *err);
/* POST of a JSON call to an agent's API; its status, and its answer, which the caller frees. */
int cli_post(const char *ip, int port, const char *json, int64_t timeout_ns, int *ret_status, char **ret_body,
	     struct mz_err *err);
/* The same, told on stderr: NULL on failure. */
json_t *cli_get_or_tell(const char *where, const char *target);
/* Members of answers; never NULL: "", 0, an empty array. */
const char *js_str(const json_t *o, const char *key);
double js_num(const json_t *o, const char *key);
json_t *js_array(const json_t *o, const char *key);
/* "4" or "0.25" */
const char *js_amount(const json_t *o, const char *key, char out[32]);
void cli_print_json(const json_t *v); /* and a newline */
/* "host:port" of an agent by its id, from the master's /slaves; the caller frees. */
char *cli_agent_address(const json_t *slaves, const char *agent_id);
/* The task of that id in an answer of /tasks. A live one wins over ended ones, the
 * newest of those wins. -ENOENT, -EEXIST (in several frameworks). */
int cli_find_task(const json_t *tasks, const char *id, const char *framework_id, const json_t **ret,
		  struct mz_err *err);
bool cli_state_is_terminal(const char *state);

/* ---- exit status (status.c) ------------------------------------------------ */

/* The exit status that an ended task stands for. */
int cli_task_status(const char *state, const char *message);
/* The first that is not 0. */
int cli_first_failure(const int *statuses, size_t n);
int cli_parse_env(const char *text, char **ret_name, const char **ret_value);

#endif
