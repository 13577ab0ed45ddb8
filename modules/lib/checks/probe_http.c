/* probe_http.c - lib/checks: the status of an HTTP answer. A client of its own
 * for plain HTTP to numeric addresses, which costs no process; anything else that a
 * check or a redirection names (https, names of hosts) goes to the program curl.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#define MZ_MODULE_ABI 1
#include "probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static void request(struct probe *p);

static void set_path(struct probe *p, const char *path, size_t len)
{
	if (len >= sizeof(p->path) - 1)
		len = sizeof(p->path) - 2;
	snprintf(p->path, sizeof(p->path), "%s%.*s", len && path[0] == '/' ? "" : "/", (int)len, path);
	p->path[strcspn(p->path, "#")] = '\0';
}

/* "//HOST[:PORT][/PATH]" with a numeric host or localhost. 0 if it is taken. */
static int take_authority(struct probe *p, const char *url)
{
	const char *at = url + 2, *end = at + strcspn(at, "/?#"), *host_end = end, *port = NULL;
	char host[sizeof(p->host)];
	if (*at == '[') {
		at++;
		host_end = memchr(at, ']', (size_t)(end - at));
		if (!host_end)
			return -EINVAL;
		port = host_end[1] == ':' ? host_end + 2 : NULL;
	} else {
		const char *colon = memchr(at, ':', (size_t)(end - at));
		if (colon) {
			host_end = colon;
			port = colon + 1;
		}
	}
	snprintf(host, sizeof(host), "%.*s", (int)(host_end - at), at);
	if (!strcasecmp(host, "localhost"))
		snprintf(host, sizeof(host), "%s", p->ipv6 ? "::1" : "127.0.0.1");
	if (!host[0] || host[strspn(host, "0123456789abcdefABCDEF.:")])
		return -EINVAL;
	memcpy(p->host, host, sizeof(host));
	p->port = port && port < end ? atoi(port) : 80;
	set_path(p, end, strlen(end));
	return 0;
}

static void follow(struct probe *p, const char *location)
{
	char url[2 * PROBE_MAX_URL];
	if (++p->n_redirects > PROBE_MAX_REDIRECTS) {
		probe_result(p, -1, "too many redirections");
		return;
	}
	if (!strncasecmp(location, "http://", 7) || !strncmp(location, "//", 2)) {
		const char *authority = strchr(location, '/');
		if (take_authority(p, authority) < 0) {
			snprintf(url, sizeof(url), "http:%s", authority);
			probe_curl(p, url);
			return;
		}
	} else if (strstr(location, "://") && strcspn(location, "/?#") > strcspn(location, ":")) {
		probe_curl(p, location);
		return;
	} else if (location[0] == '/') {
		set_path(p, location, strlen(location));
	} else {
		/* Beside the last one. */
		p->path[strcspn(p->path, "?")] = '\0';
		size_t len = (size_t)(strrchr(p->path, '/') - p->path) + 1;
		snprintf(url, sizeof(url), "%.*s%s", (int)len, p->path, location);
		set_path(p, url, strlen(url));
	}
	probe_disconnect(p);
	request(p);
}

/* The value of a header in the head that has come, or NULL. It is ended in place. */
static char *header(char *head, const char *name)
{
	size_t len = strlen(name);
	for (char *line = strchr(head, '\n'); line; line = strchr(line, '\n')) {
		line++;
		if (strncasecmp(line, name, len) || line[len] != ':')
			continue;
		char *value = line + len + 1;
		value += strspn(value, " \t");
		value[strcspn(value, "\r\n")] = '\0';
		return value;
	}
	return NULL;
}

/* Behind the empty line, or NULL. */
static char *head_end(char *head)
{
	char *a = strstr(head, "\r\n\r\n"), *b = strstr(head, "\n\n");
	if (a && (!b || a < b))
		return a + 4;
	return b ? b + 2 : NULL;
}

static void on_head(struct probe *p)
{
	char why[64], location[PROBE_MAX_URL];
	int status = 0;
	if (sscanf(p->head, "HTTP/%*d.%*d %d", &status) != 1 || status < 100 || status > 599) {
		probe_result(p, -1, "the answer is not HTTP");
		return;
	}
	const char *to = status >= 300 && status < 400 ? header(p->head, "location") : NULL;
	if (to && *to && status != 304) {
		snprintf(location, sizeof(location), "%s", to);
		follow(p, location);
		return;
	}
	snprintf(why, sizeof(why), "HTTP status %d", status);
	probe_result(p, status, why);
}

static void on_readable(void *arg, int ready)
{
	struct probe *p = arg;
	char *end;
	(void)ready;
	ssize_t n = recv(p->fd, p->head + p->n_head, PROBE_MAX_HEAD - p->n_head, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		probe_result(p, -1, strerror(errno));
		return;
	}
	p->n_head += (size_t)n;
	p->head[p->n_head] = '\0';
	while ((end = head_end(p->head))) {
		/* 1xx only announces the answer. */
		if (strncmp(p->head, "HTTP/1.1 1", 10)) {
			on_head(p);
			return;
		}
		p->n_head -= (size_t)(end - p->head);
		memmove(p->head, end, p->n_head + 1);
	}
	if (n == 0)
		probe_result(p, -1, "the connection was closed without an answer");
	else if (p->n_head == PROBE_MAX_HEAD)
		probe_result(p, -1, "the head of the answer is too long");
}

static void on_connected(struct probe *p, int error)
{
	char text[PROBE_MAX_URL + 256];
	if (error) {
		probe_result(p, -1, strerror(error));
		return;
	}
	int v6 = strchr(p->host, ':') != NULL;
	int len = snprintf(text, sizeof(text),
			   "GET %s HTTP/1.1\r\nHost: %s%s%s:%d\r\nUser-Agent: mezzo-executor\r\nAccept: */*\r\n"
			   "Connection: close\r\n\r\n",
			   p->path, v6 ? "[" : "", p->host, v6 ? "]" : "", p->port);
	p->head = malloc(PROBE_MAX_HEAD + 1);
	/* A fresh socket's buffer takes it whole. */
	if (!p->head || send(p->fd, text, (size_t)len, MSG_NOSIGNAL) != len) {
		probe_result(p, -1, "cannot send the request");
		return;
	}
	p->watch = p->h->watch(p->h, p->fd, MZ_READ, on_readable, p);
	if (!p->watch)
		probe_result(p, -1, "cannot watch the connection");
}

static void request(struct probe *p)
{
	probe_connect(p, p->host, p->port, on_connected);
}

static const char *text(const struct probe *p, const char *name)
{
	char path[48];
	snprintf(path, sizeof(path), "%s.http.%s", p->field, name);
	return p->k->info->str(p->task, path);
}

void probe_http(struct probe *p)
{
	char path[48], url[PROBE_MAX_URL + 128];
	const char *scheme = text(p, "scheme"), *protocol = text(p, "protocol"), *wanted = text(p, "path");
	snprintf(path, sizeof(path), "%s.http.port", p->field);
	p->port = (int)p->k->info->integer(p->task, path, 0);
	p->ipv6 = protocol && !strcmp(protocol, "IPv6");
	p->n_redirects = 0;
	snprintf(p->host, sizeof(p->host), "%s", p->ipv6 ? "::1" : "127.0.0.1");
	if (wanted && (strlen(wanted) >= PROBE_MAX_URL - 1 || wanted[strcspn(wanted, " \r\n")])) {
		probe_result(p, -1, "the path cannot be requested");
		return;
	}
	set_path(p, wanted ? wanted : "/", wanted ? strlen(wanted) : 1);
	if (scheme && !strcmp(scheme, "https")) {
		snprintf(url, sizeof(url), "https://%s%s%s:%d%s", p->ipv6 ? "[" : "", p->host, p->ipv6 ? "]" : "",
			 p->port, p->path);
		probe_curl(p, url);
		return;
	}
	request(p);
}
