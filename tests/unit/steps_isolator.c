/* steps_isolator.c - for containers_linux_test: an isolator that asks for what the
 * container's variable STEPS says, a step a line, and writes down into the sandbox
 * what it is given to isolate. While there is a file hold-CALLBACK in the agent's
 * directory, it is busy with that callback, and says so with a file held-CALLBACK; then
 * it looks at what it was given, and says done-CALLBACK.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#define MZ_MODULE_ABI 1
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <mezzo/isolator.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct busy {
	struct busy *next;
	struct steps *s;
	struct mz_op *op;
	struct mz_timer *timer;
	char path[300], id[64], what[16];
	/* As it was given them. */
	const struct mz_container *c;
	const char *given_id;
	struct mz_launch *l;
};

struct steps {
	const struct mz_host *h;
	const struct mz_isolator_host *k;
	struct busy *busy;
};

static void say(struct steps *s, const char *how, const char *what)
{
	char path[300];
	snprintf(path, sizeof(path), "%s/%s-%s", s->k->work_dir(s->h), how, what);
	FILE *f = fopen(path, "w");
	fputs("x\n", f);
	fclose(f);
}

/* All of it lives as long as the callback is not done. */
static void look(const struct busy *b)
{
	const struct steps *s = b->s;
	char text[256];
	snprintf(text, sizeof(text), "%s%s", b->given_id ? b->given_id : "", b->c ? b->c->id : "");
	if (b->c && b->c->resources)
		(void)s->k->resources->scalar(b->c->resources, "cpus");
	if (b->l)
		(void)s->k->launch_env(b->l, "HELD", text); /* refused if it is too late */
}

static void on_timer(void *arg)
{
	struct busy *b = arg;
	struct steps *s = b->s;
	if (access(b->path, F_OK) == 0) {
		b->timer = s->h->timer(s->h, 1000000, on_timer, b);
		return;
	}
	struct busy **at = &s->busy;
	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
	look(b);
	s->h->op_done(b->op, NULL, NULL);
	say(s, "done", b->what);
	free(b);
}

static void done(struct steps *s, const char *what, const struct mz_container *c, const char *id, struct mz_launch *l,
		 struct mz_op *op)
{
	struct busy *b = calloc(1, sizeof(*b));
	snprintf(b->path, sizeof(b->path), "%s/hold-%s", s->k->work_dir(s->h), what);
	if (access(b->path, F_OK) < 0) {
		free(b);
		s->h->op_done(op, NULL, NULL);
		return;
	}
	say(s, "held", what);
	snprintf(b->what, sizeof(b->what), "%s", what);
	b->c = c;
	b->given_id = id;
	b->l = l;
	b->s = s;
	b->op = op;
	b->next = s->busy;
	s->busy = b;
	on_timer(b);
}

static void destroy(void *inst)
{
	struct steps *s = inst;
	while (s && s->busy) {
		struct busy *b = s->busy;
		s->busy = b->next;
		free(b);
	}
	free(s);
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	(void)conf;
	(void)err;
	struct steps *s = calloc(1, sizeof(*s));
	s->h = h;
	s->k = h->kind;
	*inst = s;
	return 0;
}

static uint32_t flags(void *inst)
{
	(void)inst;
	return MZ_ISOLATOR_NESTED;
}

static const char *or_null(const char *s)
{
	return s && strcmp(s, "-") ? s : NULL;
}

static int deny(const struct mz_isolator_host *k, struct mz_launch *l, uint32_t number)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	return k->launch_seccomp(l, (struct mz_bytes){f, sizeof(f)});
}

static uint64_t num(const char *s)
{
	return s ? strtoull(s, NULL, 0) : 0;
}

static int step(const struct mz_isolator_host *k, struct mz_launch *l, char **w)
{
	if (!strcmp(w[0], "ns"))
		return k->launch_namespace(l, (int)num(w[1]));
	if (!strcmp(w[0], "rootfs"))
		return k->launch_rootfs(l, w[1]);
	if (!strcmp(w[0], "mount") || !strcmp(w[0], "exact") || !strcmp(w[0], "made")) {
		struct mz_mount m = {.size = sizeof(m), .target = w[1], .source = or_null(w[2]), .type = or_null(w[3])};
		m.flags = (uint32_t)num(w[4]);
		m.target_is_file = (int)num(w[5]);
		m.options = or_null(w[6]);
		m.no_symlinks = strcmp(w[0], "mount") != 0;
		m.make_target = !strcmp(w[0], "made");
		return k->launch_mount(l, &m);
	}
	if (!strcmp(w[0], "mask"))
		return k->launch_mask(l, w[1]);
	if (!strcmp(w[0], "ro"))
		return k->launch_read_only(l, w[1]);
	if (!strcmp(w[0], "dev"))
		return k->launch_device(l, w[1], (uint32_t)num(w[2]), (uint32_t)num(w[3]), (uint32_t)num(w[4]));
	if (!strcmp(w[0], "caps"))
		return k->launch_capabilities(l, num(w[1]), num(w[2]), num(w[3]), num(w[4]), num(w[5]));
	if (!strcmp(w[0], "nnp"))
		return k->launch_no_new_privs(l);
	if (!strcmp(w[0], "deny"))
		return deny(k, l, (uint32_t)num(w[1]));
	if (!strcmp(w[0], "map"))
		return k->launch_id_map(l, (int)num(w[1]), (uint32_t)num(w[2]), (uint32_t)num(w[3]), (uint32_t)num(w[4]));
	if (!strcmp(w[0], "dir"))
		return k->launch_work_dir(l, w[1]);
	if (!strcmp(w[0], "host"))
		return k->launch_hostname(l, w[1]);
	if (!strcmp(w[0], "file"))
		return k->launch_file(l, w[1], (uint32_t)num(w[2]), (struct mz_bytes){w[3], strlen(w[3])});
	if (!strcmp(w[0], "cgroup"))
		return k->launch_cgroup(l, w[1]);
	if (!strcmp(w[0], "oom"))
		return k->launch_oom_score_adj(l, (int)num(w[1]));
	if (!strcmp(w[0], "hook"))
		return k->launch_hook(l, (const char *const *)(w + 1));
	return -EINVAL;
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct steps *s = inst;
	struct mz_err err = {0};
	for (size_t i = 0; c->env && c->env[i] && !err.code; i++) {
		char *text = strncmp(c->env[i], "STEPS=", 6) ? NULL : strdup(c->env[i] + 6), *lines;
		for (char *line = text ? strtok_r(text, "\n", &lines) : NULL; line; line = strtok_r(NULL, "\n", &lines)) {
			char *w[16] = {NULL}, *words;
			size_t n = 0;
			for (char *x = strtok_r(line, " ", &words); x && n < 15; x = strtok_r(NULL, " ", &words))
				w[n++] = x;
			if (n && !strcmp(w[0], "give")) /* the sandbox, to a number */
				err.code = chown(c->sandbox, (uid_t)num(w[1]), (gid_t)num(w[1])) < 0 ? -errno : 0;
			else
				err.code = n ? step(s->k, l, w) : 0;
			snprintf(err.msg, sizeof(err.msg), "Step '%.100s'", w[0]);
		}
		free(text);
	}
	if (err.code)
		s->h->op_done(op, &err, NULL);
	else
		done(s, "prepare", c, NULL, l, op);
}

static void recover(void *inst, const struct mz_container *const *v, size_t n, struct mz_op *op)
{
	done(inst, "recover", n ? v[0] : NULL, NULL, NULL, op);
}

static void copy_file(FILE *to, const char *path)
{
	char line[512];
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		fputs(line, to);
	if (f)
		fclose(f);
}

/* Until there is a file `limit`: then the container is said to be over one. */
static void on_limit_timer(void *arg)
{
	struct busy *b = arg;
	struct steps *s = b->s;
	const struct mz_limitation l = {.size = sizeof(l), .reason = 8, .message = "Too much of it"};
	if (unlink(b->path) < 0) {
		b->timer = s->h->timer(s->h, 1000000, on_limit_timer, b);
		return;
	}
	struct busy **at = &s->busy;
	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
	s->k->limitation(s->h, b->id, &l);
	free(b);
}

static void may_limit(struct steps *s, const char *id)
{
	char path[300];
	snprintf(path, sizeof(path), "%s/may-limit", s->k->work_dir(s->h));
	if (access(path, F_OK) < 0)
		return;
	struct busy *b = calloc(1, sizeof(*b));
	snprintf(b->path, sizeof(b->path), "%s/limit", s->k->work_dir(s->h));
	snprintf(b->id, sizeof(b->id), "%s", id);
	b->s = s;
	b->next = s->busy;
	s->busy = b;
	on_limit_timer(b);
}

static void isolate(void *inst, const struct mz_container *c, int32_t pid, struct mz_op *op)
{
	struct steps *s = inst;
	char path[600], link[64] = "";
	snprintf(path, sizeof(path), "%s/isolated", c->sandbox);
	FILE *f = fopen(path, "w");
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
	(void)!readlink(path, link, sizeof(link) - 1);
	fprintf(f, "pid %d\n%s\n", pid, link);
	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	copy_file(f, path);
	fclose(f);
	may_limit(s, c->id);
	done(s, "isolate", c, NULL, NULL, op);
}

static void update(void *inst, const struct mz_container *c, struct mz_op *op)
{
	done(inst, "update", c, NULL, NULL, op);
}

static void usage(void *inst, const struct mz_container *c, struct mz_usage *u, struct mz_op *op)
{
	(void)u;
	done(inst, "usage", c, NULL, NULL, op);
}

static void status(void *inst, const struct mz_container *c, struct mz_usage *u, struct mz_op *op)
{
	(void)u;
	done(inst, "status", c, NULL, NULL, op);
}

static void cleanup(void *inst, const char *id, struct mz_op *op)
{
	done(inst, "cleanup", NULL, id, NULL, op);
}

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.flags = flags,
	.recover = recover,
	.prepare = prepare,
	.isolate = isolate,
	.update = update,
	.usage = usage,
	.status = status,
	.cleanup = cleanup,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "steps",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Asks for what a variable of the container says",
	.ops = (const struct mz_ops *)&ops,
};
