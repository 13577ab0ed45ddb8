/* caps.h - names of capabilities. Static code for the modules of this folder.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_ISOLATOR_CAPS_H
#define MZ_ISOLATOR_CAPS_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "answer.h"

enum { N_CAPS = 41 };

static inline const char *caps_name(int i)
{
	/* In the order of their numbers. */
	static const char *const names[N_CAPS] = {
		"CHOWN",	   "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER",	      "FSETID",
		"KILL",		   "SETGID",	   "SETUID",	      "SETPCAP",      "LINUX_IMMUTABLE",
		"NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN",     "NET_RAW",      "IPC_LOCK",
		"IPC_OWNER",	   "SYS_MODULE",   "SYS_RAWIO",	      "SYS_CHROOT",   "SYS_PTRACE",
		"SYS_PACCT",	   "SYS_ADMIN",	   "SYS_BOOT",	      "SYS_NICE",     "SYS_RESOURCE",
		"SYS_TIME",	   "SYS_TTY_CONFIG", "MKNOD",	      "LEASE",	      "AUDIT_WRITE",
		"AUDIT_CONTROL",   "SETFCAP",	   "MAC_OVERRIDE",    "MAC_ADMIN",    "SYSLOG",
		"WAKE_ALARM",	   "BLOCK_SUSPEND", "AUDIT_READ",     "PERFMON",      "BPF",
		"CHECKPOINT_RESTORE",
	};
	return names[i];
}

/* With or without CAP_ before it; -1: there is none of that name. */
static inline int caps_number(const char *name)
{
	if (name && !strncmp(name, "CAP_", 4))
		name += 4;
	for (int i = 0; name && i < N_CAPS; i++)
		if (!strcmp(name, caps_name(i)))
			return i;
	return -1;
}

/* The list at `path` of ContainerInfo, a CapabilityInfo. 1: it is set, 0: it is not. */
static inline int caps_of(const struct mz_container *c, const char *path, uint64_t *ret, struct mz_err *err)
{
	if (!iso_has(c, path))
		return 0;
	char item[96];
	snprintf(item, sizeof(item), "%s.capabilities", path);
	uint64_t set = 0;
	size_t n = c->info->count(c->container, item);
	for (size_t i = 0; i < n; i++) {
		snprintf(item, sizeof(item), "%s.capabilities.%zu", path, i);
		const char *name = iso_str(c, item);
		int number = caps_number(name);
		if (number < 0)
			return iso_error(err, -EINVAL, "%s is '%s', which is no capability", item, name ? name : "");
		set |= 1ull << number;
	}
	*ret = set;
	return 1;
}

/* May this process, and what it starts, ever have it? */
static inline int caps_is_ours(int number)
{
	return prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1;
}

/* The operator's list, word by word. */
struct caps_words {
	size_t n;
	int none;
	uint64_t set;
};

/* A name; ALL, what the agent itself may have; NONE. `where` is for the message. */
static inline int caps_word(struct caps_words *w, const char *where, const char *word, struct mz_err *err)
{
	int number = caps_number(word), all = !strcmp(word, "ALL");
	w->none |= !strcmp(word, "NONE");
	if (number < 0 && !all && strcmp(word, "NONE") != 0)
		return iso_error(err, -EINVAL, "%s: '%s' is no capability", where, word);
	for (int i = 0; all && i < N_CAPS; i++)
		w->set |= (uint64_t)caps_is_ours(i) << i;
	if (number >= 0)
		w->set |= 1ull << number;
	w->n++;
	return w->none && w->n > 1 ? iso_error(err, -EINVAL, "%s: NONE stands alone", where) : 0;
}

/* A setting of type list. 1: it is set, 0: it is empty. */
static inline int caps_setting(const struct mz_host *h, const struct mz_conf *conf, const char *setting,
			       uint64_t *ret, struct mz_err *err)
{
	struct caps_words w = {0};
	const char *word;
	for (size_t i = 0; (word = h->conf_item(conf, setting, i)); i++) {
		int rc = caps_word(&w, setting, word, err);
		if (rc < 0)
			return rc;
	}
	*ret = w.set;
	return w.n > 0;
}

/* Name of the first of the set, for messages. */
static inline const char *caps_first(uint64_t set)
{
	return set ? caps_name(__builtin_ctzll(set)) : "";
}

#endif
