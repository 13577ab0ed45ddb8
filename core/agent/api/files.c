/* files.c - /files/browse, /files/read, /files/download, /files/debug: sandboxes,
 * read-only, under the paths that /state tells.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/api/api.h"
#include "os/files.h"
#include "wire/api.h"

enum { DOWNLOAD_PIECE = 256 * 1024, DOWNLOAD_LOOK_MS = 20 };

struct file_request {
	struct agent *agent;
	struct http_exchange *x;
	char *jsonp, *path;
	/* download */
	struct http_stream *stream;
	struct loop_timer *timer; /* the reader is slower than the disk */
	int64_t offset;
};

static void request_free(struct file_request *q)
{
	free(q->jsonp);
	free(q->path);
	free(q);
}

/* NULL: answered: 400, because there is no path, or 403. */
static struct file_request *request_new(struct agent *a, const struct http_request *r, struct http_exchange *x)
{
	char *path = http_query(r, "path");
	if (str_empty(path)) {
		free(path);
		http_reply_text(x, 400, "Expecting 'path=value' in query");
		return NULL;
	}
	if (!authz_sandbox(a, path, r->principal)) {
		free(path);
		http_reply(x, 403, NULL, NULL, 0);
		return NULL;
	}
	struct file_request *q = xnew(struct file_request);
	q->agent = a;
	q->x = x;
	q->path = path;
	q->jsonp = http_query(r, "jsonp");
	if (str_empty(q->jsonp)) {
		free(q->jsonp);
		q->jsonp = NULL;
	}
	return q;
}

static void reply_error(struct http_exchange *x, const struct mz_err *err)
{
	switch (err->code) {
	case -ENOENT:
	case -ENOTDIR:
		http_reply(x, 404, "text/plain; charset=utf-8", NULL, 0);
		break;
	case -EAGAIN:
		http_reply_text(x, 503, "%s", err->msg);
		break;
	case -EISDIR:
	case -EINVAL:
		http_reply_text(x, 400, "%s", err->msg);
		break;
	case -EACCES:
		http_reply_text(x, 403, "%s", err->msg);
		break;
	default:
		http_reply_text(x, 500, "%s", err->msg);
	}
}

static void reply_json(struct file_request *q, struct buf *json)
{
	if (q->jsonp) {
		struct buf mz_autobuf b = {0};
		buf_addf(&b, "%s(%s);", q->jsonp, buf_str(json));
		http_reply(q->x, 200, "text/javascript", b.data, b.len);
	} else {
		http_reply(q->x, 200, "application/json", buf_str(json), json->len);
	}
	request_free(q);
}

static void on_browsed(void *arg, const struct mz_err *err, const struct file_entry *v, size_t n)
{
	struct file_request *q = arg;
	if (err) {
		reply_error(q->x, err);
		request_free(q);
		return;
	}
	struct buf mz_autobuf b = {0};
	struct jsonw w = {.out = &b};
	jsonw_array(&w);
	for (size_t i = 0; i < n; i++) {
		jsonw_object(&w);
		jsonw_kstring(&w, "gid", v[i].gid);
		jsonw_kstring(&w, "mode", v[i].mode);
		jsonw_kdouble(&w, "mtime", v[i].mtime);
		jsonw_kint(&w, "nlink", v[i].n_links);
		jsonw_kstring(&w, "path", v[i].path);
		jsonw_kint(&w, "size", v[i].size);
		jsonw_kstring(&w, "uid", v[i].uid);
		jsonw_end(&w);
	}
	jsonw_end(&w);
	reply_json(q, &b);
}

void agent_api_files_browse(void *arg, const struct http_request *r, struct http_exchange *x)
{
	struct agent *a = arg;
	struct file_request *q = request_new(a, r, x);
	if (q)
		a->deps.files->ops->browse(a->deps.files, q->path, on_browsed, q);
}

static void on_read(void *arg, const struct mz_err *err, int64_t offset, struct mz_bytes data, int64_t size)
{
	(void)size;
	struct file_request *q = arg;
	if (err) {
		reply_error(q->x, err);
		request_free(q);
		return;
	}
	struct buf mz_autobuf b = {0};
	struct jsonw w = {.out = &b};
	jsonw_object(&w);
	jsonw_key(&w, "data");
	jsonw_text(&w, data.data ? data.data : "", data.size);
	jsonw_kint(&w, "offset", offset);
	jsonw_end(&w);
	reply_json(q, &b);
}

static bool query_number(const struct http_request *r, const char *name, int64_t otherwise, int64_t *ret)
{
	mz_autofree char *text = http_query(r, name);
	*ret = otherwise;
	return str_empty(text) || str_to_i64(text, ret) == 0;
}

void agent_api_files_read(void *arg, const struct http_request *r, struct http_exchange *x)
{
	struct agent *a = arg;
	int64_t offset, length;
	if (!query_number(r, "offset", -1, &offset) || offset < -1) {
		http_reply_text(x, 400, "Query 'offset' is not -1 or a position");
		return;
	}
	if (!query_number(r, "length", -1, &length) || length < -1) {
		http_reply_text(x, 400, "Query 'length' is not -1 or a size");
		return;
	}
	if (length < 0 || length > FILES_PAGE_READ)
		length = FILES_PAGE_READ;
	struct file_request *q = request_new(a, r, x);
	if (q)
		a->deps.files->ops->read(a->deps.files, q->path, offset, length, on_read, q);
}

/* ---- download: piece by piece, the next when the last has been handed on ----------------- */

static void on_piece(void *arg, const struct mz_err *err, int64_t offset, struct mz_bytes data, int64_t size);

/* While a piece is being read, on_piece frees the request; while the reader is
 * waited for, nobody else would. */
static void on_download_gone(void *arg)
{
	struct file_request *q = arg;
	q->stream = NULL;
	if (!q->timer)
		return;
	loop_timer_cancel(q->agent->loop, q->timer);
	request_free(q);
}

static void next_piece(struct file_request *q);

static void on_look(void *arg)
{
	struct file_request *q = arg;
	q->timer = NULL;
	next_piece(q);
}

static void next_piece(struct file_request *q)
{
	if (q->stream && http_queued(q->stream) >= DOWNLOAD_PIECE) {
		q->timer = loop_timer(q->agent->loop, DOWNLOAD_LOOK_MS * NS_PER_MS, on_look, q);
		return;
	}
	struct files *f = q->agent->deps.files;
	f->ops->read(f, q->path, q->offset, DOWNLOAD_PIECE, on_piece, q);
}

static bool start_download(struct file_request *q)
{
	const char *name = strrchr(q->path, '/');
	mz_autofree char *disposition = xasprintf("attachment; filename=%s", name ? name + 1 : q->path);
	const struct http_header h[] = {{"Content-Type", "application/octet-stream"},
					{"Content-Disposition", disposition}};
	q->stream = http_stream(q->x, 200, h, MZ_N(h));
	if (!q->stream)
		return false;
	q->stream->on_gone = on_download_gone;
	q->stream->arg = q;
	return true;
}

static void on_piece(void *arg, const struct mz_err *err, int64_t offset, struct mz_bytes data, int64_t size)
{
	struct file_request *q = arg;
	if (err && !q->offset && !q->stream) {
		reply_error(q->x, err);
		request_free(q);
		return;
	}
	if (!q->stream && (q->offset || !start_download(q))) {
		request_free(q); /* the reader has gone */
		return;
	}
	bool more = !err && data.size && offset + (int64_t)data.size < size;
	if (!err && data.size && http_send(q->stream, data.data, data.size) < 0) {
		/* on_gone follows: it must not find a freed request. */
		q->stream->on_gone = NULL;
		request_free(q);
		return;
	}
	if (more) {
		q->offset = offset + (int64_t)data.size;
		next_piece(q);
		return;
	}
	http_close(q->stream);
	request_free(q);
}

void agent_api_files_download(void *arg, const struct http_request *r, struct http_exchange *x)
{
	struct file_request *q = request_new(arg, r, x);
	if (q)
		next_piece(q);
}

void agent_api_files_debug(void *arg, const struct http_request *r, struct http_exchange *x)
{
	struct agent *a = arg;
	struct buf mz_autobuf b = {0};
	struct jsonw w = {.out = &b};
	const char *virtual_path, *real_path;
	if (!authz_get(a, "/files/debug", r, x))
		return;
	jsonw_object(&w);
	for (size_t i = 0; a->deps.files->ops->attached(a->deps.files, i, &virtual_path, &real_path); i++)
		jsonw_kstring(&w, virtual_path, real_path);
	jsonw_end(&w);
	api_reply_json(r, x, &b);
}
