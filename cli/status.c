/* status.c - what a task's end means for the exit status of `mezzo run`.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

enum { SIGNAL_BASE = 128, KILLED_STATUS = SIGNAL_BASE + SIGKILL };

/* "SIGTERM", "15" or what strsignal() says, up to a bracket or the end. */
static int signal_number(const char *text)
{
	size_t len = strcspn(text, "(;,\n");
	mz_autofree char *copy = xstrndup(text, len);
	const char *name = str_trim(copy);
	int64_t n;

	if (str_to_i64(name, &n) == 0)
		return n > 0 && n < 128 ? (int)n : 0;
	for (int s = 1; s < NSIG; s++) {
		const char *abbrev = sigabbrev_np(s), *desc = sigdescr_np(s);
		if (abbrev && (str_eq(name, abbrev) || (str_starts(name, "SIG") && str_eq(name + 3, abbrev))))
			return s;
		if (desc && str_eq(name, desc))
			return s;
	}
	return 0;
}

static int from_message(const char *message)
{
	static const char *const exited[] = {"exited with status "};
	static const char *const killed[] = {"terminated with signal ", "terminated by signal "};
	const char *at;

	for (size_t i = 0; i < MZ_N(exited); i++) {
		at = strstr(message, exited[i]);
		if (at) {
			long n = strtol(at + strlen(exited[i]), NULL, 10);
			return n >= 0 && n <= 255 ? (int)n : -1;
		}
	}
	for (size_t i = 0; i < MZ_N(killed); i++) {
		at = strstr(message, killed[i]);
		if (at) {
			int n = signal_number(at + strlen(killed[i]));
			return n ? SIGNAL_BASE + n : -1;
		}
	}
	return -1;
}

int cli_task_status(const char *state, const char *message)
{
	int n = message ? from_message(message) : -1;

	if (str_eq(state, "TASK_FINISHED"))
		return n > 0 ? n : EXIT_OK;
	if (n > 0)
		return n;
	return str_eq(state, "TASK_KILLED") ? KILLED_STATUS : EXIT_FAILED;
}

int cli_first_failure(const int *statuses, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (statuses[i])
			return statuses[i];
	return 0;
}

int cli_parse_env(const char *text, char **ret_name, const char **ret_value)
{
	const char *eq = strchr(text, '=');

	if (!eq || eq == text)
		return -EINVAL;
	*ret_name = xstrndup(text, (size_t)(eq - text));
	*ret_value = eq + 1;
	return 0;
}
