/* mesos.c - containerizer/mesos: runs containers natively, each under a shim of its
 * own (mezzo-init), fenced by the configured isolators. The launcher `posix` needs
 * no privilege and no kernel feature beyond processes; a container is then whatever
 * descends from its shim. Under `linux` (linux.c) it is what is in its cgroup.
 *
 * Here are the instance, and the calls that are answered at once; the others are in
 * launch.c, ask.c and recover.c.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mesos.h"

/* ---- small things ------------------------------------------------------------ */

void say(struct mesos *m, int level, const char *fmt, ...)
{
	char text[2048]; /* ids of nested ones are long */
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	m->h->log(m->h, level, text);
}

int fail(struct mz_err *err, int code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	err->code = code < 0 ? code : -code;
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return err->code;
}

char *format(const char *fmt, ...)
{
	char *s;
	va_list ap;
	va_start(ap, fmt);
	int n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : s;
}

const char *reason(int code, char *buf, size_t size)
{
	return strerror_r(code < 0 ? -code : code, buf, size);
}

void refuse(struct mesos *m, struct mz_op *op, int code, const char *text)
{
	struct mz_err err;
	fail(&err, code, "%s", text);
	m->h->op_done(op, &err, NULL);
}

/* ---- calls that are answered at once ------------------------------------------ */

static int mesos_kill(void *inst, const char *id, int signal, struct mz_err *err)
{
	struct box *b = box_find(inst, id);
	if (!b || b->state != BOX_RUNNING)
		return fail(err, -ENOENT, "Container '%.200s' is not running", id);
	char why[128];
	int rc = shim_forward(b, signal);
	return rc < 0 ? fail(err, rc, "Cannot signal container '%.150s': %s", id, reason(rc, why, sizeof(why))) : 0;
}

static int mesos_terminate(void *inst, const char *id, struct mz_err *err)
{
	struct box *b = box_find(inst, id);
	if (!b)
		return fail(err, -ENOENT, "There is no container '%.200s'", id);
	box_destroy(b);
	return 0;
}

static void mesos_remove(void *inst, const char *id, struct mz_op *op)
{
	struct mesos *m = inst;
	if (box_find(m, id))
		return refuse(m, op, -EBUSY, "The container has not ended yet");
	record_remove_asked(m, id, op);
}

static void on_limitation(void *inst, const char *id, const struct mz_limitation *l)
{
	struct box *b = box_find(inst, id);
	if (!b || b->limitation.size || b->state == BOX_CLEANING)
		return;
	b->limitation_message = l->message ? strdup(l->message) : NULL;
	b->limitation = (struct mz_limitation){
		.size = sizeof(b->limitation), .reason = l->reason, .message = b->limitation_message};
	say(b->m, MZ_LOG_INFO, "Container '%s' is destroyed: %s", id, l->message ? l->message : "it went over a limit");
	/* Its start may be on the way to us: then it was launched, and ends like that. */
	if (b->state != BOX_STARTING || b->shim_gone)
		box_destroy(b);
}

/* ---- the instance -------------------------------------------------------------- */

static void destroy(void *inst)
{
	struct mesos *m = inst;
	if (!m)
		return;
	for (struct box *b = box_next(m, NULL), *next; b; b = next) {
		next = box_next(m, b);
		box_free(b);
	}
	(void)by_id_empty(&m->boxes);
	pending_drop_all(&m->pending);
	records_done(m);
	linux_done(m);
	free(m->init_path);
	free(m->records);
	free(m->io_dir);
	free(m->own_user);
	free(m);
}

static int make_records_dir(struct mesos *m, struct mz_err *err)
{
	char why[128];
	const char *dir = m->k->runtime_dir(m->h);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return fail(err, -errno, "Cannot make '%.180s': %s", dir, reason(errno, why, sizeof(why)));
	if (mkdir(m->records, 0700) < 0 && errno != EEXIST)
		return fail(err, -errno, "Cannot make '%.180s': %s", m->records, reason(errno, why, sizeof(why)));
	return 0;
}

/* In that of another pid namespace our numbers are somebody else's: what is killed, entered
 * and measured by them would not be ours. */
static int check_proc(struct mz_err *err)
{
	char self[32] = "", why[128];
	if (readlink("/proc/self", self, sizeof(self) - 1) < 0)
		return fail(err, -errno, "This process is not in '/proc': %s", reason(errno, why, sizeof(why)));
	if (atoi(self) != getpid())
		return fail(err, -EINVAL, "'/proc' is that of another pid namespace (this process is %.20s there, and %d here): "
			    "mount one of its own", self, getpid());
	return 0;
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct mesos *m = calloc(1, sizeof(*m));
	if (!m)
		return fail(err, -ENOMEM, "Out of memory");
	m->h = h;
	m->k = h->kind;
	m->ended_tail = &m->ended;
	m->init_fd = -1;
	m->stall_ns = h->conf_int(conf, "attach_stall");
	m->destroy_ns = h->conf_int(conf, "destroy_timeout");
	m->is_linux = !strcmp(h->conf_str(conf, "launcher"), "linux");
	const char *path = h->conf_str(conf, "init");
	m->init_path = path[0] ? strdup(path) : format("%s/mezzo-init", m->k->libexec_dir(h));
	m->records = format("%s/containers", m->k->runtime_dir(h));
	struct passwd pw, *found = NULL;
	char buf[4096];
	if (getpwuid_r(geteuid(), &pw, buf, sizeof(buf), &found) == 0 && found)
		m->own_user = strdup(found->pw_name);
	m->running = h->metric(h, MZ_METRIC_GAUGE, "containers");
	m->launched = h->metric(h, MZ_METRIC_COUNTER, "launched");
	m->destroyed = h->metric(h, MZ_METRIC_COUNTER, "destroyed");
	int rc = 0;
	if (!m->init_path || !m->records)
		rc = fail(err, -ENOMEM, "Out of memory");
	else if (access(m->init_path, X_OK) < 0)
		rc = fail(err, -errno, "Cannot execute '%.200s': set 'init' to where mezzo-init is", m->init_path);
	else
		rc = make_records_dir(m, err);
	if (rc == 0)
		rc = check_proc(err);
	if (rc == 0)
		rc = io_create(m, err);
	if (rc == 0)
		rc = linux_create(m, err);
	if (rc < 0) {
		destroy(m);
		return rc;
	}
	m->k->on_limitation(h, on_limitation, m);
	*inst = m;
	return 0;
}

static const char *const launchers[] = {"posix", "linux", NULL};
static const struct mz_setting settings[] = {
	{sizeof(struct mz_setting), MZ_SETTING_STRING, "launcher", "posix", 0, 0,
	 "posix: a container is the processes that descend from its shim; needs no privilege | linux: namespaces, "
	 "cgroups, file systems of its own; needs root",
	 launchers},
	MZ_SETTING(DURATION, "attach_stall", "30secs", 1000000, 86400LL * 1000000000,
		   "who is attached to a container and takes nothing of its output for so long is cut"),
	MZ_SETTING(DURATION, "destroy_timeout", "1mins", 1000000, 86400LL * 1000000000,
		   "how long a shim is given to end its container before it is killed itself, and (linux) what is left "
		   "of a container whose shim is gone, to die, before isolators clean up all the same"),
	MZ_SETTING(STRING, "init", "", 0, 0, "mezzo-init, the shim; empty: the installed one"),
	MZ_SETTING_END,
};

static const struct mz_containerizer_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.recover = mesos_recover,
	.launch = mesos_launch,
	.update = mesos_update,
	.usage = mesos_usage,
	.status = mesos_status,
	.kill = mesos_kill,
	.terminate = mesos_terminate,
	.remove = mesos_remove,
	.attach = mesos_attach,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(CONTAINERIZER),
	.name = "mesos",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Runs containers natively, each under its own shim, fenced by isolators",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
