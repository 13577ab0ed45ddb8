/* init_attach.c - mezzo-init: makes what an attachable container has for its input and
 * output, pipes or a terminal, and starts the server (init_io.c) that has the other
 * ends.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "bin/init.h"
#include "bin/init_io.h"

/* Descriptors of the server, away from all that it does not want. */
enum { KEEP_FROM = 64 };

/* What the shim learns of it. */
struct told {
	struct init_failure failure;
	struct init_io_id id;
	int is_ready;
};

/* ---- the ends ------------------------------------------------------------------------ */

struct ends {
	int in[2], out[2], err[2]; /* read, write; a terminal: its slave, its master, in `in` */
	int life[2], ready[2];
};

static int make_pipe(int fds[2], struct init_failure *f)
{
	return pipe2(fds, O_CLOEXEC) < 0 ? init_broken(f, "make a pipe", NULL) : 0;
}

/* The payload's user opens /dev/stdout by its name. */
static int give(const struct init_launch *l, int fd, mode_t mode, struct init_failure *f)
{
	uid_t uid;
	gid_t gid;
	if (init_who(l, &uid, &gid) && (fchown(fd, uid, (gid_t)-1) < 0 || fchmod(fd, mode) < 0))
		return init_broken(f, "give the input and output to the user", NULL);
	return 0;
}

static int make_terminal(const struct init_launch *l, int ends[2], struct init_failure *f)
{
	struct winsize w = {.ws_row = (unsigned short)(l->rows ? l->rows : 24),
			    .ws_col = (unsigned short)(l->columns ? l->columns : 80)};
	int unlock = 0;
	ends[1] = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (ends[1] < 0 || ioctl(ends[1], TIOCSPTLCK, &unlock) < 0)
		return init_broken(f, "make a terminal", "/dev/ptmx");
	/* By no path: /dev/pts may be another instance. */
	ends[0] = ioctl(ends[1], TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (ends[0] < 0 || ioctl(ends[1], TIOCSWINSZ, &w) < 0)
		return init_broken(f, "open the terminal", NULL);
	return give(l, ends[0], 0620, f);
}

static int make_ends(const struct init_launch *l, struct ends *e, struct init_failure *f)
{
	*e = (struct ends){{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
	if (make_pipe(e->life, f) < 0 || make_pipe(e->ready, f) < 0)
		return -1;
	if (l->io_flags & INIT_IO_TTY)
		return make_terminal(l, e->in, f);
	if (make_pipe(e->in, f) < 0 || make_pipe(e->out, f) < 0 || make_pipe(e->err, f) < 0)
		return -1;
	return give(l, e->in[0], 0600, f) < 0 || give(l, e->out[1], 0600, f) < 0 || give(l, e->err[1], 0600, f) < 0 ? -1 : 0;
}

/* ---- in the server --------------------------------------------------------------------- */

static int listen_at(const char *folder, struct told *told)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct text name = {.len = 0};
	text_int(&name, told->id.pid);
	text_add(&name, ".");
	text_int(&name, (int64_t)told->id.start);
	memcpy(a.sun_path, name.data, name.len);
	/* From inside: the way there may be longer than an address. */
	umask(0177);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || chdir(folder) < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 64) < 0)
		return init_broken(&told->failure, "make a socket in", folder);
	return fd;
}

/* As the container's user: nothing in its sandbox is opened with our rights. */
static int open_logs(struct init_launch *l, struct init_failure *f)
{
	int dir = open(l->dir, O_PATH | O_DIRECTORY | O_CLOEXEC), rc = 0;
	if (dir < 0)
		return init_broken(f, "open the sandbox", l->dir);
	gid_t groups[INIT_MAX_GROUPS], gid;
	uid_t uid;
	int switches = init_who(l, &uid, &gid);
	for (size_t i = 0; i < l->n_groups; i++)
		groups[i] = init_group_outside(l, l->groups[i]);
	if (switches && (syscall(SYS_setgroups, l->n_groups, groups) < 0 || syscall(SYS_setresgid, -1, gid, -1) < 0 ||
			 syscall(SYS_setresuid, -1, uid, -1) < 0))
		return init_broken(f, "change to the user for its output files", NULL);
	l->fd_dir = dir;
	umask(022);
	if (l->fd_out < 0 && l->out && (l->fd_out = init_open_output(l, l->out, f)) < 0)
		rc = -1;
	/* A terminal has one stream. */
	if (rc == 0 && l->fd_err < 0 && l->err && !(l->io_flags & INIT_IO_TTY) && (l->fd_err = init_open_output(l, l->err, f)) < 0)
		rc = -1;
	close(dir);
	if (switches && (syscall(SYS_setresuid, -1, 0, -1) < 0 || syscall(SYS_setresgid, -1, 0, -1) < 0 ||
			       syscall(SYS_setgroups, 0, NULL) < 0) && rc == 0)
		rc = init_broken(f, "change back from the user", NULL);
	return rc;
}

static int keep(int fd, int *at)
{
	if (fd < 0)
		return -1;
	int got = dup3(fd, (*at)++, O_CLOEXEC);
	if (got < 0)
		_exit(1);
	return got;
}

static void serve(struct init_launch *l, struct ends *e, struct told *told)
{
	int tty = (l->io_flags & INIT_IO_TTY) != 0, at = KEEP_FROM;
	told->id.pid = (pid_t)syscall(SYS_getpid);
	told->id.start = init_start_time();
	setsid();
	prctl(PR_SET_NAME, "mezzo-io");
	if (open_logs(l, &told->failure) < 0)
		_exit(1);
	/* Who runs as the same user does not look into it. */
	prctl(PR_SET_DUMPABLE, 0);
	int listener = listen_at(l->io, told);
	if (listener < 0)
		_exit(1);
	const struct init_io io = {
		.listener = keep(listener, &at),
		.life = keep(e->life[0], &at),
		.in = keep(e->in[1], &at),
		.out = keep(e->out[0], &at),
		.err = keep(e->err[0], &at),
		.log_out = keep(l->fd_out, &at),
		.log_err = keep(l->fd_err, &at),
		.is_tty = tty,
		.wait = (l->io_flags & INIT_IO_WAIT) != 0,
		.stall_ms = (int64_t)l->stall_ms,
	};
	told->is_ready = 1;
	syscall(SYS_close_range, 3, KEEP_FROM - 1, 0);
	syscall(SYS_close_range, at, ~0U, 0);
	init_io_serve(&io);
	struct text name = {.len = 0};
	text_int(&name, told->id.pid);
	text_add(&name, ".");
	text_int(&name, (int64_t)told->id.start);
	name.data[name.len] = '\0';
	unlink(name.data);
	_exit(0);
}

/* ---- in the shim ------------------------------------------------------------------------ */

/* A child's child, which nobody has to wait for. */
static int fork_away(struct init_launch *l, struct ends *e, struct told *told)
{
	int status;
	pid_t between = fork();
	if (between == 0) {
		pid_t pid = fork();
		if (pid == 0)
			serve(l, e, told);
		if (pid < 0)
			init_broken(&told->failure, "fork", NULL);
		_exit(0);
	}
	if (between < 0)
		return init_broken(&told->failure, "fork", NULL);
	while (waitpid(between, &status, 0) < 0 && errno == EINTR)
		;
	return told->failure.what ? -1 : 0;
}

/* Until the server has closed its end, which it does when it is ready. */
static void wait_until_ready(int fd)
{
	char byte;
	while (read(fd, &byte, 1) < 0 && errno == EINTR)
		;
}

static void close_two(int *fds)
{
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* What the payload gets; the logger's descriptors are the server's now. */
static int take_ends(struct init_launch *l, struct ends *e, struct init_failure *f)
{
	if (l->fd_out >= 0)
		close(l->fd_out);
	if (l->fd_err >= 0 && l->fd_err != l->fd_out)
		close(l->fd_err);
	l->fd_in = e->in[0];
	close(e->in[1]);
	if (l->io_flags & INIT_IO_TTY) {
		l->fd_out = l->fd_err = l->fd_in;
		/* While we have it, its end is not the terminal's. */
		if (dup3(l->fd_in, TTY_FD, O_CLOEXEC) < 0)
			return init_broken(f, "hold the terminal", NULL);
	} else {
		l->fd_out = e->out[1];
		l->fd_err = e->err[1];
		close(e->out[0]);
		close(e->err[0]);
	}
	if (dup3(e->life[1], LIFE_FD, O_CLOEXEC) < 0)
		return init_broken(f, "hold a pipe", NULL);
	close_two(e->life);
	return 0;
}

int io_start(struct init_launch *l, struct init_io_id *ret, struct init_failure *f)
{
	struct ends e;
	struct told *told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (told == MAP_FAILED)
		return init_broken(f, "share memory", NULL);
	/* The numbers that we need ourselves stay free. */
	int held[FIRST_FREE_FD], n = 0;
	while (n < FIRST_FREE_FD && (held[n] = fcntl(0, F_DUPFD_CLOEXEC, 0)) >= 0 && held[n] < FIRST_FREE_FD)
		n++;
	if (n < FIRST_FREE_FD && held[n] >= 0)
		close(held[n]);
	int rc = make_ends(l, &e, f);
	while (n)
		close(held[--n]);
	if (rc < 0)
		return -1;
	if (fork_away(l, &e, told) < 0) {
		*f = told->failure;
		return -1;
	}
	close(e.ready[1]);
	wait_until_ready(e.ready[0]);
	close(e.ready[0]);
	*f = told->failure;
	if (!told->is_ready && !f->what)
		*f = (struct init_failure){ECHILD, "start the I/O server: it was killed", NULL};
	if (f->what)
		return -1;
	*ret = told->id;
	munmap(told, sizeof(*told));
	return take_ends(l, &e, f);
}
