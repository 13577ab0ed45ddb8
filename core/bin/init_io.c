/* init_io.c - mezzo-init: the I/O server of one attachable container. It decides
 * nothing: bytes go from the container to its log and to whoever is attached, and
 * from whoever is attached to the container.
 *
 * Each client has one buffer each way. While the fullest one has no room for
 * another frame, nothing is read from the container: it waits, as at a terminal
 * that is not read. A client that takes nothing for long is cut, so that nobody
 * waits for it longer than that; all are, soon after the container's end.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "bin/init_io.h"

enum { HELLO = 1, STDIN = 2, WINDOW = 3, STDOUT = 4, STDERR = 5, END = 6 };
enum { FRAME_MAX = 65536, HEAD = 8, PIECE = 16384, ROOM = 4 * (PIECE + HEAD) };

struct client {
	int fd; /* -1: free */
	char kind; /* 'i', 'o', 0: has not said yet */
	size_t got; /* of the frame that is coming */
	unsigned char frame[HEAD + FRAME_MAX];
	size_t to_send;
	unsigned char out[ROOM + 2 * HEAD];
	/* Since when it owes us something, to take output or to say what it is; 0: it
	 * does not. */
	int64_t since_ms;
};

struct server {
	struct init_io io;
	struct client clients[INIT_IO_MAX_CLIENTS];
	/* Input that the container has not taken yet. */
	unsigned char pending[FRAME_MAX];
	size_t n_pending;
	int in_ends; /* close it once that is taken */
	int ever_attached, ended; /* ended: END has been said */
	int64_t start_ms, over_ms; /* over: nothing of the container is left; 0: there is */
};

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 + 1;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void drop(struct client *c)
{
	close_fd(&c->fd);
	c->kind = 0;
	c->got = c->to_send = 0;
	c->since_ms = 0;
}

/* ---- to clients -------------------------------------------------------------------- */

static void put_frame(struct client *c, int type, const void *data, size_t size)
{
	unsigned char *p = c->out + c->to_send;
	memset(p, 0, HEAD);
	p[0] = (unsigned char)type;
	for (int i = 0; i < 4; i++)
		p[4 + i] = (unsigned char)(size >> (8 * i));
	if (size)
		memcpy(p + HEAD, data, size);
	c->to_send += HEAD + size;
}

static void flush(struct client *c)
{
	size_t done = 0;
	while (done < c->to_send) {
		ssize_t n = send(c->fd, c->out + done, c->to_send - done, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			drop(c);
			return;
		}
		done += (size_t)n;
	}
	c->to_send -= done;
	memmove(c->out, c->out + done, c->to_send);
	if (!c->to_send)
		c->since_ms = 0;
	else if (done || !c->since_ms)
		c->since_ms = now_ms();
}

static void tell(struct server *s, int type, const void *data, size_t size)
{
	for (int i = 0; i < INIT_IO_MAX_CLIENTS; i++) {
		struct client *c = &s->clients[i];
		if (c->fd < 0 || c->kind != 'o')
			continue;
		put_frame(c, type, data, size);
		flush(c);
	}
}

/* ---- from the container ------------------------------------------------------------- */

static void write_down(int fd, const unsigned char *data, size_t size)
{
	while (fd >= 0 && size) {
		ssize_t n = write(fd, data, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			struct pollfd p = {fd, POLLOUT, 0};
			(void)poll(&p, 1, -1);
			continue;
		}
		if (n <= 0)
			return; /* a full disk does not stop the container */
		data += n;
		size -= (size_t)n;
	}
}

/* Has anything been read? */
static int read_output(struct server *s, int *fd, int log, int type)
{
	unsigned char data[PIECE];
	ssize_t n = read(*fd, data, sizeof(data));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0) { /* a terminal says EIO */
		close_fd(fd);
		return 0;
	}
	write_down(log, data, (size_t)n);
	tell(s, type, data, (size_t)n);
	return 1;
}

static int may_read(const struct server *s)
{
	if (s->io.wait && !s->ever_attached)
		return 0;
	for (int i = 0; i < INIT_IO_MAX_CLIENTS; i++)
		if (s->clients[i].fd >= 0 && s->clients[i].to_send + PIECE + HEAD > ROOM)
			return 0;
	return 1;
}

/* ---- to the container ---------------------------------------------------------------- */

static void write_input(struct server *s)
{
	size_t done = 0;
	while (s->io.in >= 0 && done < s->n_pending) {
		ssize_t n = write(s->io.in, s->pending + done, s->n_pending - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) { /* it does not read any more */
			done = s->n_pending;
			s->in_ends = !s->io.is_tty;
			break;
		}
		done += (size_t)n;
	}
	s->n_pending = s->io.in < 0 ? 0 : s->n_pending - done;
	memmove(s->pending, s->pending + done, s->n_pending);
	if (!s->n_pending && s->in_ends)
		close_fd(&s->io.in);
}

static void end_of_input(struct server *s)
{
	if (!s->io.is_tty) {
		s->in_ends = 1;
		write_input(s);
		return;
	}
	/* What a user would press. */
	struct termios t;
	unsigned char eof = 4;
	if (tcgetattr(s->io.in, &t) == 0)
		eof = t.c_cc[VEOF];
	s->pending[s->n_pending++] = eof;
	write_input(s);
}

static int on_hello(struct server *s, struct client *c, const unsigned char *data, size_t size)
{
	if (size != 1 || (data[0] != 'i' && data[0] != 'o'))
		return -1;
	c->kind = (char)data[0];
	c->since_ms = 0;
	if (c->kind != 'o')
		return 1;
	s->ever_attached = 1;
	if (s->ended) {
		put_frame(c, END, NULL, 0);
		flush(c);
	}
	return 1;
}

static int on_input(struct server *s, const unsigned char *data, size_t size)
{
	if (s->n_pending)
		return 0;
	if (s->in_ends || s->io.in < 0)
		return 1; /* too late, as for a closed pipe */
	if (!size) {
		end_of_input(s);
		return 1;
	}
	memcpy(s->pending, data, size);
	s->n_pending = size;
	write_input(s);
	return 1;
}

/* 0: it waits until what was sent before has been taken; -1: nonsense. */
static int on_frame(struct server *s, struct client *c, int type, const unsigned char *data, size_t size)
{
	if (!c->kind)
		return type == HELLO ? on_hello(s, c, data, size) : -1;
	if (c->kind != 'i')
		return -1;
	if (type == STDIN)
		return on_input(s, data, size);
	if (type == WINDOW && size == 4) {
		struct winsize w = {.ws_row = (unsigned short)(data[0] | data[1] << 8),
				    .ws_col = (unsigned short)(data[2] | data[3] << 8)};
		if (s->io.is_tty && s->io.in >= 0)
			(void)ioctl(s->io.in, TIOCSWINSZ, &w);
		return 1;
	}
	return -1;
}

static size_t frame_size(const unsigned char *head)
{
	return (size_t)head[4] | (size_t)head[5] << 8 | (size_t)head[6] << 16 | (size_t)head[7] << 24;
}

static int is_whole(const struct client *c)
{
	return c->got >= HEAD && c->got >= HEAD + frame_size(c->frame);
}

/* Carries out the frame that is complete, if it may be. */
static void take_frame(struct server *s, struct client *c)
{
	if (c->fd < 0 || !is_whole(c))
		return;
	int r = on_frame(s, c, c->frame[0], c->frame + HEAD, frame_size(c->frame));
	if (r < 0)
		drop(c);
	else if (r > 0)
		c->got = 0;
}

/* One frame at a time: bytes of the next one stay in the socket. */
static void read_client(struct server *s, struct client *c)
{
	while (!is_whole(c)) {
		size_t want = c->got < HEAD ? HEAD : HEAD + frame_size(c->frame);
		ssize_t n = recv(c->fd, c->frame + c->got, want - c->got, MSG_DONTWAIT);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			return;
		if (n <= 0) {
			drop(c);
			return;
		}
		c->got += (size_t)n;
		const unsigned char *head = c->frame;
		if (c->got == HEAD && (head[1] || head[2] || head[3] || frame_size(head) > FRAME_MAX)) {
			drop(c);
			return;
		}
	}
	take_frame(s, c);
}

static int accept_client(struct server *s)
{
	int fd = accept4(s->io.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return 0;
	for (int i = 0; i < INIT_IO_MAX_CLIENTS; i++)
		if (s->clients[i].fd < 0) {
			s->clients[i].fd = fd;
			s->clients[i].since_ms = now_ms();
			return 1;
		}
	close(fd); /* there are enough */
	return 1;
}

/* ---- the end ------------------------------------------------------------------------------ */

static int n_outputs(const struct server *s)
{
	return s->io.is_tty ? s->io.in >= 0 : (s->io.out >= 0) + (s->io.err >= 0);
}

/* Time is up: what the container has left is written down, and that is all. */
static void give_up(struct server *s)
{
	for (int i = 0; i < INIT_IO_MAX_CLIENTS; i++)
		drop(&s->clients[i]);
	int *fds[] = {s->io.is_tty ? &s->io.in : &s->io.out, &s->io.err};
	for (int i = 0; i < 2; i++) {
		if (*fds[i] >= 0)
			(void)fcntl(*fds[i], F_SETFL, O_NONBLOCK);
		while (*fds[i] >= 0 && read_output(s, fds[i], i ? s->io.log_err : s->io.log_out, 0))
			;
	}
}

/* All was read: those who are attached get the rest and the end. True when the
 * container is over and nobody is left. */
static int finished(struct server *s)
{
	if (n_outputs(s))
		return 0;
	if (!s->ended) {
		s->ended = 1;
		tell(s, END, NULL, 0);
	}
	int n = 0;
	for (int i = 0; i < INIT_IO_MAX_CLIENTS; i++) {
		struct client *c = &s->clients[i];
		if (c->fd >= 0 && ((c->kind == 'o' && !c->to_send) || (c->kind == 'i' && s->over_ms)))
			drop(c);
		n += c->fd >= 0;
	}
	/* Nor anybody who came in this moment. */
	return s->over_ms && !n && !accept_client(s);
}

/* ---- the loop -------------------------------------------------------------------------- */

/* Does what is due, and says when the next is; -1: nothing is. */
static int keep_time(struct server *s)
{
	int64_t now = now_ms(), next = INT32_MAX;
	if (s->io.wait && !s->ever_attached) {
		int64_t due = s->start_ms + INIT_IO_FIRST_MS;
		if (now >= due)
			s->io.wait = 0; /* nobody comes: at least it is written down */
		else
			next = due - now;
	}
	for (int i = 0; i < INIT_IO_MAX_CLIENTS; i++) {
		struct client *c = &s->clients[i];
		int64_t due = c->since_ms + s->io.stall_ms;
		if (c->fd < 0 || !c->since_ms)
			continue;
		if (now >= due)
			drop(c);
		else if (due - now < next)
			next = due - now;
	}
	if (s->over_ms) {
		int64_t due = s->over_ms + (s->io.stall_ms < INIT_IO_END_MS ? s->io.stall_ms : INIT_IO_END_MS);
		if (now >= due)
			give_up(s);
		else if (due - now < next)
			next = due - now;
		return now >= due ? -2 : (int)next;
	}
	return next == INT32_MAX ? -1 : (int)next;
}

static void on_end_of_life(struct server *s)
{
	char byte;
	s->over_ms = now_ms();
	if (read(s->io.life, &byte, 1) == 1)
		s->io.wait = 0; /* it never lived: nobody will come */
}

enum { AT_LISTENER, AT_LIFE, AT_IN, AT_OUT, AT_ERR, AT_CLIENTS };

static void fill(const struct server *s, struct pollfd *p)
{
	int reading = may_read(s);
	p[AT_LISTENER] = (struct pollfd){s->io.listener, POLLIN, 0};
	p[AT_LIFE] = (struct pollfd){s->over_ms ? -1 : s->io.life, POLLIN, 0};
	p[AT_IN] = (struct pollfd){-1, 0, 0};
	if (s->io.in >= 0 && (s->n_pending || (s->io.is_tty && reading)))
		p[AT_IN] = (struct pollfd){s->io.in,
					   (short)((s->n_pending ? POLLOUT : 0) | (s->io.is_tty && reading ? POLLIN : 0)), 0};
	p[AT_OUT] = (struct pollfd){reading ? s->io.out : -1, POLLIN, 0};
	p[AT_ERR] = (struct pollfd){reading ? s->io.err : -1, POLLIN, 0};
	for (int i = 0; i < INIT_IO_MAX_CLIENTS; i++) {
		const struct client *c = &s->clients[i];
		/* One whose input is not taken is not read, nor asked whether it is there. */
		p[AT_CLIENTS + i] = (struct pollfd){is_whole(c) ? -1 : c->fd, (short)(POLLIN | (c->to_send ? POLLOUT : 0)), 0};
	}
}

static void turn(struct server *s, const struct pollfd *p)
{
	const short readable = POLLIN | POLLHUP | POLLERR;
	if (p[AT_LIFE].revents)
		on_end_of_life(s);
	if (p[AT_IN].revents & (POLLOUT | POLLERR | POLLHUP) && s->n_pending)
		write_input(s);
	if (s->io.is_tty && s->io.in >= 0 && p[AT_IN].revents & readable && may_read(s))
		read_output(s, &s->io.in, s->io.log_out, STDOUT);
	if (p[AT_OUT].revents & readable)
		read_output(s, &s->io.out, s->io.log_out, STDOUT);
	if (p[AT_ERR].revents & readable && may_read(s))
		read_output(s, &s->io.err, s->io.log_err, STDERR);
	for (int i = 0; i < INIT_IO_MAX_CLIENTS; i++) {
		struct client *c = &s->clients[i];
		if (c->fd >= 0 && c->fd == p[AT_CLIENTS + i].fd) {
			if (p[AT_CLIENTS + i].revents & POLLOUT)
				flush(c);
			if (c->fd >= 0 && p[AT_CLIENTS + i].revents & readable)
				read_client(s, c);
		}
		take_frame(s, c); /* one that was held */
	}
	if (p[AT_LISTENER].revents & POLLIN)
		(void)accept_client(s);
}

void init_io_serve(const struct init_io *io)
{
	static struct server s; /* its pages are touched as far as they are used */
	s.io = *io;
	s.start_ms = now_ms();
	for (int i = 0; i < INIT_IO_MAX_CLIENTS; i++)
		s.clients[i].fd = -1;
	(void)fcntl(s.io.in, F_SETFL, O_NONBLOCK);
	while (!finished(&s)) {
		struct pollfd p[AT_CLIENTS + INIT_IO_MAX_CLIENTS];
		int timeout = keep_time(&s);
		if (timeout == -2)
			break;
		fill(&s, p);
		if (poll(p, sizeof(p) / sizeof(p[0]), timeout) < 0)
			continue;
		turn(&s, p);
	}
}
