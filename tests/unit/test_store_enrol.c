/* SPDX-License-Identifier: ISC */
/*
 * Tickets and enrolment: every rule of who becomes a connector, with the clock
 * in the test's hand, and what is left when a write fails at any point.
 */
#include "store_fixture.h"

#include <errno.h>
#include <sqlite3.h>

static void
look(struct fixture *f, const char *secret, enum ticket_state expected)
{
	struct ticket_view view;

	ticket_find(&f->store, secret, f->now, &view);
	assert_int_equal(view.state, expected);
	assert_string_equal(view.identifier, expected == TICKET_UNKNOWN ? "" : "acme");
}

static enum ticket_state
enrol(struct fixture *f, const char *secret, unsigned int sign, unsigned int seal)
{
	struct enrolled out;

	fixture_enrol(f, secret, sign, seal, &out);
	if (out.ticket != TICKET_OK) {
		assert_string_equal(out.connector, "");
		assert_string_equal(out.identifier, "");
		assert_int_equal(out.state, CONNECTOR_UNKNOWN);
	}
	return out.ticket;
}

static void
states_of_a_ticket(void **state)
{
	struct fixture *f = *state;
	char secret[TICKET_SECRET_SIZE];

	ADMIN_EXPECT(f, ADMIN_OK, ADMIN_CONNECTION_ADD, "acme", "", "");
	fixture_ticket(f, "acme", "1", "", secret);
	look(f, secret, TICKET_OK);
	look(f, "", TICKET_UNKNOWN);
	secret[0] ^= 1;
	look(f, secret, TICKET_UNKNOWN);
	secret[0] ^= 1;
	/* 24 h to the second. */
	f->now += 24 * HOUR - 1;
	look(f, secret, TICKET_OK);
	f->now += 1;
	look(f, secret, TICKET_EXPIRED);
	assert_int_equal(enrol(f, secret, 1, 2), TICKET_EXPIRED);
	f->now -= 1;
	assert_int_equal(enrol(f, secret, 1, 2), TICKET_OK);
	look(f, secret, TICKET_USED_UP);
	/* Used up tells more than over. */
	f->now += 100 * HOUR;
	look(f, secret, TICKET_USED_UP);
	assert_int_equal(enrol(f, secret, 3, 4), TICKET_USED_UP);
	assert_int_equal(enrol(f, secret, 1, 2), TICKET_OK);
	ADMIN_EXPECT(f, ADMIN_OK, ADMIN_CONNECTION_REMOVE, "acme");
	look(f, secret, TICKET_REVOKED);
	assert_int_equal(enrol(f, secret, 1, 2), TICKET_REVOKED);
}

static void
first_and_further(void **state)
{
	struct fixture *f = *state;
	char secret[TICKET_SECRET_SIZE], approving[TICKET_SECRET_SIZE];
	struct enrolled first, second, third, again;

	ADMIN_EXPECT(f, ADMIN_OK, ADMIN_CONNECTION_ADD, "acme", "", "");
	fixture_ticket(f, "acme", "9", "", secret);
	fixture_ticket(f, "acme", "1", "auto-approve", approving);
	fixture_enrol(f, secret, 1, 2, &first);
	assert_int_equal(first.state, CONNECTOR_APPROVED);
	fixture_enrol(f, secret, 3, 4, &second);
	assert_int_equal(second.state, CONNECTOR_PENDING);
	fixture_enrol(f, approving, 5, 6, &third);
	assert_int_equal(third.state, CONNECTOR_APPROVED);
	assert_string_not_equal(first.connector, second.connector);
	/* Again, and with what became of it since. */
	fixture_enrol(f, secret, 3, 4, &again);
	assert_string_equal(again.connector, second.connector);
	assert_int_equal(again.state, CONNECTOR_PENDING);
	ADMIN_EXPECT(f, ADMIN_OK, ADMIN_CONNECTOR_APPROVE, second.connector);
	fixture_enrol(f, secret, 3, 4, &again);
	assert_int_equal(again.state, CONNECTOR_APPROVED);
	ADMIN_EXPECT(f, ADMIN_OK, ADMIN_CONNECTOR_REVOKE, second.connector);
	assert_int_equal(enrol(f, secret, 3, 4), TICKET_KEYS_REFUSED);
	assert_int_equal(fixture_count(f, "connector_enrol"), 3);
}

static void
keys(void **state)
{
	static const struct {
		unsigned int sign, seal;
	} taken[] = { { 1, 9 }, { 9, 2 }, { 2, 1 }, { 9, 1 }, { 2, 9 }, { 7, 7 }, { 1, 1 },
		{ 1, 4 }, { 3, 2 } };
	struct fixture *f = *state;
	char secret[TICKET_SECRET_SIZE], foreign[TICKET_SECRET_SIZE];
	size_t i;

	ADMIN_EXPECT(f, ADMIN_OK, ADMIN_CONNECTION_ADD, "acme", "", "");
	ADMIN_EXPECT(f, ADMIN_OK, ADMIN_CONNECTION_ADD, "other", "", "");
	fixture_ticket(f, "acme", "64", "", secret);
	fixture_ticket(f, "other", "64", "", foreign);
	assert_int_equal(enrol(f, secret, 1, 2), TICKET_OK);
	assert_int_equal(enrol(f, secret, 3, 4), TICKET_OK);
	for (i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		assert_int_equal(
		    enrol(f, secret, taken[i].sign, taken[i].seal), TICKET_KEYS_REFUSED);
		assert_int_equal(
		    enrol(f, foreign, taken[i].sign, taken[i].seal), TICKET_KEYS_REFUSED);
	}
	assert_int_equal(enrol(f, foreign, 1, 2), TICKET_KEYS_REFUSED);
	assert_int_equal(fixture_number(f, "SELECT sum(uses_left) FROM ticket"), 126);
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM connector"), 2);
}

static void
connection_full(void **state)
{
	struct fixture *f = *state;
	char secret[TICKET_SECRET_SIZE], more[TICKET_SECRET_SIZE];
	struct enrolled out;
	unsigned int i;

	ADMIN_EXPECT(f, ADMIN_OK, ADMIN_CONNECTION_ADD, "acme", "", "");
	fixture_ticket(f, "acme", "64", "", secret);
	fixture_ticket(f, "acme", "2", "", more);
	for (i = 0; i < CONNECTORS_PER_CONNECTION_MAX; i++)
		fixture_enrol(f, secret, 2 * i + 1, 2 * i + 2, &out);
	assert_int_equal(out.ticket, TICKET_OK);
	assert_int_equal(enrol(f, more, 1001, 1002), TICKET_FAILED);
	assert_int_equal(fixture_number(f, "SELECT uses_left FROM ticket WHERE uses_left > 0"), 2);
	ADMIN_EXPECT(f, ADMIN_OK, ADMIN_CONNECTOR_REVOKE, out.connector);
	assert_int_equal(enrol(f, more, 1001, 1002), TICKET_OK);
	/* All of them go with the connection. */
	f->changes = 0;
	ADMIN_EXPECT(f, ADMIN_OK, ADMIN_CONNECTION_REMOVE, "acme");
	assert_int_equal(f->changes, CONNECTORS_PER_CONNECTION_MAX);
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM connector WHERE state <> 3"), 0);
}

/* Tickets of no use make room; open ones are never taken away. */
static void
tickets_full(void **state)
{
	struct fixture *f = *state;
	char secret[TICKET_SECRET_SIZE];
	unsigned int i;

	ADMIN_EXPECT(f, ADMIN_OK, ADMIN_CONNECTION_ADD, "acme", "", "");
	for (i = 0; i < TICKETS_MAX; i++)
		fixture_ticket(f, "acme", "1", "", secret);
	ADMIN_EXPECT(f, ADMIN_REFUSED, ADMIN_TICKET_NEW, "acme", "", "", "");
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM ticket"), TICKETS_MAX);
	assert_int_equal(enrol(f, secret, 1, 2), TICKET_OK);
	fixture_ticket(f, "acme", "1", "", secret);
	ADMIN_EXPECT(f, ADMIN_REFUSED, ADMIN_TICKET_NEW, "acme", "", "", "");
	f->now += 25 * HOUR;
	fixture_ticket(f, "acme", "1", "", secret);
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM ticket"), TICKETS_MAX);
}

static void
approving(void **state)
{
	struct fixture *f = *state;
	char secret[TICKET_SECRET_SIZE];
	struct enrolled out[10];
	struct connector_view view;
	unsigned int i;

	ADMIN_EXPECT(f, ADMIN_OK, ADMIN_CONNECTION_ADD, "acme", "", "");
	fixture_ticket(f, "acme", "10", "", secret);
	for (i = 0; i < 10; i++)
		fixture_enrol(f, secret, 2 * i + 1, 2 * i + 2, &out[i]);
	for (i = 0; i < CONNECTORS_APPROVED_MAX; i++)
		ADMIN_EXPECT(f, ADMIN_OK, ADMIN_CONNECTOR_APPROVE, out[i].connector);
	/* The first was approved from the start: no news. */
	assert_int_equal(f->changes, CONNECTORS_APPROVED_MAX - 1);
	assert_int_equal(f->changed_to, CONNECTOR_APPROVED);
	ADMIN_EXPECT(f, ADMIN_REFUSED, ADMIN_CONNECTOR_APPROVE, out[8].connector);
	ADMIN_EXPECT(f, ADMIN_OK, ADMIN_CONNECTOR_REVOKE, out[0].connector);
	assert_string_equal(f->changed, out[0].connector);
	ADMIN_EXPECT(f, ADMIN_OK, ADMIN_CONNECTOR_APPROVE, out[8].connector);
	ADMIN_EXPECT(f, ADMIN_REFUSED, ADMIN_CONNECTOR_APPROVE, out[0].connector);
	ADMIN_EXPECT(f, ADMIN_NOT_FOUND, ADMIN_CONNECTOR_APPROVE, "");
	connector_find(&f->store, out[8].connector, &view);
	assert_int_equal(view.state, CONNECTOR_APPROVED);
	assert_string_equal(view.identifier, "acme");
	assert_int_equal(fixture_broken(f), 0);
}

static void
tunnels(void **state)
{
	struct fixture *f = *state;
	struct tunnel_event up = { true, NULL, "dc-host", "1", "192.0.2.1", "" };
	char secret[TICKET_SECRET_SIZE];
	struct enrolled out;

	ADMIN_EXPECT(f, ADMIN_OK, ADMIN_CONNECTION_ADD, "acme", "", "");
	fixture_ticket(f, "acme", "1", "", secret);
	fixture_enrol(f, secret, 1, 2, &out);
	up.connector = out.connector;
	connector_tunnel(&f->store, &up, f->now);
	assert_int_equal(fixture_number(f, "SELECT online FROM connector"), 1);
	assert_int_equal(fixture_number(f, "SELECT last_seen FROM connector"), f->now / 1000);
	assert_int_equal(connector_all_offline(&f->store), 0);
	assert_int_equal(fixture_number(f, "SELECT online FROM connector"), 0);
	/* One that is revoked is not online, whatever the gate says. */
	ADMIN_EXPECT(f, ADMIN_OK, ADMIN_CONNECTOR_REVOKE, out.connector);
	connector_tunnel(&f->store, &up, f->now);
	assert_int_equal(fixture_number(f, "SELECT online FROM connector"), 0);
	assert_int_equal(fixture_count(f, "tunnel_up"), 1);
	up.connector = "nobody";
	connector_tunnel(&f->store, &up, f->now);
	assert_int_equal(fixture_count(f, "tunnel_up"), 1);
}

static void
counts_of_arguments(void **state)
{
	struct fixture *f = *state;
	struct admin admin;

	ADMIN_EXPECT(f, ADMIN_REFUSED, ADMIN_CONNECTION_ADD, "acme");
	ADMIN_EXPECT(f, ADMIN_REFUSED, ADMIN_CONNECTION_LIST, "acme");
	ADMIN_EXPECT(f, ADMIN_REFUSED, ADMIN_TICKET_NEW, "acme", "", "");
	assert_int_equal(fixture_admin(f, &admin, ADMIN_OPERATION_COUNT, NULL), ADMIN_REFUSED);
	assert_int_equal(fixture_admin(f, &admin, (enum admin_operation)255, NULL), ADMIN_REFUSED);
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM audit"), 0);
}

/* --- writes that fail ------------------------------------------------------ */

static unsigned int writes_left; /* 0: no fault */
static int fault_errno;
static bool fault_stays; /* the disk is full until further notice */

static ssize_t
faulty_pwrite(int fd, const void *data, size_t len, off_t at)
{
	if (writes_left > 0 && --writes_left == 0) {
		if (fault_stays)
			writes_left = 1;
		errno = fault_errno;
		return -1;
	}
	return pwrite(fd, data, len, at);
}

static void
faults_in(void)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

	assert_int_equal(
	    vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)faulty_pwrite), SQLITE_OK);
	assert_int_equal(
	    vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)faulty_pwrite), SQLITE_OK);
}

static void
faults_out(void)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

	writes_left = 0;
	vfs->xSetSystemCall(vfs, "pwrite", NULL);
	vfs->xSetSystemCall(vfs, "pwrite64", NULL);
}

/*
 * The k-th write of an enrolment fails, for every k: the answer and the
 * database agree, now and after a restart, and the next try succeeds.
 */
static void
enrolment_torture(struct fixture *f, int error, bool stays)
{
	char secret[TICKET_SECRET_SIZE];
	struct enrolled out;
	int64_t connectors, uses;
	unsigned int k, failures = 0;

	ADMIN_EXPECT(f, ADMIN_OK, ADMIN_CONNECTION_ADD, "acme", "", "");
	for (k = 1; k < 200; k++) {
		fixture_ticket(f, "acme", "2", "", secret);
		connectors = fixture_number(f, "SELECT count(*) FROM connector");
		uses = fixture_number(f, "SELECT sum(uses_left) FROM ticket");
		faults_in();
		fault_errno = error;
		fault_stays = stays;
		writes_left = k;
		fixture_enrol(f, secret, 2 * k + 1, 2 * k + 2, &out);
		faults_out();
		if (out.ticket == TICKET_FAILED)
			failures++;
		else
			assert_int_equal(out.ticket, TICKET_OK);
		if (k % 5 == 0)
			fixture_reopen(f, AUDIT_ROWS_MAX);
		connectors += out.ticket == TICKET_OK;
		uses -= out.ticket == TICKET_OK;
		assert_int_equal(fixture_number(f, "SELECT count(*) FROM connector"), connectors);
		assert_int_equal(fixture_number(f, "SELECT sum(uses_left) FROM ticket"), uses);
		assert_int_equal(fixture_broken(f), 0);
		if (out.ticket == TICKET_OK)
			break;
		fixture_enrol(f, secret, 2 * k + 1, 2 * k + 2, &out);
		assert_int_equal(out.ticket, TICKET_OK);
		assert_int_equal(
		    fixture_number(f, "SELECT count(*) FROM connector"), connectors + 1);
		/* Revoked, so that the connection does not fill up. */
		ADMIN_EXPECT(f, ADMIN_OK, ADMIN_CONNECTOR_REVOKE, out.connector);
	}
	/* An enrolment writes several pages, so several faults were met before none was. */
	assert_in_range(failures, 3, 190);
}

static void
disk_full_at_every_write(void **state)
{
	enrolment_torture(*state, ENOSPC, true);
}

static void
disk_full_for_a_moment(void **state)
{
	enrolment_torture(*state, ENOSPC, false);
}

static void
disk_fails_at_every_write(void **state)
{
	enrolment_torture(*state, EIO, false);
}

static void
administration_on_a_full_disk(void **state)
{
	struct fixture *f = *state;
	char secret[TICKET_SECRET_SIZE];
	struct enrolled out;
	struct admin admin;
	json_t *rows;

	ADMIN_EXPECT(f, ADMIN_OK, ADMIN_CONNECTION_ADD, "acme", "", "");
	fixture_ticket(f, "acme", "2", "", secret);
	fixture_enrol(f, secret, 1, 2, &out);
	fixture_enrol(f, secret, 3, 4, &out);
	f->changes = 0;
	faults_in();
	fault_errno = ENOSPC;
	fault_stays = true;
	writes_left = 1;
	ADMIN_EXPECT(f, ADMIN_FAILED, ADMIN_CONNECTION_ADD, "more", "", "");
	ADMIN_EXPECT(f, ADMIN_FAILED, ADMIN_CONNECTION_REMOVE, "acme");
	ADMIN_EXPECT(f, ADMIN_FAILED, ADMIN_TICKET_NEW, "acme", "", "", "");
	ADMIN_EXPECT(f, ADMIN_FAILED, ADMIN_CONNECTOR_APPROVE, out.connector);
	ADMIN_EXPECT(f, ADMIN_FAILED, ADMIN_CONNECTOR_REVOKE, out.connector);
	assert_int_equal(fixture_admin(f, &admin, ADMIN_TICKET_LIST, "acme", NULL), ADMIN_OK);
	rows = json_object_get(admin.json, "tickets");
	ADMIN_EXPECT(f, ADMIN_FAILED, ADMIN_TICKET_REVOKE,
	    json_string_value(json_object_get(json_array_get(rows, 0), "id")));
	json_decref(admin.json);
	ADMIN_EXPECT(f, ADMIN_OK, ADMIN_AUDIT_LIST, "0", "10");
	faults_out();
	assert_int_equal(f->changes, 0);
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM connection WHERE removed = 0"), 1);
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM ticket WHERE revoked = 0"), 1);
	assert_int_equal(fixture_number(f, "SELECT state FROM connector ORDER BY state LIMIT 1"),
	    CONNECTOR_PENDING);
	ADMIN_EXPECT(f, ADMIN_OK, ADMIN_CONNECTOR_APPROVE, out.connector);
	assert_int_equal(f->changes, 1);
	assert_int_equal(fixture_broken(f), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(states_of_a_ticket),
		TEST(first_and_further),
		TEST(keys),
		TEST(connection_full),
		TEST(tickets_full),
		TEST(approving),
		TEST(tunnels),
		TEST(counts_of_arguments),
		TEST(disk_full_at_every_write),
		TEST(disk_full_for_a_moment),
		TEST(disk_fails_at_every_write),
		TEST(administration_on_a_full_disk),
	};

	return cmocka_run_group_tests(tests, fixture_warm_up, NULL);
}
