/* log.c - see log.h. The sink and level are process-wide on purpose: they are
 * set once by main() (or a test) and are the only state in base/.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

static log_sink_fn sink;
static void *sink_arg;
static int threshold = MZ_LOG_INFO;

static const char *const level_names[] = {"debug", "info", "warning", "error"};

void log_set_sink(log_sink_fn fn, void *arg)
{
	sink = fn;
	sink_arg = arg;
}

void log_set_level(int level)
{
	threshold = level;
}

int log_level(void)
{
	return threshold;
}

int log_level_parse(const char *name)
{
	for (size_t i = 0; i < MZ_N(level_names); i++)
		if (strcmp(name, level_names[i]) == 0)
			return (int)i;
	return -1;
}

static void write_stderr(int level, const char *area, const char *text)
{
	struct timespec ts;
	struct tm tm;
	char when[32];
	clock_gettime(CLOCK_REALTIME, &ts);
	localtime_r(&ts.tv_sec, &tm);
	strftime(when, sizeof(when), "%m%d %H:%M:%S", &tm);
	fprintf(stderr, "%c%s.%06ld %s] %s\n", "DIWE"[level & 3], when, ts.tv_nsec / 1000, area, text);
}

void log_write(int level, const char *area, const char *fmt, ...)
{
	if (level < threshold)
		return;
	char stack[512];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(stack, sizeof(stack), fmt, ap);
	va_end(ap);
	mz_autofree char *heap = NULL;
	if (n >= (int)sizeof(stack)) {
		va_start(ap, fmt);
		heap = xvasprintf(fmt, ap);
		va_end(ap);
	}
	const char *text = heap ? heap : stack;
	if (sink)
		sink(sink_arg, level, area, text);
	else
		write_stderr(level, area, text);
}
