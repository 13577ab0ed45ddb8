/* device_rules.c - see device_rules.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include "device_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cgroup.h"

/* ---- text ------------------------------------------------------------------------ */

static int parse_number(const char *s, int32_t *ret)
{
	char *end;
	if (!strcmp(s, "*")) {
		*ret = -1;
		return 0;
	}
	unsigned long v = strtoul(s, &end, 10);
	if (*s < '0' || *s > '9' || *end || v > 0xfffff)
		return -EINVAL;
	*ret = (int32_t)v;
	return 0;
}

static int parse_access(const char *s, uint32_t *ret)
{
	uint32_t access = 0;
	for (; *s; s++) {
		uint32_t bit = *s == 'r' ? RULE_READ : *s == 'w' ? RULE_WRITE : *s == 'm' ? RULE_MKNOD : 0;
		if (!bit || (access & bit))
			return -EINVAL;
		access |= bit;
	}
	*ret = access;
	return access ? 0 : -EINVAL;
}

static int parse_path(const char *path, struct rule *r, struct mz_err *err)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return cg_fail(err, -errno, "There is no device %s: %s", path, strerror(errno));
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return cg_fail(err, -EINVAL, "%s is no device", path);
	r->type = S_ISCHR(st.st_mode) ? 'c' : 'b';
	r->major = (int32_t)major(st.st_rdev);
	r->minor = (int32_t)minor(st.st_rdev);
	return 0;
}

int rule_parse(const char *text, struct rule *ret_rule, struct mz_err *err)
{
	struct rule r = {0};
	char first[256], access[8], type, maj[16], min[16];
	int end = -1;
	if (*text == '/') {
		if (sscanf(text, "%255s %7s%n", first, access, &end) != 2 || text[end] || parse_access(access, &r.access))
			return cg_fail(err, -EINVAL, "'%s' is no device and access, like /dev/fuse rw", text);
		int rc = parse_path(first, &r, err);
		if (rc == 0)
			*ret_rule = r;
		return rc;
	}
	if (sscanf(text, "%c %15[0-9*]:%15[0-9*] %7s%n", &type, maj, min, access, &end) != 4 || text[end] ||
	    !strchr("abc", type) || parse_number(maj, &r.major) || parse_number(min, &r.minor) ||
	    parse_access(access, &r.access))
		return cg_fail(err, -EINVAL, "'%s' is no rule like c 1:3 rwm", text);
	r.type = type;
	*ret_rule = r;
	return 0;
}

void rule_format(const struct rule *r, char *out)
{
	char maj[16] = "*", min[16] = "*";
	if (r->major >= 0)
		(void)snprintf(maj, sizeof(maj), "%d", r->major);
	if (r->minor >= 0)
		(void)snprintf(min, sizeof(min), "%d", r->minor);
	(void)snprintf(out, 64, "%c %s:%s %s%s%s", r->type, maj, min, r->access & RULE_READ ? "r" : "",
		       r->access & RULE_WRITE ? "w" : "", r->access & RULE_MKNOD ? "m" : "");
}

/* ---- program ---------------------------------------------------------------------- */

enum { PER_RULE = 9, AROUND = 8 };

static struct bpf_insn insn(int code, int dst, int src, int off, int imm)
{
	return (struct bpf_insn){
		.code = (uint8_t)code, .dst_reg = (uint8_t)dst & 15, .src_reg = (uint8_t)src & 15, .off = (int16_t)off, .imm = imm};
}

/* The register must have the value, or the next rule is tried; its offset is set when
 * the rule's end is known. */
static struct bpf_insn unless(int reg, int value)
{
	return insn(BPF_JMP | BPF_JNE | BPF_K, reg, 0, 0, value);
}

static uint32_t kernel_access(uint32_t access)
{
	return (access & RULE_READ ? BPF_DEVCG_ACC_READ : 0) | (access & RULE_WRITE ? BPF_DEVCG_ACC_WRITE : 0) |
	       (access & RULE_MKNOD ? BPF_DEVCG_ACC_MKNOD : 0);
}

/* r2 type, r3 access, r4 major, r5 minor. */
static size_t add_rule(struct bpf_insn *p, const struct rule *r)
{
	size_t n = 0;
	if (r->type != 'a')
		p[n++] = unless(2, r->type == 'c' ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK);
	/* All that is asked for must be allowed: nothing may be left of it. */
	p[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_X, 1, 3, 0, 0);
	p[n++] = insn(BPF_ALU64 | BPF_AND | BPF_K, 1, 0, 0, (int)~kernel_access(r->access));
	p[n++] = unless(1, 0);
	if (r->major >= 0)
		p[n++] = unless(4, r->major);
	if (r->minor >= 0)
		p[n++] = unless(5, r->minor);
	p[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1);
	p[n++] = insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	for (size_t i = 0; i < n; i++)
		if (p[i].code == (BPF_JMP | BPF_JNE | BPF_K))
			p[i].off = (int16_t)(n - i - 1);
	return n;
}

static size_t build(struct bpf_insn *p, const struct rule *rules, size_t n_rules)
{
	size_t n = 0;
	p[n++] = insn(BPF_LDX | BPF_MEM | BPF_W, 2, 1, offsetof(struct bpf_cgroup_dev_ctx, access_type), 0);
	p[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_X, 3, 2, 0, 0);
	p[n++] = insn(BPF_ALU64 | BPF_AND | BPF_K, 2, 0, 0, 0xffff);
	p[n++] = insn(BPF_ALU64 | BPF_RSH | BPF_K, 3, 0, 0, 16);
	p[n++] = insn(BPF_LDX | BPF_MEM | BPF_W, 4, 1, offsetof(struct bpf_cgroup_dev_ctx, major), 0);
	p[n++] = insn(BPF_LDX | BPF_MEM | BPF_W, 5, 1, offsetof(struct bpf_cgroup_dev_ctx, minor), 0);
	for (size_t i = 0; i < n_rules; i++)
		n += add_rule(p + n, &rules[i]);
	p[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0);
	p[n++] = insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	return n;
}

static int load(const struct rule *rules, size_t n)
{
	struct bpf_insn program[RULES_MAX * PER_RULE + AROUND];
	union bpf_attr a = {.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
			    .insns = (uint64_t)(uintptr_t)program,
			    .insn_cnt = (uint32_t)build(program, rules, n),
			    .license = (uint64_t)(uintptr_t) "Apache-2.0"};
	int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof(a));
	return fd < 0 ? -errno : fd;
}

/* Groups above and below may have programs of their own: all must allow. */
static int attach(int dir, int prog)
{
	union bpf_attr a = {.target_fd = (uint32_t)dir,
			    .attach_bpf_fd = (uint32_t)prog,
			    .attach_type = BPF_CGROUP_DEVICE,
			    .attach_flags = BPF_F_ALLOW_MULTI};
	return syscall(SYS_bpf, BPF_PROG_ATTACH, &a, sizeof(a)) < 0 ? -errno : 0;
}

/* Ids of what is attached to the group itself; returns how many. */
static size_t attached(int dir, uint32_t *ids, size_t n_max)
{
	union bpf_attr a = {.query = {.target_fd = (uint32_t)dir,
				      .attach_type = BPF_CGROUP_DEVICE,
				      .prog_ids = (uint64_t)(uintptr_t)ids,
				      .prog_cnt = (uint32_t)n_max}};
	return syscall(SYS_bpf, BPF_PROG_QUERY, &a, sizeof(a)) < 0 ? 0 : a.query.prog_cnt;
}

static void detach(int dir, uint32_t id)
{
	union bpf_attr get = {.prog_id = id};
	int prog = (int)syscall(SYS_bpf, BPF_PROG_GET_FD_BY_ID, &get, sizeof(get));
	if (prog < 0)
		return;
	union bpf_attr a = {
		.target_fd = (uint32_t)dir, .attach_bpf_fd = (uint32_t)prog, .attach_type = BPF_CGROUP_DEVICE};
	(void)syscall(SYS_bpf, BPF_PROG_DETACH, &a, sizeof(a));
	(void)close(prog);
}

int rules_attach(const struct rule *rules, size_t n, const char *path, struct mz_err *err)
{
	uint32_t before[64];
	if (n > RULES_MAX)
		return cg_fail(err, -E2BIG, "There are more than %d rules for devices", RULES_MAX);
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = dir < 0 ? -errno : load(rules, n), prog = rc;
	if (rc >= 0) {
		/* First the new one, then without the old ones: never without any. */
		size_t n_before = attached(dir, before, sizeof(before) / sizeof(before[0]));
		rc = attach(dir, prog);
		for (size_t i = 0; rc == 0 && i < n_before; i++)
			detach(dir, before[i]);
	}
	if (prog >= 0)
		(void)close(prog);
	if (dir >= 0)
		(void)close(dir);
	return rc < 0 ? cg_fail(err, rc, "Cannot limit the devices of the cgroup %s: %s", path, strerror(-rc)) : 0;
}

/* ---- with the group ------------------------------------------------------------------- */

static const char attribute[] = "trusted.mezzo.devices";
enum { TEXT_SIZE = RULES_MAX * 40 };

int rules_save(const struct rule *rules, size_t n, const char *path, struct mz_err *err)
{
	char text[TEXT_SIZE], one[64];
	size_t len = 0;
	if (n > RULES_MAX)
		return cg_fail(err, -E2BIG, "There are more than %d rules for devices", RULES_MAX);
	for (size_t i = 0; i < n; i++) {
		rule_format(&rules[i], one);
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\n", one);
	}
	if (setxattr(path, attribute, text, len, 0) < 0)
		return cg_fail(err, -errno, "Cannot keep the rules for devices with the cgroup %s: %s", path, strerror(errno));
	return 0;
}

int rules_load(struct rule rules[RULES_MAX], size_t *ret_n, const char *path, struct mz_err *err)
{
	char text[TEXT_SIZE + 1], *save = NULL;
	size_t n = 0;
	ssize_t len = getxattr(path, attribute, text, TEXT_SIZE);
	if (len < 0 && errno != ENODATA)
		return cg_fail(err, -errno, "Cannot read the rules for devices of the cgroup %s: %s", path, strerror(errno));
	text[len < 0 ? 0 : len] = '\0';
	for (char *line = strtok_r(text, "\n", &save); line && n < RULES_MAX; line = strtok_r(NULL, "\n", &save), n++) {
		int rc = rule_parse(line, &rules[n], err);
		if (rc < 0)
			return rc;
	}
	*ret_n = n;
	return 0;
}
