/* <mezzo/elector.h> - electors: which master leads.
 *
 * One module serves both sides: a master contends, masters and agents detect.
 * LIFE CYCLE  1. create; 2. detect, once; on a master then contend, once;
 *             3. host->leader is called from the loop for every change;
 *             4. destroy gives up leadership.
 * CONVENTIONS After host->lost the master ends: leadership is never given back
 *             to a process that lost it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEZZO_ELECTOR_H
#define MEZZO_ELECTOR_H

#include <mezzo/module.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A master as its peers and clients find it. Strings live until the call returns. */
struct mz_master_info {
	uint32_t size;
	uint16_t port;
	uint16_t link_port;
	const char *id, *ip, *hostname, *version;
	/* The MasterInfo as JSON in the form that Mesos' clients read. */
	const char *json;
};

struct mz_elector_host {
	uint32_t size;
	uint32_t reserved;
	/* The leader has changed; NULL: there is none now. */
	void (*leader)(const struct mz_host *h, const struct mz_master_info *leader);
	/* This master leads; `epoch` grows with every leadership of the cluster. */
	void (*elected)(const struct mz_host *h, uint64_t epoch);
	/* This master does not lead any more (or cannot know): it must stop. */
	void (*lost)(const struct mz_host *h, const char *why);
};

struct mz_elector_ops {
	MZ_OPS_HEAD;
	/* Required. Starts reporting the leader; `address` is what the agent was told
	 * ("host:port", or what this elector understands); NULL on a master. */
	int (*detect)(void *inst, const char *address, struct mz_err *err);
	/* Required. `self` is copied by the module. */
	int (*contend)(void *inst, const struct mz_master_info *self, struct mz_err *err);
};

#ifdef __cplusplus
}
#endif
#endif
