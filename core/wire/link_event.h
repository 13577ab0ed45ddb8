/* link_event.h - the agent link over TCP.
 *
 * The master listens for links on a port of its own, so that agents never
 * compete with HTTP limits. The dialer learns it by GET /mezzo/link of the
 * master's HTTP address ({"port":N}; 307 to the leader is followed, 503: no
 * leader). A frame is a 4-byte big-endian size and that many bytes; the first
 * frame each way is a hello {"MZLK", version}. Transport heartbeats (empty
 * frames) go both ways; silence cuts the link.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_WIRE_LINK_EVENT_H
#define MZ_WIRE_LINK_EVENT_H

#include "loop/loop.h"
#include "wire/link.h"

struct link_limits {
	/* 64 MiB: an agent reports all that it runs in one. Those that are not complete may
	 * have 32 times that in a server; then large ones are cut. */
	size_t max_frame_bytes;
	size_t max_queue_bytes; /* 64 MiB of unsent bytes, then the peer is cut */
	int64_t heartbeat_ns;	/* 5 s; a link silent for 3 of them is cut */
	int max_links;		/* 100,000 */
};
#define LINK_LIMITS_DEFAULT ((struct link_limits){64u << 20, 64u << 20, 5 * NS_PER_SEC, 100000})

struct link_server;
int link_server_new(struct loop *l, const char *ip, int port, const struct link_limits *limits,
		    void (*on_link)(void *arg, struct link *link), void *arg, struct link_server **ret,
		    struct mz_err *err);
int link_server_port(const struct link_server *s);
void link_server_free(struct link_server *s); /* its links are cut */

int link_dialer_event_new(struct loop *l, const struct link_limits *limits, struct link_dialer **ret);
void link_dialer_event_free(struct link_dialer *d);

#endif
