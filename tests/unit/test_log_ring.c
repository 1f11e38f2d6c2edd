/* SPDX-License-Identifier: ISC */
/*
 * The ring of log lines, when the child that reads it fails in the middle: that
 * failure is itself logged, into the ring that is being read.  child_send() is
 * the test's own, so that it fails where it is wanted, and free() makes a use
 * of what was freed show.
 */
#include "adconnectord.h"

#include "common/log.h"

#include <fcntl.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* As in log_ring.c. */
#define LINES_MAX 4096

void __real_free(void *);
void __wrap_free(void *);

#define ALIVE 0x600dc41dU

struct child {
	uint32_t mark;
	size_t lines, ends, fails_at; /* 0: never */
	uint64_t last;
	bool gone;
};

void
__wrap_free(void *block)
{
	if (block != NULL)
		memset(block, 0xa5, malloc_usable_size(block));
	__real_free(block);
}

/* What the true one does when a child reads nothing: it says so, and ends it. */
static void
stop_reading(struct child *child)
{
	log_warnx("web does not read what it is sent");
	if (child->gone)
		return; /* as deep as it goes */
	child->gone = true;
	log_errorx("web: ended: it cannot be spoken to");
	log_ring_child_gone(child);
}

void
child_send(struct child *child, enum message_type type, uint32_t id, struct wire_writer *w, int fd)
{
	struct wire_reader r;
	uint64_t sequence;

	assert_int_equal(child->mark, ALIVE);
	assert_int_equal(fd, -1);
	assert_int_equal(id, 7);
	if (type == MESSAGE_LOG_END)
		child->ends++;
	else {
		assert_int_equal(type, MESSAGE_LOG_LINE);
		wire_reader_init(&r, w->data, w->len);
		sequence = wire_get_u64(&r);
		assert_true(child->gone || sequence > child->last);
		child->last = sequence;
		child->lines++;
	}
	if (w != NULL)
		wire_writer_free(w);
	if (!child->gone && child->fails_at != 0 && child->lines == child->fails_at)
		stop_reading(child);
}

void
child_breach(struct child *child, const char *why)
{
	(void)child;
	fail_msg("%s", why);
}

bool
child_ended(const struct child *child)
{
	return child->gone;
}

static void
get(struct child *child, bool follow)
{
	struct message m = { .type = MESSAGE_LOG_GET, .id = 7, .fd = -1 };
	struct wire_writer w;

	wire_writer_init(&w);
	wire_put_u64(&w, 0);
	wire_put_u8(&w, follow);
	wire_reader_init(&m.body, w.data, w.len);
	log_ring_get(child, &m);
	wire_writer_free(&w);
}

static void
fill_ring(void)
{
	int i;

	/* From a child, whose lines are not held to a rate here. */
	for (i = 0; i < LINES_MAX + 10; i++)
		log_from_child(LOG_LEVEL_INFO, "dial", "a line");
}

static void
all_lines(void **state)
{
	struct child child = { .mark = ALIVE };

	(void)state;
	get(&child, false);
	assert_int_equal(child.lines, LINES_MAX);
	assert_int_equal(child.ends, 1);
}

/* The lines about the failure push out the very lines that are being read. */
static void
fails_while_it_reads(void **state)
{
	const size_t at[] = { 1, 2, 3, LINES_MAX / 2, LINES_MAX - 1, LINES_MAX };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		struct child child = { .mark = ALIVE, .fails_at = at[i] };

		get(&child, false);
		assert_true(child.gone);
	}
}

/* One that is gone by then is no follower: nobody would take it off the list again. */
static void
a_follower_that_is_gone(void **state)
{
	struct child *child;

	(void)state;
	assert_non_null(child = calloc(1, sizeof(*child)));
	child->mark = ALIVE;
	child->fails_at = 3;
	get(child, true);
	assert_true(child->gone);
	free(child);
	log_info("a line after it");
	fill_ring();
}

/* A follower that stops reading is ended once, not once for each line that says so. */
static void
a_follower_that_stops(void **state)
{
	struct child child = { .mark = ALIVE };

	(void)state;
	get(&child, true);
	child.fails_at = child.lines + 3;
	log_info("one");
	log_info("two");
	assert_false(child.gone);
	log_info("three");
	assert_true(child.gone);
	assert_int_equal(child.lines, child.fails_at);
	log_info("four");
	assert_int_equal(child.lines, child.fails_at);
}

static int
set_up(void **state)
{
	int null;

	(void)state;
	/* The lines go to standard error as well. */
	fflush(stderr);
	if ((null = open("/dev/null", O_WRONLY)) == -1 || dup2(null, STDERR_FILENO) == -1)
		return -1;
	close(null);
	log_init("parent");
	log_ring_init(NULL);
	fill_ring();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_lines),
		cmocka_unit_test(fails_while_it_reads),
		cmocka_unit_test(a_follower_that_is_gone),
		cmocka_unit_test(a_follower_that_stops),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
