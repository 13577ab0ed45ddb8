/* init_launch.c - mezzo-init: reads the launch description, starts the payload.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "bin/init.h"

void text_add(struct text *t, const char *s)
{
	size_t len = strlen(s), room = sizeof(t->data) - t->len;
	if (len > room)
		len = room;
	memcpy(t->data + t->len, s, len);
	t->len += len;
}

void text_int(struct text *t, int64_t n)
{
	char digits[24];
	size_t at = sizeof(digits);
	digits[--at] = '\0';
	uint64_t u = n < 0 ? (uint64_t)-n : (uint64_t)n;
	do
		digits[--at] = (char)('0' + u % 10);
	while (u /= 10);
	if (n < 0)
		digits[--at] = '-';
	text_add(t, digits + at);
}

void init_proc_path(struct text *t, pid_t pid, const char *name)
{
	t->len = 0;
	text_add(t, "/proc/");
	text_int(t, pid);
	text_add(t, "/");
	text_add(t, name);
	t->data[t->len] = '\0';
}

int text_number(const char **s, int base, uint64_t *ret)
{
	const char *p = *s;
	uint64_t n = 0;
	if (*p < '0' || *p >= '0' + base)
		return -1;
	for (; *p >= '0' && *p < '0' + base; p++)
		n = n * (uint64_t)base + (uint64_t)(*p - '0');
	if (*p != '\0' && *p != ' ' && *p != '\n')
		return -1;
	*s = *p ? p + 1 : p;
	*ret = n;
	return 0;
}

static int parse_user(struct init_launch *l, const char *s)
{
	uint64_t uid, gid;
	if (text_number(&s, 10, &uid) < 0 || text_number(&s, 10, &gid) < 0)
		return -1;
	l->switch_user = 1;
	l->uid = (uid_t)uid;
	l->gid = (gid_t)gid;
	return 0;
}

static int parse_groups(struct init_launch *l, const char *s)
{
	while (*s) {
		uint64_t gid;
		if (l->n_groups == INIT_MAX_GROUPS || text_number(&s, 10, &gid) < 0)
			return -1;
		l->groups[l->n_groups++] = (gid_t)gid;
	}
	return 0;
}

static int parse_rlimit(struct init_launch *l, const char *s)
{
	uint64_t n;
	if (l->n_rlimits == INIT_MAX_RLIMITS)
		return -1;
	struct init_rlimit *r = &l->rlimits[l->n_rlimits];
	if (text_number(&s, 10, &n) < 0 || text_number(&s, 10, &r->soft) < 0 || text_number(&s, 10, &r->hard) < 0)
		return -1;
	r->resource = (int)n;
	l->n_rlimits++;
	return 0;
}

/* The words of the launcher linux. */
static int parse_linux(struct init_launch *l, char key, const char *s)
{
	uint64_t n;
	switch (key) {
	case 'N':
		l->is_linux = 1;
		return text_number(&s, 10, &l->namespaces);
	case 'K':
		l->group = s;
		return 0;
	case 'B':
		l->rootfs = s;
		return 0;
	case 'Y':
		l->work_dir = s;
		return 0;
	case 'H':
		l->hostname = s;
		return 0;
	case 'p':
		l->parent_groups = s;
		return 0;
	case 'Q':
		l->has_capabilities = 1;
		return text_number(&s, 10, &l->effective) < 0 || text_number(&s, 10, &l->permitted) < 0 ||
				       text_number(&s, 10, &l->inheritable) < 0 ||
				       text_number(&s, 10, &l->bounding) < 0 || text_number(&s, 10, &l->ambient) < 0 ?
			       -1 :
			       0;
	case 'Z':
		l->seccomp = s;
		return 0;
	case 'I':
		l->has_map = 1;
		return 0;
	case 'd':
		if (text_number(&s, 10, &n) < 0)
			return -1;
		l->has_fds = (int)n;
		return 0;
	case 'i':
		if (text_number(&s, 10, &l->io_flags) < 0 || text_number(&s, 10, &l->rows) < 0 ||
		    text_number(&s, 10, &l->columns) < 0 || text_number(&s, 10, &l->stall_ms) < 0 || *s != '/')
			return -1;
		l->io = s;
		return 0;
	default:
		return strchr("TCVstoDfcXWha", key) ? 0 : -1;
	}
}

static int parse_record(struct init_launch *l, char key, char *s)
{
	uint64_t n;
	const char *p = s;
	switch (key) {
	case 'F':
		l->status_file = s;
		return 0;
	case 'n':
		l->id = s;
		return 0;
	case 'S':
		l->dir = s;
		return 0;
	case 'A':
		l->argv[l->n_argv++] = s;
		return 0;
	case 'E':
		l->env[l->n_env++] = s;
		return 0;
	case 'O':
		l->out = s;
		return 0;
	case 'R':
		l->err = s;
		return 0;
	case 'U':
		return parse_user(l, s);
	case 'G':
		return parse_groups(l, s);
	case 'L':
		return parse_rlimit(l, s);
	case 'M':
		if (text_number(&p, 8, &n) < 0)
			return -1;
		l->umask = (mode_t)n;
		l->has_umask = 1;
		return 0;
	case 'J':
		l->oom_score_adj = s;
		return 0;
	case 'P':
		l->no_new_privs = 1;
		return 0;
	default:
		return parse_linux(l, key, s);
	}
}

char *init_next(const struct init_launch *l, size_t *at, const char *keys, char *ret_key)
{
	while (*at < l->size) {
		char *record = l->data + *at;
		*at += strlen(record) + 1;
		if (strchr(keys, record[0])) {
			if (ret_key)
				*ret_key = record[0];
			return record + 1;
		}
	}
	return NULL;
}

ssize_t init_unhex(const char **s, void *data, size_t size)
{
	unsigned char *out = data;
	size_t n = 0;
	while (n < size && **s) {
		int byte = 0;
		for (int i = 0; i < 2; i++, (*s)++) {
			char c = **s;
			if (c >= '0' && c <= '9')
				byte = byte * 16 + (c - '0');
			else if (c >= 'a' && c <= 'f')
				byte = byte * 16 + (c - 'a' + 10);
			else
				return -1;
		}
		out[n++] = (unsigned char)byte;
	}
	return (ssize_t)n;
}

int init_parse(char *data, size_t size, struct init_launch *l, struct init_failure *f)
{
	*f = (struct init_failure){EINVAL, "understand the launch description", NULL};
	if (data[size - 1] != '\0')
		return -1;
	l->data = data;
	l->size = size;
	l->fd_in = l->fd_out = l->fd_err = -1;
	l->fd_dir = AT_FDCWD;
	size_t n_argv = 0, n_env = 0;
	for (size_t at = 0; at < size; at += strlen(data + at) + 1) {
		n_argv += data[at] == 'A';
		n_env += data[at] == 'E';
	}
	/* Pointers for exec; the pages are touched only as far as they are used. */
	size_t bytes = (n_argv + n_env + 2) * sizeof(char *);
	char **v = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (v == MAP_FAILED) {
		f->code = errno;
		return -1;
	}
	l->argv = v;
	l->env = v + n_argv + 1;
	for (size_t at = 0; at < size;) {
		size_t len = strlen(data + at);
		if (!len || parse_record(l, data[at], data + at + 1) < 0) {
			f->name = data + at;
			return -1;
		}
		at += len + 1;
	}
	f->name = NULL;
	if (l->group && !l->is_linux && !l->n_argv)
		return 0; /* groups to kill */
	if (!l->status_file || !l->dir || !l->n_argv || (l->is_linux && !l->group))
		return -1;
	return 0;
}

/* ---- the payload's side, between vfork and exec ------------------------------- */

/* Shared memory with the parent: what it writes, the parent reads. Only system
 * calls here, and nothing that allocates. */
int init_broken(struct init_failure *f, const char *what, const char *name)
{
	*f = (struct init_failure){errno, what, name};
	return -1;
}

static int become_user(const struct init_launch *l, struct init_failure *f)
{
	if (!l->switch_user)
		return 0;
	gid_t groups[INIT_MAX_GROUPS], gid = init_inside(l, 1, l->gid);
	uid_t uid = init_inside(l, 0, l->uid);
	for (size_t i = 0; i < l->n_groups; i++)
		groups[i] = init_inside(l, 1, l->groups[i]);
	/* The system calls themselves: libc's wrappers signal other threads. */
	if (syscall(SYS_setgroups, l->n_groups, groups) < 0)
		return init_broken(f, "set the supplementary groups", NULL);
	if (syscall(SYS_setresgid, gid, gid, gid) < 0)
		return init_broken(f, "set the group id", NULL);
	if (syscall(SYS_setresuid, uid, uid, uid) < 0)
		return init_broken(f, "set the user id", NULL);
	return 0;
}

int init_open_output(const struct init_launch *l, const char *name, struct init_failure *f)
{
	/* The sandbox is the task's: it may have planted a link, or a pipe, at which we
	 * would wait for ever. */
	struct stat st;
	int fd = openat(l->fd_dir, name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
	if (fd < 0 || fstat(fd, &st) < 0)
		return init_broken(f, "open the output file", name);
	errno = EINVAL;
	if (!S_ISREG(st.st_mode) || fcntl(fd, F_SETFL, O_APPEND) < 0)
		return init_broken(f, "open the output file", name);
	return fd;
}

static int open_output(const struct init_launch *l, const char *name, int given, int fd, struct init_failure *f)
{
	int got = given;
	if (given < 0 && !name)
		return 0; /* /dev/null is there already */
	if (given < 0)
		got = init_open_output(l, name, f);
	if (got < 0)
		return -1;
	if (dup2(got, fd) < 0)
		return init_broken(f, "open the output file", name);
	return 0;
}

static int set_limits(const struct init_launch *l, struct init_failure *f)
{
	for (size_t i = 0; i < l->n_rlimits; i++) {
		struct rlimit r = {l->rlimits[i].soft, l->rlimits[i].hard};
		if (setrlimit((__rlimit_resource_t)l->rlimits[i].resource, &r) < 0)
			return init_broken(f, "set a resource limit", NULL);
	}
	if (l->oom_score_adj && !l->is_linux) { /* there the shim has done it */
		int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, l->oom_score_adj, strlen(l->oom_score_adj)) < 0)
			return init_broken(f, "set oom_score_adj", l->oom_score_adj);
	}
	return 0;
}

static int install_filter(const struct init_launch *l, struct init_failure *f)
{
	static struct sock_filter program[BPF_MAXINSNS];
	const char *s = l->seccomp;
	ssize_t n = init_unhex(&s, program, sizeof(program));
	errno = EINVAL;
	if (n <= 0 || *s || (size_t)n % sizeof(program[0]))
		return init_broken(f, "install the seccomp filter", NULL);
	struct sock_fprog filter = {(unsigned short)((size_t)n / sizeof(program[0])), program};
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) < 0)
		return init_broken(f, "install the seccomp filter", NULL);
	return 0;
}

static int limit_capabilities(const struct init_launch *l, struct init_failure *f)
{
	for (int i = 0; i < 64; i++)
		if (!(l->bounding & 1ULL << i) && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0 && errno != EINVAL)
			return init_broken(f, "drop capabilities", NULL);
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return init_broken(f, "keep capabilities", NULL);
	return 0;
}

static int set_capabilities(const struct init_launch *l, struct init_failure *f)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2];
	if (syscall(SYS_capget, &h, d) < 0)
		return init_broken(f, "read capabilities", NULL);
	/* What the agent itself has not, it cannot give. */
	uint64_t have = (uint64_t)d[1].permitted << 32 | d[0].permitted;
	uint64_t permitted = l->permitted & have, effective = l->effective & permitted;
	uint64_t inheritable = l->inheritable & have;
	for (int i = 0; i < 2; i++)
		d[i] = (struct __user_cap_data_struct){(uint32_t)(effective >> 32 * i), (uint32_t)(permitted >> 32 * i),
						       (uint32_t)(inheritable >> 32 * i)};
	if (syscall(SYS_capset, &h, d) < 0)
		return init_broken(f, "set capabilities", NULL);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	uint64_t ambient = l->ambient & permitted & inheritable;
	for (int i = 0; i < 64; i++)
		if (ambient & 1ULL << i && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
			return init_broken(f, "raise ambient capabilities", NULL);
	return 0;
}

/* Who it is and what it may. */
static int take_identity(const struct init_launch *l, struct init_failure *f)
{
	if (set_limits(l, f) < 0)
		return -1;
	/* A filter takes the right to administrate or the promise of no new
	 * privileges: with the promise it comes last, and need not allow what we do. */
	if (l->seccomp && !l->no_new_privs && install_filter(l, f) < 0)
		return -1;
	if (l->has_capabilities && limit_capabilities(l, f) < 0)
		return -1;
	if (become_user(l, f) < 0)
		return -1;
	if (l->has_capabilities && set_capabilities(l, f) < 0)
		return -1;
	return 0;
}

/* Who is in the agent's session may use the keys of that. Another user's number of
 * keys is small; root's is not. Where keys are forbidden to us, as the seccomp filters of
 * many containers have it, they are so to the payload. */
static int own_keys(const struct init_launch *l)
{
	if (!l->is_linux && !l->switch_user)
		return 0;
	return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS && errno != EPERM ? -1 : 0;
}

static int take_input(const struct init_launch *l, struct init_failure *f)
{
	if (l->fd_in < 0)
		return 0;
	if ((l->io_flags & INIT_IO_TTY) && ioctl(l->fd_in, TIOCSCTTY, 0) < 0)
		return init_broken(f, "take the terminal", NULL);
	return dup2(l->fd_in, 0) < 0 ? init_broken(f, "take the input", NULL) : 0;
}

/* We, as the payload's parent. */
static pid_t shim;

/* For good, and before the program is looked up: while the sandbox's descriptor is there,
 * "/proc/self/fd/N/../.." leads out of the container's root, and a program of the
 * host's that runs inside could be written to. The pipe whose end tells the shim that
 * we have executed leads nowhere. */
static int close_others(const struct init_launch *l)
{
	if (!l->is_linux)
		return (int)syscall(SYS_close_range, 3, ~0U, 0);
	return syscall(SYS_close_range, 3, END_WRITE - 1, 0) < 0 || syscall(SYS_close_range, END_WRITE + 1, ~0U, 0) < 0 ? -1 : 0;
}

static int prepare(const struct init_launch *l, struct init_failure *f)
{
	if (setsid() < 0)
		return init_broken(f, "start a session", NULL);
	if (take_input(l, f) < 0)
		return -1;
	if (own_keys(l) < 0)
		return init_broken(f, "make a session keyring", NULL);
	/* Before the switch: the way to the sandbox may be the agent's alone. */
	if (!l->is_linux && chdir(l->work_dir ? l->work_dir : l->dir) < 0)
		return init_broken(f, "change to the directory", l->work_dir ? l->work_dir : l->dir);
	if (take_identity(l, f) < 0)
		return -1;
	umask(l->has_umask ? l->umask : 022);
	if (open_output(l, l->out, l->fd_out, 1, f) < 0 || open_output(l, l->err, l->fd_err, 2, f) < 0)
		return -1;
	if (l->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return init_broken(f, "give up new privileges", NULL);
	/* If the shim is killed, nobody could tell how this ends: end with it.
	 * Changing the user clears this flag, so it comes last. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!l->is_linux && getppid() != shim)
		_exit(127); /* it was before that; linux: the agent goes by the cgroup */
	if (close_others(l) < 0)
		return init_broken(f, "close inherited descriptors", NULL);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	return 0;
}

static int has_name(const char *variable, const char *name)
{
	size_t n = strlen(name);
	return !strncmp(variable, name, n) && variable[n] == '=';
}

/* A name without a slash is looked for in the payload's own PATH. */
static void execute(const struct init_launch *l)
{
	const char *path = "/usr/local/bin:/usr/bin:/bin", *name = l->argv[0];
	char file[4096];
	if (strchr(name, '/')) {
		execve(name, l->argv, l->env);
		return;
	}
	for (size_t i = 0; i < l->n_env; i++)
		if (has_name(l->env[i], "PATH"))
			path = l->env[i] + strlen("PATH=");
	int denied = 0;
	size_t n_name = strlen(name) + 1;
	while (*path) {
		size_t n = strcspn(path, ":");
		if (n && n + 1 + n_name <= sizeof(file)) {
			memcpy(file, path, n);
			file[n] = '/';
			memcpy(file + n + 1, name, n_name);
			execve(file, l->argv, l->env);
			denied |= errno == EACCES;
			if (errno != ENOENT && errno != EACCES && errno != ENOTDIR)
				return;
		}
		path += n + (path[n] == ':');
	}
	errno = denied ? EACCES : ENOENT;
}

void init_become(const struct init_launch *l, struct init_failure *f, int *executing)
{
	if (prepare(l, f) < 0)
		return;
	/* From here on memory is the only way to tell anything. */
	*(volatile int *)executing = 1;
	if (l->seccomp && l->no_new_privs && install_filter(l, f) < 0)
		return;
	execute(l);
	init_broken(f, "execute", l->argv[0]);
}

pid_t init_start(const struct init_launch *l, struct init_failure *f)
{
	/* volatile: the child writes to it behind the compiler's back. */
	static struct init_failure failure;
	static int executing;
	failure = (struct init_failure){0, NULL, NULL};
	shim = getpid();
	__asm__ volatile("" ::: "memory");
	/* The parent stands still until the child has executed or ended, which is
	 * what makes a failed exec an answer instead of an exit status. */
	pid_t pid = vfork();
	if (pid == 0) {
		init_become(l, &failure, &executing);
		_exit(127);
	}
	__asm__ volatile("" ::: "memory");
	if (pid < 0) {
		*f = (struct init_failure){errno, "fork", NULL};
		return -1;
	}
	if (failure.what) {
		*f = failure;
		return -1;
	}
	return pid;
}
