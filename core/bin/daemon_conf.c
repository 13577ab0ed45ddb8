/* daemon_conf.c - the settings of mezzod, one table for each role. --help, the
 * man page and docs/configuration.md say the same; a test holds them together.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bin/daemon.h"

static const char *const log_levels[] = {"debug", "info", "warning", "error", NULL};

#define WEEK_NS (7 * 86400 * NS_PER_SEC)

/* Rows that both roles have. */
#define COMMON_KEYS(default_listen)                                                                                  \
	{"listen", MZ_SETTING_STRING, default_listen, 0, 0, "address and port of the HTTP API, ip:port; [ip]:port if it is IPv6",   \
	 NULL},                                                                                                      \
	{"hostname", MZ_SETTING_STRING, "", 0, 0, "name that others are told; empty: the listening address", NULL}, \
	{"work_dir", MZ_SETTING_PATH, NULL, 0, 0, "directory of this daemon alone; made if it is missing", NULL},   \
	{"log_level", MZ_SETTING_STRING, "info", 0, 0, "debug | info | warning | error", log_levels},               \
	{"module_path", MZ_SETTING_LIST, "", 0, 0, "directories that hold KIND/NAME.so, before the usual one", NULL}, \
	{"workers", MZ_SETTING_INT, "2", 1, 64, "threads for blocking work", NULL},                                 \
	{"max_connections", MZ_SETTING_INT, "20000", 16, 1000000, "HTTP connections at once", NULL},                \
	{"max_body", MZ_SETTING_BYTES, "16MB", 4096, 1 << 30, "largest HTTP request", NULL},                        \
	{"max_stream_queue", MZ_SETTING_BYTES, "16MB", 65536, 1 << 30,                                              \
	 "unsent bytes of an event stream before its reader is cut", NULL},                                         \
	{"store", CONF_KEY_TREE, "lmdb", 0, 0, "store module", NULL},                                               \
	{"elector", CONF_KEY_TREE, "standalone", 0, 0, "elector module", NULL},                                     \
	{"authenticators", CONF_KEY_TREE, "[none]", 0, 0, "list of authenticator modules, asked in order", NULL},   \
	{"authorizer", CONF_KEY_TREE, "permissive", 0, 0, "authorizer module", NULL}

#define DURATION_WITHIN(path, def, min, max, help) {path, MZ_SETTING_DURATION, def, min, max, help, NULL}
#define DURATION(path, def, help) DURATION_WITHIN(path, def, 0, INT64_MAX, help)

const struct conf_key master_keys[] = {
	COMMON_KEYS("127.0.0.1:5050"),
	{"link_port", MZ_SETTING_INT, "-1", -1, 65535, "port for agents' links; -1: that of listen + 10", NULL},
	{"cluster", MZ_SETTING_STRING, "", 0, 0, "name of the cluster", NULL},
	{"roles", MZ_SETTING_LIST, "", 0, 0, "roles that frameworks may use; empty: any", NULL},
	{"filter_gpu_resources", MZ_SETTING_BOOL, "true", 0, 0,
	 "agents with GPUs are offered to frameworks with the capability GPU_RESOURCES only", NULL},
	{"root_submissions", MZ_SETTING_BOOL, "true", 0, 0, "may frameworks run as root", NULL},
	{"framework_calls_per_second", MZ_SETTING_NUMBER, "0", 0, 1000000000,
	 "calls that a framework may send; over it: 429; 0: any number", NULL},
	{"framework_calls_burst", MZ_SETTING_INT, "100", 1, 1000000000, "calls of a framework at once", NULL},
	{"framework_rate_limits", MZ_SETTING_LIST, "", 0, 0,
	 "principal:per second:burst, for all frameworks of that principal together", NULL},
	{"offer_constraints_max_pattern", MZ_SETTING_BYTES, "1KB", 1, 65536,
	 "largest regular expression in offer constraints", NULL},
	{"offer_constraints_match_limit", MZ_SETTING_INT, "10000", 100, 10000000,
	 "steps of one match of a regular expression; over it nothing is offered", NULL},
	{"allocator", CONF_KEY_TREE, "drf", 0, 0, "allocator module", NULL},
	DURATION_WITHIN("allocation_interval", "1secs", NS_PER_MS, WEEK_NS, "time between batch allocations"),
	DURATION("offer_timeout", "0ns", "offers are rescinded after that; 0: never"),
	DURATION_WITHIN("agent_ping_timeout", "15secs", NS_PER_MS, WEEK_NS, "how often an agent is pinged"),
	{"max_agent_ping_timeouts", MZ_SETTING_INT, "5", 1, 1000, "missed pings before an agent is unreachable", NULL},
	DURATION_WITHIN("agent_reregister_timeout", "10mins", NS_PER_MS, 52 * WEEK_NS,
			"how long a lost agent may take to return"),
	{"max_agents", MZ_SETTING_INT, "100000", 1, 10000000, "agents that are known at once; further ones have to wait", NULL},
	{"max_frameworks", MZ_SETTING_INT, "100000", 1, 10000000,
	 "frameworks that are known at once; further ones are refused", NULL},
	{"max_completed_frameworks", MZ_SETTING_INT, "50", 0, 1000000, "ended frameworks that are remembered", NULL},
	{"max_completed_tasks_per_framework", MZ_SETTING_INT, "1000", 0, 1000000, "ended tasks that are remembered",
	 NULL},
	{"max_unreachable_tasks_per_framework", MZ_SETTING_INT, "1000", 0, 1000000,
	 "tasks on unreachable agents that are remembered", NULL},
	{0},
};

const struct conf_key agent_keys[] = {
	COMMON_KEYS("127.0.0.1:5051"),
	{"master", MZ_SETTING_STRING, "127.0.0.1:5050", 0, 0, "where the master is, as the elector understands it", NULL},
	{"resources", MZ_SETTING_STRING, "", 0, 0, "what to offer; what is not named is found on the machine", NULL},
	{"attributes", MZ_SETTING_STRING, "", 0, 0, "name:value;… that frameworks may select by", NULL},
	{"default_role", MZ_SETTING_STRING, "*", 0, 0, "role of resources that name none", NULL},
	{"runtime_dir", MZ_SETTING_STRING, "", 0, 0, "directory of running containers; empty: WORK_DIR/run", NULL},
	{"containerizers", CONF_KEY_TREE, "[mesos]", 0, 0, "list of containerizer modules, tried in order", NULL},
	{"isolation", CONF_KEY_TREE, "[posix_cpu, posix_mem]", 0, 0, "list of isolator modules, in order", NULL},
	{"command_executor", MZ_SETTING_STRING, "command", 0, 0,
	 "executor module, by name or path, for tasks with a command", NULL},
	{"pod_executor", MZ_SETTING_STRING, "pod", 0, 0, "executor module, by name or path, for task groups", NULL},
	{"logger", CONF_KEY_TREE, "sandbox", 0, 0, "logger module: where containers' output goes", NULL},
	{"secret_resolver", CONF_KEY_TREE, "file", 0, 0, "secret module: what secrets of containers stand for", NULL},
	{"cgroups_hierarchy", MZ_SETTING_PATH, "/sys/fs/cgroup", 0, 0, "where cgroup hierarchies are mounted", NULL},
	{"cgroups_root", MZ_SETTING_STRING, "mezzo", 0, 0, "group below their roots that is this agent's alone", NULL},
	{"switch_user", MZ_SETTING_BOOL, "true", 0, 0, "as root: run tasks as their own user", NULL},
	{"frameworks_home", MZ_SETTING_PATH, "", 0, 0,
	 "directory of URIs that are relative paths; empty: they are refused", NULL},
	{"fetcher_max_bytes", MZ_SETTING_BYTES, "64GB", 1, 0x7fffffffffffffff, "what URIs may put into one sandbox", NULL},
	{"fetcher_max_files", MZ_SETTING_INT, "1000000", 1, 0x7fffffff, "files that URIs may put into one sandbox", NULL},
	DURATION("fetcher_stall_timeout", "1mins", "a fetch fails when nothing comes for so long; 0: never"),
	DURATION("fetcher_timeout", "1hrs", "a sandbox must be filled by then; 0: any time"),
	{"executor_environment", MZ_SETTING_LIST, "", 0, 0, "NAME=value: what every executor finds in its environment", NULL},
	{"executor_domain_sockets", MZ_SETTING_BOOL, "false", 0, 0,
	 "executors speak to the agent through a socket in the file system, not over TCP", NULL},
	{"domain_socket_location", MZ_SETTING_PATH, "", 0, 0, "path of that socket; empty: RUNTIME_DIR/socket/agent.sock", NULL},
	DURATION("executor_registration_timeout", "1mins", "for an executor to subscribe"),
	DURATION("executor_reregistration_timeout", "2secs", "for executors to return after a restart"),
	DURATION("executor_shutdown_grace_period", "5secs", "between SHUTDOWN and the end of the container"),
	{"http_heartbeat_interval", MZ_SETTING_DURATION, "30secs", NS_PER_MS, INT64_MAX,
	 "between heartbeats in streams of what containers write", NULL},
	DURATION("recovery_timeout", "15mins", "how long executors wait for a lost agent"),
	DURATION("gc_delay", "1weeks", "age at which sandboxes of ended executors are removed"),
	{"disk_watch_interval", MZ_SETTING_DURATION, "1mins", NS_PER_MS, INT64_MAX, "how often that is looked at", NULL},
	{"gc_disk_headroom", MZ_SETTING_NUMBER, "0.1", 0, 1000, "share of the disk to keep free of sandboxes", NULL},
	{"gc_non_executor_container_sandboxes", MZ_SETTING_BOOL, "false", 0, 0,
	 "remove sandboxes of ended nested and standalone containers by age too", NULL},
	DURATION("registration_backoff", "1secs", "first interval between attempts to reach the master"),
	{0},
};

const char *daemon_str(const struct daemon *d, const char *path)
{
	const char *s = conf_str(d->conf, d->keys, path);
	return s && *s ? s : NULL;
}

int64_t daemon_int(const struct daemon *d, const char *path)
{
	return conf_int(d->conf, d->keys, path);
}
