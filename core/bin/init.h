/* init.h - between the files of mezzo-init. The program is small on purpose: one
 * of it stays beside every container, so it has no stdio, no heap of its own and
 * no library but a static libc.
 *
 * LAUNCH DESCRIPTION (fd 0, a regular file or memfd): records of one letter and a
 * NUL-ended text, in any order; the writer is the containerizer.
 *	F path		status file, made by us: see below		required
 *	n id		of the container, where the status file is not named by it
 *	S path		working directory of the payload		required
 *	A text		one argument; the first is the file		required
 *	E NAME=value	one variable
 *	O name, R name	stdout and stderr, opened for appending with the payload's
 *			rights, relative to the working directory; default /dev/null
 *	U uid gid	who the payload runs as; absent: as we do
 *	G gid ...	its supplementary groups (with U only)
 *	L n soft hard	one resource limit (numbers of setrlimit)
 *	M octal		umask
 *	J n		oom_score_adj
 *	P		no new privileges
 *	d n		descriptors come as the first message on the control socket
 *			(SCM_RIGHTS): 1 stdout, 2 stderr, 3 both
 *	i flags rows columns ms folder	input and output go through an I/O server, whose
 *			socket is made there: 1 a terminal, 2 output waits for whoever
 *			attaches first; a client that takes nothing for so long is cut
 *   The launcher `linux`, with N; binary data is in hexadecimal:
 *	N flags		CLONE_NEW* of the namespaces to make
 *	K path		our cgroup for killing (v1 freezer, or v2), made by us
 *	T flag path	namespace to enter
 *	C path		cgroup to start in
 *	p pid root dir	start in the cgroups below `root` of this process as well,
 *			where no C says another; hierarchies are mounted in `dir`
 *	B path		root file system; "tmpfs": an empty one in memory
 *	V flags recursive is_file exact target	a mount (exact: 1 by no symbolic link, the target exists; 2 by
 *	  none, the target is made); with it, behind it: s source, t type, o options
 *	D mode major minor path	a device node
 *	f mode path	a file, or with S_IFDIR a directory, with S_IFLNK a link; behind it: c content
 *	X path, W path	to mask, to make read-only
 *	Q effective permitted inheritable bounding ambient	capabilities
 *	Z program	of seccomp
 *	I is_gid inside outside count
 *	Y path, H name	working directory inside, host name
 *	h argument	of a hook; behind it: a further argument
 *   Only K's and nothing else: those groups are killed and removed, that is all; those that
 *   are not empty after argv[2] milliseconds stay, and we exit with 1.
 *
 * I/O SERVER (i): a process beside us that is no child of ours and outlives us by what
 * is left to do; init_io.h says what it does. Its socket is `folder`/PID.START, its own
 * numbers; O, R and d are where it writes the output down.
 *
 * CONTROL (fd 1, a socket): we wait for one byte before anything is started; its
 * end means that nobody wants the container any more. Under the launcher `linux` we
 * say "created PID" before that: the process is in its namespaces and cgroups, and
 * waits as well; with i, "io PID START" before that. We answer once, "ok PID" or
 * "failed ERRNO TEXT", and later, if anybody still listens, "exit STATUS".
 *
 * STATUS FILE: with n, "id ID\n" ahead of everything; "shim PID START payload PID\n" before
 * the payload starts to run (with i, "io PID START" stands ahead of "payload"), and
 * "exit STATUS\n" (as waitpid gives it)
 * once it has ended. No fsync: it has to survive the agent, and a machine that goes
 * down takes the container with it. Under `linux` "linux " stands ahead of "shim", and the
 * file is there before the cgroup K: whoever finds it without us knows what to kill.
 *
 * PID 1: in a pid namespace of its own the first process stays what it is, and the
 * payload is its child: it reaps, passes signals on, and ends with the payload.
 *
 * SIGNALS: SIGTERM kills everything in the container. SIGRTMIN with a value (sigqueue)
 * passes signal number `value` on to the payload.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_BIN_INIT_H
#define MZ_BIN_INIT_H

#include <stdint.h>
#include <sys/types.h>

enum { INIT_MAX_ARGS = 4096, INIT_MAX_GROUPS = 256, INIT_MAX_RLIMITS = 16 };

struct init_rlimit {
	int resource;
	uint64_t soft, hard;
};

struct init_launch {
	const char *status_file, *id, *dir, *out, *err;
	char **argv, **env; /* NULL-ended, into the description */
	size_t n_argv, n_env;
	int switch_user, no_new_privs, has_umask, has_oom;
	uid_t uid;
	gid_t gid;
	gid_t groups[INIT_MAX_GROUPS];
	size_t n_groups;
	struct init_rlimit rlimits[INIT_MAX_RLIMITS];
	size_t n_rlimits;
	mode_t umask;
	const char *oom_score_adj;
	int has_fds;	    /* d */
	int fd_in, fd_out, fd_err; /* stdin, stdout and stderr, or -1 */
	const char *io; /* i: the folder */
	uint64_t io_flags, rows, columns, stall_ms;
	int fd_dir;	    /* the outputs' directory, or AT_FDCWD */
	/* What was not taken apart above is read again where it is needed. */
	char *data;
	size_t size;
	int is_linux; /* N was there */
	uint64_t namespaces;
	const char *group, *rootfs, *work_dir, *hostname, *parent_groups;
	int has_capabilities, has_map, enters_user;
	uint64_t effective, permitted, inheritable, bounding, ambient;
	const char *seccomp;
};

/* Why a payload did not start. The texts are ours or in the description: they are at
 * the same place in all processes that we make without exec. */
struct init_failure {
	int code;	  /* errno */
	const char *what; /* "execute", "change to user of" … */
	const char *name; /* of the thing, or NULL */
};

/* A page that the shim and the first process share. */
struct init_shared {
	struct init_failure failure;
	int executing; /* all was set up */
	int has_status, status; /* of the payload, told by pid 1 */
	pid_t created; /* the first process, where another made it */
};

/* Text without stdio. */
struct text {
	char data[512];
	size_t len;
};
void text_add(struct text *t, const char *s);
void text_int(struct text *t, int64_t n);
/* "/proc/PID/NAME", NUL-ended. */
void init_proc_path(struct text *t, pid_t pid, const char *name);
/* Decimal (base 8: octal) number at *s, which moves behind it and its blank; -1 on
 * anything else. */
int text_number(const char **s, int base, uint64_t *ret);

/* `size` bytes at `data`, which stay mapped. 0 or -1 with *f. */
int init_parse(char *data, size_t size, struct init_launch *l, struct init_failure *f);
/* The text of the next record from *at whose letter is one of `keys`, NULL behind the
 * last; *at moves behind it. Start with 0. */
char *init_next(const struct init_launch *l, size_t *at, const char *keys, char *ret_key);
/* Bytes of the hexadecimal text *s, at most `size`; *s moves on; -1: not hexadecimal. */
ssize_t init_unhex(const char **s, void *data, size_t size);
/* *f from errno; -1. */
int init_broken(struct init_failure *f, const char *what, const char *name);

enum { INIT_IO_TTY = 1, INIT_IO_WAIT = 2 };
struct init_io_id {
	pid_t pid;
	uint64_t start;
};
/* Starts the I/O server and puts what the payload gets into l->fd_in and so on; what
 * keeps it going until our end is LIFE_FD and TTY_FD. Before any other process is made,
 * and before we reap those of others: it must not become our child. 0 or -1. */
int io_start(struct init_launch *l, struct init_io_id *ret, struct init_failure *f);
/* Of this process; 0: nobody can tell. */
uint64_t init_start_time(void);
/* An output file in l->fd_dir, as who we are. */
int init_open_output(const struct init_launch *l, const char *name, struct init_failure *f);

/* In a user namespace of its own, a user (or group: gid 1) of the host is who it is mapped to. */
uint32_t init_inside(const struct init_launch *l, uint64_t gid, uint32_t id);
/* Who the payload is outside of its user namespace. 0: who we are. */
int init_who(const struct init_launch *l, uid_t *uid, gid_t *gid);
/* The number outside of a group of the payload. */
gid_t init_group_outside(const struct init_launch *l, gid_t gid);

/* Starts the payload; only returns in the parent: its pid, or -1 with *f. */
pid_t init_start(const struct init_launch *l, struct init_failure *f);
/* Turns this process into the payload; only returns on failure, with *f. */
void init_become(const struct init_launch *l, struct init_failure *f, int *executing);
/* Kills and reaps whatever descends from us. The payload's status goes to
 * *status when it is met, if it is not yet there (-1). */
void init_kill_all(pid_t payload, int *status);
/* Waits for the payload, which was just killed, and reaps what ended before it; its status
 * as above. In a pid namespace of its own everything there has ended then. */
void init_reap(pid_t payload, int *status);

/* ---- the launcher linux ------------------------------------------------------ */

/* The cgroup for killing: made; emptied, with a look at our own children between the
 * passes; removed with what is below it. */
int group_make(const char *path, struct init_failure *f);
int group_kill_once(const char *path); /* without the freezer; how many there were */
int group_is_frozen(const char *path);	/* who was killed dies when it goes on, no sooner */
/* Until nobody is in it. Not for ever if until_ms (of init_now_ms) is not 0, and with the
 * freezer at once: -1 then. */
int group_kill(const char *path, int64_t until_ms);
int64_t init_now_ms(void);
void group_remove(const char *path);

/* Opened before anything is left: with whose rights, and by which names. 0 or -1; of the v2 cgroup
 * that the first process is made in, the descriptor, or -1 with *f or if there is none. */
int join_open_v2(const struct init_launch *l, struct init_failure *f);
int join_all(const struct init_launch *l, struct init_failure *f);
/* In the first process: it enters the others. */
int join_enter(struct init_failure *f);
/* -ESRCH in *f: who is at the parent's pid now is not in the parent. */
int join_check_parent(const struct init_launch *l, struct init_failure *f);

/* Descriptors that the first process needs, opened before anything is left: what it
 * binds, its root. 0 or -1. */
int fs_open(const struct init_launch *l, struct init_failure *f);
/* All of the file system, in the first process. */
int fs_set_up(const struct init_launch *l, struct init_failure *f);
/* In a root file system of its own, the terminal's name is /dev/console: opened by it. */
int fs_open_console(const struct init_launch *l, struct init_failure *f);

/* The first process, waiting; -1 with *f. `go` is read by it, `end` is what it holds
 * until it has executed. */
pid_t create_first(struct init_launch *l, struct init_shared *sh, struct init_failure *f);
enum { GO_READ = 5, GO_WRITE = 6, END_READ = 7, END_WRITE = 8 };
/* What io_start holds; received descriptors are behind them. */
enum { LIFE_FD = 9, TTY_FD = 10, FIRST_FREE_FD = 11 };

#endif
