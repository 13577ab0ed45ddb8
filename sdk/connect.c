/* connect.c - from an address to a subscription, and back to it when it is lost.
 *
 *   IDLE -> RESOLVING -> CONNECTING -> SUBSCRIBED -> ENDING -> ENDED
 *              ^   \         |  \          |
 *              |    \        |   redirect: RESOLVING at once
 *              |     v       v             v
 *              +------------ WAITING (pause, growing) <- lost
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "sdk/impl.h"

static void set_timer(struct mzf_framework *f, int64_t delay_ns, loop_fn fn)
{
	loop_timer_cancel(f->loop, f->timer);
	f->timer = loop_timer(f->loop, delay_ns, fn, f);
}

void mzf_disconnect(struct mzf_framework *f)
{
	loop_timer_cancel(f->loop, MZ_MOVE(f->timer));
	loop_timer_cancel(f->loop, MZ_MOVE(f->lost_timer));
	mzf_reconcile_stop(f);
	if (f->lookup)
		MZ_MOVE(f->lookup)->f = NULL;
	if (f->stream)
		http_client_stream_close(MZ_MOVE(f->stream));
	if (f->client)
		http_client_free(MZ_MOVE(f->client));
	recordio_reader_done(&f->reader);
	mzf_calls_drop(f, "the connection to the master is lost");
	f->grace = false;
}

static void on_attempt(void *arg)
{
	struct mzf_framework *f = arg;

	f->timer = NULL;
	mzf_connect(f);
}

/* Half of the pause is random, so that frameworks do not come back in step. */
static void wait_and_retry(struct mzf_framework *f)
{
	int64_t half = f->backoff_ns / 2;
	int64_t delay = half + (int64_t)loop_random_below(f->loop, (uint64_t)half + 1);

	f->backoff_ns = MZ_MIN(f->backoff_ns * 2, f->backoff_max_ns);
	f->state = MZF_WAITING;
	set_timer(f, delay, on_attempt);
}

void mzf_lost(struct mzf_framework *f, const char *why)
{
	mz_autofree char *text = xstrdup(why); /* may live in what is closed now */

	/* The answer to TEARDOWN is still to come: its own connection says. */
	if (f->state == MZF_ENDED || f->state == MZF_ENDING || f->state == MZF_WAITING)
		return;
	mzf_disconnect(f);
	address_done(&f->leader);
	f->n_redirects = 0;
	f->next_master = (f->next_master + 1) % f->masters.n;
	wait_and_retry(f);
	mzf_offers_rescind(f, true);
	if (f->cb.on_disconnected)
		f->cb.on_disconnected(f->arg, text);
}

void mzf_fatal(struct mzf_framework *f, const char *why)
{
	mz_autofree char *text = xstrdup(why);

	if (f->state == MZF_ENDED)
		return;
	f->state = MZF_ENDED;
	mzf_disconnect(f);
	mzf_offers_rescind(f, true);
	if (f->cb.on_error)
		f->cb.on_error(f->arg, text);
}

/* ---- the stream ------------------------------------------------------------ */

static void on_heartbeat_due(void *arg)
{
	struct mzf_framework *f = arg;
	int64_t limit = MISSED_HEARTBEATS * f->heartbeat_ns;
	int64_t silent = loop_now(f->loop) - f->heard_ns;

	f->timer = NULL;
	if (silent < limit) {
		set_timer(f, limit - silent, on_heartbeat_due);
	} else if (!f->grace) {
		/* This process may have been stopped, with heartbeats still to be read. */
		f->grace = true;
		set_timer(f, MZ_MIN(f->heartbeat_ns, NS_PER_SEC), on_heartbeat_due);
	} else {
		mzf_lost(f, "the master has gone silent");
	}
}

void mzf_subscribed(struct mzf_framework *f, int64_t heartbeat_ns)
{
	f->state = MZF_SUBSCRIBED;
	f->heartbeat_ns = heartbeat_ns;
	f->backoff_ns = f->backoff_min_ns;
	f->n_redirects = 0;
	f->client = http_client_new(f->loop, f->ip, f->port);
	set_timer(f, MISSED_HEARTBEATS * heartbeat_ns, on_heartbeat_due);
}

static void redirect(struct mzf_framework *f, const struct http_response *r)
{
	const char *location = http_response_header(r, "Location");
	struct address to = {0};
	struct mz_err err = {0};

	if (!location) {
		mzf_lost(f, "a redirect without Location");
	} else if (address_parse_location(location, &to, &err) < 0) {
		mzf_lost(f, err.msg);
	} else if (++f->n_redirects > MAX_REDIRECTS) {
		address_done(&to);
		mzf_lost(f, "too many redirects");
	} else {
		address_done(&f->leader);
		f->leader = to;
		mzf_disconnect(f);
		mzf_connect(f);
	}
}

static void on_open(void *arg, const struct http_response *r)
{
	struct mzf_framework *f = arg;
	mz_autofree char *why = NULL;

	if (r->status == 200) {
		const char *id = http_response_header(r, "Mesos-Stream-Id");
		xset(&f->stream_id, id ? id : "");
		return;
	}
	if (r->status == 307 || r->status == 302 || r->status == 308) {
		redirect(f, r);
		return;
	}
	why = xasprintf("HTTP status %d%s%.*s", r->status, r->body_size ? ": " : "", (int)MZ_MIN(r->body_size, 500),
			r->body_size ? (const char *)r->body : "");
	if (r->status >= 400 && r->status < 500 && r->status != 408 && r->status != 429)
		mzf_fatal(f, why);
	else
		mzf_lost(f, why);
}

static int on_record(void *arg, const char *record, size_t len)
{
	struct mzf_framework *f = arg;

	f->heard_ns = loop_now(f->loop);
	f->grace = false;
	return mzf_event(f, record, len);
}

static void on_data(void *arg, const void *data, size_t size)
{
	struct mzf_framework *f = arg;
	struct mz_err err = {0};
	int rc = recordio_feed(&f->reader, data, size, on_record, f, &err);

	if (rc < 0 && f->fatal)
		mzf_fatal(f, f->fatal);
	else if (rc < 0)
		mzf_lost(f, err.msg);
}

static void on_end(void *arg, const char *error)
{
	mzf_lost(arg, error ? error : "the master closed the connection");
}

static const struct http_client_stream_cb stream_cb = {on_open, on_data, on_end, NULL};

static void on_connect_timeout(void *arg)
{
	struct mzf_framework *f = arg;

	f->timer = NULL;
	mzf_lost(f, "no answer in time");
}

static void open_stream(struct mzf_framework *f)
{
	const struct http_header headers[MAX_HEADERS] = {{"Content-Type", "application/x-protobuf"},
							 {"Accept", "application/x-protobuf"},
							 {"Authorization", f->authorization}};
	mz_autobuf struct buf body = {0};

	mzf_subscribe_body(f, &body);
	f->state = MZF_CONNECTING;
	f->stream = http_client_stream_open(f->loop, f->ip, f->port, "POST", "/api/v1/scheduler", headers,
					    f->authorization ? 3 : 2, body.data, body.len, &stream_cb, f);
}

/* ---- names ----------------------------------------------------------------- */

static void look_up(void *arg)
{
	struct mzf_lookup *lk = arg;
	lk->rc = address_resolve(&lk->at, lk->ip, &lk->err);
}

static void on_looked_up(void *arg)
{
	struct mzf_lookup *lk = arg;
	struct mzf_framework *f = lk->f;

	if (f) {
		f->lookup = NULL;
		if (lk->rc < 0) {
			mzf_lost(f, lk->err.msg);
		} else {
			memcpy(f->ip, lk->ip, sizeof(f->ip));
			open_stream(f);
		}
	}
	address_done(&lk->at);
	free(lk);
}

void mzf_connect(struct mzf_framework *f)
{
	const struct address *at = f->leader.host ? &f->leader : &f->masters.v[f->next_master];
	struct mzf_lookup *lk;

	free(f->target);
	f->target = address_text(at);
	f->port = at->port;
	f->state = MZF_RESOLVING;
	set_timer(f, f->connect_timeout_ns, on_connect_timeout);
	if (address_is_numeric(at)) {
		must(address_resolve(at, f->ip, NULL) == 0);
		open_stream(f);
		return;
	}
	lk = xnew(struct mzf_lookup);
	lk->f = f;
	lk->at = (struct address){xstrdup(at->host), at->port};
	if (loop_offload(f->loop, look_up, on_looked_up, lk) < 0) {
		address_done(&lk->at);
		free(lk);
		return; /* the time limit tries again */
	}
	f->lookup = lk;
}
