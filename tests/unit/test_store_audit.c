/* SPDX-License-Identifier: ISC */
/*
 * The audit: its chain, its queue, its forgetting, and what shows when somebody
 * changed the file.
 */
#include "store_fixture.h"

static struct audit_row
row(const char *attempt)
{
	struct audit_row r;

	memset(&r, 0, sizeof(r));
	r.event = "login";
	r.connection = "acme";
	r.attempt = attempt;
	return r;
}

static void
queue_rows(struct fixture *f, unsigned int n)
{
	struct audit_row r;
	char attempt[32];
	unsigned int i;

	for (i = 0; i < n; i++) {
		snprintf(attempt, sizeof(attempt), "a-%u", i);
		r = row(attempt);
		audit_queue(f->store.audit, &r, f->now + i);
	}
}

static void
empty(void **state)
{
	struct fixture *f = *state;
	uint8_t hash[DIGEST_SIZE], zero[DIGEST_SIZE] = { 0 };

	assert_int_equal(audit_last(f->store.audit, hash), 0);
	assert_memory_equal(hash, zero, sizeof(hash));
	assert_int_equal(fixture_broken(f), 0);
	assert_int_equal(audit_flush(f->store.audit, f->now), 0);
	assert_int_equal(audit_last(f->store.audit, hash), 0);
}

static void
group(void **state)
{
	struct fixture *f = *state;
	uint8_t before[DIGEST_SIZE], after[DIGEST_SIZE];

	queue_rows(f, 5);
	assert_int_equal(audit_waiting(f->store.audit), 5);
	assert_int_equal(fixture_count(f, "login"), 0);
	assert_int_equal(audit_flush(f->store.audit, f->now), 0);
	assert_int_equal(audit_waiting(f->store.audit), 0);
	assert_int_equal(fixture_count(f, "login"), 5);
	assert_int_equal(audit_last(f->store.audit, before), 5);
	assert_int_equal(fixture_broken(f), 0);
	fixture_reopen(f, AUDIT_ROWS_MAX);
	assert_int_equal(audit_last(f->store.audit, after), 5);
	assert_memory_equal(before, after, sizeof(before));
	queue_rows(f, 1);
	assert_int_equal(audit_flush(f->store.audit, f->now), 0);
	assert_int_equal(fixture_broken(f), 0);
}

/* What waits is written in front of a change, so that rows keep their order. */
static void
change_takes_the_queue_along(void **state)
{
	struct fixture *f = *state;
	struct audit_row r = row("change");

	queue_rows(f, 3);
	assert_int_equal(audit_begin(f->store.audit, f->now), 0);
	assert_int_equal(audit_write(f->store.audit, &r, f->now), 0);
	assert_int_equal(audit_commit(f->store.audit), 0);
	assert_int_equal(audit_waiting(f->store.audit), 0);
	assert_int_equal(fixture_number(f, "SELECT id FROM audit WHERE attempt = 'change'"), 4);
	assert_int_equal(fixture_broken(f), 0);
}

static void
abandoned_change_keeps_the_queue(void **state)
{
	struct fixture *f = *state;
	struct audit_row r = row("never");
	uint8_t hash[DIGEST_SIZE];

	queue_rows(f, 3);
	assert_int_equal(audit_begin(f->store.audit, f->now), 0);
	assert_int_equal(audit_write(f->store.audit, &r, f->now), 0);
	audit_abandon(f->store.audit);
	assert_int_equal(audit_waiting(f->store.audit), 3);
	assert_int_equal(audit_last(f->store.audit, hash), 0);
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM audit"), 0);
	assert_int_equal(audit_flush(f->store.audit, f->now), 0);
	assert_int_equal(fixture_count(f, "login"), 3);
	assert_int_equal(
	    fixture_number(f, "SELECT count(*) FROM audit WHERE attempt = 'never'"), 0);
	assert_int_equal(fixture_broken(f), 0);
}

static void
limits_of_the_queue(void **state)
{
	struct fixture *f = *state;
	struct audit_row r;
	char *detail;
	unsigned int i;

	queue_rows(f, AUDIT_QUEUE_ROWS_MAX);
	assert_int_equal(audit_waiting(f->store.audit), AUDIT_QUEUE_ROWS_MAX);
	queue_rows(f, 7);
	assert_int_equal(audit_waiting(f->store.audit), AUDIT_QUEUE_ROWS_MAX);
	assert_int_equal(audit_flush(f->store.audit, f->now), 0);
	assert_int_equal(fixture_count(f, "login"), AUDIT_QUEUE_ROWS_MAX);
	assert_int_equal(fixture_count(f, AUDIT_EVENT_LOST), 1);
	assert_int_equal(
	    fixture_number(
		f, "SELECT count(*) FROM audit WHERE detail = '7 rows could not be kept'"),
	    1);
	/* Told once. */
	queue_rows(f, 1);
	assert_int_equal(audit_flush(f->store.audit, f->now), 0);
	assert_int_equal(fixture_count(f, AUDIT_EVENT_LOST), 1);

	detail = malloc(20000);
	assert_non_null(detail);
	memset(detail, 'd', 19999);
	detail[19999] = '\0';
	for (i = 0; i < 4000; i++) {
		r = row("long");
		r.detail = detail;
		audit_queue(f->store.audit, &r, f->now);
	}
	assert_in_range(audit_waiting(f->store.audit), 1500, AUDIT_QUEUE_BYTES_MAX / 4096);
	assert_int_equal(audit_flush(f->store.audit, f->now), 0);
	assert_int_equal(fixture_count(f, AUDIT_EVENT_LOST), 2);
	assert_int_equal(fixture_number(f, "SELECT max(length(detail)) FROM audit"), 4096);
	assert_int_equal(fixture_broken(f), 0);
	free(detail);
}

static void
texts_that_are_missing_or_cut(void **state)
{
	struct fixture *f = *state;
	struct audit_row r;

	memset(&r, 0, sizeof(r));
	audit_queue(f->store.audit, &r, f->now);
	r.event = "login";
	r.detail = "cut\xe2\x82";
	audit_queue(f->store.audit, &r, f->now);
	assert_int_equal(audit_flush(f->store.audit, f->now), 0);
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM audit WHERE detail = 'cut?'"), 1);
	assert_int_equal(fixture_broken(f), 0);
}

static void
names(void **state)
{
	struct fixture *f = *state;
	struct audit_row r = row("a-1");

	r.username = "alice";
	r.reason = "wrong_password";
	r.found = true;
	audit_queue(f->store.audit, &r, f->now);
	r.found = false;
	r.username = "hunter2hunter3";
	r.reason = "empty_password";
	audit_queue(f->store.audit, &r, f->now);
	r.username = "hunter2hunter2";
	r.reason = "unknown_user";
	audit_queue(f->store.audit, &r, f->now);
	r.username = "";
	audit_queue(f->store.audit, &r, f->now);
	assert_int_equal(audit_flush(f->store.audit, f->now), 0);
	assert_int_equal(
	    fixture_number(f, "SELECT count(*) FROM audit WHERE username = 'alice'"), 1);
	assert_int_equal(fixture_number(f,
			     "SELECT count(*) FROM audit WHERE username LIKE 'hu\xe2\x80\xa6%'"
			     " AND length(username) = 19"),
	    2);
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM audit WHERE username = ''"), 1);
	assert_int_equal(
	    fixture_number(f, "SELECT count(*) FROM audit WHERE username LIKE '%nter%'"), 0);
}

static void
forgetting(void **state)
{
	struct fixture *f = *state;
	uint8_t hash[DIGEST_SIZE];
	unsigned int i;

	fixture_reopen(f, 50);
	queue_rows(f, 50);
	assert_int_equal(audit_flush(f->store.audit, f->now), 0);
	assert_int_equal(audit_forgotten(f->store.audit, hash), 0);
	queue_rows(f, 1);
	assert_int_equal(audit_flush(f->store.audit, f->now), 0);
	assert_int_equal(audit_forgotten(f->store.audit, hash), 1);
	for (i = 0; i < 40; i++) {
		queue_rows(f, 33);
		assert_int_equal(audit_flush(f->store.audit, f->now), 0);
		assert_int_equal(fixture_number(f, "SELECT count(*) FROM audit"), 50);
		assert_int_equal(fixture_broken(f), 0);
	}
	fixture_reopen(f, 50);
	assert_int_equal(fixture_broken(f), 0);
	assert_int_equal(
	    audit_forgotten(f->store.audit, hash), audit_last(f->store.audit, hash) - 50);
}

/* A lower limit than before: in batches, so that no commit takes long. */
static void
forgetting_catches_up(void **state)
{
	struct fixture *f = *state;
	int commits;

	queue_rows(f, 3000);
	assert_int_equal(audit_flush(f->store.audit, f->now), 0);
	fixture_reopen(f, 10);
	for (commits = 0; fixture_number(f, "SELECT count(*) FROM audit") > 10; commits++) {
		queue_rows(f, 1);
		assert_int_equal(audit_flush(f->store.audit, f->now), 0);
		assert_in_range(commits, 0, 10);
		assert_int_equal(fixture_broken(f), 0);
	}
	assert_in_range(commits, 5, 7);
}

/* The walk goes on when rows are added and forgotten between its steps. */
static void
walk_beside_other_work(void **state)
{
	struct fixture *f = *state;
	struct audit_check check;
	unsigned int steps = 0;

	fixture_reopen(f, 9000);
	queue_rows(f, 9000);
	assert_int_equal(audit_flush(f->store.audit, f->now), 0);
	audit_check_start(&check, f->store.audit);
	while (audit_check_step(&check, f->store.audit, f->store.db)) {
		queue_rows(f, 2500);
		assert_int_equal(audit_flush(f->store.audit, f->now), 0);
		steps++;
	}
	assert_int_equal(check.broken, 0);
	assert_in_range(steps, 1, 5);
	assert_int_equal(fixture_broken(f), 0);
}

/* What was written out of turn shows, whatever it was. */
static void
tampering(void **state)
{
	static const struct {
		const char *sql;
		int64_t row;
	} cases[] = {
		{ "UPDATE audit SET event = 'logout' WHERE id = 4", 4 },
		{ "UPDATE audit SET connector = 'x' WHERE id = 4", 4 },
		{ "UPDATE audit SET username = 'x' WHERE id = 2500", 2500 },
		{ "UPDATE audit SET attempt = attempt || ' ' WHERE id = 1", 1 },
		{ "UPDATE audit SET status = status + 1 WHERE id = 3000", 3000 },
		{ "UPDATE audit SET status = 256 WHERE id = 3000", 3000 },
		{ "UPDATE audit SET proven = 1 - proven WHERE id = 2", 2 },
		{ "UPDATE audit SET reason = 'x', face = '' WHERE id = 2", 2 },
		{ "UPDATE audit SET address = 'x' WHERE id = 2", 2 },
		{ "UPDATE audit SET detail = 'x' WHERE id = 2", 2 },
		{ "UPDATE audit SET time = 0 WHERE id = 2", 2 },
		{ "UPDATE audit SET hash = randomblob(32) WHERE id = 2000", 2000 },
		{ "DELETE FROM audit WHERE id = 2001", 2001 },
		{ "DELETE FROM audit WHERE id BETWEEN 2001 AND 2999", 2001 },
		{ "DELETE FROM audit WHERE id = 3000", 3000 },
		{ "UPDATE meta SET value = zeroblob(40) WHERE key = 'audit_last'", 0 },
	};
	struct fixture *f = *state;
	size_t i;

	queue_rows(f, 3000);
	assert_int_equal(audit_flush(f->store.audit, f->now), 0);
	assert_int_equal(fixture_broken(f), 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]) - 1; i++) {
		assert_int_equal(database_begin(f->store.db), 0);
		assert_int_equal(database_execute(f->store.db, cases[i].sql), 0);
		if (fixture_broken(f) != cases[i].row)
			fail_msg("%s: row %lld", cases[i].sql, (long long)fixture_broken(f));
		database_rollback(f->store.db);
	}
	assert_int_equal(fixture_broken(f), 0);
	/* The chain's end itself: found at the next start, and with the next row. */
	assert_int_equal(database_execute(f->store.db, cases[i].sql), 0);
	fixture_reopen(f, AUDIT_ROWS_MAX);
	queue_rows(f, 1);
	assert_int_equal(audit_flush(f->store.audit, f->now), 0);
	assert_int_equal(fixture_broken(f), 3001);
}

static void
reserved_events(void **state)
{
	(void)state;
	assert_true(audit_event_reserved("connector_approve"));
	assert_true(audit_event_reserved("tunnel_up"));
	assert_true(audit_event_reserved(AUDIT_EVENT_LOST));
	assert_false(audit_event_reserved("login"));
	assert_false(audit_event_reserved(""));
}

static void
lists(void **state)
{
	struct fixture *f = *state;
	struct admin admin;
	json_t *rows;

	queue_rows(f, 10);
	/* Whoever looks sees what just happened. */
	assert_int_equal(fixture_admin(f, &admin, ADMIN_AUDIT_LIST, "0", "500", NULL), ADMIN_OK);
	rows = json_object_get(admin.json, "rows");
	assert_int_equal(json_array_size(rows), 10);
	assert_int_equal(json_integer_value(json_object_get(admin.json, "next")), 10);
	assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 0), "time")),
	    "2026-01-01T00:00:00.000Z");
	assert_string_equal(
	    json_string_value(json_object_get(json_array_get(rows, 0), "status")), "ok");
	json_decref(admin.json);
	assert_int_equal(fixture_admin(f, &admin, ADMIN_AUDIT_LIST, "-4", "2", NULL), ADMIN_OK);
	rows = json_object_get(admin.json, "rows");
	assert_int_equal(json_array_size(rows), 2);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(rows, 0), "id")), 7);
	json_decref(admin.json);
	assert_int_equal(fixture_admin(f, &admin, ADMIN_AUDIT_LIST, "-500", "500", NULL), ADMIN_OK);
	assert_int_equal(json_array_size(json_object_get(admin.json, "rows")), 10);
	json_decref(admin.json);
	assert_int_equal(
	    fixture_admin(f, &admin, ADMIN_AUDIT_LIST, "9223372036854775807", "1", NULL), ADMIN_OK);
	assert_int_equal(json_array_size(json_object_get(admin.json, "rows")), 0);
	json_decref(admin.json);
	ADMIN_EXPECT(f, ADMIN_REFUSED, ADMIN_AUDIT_LIST, "9223372036854775808", "1");
	ADMIN_EXPECT(f, ADMIN_REFUSED, ADMIN_AUDIT_LIST, "0", "501");
	ADMIN_EXPECT(f, ADMIN_REFUSED, ADMIN_AUDIT_LIST, "-501", "1");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(empty),
		TEST(group),
		TEST(change_takes_the_queue_along),
		TEST(abandoned_change_keeps_the_queue),
		TEST(limits_of_the_queue),
		TEST(texts_that_are_missing_or_cut),
		TEST(names),
		TEST(forgetting),
		TEST(forgetting_catches_up),
		TEST(walk_beside_other_work),
		TEST(tampering),
		TEST(reserved_events),
		TEST(lists),
	};

	return cmocka_run_group_tests(tests, fixture_warm_up, NULL);
}
