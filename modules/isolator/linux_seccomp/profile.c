/* profile.c - reads Docker's seccomp profiles; see profile.h.
 *
 * A name that libseccomp does not know is left out, as profiles name system calls of
 * all kernels and architectures: left out of an allow-list it is denied. In a
 * profile that allows by default the same would let it through, so there it is an error.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "profile.h"

#include <jansson.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../caps.h"

struct profile {
	scmp_filter_ctx ctx;
	uint64_t caps;
	uint32_t default_action;
	struct mz_err *err;
};

struct word {
	const char *name;
	uint32_t value;
};

static const struct word actions[] = {
	{"SCMP_ACT_KILL", SCMP_ACT_KILL},
	{"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD},
	{"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS},
	{"SCMP_ACT_TRAP", SCMP_ACT_TRAP},
	{"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0)},
	{"SCMP_ACT_TRACE", SCMP_ACT_TRACE(0)},
	{"SCMP_ACT_LOG", SCMP_ACT_LOG},
	{"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW},
	{NULL, 0},
};

static const struct word operators[] = {
	{"SCMP_CMP_NE", SCMP_CMP_NE}, {"SCMP_CMP_LT", SCMP_CMP_LT}, {"SCMP_CMP_LE", SCMP_CMP_LE},
	{"SCMP_CMP_EQ", SCMP_CMP_EQ}, {"SCMP_CMP_GE", SCMP_CMP_GE}, {"SCMP_CMP_GT", SCMP_CMP_GT},
	{"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ}, {NULL, 0},
};

static const struct word arches[] = {
	{"SCMP_ARCH_NATIVE", SCMP_ARCH_NATIVE},	      {"SCMP_ARCH_X86", SCMP_ARCH_X86},
	{"SCMP_ARCH_X86_64", SCMP_ARCH_X86_64},	      {"SCMP_ARCH_X32", SCMP_ARCH_X32},
	{"SCMP_ARCH_ARM", SCMP_ARCH_ARM},	      {"SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64},
	{"SCMP_ARCH_MIPS", SCMP_ARCH_MIPS},	      {"SCMP_ARCH_MIPS64", SCMP_ARCH_MIPS64},
	{"SCMP_ARCH_MIPS64N32", SCMP_ARCH_MIPS64N32}, {"SCMP_ARCH_MIPSEL", SCMP_ARCH_MIPSEL},
	{"SCMP_ARCH_MIPSEL64", SCMP_ARCH_MIPSEL64},   {"SCMP_ARCH_MIPSEL64N32", SCMP_ARCH_MIPSEL64N32},
	{"SCMP_ARCH_PPC", SCMP_ARCH_PPC},	      {"SCMP_ARCH_PPC64", SCMP_ARCH_PPC64},
	{"SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE},     {"SCMP_ARCH_S390", SCMP_ARCH_S390},
	{"SCMP_ARCH_S390X", SCMP_ARCH_S390X},	      {"SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64},
	{NULL, 0},
};

static int lookup(const struct profile *p, const struct word *words, const json_t *v, const char *field,
		  uint32_t *ret)
{
	const char *s = json_string_value(v);
	for (; s && words->name; words++) {
		if (!strcmp(words->name, s)) {
			*ret = words->value;
			return 0;
		}
	}
	return iso_error(p->err, -EINVAL, "%s is '%s', which is not known", field, s ? s : "not a string");
}

/* An action with the errno that goes with it, EPERM if there is none. */
static int read_action(const struct profile *p, const json_t *action, const json_t *number, const char *field,
		       uint32_t *ret)
{
	int rc = lookup(p, actions, action, field, ret);
	json_int_t n = number && !json_is_null(number) ? json_integer_value(number) : EPERM;
	if (rc == 0 && (n < 0 || n > 4095 || (number && !json_is_null(number) && !json_is_integer(number))))
		rc = iso_error(p->err, -EINVAL, "%s: errnoRet has to be a number from 0 to 4095", field);
	if (rc == 0 && *ret == SCMP_ACT_ERRNO(0))
		*ret = SCMP_ACT_ERRNO((uint32_t)n);
	else if (rc == 0 && *ret == SCMP_ACT_TRACE(0))
		*ret = SCMP_ACT_TRACE((uint32_t)n);
	return rc;
}

static int add_arch(const struct profile *p, const json_t *v, const char *field)
{
	uint32_t arch;
	int rc = lookup(p, arches, v, field, &arch);
	if (rc == 0) {
		rc = seccomp_arch_add(p->ctx, arch);
		rc = rc == -EEXIST ? 0 : rc;
		if (rc < 0)
			iso_error(p->err, rc, "%s: %s cannot be filtered here", field, json_string_value(v));
	}
	return rc;
}

/* "architectures", or Docker's "archMap": only the entry of this machine counts. */
static int read_arches(const struct profile *p, const json_t *root)
{
	size_t i, j;
	json_t *v, *sub;
	char field[96];
	int rc = 0;
	json_array_foreach(json_object_get(root, "architectures"), i, v) {
		snprintf(field, sizeof(field), "architectures.%zu", i);
		rc = add_arch(p, v, field);
		if (rc < 0)
			return rc;
	}
	json_array_foreach(json_object_get(root, "archMap"), i, v) {
		uint32_t arch;
		snprintf(field, sizeof(field), "archMap.%zu.architecture", i);
		rc = lookup(p, arches, json_object_get(v, "architecture"), field, &arch);
		if (rc < 0)
			return rc;
		if (arch != seccomp_arch_native())
			continue;
		json_array_foreach(json_object_get(v, "subArchitectures"), j, sub) {
			snprintf(field, sizeof(field), "archMap.%zu.subArchitectures.%zu", i, j);
			rc = add_arch(p, sub, field);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

/* Words of Docker for this machine. */
static const char *docker_arch(void)
{
	switch (seccomp_arch_native()) {
	case SCMP_ARCH_X86_64:
		return "amd64";
	case SCMP_ARCH_X86:
		return "386";
	case SCMP_ARCH_AARCH64:
		return "arm64";
	case SCMP_ARCH_ARM:
		return "arm";
	case SCMP_ARCH_PPC64LE:
		return "ppc64le";
	case SCMP_ARCH_S390X:
		return "s390x";
	case SCMP_ARCH_RISCV64:
		return "riscv64";
	default:
		return "";
	}
}

/* Is the kernel at least "MAJOR.MINOR"? */
static int kernel_is(const char *version)
{
	struct utsname u;
	int want[2] = {0}, have[2] = {0};
	if (uname(&u) < 0 || sscanf(version, "%d.%d", &want[0], &want[1]) < 1)
		return 0;
	(void)sscanf(u.release, "%d.%d", &have[0], &have[1]);
	return have[0] > want[0] || (have[0] == want[0] && have[1] >= want[1]);
}

/* 1: all (with `any`: one) of the conditions hold. */
static int holds(const struct profile *p, const json_t *v, const char *field, int any)
{
	int n = 0, n_true = 0, arch = 0;
	size_t i;
	json_t *s;
	json_array_foreach(json_object_get(v, "caps"), i, s) {
		int number = caps_number(json_string_value(s));
		if (number < 0)
			return iso_error(p->err, -EINVAL, "%s.caps.%zu is '%s', which is no capability", field, i,
					 json_is_string(s) ? json_string_value(s) : "not a string");
		n++;
		n_true += (int)(p->caps >> number & 1);
	}
	const json_t *list = json_object_get(v, "arches");
	json_array_foreach(list, i, s)
		arch |= json_is_string(s) && !strcmp(json_string_value(s), docker_arch());
	if (json_array_size(list) > 0) {
		n++;
		n_true += arch;
	}
	const json_t *kernel = json_object_get(v, "minKernel");
	if (json_is_string(kernel)) {
		n++;
		n_true += kernel_is(json_string_value(kernel));
	}
	return any ? n_true > 0 : n_true == n;
}

static int read_args(const struct profile *p, const json_t *list, const char *at, struct scmp_arg_cmp *out,
		     unsigned *ret_n)
{
	size_t i;
	json_t *v;
	unsigned n = 0;
	json_array_foreach(list, i, v) {
		char field[96];
		uint32_t op;
		json_int_t index = json_integer_value(json_object_get(v, "index"));
		const json_t *value = json_object_get(v, "value"), *two = json_object_get(v, "valueTwo");
		snprintf(field, sizeof(field), "%s.args.%zu.op", at, i);
		if (n == 6 || index < 0 || index > 5 || !json_is_integer(json_object_get(v, "index")))
			return iso_error(p->err, -EINVAL, "%s.args.%zu.index has to be a number from 0 to 5, for 6 arguments",
					 at, i);
		if (!json_is_integer(value) || (two && !json_is_integer(two)))
			return iso_error(p->err, -EINVAL, "%s.args.%zu: value and valueTwo have to be numbers", at, i);
		int rc = lookup(p, operators, json_object_get(v, "op"), field, &op);
		if (rc < 0)
			return rc;
		out[n++] = (struct scmp_arg_cmp){.arg = (unsigned)index,
						 .op = (enum scmp_compare)op,
						 .datum_a = (scmp_datum_t)json_integer_value(value),
						 .datum_b = (scmp_datum_t)json_integer_value(two)};
	}
	*ret_n = n;
	return 0;
}

/* One test of an argument twice cannot be one rule for the library: then each is a
 * rule of its own, of which one is enough, as Docker has it. */
static int add_rules(const struct profile *p, uint32_t action, int nr, const struct scmp_arg_cmp *args, unsigned n)
{
	unsigned seen = 0, twice = 0;
	for (unsigned i = 0; i < n; i++) {
		twice |= seen & 1u << args[i].arg;
		seen |= 1u << args[i].arg;
	}
	if (!twice)
		return seccomp_rule_add_array(p->ctx, action, nr, n, args);
	int rc = 0;
	for (unsigned i = 0; i < n && rc == 0; i++)
		rc = seccomp_rule_add_array(p->ctx, action, nr, 1, &args[i]);
	return rc;
}

static int add_name(const struct profile *p, const json_t *name, const char *at, uint32_t action,
		    const struct scmp_arg_cmp *args, unsigned n)
{
	const char *s = json_string_value(name);
	int nr = s ? seccomp_syscall_resolve_name(s) : __NR_SCMP_ERROR;
	if (!s)
		return iso_error(p->err, -EINVAL, "%s.names: not a string", at);
	if (nr == __NR_SCMP_ERROR && action == SCMP_ACT_ALLOW)
		return 0;
	if (nr == __NR_SCMP_ERROR)
		return p->default_action != SCMP_ACT_ALLOW && p->default_action != SCMP_ACT_LOG ?
			       0 :
			       iso_error(p->err, -EINVAL, "%s.names: '%s' is no system call that is known here", at, s);
	int rc = add_rules(p, action, nr, args, n);
	if (rc < 0 && rc != -EEXIST)
		return iso_error(p->err, rc, "%s: the rule for '%s' cannot be made: %s", at, s, strerror(-rc));
	return 0;
}

static int add_entry(const struct profile *p, const json_t *v, const char *at)
{
	struct scmp_arg_cmp args[6];
	char field[64];
	uint32_t action;
	unsigned n = 0;
	snprintf(field, sizeof(field), "%s.includes", at);
	int wanted = holds(p, json_object_get(v, "includes"), field, 0);
	snprintf(field, sizeof(field), "%s.excludes", at);
	int unwanted = wanted < 0 ? wanted : holds(p, json_object_get(v, "excludes"), field, 1);
	if (unwanted < 0)
		return unwanted;
	snprintf(field, sizeof(field), "%s.action", at);
	int rc = read_action(p, json_object_get(v, "action"), json_object_get(v, "errnoRet"), field, &action);
	if (rc == 0)
		rc = read_args(p, json_object_get(v, "args"), at, args, &n);
	if (rc < 0 || !wanted || unwanted || action == p->default_action)
		return rc;
	const json_t *names = json_object_get(v, "names");
	if (!names)
		return add_name(p, json_object_get(v, "name"), at, action, args, n);
	if (!json_is_array(names))
		return iso_error(p->err, -EINVAL, "%s.names has to be a list", at);
	for (size_t i = 0; i < json_array_size(names) && rc == 0; i++)
		rc = add_name(p, json_array_get(names, i), at, action, args, n);
	return rc;
}

/* The library writes to a descriptor only. */
static int export(const struct profile *p, void **ret_program, size_t *ret_size)
{
	int fd = memfd_create("seccomp", MFD_CLOEXEC);
	if (fd < 0)
		return iso_error(p->err, -errno, "A place for the filter: %s", strerror(errno));
	int rc = seccomp_export_bpf(p->ctx, fd);
	off_t size = rc < 0 ? 0 : lseek(fd, 0, SEEK_END);
	char *program = size > 0 ? malloc((size_t)size) : NULL;
	if (rc == 0 && (!program || pread(fd, program, (size_t)size, 0) != size))
		rc = -EIO;
	close(fd);
	if (rc < 0) {
		free(program);
		return iso_error(p->err, rc, "The filter cannot be made: %s", strerror(-rc));
	}
	*ret_program = program;
	*ret_size = (size_t)size;
	return 0;
}

static int compile(struct profile *p, const json_t *root, void **ret_program, size_t *ret_size)
{
	int rc = read_action(p, json_object_get(root, "defaultAction"), json_object_get(root, "defaultErrnoRet"),
			     "defaultAction", &p->default_action);
	if (rc < 0)
		return rc;
	p->ctx = seccomp_init(p->default_action);
	if (!p->ctx)
		return iso_error(p->err, -ENOMEM, "libseccomp gives no filter");
	/* The launcher decides on no_new_privs, not the filter. */
	(void)seccomp_attr_set(p->ctx, SCMP_FLTATR_CTL_NNP, 0);
	rc = read_arches(p, root);
	size_t i;
	json_t *v;
	json_array_foreach(json_object_get(root, "syscalls"), i, v) {
		char at[32];
		snprintf(at, sizeof(at), "syscalls.%zu", i);
		rc = rc < 0 ? rc : add_entry(p, v, at);
	}
	if (rc == 0)
		rc = export(p, ret_program, ret_size);
	seccomp_release(p->ctx);
	return rc;
}

int profile_compile(const char *text, size_t size, uint64_t caps, void **ret_program, size_t *ret_size,
		    struct mz_err *err)
{
	struct profile p = {.caps = caps, .err = err};
	json_error_t at;
	if (size > PROFILE_MAX_BYTES)
		return iso_error(err, -E2BIG, "The profile has %zu bytes; at most %d are read", size, PROFILE_MAX_BYTES);
	json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &at);
	if (!root)
		return iso_error(err, -EINVAL, "Line %d: %s", at.line, at.text);
	int rc = json_is_object(root) ? compile(&p, root, ret_program, ret_size) :
					iso_error(err, -EINVAL, "The profile is no JSON object");
	json_decref(root);
	return rc;
}
