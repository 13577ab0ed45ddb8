/* loop_offload.c - worker threads for what blocks. Threads start with the
 * first work, take no signals, and hand results back through post_from.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/mem.h"
#include "loop/loop_impl.h"

struct job {
	struct loop_event *loop;
	loop_fn work, done;
	void *arg;
	struct list link, all;
};

void loop_offload_init(struct offload *o, int n_workers)
{
	pthread_mutex_init(&o->mutex, NULL);
	pthread_cond_init(&o->wake, NULL);
	list_init(&o->queue);
	list_init(&o->jobs);
	o->n_threads_max = MZ_MAX(n_workers, 1);
	o->threads = xcalloc((size_t)o->n_threads_max, sizeof(*o->threads));
}

void loop_offload_done(struct offload *o)
{
	pthread_mutex_lock(&o->mutex);
	o->quit = true;
	pthread_cond_broadcast(&o->wake);
	pthread_mutex_unlock(&o->mutex);
	for (int i = 0; i < o->n_threads; i++)
		pthread_join(o->threads[i], NULL);
	list_each(&o->jobs, struct job, all, job) free(job);
	free(o->threads);
	pthread_cond_destroy(&o->wake);
	pthread_mutex_destroy(&o->mutex);
}

static void on_job_done(void *arg)
{
	struct job *job = arg;
	loop_fn done = job->done;
	void *done_arg = job->arg;
	job->loop->offload.n_jobs--;
	list_remove(&job->all);
	free(job);
	if (done)
		done(done_arg);
}

static void *worker(void *arg)
{
	struct offload *o = arg;
	pthread_mutex_lock(&o->mutex);
	for (;;) {
		o->n_idle++;
		while (!o->quit && list_empty(&o->queue))
			pthread_cond_wait(&o->wake, &o->mutex);
		o->n_idle--;
		if (o->quit)
			break;
		struct job *job = list_first(&o->queue, struct job, link);
		list_remove(&job->link);
		o->n_queued--;
		pthread_mutex_unlock(&o->mutex);
		job->work(job->arg);
		loop_post_from(&job->loop->loop, on_job_done, job);
		pthread_mutex_lock(&o->mutex);
	}
	pthread_mutex_unlock(&o->mutex);
	return NULL;
}

/* Under the mutex. Signals belong to the loop thread. */
static int start_worker(struct offload *o)
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(&o->threads[o->n_threads], NULL, worker, o);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc == 0)
		o->n_threads++;
	return rc;
}

int loop_offload_add(struct loop *loop, loop_fn work, loop_fn done, void *arg)
{
	struct loop_event *l = loop_event_of(loop);
	struct offload *o = &l->offload;
	if (o->n_jobs >= OFFLOAD_MAX)
		return -EAGAIN;
	pthread_mutex_lock(&o->mutex);
	/* An idle worker may already be meant for a job that it has not taken. */
	if (o->n_idle <= o->n_queued && o->n_threads < o->n_threads_max)
		(void)start_worker(o); /* those that run will do, if there are any */
	if (o->n_threads == 0) {
		pthread_mutex_unlock(&o->mutex);
		return -EAGAIN;
	}
	struct job *job = xnew(struct job);
	*job = (struct job){.loop = l, .work = work, .done = done, .arg = arg};
	list_append(&o->queue, &job->link);
	o->n_queued++;
	pthread_cond_signal(&o->wake);
	pthread_mutex_unlock(&o->mutex);
	list_append(&o->jobs, &job->all);
	o->n_jobs++;
	return 0;
}
