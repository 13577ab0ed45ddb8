/* escapes.c - ways out of a container; see attack.h. Each is known from a real system,
 * and is tried in the form in which it applies here.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attack.h"

/* Refused for want of a right; with the right it would have failed otherwise, or not. */
static bool is_refused(long rc)
{
	return rc < 0 && (errno == EPERM || errno == EACCES);
}

/* ---- descriptors and directories ------------------------------------------------------ */

/* runc CVE-2024-21626, CVE-2016-9962: what is left open leads outside. */
static void descriptors(void)
{
	char names[2048] = "", link[200], path[300];
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	int n = 0;
	while (d && (e = readdir(d))) {
		int fd = atoi(e->d_name);
		if (e->d_name[0] == '.' || fd == dirfd(d))
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%.200s", e->d_name);
		ssize_t len = readlink(path, link, sizeof(link) - 1);
		link[len < 0 ? 0 : len] = '\0';
		if (strlen(names) + sizeof(link) + 1 < sizeof(names))
			strcat(strcat(names, " "), link);
		n += fd > 2;
	}
	if (d)
		closedir(d);
	verdict(d && n == 0, "only descriptors 0 to 2", "%s", names);
	verdict(getcwd(path, sizeof(path)) && path[0] == '/', "the working directory is inside", "%s", path);
}

/* ---- the program that made us ----------------------------------------------------------- */

/* runc CVE-2019-5736: the helper's own file is overwritten through /proc. */
static void overwrite(const char *who, const char *exe)
{
	char what[128], again[64], link[256] = "";
	ssize_t len = readlink(exe, link, sizeof(link) - 1);
	int write_fd = open(exe, O_WRONLY | O_APPEND | O_CLOEXEC);
	int read_fd = open(exe, O_RDONLY | O_CLOEXEC), path_fd = open(exe, O_PATH | O_CLOEXEC), got = write_fd;
	for (int i = 0; i < 2 && got < 0; i++) {
		int fd = i ? path_fd : read_fd;
		snprintf(again, sizeof(again), "/proc/self/fd/%d", fd);
		got = fd < 0 ? -1 : open(again, O_WRONLY | O_CLOEXEC);
	}
	snprintf(what, sizeof(what), "the file of %s cannot be written to", who);
	verdict(got < 0 || write(got, "x", 1) < 0, what, "%s is open", link);
	/* Being executed protects a file only as long as it is. */
	bool sealed = read_fd >= 0 && (fcntl(read_fd, F_GET_SEALS) & F_SEAL_WRITE) == F_SEAL_WRITE;
	snprintf(what, sizeof(what), "nor could it be, if it did not run");
	verdict(sealed || (len < 0 && read_fd < 0) || faccessat(AT_FDCWD, exe, W_OK, 0) < 0, what, "%s has no seals", link);
	for (int fd = 3; fd < 64; fd++)
		close(fd);
}

/* By a child: whoever gets in stands in the root directory of what is outside. */
static bool enters(const char *path)
{
	int status = 0;
	pid_t child = fork();
	if (child == 0) {
		int ns = open(path, O_RDONLY | O_CLOEXEC);
		_exit(ns < 0 || setns(ns, CLONE_NEWNS) < 0);
	}
	waitpid(child, &status, 0);
	return child < 0 || status == 0;
}

static void interfere(const char *who, pid_t pid)
{
	char what[128], path[64], data[16];
	struct iovec here = {data, sizeof(data)}, there = {(void *)0x400000, sizeof(data)};
	snprintf(what, sizeof(what), "%s cannot be traced", who);
	int rc = (int)ptrace(PTRACE_SEIZE, pid, NULL, NULL);
	verdict(rc < 0, what, "pid %d", pid);
	if (rc == 0)
		ptrace(PTRACE_DETACH, pid, NULL, NULL);
	snprintf(what, sizeof(what), "the memory of %s cannot be read", who);
	/* Whether there is anything at that address comes after the right to look. */
	bool may_look = process_vm_readv(pid, &here, 1, &there, 1, 0) >= 0 || errno == EFAULT;
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	verdict(!may_look && fd < 0, what, "readv %s, %s %d", may_look ? "may" : "may not", path, fd);
	snprintf(what, sizeof(what), "the descriptors of %s cannot be taken", who);
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	rc = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, 1, 0);
	fd = -1;
	for (int i = 0; i < 16 && fd < 0; i++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, i);
		fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	}
	verdict(rc < 0 && fd < 0, what, "getfd %d, %s %d", rc, path, fd);
	snprintf(what, sizeof(what), "the namespaces of %s cannot be entered", who);
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	verdict(!enters(path), what, "%s", path);
}

static void helpers(pid_t agent)
{
	char path[64];
	overwrite("mezzo-init", "/proc/1/exe");
	interfere("mezzo-init", 1);
	kill(1, SIGKILL);
	kill(1, SIGSTOP);
	verdict(kill(1, 0) == 0 || errno == EPERM, "mezzo-init cannot be killed from inside", "%s", strerror(errno));
	/* A number from outside means nothing in here, or another process. */
	snprintf(path, sizeof(path), "/proc/%d", agent);
	verdict(access(path, F_OK) < 0, "the agent cannot be seen", "%s", path);
	verdict(kill(agent, 0) < 0, "nor signalled", "pid %d", agent);
}

/* ---- devices and mounts ------------------------------------------------------------------- */

static void device(const char *name, mode_t type, dev_t dev)
{
	char what[96], device[32], known[32];
	snprintf(what, sizeof(what), "device %s cannot be opened", name);
	snprintf(device, sizeof(device), "dev-%s", name);
	snprintf(known, sizeof(known), "/dev/%s", name);
	int made = mknod(device, type | 0666, dev), fd = open(device, O_RDWR | O_CLOEXEC);
	bool none = made == 0 && fd < 0 && (errno == ENXIO || errno == ENODEV);
	int other = type == S_IFCHR ? open(known, O_RDWR | O_CLOEXEC) : -1;
	if (none && other < 0)
		not_tried(what, "this kernel has no such device");
	else
		verdict(fd < 0 && other < 0, what, "mknod %d, %s %d, %s %d, %s", made, device, fd, known, other, strerror(errno));
}

static void devices(void)
{
	struct stat st = {0};
	/* The disk that everything lies on, the machine's memory and its log. */
	(void)stat(".", &st);
	const struct {
		const char *name;
		mode_t type;
		dev_t dev;
	} all[] = {
		{"disk", S_IFBLK, st.st_dev},
		{"mem", S_IFCHR, makedev(1, 1)},
		{"kmsg", S_IFCHR, makedev(1, 11)},
		{"loop-control", S_IFCHR, makedev(10, 237)},
		{"kvm", S_IFCHR, makedev(10, 232)},
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		device(all[i].name, all[i].type, all[i].dev);
}

/* What succeeds is undone at once: whoever removes the sandbox must not come to it. */
static void try_mount(const char *source, const char *type, unsigned long flags, const char *data, const char *what)
{
	bool held = is_refused(mount(source, "mnt", type, flags, data));
	verdict(held, what, "%s: %s", type ? type : source, strerror(errno));
	if (!held)
		umount2("mnt", MNT_DETACH);
}

static void mounts(void)
{
	mkdir("mnt", 0700);
	try_mount("none", "tmpfs", 0, NULL, "nothing can be mounted");
	try_mount("/", NULL, MS_BIND | MS_REC, NULL, "nor bound");
	try_mount("none", "cgroup", 0, "memory", "nor cgroups mounted");
	try_mount("none", "proc", 0, NULL, "nor another /proc");
	verdict(is_refused(umount2("/proc/keys", MNT_DETACH)), "no mask can be taken off", "/proc/keys");
	verdict(is_refused(mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL)), "nothing becomes writable again",
		"/proc/sys");
	verdict(is_refused(syscall(SYS_pivot_root, ".", "mnt")), "the root cannot be changed", "pivot_root");
}

/* ---- files of the kernel ------------------------------------------------------------------- */

static void kernel_files(void)
{
	static const char *const writable[] = {
		"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/panic_on_oom",
		"/proc/sys/fs/binfmt_misc/register", "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity",
		"/sys/kernel/uevent_helper", "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/power/state",
		"/sys/fs/cgroup/memory/release_agent", "/sys/fs/cgroup/memory/cgroup.procs",
		"/sys/fs/cgroup/pids/cgroup.procs", "/sys/fs/cgroup/devices/cgroup.procs",
		"/sys/fs/cgroup/unified/cgroup.procs", "/sys/fs/cgroup/cgroup.procs",
	};
	static const char *const secret[] = {"/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug",
					     "/proc/latency_stats"};
	char what[128], byte;
	for (size_t i = 0; i < sizeof(writable) / sizeof(writable[0]); i++) {
		int fd = open(writable[i], O_WRONLY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		snprintf(what, sizeof(what), "%s cannot be opened for writing", writable[i]);
		verdict(fd < 0, what, "it is open");
		if (fd >= 0)
			close(fd);
	}
	for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++) {
		int fd = open(secret[i], O_RDONLY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		snprintf(what, sizeof(what), "%s cannot be read", secret[i]);
		verdict(fd < 0 || read(fd, &byte, 1) <= 0, what, "it can");
		if (fd >= 0)
			close(fd);
	}
}

/* The limits of our own cgroups, wherever hierarchies are mounted. */
static void own_cgroups(void)
{
	static const char *const limits[] = {"memory.limit_in_bytes", "memory.max", "pids.max",	   "cpu.cfs_quota_us",
					     "cpu.max",		      "devices.allow", "freezer.state", "cgroup.procs",
					     "notify_on_release",     "cgroup.kill"};
	char line[512];
	int n_open = 0, n_tried = 0;
	FILE *f = fopen("/proc/self/cgroup", "re");
	while (f && fgets(line, sizeof(line), f)) {
		char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL, file[900];
		if (!path)
			continue;
		*path++ = '\0';
		path[strcspn(path, "\n")] = '\0';
		names++;
		const char *dir = !strncmp(names, "name=", 5) ? names + 5 : *names ? names : "unified";
		for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
			snprintf(file, sizeof(file), "/sys/fs/cgroup/%s%s/%s", dir, path, limits[i]);
			int fd = open(file, O_WRONLY | O_CLOEXEC);
			n_tried += fd >= 0 || errno != ENOENT;
			n_open += fd >= 0;
			if (fd >= 0) {
				fprintf(stderr, "%s\n", file);
				close(fd);
			}
		}
	}
	if (f)
		fclose(f);
	/* In a root file system of its own there is none of these files. */
	int rooted = getenv("ATTACK_ROOTED") != NULL;
	verdict((rooted ? n_tried == 0 : n_tried > 0) && n_open == 0, "its own limits cannot be changed", "%d of %d files are open", n_open, n_tried);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void keys(void)
{
	long key = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "mezzo-attack", 0);
	char data[16] = "";
	long n = key < 0 ? -1 : syscall(SYS_keyctl, KEYCTL_READ, key, data, sizeof(data) - 1);
	verdict(key < 0 && n < 0, "the agent's keys cannot be used", "key %ld '%s'", key, data);
}

/* There is some: tenant(). */
static void shared_memory(void)
{
	struct shm_info i = {0};
	int rc = shmctl(0, SHM_INFO, (struct shmid_ds *)&i);
	verdict(rc >= 0 && i.used_ids == 0, "no shared memory of others is seen", "%d segments", i.used_ids);
}

int tenant(void)
{
	int id = shmget(IPC_PRIVATE, 4096, 0666);
	/* Marked for removal it is gone with us. */
	if (id < 0 || shmat(id, NULL, 0) == (void *)-1 || shmctl(id, IPC_RMID, NULL) < 0)
		return 1;
	puts("holds");
	fflush(stdout);
	for (;;)
		pause();
}

static void kernel_code(void)
{
	long rc = syscall(SYS_init_module, "", 0UL, "");
	/* ENOSYS: a kernel without modules */
	verdict(is_refused(rc) || (rc < 0 && errno == ENOSYS), "no module can be loaded", "%s", strerror(errno));
	/* Ctrl-Alt-Del shall do nothing: no harm, but whoever may say that may say more. */
	verdict(is_refused(syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL)), "the machine cannot be told how to reboot",
		"%s", strerror(errno));
	verdict(is_refused(sethostname("attacked", 8)), "the host cannot be renamed", " ");
	verdict(is_refused(unshare(CLONE_NEWNS)), "no mount namespace can be made", " ");
}

int escapes(char **argv)
{
	char byte;
	int fd;
	verdict(true, geteuid() ? "as an ordinary user" : "as root", " ");
	descriptors();
	helpers((pid_t)atoi(argv[0]));
	devices();
	kernel_files();
	own_cgroups();
	keys();
	shared_memory();
	kernel_code();
	mounts();
	/* As root of a user namespace of its own, which is nobody outside. */
	bool mapped = argv[2] != NULL;
	if (geteuid() || mapped) {
		fd = open(argv[1], O_RDONLY | O_CLOEXEC);
		verdict(fd < 0 || read(fd, &byte, 1) <= 0, "a file that is root's cannot be read", "%s", argv[1]);
		fd = open("/etc/passwd", O_WRONLY | O_APPEND | O_CLOEXEC);
		verdict(fd < 0, "a file of the host cannot be written to", "/etc/passwd");
	}
	if (geteuid()) {
		verdict(setgroups(0, NULL) < 0, "groups cannot be given up", " ");
		verdict(setuid(0) < 0, "root cannot be become", " ");
	}
	return 0;
}

/* ---- whoever enters ------------------------------------------------------------------------------ */

/* Does it lead anywhere that a container's own program has no descriptor of? */
static bool leads_out(pid_t pid, char *link, size_t size)
{
	char path[64];
	for (int fd = 3; fd < 16; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		ssize_t n = readlink(path, link, size - 1);
		link[n < 0 ? 0 : n] = '\0';
		/* A program that starts reads its libraries. */
		if (n > 0 && strncmp(link, "/usr", 4) && strncmp(link, "/lib", 4) && strncmp(link, "/etc", 4))
			return true;
	}
	return false;
}

static bool is_traced(pid_t pid)
{
	char path[64], name[32] = "";
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
		return false;
	/* What counts is who it was when it stood still. */
	ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
	waitpid(pid, NULL, __WALL);
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, name, sizeof(name) - 1);
	if (fd >= 0)
		close(fd);
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return n > 0 && !strncmp(name, "mezzo-init", 10);
}

/* The number that was given out last in this namespace. */
static pid_t newest(int loadavg)
{
	char text[128] = "";
	ssize_t n = pread(loadavg, text, sizeof(text) - 1, 0);
	const char *last = n > 0 ? strrchr(text, ' ') : NULL;
	return last ? (pid_t)atoi(last) : 0;
}

/* CVE-2016-9962: a process that enters is looked into before it has let go of what is
 * outside. */
int watch(char **argv)
{
	char link[256] = "";
	int loadavg = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
	pid_t first = newest(loadavg);
	int seen = 0, out = 0, traced = 0;
	verdict(first > 0, "watches", " ");
	for (long round = 0; round % 1000 || access(argv[0], F_OK) < 0; round++) {
		pid_t last = newest(loadavg);
		for (pid_t pid = last; pid > first && pid > last - 3; pid--) {
			if (kill(pid, 0) < 0)
				continue;
			seen++;
			out += leads_out(pid, link, sizeof(link));
			traced += is_traced(pid);
		}
	}
	verdict(seen > 0, "processes that enter are seen", "none was");
	verdict(out == 0, "none shows a descriptor that leads out", "%d of %d times, such as %s", out, seen, link);
	verdict(traced == 0, "none can be traced before it is the container's", "%d of %d times", traced, seen);
	return 0;
}

/* ---- user namespaces --------------------------------------------------------------------------- */

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
	if (fd >= 0)
		close(fd);
	return n < 0 ? -1 : 0;
}

static void as_root_of_nothing(void)
{
	mkdir("mnt", 0700);
	verdict(setgroups(0, NULL) < 0, "its groups stay", "setgroups");
	verdict(mount("none", "mnt", "cgroup", 0, "memory") < 0, "no cgroups can be mounted", "memory");
	verdict(mount("none", "mnt", "proc", 0, NULL) < 0, "no /proc without masks can be mounted", "proc");
	verdict(mount("none", "mnt", "sysfs", 0, NULL) < 0, "no /sys that is writable can be mounted", "sysfs");
	verdict(umount2("/proc/keys", MNT_DETACH) < 0, "masks cannot be taken off", "/proc/keys");
	verdict(mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL) < 0, "nothing becomes writable", "/proc/sys");
	verdict(mount(NULL, "/sys", NULL, MS_REMOUNT | MS_BIND, NULL) < 0, "nor does /sys", "/sys");
	verdict(mknod("mnt/disk", S_IFBLK | 0666, makedev(254, 0)) < 0, "no device can be made", "mknod");
	verdict(put("/sys/fs/cgroup/memory/cgroup.procs", "0") < 0, "no cgroup can be left", "memory");
}

int user_namespace(char **argv)
{
	char map[64];
	(void)argv;
	uid_t uid = geteuid();
	gid_t gid = getegid();
	pid_t pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC) < 0) {
			verdict(true, "no user namespace can be made", " ");
			_exit(0);
		}
		/* CVE-2014-8989: whoever may give up a group gains what the group may not. */
		snprintf(map, sizeof(map), "0 %u 1", gid);
		verdict(put("/proc/self/gid_map", map) < 0, "groups cannot be mapped before they are fixed", "%s", map);
		snprintf(map, sizeof(map), "0 %u 1", uid);
		if (put("/proc/self/uid_map", map) < 0)
			not_tried("root of its own namespace", "%s", strerror(errno));
		else
			as_root_of_nothing();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	return 0;
}
