/* terminal.c - see terminal.h. A process has one terminal, hence the globals; signals
 * are caught by hand, so that they help also while a write blocks.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/err.h"

static struct termios saved;
static volatile sig_atomic_t is_raw;

bool terminal_is_there(void)
{
	return isatty(STDIN_FILENO);
}

void terminal_size(int *ret_rows, int *ret_columns)
{
	struct winsize w;

	*ret_rows = 24;
	*ret_columns = 80;
	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row && w.ws_col) {
		*ret_rows = w.ws_row;
		*ret_columns = w.ws_col;
	}
}

void terminal_restore(void)
{
	if (is_raw)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	is_raw = 0;
}

/* Called once: what comes back to it has its default meaning. */
static void on_fatal_signal(int signo)
{
	terminal_restore();
	raise(signo);
}

static void catch_signals(void)
{
	static const int fatal[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM};
	struct sigaction a = {.sa_handler = on_fatal_signal, .sa_flags = (int)SA_RESETHAND};

	sigemptyset(&a.sa_mask);
	for (size_t i = 0; i < MZ_N(fatal); i++)
		(void)sigaction(fatal[i], &a, NULL);
}

int terminal_raw(struct mz_err *err)
{
	struct termios t;

	if (tcgetattr(STDIN_FILENO, &saved) < 0)
		return mz_fail(err, -errno, "Cannot ask the terminal: %s", strerror(errno));
	t = saved;
	cfmakeraw(&t);
	catch_signals();
	(void)atexit(terminal_restore);
	is_raw = 1;
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &t) < 0)
		return mz_fail(err, -errno, "Cannot set the terminal: %s", strerror(errno));
	return 0;
}
