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
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

enum { LISTEN_BACKLOG = 4096 };

static const int64_t REFUSALS_PAUSE_NS = 10000000000;

const char *sock_unix_path(const char *ip)
{
	return strncmp(ip, "unix:", 5) == 0 ? ip + 5 : NULL;
}

static int unix_address(const char *path, struct sockaddr_storage *ret, socklen_t *ret_len)
{
	struct sockaddr_un *un = (struct sockaddr_un *)ret;
	size_t len = strlen(path);

	_Static_assert(SOCK_PATH_MAX == sizeof(un->sun_path) - 1, "a path and its end");
	if (path[0] != '/' || len > SOCK_PATH_MAX)
		return -EINVAL;
	*un = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(un->sun_path, path, len);
	*ret_len = sizeof(*un);
	return 0;
}

int sock_address(const char *ip, int port, struct sockaddr_storage *ret, socklen_t *ret_len)
{
	const char *path = sock_unix_path(ip);
	struct addrinfo hints = {.ai_family = AF_UNSPEC,
				 .ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *ai = NULL;
	char text[16];

	if (path)
		return unix_address(path, ret, ret_len);
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
	static const struct {
		int level, name, value;
	} options[] = {
		{IPPROTO_TCP, TCP_NODELAY, 1},
		/* A peer that went without a word is noticed in two minutes, not in two hours. */
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, 60},
		{IPPROTO_TCP, TCP_KEEPINTVL, 20},
		{IPPROTO_TCP, TCP_KEEPCNT, 3},
	};

	if (fd < 0)
		return;
	for (size_t i = 0; i < MZ_N(options); i++)
		setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
	fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* Makes room for a socket at the path: what a process left that was killed is removed.
 * Who lives can be connected to. */
static int remove_stale(const char *path, const struct sockaddr *sa, socklen_t len, struct mz_err *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : mz_fail(err, -errno, "Cannot listen on '%s': %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return mz_fail(err, -EADDRINUSE, "Cannot listen on '%s': it exists, and is not a socket", path);
	mz_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return mz_fail(err, -errno, "Cannot make a socket for '%s': %s", path, strerror(errno));
	if (connect(fd, sa, len) == 0 || errno == EAGAIN)
		return mz_fail(err, -EADDRINUSE, "Cannot listen on '%s': another process does", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return mz_fail(err, -errno, "Cannot remove the old socket '%s': %s", path, strerror(errno));
	return 0;
}

static int unix_listen(const char *path, int *ret_fd, struct mz_err *err)
{
	struct sockaddr_storage sa;
	socklen_t len;

	if (unix_address(path, &sa, &len) < 0)
		return mz_fail(err, -EINVAL, "Cannot listen on '%s': not an absolute path of at most %d bytes", path,
			       SOCK_PATH_MAX);
	int rc = remove_stale(path, (struct sockaddr *)&sa, len, err);
	if (rc < 0)
		return rc;
	mz_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return mz_fail(err, -errno, "Cannot make a socket for '%s': %s", path, strerror(errno));
	/* Nobody can connect before listen(). */
	if (bind(fd, (struct sockaddr *)&sa, len) < 0 || chmod(path, 0666) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
		return mz_fail(err, -errno, "Cannot listen on '%s': %s", path, strerror(errno));
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int sock_listen(const char *ip, int port, int *ret_fd, struct mz_err *err)
{
	struct sockaddr_storage sa;
	socklen_t len;
	int on = 1;

	if (sock_unix_path(ip))
		return unix_listen(sock_unix_path(ip), ret_fd, err);
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
	if (sa.ss_family == AF_UNIX)
		return 0;
	if (sa.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&sa)->sin6_port);
	return ntohs(((struct sockaddr_in *)&sa)->sin_port);
}

char *sock_host(const char *ip, int port)
{
	return sock_unix_path(ip) ? xstrdup("localhost") : str_address(ip, port);
}

char *sock_format(const struct sockaddr *sa, socklen_t len)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (sa->sa_family == AF_UNIX || getnameinfo(sa, len, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return xstrdup("unknown");
	return xasprintf(strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

void sock_refused(struct sock_refusals *r, const char *area, const struct sockaddr *sa, socklen_t len, int n_there,
		  int64_t now_ns)
{
	r->n++;
	if (r->told_ns && now_ns - r->told_ns < REFUSALS_PAUSE_NS)
		return;
	mz_autofree char *peer = sock_format(sa, len);
	log_warning(area, "Connections refused: %zu, the last one from %s; there are %d already, and no more may be", r->n,
		    peer, n_there);
	*r = (struct sock_refusals){.told_ns = now_ns};
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
