/* fakes.c - see fakes.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fakes.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

/* ---- HTTP ------------------------------------------------------------------- */

const char *fake_principal;
static unsigned n_ended;

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
	c->ended_as = ++n_ended;
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
	return mz_container_of(s, struct fake_call, stream)->queued;
}

static void on_close(struct http_stream *s)
{
	struct fake_call *c = mz_container_of(s, struct fake_call, stream);
	must(!c->closed);
	c->ended_as = ++n_ended;
	c->closed = true;
}

static void on_abort(struct http_stream *s)
{
	mz_container_of(s, struct fake_call, stream)->aborted = true;
	on_close(s);
}

static const struct http_stream_ops stream_ops = {on_send, on_queued, on_close, on_abort};

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

/* Bytes in pieces of any size, as they come. */
static void read_body(struct fake_call *c)
{
	while (c->body_cb && !c->paused && !c->status && c->unread.len) {
		struct buf piece = {0};
		buf_add(&piece, c->unread.data, MZ_MIN(c->unread.len, (size_t)16384));
		buf_drop(&c->unread, piece.len);
		c->body_cb->on_data(c->body_arg, piece.data, piece.len);
		buf_done(&piece);
	}
	if (c->body_cb && !c->paused && !c->status && c->body_over && !c->body_told) {
		c->body_told = true;
		c->body_cb->on_end(c->body_arg, true);
	}
}

static int on_read(struct http_exchange *x, const struct http_body_cb *cb, void *arg)
{
	struct fake_call *c = (struct fake_call *)x;
	must(c->r.streamed && !c->body_cb);
	c->body_cb = cb;
	c->body_arg = arg;
	return 0;
}

static void go_on_reading(void *arg)
{
	read_body(arg);
}

static void on_pause(struct http_exchange *x, bool paused)
{
	struct fake_call *c = (struct fake_call *)x;
	must(!c->status);
	if (c->paused && !paused)
		loop_post(c->loop, go_on_reading, c);
	c->paused = paused;
}

static const struct http_exchange_ops exchange_ops = {
	.reply = on_reply, .stream = on_stream, .read = on_read, .pause = on_pause};

void fake_body(struct fake_call *c, const void *data, size_t size)
{
	buf_add(&c->unread, data, size);
	read_body(c);
}

void fake_body_end(struct fake_call *c)
{
	c->body_over = true;
	read_body(c);
}

void fake_leave(struct fake_call *c)
{
	must(!c->status);
	if (c->body_cb)
		c->body_cb->on_end(c->body_arg, false);
	c->body_cb = NULL;
	if (c->x.on_gone)
		c->x.on_gone(c->x.on_gone_arg);
}

void fake_room(struct fake_call *c)
{
	c->queued = 0;
	if (c->stream.on_room)
		c->stream.on_room(c->stream.arg);
}

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

static struct fake_call *new_call(struct loop *l, const char *method, const char *target, const char *headers)
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
		.peer = "127.0.0.1:1",
		.principal = fake_principal,
	};
	parse_headers(c, headers);
	return c;
}

struct fake_call *fake_http(struct loop *l, struct http_router *router, const char *method, const char *target,
			    const char *headers, const void *body, size_t size)
{
	struct fake_call *c = new_call(l, method, target, headers);
	c->r.body = body;
	c->r.body_size = size;
	http_dispatch(router, &c->r, &c->x);
	return c;
}

struct fake_call *fake_http_streamed(struct loop *l, struct http_router *router, const char *method, const char *target,
				     const char *headers)
{
	struct fake_call *c = new_call(l, method, target, headers);
	c->r.streamed = true;
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
	buf_done(&c->unread);
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
	if (f->max_frame && size > f->max_frame)
		return -EMSGSIZE;
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

/* ---- byte streams ------------------------------------------------------------ */

static void fake_io_send(struct io *io, const void *data, size_t size)
{
	struct fake_io *f = (struct fake_io *)io;
	must(!f->closed);
	buf_add(&f->sent, data, size);
}

static size_t fake_io_queued(const struct io *io)
{
	return ((const struct fake_io *)io)->queued;
}

static void fake_io_pause(struct io *io, bool paused)
{
	((struct fake_io *)io)->paused = paused;
}

static void fake_io_close(struct io *io)
{
	struct fake_io *f = (struct fake_io *)io;
	must(!f->closed);
	f->closed = true;
}

static const struct io_ops io_ops = {fake_io_send, fake_io_queued, fake_io_pause, fake_io_close};

struct fake_io *fake_io_new(int fd, const struct io_cb *cb, void *arg)
{
	struct fake_io *f = xnew(struct fake_io);
	*f = (struct fake_io){.io.ops = &io_ops, .cb = cb, .arg = arg, .fd = fd};
	return f;
}

void fake_io_free(struct fake_io *f)
{
	buf_done(&f->sent);
	free(f);
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

void fake_disk_lose(struct fake_disk *d)
{
	static const struct mz_err err = {.code = -EIO, .msg = "lost"};
	for (size_t i = 0; i < d->waiting.n; i++) {
		d->waiting.v[i]->done(d->waiting.v[i]->arg, &err);
		free(d->waiting.v[i]);
	}
	vec_clear(&d->waiting);
}

void fake_disk_done(struct fake_disk *d)
{
	map_each(&d->values, e)
		free_value(e->value);
	map_done(&d->values);
	vec_done(&d->waiting);
}
