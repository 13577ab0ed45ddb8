/* lmdb.c - the embedded store: one LMDB database in a directory of its own.
 *
 * A batch is one LMDB write transaction, committed (and synced) on a worker
 * thread so that the loop never waits for the disk. Batches wait in a list and
 * are given to the worker one at a time, in order. LMDB's own locking is off:
 * `owner.lock` keeps other processes out, and in this one each() is over before
 * the first batch.
 *
 * Not for several masters: the content is local, so the epoch fences nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/store.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	MAX_KEY = 400,
	MAX_VALUE = 32 << 20,
	RETRY_NS = 10 * 1000 * 1000, /* until the workers' queue has room again */
};

enum job_state { JOB_WAITING, JOB_RUNNING, JOB_FINISHED, JOB_ABANDONED };

/* One batch. It outlives the instance if the worker has not come to it. */
struct job {
	struct job *next;
	struct store *owner; /* NULL: destroyed; loop thread only */
	const struct mz_store_change *changes;
	size_t n;
	struct mz_op *op;
	struct mz_err err; /* code 0: written */
	MDB_env *env;
	pthread_mutex_t lock;
	pthread_cond_t finished;
	enum job_state state; /* under lock */
};

struct store {
	const struct mz_host *host;
	MDB_env *env;
	int lock_fd;
	char *path;
	struct job *first, *last; /* first: at the worker, if at_worker */
	int at_worker;
	struct mz_timer *retry;
	struct mz_metric *n_batches, *n_changes, *map_size;
};

static int __attribute__((format(printf, 3, 4))) fail(struct mz_err *err, int code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	err->code = code;
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return code;
}

/* LMDB's results are errno values or its own negative ones. */
static int errno_of(int rc)
{
	switch (rc) {
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
		return -EBADMSG;
	case MDB_PANIC:
		/* After a failed sync nobody knows what is on the disk. */
		return -EROFS;
	case MDB_MAP_FULL:
		return -ENOSPC;
	default:
		return rc == EIO ? -EROFS : rc > 0 ? -rc : -EIO;
	}
}

/* ---- opening --------------------------------------------------------------- */

static int make_dirs(const char *path, struct mz_err *err)
{
	char part[PATH_MAX];
	size_t len = strlen(path);
	if (len >= sizeof(part))
		return fail(err, -ENAMETOOLONG, "Path of the store is too long");
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return fail(err, -errno, "Cannot make directory '%s': %s", part, strerror(errno));
	}
	return 0;
}

/* The lock dies with the process, whatever kills it. */
static int take_lock(struct store *s, struct mz_err *err)
{
	char name[PATH_MAX], text[32] = "";
	if (snprintf(name, sizeof(name), "%s/owner.lock", s->path) >= (int)sizeof(name))
		return fail(err, -ENAMETOOLONG, "Path of the store is too long");
	s->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd < 0)
		return fail(err, -errno, "Cannot open '%s': %s", name, strerror(errno));
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		int code = errno;
		if (code != EWOULDBLOCK)
			return fail(err, -code, "Cannot lock '%s': %s", name, strerror(code));
		ssize_t n = pread(s->lock_fd, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = '\0';
		long pid = strtol(text, NULL, 10);
		if (pid > 0)
			return fail(err, -EBUSY, "Store '%s' is in use by process %ld", s->path, pid);
		return fail(err, -EBUSY, "Store '%s' is in use by another process", s->path);
	}
	int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(s->lock_fd, 0) < 0 || pwrite(s->lock_fd, text, (size_t)len, 0) != len)
		return fail(err, -EIO, "Cannot write '%s': %s", name, strerror(errno));
	return 0;
}

/* A new data.mdb must not vanish with its directory entry. */
static int sync_dir(const char *path, struct mz_err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0) {
		int code = errno;
		if (fd >= 0)
			close(fd);
		return fail(err, -code, "Cannot sync directory '%s': %s", path, strerror(code));
	}
	close(fd);
	return 0;
}

static int open_env(struct store *s, int64_t map_size, struct mz_err *err)
{
	int rc = mdb_env_create(&s->env);
	if (rc == 0)
		rc = mdb_env_set_mapsize(s->env, (size_t)map_size);
	if (rc == 0)
		rc = mdb_env_open(s->env, s->path, MDB_NOLOCK | MDB_NOTLS | MDB_NORDAHEAD, 0600);
	if (rc != 0)
		return fail(err, errno_of(rc), "Cannot open store '%s': %s", s->path, mdb_strerror(rc));
	return sync_dir(s->path, err);
}

static void store_destroy(void *inst);

static int store_create(const struct mz_host *host, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	const struct mz_store_host *kind = host->kind;
	const char *path = host->conf_str(conf, "path");
	struct store *s = calloc(1, sizeof(*s));
	if (!s)
		return fail(err, -ENOMEM, "Out of memory");
	s->host = host;
	s->lock_fd = -1;
	int rc = 0;
	char def[PATH_MAX];
	if (!*path) {
		snprintf(def, sizeof(def), "%s/store", kind->work_dir(host));
		path = def;
	}
	if (*path != '/')
		rc = fail(err, -EINVAL, "Path of the store is not absolute: '%s'", path);
	else if (!(s->path = strdup(path)))
		rc = fail(err, -ENOMEM, "Out of memory");
	if (rc == 0)
		rc = make_dirs(s->path, err);
	if (rc == 0)
		rc = take_lock(s, err);
	if (rc == 0)
		rc = open_env(s, host->conf_int(conf, "map_size"), err);
	if (rc < 0) {
		store_destroy(s);
		return rc;
	}
	s->n_batches = host->metric(host, MZ_METRIC_COUNTER, "batches");
	s->n_changes = host->metric(host, MZ_METRIC_COUNTER, "changes");
	s->map_size = host->metric(host, MZ_METRIC_GAUGE, "map_size_bytes");
	*inst = s;
	return 0;
}

static uint32_t store_flags(void *inst)
{
	(void)inst;
	return MZ_STORE_DURABLE;
}

/* ---- reading ----------------------------------------------------------------- */

static int each_in(MDB_cursor *c, const char *prefix,
		   int (*fn)(void *arg, const char *key, struct mz_bytes value), void *arg, int *ret_fn)
{
	size_t prefix_len = strlen(prefix);
	MDB_val key = {prefix_len, (void *)prefix}, value;
	int rc = mdb_cursor_get(c, &key, &value, prefix_len ? MDB_SET_RANGE : MDB_FIRST);
	for (; rc == 0; rc = mdb_cursor_get(c, &key, &value, MDB_NEXT)) {
		char text[MAX_KEY + 1];
		if (key.mv_size < prefix_len || memcmp(key.mv_data, prefix, prefix_len) != 0)
			return 0;
		if (key.mv_size > MAX_KEY)
			return MDB_CORRUPTED;
		memcpy(text, key.mv_data, key.mv_size);
		text[key.mv_size] = '\0';
		/* An empty value must not look like a deletion. */
		struct mz_bytes v = {value.mv_size ? value.mv_data : "", value.mv_size};
		*ret_fn = fn(arg, text, v);
		if (*ret_fn)
			return 0;
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int store_each(void *inst, const char *prefix,
		      int (*fn)(void *arg, const char *key, struct mz_bytes value), void *arg, struct mz_err *err)
{
	struct store *s = inst;
	MDB_txn *txn = NULL;
	MDB_cursor *cursor = NULL;
	MDB_dbi dbi;
	int from_fn = 0;
	int rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);
	if (rc == 0)
		rc = mdb_dbi_open(txn, NULL, 0, &dbi);
	if (rc == 0)
		rc = mdb_cursor_open(txn, dbi, &cursor);
	if (rc == 0)
		rc = each_in(cursor, prefix, fn, arg, &from_fn);
	if (cursor)
		mdb_cursor_close(cursor);
	if (txn)
		mdb_txn_abort(txn);
	if (rc != 0)
		return fail(err, errno_of(rc), "Cannot read store '%s': %s", s->path, mdb_strerror(rc));
	return from_fn;
}

/* ---- writing, on the worker thread --------------------------------------------- */

static int write_once(const struct job *j)
{
	MDB_txn *txn = NULL;
	MDB_dbi dbi;
	int rc = mdb_txn_begin(j->env, NULL, 0, &txn);
	if (rc != 0)
		return rc;
	rc = mdb_dbi_open(txn, NULL, 0, &dbi);
	for (size_t i = 0; rc == 0 && i < j->n; i++) {
		const struct mz_store_change *c = &j->changes[i];
		MDB_val key = {strlen(c->key), (void *)c->key};
		MDB_val value = {c->value.size, (void *)c->value.data};
		if (c->value.data)
			rc = mdb_put(txn, dbi, &key, &value, 0);
		else if ((rc = mdb_del(txn, dbi, &key, NULL)) == MDB_NOTFOUND)
			rc = 0;
	}
	if (rc != 0) {
		mdb_txn_abort(txn);
		return rc;
	}
	return mdb_txn_commit(txn);
}

static void write_batch(struct job *j)
{
	int rc;
	/* The map is address space, not memory or disk: doubling is cheap, and
	 * allowed here because no other transaction is open. */
	while ((rc = write_once(j)) == MDB_MAP_FULL) {
		MDB_envinfo info;
		rc = mdb_env_info(j->env, &info);
		if (rc == 0 && info.me_mapsize > SIZE_MAX / 4)
			rc = MDB_MAP_FULL;
		else if (rc == 0)
			rc = mdb_env_set_mapsize(j->env, info.me_mapsize * 2);
		if (rc != 0)
			break;
	}
	if (rc != 0)
		fail(&j->err, errno_of(rc), "Cannot write a batch of %zu changes: %s", j->n, mdb_strerror(rc));
}

static void on_worker(void *arg)
{
	struct job *j = arg;
	pthread_mutex_lock(&j->lock);
	int abandoned = j->state == JOB_ABANDONED;
	if (!abandoned)
		j->state = JOB_RUNNING;
	pthread_mutex_unlock(&j->lock);
	if (abandoned)
		return;
	write_batch(j);
	pthread_mutex_lock(&j->lock);
	j->state = JOB_FINISHED;
	pthread_cond_signal(&j->finished);
	pthread_mutex_unlock(&j->lock);
}

/* ---- the queue, on the loop thread ------------------------------------------------ */

static void job_free(struct job *j)
{
	pthread_mutex_destroy(&j->lock);
	pthread_cond_destroy(&j->finished);
	free(j);
}

static void give_to_worker(struct store *s);

static void on_written(void *arg)
{
	struct job *j = arg;
	struct store *s = j->owner;
	if (!s) {
		job_free(j);
		return;
	}
	s->first = j->next;
	if (!s->first)
		s->last = NULL;
	s->at_worker = 0;
	struct mz_op *op = j->op;
	struct mz_err err = j->err;
	if (err.code == 0) {
		MDB_envinfo info;
		s->host->metric_add(s->n_batches, 1);
		s->host->metric_add(s->n_changes, (int64_t)j->n);
		if (mdb_env_info(s->env, &info) == 0)
			s->host->metric_set(s->map_size, (double)info.me_mapsize);
	}
	job_free(j);
	give_to_worker(s);
	/* Last, because its receiver may destroy us. */
	s->host->op_done(op, err.code ? &err : NULL, NULL);
}

static void on_retry(void *arg)
{
	struct store *s = arg;
	s->retry = NULL;
	give_to_worker(s);
}

static void give_to_worker(struct store *s)
{
	if (!s->first || s->at_worker || s->retry)
		return;
	s->at_worker = 1;
	if (s->host->offload(s->host, on_worker, on_written, s->first) < 0) {
		s->at_worker = 0;
		s->retry = s->host->timer(s->host, RETRY_NS, on_retry, s);
	}
}

static int check_changes(const struct mz_store_change *v, size_t n, struct mz_err *err)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(v[i].key);
		if (len < 1 || len > MAX_KEY)
			return fail(err, -EINVAL, "Key '%.40s' has %zu bytes, 1 to %d are allowed", v[i].key, len,
				    MAX_KEY);
		if (v[i].value.size > MAX_VALUE)
			return fail(err, -E2BIG, "Value of key '%.100s' has %zu bytes, at most %d are allowed",
				    v[i].key, v[i].value.size, MAX_VALUE);
	}
	return 0;
}

static void store_apply(void *inst, uint64_t epoch, const struct mz_store_change *changes, size_t n,
			struct mz_op *op)
{
	(void)epoch; /* nobody else can write here, see the lock */
	struct store *s = inst;
	struct mz_err err;
	struct job *j = NULL;
	int rc = check_changes(changes, n, &err);
	if (rc == 0 && !(j = calloc(1, sizeof(*j))))
		rc = fail(&err, -ENOMEM, "Out of memory");
	if (rc < 0) {
		s->host->op_done(op, &err, NULL);
		return;
	}
	j->owner = s;
	j->changes = changes;
	j->n = n;
	j->op = op;
	j->env = s->env;
	pthread_mutex_init(&j->lock, NULL);
	pthread_cond_init(&j->finished, NULL);
	if (s->last)
		s->last->next = j;
	else
		s->first = j;
	s->last = j;
	give_to_worker(s);
}

/* Waits for a batch that is being written, and keeps one from being begun. */
static void abandon(struct job *j)
{
	pthread_mutex_lock(&j->lock);
	if (j->state == JOB_WAITING)
		j->state = JOB_ABANDONED;
	while (j->state == JOB_RUNNING)
		pthread_cond_wait(&j->finished, &j->lock);
	pthread_mutex_unlock(&j->lock);
	j->owner = NULL; /* on_written frees it */
}

static void store_destroy(void *inst)
{
	struct store *s = inst;
	if (!s)
		return;
	if (s->retry)
		s->host->timer_cancel(s->host, s->retry);
	for (struct job *j = s->first, *next; j; j = next) {
		next = j->next;
		if (j == s->first && s->at_worker)
			abandon(j);
		else
			job_free(j);
	}
	if (s->env)
		mdb_env_close(s->env);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	free(s->path);
	free(s);
}

static const struct mz_setting settings[] = {
	MZ_SETTING(STRING, "path", "", 0, 0, "directory of the store; empty: `store` in the work directory"),
	MZ_SETTING(BYTES, "map_size", "1GB", 1 << 20, (int64_t)1 << 46,
		   "address space that is mapped at first; doubled whenever the data needs it"),
	MZ_SETTING_END,
};

static const struct mz_store_ops ops = {
	.size = sizeof(ops),
	.create = store_create,
	.destroy = store_destroy,
	.flags = store_flags,
	.each = store_each,
	.apply = store_apply,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(STORE),
	.name = "lmdb",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Embedded, crash-safe store for a single master and for agents",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
