/* SPDX-License-Identifier: ISC */
/*
 * Requests that wait in a parent: who may answer, what happens when nobody
 * does, and that callbacks may do to the table what they like.
 * Linked with -Wl,--wrap=clock_gettime.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/pending.h"
#include "random.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int __real_clock_gettime(clockid_t, struct timespec *);
int __wrap_clock_gettime(clockid_t, struct timespec *);

/* Only their addresses count. */
static char places[4];
#define CHILD(n) ((struct child *)(void *)&places[n])

static int64_t offset_ms;

/* The monotonic clock, with time added that the test wants to have passed. */
int
__wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	int result = __real_clock_gettime(clock, now);

	if (clock == CLOCK_MONOTONIC)
		now->tv_sec += (time_t)(offset_ms / 1000);
	return result;
}

static struct event_base *base;
static struct pending_table *table;
static unsigned int lost, released;
static uint32_t lost_ids[64];
/* What lost() does besides counting. */
static void (*on_lost)(struct pending *);

static void
count_lost(void *arg, struct pending *p)
{
	assert_ptr_equal(arg, &lost);
	assert_true(lost < 64);
	lost_ids[lost++] = p->id;
	if (on_lost != NULL)
		on_lost(p);
}

static void
count_released(void *data)
{
	released++;
	free(data);
}

static int
setup(void **state)
{
	static const struct pending_callbacks callbacks = { count_lost, count_released };

	(void)state;
	lost = released = 0;
	on_lost = NULL;
	offset_ms = 0;
	base = event_base_new();
	assert_non_null(base);
	table = pending_new(base, 8, 50000, &callbacks, &lost);
	assert_non_null(table);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	pending_table_free(table);
	event_base_free(base);
	return 0;
}

static void *
data(void)
{
	void *p = malloc(16);

	assert_non_null(p);
	return p;
}

static void
only_the_asked_child_may_answer(void **state)
{
	struct pending *a, *b;

	(void)state;
	a = pending_add(table, CHILD(0), 77, CHILD(1), MESSAGE_TICKET_GET, data());
	b = pending_add(table, CHILD(0), 77, CHILD(2), MESSAGE_LOGIN, NULL);
	assert_non_null(a);
	assert_non_null(b);
	assert_int_not_equal(a->id, 0);
	assert_int_not_equal(a->id, b->id);
	assert_ptr_equal(pending_find(table, CHILD(1), a->id), a);
	assert_null(pending_find(table, CHILD(2), a->id));
	assert_null(pending_find(table, CHILD(0), a->id));
	assert_null(pending_find(table, NULL, a->id));
	assert_null(pending_find(table, CHILD(1), 0));
	assert_null(pending_find(table, CHILD(1), 77));
	assert_null(pending_find(table, CHILD(1), UINT32_MAX));
	assert_int_equal(a->asked, MESSAGE_TICKET_GET);
	assert_int_equal(a->from_id, 77);
	assert_ptr_equal(a->from, CHILD(0));
	pending_done(table, a);
	assert_int_equal(released, 1);
	/* The same answer again finds nothing. */
	assert_null(pending_find(table, CHILD(1), b->id - 1));
	assert_int_equal(pending_count(table), 1);
	assert_int_equal(lost, 0);
}

static void
by_the_asker(void **state)
{
	struct pending *a;

	(void)state;
	a = pending_add(table, CHILD(0), 5, CHILD(1), MESSAGE_LOG_GET, NULL);
	pending_add(table, CHILD(2), 6, CHILD(1), MESSAGE_LOG_GET, NULL);
	assert_ptr_equal(pending_find_from(table, CHILD(0), 5), a);
	assert_null(pending_find_from(table, CHILD(0), 6));
	assert_null(pending_find_from(table, CHILD(1), 5));
	assert_null(pending_find_from(table, CHILD(2), 5));
}

static void
full(void **state)
{
	struct pending *last = NULL;
	void *mine;
	int i;

	(void)state;
	for (i = 0; i < 8; i++) {
		last = pending_add(table, CHILD(0), (uint32_t)i, CHILD(1), MESSAGE_LOGIN, data());
		assert_non_null(last);
	}
	mine = data();
	assert_null(pending_add(table, CHILD(0), 9, CHILD(1), MESSAGE_LOGIN, mine));
	assert_int_equal(released, 0);
	pending_done(table, last);
	assert_non_null(pending_add(table, CHILD(0), 9, CHILD(1), MESSAGE_LOGIN, mine));
	assert_int_equal(pending_count(table), 8);
}

static void
ids_are_not_reused_at_once(void **state)
{
	struct pending *p;
	uint32_t before = 0;
	int i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		p = pending_add(table, CHILD(0), 1, CHILD(1), MESSAGE_LOGIN, NULL);
		assert_non_null(p);
		assert_true(p->id > before);
		before = p->id;
		pending_done(table, p);
	}
}

/* Runs the event loop until a timer of the table came round. */
static void
sweep(void)
{
	assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
}

static void
time_passes(void **state)
{
	struct pending *early, *late;

	(void)state;
	early = pending_add(table, CHILD(0), 1, CHILD(1), MESSAGE_LOGIN, data());
	assert_non_null(early);
	offset_ms = 30000;
	late = pending_add(table, CHILD(0), 2, CHILD(1), MESSAGE_LOGIN, data());
	assert_non_null(late);
	offset_ms = 40000;
	sweep();
	assert_int_equal(lost + released, 0);
	offset_ms = 60000;
	sweep();
	assert_int_equal(lost, 1);
	assert_int_equal(released, 1);
	assert_int_equal(pending_count(table), 1);
	assert_ptr_equal(pending_find(table, CHILD(1), late->id), late);
	offset_ms = 90000;
	sweep();
	assert_int_equal(lost, 2);
	assert_int_equal(released, 2);
	assert_int_equal(pending_count(table), 0);
}

static void
child_gone(void **state)
{
	struct pending *kept;
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		pending_add(table, CHILD(0), (uint32_t)i, CHILD(1), MESSAGE_LOGIN, data());
	kept = pending_add(table, CHILD(1), 9, CHILD(2), MESSAGE_LOGIN, data());
	pending_child_gone(table, CHILD(1));
	assert_int_equal(lost, 3);
	assert_int_equal(released, 3);
	assert_int_equal(pending_count(table), 1);
	/* What it asked goes on, and its answer has nowhere to go. */
	assert_null(kept->from);
	assert_ptr_equal(pending_find(table, CHILD(2), kept->id), kept);
	pending_child_gone(table, CHILD(3));
	assert_int_equal(pending_count(table), 1);
}

/* --- callbacks that change the table under the walk ------------------------ */

static void
end_the_next_too(struct pending *p)
{
	struct pending *next = pending_find(table, CHILD(1), p->id + 1);

	on_lost = NULL;
	if (next != NULL)
		pending_done(table, next);
}

static void
lost_ends_another(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		pending_add(table, CHILD(0), (uint32_t)i, CHILD(1), MESSAGE_LOGIN, data());
	on_lost = end_the_next_too;
	pending_child_gone(table, CHILD(1));
	assert_int_equal(lost, 2);
	assert_int_equal(released, 3);
	assert_int_equal(pending_count(table), 0);
}

static void
sweep_ends_another(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		pending_add(table, CHILD(0), (uint32_t)i, CHILD(1), MESSAGE_LOGIN, data());
	on_lost = end_the_next_too;
	offset_ms = 60000;
	sweep();
	assert_int_equal(lost, 2);
	assert_int_equal(released, 3);
	assert_int_equal(pending_count(table), 0);
}

static void
ask_somebody_else(struct pending *p)
{
	assert_non_null(pending_add(table, p->from, p->from_id, CHILD(2), p->asked, NULL));
}

static void
lost_asks_another(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		pending_add(table, CHILD(0), (uint32_t)i, CHILD(1), MESSAGE_LOGIN, data());
	on_lost = ask_somebody_else;
	pending_child_gone(table, CHILD(1));
	assert_int_equal(lost, 3);
	assert_int_equal(pending_count(table), 3);
	on_lost = NULL;
	pending_child_gone(table, CHILD(2));
	assert_int_equal(lost, 6);
	assert_int_equal(pending_count(table), 0);
}

static void
child_goes_while_it_goes(struct pending *p)
{
	(void)p;
	pending_child_gone(table, CHILD(2));
}

static void
two_children_go_at_once(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 6; i++)
		pending_add(table, CHILD(0), (uint32_t)i, CHILD(1 + i % 2), MESSAGE_LOGIN, data());
	on_lost = child_goes_while_it_goes;
	pending_child_gone(table, CHILD(1));
	assert_int_equal(lost, 6);
	assert_int_equal(released, 6);
	assert_int_equal(pending_count(table), 0);
}

/* Any order of events, held against a plain list. */
static void
random_events(void **state)
{
	static const struct pending_callbacks callbacks = { count_lost, NULL };
	struct {
		uint32_t id;
		unsigned int to;
	} model[8];
	struct pending_table *t;
	struct pending *p;
	size_t n = 0, i, kept;
	unsigned int step, child;

	(void)state;
	t = pending_new(base, 8, 5000, &callbacks, &lost);
	assert_non_null(t);
	for (step = 0; step < 20000; step++) {
		lost = 0;
		switch (random_below(8)) {
		case 0:
			child = random_below(3);
			pending_child_gone(t, CHILD(child));
			for (i = kept = 0; i < n; i++) {
				if (model[i].to != child)
					model[kept++] = model[i];
			}
			assert_int_equal(lost, n - kept);
			n = kept;
			break;
		case 1:
		case 2:
			if (n == 0)
				break;
			i = random_below((uint32_t)n);
			p = pending_find(t, CHILD(model[i].to), model[i].id);
			assert_non_null(p);
			pending_done(t, p);
			model[i] = model[--n];
			break;
		default:
			child = random_below(3);
			p = pending_add(t, CHILD(3), step, CHILD(child), MESSAGE_LOGIN, NULL);
			if (n == 8) {
				assert_null(p);
				break;
			}
			assert_non_null(p);
			model[n].id = p->id;
			model[n++].to = child;
		}
		if (pending_count(t) != n)
			fail_msg("seed %u, step %u", random_seed(), step);
		for (i = 0; i < n; i++) {
			p = pending_find(t, CHILD(model[i].to), model[i].id);
			if (p == NULL || p->id != model[i].id)
				fail_msg("seed %u, step %u", random_seed(), step);
		}
	}
	pending_table_free(t);
	pending_table_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_the_asked_child_may_answer),
		TEST(by_the_asker),
		TEST(full),
		TEST(ids_are_not_reused_at_once),
		TEST(time_passes),
		TEST(child_gone),
		TEST(lost_ends_another),
		TEST(sweep_ends_another),
		TEST(lost_asks_another),
		TEST(two_children_go_at_once),
		TEST(random_events),
	};

	random_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
