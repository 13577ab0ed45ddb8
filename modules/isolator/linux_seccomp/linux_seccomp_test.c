/* linux_seccomp_test.c - profiles, and that their programs bite: in children that
 * install them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <unistd.h>

#include <cmocka.h>

#include "../kit_world.h"
#include "profile.h"

static int call_uname(void)
{
	struct utsname u;
	return uname(&u) == 0 ? 0 : errno;
}

/* Numbers that no errno has stand for the value of the argument. */
static int call_personality(unsigned long n)
{
	return syscall(SYS_personality, n) >= 0 ? 0 : errno;
}

static int call_3(void)
{
	return call_personality(0xffffffff);
}

static int call_0(void)
{
	return call_personality(0);
}

static int call_8(void)
{
	return call_personality(8);
}

/* errno of the call in a child under the profile; 256 + signal if that killed it. */
static int in_child(const char *profile, uint64_t caps, int (*call)(void))
{
	void *program;
	size_t size;
	struct mz_err err;
	if (profile_compile(profile, strlen(profile), caps, &program, &size, &err) < 0)
		fail_msg("%s", err.msg);
	pid_t pid = fork();
	if (pid == 0) {
		struct sock_fprog f = {.len = (unsigned short)(size / sizeof(struct sock_filter)), .filter = program};
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &f) < 0)
			_exit(255);
		/* Not _exit: sanitizers look for leaks there, with calls that are denied. */
		syscall(SYS_exit_group, call());
	}
	free(program);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

#define ALLOW_BUT(entries) "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [" entries "]}"
#define UNAME(more) "{\"names\": [\"uname\"], \"action\": \"SCMP_ACT_ERRNO\"" more "}"
#define PERSONALITY(args) \
	"{\"names\": [\"personality\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 99, \"args\": [" args "]}"
#define ARG(value, two, op) "{\"index\": 0, \"value\": " #value ", \"valueTwo\": " #two ", \"op\": \"SCMP_CMP_" #op "\"}"

static void it_bites(void **state)
{
	(void)state;
	assert_int_equal(in_child(ALLOW_BUT(""), 0, call_uname), 0);
	assert_int_equal(in_child(ALLOW_BUT(UNAME("")), 0, call_uname), EPERM);
	assert_int_equal(in_child(ALLOW_BUT(UNAME(", \"errnoRet\": 38")), 0, call_uname), ENOSYS);
	assert_int_equal(in_child(ALLOW_BUT("{\"name\": \"uname\", \"action\": \"SCMP_ACT_ERRNO\"}"), 0, call_uname), EPERM);
	assert_int_equal(in_child(ALLOW_BUT("{\"names\": [\"uname\"], \"action\": \"SCMP_ACT_KILL_PROCESS\"}"), 0,
				  call_uname), 256 + SIGSYS);
	assert_int_equal(in_child("{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": 77, \"syscalls\": ["
				  "{\"names\": [\"exit_group\", \"exit\", \"no_such_call\"], \"action\": \"SCMP_ACT_ALLOW\"}]}",
				  0, call_uname), 77);
	assert_int_equal(in_child("{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"archMap\": [{\"architecture\": "
				  "\"SCMP_ARCH_X86_64\", \"subArchitectures\": [\"SCMP_ARCH_X86\", \"SCMP_ARCH_X32\"]}], "
				  "\"syscalls\": [" UNAME("") "]}", 0, call_uname), EPERM);
}

static void arguments(void **state)
{
	(void)state;
	static const struct {
		const char *profile;
		int is_0, is_8;
	} all[] = {
		{ALLOW_BUT(PERSONALITY(ARG(8, 0, EQ))), 0, 99},
		{ALLOW_BUT(PERSONALITY(ARG(8, 0, NE))), 99, 0},
		{ALLOW_BUT(PERSONALITY(ARG(8, 0, LT))), 99, 0},
		{ALLOW_BUT(PERSONALITY(ARG(8, 0, LE))), 99, 99},
		{ALLOW_BUT(PERSONALITY(ARG(8, 0, GE))), 0, 99},
		{ALLOW_BUT(PERSONALITY(ARG(8, 0, GT))), 0, 0},
		{ALLOW_BUT(PERSONALITY(ARG(12, 8, MASKED_EQ))), 0, 99},
		/* One argument twice: one test is enough. */
		{ALLOW_BUT(PERSONALITY(ARG(8, 0, EQ) "," ARG(0, 0, EQ))), 99, 99},
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		assert_int_equal(in_child(all[i].profile, 0, call_0), all[i].is_0);
		assert_int_equal(in_child(all[i].profile, 0, call_8), all[i].is_8);
	}
	assert_int_equal(in_child(all[0].profile, 0, call_3), 0);
}

static void conditions(void **state)
{
	(void)state;
	static const char includes[] = ALLOW_BUT(UNAME(", \"includes\": {\"caps\": [\"CAP_SYS_ADMIN\"]}"));
	static const char excludes[] = ALLOW_BUT(UNAME(", \"excludes\": {\"caps\": [\"CAP_SYS_ADMIN\", \"CAP_KILL\"]}"));
	assert_int_equal(in_child(includes, 0, call_uname), 0);
	assert_int_equal(in_child(includes, 1ull << 21, call_uname), EPERM);
	assert_int_equal(in_child(excludes, 0, call_uname), EPERM);
	assert_int_equal(in_child(excludes, 1ull << 5, call_uname), 0);
	assert_int_equal(in_child(ALLOW_BUT(UNAME(", \"includes\": {\"minKernel\": \"3.0\"}")), 0, call_uname), EPERM);
	assert_int_equal(in_child(ALLOW_BUT(UNAME(", \"includes\": {\"minKernel\": \"900.1\"}")), 0, call_uname), 0);
	assert_int_equal(in_child(ALLOW_BUT(UNAME(", \"includes\": {\"arches\": [\"vax\"]}")), 0, call_uname), 0);
	/* The kernel that runs is one of those. */
	struct utsname u;
	int is_major, is_minor;
	char profile[512];
	assert_int_equal(uname(&u), 0);
	assert_int_equal(sscanf(u.release, "%d.%d", &is_major, &is_minor), 2);
	for (int more = 0; more < 2; more++) {
		snprintf(profile, sizeof(profile), ALLOW_BUT(UNAME(", \"includes\": {\"minKernel\": \"%d.%d\"}")), is_major,
			 is_minor + more);
		assert_int_equal(in_child(profile, 0, call_uname), more ? 0 : EPERM);
	}
}

static size_t size_of(const char *profile)
{
	void *program = NULL;
	size_t size = 0;
	struct mz_err err;
	assert_int_equal(profile_compile(profile, strlen(profile), 0, &program, &size, &err), 0);
	free(program);
	return size;
}

/* Docker's list has all machines; what goes with others than this one would only be in the way. */
static void machines(void **state)
{
	(void)state;
#define MAP(machine, sub) \
	"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"archMap\": [{\"architecture\": \"SCMP_ARCH_" machine \
	"\", \"subArchitectures\": [\"SCMP_ARCH_" sub "\"]}], \"syscalls\": [" UNAME("") "]}"
	size_t plain = size_of(ALLOW_BUT(UNAME("")));
	size_t of_x86 = size_of(MAP("X86_64", "X86")), of_arm = size_of(MAP("AARCH64", "ARM"));
	assert_int_equal(size_of(MAP("S390X", "S390")), plain);
	assert_true(of_x86 == plain || of_arm == plain);
#if defined(__x86_64__)
	assert_true(of_x86 > plain);
#elif defined(__aarch64__)
	assert_true(of_arm > plain);
#endif
#undef MAP
}

static void refuses(const char *profile, const char *message)
{
	void *program = NULL;
	size_t size;
	struct mz_err err;
	assert_true(profile_compile(profile, strlen(profile), 0, &program, &size, &err) < 0);
	assert_null(program);
	assert_non_null(strstr(err.msg, message));
}

static void names_what_is_wrong(void **state)
{
	(void)state;
	refuses("{", "Line 1: ");
	refuses("[]", "no JSON object");
	refuses("{}", "defaultAction is 'not a string'");
	refuses("{\"defaultAction\": \"SCMP_ACT_MAYBE\"}", "defaultAction is 'SCMP_ACT_MAYBE', which is not known");
	refuses(ALLOW_BUT("{\"names\": [\"uname\"], \"action\": \"X\"}"), "syscalls.0.action is 'X'");
	refuses(ALLOW_BUT("{\"names\": [\"unaem\"], \"action\": \"SCMP_ACT_ERRNO\"}"),
		"syscalls.0.names: 'unaem' is no system call");
	refuses(ALLOW_BUT(PERSONALITY(ARG(1, 0, ODD))), "syscalls.0.args.0.op is 'SCMP_CMP_ODD'");
	refuses(ALLOW_BUT(UNAME(", \"args\": [{\"index\": 6, \"value\": 1, \"op\": \"SCMP_CMP_EQ\"}]")),
		"syscalls.0.args.0.index has to be a number from 0 to 5");
	refuses(ALLOW_BUT(UNAME(", \"errnoRet\": 5000")), "errnoRet has to be a number from 0 to 4095");
	refuses(ALLOW_BUT(UNAME(", \"includes\": {\"caps\": [\"CAP_FLY\"]}")),
		"syscalls.0.includes.caps.0 is 'CAP_FLY', which is no capability");
	refuses("{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": [\"SCMP_ARCH_VAX\"]}",
		"architectures.0 is 'SCMP_ARCH_VAX'");
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void whose_profile(void **state)
{
	(void)state;
	char dir[] = "/tmp/mezzo-seccomp-test-XXXXXX", settings[256];
	assert_non_null(mkdtemp(dir));
	put(dir, "default.json", ALLOW_BUT(UNAME("")));
	put(dir, "other.json", ALLOW_BUT(UNAME("") "," PERSONALITY(ARG(8, 0, EQ))));
	put(dir, "bad.json", "{}");
	snprintf(settings, sizeof(settings), "{profile_dir: %s, default_profile: default.json}", dir);
	world_open(settings);
	char first[64];
	snprintf(first, sizeof(first), "%s", world_prepare(world_container("c1", NULL)));
	assert_memory_equal(first, "seccomp ", 8);
	const char *other = world_prepare(world_container("c1", "{linux_info: {seccomp: {profile_name: other.json}}}"));
	assert_memory_equal(other, "seccomp ", 8);
	assert_string_not_equal(first, other);
	assert_string_equal(world_prepare(world_container("c1", "{linux_info: {seccomp: {unconfined: true}}}")), "");
	assert_int_equal(w.err.code, 0);
	assert_string_equal(world_prepare(world_container("c1", "{linux_info: {seccomp: {profile_name: bad.json}}}")), "");
	assert_non_null(strstr(w.err.msg, "Seccomp profile 'bad.json': defaultAction is"));
	assert_string_equal(world_prepare(world_container("c1", "{linux_info: {seccomp: {profile_name: ../x}}}")), "");
	assert_string_equal(w.err.msg, "linux_info.seccomp.profile_name is '../x', which is not the name of a file in profile_dir");
	assert_string_equal(world_prepare(world_container("c1", "{linux_info: {seccomp: {profile_name: none}}}")), "");
	assert_int_equal(w.err.code, -ENOENT);
	world_prepare(world_container("c1", "{linux_info: {seccomp: {profile_name: a, unconfined: true}}}"));
	assert_int_equal(w.err.code, -EINVAL);
	world_close();
	/* Rules for a capability are applied if the operator says so, and the container has it. */
	put(dir, "raw.json", ALLOW_BUT(UNAME(", \"includes\": {\"caps\": [\"CAP_NET_RAW\"]}")));
	put(dir, "no_raw.json", ALLOW_BUT(""));
	static const char raw[] = "{linux_info: {bounding_capabilities: {capabilities: [NET_RAW]}, seccomp: {profile_name: raw.json}}}",
			  no_raw[] = "{linux_info: {seccomp: {profile_name: no_raw.json}}}";
	for (int said = 0; said < 2; said++) {
		snprintf(settings, sizeof(settings), "{profile_dir: %s, capabilities: [CHOWN%s]}", dir, said ? ", NET_RAW" : "");
		world_open(settings);
		snprintf(first, sizeof(first), "%s", world_prepare(world_container("c1", raw)));
		assert_memory_equal(first, "seccomp ", 8);
		const char *without = world_prepare(world_container("c1", no_raw));
		assert_int_equal(strcmp(first, without) != 0, said);
		world_close();
	}
	snprintf(settings, sizeof(settings), "{profile_dir: %s, default_profile: default.json}", dir);
	/* The end of the agent, while a worker compiles; nothing of it is left (as sanitizers see). */
	world_open(settings);
	struct mz_kit_op r;
	w.ops->prepare(mz_kit_inst(w.m), world_container("c1", NULL), mz_kit_launch(w.k), mz_kit_op(w.m, &r, 0));
	world_close();
	snprintf(settings, sizeof(settings), "{profile_dir: %s, default_profile: bad.json}", dir);
	world_refuses(settings);
	char command[96];
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_bites),	       cmocka_unit_test(arguments),
		cmocka_unit_test(conditions),	       cmocka_unit_test(names_what_is_wrong),
		cmocka_unit_test(whose_profile),       cmocka_unit_test(machines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
