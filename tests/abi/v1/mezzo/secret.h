/* <mezzo/secret.h> - secret resolvers: what a Secret of the API stands for.
 *
 * One resolver is configured for an agent. Isolators ask it through their host,
 * <mezzo/isolator.h>, for a variable of the environment or a file of a container.
 *
 * LIFE CYCLE  create; resolve any number of times, several at once; destroy.
 *
 * CONVENTIONS as in <mezzo/module.h>. A secret is in no log, no error and no setting:
 * a resolver that fails names the reference, never what it read. What it read is
 * wiped before it is freed.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEZZO_SECRET_H
#define MEZZO_SECRET_H

#include <mezzo/module.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { MZ_SECRET_MAX = 1 << 20 }; /* bytes of one secret */
enum mz_secret_type { MZ_SECRET_REFERENCE = 1, MZ_SECRET_VALUE = 2 };

/* Lives until the op completes. */
struct mz_secret_request {
	uint32_t size;
	uint32_t type;	       /* enum mz_secret_type */
	const char *name, *key; /* REFERENCE; key may be NULL */
	struct mz_bytes value; /* VALUE: as the framework wrote it */
	/* Hands the secret over, which is copied: once, on the loop thread, before the op
	 * completes. At most MZ_SECRET_MAX bytes. */
	void (*put)(void *arg, struct mz_bytes secret);
	void *arg;
};

/* Host services of the kind: host->kind. Append only. */
struct mz_secret_host {
	uint32_t size;
	uint32_t reserved;
	/* The agent's working directory. */
	const char *(*work_dir)(const struct mz_host *h);
};

struct mz_secret_ops {
	MZ_OPS_HEAD;
	/* Required. -ENOENT: there is no such secret; -EOPNOTSUPP: not this type. */
	void (*resolve)(void *inst, const struct mz_secret_request *r, struct mz_op *op);
};

#ifdef __cplusplus
}
#endif
#endif
