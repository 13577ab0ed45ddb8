/* <mezzo/authenticator.h> - authenticators: who is asking.
 *
 * Several may be configured: they are asked in order until one knows the
 * credentials. CONVENTIONS  authenticate must not keep the request; its result is
 * struct mz_auth_result.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEZZO_AUTHENTICATOR_H
#define MEZZO_AUTHENTICATOR_H

#include <mezzo/module.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Realms, as Mesos names them: what the caller asks for. */
enum mz_realm {
	MZ_REALM_MASTER_READONLY = 1,
	MZ_REALM_MASTER_READWRITE = 2,
	MZ_REALM_MASTER_SCHEDULER = 3,
	MZ_REALM_AGENT_READONLY = 4,
	MZ_REALM_AGENT_READWRITE = 5,
	MZ_REALM_AGENT_EXECUTOR = 6,
	MZ_REALM_AGENT_PROVIDER = 7,
	MZ_REALM_LINK = 8, /* an agent's link; the credential is in `header` */
};

enum mz_auth_verdict {
	MZ_AUTH_OK = 1,	       /* principal (NULL: anonymous) and claims are set */
	MZ_AUTH_UNKNOWN = 2,   /* not my kind of credential: ask the next one */
	MZ_AUTH_DENIED = 3,    /* 401 with `challenge` */
	MZ_AUTH_FORBIDDEN = 4, /* 403 */
};

struct mz_auth_request {
	uint32_t size;
	uint32_t realm;		/* enum mz_realm */
	const char *header;	/* value of Authorization, or NULL */
	const char *peer;	/* "ip:port"; "unix:/PATH": through the agent's socket for executors */
	const char *cert_subject; /* of a verified client certificate, or NULL */
};

struct mz_auth_result {
	uint32_t size;
	uint32_t verdict; /* enum mz_auth_verdict */
	char principal[256];
	char challenge[256]; /* for WWW-Authenticate */
	char message[256];
	/* "key=value\n…" of a token; empty: none. */
	char claims[1024];
};

struct mz_authenticator_ops {
	MZ_OPS_HEAD;
	/* Required. Completes with struct mz_auth_result; an error counts as DENIED. */
	void (*authenticate)(void *inst, const struct mz_auth_request *r, struct mz_op *op);
	/* The credential that this daemon shows to others (an agent's link to its
	 * master): text for the Authorization header, valid until the next call.
	 * NULL: none. */
	const char *(*credential)(void *inst, int realm);
};

#ifdef __cplusplus
}
#endif
#endif
