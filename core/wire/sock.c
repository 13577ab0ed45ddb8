/* sock.c - see sock.h. Called by http_server.c, http_client*.c, link_event*.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "wire/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

enum { LISTEN_BACKLOG = 4096 };

int sock_address(const char *ip, int port, struct sockaddr_storage *ret, socklen_t *ret_len)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC,
				 .ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *ai = NULL;
	char text[16];

	if (port < 0 || port > 65535)
		return -EINVAL;
	snprintf(text, sizeof(text), "%d", port);
	if (getaddrinfo(ip, text, &hints, &ai) != 0 || !ai)
		return -EINVAL;
	memcpy(ret, ai->ai_addr, ai->ai_addrlen);
	*ret_len = ai->ai_addrlen;
	freeaddrinfo(ai);
	return 0;
}

void sock_tune(int fd)
{
	int on = 1;

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	fcntl(fd, F_SETFD, FD_CLOEXEC);
}

int sock_listen(const char *ip, int port, int *ret_fd, struct mz_err *err)
{
	struct sockaddr_storage sa;
	socklen_t len;
	int on = 1;

	if (sock_address(ip, port, &sa, &len) < 0)
		return mz_fail(err, -EINVAL, "Cannot listen on '%s' port %d: not a numeric address and port", ip, port);
	mz_autoclose int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return mz_fail(err, errno, "Cannot make a socket for '%s': %s", ip, strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (sa.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	sock_tune(fd);
	if (bind(fd, (struct sockaddr *)&sa, len) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
		return mz_fail(err, errno, "Cannot listen on '%s' port %d: %s", ip, port, strerror(errno));
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int sock_port(int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return -errno;
	if (sa.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&sa)->sin6_port);
	return ntohs(((struct sockaddr_in *)&sa)->sin_port);
}

char *sock_format(const struct sockaddr *sa, socklen_t len)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getnameinfo(sa, len, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return xstrdup("unknown");
	return xasprintf(strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

int sock_split(const char *address, char **ret_host, int *ret_port, struct mz_err *err)
{
	const char *colon = strrchr(address, ':');
	const char *start = address, *end = colon;
	int64_t port;

	if (!colon || str_to_i64(colon + 1, &port) < 0 || port < 1 || port > 65535)
		return mz_fail(err, -EINVAL, "Address '%s' is not of the form host:port", address);
	if (*start == '[' && end[-1] == ']') {
		start++;
		end--;
	}
	if (end <= start)
		return mz_fail(err, -EINVAL, "Address '%s' has no host", address);
	*ret_host = xstrndup(start, (size_t)(end - start));
	*ret_port = (int)port;
	return 0;
}
