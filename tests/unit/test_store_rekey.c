/* SPDX-License-Identifier: ISC */
/*
 * New keys for a connector: who gets them, who does not, and that a lost answer can be had again.
 * A gate that lies is played by calling with anything.
 */
#include "store_fixture.h"

#include "common/rekey.h"

#define URL "wss://hub.example/tunnel"
#define NONCE "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define OVERLAP_MS (REKEY_OVERLAP_S * 1000LL)

struct pair {
	struct jose_key *sign, *seal;
	uint8_t sign_xy[CONNECTOR_KEY_SIZE], seal_xy[CONNECTOR_KEY_SIZE];
	char kid[JOSE_KEY_ID_SIZE];
};

static struct pair pairs[4];

static int
make_pairs(void **state)
{
	size_t i;

	fixture_warm_up(state);
	for (i = 0; i < 4; i++) {
		struct pair *p = &pairs[i];

		if ((p->sign = jose_key_generate()) == NULL ||
		    (p->seal = jose_key_generate()) == NULL ||
		    jose_key_public(p->sign, p->sign_xy) == -1 ||
		    jose_key_public(p->seal, p->seal_xy) == -1 ||
		    jose_key_thumbprint(p->sign_xy, p->kid) == -1)
			return -1;
	}
	return 0;
}

static int
free_pairs(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		jose_key_free(pairs[i].sign);
		jose_key_free(pairs[i].seal);
	}
	return 0;
}

/* A connector with the first pair. */
static void
enrol(struct fixture *f, char id[CONNECTOR_ID_SIZE])
{
	char secret[TICKET_SECRET_SIZE];
	struct enrolment e = { secret, "host-a", "0.1.0", "192.0.2.7", { 0 }, { 0 } };
	struct enrolled out;

	ADMIN_EXPECT(f, ADMIN_OK, ADMIN_CONNECTION_ADD, "acme", "", "");
	fixture_ticket(f, "acme", "1", "", secret);
	memcpy(e.sign_key, pairs[0].sign_xy, sizeof(e.sign_key));
	memcpy(e.seal_key, pairs[0].seal_xy, sizeof(e.seal_key));
	connector_enrol(&f->store, &e, f->now, &out);
	assert_int_equal(out.ticket, TICKET_OK);
	memcpy(id, out.connector, CONNECTOR_ID_SIZE);
}

/* What a statement names, where it is not as it should be. */
struct lies {
	const char *connection, *connector, *nonce, *url, *old;
	const struct jose_key *statement_by, *proof_by;
	const char *statement_type, *proof_type;
};

static enum rekey_result
rekey_with(struct fixture *f, const char *id, const struct pair *from, const struct pair *to,
    const struct lies *lies)
{
#define OR(member, value) (lies->member == NULL ? (value) : lies->member)
	struct rekey_statement s = { .connection = OR(connection, "acme"),
		.connector_id = OR(connector, id),
		.nonce = OR(nonce, NONCE),
		.tunnel_url = OR(url, URL),
		.old = OR(old, from->kid) };
	struct rekey r = { id, URL, NONCE, from->kid, NULL, NULL, "192.0.2.7", { 0 }, { 0 } };
	char *statement, *proof;
	enum rekey_result result;

	memcpy(s.sign, to->sign_xy, sizeof(s.sign));
	memcpy(s.seal, to->seal_xy, sizeof(s.seal));
	memcpy(r.sign_key, to->sign_xy, sizeof(r.sign_key));
	memcpy(r.seal_key, to->seal_xy, sizeof(r.seal_key));
	statement = rekey_sign(&s, OR(statement_by, from->sign), OR(statement_type, REKEY_TYPE));
	proof = rekey_sign(&s, OR(proof_by, to->sign), OR(proof_type, REKEY_PROOF_TYPE));
	assert_non_null(statement);
	assert_non_null(proof);
	r.statement = statement;
	r.proof = proof;
	result = connector_rekey(&f->store, &r, f->now);
	free(statement);
	free(proof);
	return result;
#undef OR
}

static enum rekey_result
rekey(struct fixture *f, const char *id, const struct pair *from, const struct pair *to)
{
	static const struct lies none;

	return rekey_with(f, id, from, to, &none);
}

static void
assert_has(struct fixture *f, const char *id, const struct pair *p, enum connector_state state)
{
	struct connector_view view;

	connector_find(&f->store, id, &view);
	assert_memory_equal(view.sign_key, p->sign_xy, CONNECTOR_KEY_SIZE);
	assert_memory_equal(view.seal_key, p->seal_xy, CONNECTOR_KEY_SIZE);
	assert_int_equal(view.state, state);
}

static void
new_keys(void **state)
{
	struct fixture *f = *state;
	char id[CONNECTOR_ID_SIZE];
	uint8_t before[CONNECTOR_KEY_SIZE];

	enrol(f, id);
	assert_int_equal(connector_seal_before(&f->store, id, f->now, before), 0);
	assert_int_equal(rekey(f, id, &pairs[0], &pairs[1]), REKEY_OK);
	assert_has(f, id, &pairs[1], CONNECTOR_APPROVED);
	assert_int_equal(fixture_count(f, "connector_rekey"), 1);
	assert_int_equal(fixture_broken(f), 0);
	/* The key before, as long as texts for it are young, and no other change until then. */
	assert_int_equal(connector_seal_before(&f->store, id, f->now, before), REKEY_OVERLAP_S);
	assert_memory_equal(before, pairs[0].seal_xy, sizeof(before));
	assert_int_equal(rekey(f, id, &pairs[1], &pairs[2]), REKEY_TOO_MANY);
	f->now += OVERLAP_MS - 1000;
	assert_int_equal(rekey(f, id, &pairs[1], &pairs[2]), REKEY_TOO_MANY);
	assert_int_equal(connector_seal_before(&f->store, id, f->now, before), 1);
	f->now += 1000;
	assert_int_equal(connector_seal_before(&f->store, id, f->now, before), 0);
	assert_int_equal(before[0], 0);
	assert_int_equal(rekey(f, id, &pairs[1], &pairs[2]), REKEY_OK);
	assert_has(f, id, &pairs[2], CONNECTOR_APPROVED);
	/* What is on disk is the same. */
	fixture_reopen(f, AUDIT_ROWS_MAX);
	assert_has(f, id, &pairs[2], CONNECTOR_APPROVED);
	assert_int_equal(connector_seal_before(&f->store, id, f->now, before), REKEY_OVERLAP_S);
	/* A clock that was set back prolongs nothing. */
	assert_int_equal(connector_seal_before(&f->store, id, f->now - 5000, before), 0);
	assert_int_equal(f->changes, 0);
}

static void
lost_answers(void **state)
{
	struct fixture *f = *state;
	char id[CONNECTOR_ID_SIZE];
	struct lies lies = { 0 };

	enrol(f, id);
	assert_int_equal(rekey(f, id, &pairs[0], &pairs[1]), REKEY_OK);
	assert_int_equal(rekey(f, id, &pairs[0], &pairs[1]), REKEY_OK);
	f->now += 10 * OVERLAP_MS;
	assert_int_equal(rekey(f, id, &pairs[0], &pairs[1]), REKEY_OK);
	assert_int_equal(fixture_count(f, "connector_rekey"), 1);
	/* Only by who has the key. */
	lies.proof_by = pairs[0].sign;
	assert_int_equal(rekey_with(f, id, &pairs[0], &pairs[1], &lies), REKEY_REJECTED);
}

/* An old statement, shown again by a gate that kept it. */
static void
replays(void **state)
{
	struct fixture *f = *state;
	char id[CONNECTOR_ID_SIZE];

	enrol(f, id);
	assert_int_equal(rekey(f, id, &pairs[0], &pairs[1]), REKEY_OK);
	f->now += 2 * OVERLAP_MS;
	assert_int_equal(rekey(f, id, &pairs[1], &pairs[2]), REKEY_OK);
	f->now += 2 * OVERLAP_MS;
	assert_int_equal(rekey(f, id, &pairs[0], &pairs[1]), REKEY_REJECTED);
	assert_int_equal(rekey(f, id, &pairs[1], &pairs[0]), REKEY_REJECTED);
	assert_has(f, id, &pairs[2], CONNECTOR_APPROVED);
	assert_int_equal(audit_flush(f->store.audit, f->now), 0);
	assert_int_equal(fixture_count(f, "connector_rekey_refused"), 2);
}

static void
lying_gates(void **state)
{
	struct fixture *f = *state;
	const struct lies lies[] = {
		{ .connection = "other" },
		{ .connector = "somebody-else" },
		{ .nonce = "BBBB" },
		{ .url = "wss://other.example/tunnel" },
		{ .old = pairs[3].kid },
		{ .statement_by = pairs[1].sign },
		{ .statement_by = pairs[3].sign },
		{ .proof_by = pairs[0].sign },
		{ .proof_by = pairs[3].sign },
		{ .statement_type = REKEY_PROOF_TYPE },
		{ .statement_type = "adconnector-hello+jws" },
		{ .proof_type = REKEY_TYPE },
	};
	struct rekey r = { "nobody", "", "", "", "", "", "", { 0 }, { 0 } };
	char id[CONNECTOR_ID_SIZE];
	size_t i;

	enrol(f, id);
	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		assert_int_equal(rekey_with(f, id, &pairs[0], &pairs[1], &lies[i]), REKEY_REJECTED);
	/* By somebody who has keys, only not this connector's. */
	assert_int_equal(rekey(f, id, &pairs[3], &pairs[1]), REKEY_REJECTED);
	assert_int_equal(rekey(f, "nobody", &pairs[0], &pairs[1]), REKEY_REJECTED);
	assert_int_equal(connector_rekey(&f->store, &r, f->now), REKEY_REJECTED);
	r.connector = id;
	assert_int_equal(connector_rekey(&f->store, &r, f->now), REKEY_REJECTED);
	assert_has(f, id, &pairs[0], CONNECTOR_APPROVED);
	assert_int_equal(fixture_count(f, "connector_rekey"), 0);
	assert_int_equal(rekey(f, id, &pairs[0], &pairs[1]), REKEY_OK);
}

/* Also one that is only being opened with yet, and one that is used for both. */
static void
keys_of_others(void **state)
{
	struct fixture *f = *state;
	struct pair mixed[4] = { pairs[1], pairs[1], pairs[1], pairs[1] };
	char id[CONNECTOR_ID_SIZE], secret[TICKET_SECRET_SIZE];
	struct enrolment e = { secret, "host-b", "0.1.0", "192.0.2.8", { 0 }, { 0 } };
	struct enrolled out;
	size_t i;

	enrol(f, id);
	fixture_ticket(f, "acme", "1", "", secret);
	memcpy(e.sign_key, pairs[2].sign_xy, sizeof(e.sign_key));
	memcpy(e.seal_key, pairs[2].seal_xy, sizeof(e.seal_key));
	connector_enrol(&f->store, &e, f->now, &out);
	memcpy(mixed[0].seal_xy, pairs[2].seal_xy, CONNECTOR_KEY_SIZE);
	memcpy(mixed[1].seal_xy, pairs[2].sign_xy, CONNECTOR_KEY_SIZE);
	memcpy(mixed[2].seal_xy, pairs[0].seal_xy, CONNECTOR_KEY_SIZE);
	memcpy(mixed[3].seal_xy, pairs[1].sign_xy, CONNECTOR_KEY_SIZE);
	for (i = 0; i < 4; i++)
		assert_int_equal(rekey(f, id, &pairs[0], &mixed[i]), REKEY_REJECTED);
	assert_int_equal(rekey(f, id, &pairs[0], &pairs[2]), REKEY_REJECTED);
	/* What the first has given up is still opened with. */
	assert_int_equal(rekey(f, id, &pairs[0], &pairs[1]), REKEY_OK);
	mixed[0] = pairs[3];
	memcpy(mixed[0].seal_xy, pairs[0].seal_xy, CONNECTOR_KEY_SIZE);
	assert_int_equal(rekey(f, out.connector, &pairs[2], &mixed[0]), REKEY_REJECTED);
	assert_int_equal(rekey(f, out.connector, &pairs[2], &pairs[3]), REKEY_OK);
	/* It was pending, and stays so: new keys are no approval. */
	assert_has(f, out.connector, &pairs[3], CONNECTOR_PENDING);
}

static void
revoked(void **state)
{
	struct fixture *f = *state;
	char id[CONNECTOR_ID_SIZE];

	enrol(f, id);
	ADMIN_EXPECT(f, ADMIN_OK, ADMIN_CONNECTOR_REVOKE, id);
	assert_int_equal(rekey(f, id, &pairs[0], &pairs[1]), REKEY_REJECTED);
	assert_has(f, id, &pairs[0], CONNECTOR_REVOKED);
	assert_int_equal(fixture_count(f, "connector_rekey"), 0);
}

/* The connector's own ticket, with the keys that it has now: an enrolment that is repeated. */
static void
enrolling_again(void **state)
{
	struct fixture *f = *state;
	char secret[TICKET_SECRET_SIZE], fresh[TICKET_SECRET_SIZE];
	struct enrolment e = { secret, "host-a", "0.1.0", "192.0.2.7", { 0 }, { 0 } };
	struct enrolled out, again;

	ADMIN_EXPECT(f, ADMIN_OK, ADMIN_CONNECTION_ADD, "acme", "", "");
	fixture_ticket(f, "acme", "1", "", secret);
	memcpy(e.sign_key, pairs[0].sign_xy, sizeof(e.sign_key));
	memcpy(e.seal_key, pairs[0].seal_xy, sizeof(e.seal_key));
	connector_enrol(&f->store, &e, f->now, &out);
	assert_int_equal(rekey(f, out.connector, &pairs[0], &pairs[1]), REKEY_OK);
	/* The keys before are worth nothing any more, whatever the ticket. */
	fixture_ticket(f, "acme", "1", "", fresh);
	e.secret = fresh;
	connector_enrol(&f->store, &e, f->now, &again);
	assert_int_equal(again.ticket, TICKET_KEYS_REFUSED);
	e.secret = secret;
	connector_enrol(&f->store, &e, f->now, &again);
	assert_int_equal(again.ticket, TICKET_USED_UP);
	memcpy(e.sign_key, pairs[1].sign_xy, sizeof(e.sign_key));
	memcpy(e.seal_key, pairs[1].seal_xy, sizeof(e.seal_key));
	connector_enrol(&f->store, &e, f->now, &again);
	assert_int_equal(again.ticket, TICKET_OK);
	assert_string_equal(again.connector, out.connector);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(new_keys),
		TEST(lost_answers),
		TEST(replays),
		TEST(lying_gates),
		TEST(keys_of_others),
		TEST(revoked),
		TEST(enrolling_again),
	};

	return cmocka_run_group_tests(tests, make_pairs, free_pairs);
}
