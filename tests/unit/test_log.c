/* SPDX-License-Identifier: ISC */
/*
 * Lines of the log: what text from outside may do to them (nothing), how many
 * there may be, and where they go.  Linked with -Wl,--wrap=clock_gettime.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/log.h"

#include <sys/wait.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int __real_clock_gettime(clockid_t, struct timespec *);
int __wrap_clock_gettime(clockid_t, struct timespec *);

static char last[LOG_LINE_MAX + 1], before[LOG_LINE_MAX + 1], last_tag[64];
static enum log_level last_level;
static unsigned int lines;
static time_t frozen; /* the second that the monotonic clock shows, 0: the true one */

int
__wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	if (clock != CLOCK_MONOTONIC || frozen == 0)
		return __real_clock_gettime(clock, now);
	now->tv_sec = frozen;
	now->tv_nsec = 999999999;
	return 0;
}

static void
capture(enum log_level level, const char *tag, const char *text)
{
	lines++;
	last_level = level;
	assert_true(strlen(text) < LOG_LINE_MAX);
	memcpy(before, last, sizeof(before));
	snprintf(last, sizeof(last), "%s", text);
	snprintf(last_tag, sizeof(last_tag), "%s", tag);
}

static int
setup(void **state)
{
	(void)state;
	log_init("tester");
	log_set_sink(capture);
	log_set_level(LOG_LEVEL_INFO);
	log_set_json(false);
	lines = 0;
	last[0] = '\0';
	return 0;
}

static void
escapes(void **state)
{
	static const struct {
		const char *text, *shown;
	} cases[] = {
		{ "", "" },
		{ "plain: text, 100%", "plain: text, 100%" },
		{ "line\nforged: line", "line\\x0aforged: line" },
		{ "\r\t\v\x01\x1f\x7f", "\\x0d\\x09\\x0b\\x01\\x1f\\x7f" },
		{ "\x1b[2J", "\\x1b[2J" },
		{ "LAB\\alice C:\\x \\xg0 \\x0", "LAB\\alice C:\\x \\xg0 \\x0" },
		{ "\\", "\\" },
		/* What looks like an escape and is none. */
		{ "LAB\\xabel", "LAB\\x5cxabel" },
		{ "\\x0a", "\\x5cx0a" },
		{ "m\xc3\xbcller \xe5\xbc\xa0 \xf0\x9f\x98\x80",
		    "m\xc3\xbcller \xe5\xbc\xa0 \xf0\x9f\x98\x80" },
		{ "\xc2\x80\xc2\x9b\xc2\x9f", "\\xc2\\x80\\xc2\\x9b\\xc2\\x9f" }, /* C1 controls */
		{ "\xc2\xa0", "\xc2\xa0" },
		{ "\xfc", "\\xfc" },
		{ "cut \xc3", "cut \\xc3" },
		{ "cut \xe5\xbc", "cut \\xe5\\xbc" },
		{ "\xf0\x9f\x98", "\\xf0\\x9f\\x98" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },
		{ "\xc0\x80\xff", "\\xc0\\x80\\xff" },
		{ "\x80z", "\\x80z" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		log_info("%s", cases[i].text);
		assert_string_equal(last, cases[i].shown);
		assert_string_equal(last_tag, "tester");
		assert_int_equal(last_level, LOG_LEVEL_INFO);
	}
}

/* A line of a child in good hands arrives as it left; one of a child in bad hands does no harm. */
static void
child_lines(void **state)
{
	static const struct {
		const char *text, *shown;
	} cases[] = {
		{ "plain", "plain" },
		{ "line\\x0aforged", "line\\x0aforged" },
		{ "LAB\\alice", "LAB\\alice" },
		{ "LAB\\x5cxabel", "LAB\\x5cxabel" },
		{ "\\x5cx0a", "\\x5cx0a" },
		{ "raw\nline", "raw\\x0aline" },
		{ "\x1b]0;title\x07", "\\x1b]0;title\\x07" },
		{ "odd\\", "odd\\" },
		{ "m\xc3\xbcller", "m\xc3\xbcller" },
	};
	char once[sizeof(last)];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		log_from_child(LOG_LEVEL_WARNING, "dial", cases[i].text);
		assert_string_equal(last, cases[i].shown);
		assert_string_equal(last_tag, "dial");
		assert_int_equal(last_level, LOG_LEVEL_WARNING);
	}
	/* Through both processes: the same text. */
	log_info("%s", "a\\b\n\\x5c \x9b");
	memcpy(once, last, sizeof(once));
	log_from_child(LOG_LEVEL_INFO, "dial", once);
	assert_string_equal(last, once);
	/* Its level counts as well. */
	lines = 0;
	log_from_child(LOG_LEVEL_DEBUG, "dial", "not wanted");
	assert_int_equal(lines, 0);
}

static void
long_lines(void **state)
{
	char text[4 * LOG_LINE_MAX];
	size_t i;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_info("%s", text);
	assert_true(strlen(last) > 500 && strlen(last) < LOG_LINE_MAX);
	/* Each byte is four on the line. */
	memset(text, 0x01, sizeof(text) - 1);
	log_info("%s", text);
	assert_true(strlen(last) < LOG_LINE_MAX);
	assert_int_equal(strlen(last) % 4, 0);
	log_from_child(LOG_LEVEL_INFO, "dial", text);
	assert_int_equal(strlen(last) % 4, 0);
	memset(text, '\\', sizeof(text) - 1);
	log_info("%s", text);
	log_from_child(LOG_LEVEL_INFO, "dial", text);
	/* A character is never cut: every end of the line. */
	for (i = 0; i < 8; i++) {
		memset(text, 'x', i);
		for (size_t at = i; at + 4 < sizeof(text); at += 4)
			memcpy(text + at, "\xf0\x9f\x98\x80", 4);
		log_from_child(LOG_LEVEL_INFO, "dial", text);
		assert_true(strlen(last) > LOG_LINE_MAX - 16);
		assert_int_equal((strlen(last) - i) % 4, 0);
	}
}

static void
levels(void **state)
{
	(void)state;
	assert_int_equal(log_level_from_word("error"), LOG_LEVEL_ERROR);
	assert_int_equal(log_level_from_word("warning"), LOG_LEVEL_WARNING);
	assert_int_equal(log_level_from_word("info"), LOG_LEVEL_INFO);
	assert_int_equal(log_level_from_word("debug"), LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_from_word("Debug"), -1);
	assert_int_equal(log_level_from_word(""), -1);
	assert_string_equal(log_level_word(LOG_LEVEL_ERROR), "error");
	assert_string_equal(log_level_word((enum log_level)77), "debug");
	log_debug("hidden");
	assert_int_equal(lines, 0);
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("shown");
	assert_string_equal(last, "shown");
	log_set_level(LOG_LEVEL_ERROR);
	log_warnx("hidden");
	assert_string_equal(last, "shown");
	log_errorx("shown too");
	assert_string_equal(last, "shown too");
}

static void
errors_of_the_system(void **state)
{
	(void)state;
	errno = ENOENT;
	log_warn("opening %s", "file");
	assert_string_equal(last, "opening file: No such file or directory");
	assert_int_equal(errno, ENOENT);
	log_warnx("opening %s", "file");
	assert_string_equal(last, "opening file");
	errno = EACCES;
	log_error("opening");
	assert_string_equal(last, "opening: Permission denied");
	assert_int_equal(last_level, LOG_LEVEL_ERROR);
	/* Also when the line is not wanted. */
	log_set_level(LOG_LEVEL_ERROR);
	log_info("hidden");
	assert_int_equal(errno, EACCES);
}

/* One call site, so that there is one format string. */
static void
repeat(unsigned int times)
{
	while (times-- > 0)
		log_info("again, %u to go", times);
}

/* A call site that repeats itself is held, another is not, and what was left out is said. */
static void
rate(void **state)
{
	(void)state;
	frozen = 1000;
	repeat(LOG_BURST);
	assert_int_equal(lines, LOG_BURST);
	assert_string_equal(last, "again, 0 to go");
	repeat(30);
	assert_int_equal(lines, LOG_BURST);
	log_info("another");
	assert_string_equal(last, "another");
	assert_int_equal(lines, LOG_BURST + 1);
	/* The next second: what was left out is said once, then the line itself. */
	frozen = 1001;
	lines = 0;
	repeat(1);
	assert_int_equal(lines, 2);
	assert_string_equal(before, "30 lines like one before were left out");
	assert_string_equal(last, "again, 0 to go");
	repeat(1);
	assert_int_equal(lines, 3);
	/* Nothing was left out in this one. */
	frozen = 1002;
	repeat(1);
	assert_int_equal(lines, 4);
	frozen = 0;
}

/* Runs f in a process whose standard error is a pipe; what it wrote, and how it ended. */
static int
standard_error(void (*f)(void), char *dst, size_t size)
{
	ssize_t n;
	size_t at = 0;
	pid_t pid;
	int ends[2], status;

	assert_int_equal(pipe(ends), 0);
	if ((pid = fork()) == 0) {
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		log_set_sink(NULL);
		f();
		_exit(0);
	}
	close(ends[1]);
	while (at < size - 1 && (n = read(ends[0], dst + at, size - 1 - at)) > 0)
		at += (size_t)n;
	dst[at] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
say_something(void)
{
	log_info("said \"it\"\n%s", "\\");
}

static void
say_as_json(void)
{
	log_set_json(true);
	say_something();
	log_from_child(LOG_LEVEL_ERROR, "dial", "from a \"child\"\\x0a");
}

static void
die(void)
{
	errno = EPERM;
	fatal("no way");
}

static void
die_x(void)
{
	errno = EPERM;
	fatalx("no way");
}

static void
text_on_standard_error(void **state)
{
	char text[4096];

	(void)state;
	assert_int_equal(standard_error(say_something, text, sizeof(text)), 0);
	assert_string_equal(text, "info: tester: said \"it\"\\x0a\\\n");
	assert_int_equal(standard_error(die, text, sizeof(text)), 1);
	assert_string_equal(text, "error: tester: no way: Operation not permitted\n");
	assert_int_equal(standard_error(die_x, text, sizeof(text)), 1);
	assert_string_equal(text, "error: tester: no way\n");
}

static const char *
member(const json_t *line, const char *name)
{
	return json_string_value(json_object_get(line, name));
}

static void
json_on_standard_error(void **state)
{
	char text[4096], *second_line;
	json_t *line;
	int year, month, day, hour, minute, sec, ms, end = 0;

	(void)state;
	assert_int_equal(standard_error(say_as_json, text, sizeof(text)), 0);
	second_line = strchr(text, '\n');
	assert_non_null(second_line);
	*second_line++ = '\0';
	line = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(line);
	assert_int_equal(json_object_size(line), 4);
	assert_string_equal(member(line, "level"), "info");
	assert_string_equal(member(line, "tag"), "tester");
	assert_string_equal(member(line, "text"), "said \"it\"\\x0a\\");
	assert_int_equal(sscanf(member(line, "time"), "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year,
			     &month, &day, &hour, &minute, &sec, &ms, &end),
	    7);
	assert_int_equal(end, 24);
	json_decref(line);
	line = json_loads(second_line, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(line);
	assert_string_equal(member(line, "tag"), "dial");
	assert_string_equal(member(line, "text"), "from a \"child\"\\x0a");
	json_decref(line);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(escapes, setup),
		cmocka_unit_test_setup(child_lines, setup),
		cmocka_unit_test_setup(long_lines, setup),
		cmocka_unit_test_setup(levels, setup),
		cmocka_unit_test_setup(errors_of_the_system, setup),
		cmocka_unit_test_setup(rate, setup),
		cmocka_unit_test_setup(text_on_standard_error, setup),
		cmocka_unit_test_setup(json_on_standard_error, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
