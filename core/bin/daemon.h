/* daemon.h - what `mezzod master` and `mezzod agent` have in common: settings,
 * loop, modules, store, HTTP server and signals. Wiring only: what the daemons do
 * is in core/master and core/agent.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_BIN_DAEMON_H
#define MZ_BIN_DAEMON_H

#include "base/buf.h"
#include "base/vec.h"
#include "conf/conf.h"
#include "loop/loop_event.h"
#include "module/module.h"
#include "store/store_module.h"
#include "wire/http_event.h"

/* The Mesos API level that clients are told, where Mezzo's own is VERSION. */
#define API_LEVEL "1.11.0"

enum { EXIT_USAGE_ERROR = 2 };

struct daemon_flag {
	const char *name, *value;
};

struct daemon {
	const char *role; /* "master", "agent" */
	const struct conf_key *keys;
	struct conf_node *conf;
	struct loop *loop;
	struct module_registry *registry;
	struct http_router router;
	struct http_server *server;
	struct module *store_module, *elector;
	VEC(struct module *) authenticators;
	struct store_backend *backend;
	struct module_storage *storage;
	struct store *store;
	char *work_dir, *ip, *hostname;
	int port;
	int max_connections; /* what the limit of open files leaves of the setting */
	VEC(struct daemon_flag) flags;
	VEC(char *) flag_texts;
	int exit_status;
	bool stopping;
	struct mz_store_host store_host;
	struct mz_elector_host elector_host;
	/* How the role takes news of the elector. */
	void (*on_leader)(struct daemon *d, const struct mz_master_info *leader);
	void (*on_elected)(struct daemon *d, uint64_t epoch);
	double build_time;
};

/* ---- settings (daemon_conf.c) ---- */
extern const struct conf_key master_keys[], agent_keys[];
const char *daemon_str(const struct daemon *d, const char *path); /* "" counts as NULL */
int64_t daemon_int(const struct daemon *d, const char *path);

/* ---- life (daemon.c) ---- */
/* Work dir, loop, module paths, store and authenticators: everything that the
 * roles share, before anything listens. */
int daemon_open(struct daemon *d, struct mz_err *err);
/* Loads the one module that key `path` names. */
int daemon_load(struct daemon *d, uint32_t kind, const char *path, struct module **ret, struct mz_err *err);
/* Loads each module of a list. */
int daemon_load_list(struct daemon *d, uint32_t kind, const char *path, void (*add)(void *arg, struct module *m),
		     void *arg, struct mz_err *err);
/* Binds `listen`, with the routes that every daemon has. */
int daemon_listen(struct daemon *d, struct mz_err *err);
/* A second door: `path` is a socket in the file system, and has the routes of `router`
 * only. Behind daemon_listen(). */
int daemon_listen_path(struct daemon *d, const char *path, struct http_router *router, struct http_server **ret,
		       struct mz_err *err);
/* Runs until a signal or daemon_stop(). */
int daemon_run(struct daemon *d);
void daemon_stop(struct daemon *d, int exit_status, const char *why);
/* The server, then the caller frees what it made, then the rest. */
void daemon_close_server(struct daemon *d);
void daemon_close(struct daemon *d);
/* Metrics of modules, process and machine. */
void daemon_metrics(void *d, void (*add)(void *to, const char *name, double value), void *to);
/* Installed programs, or the ones of the build tree when run from there. */
char *daemon_program(const char *name);
char *daemon_module_dir(void);

/* ---- routes (daemon_http.c) ---- */
void daemon_add_routes(struct daemon *d);
bool daemon_authenticate(void *d, struct http_request *r, struct http_exchange *x);

/* ---- the roles ---- */
int run_master(struct daemon *d, bool check_only, struct mz_err *err);
int run_agent(struct daemon *d, bool check_only, struct mz_err *err);

#endif
