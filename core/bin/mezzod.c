/* mezzod.c - the daemon's command line: `mezzod master|agent -c FILE …`. Reads and
 * checks the settings, then hands over to run_master or run_agent.
 * SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "bin/daemon.h"
#include "config.h"

struct option_row {
	const char *name, *arg, *help;
	int letter;
	const char *key;   /* the setting that it is short for */
	const char *roles; /* NULL: both */
};

static const struct option_row rows[] = {
	{"config", "FILE", "settings in YAML", 'c', NULL, NULL},
	{"listen", "IP:PORT", "where the HTTP API listens", 0, "listen", NULL},
	{"work-dir", "DIR", "directory of this daemon", 0, "work_dir", NULL},
	{"master", "HOST:PORT", "where the master is", 0, "master", "agent"},
	{"resources", "TEXT", "what the agent offers: 'cpus:24;mem:24576;ports:[31000-32000]'", 0, "resources", "agent"},
	{"attributes", "TEXT", "what frameworks may select by: 'rack:1-1;os:rhel7'", 0, "attributes", "agent"},
	{"set", "PATH=VALUE", "any setting, as YAML; may come often", 's', NULL, NULL},
	{"check-config", NULL, "loads and checks everything, starts nothing", 'k', NULL, NULL},
	{"version", NULL, "prints the version", 'V', NULL, NULL},
	{"help", NULL, "prints this", 'h', NULL, NULL},
};

struct arguments {
	const char *file;
	VEC(char *) sets;
	bool check_only;
};

static void print_help(void)
{
	printf("Usage: mezzod master|agent [-c FILE] [OPTION…]\n\n"
	       "Runs a master or an agent of a Mezzo cluster in the foreground.\n\nOptions:\n");
	for (size_t i = 0; i < MZ_N(rows); i++) {
		char left[64];
		snprintf(left, sizeof(left), "%s--%s%s%s", rows[i].letter == 'c' ? "-c, " : "    ", rows[i].name,
			 rows[i].arg ? " " : "", rows[i].arg ? rows[i].arg : "");
		printf("  %-30s %s%s\n", left, rows[i].help, rows[i].roles ? " (agent)" : "");
	}
	const struct {
		const char *role;
		const struct conf_key *keys;
	} tables[] = {{"master", master_keys}, {"agent", agent_keys}};
	for (size_t t = 0; t < MZ_N(tables); t++) {
		printf("\nSettings of a %s:\n", tables[t].role);
		for (const struct conf_key *k = tables[t].keys; k->path; k++)
			printf("  %-36s %s%s%s%s\n", k->path, k->help, k->def && *k->def ? " [" : "",
			       k->def && *k->def ? k->def : "", k->def && *k->def ? "]" : "");
	}
	printf("\nSIGTERM stops cleanly, a second one at once. Exit status: 0 stopped, 1 failed, 2 refused to start.\n");
}

static int usage_error(const char *fmt, const char *what)
{
	fprintf(stderr, "mezzod: ");
	fprintf(stderr, fmt, what);
	fprintf(stderr, "; see mezzod --help\n");
	return EXIT_USAGE_ERROR;
}

/* -1: go on; else the exit status. */
static int take_option(int i, const char *value, const char *role, struct arguments *a)
{
	const struct option_row *row = &rows[i];
	switch (row->letter) {
	case 'c':
		a->file = value;
		return -1;
	case 's':
		vec_push(&a->sets, xstrdup(value));
		return -1;
	case 'k':
		a->check_only = true;
		return -1;
	case 'V':
		printf("mezzod %s (Mesos API %s, module ABI %d)\n", VERSION, API_LEVEL, MZ_MODULE_ABI);
		return 0;
	case 'h':
		print_help();
		return 0;
	default:
		break;
	}
	if (row->roles && role && strcmp(row->roles, role) != 0)
		return usage_error("Option '--%s' is for agents", row->name);
	/* Quoted: the text is taken as it is, whatever YAML would make of it. */
	struct buf b = {0};
	buf_addf(&b, "%s='", row->key);
	for (const char *s = value; *s; s++) {
		if (*s == '\'')
			buf_addc(&b, '\'');
		buf_addc(&b, *s);
	}
	buf_addc(&b, '\'');
	vec_push(&a->sets, buf_take(&b));
	return -1;
}

static int parse_arguments(int argc, char **argv, struct arguments *a, const char **ret_role)
{
	struct option options[MZ_N(rows) + 1] = {0};
	for (size_t i = 0; i < MZ_N(rows); i++)
		options[i] = (struct option){rows[i].name, rows[i].arg ? required_argument : no_argument, NULL, 1000 + (int)i};
	const char *role = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;
	optind = role ? 2 : 1;
	opterr = 0;
	int c;
	while ((c = getopt_long(argc, argv, ":c:hV", options, NULL)) != -1) {
		if (c == '?')
			return usage_error("Unknown option '%s'", argv[optind - 1]);
		if (c == ':')
			return usage_error("Option '%s' needs a value", argv[optind - 1]);
		int row = c - 1000;
		for (size_t i = 0; c < 1000 && i < MZ_N(rows); i++)
			if (rows[i].letter == c)
				row = (int)i;
		int status = take_option(row, optarg, role, a);
		if (status >= 0)
			return status;
	}
	if (optind < argc)
		return usage_error("Unexpected argument '%s'", argv[optind]);
	if (!role || (strcmp(role, "master") != 0 && strcmp(role, "agent") != 0))
		return usage_error("Expecting 'master' or 'agent'%s", role ? "" : " first");
	*ret_role = role;
	return -1;
}

static int load_settings(struct daemon *d, const struct arguments *a, struct mz_err *err)
{
	if (a->file) {
		int rc = conf_load(a->file, &d->conf, err);
		if (rc < 0)
			return rc;
	} else {
		d->conf = conf_map_new("--set");
	}
	for (size_t i = 0; i < a->sets.n; i++) {
		int rc = conf_set(d->conf, a->sets.v[i], err);
		if (rc < 0)
			return rc;
	}
	return conf_check(d->conf, d->keys, err);
}

int main(int argc, char **argv)
{
	struct arguments a = {0};
	struct daemon d = {0};
	struct mz_err err;
	setvbuf(stdout, NULL, _IOLBF, 0);
	int status = parse_arguments(argc, argv, &a, &d.role);
	if (status < 0) {
		bool master = strcmp(d.role, "master") == 0;
		d.keys = master ? master_keys : agent_keys;
		int rc = load_settings(&d, &a, &err);
		if (rc == 0)
			rc = daemon_open(&d, &err);
		if (rc == 0)
			rc = master ? run_master(&d, a.check_only, &err) : run_agent(&d, a.check_only, &err);
		if (rc < 0) {
			fprintf(stderr, "mezzod: %s\n", err.msg);
			status = EXIT_USAGE_ERROR;
		} else {
			status = d.exit_status;
			if (a.check_only)
				printf("mezzod: The settings of this %s are good\n", d.role);
		}
	}
	daemon_close(&d);
	for (size_t i = 0; i < a.sets.n; i++)
		free(a.sets.v[i]);
	vec_done(&a.sets);
	return status;
}
