/* SPDX-License-Identifier: ISC */
/*
 * Logging.  A child's lines are messages to its parent; the parent writes them
 * to standard error and keeps a ring for `adconnectorctl log`.  Text that came
 * from outside is escaped here, so that no caller can forget it.  A call site
 * that repeats itself is held to LOG_BURST lines a second, and what was left
 * out is counted in a line of its own.
 *
 * No secret is ever an argument of these functions.
 */
#ifndef ADC_LOG_H
#define ADC_LOG_H

#include <stdarg.h>
#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

#define LOG_LINE_MAX 2048
#define LOG_BURST 50

/* Where lines go. The text is escaped and has no line feed. */
typedef void (*log_sink)(enum log_level, const char *tag, const char *text);

/* Tag of this process; lines go to standard error until a sink is set. */
void log_init(const char *tag);
void log_set_sink(log_sink);
void log_set_level(enum log_level);
/* Standard error as one JSON object a line, or as text. */
void log_set_json(bool);
/* -1 for a word that is no level. */
int log_level_from_word(const char *);
const char *log_level_word(enum log_level);
/* Lines go to syslog instead of standard error. */
void log_use_syslog(void);
/* Writes a line where lines end up: standard error in the form that was set, or syslog. */
void log_write(enum log_level, const char *tag, const char *text);

/* A child's line, in the parent: escaped again, for the child may be in other hands. */
void log_from_child(enum log_level, const char *tag, const char *text);

/* warn and error add ": strerror(errno)"; the x forms do not. */
void log_debug(const char *, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *, ...) __attribute__((format(printf, 1, 2)));
void log_warnx(const char *, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *, ...) __attribute__((format(printf, 1, 2)));
void log_errorx(const char *, ...) __attribute__((format(printf, 1, 2)));
/* Log as an error, then _exit(1). For start-up, breaches of protocol, out of memory in a child. */
void fatal(const char *, ...) __attribute__((format(printf, 1, 2), noreturn));
void fatalx(const char *, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
