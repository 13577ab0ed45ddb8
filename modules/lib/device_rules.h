/* device_rules.h - which devices a cgroup may use, and how: rules of isolator/cgroups_devices
 * and of those that add to them; and the program that says so to the kernel on v2.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODULES_LIB_DEVICE_RULES_H
#define MZ_MODULES_LIB_DEVICE_RULES_H

#include <mezzo/module.h>

enum { RULES_MAX = 128, RULE_READ = 1, RULE_WRITE = 2, RULE_MKNOD = 4 };

struct rule {
	char type;	      /* 'c', 'b' or 'a' */
	int32_t major, minor; /* -1: any */
	uint32_t access;      /* RULE_* */
};

/* "c 1:3 rwm", "b *:* m", or a device's path and access: "/dev/fuse rw". -EINVAL,
 * -ENOENT …, with *err. */
int rule_parse(const char *text, struct rule *ret_rule, struct mz_err *err);
/* As devices.allow takes it. `out` has 64 bytes. */
void rule_format(const struct rule *r, char *out);
/* v2: the group at `path`, and all below it, may use what the rules allow, and
 * nothing else. Replaces what was attached to the group before. */
int rules_attach(const struct rule *rules, size_t n, const char *path, struct mz_err *err);
/* Rules are kept with the group, for those that add to them later and after a restart.
 * rules_load: n 0 if none were kept. */
int rules_save(const struct rule *rules, size_t n, const char *path, struct mz_err *err);
int rules_load(struct rule rules[RULES_MAX], size_t *ret_n, const char *path, struct mz_err *err);

#endif
