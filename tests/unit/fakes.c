/* fakes.c - see fakes.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fakes.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

/* ---- HTTP ------------------------------------------------------------------- */

static void note_headers(struct fake_call *c, const struct http_header *h, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_addf(&c->headers, "%s: %s\n", h[i].name, h[i].value);
		if (!strcasecmp(h[i].name, "Mesos-Stream-Id"))
			xset(&c->id, h[i].value);
	}
}

static void on_reply(struct http_exchange *x, int status, const struct http_header *h, size_t n, const void *body,
		     size_t size)
{
	struct fake_call *c = (struct fake_call *)x;
	must(!c->status);
	c->status = status;
	note_headers(c, h, n);
	buf_add(&c->body, body ? body : "", size);
}

static int add_record(void *arg, const char *record, size_t len)
{
	struct fake_call *c = arg;
	vec_push(&c->records, xstrndup(record, len));
	c->records.v[c->records.n - 1] = xrealloc(c->records.v[c->records.n - 1], len + 1);
	memcpy(c->records.v[c->records.n - 1], record, len);
	c->records.v[c->records.n - 1][len] = '\0';
	vec_push(&c->sizes, len);
	return 0;
}

static void tell_gone(void *arg)
{
	struct fake_call *c = arg;
	if (c->stream.on_gone)
		c->stream.on_gone(c->stream.arg);
}

void fake_hang_up(struct fake_call *c)
{
	must(c->is_stream && !c->closed);
	c->closed = true;
	loop_post(c->loop, tell_gone, c);
}

static int on_send(struct http_stream *s, const void *data, size_t size)
{
	struct fake_call *c = mz_container_of(s, struct fake_call, stream);
	size_t before = c->records.n;
	if (c->closed)
		return -EPIPE;
	if (c->full) {
		fake_hang_up(c);
		return -ENOBUFS;
	}
	must(recordio_feed(&c->reader, data, size, add_record, c, NULL) == 0);
	must(c->records.n == before + 1); /* one record, one chunk */
	return 0;
}

static size_t on_queued(const struct http_stream *s)
{
	(void)s;
	return 0;
}

static void on_close(struct http_stream *s)
{
	struct fake_call *c = mz_container_of(s, struct fake_call, stream);
	must(!c->closed);
	c->closed = true;
}

static const struct http_stream_ops stream_ops = {on_send, on_queued, on_close};

static struct http_stream *on_stream(struct http_exchange *x, int status, const struct http_header *h, size_t n)
{
	struct fake_call *c = (struct fake_call *)x;
	must(!c->status);
	c->status = status;
	note_headers(c, h, n);
	c->is_stream = true;
	c->reader.max_record = 1u << 24;
	c->stream.ops = &stream_ops;
	return &c->stream;
}

static const struct http_exchange_ops exchange_ops = {.reply = on_reply, .stream = on_stream};

static void parse_headers(struct fake_call *c, const char *headers)
{
	c->sent = xstrdup(headers ? headers : "");
	for (char *line = c->sent; line && *line;) {
		char *next = strchr(line, '\n'), *colon = strstr(line, ": ");
		if (next)
			*next++ = '\0';
		must(colon && c->r.n_headers < MZ_N(c->h));
		*colon = '\0';
		c->h[c->r.n_headers++] = (struct http_header){line, colon + 2};
		line = next;
	}
}

struct fake_call *fake_http(struct loop *l, struct http_router *router, const char *method, const char *target,
			    const char *headers, const void *body, size_t size)
{
	struct fake_call *c = xnew(struct fake_call);
	const char *q = strchr(target, '?');
	c->x.ops = &exchange_ops;
	c->loop = l;
	c->target = xstrdup(target);
	c->path = q ? xstrndup(target, (size_t)(q - target)) : xstrdup(target);
	c->query = q ? xstrdup(q + 1) : NULL;
	c->r = (struct http_request){
		.method = method,
		.path = c->path,
		.query = c->query,
		.target = c->target,
		.headers = c->h,
		.body = body,
		.body_size = size,
		.peer = "127.0.0.1:1",
	};
	parse_headers(c, headers);
	http_dispatch(router, &c->r, &c->x);
	return c;
}

void fake_call_free(struct fake_call *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->records.n; i++)
		free(c->records.v[i]);
	vec_done(&c->records);
	vec_done(&c->sizes);
	recordio_reader_done(&c->reader);
	buf_done(&c->headers);
	buf_done(&c->body);
	free(c->path);
	free(c->query);
	free(c->target);
	free(c->sent);
	free(c->id);
	free(c);
}

const char *fake_next(struct fake_call *c, size_t *ret_size)
{
	if (c->n_seen == c->records.n)
		return NULL;
	if (ret_size)
		*ret_size = c->sizes.v[c->n_seen];
	return c->records.v[c->n_seen++];
}

/* ---- links -------------------------------------------------------------------- */

static void tell_link_gone(void *arg)
{
	struct fake_link *f = arg;
	if (f->link.on_gone)
		f->link.on_gone(f->link.arg, "the test cut it");
}

void fake_link_cut(struct fake_link *f)
{
	if (f->closed)
		return;
	f->closed = true;
	loop_post(f->loop, tell_link_gone, f);
}

static int on_link_send(struct link *l, const void *frame, size_t size)
{
	struct fake_link *f = (struct fake_link *)l;
	if (f->closed)
		return -EPIPE;
	if (f->full) {
		fake_link_cut(f);
		return -ENOBUFS;
	}
	vec_push(&f->frames, ((struct mz_bytes){xmemdup(frame, size), size}));
	return 0;
}

static void on_link_close(struct link *l)
{
	struct fake_link *f = (struct fake_link *)l;
	must(!f->closed);
	f->closed = true;
}

static const struct link_ops link_ops = {on_link_send, on_link_close};

struct fake_link *fake_link_new(struct loop *l)
{
	struct fake_link *f = xnew(struct fake_link);
	f->link.ops = &link_ops;
	f->link.peer = "127.0.0.1:2";
	f->loop = l;
	return f;
}

void fake_link_free(struct fake_link *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->frames.n; i++)
		free((void *)f->frames.v[i].data);
	vec_done(&f->frames);
	free(f);
}

void fake_link_send(struct fake_link *f, const pb_msg *m)
{
	struct buf b = {0};
	pb_encode(m, &b);
	if (!f->closed)
		f->link.on_frame(f->link.arg, buf_str(&b), b.len);
	buf_done(&b);
}

pb_msg *fake_link_next(struct fake_link *f, const pb_desc *desc, struct arena *a)
{
	if (f->n_seen == f->frames.n)
		return NULL;
	const struct mz_bytes *b = &f->frames.v[f->n_seen++];
	pb_msg *m = pb_decode(desc, a, b->data, b->size, NULL);
	must(m);
	return m;
}

/* ---- disk ------------------------------------------------------------------------ */

struct fake_write {
	struct fake_disk *d;
	void (*done)(void *arg, const struct mz_err *err);
	void *arg;
	const struct store_change *v;
	size_t n;
};

static void free_value(struct buf *b)
{
	if (b)
		buf_done(b);
	free(b);
}

static void carry_out(void *arg)
{
	struct fake_write *w = arg;
	for (size_t i = 0; i < w->n; i++) {
		if (!w->v[i].value.data) {
			free_value(map_del(&w->d->values, w->v[i].key));
			continue;
		}
		struct buf *b = xnew(struct buf);
		buf_add(b, w->v[i].value.data, w->v[i].value.size);
		free_value(map_put(&w->d->values, w->v[i].key, b));
	}
	w->done(w->arg, NULL);
	free(w);
}

static void on_apply(struct store_backend *b, uint64_t epoch, const struct store_change *v, size_t n,
		     void (*done)(void *arg, const struct mz_err *err), void *arg)
{
	struct fake_disk *d = (struct fake_disk *)b;
	struct fake_write *w = xnew(struct fake_write);
	(void)epoch;
	*w = (struct fake_write){d, done, arg, v, n};
	if (d->stuck)
		vec_push(&d->waiting, w);
	else
		loop_post(d->loop, carry_out, w);
}

static int on_each(struct store_backend *b, const char *prefix,
		   int (*fn)(void *arg, const char *key, struct mz_bytes value), void *arg, struct mz_err *err)
{
	struct fake_disk *d = (struct fake_disk *)b;
	(void)err;
	map_each(&d->values, e) {
		const struct buf *v = e->value;
		int r = str_starts(e->key, prefix) ? fn(arg, e->key, (struct mz_bytes){v->data, v->len}) : 0;
		if (r)
			return r;
	}
	return 0;
}

void fake_disk_init(struct fake_disk *d, struct loop *l)
{
	*d = (struct fake_disk){.backend = {on_each, on_apply}, .loop = l};
}

void fake_disk_flush(struct fake_disk *d)
{
	for (size_t i = 0; i < d->waiting.n; i++)
		loop_post(d->loop, carry_out, d->waiting.v[i]);
	vec_clear(&d->waiting);
}

void fake_disk_done(struct fake_disk *d)
{
	map_each(&d->values, e)
		free_value(e->value);
	map_done(&d->values);
	vec_done(&d->waiting);
}
