/* containers_direct.c - bench/containers: containerizer and isolators as the agent
 * loads them, without the agent, its records on disk and HTTP.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"
#include "containers.h"
#include "loop/loop_event.h"
#include "model/resources.h"
#include "module/containers_real.h"

struct direct {
	struct loop *loop;
	struct module_registry *registry;
	struct containers *c;
	const char *work_dir;
	resources *res;
	size_t n_launched, n_ended;
};

static void die(const char *what)
{
	fprintf(stderr, "containers: %s\n", what);
	exit(1);
}

static void add(struct direct *d, uint32_t kind, const char *name, const char *yaml)
{
	struct mz_err err;
	struct module *m = NULL;
	struct conf_node *settings = NULL;
	if (yaml && conf_parse("bench", yaml, strlen(yaml), &settings, &err) < 0)
		die(err.msg);
	if (module_load_name(d->registry, kind, name, settings, &m, &err) < 0)
		die(err.msg);
	conf_free(settings);
	containers_real_add(d->c, m);
}

static void on_launched(void *arg, const struct mz_err *err, int32_t pid)
{
	struct direct *d = arg;
	(void)pid;
	if (err)
		die(err->msg);
	d->n_launched++;
}

static void on_exited(void *arg, const char *id, const struct mz_termination *t)
{
	struct direct *d = arg;
	(void)id, (void)t;
	d->n_ended++;
}

static void launch(struct direct *d, const char *id)
{
	static const char *const argv[] = {"/bin/sleep", "1000", NULL}, *const env[] = {"PATH=/usr/bin:/bin", NULL};
	mz_autofree char *dir = xasprintf("%s/sandboxes/%s", d->work_dir, id);
	const struct container_config cfg = {
		.id = id, .directory = dir, .argv = argv, .env = env, .resources = d->res, .checkpoint = true};
	d->c->ops->launch(d->c, &cfg, on_launched, d);
}

static void until(struct direct *d, const size_t *what, size_t n)
{
	while (*what < n)
		loop_event_turn(d->loop, 1000000000);
}

static void end(struct direct *d, const char *id)
{
	struct mz_err err;
	if (d->c->ops->terminate(d->c, id, &err) < 0)
		die(err.msg);
}

static void idle(struct direct *d, size_t n)
{
	int64_t *took[2] = {xcalloc(n, sizeof(int64_t)), xcalloc(n, sizeof(int64_t))};
	for (size_t i = 0; i < n; i++) {
		mz_autofree char *id = xasprintf("idle%zu", i);
		(void)bench_wait_idle(d->loop, 1000);
		int64_t from = now_ns();
		launch(d, id);
		until(d, &d->n_launched, i + 1);
		took[0][i] = now_ns() - from;
		(void)bench_wait_idle(d->loop, 100); /* it runs, and sleeps */
		from = now_ns();
		end(d, id);
		until(d, &d->n_ended, i + 1);
		took[1][i] = now_ns() - from;
	}
	bench_spread("direct_idle_launch", took[0], n);
	bench_spread("direct_idle_destroy", took[1], n);
	free(took[0]);
	free(took[1]);
}

static double cpu_ms(int who)
{
	struct rusage u;
	(void)getrusage(who, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static void many(struct direct *d, size_t n)
{
	double self = cpu_ms(RUSAGE_SELF), children = cpu_ms(RUSAGE_CHILDREN);
	d->n_launched = d->n_ended = 0;
	int64_t from = now_ns();
	for (size_t i = 0; i < n; i++) {
		mz_autofree char *id = xasprintf("many%zu", i);
		launch(d, id);
		loop_event_turn(d->loop, 0);
	}
	until(d, &d->n_launched, n);
	bench_rate("direct_launch", n, now_ns() - from);
	from = now_ns();
	for (size_t i = 0; i < n; i++) {
		mz_autofree char *id = xasprintf("many%zu", i);
		end(d, id);
	}
	until(d, &d->n_ended, n);
	bench_rate("direct_destroy", n, now_ns() - from);
	/* What it costs on any machine, however busy: of us, and of shims with their payloads. */
	printf("direct_self_cpu_ms %.3f\ndirect_children_cpu_ms %.3f\n", (cpu_ms(RUSAGE_SELF) - self) / (double)n,
	       (cpu_ms(RUSAGE_CHILDREN) - children) / (double)n);
}

int direct_main(int argc, char **argv)
{
	struct direct d = {0};
	struct mz_err err;
	if (argc < 4 || atol(argv[3]) < 1)
		die("direct BUILD WORK-DIR CGROUPS-ROOT N ISOLATOR...");
	d.work_dir = argv[1];
	mz_autofree char *modules = xasprintf("%s/modules", argv[0]), *bin = xasprintf("%s/core/bin", argv[0]);
	mz_autofree char *runtime = xasprintf("%s/run", d.work_dir), *boxes = xasprintf("%s/sandboxes", d.work_dir);
	if (mkdir(boxes, 0755) < 0 || loop_event_new(2, &d.loop, &err) < 0)
		die("the work directory must be there, and be empty");
	d.registry = module_registry_new(d.loop);
	module_registry_add_path(d.registry, modules);
	const struct containers_real_config cfg = {.loop = d.loop,
						   .registry = d.registry,
						   .work_dir = d.work_dir,
						   .runtime_dir = runtime,
						   .libexec_dir = bin,
						   .cgroups_root = argv[2],
						   .switch_user = true};
	if (containers_real_new(&cfg, &d.c, &err) < 0)
		die(err.msg);
	d.c->on_exited = on_exited;
	d.c->arg = &d;
	for (int i = 4; i < argc; i++)
		add(&d, MZ_KIND_ISOLATOR, argv[i], NULL);
	mz_autofree char *yaml = xasprintf("{init: %s/mezzo-init, launcher: linux}", bin);
	add(&d, MZ_KIND_CONTAINERIZER, "mesos", yaml);
	d.res = res_new();
	if (res_parse("cpus:0.1;mem:32", NULL, d.res, &err) < 0)
		die(err.msg);
	if (!getenv("BENCH_ONLY_MANY"))
		idle(&d, 200);
	many(&d, (size_t)atol(argv[3]));
	res_free(d.res);
	containers_real_free(d.c);
	module_registry_free(d.registry);
	loop_event_free(d.loop);
	return 0;
}
