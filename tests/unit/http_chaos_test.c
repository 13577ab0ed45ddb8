/* http_chaos_test.c - the HTTP server between peers and handlers that do whatever comes
 * to their minds, under a seed: requests in pieces and in pipelines, bodies that are
 * streamed, paused and answered in the middle, streams that are sent to, closed and
 * aborted, peers that stop reading, shut their half or are gone. What the headers
 * promise is checked at each call; memory is the sanitizers' part. Nothing sleeps.
 *
 * With a number as its argument it runs so many seeds.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "tests/unit/http_world.h"

enum { N_PEERS = 6, N_STEPS = 1500, MAX_BODY = 100000, MAX_ID = 1 << 16 };

static int n_seeds = 20;
static uint32_t seed;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static bool one_in(uint32_t n)
{
	return rnd(n) == 0;
}

/* ---- handlers ----------------------------------------------------------------------- */

/* A request that is with a handler, or its stream. */
struct deal {
	struct list node;
	struct http_exchange *x; /* NULL: answered */
	struct http_stream *stream;
	bool filtered, streamed, reads, paused, ended, gone;
	size_t n_body, n_got;
	unsigned id;
};

static struct list deals;
static int n_deals;

static void deal_free(struct deal *d)
{
	list_remove(&d->node);
	n_deals--;
	free(d);
}

static void on_gone(void *arg)
{
	struct deal *d = arg;

	assert_non_null(d->x);
	assert_false(d->gone);
	d->gone = true;
}

static void on_stream_gone(void *arg)
{
	struct deal *d = arg;

	assert_non_null(d->stream);
	deal_free(d);
}

static void on_room(void *arg)
{
	struct deal *d = arg;

	if (one_in(4))
		(void)http_send(d->stream, "room", 4);
}

static void reply(struct deal *d)
{
	static const char big[300000];
	char id[16];
	int n = snprintf(id, sizeof(id), "<%u>", d->id);
	struct http_exchange *x = MZ_MOVE(d->x);

	if (one_in(5)) {
		mz_autofree char *body = xcalloc(1, sizeof(big));
		memcpy(body, id, (size_t)n);
		http_reply(x, 200, NULL, body, 16 + rnd(sizeof(big) - 16));
	} else {
		http_reply(x, one_in(9) ? 404 : 200, "text/plain", id, (size_t)n);
	}
	deal_free(d);
}

static void start_stream(struct deal *d)
{
	char id[16];

	d->stream = http_stream(MZ_MOVE(d->x), 200, NULL, 0);
	d->stream->on_gone = on_stream_gone;
	d->stream->on_room = on_room;
	d->stream->arg = d;
	snprintf(id, sizeof(id), "<%u>", d->id);
	(void)http_send(d->stream, id, strlen(id));
}

static void answer(struct deal *d)
{
	if (one_in(3))
		start_stream(d);
	else
		reply(d);
}

static void on_data(void *arg, const void *data, size_t size)
{
	struct deal *d = arg;

	assert_true(d->x && d->reads && !d->paused && !d->ended && !d->gone);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(((const char *)data)[i], 'b');
	d->n_got += size;
	assert_true(d->n_got <= d->n_body);
	if (one_in(4))
		http_exchange_pause(d->x, d->paused = true);
	if (one_in(6))
		answer(d);
}

static void on_end(void *arg, bool complete)
{
	struct deal *d = arg;

	assert_true(d->x && d->reads && !d->ended && !d->gone);
	d->ended = true;
	if (complete)
		assert_int_equal(d->n_got, d->n_body);
	if (one_in(2))
		answer(d);
}

/* Something that a handler may do with it at any time. */
static void act(struct deal *d)
{
	static const struct http_body_cb cb = {on_data, on_end};
	static const char bytes[40000];

	if (d->filtered) {
		d->filtered = false;
		if (one_in(4))
			reply(d);
		else
			http_server_pass(d->x); /* its handler finds it again */
	} else if (d->stream) {
		if (one_in(5)) {
			(one_in(3) ? http_abort : http_close)(d->stream);
			deal_free(d);
		} else {
			(void)http_send(d->stream, bytes, rnd(one_in(6) ? sizeof(bytes) : 100));
		}
	} else if (d->streamed && !d->reads && one_in(2)) {
		d->reads = true;
		assert_int_equal(http_exchange_read(d->x, &cb, d), 0);
	} else if (d->reads && one_in(2)) {
		http_exchange_pause(d->x, d->paused = !d->paused && one_in(3));
	} else if (!d->reads || one_in(4)) {
		answer(d);
	}
}

static struct deal *deal_of(const struct http_request *r, struct http_exchange *x)
{
	if (x->on_gone_arg) /* it was with the filter */
		return x->on_gone_arg;
	struct deal *d = xnew(struct deal);
	mz_autofree char *id = http_query(r, "id"), *n = http_query(r, "n");
	d->x = x;
	d->id = id ? (unsigned)atoi(id) : 0;
	d->n_body = n ? (size_t)atoi(n) : 0;
	d->streamed = r->streamed;
	x->on_gone = on_gone;
	x->on_gone_arg = d;
	list_append(&deals, &d->node);
	n_deals++;
	return d;
}

static void on_request(void *arg, const struct http_request *r, struct http_exchange *x)
{
	struct deal *d = deal_of(r, x);

	(void)arg;
	if (r->streamed)
		assert_null(r->body);
	else
		assert_int_equal(r->body_size, d->n_body);
	for (size_t i = 0; i < r->body_size; i++)
		assert_int_equal(((const char *)r->body)[i], 'b');
	if (!one_in(3))
		act(d);
}

static bool on_filter(void *arg, struct http_request *r, struct http_exchange *x)
{
	(void)arg;
	if (!one_in(3))
		return true;
	struct deal *d = deal_of(r, x);
	d->filtered = true;
	if (one_in(3))
		act(d);
	return false;
}

static struct deal *any_deal(void)
{
	uint32_t at = rnd((uint32_t)n_deals);

	list_each(&deals, struct deal, node, d)
		if (at-- == 0)
			return d;
	return NULL;
}

/* ---- peers --------------------------------------------------------------------------- */

struct peer {
	int fd;
	bool deaf, over; /* over: it has said something that is refused, or shut its half */
	unsigned last;	 /* id that was answered last */
	struct buf out, in;
};

static struct peer peers[N_PEERS];
static unsigned last_id;

static void peer_open(struct peer *p)
{
	struct raw *r = http_dial();

	*p = (struct peer){.fd = fcntl(r->fd, F_DUPFD_CLOEXEC, 3)};
	assert_true(p->fd >= 0);
	raw_close(r);
}

static void peer_close(struct peer *p)
{
	struct linger at_once = {.l_onoff = 1};

	if (one_in(2))
		setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(p->fd);
	buf_done(&p->out);
	buf_done(&p->in);
}

static void put_body(struct peer *p, size_t n, bool chunked)
{
	struct buf *b = &p->out;

	while (n) {
		if (chunked && one_in(60)) {
			buf_adds(b, "no chunk\r\n");
			p->over = true;
			return;
		}
		size_t piece = chunked ? 1 + rnd((uint32_t)n) : n;
		if (chunked)
			buf_addf(b, "%zx%s\r\n", piece, one_in(5) ? ";x=y" : "");
		memset(buf_reserve(b, piece), 'b', piece);
		b->len += piece;
		b->data[b->len] = '\0';
		if (chunked)
			buf_adds(b, "\r\n");
		n -= piece;
	}
	if (chunked)
		buf_adds(b, one_in(5) ? "0\r\nT: t\r\n\r\n" : "0\r\n\r\n");
}

static void put_request(struct peer *p)
{
	bool streamed = one_in(3), chunked = one_in(2), post = streamed || one_in(2);
	size_t n = post ? rnd(one_in(5) ? MAX_BODY : 60) : 0;
	struct buf *b = &p->out;

	last_id = last_id % MAX_ID + 1;
	if (one_in(40)) {
		buf_adds(b, "nonsense\r\n\r\n");
		p->over = true;
		return;
	}
	bool old = !chunked && one_in(9); /* HTTP/1.0 */
	buf_addf(b, "%s /x?id=%u&n=%zu HTTP/1.%d\r\nHost: x\r\n", post ? "POST" : "GET", last_id, n, !old);
	if (old && one_in(2))
		buf_adds(b, "Connection: keep-alive\r\n");
	if (streamed)
		buf_adds(b, "Content-Type: application/recordio\r\n");
	if (post && one_in(9))
		buf_adds(b, "Expect: 100-continue\r\n");
	if (one_in(20)) {
		buf_adds(b, "Connection: close\r\n");
		p->over = true;
	}
	if (post && chunked)
		buf_adds(b, "Transfer-Encoding: chunked\r\n");
	else if (post)
		buf_addf(b, "Content-Length: %zu\r\n", n);
	buf_adds(b, "\r\n");
	if (post)
		put_body(p, n, chunked);
}

/* Answers come in the order of the requests. */
static void check_order(struct peer *p)
{
	const char *at = buf_str(&p->in), *end = at + p->in.len, *lt;
	unsigned id;

	while ((lt = memchr(at, '<', (size_t)(end - at))) && memchr(lt, '>', (size_t)(end - lt))) {
		at = lt + 1;
		if (sscanf(lt, "<%u>", &id) == 1) {
			assert_true(id > p->last || id + MAX_ID / 2 < p->last);
			p->last = id;
		}
	}
	buf_drop(&p->in, (size_t)(at - buf_str(&p->in)));
	if (!lt)
		buf_clear(&p->in);
}

static void peer_reads(struct peer *p)
{
	char data[65536];
	ssize_t n = recv(p->fd, data, sizeof(data), MSG_DONTWAIT);

	if (n > 0) {
		buf_add(&p->in, data, (size_t)n);
		check_order(p);
	} else if (n == 0 || errno != EAGAIN) {
		peer_close(p);
		peer_open(p);
	}
}

static void peer_sends(struct peer *p)
{
	size_t some = p->out.len ? 1 + rnd(one_in(3) ? (uint32_t)p->out.len : (uint32_t)MZ_MIN(p->out.len, (size_t)40)) : 0;
	ssize_t n = send(p->fd, buf_str(&p->out), some, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n > 0)
		buf_drop(&p->out, (size_t)n);
	else if (n < 0 && errno != EAGAIN)
		buf_clear(&p->out);
}

static void peer_acts(struct peer *p)
{
	if (one_in(60)) {
		peer_close(p);
		peer_open(p);
	} else if (one_in(80) && !p->out.len) {
		shutdown(p->fd, SHUT_WR);
		p->over = true;
	}
	if (one_in(20))
		p->deaf = !p->deaf;
	if (!p->over && p->out.len < MAX_BODY && one_in(2))
		put_request(p);
	peer_sends(p);
	if (!p->deaf)
		peer_reads(p);
}

/* ---- the test ------------------------------------------------------------------------- */

static void quiet(void *arg, int level, const char *area, const char *text)
{
	(void)arg, (void)level, (void)area, (void)text;
}

static void run(uint32_t with)
{
	struct http_limits limits = HTTP_LIMITS_DEFAULT;

	seed = with;
	last_id = 0;
	n_deals = 0;
	list_init(&deals);
	limits.max_body_bytes = one_in(3) ? MAX_BODY / 2 : MAX_BODY;
	limits.max_stream_queue = one_in(2) ? 64 << 10 : 4 << 10;
	http_restart(&limits);
	http_route(&t.router, "/x", on_request, NULL);
	if (one_in(2))
		http_server_filter(t.server, on_filter, NULL);
	for (int i = 0; i < N_PEERS; i++)
		peer_open(&peers[i]);
	for (int i = 0; i < N_STEPS; i++) {
		peer_acts(&peers[rnd(N_PEERS)]);
		if (n_deals && one_in(2))
			act(any_deal());
		if (!one_in(3))
			loop_event_turn(t.l, 0);
	}
	for (int i = 0; i < N_PEERS; i++)
		peer_close(&peers[i]);
	if (one_in(2))
		http_turns(10);
	http_server_free(MZ_MOVE(t.server));
	/* Answers that nobody hears, until there are none left. */
	while (n_deals) {
		act(any_deal());
		loop_event_turn(t.l, 0);
	}
}

static void test_chaos(void **state)
{
	(void)state;
	alarm(0);
	log_set_sink(quiet, NULL);
	for (int i = 1; i <= n_seeds; i++) {
		alarm(60); /* a run */
		run((uint32_t)i * 2654435761u);
	}
	log_set_sink(NULL, NULL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_chaos, http_setup, http_teardown)};

	if (argc > 1)
		n_seeds = atoi(argv[1]);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
