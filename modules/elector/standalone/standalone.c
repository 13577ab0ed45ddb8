/* standalone.c - the elector of a cluster with one master.
 *
 * On a master it elects itself as soon as the number of this leadership is
 * durable; on an agent it reports the one address that it was told, for ever.
 * It watches nobody: whether that master answers is the link's business.
 *
 * Everything is reported from a timer or from a storage callback, never from
 * inside detect or contend.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/elector.h>

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH_KEY "epoch"

enum { MAX_HOST = 253, MAX_JSON = 2048 };

/* Outlives the instance if storage answers after destroy. */
struct pending_write {
	struct standalone *owner; /* NULL: destroyed meanwhile */
};

struct standalone {
	const struct mz_host *host;
	struct mz_timer *timer; /* the report that is due */
	struct pending_write *write;
	struct mz_master_info leader; /* its strings belong to us */
	int detecting, contending;
	uint64_t epoch;
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

static const struct mz_elector_host *services(const struct standalone *s)
{
	return s->host->kind;
}

static void info_clear(struct mz_master_info *m)
{
	free((char *)m->id);
	free((char *)m->ip);
	free((char *)m->hostname);
	free((char *)m->version);
	free((char *)m->json);
	memset(m, 0, sizeof(*m));
}

/* Copies `from`; strings that are NULL become "". */
static int info_copy(struct mz_master_info *to, const struct mz_master_info *from)
{
	struct mz_master_info m = {.size = sizeof(m), .port = from->port, .link_port = from->link_port};
	m.id = strdup(from->id ? from->id : "");
	m.ip = strdup(from->ip ? from->ip : "");
	m.hostname = strdup(from->hostname ? from->hostname : "");
	m.version = strdup(from->version ? from->version : "");
	m.json = strdup(from->json ? from->json : "");
	if (!m.id || !m.ip || !m.hostname || !m.version || !m.json) {
		info_clear(&m);
		return -ENOMEM;
	}
	info_clear(to);
	*to = m;
	return 0;
}

static void on_report(void *arg)
{
	struct standalone *s = arg;
	s->timer = NULL;
	services(s)->leader(s->host, &s->leader);
}

/* ---- the agent's side ---------------------------------------------------- */

static int host_is_valid(const char *host, int is_ip6)
{
	struct in6_addr a6;
	if (is_ip6)
		return inet_pton(AF_INET6, host, &a6) == 1;
	if (!*host || *host == '-' || *host == '.')
		return 0;
	for (const char *c = host; *c; c++)
		if (!(*c >= 'a' && *c <= 'z') && !(*c >= 'A' && *c <= 'Z') && !(*c >= '0' && *c <= '9') &&
		    *c != '.' && *c != '-' && *c != '_')
			return 0;
	return 1;
}

static int parse_port(const char *text, uint16_t *ret_port)
{
	unsigned long n = 0;
	if (!*text || strlen(text) > 5)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		n = n * 10 + (unsigned long)(*text - '0');
	}
	if (n < 1 || n > 65535)
		return -EINVAL;
	*ret_port = (uint16_t)n;
	return 0;
}

/* "host:port" or "[ip6]:port". Names are not resolved here: whoever dials does
 * that each time, so that a master may move. */
static int parse_address(const char *address, char host[MAX_HOST + 1], uint16_t *ret_port, struct mz_err *err)
{
	const char *start = address, *colon = strrchr(address, ':'), *end = colon;
	int is_ip6 = address[0] == '[';
	if (strstr(address, "://"))
		return fail(err, -EINVAL, "Master address '%s' is not host:port: elector/standalone takes no URL",
			    address);
	if (!colon)
		return fail(err, -EINVAL, "Master address '%s' has no port: write host:port", address);
	if (is_ip6) {
		if (colon == address || colon[-1] != ']')
			return fail(err, -EINVAL, "Master address '%s' is not [address]:port", address);
		start = address + 1;
		end = colon - 1;
	}
	size_t len = end > start ? (size_t)(end - start) : 0;
	if (len > MAX_HOST)
		return fail(err, -EINVAL, "Host name in master address '%.100s…' is too long", address);
	memcpy(host, start, len);
	host[len] = '\0';
	if (!host_is_valid(host, is_ip6))
		return fail(err, -EINVAL, "Master address '%s' names no valid host", address);
	if (parse_port(colon + 1, ret_port) < 0)
		return fail(err, -EINVAL, "Master address '%s' has no port from 1 to 65535", address);
	return 0;
}

static int set_leader_from_address(struct standalone *s, const char *address, struct mz_err *err)
{
	char host[MAX_HOST + 1], json[MAX_JSON];
	uint16_t port = 0;
	struct in_addr a4;
	int rc = parse_address(address, host, &port, err);
	if (rc < 0)
		return rc;
	int is_ip6 = strchr(host, ':') != NULL;
	const char *ip = is_ip6 || inet_pton(AF_INET, host, &a4) == 1 ? host : "";
	/* The host was checked: it holds nothing that JSON would escape. */
	snprintf(json, sizeof(json),
		 "{\"address\":{\"hostname\":\"%s\"%s%s%s,\"port\":%u},\"hostname\":\"%s\","
		 "\"pid\":\"master@%s%s%s:%u\",\"port\":%u}",
		 host, *ip ? ",\"ip\":\"" : "", ip, *ip ? "\"" : "", port, host, is_ip6 ? "[" : "", host,
		 is_ip6 ? "]" : "", port, port);
	const struct mz_master_info m = {.port = port, .ip = ip, .hostname = host, .json = json};
	if (info_copy(&s->leader, &m) < 0)
		return fail(err, -ENOMEM, "Out of memory");
	return 0;
}

static int standalone_detect(void *inst, const char *address, struct mz_err *err)
{
	struct standalone *s = inst;
	if (s->detecting)
		return fail(err, -EALREADY, "Detection runs already");
	if (address) {
		int rc = set_leader_from_address(s, address, err);
		if (rc < 0)
			return rc;
		s->timer = s->host->timer(s->host, 0, on_report, s);
	}
	s->detecting = 1;
	return 0;
}

/* ---- the master's side ----------------------------------------------------- */

static void on_epoch_stored(void *arg, const struct mz_err *err)
{
	struct pending_write *w = arg;
	struct standalone *s = w->owner;
	free(w);
	if (!s)
		return;
	s->write = NULL;
	if (err) {
		char why[sizeof(err->msg) + 64];
		snprintf(why, sizeof(why), "The number of this leadership cannot be stored: %s", err->msg);
		services(s)->lost(s->host, why);
		return;
	}
	/* By a timer, so that elected() may destroy or fail without us below it. */
	s->timer = s->host->timer(s->host, 0, on_report, s);
	services(s)->elected(s->host, s->epoch);
}

static int next_epoch(struct standalone *s, struct mz_err *err)
{
	struct mz_bytes v = {0};
	int rc = s->host->storage_get(s->host, EPOCH_KEY, &v);
	if (rc == -ENOENT) {
		s->epoch = 1;
		return 0;
	}
	if (rc < 0)
		return fail(err, rc, "The number of the last leadership cannot be read: %s", strerror(-rc));
	uint64_t n = 0;
	const char *text = v.data;
	if (!v.size || v.size > 19)
		return fail(err, -EBADMSG, "Stored key '%s' holds no number", EPOCH_KEY);
	for (size_t i = 0; i < v.size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return fail(err, -EBADMSG, "Stored key '%s' holds no number", EPOCH_KEY);
		n = n * 10 + (uint64_t)(text[i] - '0');
	}
	s->epoch = n + 1;
	return 0;
}

static int standalone_contend(void *inst, const struct mz_master_info *self, struct mz_err *err)
{
	struct standalone *s = inst;
	char text[24];
	if (s->contending)
		return fail(err, -EALREADY, "This master contends already");
	int rc = next_epoch(s, err);
	if (rc < 0)
		return rc;
	s->write = calloc(1, sizeof(*s->write));
	if (!s->write || info_copy(&s->leader, self) < 0) {
		free(s->write);
		s->write = NULL;
		return fail(err, -ENOMEM, "Out of memory");
	}
	s->write->owner = s;
	s->contending = 1;
	int len = snprintf(text, sizeof(text), "%" PRIu64, s->epoch);
	s->host->storage_put(s->host, EPOCH_KEY, (struct mz_bytes){text, (size_t)len}, on_epoch_stored, s->write);
	return 0;
}

/* ---- life ------------------------------------------------------------------ */

static int standalone_create(const struct mz_host *host, const struct mz_conf *conf, void **inst,
			     struct mz_err *err)
{
	(void)conf;
	struct standalone *s = calloc(1, sizeof(*s));
	if (!s)
		return fail(err, -ENOMEM, "Out of memory");
	s->host = host;
	*inst = s;
	return 0;
}

static void standalone_destroy(void *inst)
{
	struct standalone *s = inst;
	if (!s)
		return;
	s->host->timer_cancel(s->host, s->timer);
	if (s->write)
		s->write->owner = NULL;
	info_clear(&s->leader);
	free(s);
}

static const struct mz_elector_ops ops = {
	.size = sizeof(ops),
	.create = standalone_create,
	.destroy = standalone_destroy,
	.detect = standalone_detect,
	.contend = standalone_contend,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ELECTOR),
	.name = "standalone",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "One master, which always leads",
	.ops = (const struct mz_ops *)&ops,
};
