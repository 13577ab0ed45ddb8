/* log.h - one line per event, to one sink that main() chooses.
 *
 * base, conf, wire and model never log above debug: they return errors, and
 * whoever stops an error logs it, once. Levels are MZ_LOG_* of <mezzo/types.h>.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_BASE_LOG_H
#define MZ_BASE_LOG_H

#include <mezzo/types.h>

#include "base/compiler.h"

/* Receives finished text without a newline. `area` is "master", "module/x", … */
typedef void (*log_sink_fn)(void *arg, int level, const char *area, const char *text);

/* NULL restores the default: "I1121 09:33:02.123456 area] text" on stderr. */
void log_set_sink(log_sink_fn fn, void *arg);
void log_set_level(int level);
int log_level(void);
/* "debug", "info", "warning", "error"; -1 if it is none of them. */
int log_level_parse(const char *name);
void log_write(int level, const char *area, const char *fmt, ...) MZ_PRINTF(3, 4);

#define log_debug(area, ...) \
	(log_level() <= MZ_LOG_DEBUG ? log_write(MZ_LOG_DEBUG, area, __VA_ARGS__) : (void)0)
#define log_info(area, ...) log_write(MZ_LOG_INFO, area, __VA_ARGS__)
#define log_warning(area, ...) log_write(MZ_LOG_WARNING, area, __VA_ARGS__)
#define log_error(area, ...) log_write(MZ_LOG_ERROR, area, __VA_ARGS__)

#endif
