/* cluster_test.c - the cluster under many seeds: with message delays, kills and
 * declines at the size of a real one (full); at a smaller one with crashes, restarts,
 * cuts and slow disks (faults), with frameworks of bad habits and vandals (naughty),
 * and with all of that (chaos). Each seed runs in a process of its own, two at a time;
 * some run twice, and must give the same hash.
 *
 *	cluster_test                       all of it, as TAP
 *	cluster_test KIND SEED             one seed (-v: with every line of its trace)
 *	SIM_SEED=N cluster_test            the same seed for every kind
 *	SIM_SEEDS=A-B cluster_test         those of every kind but the full one
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/mem.h"
#include "sim/cluster.h"

enum { N_AT_ONCE = 2, MAX_TEXT = 1 << 20, MAX_JOBS = 100000 };

struct kind {
	const char *name;
	struct sim_cluster_config cfg;
	unsigned n_seeds; /* of each run of this test, from 1 */
};

static const struct kind kinds[] = {
	{"full", {.modules = MODULES, .n_agents = 200, .n_frameworks = 20, .n_tasks = 20000}, 16},
	{"faults", {.modules = MODULES, .n_agents = 20, .n_frameworks = 5, .n_tasks = 1000, .faults = true}, 200},
	{"naughty",
	 {.modules = MODULES, .n_agents = 20, .n_frameworks = 5, .n_tasks = 1000, .naughty = true, .n_vandals = 3,
	  .pod_size = 4, .pod_permille = 300},
	 120},
	{"chaos",
	 {.modules = MODULES, .n_agents = 20, .n_frameworks = 5, .n_tasks = 1000, .naughty = true, .n_vandals = 2,
	  .pod_size = 4, .pod_permille = 300, .faults = true},
	 250},
};

/* Seeds that have found something, beyond those that run anyway. */
static const struct {
	const char *kind;
	uint64_t seed;
	const char *found;
} known[] = {
	{"faults", 265, "an agent that never heard its id registers again, and the id stays for ever"},
	{"faults", 295, "an answer about a task of unknown agent is no end of it"},
	{"faults", 433, "tasks that are dropped with a new executor: that stays in the master's books"},
	{"faults", 632, "LOST of who takes GONE, of a task whose agent another one has replaced"},
	{"faults", 768, "gone, of a task without checkpoints whose agent is cut off and runs it"},
	{"chaos", 337, "a framework comes back from an agent that was away for longer than it is remembered"},
	{"chaos", 484, "two tasks of an id on two agents: the second one was told for ever"},
	{"chaos", 739, "offers end with a stream that is known to be broken"},
	{"chaos", 1148, "the same, with an agent that returns before the scheduler"},
	{"chaos", 1163, "a grace period that overflows the clock"},
	{"chaos", 4163, "offers that wait behind the full stream of another are sent after a SUPPRESS"},
};

/* ---- one seed, in this process ------------------------------------------------------ */

static int run_one(const char *name, uint64_t seed, bool verbose)
{
	for (size_t i = 0; i < MZ_N(kinds); i++) {
		if (strcmp(kinds[i].name, name) != 0)
			continue;
		struct sim_cluster_config cfg = kinds[i].cfg;
		struct sim_cluster_report r;
		struct buf mz_autobuf why = {0};
		cfg.verbose = verbose;
		int rc = sim_cluster_run(&cfg, seed, &r, &why);
		if (rc < 0)
			printf("%s", buf_str(&why));
		printf("hash %016llx, %llu events in %.1f virtual seconds, %llu updates, %u agents and %u masters "
		       "crashed, %u cuts, %u resets, %llu calls of vandals\n",
		       (unsigned long long)r.hash, (unsigned long long)r.n_events, r.virtual_secs,
		       (unsigned long long)r.n_updates, r.n_agent_crashes, r.n_master_crashes, r.n_cuts, r.n_resets, (unsigned long long)r.n_vandal_calls);
		return rc < 0;
	}
	fprintf(stderr, "usage: cluster_test [full|faults|naughty|chaos SEED [-v]]\n");
	return 2;
}

/* ---- many, each in a process of its own ------------------------------------------------ */

struct job {
	const char *kind;
	uint64_t seed;
	int twin; /* number of the job that must have the same hash; -1: none */
	pid_t pid;
	FILE *out;
	bool failed;
	char *text, hash[32];
};

static void job_start(struct job *j, const char *self)
{
	char seed[32];
	snprintf(seed, sizeof(seed), "%llu", (unsigned long long)j->seed);
	j->out = tmpfile();
	if (!j->out) {
		perror("tmpfile");
		exit(1);
	}
	fflush(stdout);
	j->pid = fork();
	if (j->pid == 0) {
		dup2(fileno(j->out), 1);
		dup2(fileno(j->out), 2);
		execl("/proc/self/exe", self, j->kind, seed, (char *)NULL);
		_exit(127);
	}
	if (j->pid < 0) {
		perror("fork");
		exit(1);
	}
}

static void job_finish(struct job *j, int status)
{
	j->failed = status != 0;
	j->pid = 0;
	j->text = xcalloc(1, MAX_TEXT);
	rewind(j->out);
	size_t n = fread(j->text, 1, MAX_TEXT - 1, j->out);
	j->text[n] = '\0';
	fclose(j->out);
	const char *h = strstr(j->text, "hash ");
	while (h && strstr(h + 1, "\nhash "))
		h = strstr(h + 1, "\nhash ") + 1;
	if (h)
		snprintf(j->hash, sizeof(j->hash), "%.16s", h + 5);
}

/* Every line as a comment of the TAP output. */
static void print_comment(const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		printf("# %.*s\n", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

static bool job_report(size_t number, const struct job *v)
{
	const struct job *j = &v[number];
	bool same = j->twin < 0 || (j->hash[0] && strcmp(j->hash, v[j->twin].hash) == 0);
	bool good = !j->failed && same;
	if (!good || (j->twin < 0 && j->seed % 10 == 1))
		print_comment(j->text);
	if (!same)
		printf("# the same seed gave %s and %s\n", v[j->twin].hash, j->hash);
	printf("%s %zu - %s cluster, seed %llu%s\n", good ? "ok" : "not ok", number + 1, j->kind,
	       (unsigned long long)j->seed, j->twin >= 0 ? " again: the same hash" : "");
	fflush(stdout);
	return good;
}

static int run_jobs(struct job *v, size_t n, const char *self)
{
	size_t next = 0, reported = 0;
	int running = 0, rc = 0;
	printf("1..%zu\n", n);
	while (reported < n) {
		while (running < N_AT_ONCE && next < n) {
			job_start(&v[next++], self);
			running++;
		}
		int status;
		pid_t pid = wait(&status);
		for (size_t i = 0; i < next; i++)
			if (v[i].pid == pid) {
				job_finish(&v[i], status);
				running--;
			}
		for (; reported < next && !v[reported].pid; reported++)
			if (!job_report(reported, v))
				rc = 1;
	}
	for (size_t i = 0; i < n; i++)
		free(v[i].text);
	return rc;
}

static size_t add(struct job *v, size_t n, const char *kind, uint64_t seed, int twin)
{
	v[n] = (struct job){.kind = kind, .seed = seed, .twin = twin};
	return n + 1;
}

int main(int argc, char **argv)
{
	if (argc >= 3) {
		int status = run_one(argv[1], strtoull(argv[2], NULL, 10), argc > 3 && strcmp(argv[3], "-v") == 0);
		fflush(stdout);
		_exit(status); /* what killed processes held is lost on purpose: no search for leaks */
	}
	struct job *v = xcalloc(MAX_JOBS, sizeof(*v));
	const char *one = getenv("SIM_SEED"), *some = getenv("SIM_SEEDS");
	unsigned long from = 1, to = 0;
	size_t n = 0;
	if (some && sscanf(some, "%lu-%lu", &from, &to) != 2) {
		fprintf(stderr, "SIM_SEEDS is not FROM-TO: '%s'\n", some);
		return 2;
	}
	for (size_t k = 0; k < MZ_N(kinds); k++) {
		if (one) {
			n = add(v, n, kinds[k].name, strtoull(one, NULL, 10), -1);
			continue;
		}
		int first = (int)n;
		for (unsigned long i = from; i <= (some ? to : kinds[k].n_seeds) && n < MAX_JOBS - 100; i++)
			if (!some || k > 0)
				n = add(v, n, kinds[k].name, i, -1);
		if (!some)
			n = add(v, n, kinds[k].name, 1, first);
	}
	for (size_t i = 0; !one && !some && i < MZ_N(known); i++)
		n = add(v, n, known[i].kind, known[i].seed, -1);
	int rc = run_jobs(v, n, argv[0]);
	free(v);
	return rc;
}
