/* sim_loop.c - struct loop of one simulated process.
 *
 * Time stands still while a callback runs. Offloaded work runs at a time that
 * is drawn, its result arrives at another one. File descriptors and children
 * do not exist here: whoever asks for one breaks the rule that state machines do
 * no I/O, and the process aborts.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sim/sim_impl.h"

static struct sim_node *node_of(struct loop *l)
{
	return (struct sim_node *)l;
}

static int64_t op_now(struct loop *l)
{
	return sim_now(node_of(l)->sim);
}

static int64_t op_wall(struct loop *l)
{
	return sim_wall(node_of(l)->sim);
}

static void op_random(struct loop *l, void *out, size_t size)
{
	unsigned char *p = out;
	while (size) {
		uint64_t r = sim_random(node_of(l)->sim);
		size_t n = MZ_MIN(size, sizeof(r));
		memcpy(p, &r, n);
		p += n;
		size -= n;
	}
}

static struct loop_timer *op_timer(struct loop *l, int64_t delay_ns, loop_fn fn, void *arg)
{
	return sim_queue(node_of(l), delay_ns, fn, arg);
}

static void op_timer_cancel(struct loop *l, struct loop_timer *t)
{
	must(t->node == node_of(l));
	sim_unqueue(t);
}

static void op_post(struct loop *l, loop_fn fn, void *arg)
{
	(void)sim_queue(node_of(l), 0, fn, arg);
}

/* ---- offloaded work ------------------------------------------------------------- */

struct offload {
	struct sim_node *node;
	loop_fn work, done;
	void *arg;
};

static void on_done(void *arg)
{
	struct offload o = *(struct offload *)arg;
	free(arg);
	o.done(o.arg);
}

static void on_work(void *arg)
{
	struct offload *o = arg;
	o->work(o->arg);
	(void)sim_queue(o->node, sim_exp(o->node->sim, NS_PER_MS), on_done, o);
}

static int op_offload(struct loop *l, loop_fn work, loop_fn done, void *arg)
{
	struct sim_node *n = node_of(l);
	struct offload *o = xnew(struct offload);
	*o = (struct offload){n, work, done, arg};
	(void)sim_queue(n, sim_exp(n->sim, NS_PER_MS), on_work, o);
	return 0;
}

/* ---- what does not exist here ------------------------------------------------------ */

static void no_such_thing(struct loop *l, const char *what) MZ_NORETURN;
static void no_such_thing(struct loop *l, const char *what)
{
	fprintf(stderr, "Simulated process '%s' asked its loop for %s: parts without I/O must not\n",
		node_of(l)->name, what);
	abort();
}

static struct loop_fd *op_fd(struct loop *l, int fd MZ_UNUSED, int events MZ_UNUSED, loop_fd_fn fn MZ_UNUSED,
			     void *arg MZ_UNUSED)
{
	no_such_thing(l, "a file descriptor");
}

static void op_fd_close(struct loop *l, struct loop_fd *f MZ_UNUSED)
{
	no_such_thing(l, "the end of a file descriptor");
}

static int op_spawn(struct loop *l, const struct loop_spawn *s MZ_UNUSED, loop_exit_fn fn MZ_UNUSED,
		    void *arg MZ_UNUSED, struct loop_child **ret MZ_UNUSED, pid_t *ret_pid MZ_UNUSED,
		    struct mz_err *err MZ_UNUSED)
{
	no_such_thing(l, "a child process");
}

static int op_adopt(struct loop *l, pid_t pid MZ_UNUSED, loop_exit_fn fn MZ_UNUSED, void *arg MZ_UNUSED,
		    struct loop_child **ret MZ_UNUSED, struct mz_err *err MZ_UNUSED)
{
	no_such_thing(l, "a process to watch");
}

static int op_child_signal(struct loop *l, struct loop_child *c MZ_UNUSED, int sig MZ_UNUSED)
{
	no_such_thing(l, "a signal to a child");
}

static void op_child_close(struct loop *l, struct loop_child *c MZ_UNUSED)
{
	no_such_thing(l, "the end of a child");
}

static const struct loop_ops ops = {
	.now = op_now,
	.wall = op_wall,
	.random = op_random,
	.timer = op_timer,
	.timer_cancel = op_timer_cancel,
	.post = op_post,
	.post_from = op_post,
	.offload = op_offload,
	.fd = op_fd,
	.fd_close = op_fd_close,
	.spawn = op_spawn,
	.adopt = op_adopt,
	.child_signal = op_child_signal,
	.child_close = op_child_close,
};

/* ---- nodes ------------------------------------------------------------------------------ */

struct sim_node *sim_node_new(struct sim *s, struct sim_host *host, const char *name)
{
	struct sim_node *n = xnew(struct sim_node);
	n->loop.ops = &ops;
	n->sim = s;
	n->host = host;
	snprintf(n->name, sizeof(n->name), "%s", name);
	list_init(&n->timers);
	list_init(&n->sides);
	return n;
}

/* The entries stay until the node is freed: their owners may still cancel them. */
void sim_node_kill(struct sim_node *n)
{
	n->dead = true;
	list_each(&n->timers, struct loop_timer, in_node, t)
		sim_silence(t);
}

void sim_node_free(struct sim_node *n)
{
	if (!n)
		return;
	list_each(&n->timers, struct loop_timer, in_node, t)
		sim_unqueue(t);
	free(n);
}
