/* init.h - between the files of mezzo-init. The program is small on purpose: one
 * of it stays beside every container, so it has no stdio, no heap of its own and
 * no library but a static libc.
 *
 * LAUNCH DESCRIPTION (fd 0, a regular file or memfd): records of one letter and a
 * NUL-ended text, in any order; the writer is the containerizer.
 *	F path		status file, made by us: see below		required
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
 *
 * CONTROL (fd 1, a socket): we wait for one byte before anything is started; its
 * end means that nobody wants the container any more. We answer once, "ok PID" or
 * "failed ERRNO TEXT", and later, if anybody still listens, "exit STATUS".
 *
 * STATUS FILE: "shim PID START payload PID\n" before the payload starts to run, and
 * "exit STATUS\n" (as waitpid gives it) once it has ended. No fsync: it has to
 * survive the agent, and a machine that goes down takes the container with it.
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
	const char *status_file, *dir, *out, *err;
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
};

/* Why a payload did not start. */
struct init_failure {
	int code;	  /* errno */
	const char *what; /* "execute", "change to user of" … */
	const char *name; /* of the thing, or NULL */
};

/* Text without stdio. */
struct text {
	char data[512];
	size_t len;
};
void text_add(struct text *t, const char *s);
void text_int(struct text *t, int64_t n);
/* Decimal (base 8: octal) number at *s, which moves behind it and its blank; -1 on
 * anything else. */
int text_number(const char **s, int base, uint64_t *ret);

/* `size` bytes at `data`, which stay mapped. 0 or -1 with *f. */
int init_parse(char *data, size_t size, struct init_launch *l, struct init_failure *f);
/* Starts the payload; only returns in the parent: its pid, or -1 with *f. */
pid_t init_start(const struct init_launch *l, struct init_failure *f);
/* Kills and reaps whatever descends from us. The payload's status goes to
 * *status when it is met, if it is not yet there (-1). */
void init_kill_all(pid_t payload, int *status);

#endif
