/* sock.h - the few socket calls that the HTTP server and the link share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_WIRE_SOCK_H
#define MZ_WIRE_SOCK_H

#include <mezzo/types.h>
#include <stdbool.h>
#include <sys/socket.h>

/* A listening, non-blocking TCP socket on a numeric address (port 0: a free
 * one, see sock_port()). Accepted sockets inherit TCP_NODELAY and keep-alive.
 * Errors name the address. */
int sock_listen(const char *ip, int port, int *ret_fd, struct mz_err *err);
int sock_port(int fd); /* the local port, or a negative errno */
/* No delays, keep-alive probes, closed on exec. A bad fd is ignored. */
void sock_tune(int fd);
/* A numeric address and port; -EINVAL if `ip` is a name. */
int sock_address(const char *ip, int port, struct sockaddr_storage *ret, socklen_t *ret_len);
/* "127.0.0.1:4711", "[::1]:4711" */
char *sock_format(const struct sockaddr *sa, socklen_t len);
/* Splits "host:port" or "[v6]:port"; the caller frees *ret_host. */
int sock_split(const char *address, char **ret_host, int *ret_port, struct mz_err *err);

#endif
