/* SPDX-License-Identifier: ISC */
/*
 * One line of log: format, escape, limit, hand to the sink.
 */
#include "log.h"

#include "wire.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/* Call sites are told apart by their format string. */
#define SITES 64

struct site {
	const char *format;
	time_t second;
	unsigned int lines;
	unsigned int left_out;
};

static const char *own_tag = "adconnector";
static log_sink sink;
static enum log_level limit = LOG_LEVEL_INFO;
static bool as_json, use_syslog;
static struct site sites[SITES];

static const char *const words[] = { "error", "warning", "info", "debug" };

void
log_init(const char *tag)
{
	own_tag = tag;
}

void
log_set_sink(log_sink s)
{
	sink = s;
}

void
log_set_level(enum log_level level)
{
	limit = level;
}

void
log_set_json(bool json)
{
	as_json = json;
}

int
log_level_from_word(const char *word)
{
	int i;

	for (i = 0; i < 4; i++) {
		if (strcmp(word, words[i]) == 0)
			return i;
	}
	return -1;
}

const char *
log_level_word(enum log_level level)
{
	return words[level > LOG_LEVEL_DEBUG ? LOG_LEVEL_DEBUG : level];
}

/* Bytes of a printable character at p, 0 for a control or what is not UTF-8. */
static size_t
printable(const unsigned char *p)
{
	size_t n;

	if (*p < 0x80)
		return *p >= 0x20 && *p != 0x7f;
	n = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;
	if (strnlen((const char *)p, n) < n || !utf8_valid(p, n))
		return 0;
	return p[0] == 0xc2 && p[1] < 0xa0 ? 0 : n;
}

/* Would it be read as an escape? Other backslashes are what they are: DOMAIN\\USER. */
static bool
looks_escaped(const unsigned char *p)
{
	return p[0] == '\\' && p[1] == 'x' && isxdigit(p[2]) && isxdigit(p[3]);
}

/*
 * What is not printable becomes \xNN, so that text from outside can neither end a line nor move a
 * terminal's cursor.  again: a child has done so already, and what it escaped stays as it is.
 */
static void
escape(char *dst, size_t size, const char *src, bool again)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *p = (const unsigned char *)src;
	size_t at = 0, n;

	while (*p != '\0' && at + 5 < size) {
		if ((n = printable(p)) > 0 && (again || !looks_escaped(p))) {
			memcpy(dst + at, p, n);
			at += n;
			p += n;
		} else {
			dst[at++] = '\\';
			dst[at++] = 'x';
			dst[at++] = hex[*p >> 4];
			dst[at++] = hex[*p & 15];
			p++;
		}
	}
	dst[at] = '\0';
}

void
log_use_syslog(void)
{
	use_syslog = true;
}

/* The line goes out in one write, so that lines of several processes do not mix. */
void
log_write(enum log_level level, const char *tag, const char *text)
{
	static const int priorities[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
	char line[LOG_LINE_MAX * 2 + 256], quoted[LOG_LINE_MAX * 2];
	const char *p;
	size_t at = 0;
	struct timespec now;
	struct tm tm;
	int n;

	if (use_syslog) {
		syslog(LOG_DAEMON | priorities[level], "%s: %s", tag, text);
		return;
	}
	if (as_json) {
		clock_gettime(CLOCK_REALTIME, &now);
		gmtime_r(&now.tv_sec, &tm);
		for (p = text; *p != '\0' && at + 3 < sizeof(quoted); p++) {
			if (*p == '"' || *p == '\\')
				quoted[at++] = '\\';
			quoted[at++] = *p;
		}
		quoted[at] = '\0';
		n = snprintf(line, sizeof(line),
		    "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ\",\"level\":\"%s\","
		    "\"tag\":\"%s\",\"text\":\"%s\"}\n",
		    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		    now.tv_nsec / 1000000, log_level_word(level), tag, quoted);
	} else
		n = snprintf(line, sizeof(line), "%s: %s: %s\n", log_level_word(level), tag, text);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(line))
		n = (int)sizeof(line) - 1;
	/* There is nobody to tell when standard error is gone. */
	if (write(STDERR_FILENO, line, (size_t)n) == -1)
		return;
}

static void
emit(enum log_level level, const char *text)
{
	char escaped[LOG_LINE_MAX];

	escape(escaped, sizeof(escaped), text, false);
	if (sink != NULL)
		sink(level, own_tag, escaped);
	else
		log_write(level, own_tag, escaped);
}

void
log_from_child(enum log_level level, const char *tag, const char *text)
{
	char line[LOG_LINE_MAX];

	if (level > limit)
		return;
	escape(line, sizeof(line), text, true);
	if (sink != NULL)
		sink(level, tag, line);
	else
		log_write(level, tag, line);
}

/* False when this call site has had its lines for this second. */
static bool
within_rate(const char *format)
{
	struct site *site;
	struct timespec now;
	char text[128];
	unsigned int left_out;

	site = &sites[((uintptr_t)format >> 3) % SITES];
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (site->format != format || site->second != now.tv_sec) {
		left_out = site->left_out;
		site->format = format;
		site->second = now.tv_sec;
		site->lines = site->left_out = 0;
		if (left_out > 0) {
			snprintf(
			    text, sizeof(text), "%u lines like one before were left out", left_out);
			emit(LOG_LEVEL_WARNING, text);
		}
	}
	if (site->lines >= LOG_BURST) {
		site->left_out++;
		return false;
	}
	site->lines++;
	return true;
}

static void __attribute__((format(printf, 3, 0)))
vlog(enum log_level level, int error, const char *format, va_list ap)
{
	char text[LOG_LINE_MAX / 2];
	size_t len;
	int n, saved = errno;

	if (level > limit || !within_rate(format)) {
		errno = saved;
		return;
	}
	n = vsnprintf(text, sizeof(text), format, ap);
	if (n < 0)
		text[0] = '\0';
	if (error != 0) {
		len = strlen(text);
		snprintf(text + len, sizeof(text) - len, ": %s", strerror(error));
	}
	emit(level, text);
	errno = saved;
}

#define LOG_FUNCTION(name, level, error)                                                           \
	void name(const char *format, ...)                                                         \
	{                                                                                          \
		va_list ap;                                                                        \
                                                                                                   \
		va_start(ap, format);                                                              \
		vlog(level, error, format, ap);                                                    \
		va_end(ap);                                                                        \
	}

LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG, 0)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO, 0)
LOG_FUNCTION(log_warn, LOG_LEVEL_WARNING, errno)
LOG_FUNCTION(log_warnx, LOG_LEVEL_WARNING, 0)
LOG_FUNCTION(log_error, LOG_LEVEL_ERROR, errno)
LOG_FUNCTION(log_errorx, LOG_LEVEL_ERROR, 0)

void
fatal(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vlog(LOG_LEVEL_ERROR, errno, format, ap);
	va_end(ap);
	_exit(1);
}

void
fatalx(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vlog(LOG_LEVEL_ERROR, 0, format, ap);
	va_end(ap);
	_exit(1);
}
