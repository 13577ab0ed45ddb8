/* address.h - where a master or an agent listens, as people write it.
 * For the framework library and the command line.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZF_ADDRESS_H
#define MZF_ADDRESS_H

#include <mezzo/types.h>
#include <stddef.h>

enum { ADDRESS_IP_MAX = 64 };

struct address {
	char *host; /* a name or a number, without brackets */
	int port;
};
void address_done(struct address *a);
/* "host", "host:port", "[v6]:port", "http://host:port/…", "master@host:port". */
int address_parse(const char *text, int default_port, struct address *ret, struct mz_err *err);
/* A Location header: "//host:port/path" or an absolute URL. */
int address_parse_location(const char *location, struct address *ret, struct mz_err *err);
/* "host:port", "[v6]:port"; the caller frees. */
char *address_text(const struct address *a);
/* The numeric address; blocks if it is a name. */
int address_resolve(const struct address *a, char ret_ip[ADDRESS_IP_MAX], struct mz_err *err);
/* True if no name has to be looked up. */
int address_is_numeric(const struct address *a);

#endif
