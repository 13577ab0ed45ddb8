/* real_master.h - a master of one benchmark: started in a new directory, talked to
 * over plain sockets, killed at the end.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_BENCH_REAL_MASTER_H
#define MZ_BENCH_REAL_MASTER_H

#include <stddef.h>
#include <sys/types.h>

struct real_master {
	pid_t pid;
	int port;
	char *dir;
};

/* Starts `MEZZOD master -c CONF` under $TMPDIR; ends the program if it cannot. */
void real_master_start(struct real_master *m, const char *mezzod, const char *conf);
/* Kills it and removes its directory. */
void real_master_stop(struct real_master *m);
/* Says why with errno, kills what was started and ends the program. */
void give_up(const char *why) __attribute__((noreturn));

/* A blocking socket to the HTTP API. */
int real_master_connect(const struct real_master *m);
/* The same with the SUBSCRIBE of a framework NAME already written. */
int real_master_subscribe(const struct real_master *m, const char *name);
void write_all(int fd, const char *data, size_t size);

double now_secs(void);

#endif
