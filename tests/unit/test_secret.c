/* SPDX-License-Identifier: ISC */
/*
 * Secrets in memory: where they lie, what surrounds them, what is left.
 * Linked with -Wl,--wrap=munmap, to see what is given back.
 */
#include "build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/log.h"
#include "common/secret.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE 4096U

int __real_munmap(void *, size_t);
int __wrap_munmap(void *, size_t);

static bool unmap_watched, unmap_clean;

/* A secret's mapping has a guard page at each end. */
int
__wrap_munmap(void *map, size_t size)
{
	const unsigned char *p = (const unsigned char *)map + PAGE;
	size_t i;

	if (unmap_watched) {
		unmap_clean = true;
		for (i = 0; i < size - 2 * PAGE; i++) {
			if (p[i] != 0)
				unmap_clean = false;
		}
	}
	return __real_munmap(map, size);
}

static void
quiet(enum log_level level, const char *tag, const char *text)
{
	(void)level;
	(void)tag;
	(void)text;
}

static void
sizes(void **state)
{
	static const size_t lengths[] = { 0, 1, 31, PAGE - 64, PAGE - 17, PAGE - 16, PAGE - 1, PAGE,
		PAGE + 1, 3 * PAGE, 1 << 20 };
	struct secret *s;
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		s = secret_new(lengths[i]);
		assert_non_null(s);
		assert_int_equal(s->len, lengths[i]);
		for (k = 0; k <= lengths[i]; k++)
			assert_int_equal(s->data[k], 0);
		/* All of it, and the NUL behind it, may be written. */
		memset(s->data, 0xa5, lengths[i] + 1);
		unmap_watched = true;
		secret_free(s);
		unmap_watched = false;
		assert_true(unmap_clean);
	}
	secret_free(NULL);
	assert_null(secret_new(SIZE_MAX));
	assert_null(secret_new(SIZE_MAX - 4096));
	assert_null(secret_new(SIZE_MAX / 2));
}

static void
copies(void **state)
{
	struct secret *s;

	(void)state;
	s = secret_copy("pass\0word", 9);
	assert_non_null(s);
	assert_int_equal(s->len, 9);
	assert_memory_equal(s->data, "pass\0word\0", 10);
	secret_free(s);
	s = secret_copy(NULL, 0);
	assert_non_null(s);
	assert_int_equal(s->len, 0);
	assert_int_equal(s->data[0], 0);
	secret_free(s);
}

/* Does the process end when it touches this byte? */
static bool
deadly(const volatile unsigned char *p)
{
	int status;
	pid_t pid;

	if ((pid = fork()) == 0) {
		/* Without a report of a sanitizer's handler. */
		signal(SIGSEGV, SIG_DFL);
		(void)*p;
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static void
guard_pages(void **state)
{
	struct secret *s;
	unsigned char *first;

	(void)state;
	s = secret_new(100);
	assert_non_null(s);
	first = (unsigned char *)((uintptr_t)s->data / PAGE * PAGE);
	assert_true(deadly(first - 1));
	assert_false(deadly(first));
	assert_false(deadly(first + PAGE - 1));
	assert_true(deadly(first + PAGE));
	secret_free(s);
}

/* The kernel's word for how a mapping is treated. */
static void
flags_of(const void *address, char *dst, size_t size)
{
	unsigned long from, to;
	char line[512];
	bool here = false;
	FILE *smaps;

	smaps = fopen("/proc/self/smaps", "re");
	assert_non_null(smaps);
	dst[0] = '\0';
	while (fgets(line, sizeof(line), smaps) != NULL) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			here = (uintptr_t)address >= from && (uintptr_t)address < to;
		else if (here && strncmp(line, "VmFlags:", 8) == 0) {
			snprintf(dst, size, "%s", line);
			break;
		}
	}
	fclose(smaps);
	assert_true(here);
}

static void
locked_and_left_out(void **state)
{
	struct secret *s;
	char flags[512];

	(void)state;
	s = secret_new(10);
	assert_non_null(s);
	flags_of(s->data, flags, sizeof(flags));
	assert_non_null(strstr(flags, " dd")); /* not in a core file */
	assert_non_null(strstr(flags, " wf")); /* not in a forked process */
#ifndef ADC_SANITIZERS
	/* AddressSanitizer makes mlock() do nothing. */
	assert_non_null(strstr(flags, " lo")); /* not in swap space */
#endif
	secret_free(s);
}

static void
forked_process_has_none(void **state)
{
	const unsigned char *data;
	struct secret *s;
	int status;
	pid_t pid;

	(void)state;
	s = secret_copy("mine", 4);
	assert_non_null(s);
	data = s->data;
	if ((pid = fork()) == 0)
		_exit(data[0] == 0 && data[3] == 0 && s->len == 0 ? 0 : 1);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_memory_equal(s->data, "mine", 5);
	secret_free(s);
}

/* What secret_read_fd makes of a file with this content. */
static struct secret *
read_file(const char *content, size_t len, size_t max)
{
	struct secret *s;
	FILE *file;

	file = tmpfile();
	assert_non_null(file);
	assert_int_equal(fwrite(content, 1, len, file), len);
	assert_int_equal(fflush(file), 0);
	assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
	s = secret_read_fd(fileno(file), max);
	fclose(file);
	return s;
}

static void
files(void **state)
{
	static const struct {
		const char *content;
		size_t len, max;
		const char *expected; /* NULL: refused */
		size_t expected_len;
	} cases[] = {
		{ "", 0, 8, "", 0 },
		{ "", 0, 0, "", 0 },
		{ "x", 1, 0, NULL, 0 },
		{ "\n", 1, 8, "", 0 },
		{ "12345678", 8, 8, "12345678", 8 },
		{ "123456789", 9, 8, NULL, 0 },
		{ "1234567\n", 8, 8, "1234567", 7 },
		{ "two\n\n", 5, 8, "two\n", 4 },
		{ " sp \n", 5, 8, " sp ", 4 },
		{ "a\0b\n", 4, 8, "a\0b", 3 },
		{ "cr\r\n", 4, 8, "cr\r", 3 },
	};
	struct secret *s;
	size_t i;

	(void)state;
	log_set_sink(quiet);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		s = read_file(cases[i].content, cases[i].len, cases[i].max);
		if (cases[i].expected == NULL) {
			assert_null(s);
			continue;
		}
		assert_non_null(s);
		assert_int_equal(s->len, cases[i].expected_len);
		assert_memory_equal(s->data, cases[i].expected, s->len + 1);
		secret_free(s);
	}
	assert_null(secret_read_fd(-1, 8));
	log_set_sink(NULL);
}

/* A pipe gives its bytes in pieces. */
static void
pipes(void **state)
{
	struct secret *s;
	int ends[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	if ((pid = fork()) == 0) {
		close(ends[0]);
		if (write(ends[1], "one ", 4) != 4 || write(ends[1], "two", 3) != 3)
			_exit(1);
		_exit(0);
	}
	close(ends[1]);
	s = secret_read_fd(ends[0], 100);
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_non_null(s);
	assert_string_equal((const char *)s->data, "one two");
	secret_free(s);
}

static void
equality(void **state)
{
	(void)state;
	assert_true(secret_equal("", "", 0));
	assert_true(secret_equal("same", "same", 4));
	assert_true(secret_equal("same1", "same2", 4));
	assert_false(secret_equal("Same", "same", 4));
	assert_false(secret_equal("samE", "same", 4));
	assert_false(secret_equal("\x80", "\x00", 1));
	assert_true(secret_equal("a\0b", "a\0b", 3));
	assert_false(secret_equal("a\0b", "a\0c", 3));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(copies),
		cmocka_unit_test(guard_pages),
		cmocka_unit_test(locked_and_left_out),
		cmocka_unit_test(forked_process_has_none),
		cmocka_unit_test(files),
		cmocka_unit_test(pipes),
		cmocka_unit_test(equality),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
