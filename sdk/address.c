/* address.c - see address.h. No sockets here, only names.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sdk/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

enum { HOST_MAX = 255, PORT_MAX = 65535 };

void address_done(struct address *a)
{
	free(a->host);
	a->host = NULL;
}

/* Cuts the scheme, "master@" and the path; the rest is host and port. */
static char *authority(const char *text)
{
	const char *s = text, *at;
	size_t len;

	if (str_starts(s, "http://"))
		s += strlen("http://");
	len = strcspn(s, "/?#");
	at = memchr(s, '@', len);
	if (at) {
		len -= (size_t)(at + 1 - s);
		s = at + 1;
	}
	return xstrndup(s, len);
}

int address_parse(const char *text, int default_port, struct address *ret, struct mz_err *err)
{
	mz_autofree char *auth = NULL;
	char *host, *port;
	uint64_t number = (uint64_t)default_port;

	if (str_starts(text, "https://"))
		return mz_fail(err, -ENOTSUP, "Address '%s': https is not supported", text);
	if (str_starts(text, "zk://"))
		return mz_fail(err, -ENOTSUP, "Address '%s': name the masters themselves (host:port,host:port)", text);
	auth = authority(text);
	host = auth;
	if (*host == '[') {
		char *end = strchr(++host, ']');
		if (!end || (end[1] && end[1] != ':'))
			return mz_fail(err, -EINVAL, "Address '%s': ']:port' expected", text);
		port = end[1] ? end + 2 : NULL;
		*end = '\0';
	} else {
		port = strchr(host, ':');
		if (port && strchr(port + 1, ':'))
			return mz_fail(err, -EINVAL, "Address '%s': write an IPv6 address as [address]:port", text);
		if (port)
			*port++ = '\0';
	}
	if (!*host || strlen(host) > HOST_MAX || strpbrk(host, " \t\r\n"))
		return mz_fail(err, -EINVAL, "Address '%s': no host name", text);
	if (port && (str_to_u64(port, &number) < 0 || number < 1 || number > PORT_MAX))
		return mz_fail(err, -EINVAL, "Address '%s': port '%s' is not between 1 and 65535", text, port);
	ret->host = xstrdup(host);
	ret->port = (int)number;
	return 0;
}

int address_parse_location(const char *location, struct address *ret, struct mz_err *err)
{
	if (str_starts(location, "//"))
		location += 2;
	else if (!str_starts(location, "http://") && !str_starts(location, "https://"))
		return mz_fail(err, -EINVAL, "Redirected to '%s', which is no address", location);
	return address_parse(location, 80, ret, err);
}

char *address_text(const struct address *a)
{
	return strchr(a->host, ':') ? xasprintf("[%s]:%d", a->host, a->port) : xasprintf("%s:%d", a->host, a->port);
}

int address_is_numeric(const struct address *a)
{
	unsigned char raw[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, a->host, raw) == 1 || inet_pton(AF_INET6, a->host, raw) == 1;
}

int address_resolve(const struct address *a, char ret_ip[ADDRESS_IP_MAX], struct mz_err *err)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *ai = NULL, *best;
	int rc;

	if (address_is_numeric(a)) {
		snprintf(ret_ip, ADDRESS_IP_MAX, "%s", a->host);
		return 0;
	}
	rc = getaddrinfo(a->host, NULL, &hints, &ai);
	if (rc != 0)
		return mz_fail(err, -EHOSTUNREACH, "Cannot resolve '%s': %s", a->host, gai_strerror(rc));
	/* Daemons listen on IPv4 unless told otherwise. */
	best = ai;
	while (best && best->ai_family != AF_INET)
		best = best->ai_next;
	if (!best)
		best = ai;
	rc = getnameinfo(best->ai_addr, best->ai_addrlen, ret_ip, ADDRESS_IP_MAX, NULL, 0, NI_NUMERICHOST);
	freeaddrinfo(ai);
	if (rc != 0)
		return mz_fail(err, -EHOSTUNREACH, "Cannot resolve '%s': %s", a->host, gai_strerror(rc));
	return 0;
}
