/* sock.h - the few socket calls that the HTTP server and the link share.
 *
 * An address is a number of IPv4 or IPv6 with a port, or a socket in the file system:
 * "unix:" and an absolute path of at most SOCK_PATH_MAX bytes; its port says nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_WIRE_SOCK_H
#define MZ_WIRE_SOCK_H

#include <mezzo/types.h>
#include <stdbool.h>
#include <sys/socket.h>

enum { SOCK_PATH_MAX = 107 }; /* what struct sockaddr_un has room for */

/* The path of a "unix:" address; NULL: it is none. */
const char *sock_unix_path(const char *ip);
/* A listening, non-blocking socket. TCP: port 0 takes a free one, see sock_port();
 * accepted sockets inherit TCP_NODELAY and keep-alive. In the file system: a socket
 * that nobody listens to any more is replaced, anything else there is -EADDRINUSE; it
 * is open to every user, as far as the directories above are. Errors name the address. */
int sock_listen(const char *ip, int port, int *ret_fd, struct mz_err *err);
int sock_port(int fd); /* the local port, 0 if it has none, or a negative errno */
/* No delays, keep-alive probes after a minute of silence, closed on exec. A bad fd is
 * ignored. */
void sock_tune(int fd);
/* -EINVAL if `ip` is a name, or a path that is too long. */
int sock_address(const char *ip, int port, struct sockaddr_storage *ret, socklen_t *ret_len);
/* "127.0.0.1:4711", "[::1]:4711"; as in the header Host of a request: of a socket in
 * the file system "localhost". */
char *sock_host(const char *ip, int port);
/* The same of a socket; one in the file system is "unknown". */
char *sock_format(const struct sockaddr *sa, socklen_t len);
/* A door that is too crowded says so, but not for each whom it turns away: once in ten
 * seconds, for all of them. Zeroed before its first use. */
struct sock_refusals {
	int64_t told_ns;
	size_t n;
};
void sock_refused(struct sock_refusals *r, const char *area, const struct sockaddr *sa, socklen_t len, int n_there,
		  int64_t now_ns);
/* Splits "host:port" or "[v6]:port"; the caller frees *ret_host. */
int sock_split(const char *address, char **ret_host, int *ret_port, struct mz_err *err);

#endif
