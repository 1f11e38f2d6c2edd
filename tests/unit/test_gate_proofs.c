/* SPDX-License-Identifier: ISC */
/* What the gate believes: hellos, enrolments, new keys, verdicts, good ones and each way to be
 * wrong. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "common/base64url.h"
#include "hub/gate/enrolment.h"
#include "hub/gate/hello.h"
#include "hub/gate/rekey_statement.h"
#include "hub/gate/verdict.h"
#include "common/json.h"
#include "common/jws.h"

#include "allocations.h"
#include "common/wipe.h"
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUID "11111111-2222-3333-4444-555555555555"
#define PROFILE "{\"id\":\"" GUID "\"}"
#define NONCE "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define TUNNEL_URL "wss://hub.example/tunnel"
#define SECRET "ssssssssssssssssssssssssssssssssssssssssss1"

static struct jose_key *key, *other, *fresh;
static const struct verdict_asked asked = { "attempt1", "corp", "al\xc3\xads\"e" };

static char *
digest_of(const void *data, size_t len)
{
	static char text[BASE64URL_SIZE(32)];
	uint8_t digest[32];

	assert_int_equal(EVP_Digest(data, len, digest, NULL, EVP_sha256(), NULL), 1);
	base64url_encode(text, sizeof(text), digest, sizeof(digest));
	return text;
}

static char *
sign(const struct jose_key *by, const char *type, const json_t *payload)
{
	char *text = json_dumps(payload, JSON_COMPACT), *jws;

	assert_non_null(text);
	jws = jws_sign(by, type, text, strlen(text));
	assert_non_null(jws);
	free(text);
	return jws;
}

/* --- verdicts --- */

static json_t *
good_payload(void)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:s}", "attempt", asked.attempt,
	    "connection", asked.connection, "username", asked.username, "status", "ok", "proven", 1,
	    "reason", "", "sub", GUID, "profile", digest_of(PROFILE, strlen(PROFILE)));
}

/* A result frame over this payload; takes the reference. */
static json_t *
result_of(json_t *payload)
{
	char *jws = sign(key, "adconnector-verdict+jws", payload);
	json_t *result;

	result = json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", "attempt1", "type", "result",
	    "status", "ok", "verdict", jws, "profile", PROFILE);
	assert_non_null(result);
	free(jws);
	json_decref(payload);
	return result;
}

/* Must be refused, and then say nothing but internal. Takes the reference. */
static void
refused(json_t *result)
{
	struct verdict verdict;
	const char *why = NULL;

	if (verdict_judge(key, &asked, result, &verdict, &why) != -1)
		fail_msg("believed: %s", json_dumps(result, 0));
	assert_non_null(why);
	assert_int_equal(verdict.status, STATUS_INTERNAL);
	assert_false(verdict.proven);
	assert_false(verdict.bound);
	assert_null(verdict.profile);
	verdict_free(&verdict);
	json_decref(result);
}

static json_t *
changed(const char *member, json_t *value)
{
	json_t *payload = good_payload();

	if (value == NULL)
		json_object_del(payload, member);
	else
		json_object_set_new(payload, member, value);
	return result_of(payload);
}

static void
test_a_good_verdict(void **state)
{
	json_t *result = result_of(good_payload());
	struct verdict verdict;
	const char *why;

	(void)state;
	assert_int_equal(verdict_judge(key, &asked, result, &verdict, &why), 0);
	assert_null(why);
	assert_int_equal(verdict.status, STATUS_OK);
	assert_true(verdict.proven);
	assert_false(verdict.bound);
	assert_string_equal(verdict.profile, PROFILE);
	assert_int_equal(verdict.profile_len, strlen(PROFILE));
	verdict_free(&verdict);
	json_decref(result);
}

static void
test_verdicts_that_are_refused(void **state)
{
	static const char *const members[] = { "attempt", "connection", "username", "status",
		"proven", "reason", "sub" };
	char reason[VERDICT_REASON_MAX + 2];
	json_t *result;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		refused(changed(members[i], NULL));
		refused(changed(members[i], json_null()));
		refused(changed(members[i], json_integer(1)));
		if (strcmp(members[i], "reason") != 0)
			refused(changed(members[i], json_string("x")));
	}
	refused(changed("username", json_string("al\xc3\xads\"e ")));
	refused(changed("attempt", json_string("attempt")));
	refused(changed("status", json_string("invalid_credentials")));
	refused(changed("status", json_string("lockout_protected")));
	refused(changed("proven", json_false()));
	refused(changed("sub", json_string("11111111-2222-3333-4444-55555555555A")));
	refused(changed("sub", json_string("111111112222-3333-4444-555555555555-")));
	memset(reason, 'r', sizeof(reason));
	reason[sizeof(reason) - 1] = '\0';
	refused(changed("reason", json_string(reason)));
	refused(changed("profile", json_null()));
	refused(changed("profile", json_string("")));
	refused(changed("profile", json_string(digest_of("x", 1))));
	result = result_of(good_payload());
	json_object_del(result, "profile");
	refused(result);
	result = result_of(good_payload());
	json_object_set_new(result, "profile", json_string(PROFILE " "));
	refused(result);
	result = result_of(good_payload());
	json_object_set_new(result, "verdict", json_null());
	refused(result);
	result = result_of(good_payload());
	json_object_del(result, "verdict");
	refused(result);
}

static void
test_verdicts_by_another_or_of_another_kind(void **state)
{
	json_t *payload = good_payload(), *result;
	char *jws;

	(void)state;
	jws = sign(other, "adconnector-verdict+jws", payload);
	result = result_of(good_payload());
	json_object_set_new(result, "verdict", json_string(jws));
	refused(result);
	free(jws);
	jws = sign(key, "adconnector-hello+jws", payload);
	result = result_of(good_payload());
	json_object_set_new(result, "verdict", json_string(jws));
	refused(result);
	free(jws);
	json_decref(payload);
}

static void
test_every_changed_character_of_a_verdict(void **state)
{
	json_t *result = result_of(good_payload());
	char *jws = strdup(json_string_value(json_object_get(result, "verdict")));
	size_t i;

	(void)state;
	for (i = 0; i < strlen(jws); i++) {
		jws[i] ^= 1;
		json_object_set_new(result, "verdict", json_string_nocheck(jws));
		json_incref(result);
		refused(result);
		jws[i] ^= 1;
	}
	free(jws);
	json_decref(result);
}

static void
test_profiles_must_be_objects(void **state)
{
	static const char *const profiles[] = { "", "[]", "1", "{", "{\"a\":1,\"a\":1}", "{}x" };
	json_t *payload, *result;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
		payload = good_payload();
		json_object_set_new(
		    payload, "profile", json_string(digest_of(profiles[i], strlen(profiles[i]))));
		result = result_of(payload);
		json_object_set_new(result, "profile", json_string(profiles[i]));
		refused(result);
	}
}

static void
test_the_pace_of_a_bind(void **state)
{
	struct verdict verdict;
	json_t *payload, *result;
	const char *why;
	int found;

	(void)state;
	for (found = 0; found < 2; found++) {
		payload = good_payload();
		json_object_set_new(payload, "status", json_string("invalid_credentials"));
		json_object_set_new(payload, "proven", json_false());
		json_object_set_new(payload, "reason", json_string("wrong password"));
		json_object_del(payload, "profile");
		if (!found)
			json_object_del(payload, "sub");
		result = result_of(payload);
		assert_int_equal(verdict_judge(key, &asked, result, &verdict, &why), 0);
		assert_int_equal(verdict.status, STATUS_INVALID_CREDENTIALS);
		assert_int_equal(verdict.bound, found);
		assert_string_equal(verdict.reason, "wrong password");
		/* A profile that no verdict names is not looked at. */
		assert_null(verdict.profile);
		verdict_free(&verdict);
		json_decref(result);
	}
}

static void
test_what_needs_no_verdict(void **state)
{
	static const enum status needs_none[] = { STATUS_NOT_ALLOWED, STATUS_BAD_REQUEST,
		STATUS_UNSUPPORTED, STATUS_DIRECTORY_UNAVAILABLE, STATUS_TIMEOUT,
		STATUS_CONNECTOR_UNAVAILABLE, STATUS_INTERNAL };
	struct verdict verdict;
	const char *why;
	json_t *result;
	size_t i, n = sizeof(needs_none) / sizeof(needs_none[0]);
	int status, accepted;

	(void)state;
	for (status = 0; status < STATUS_COUNT; status++) {
		result =
		    json_pack("{s:s, s:s, s:b, s:s}", "status", status_word((enum status)status),
			"reason", "r", "proven", 1, "profile", PROFILE);
		accepted = verdict_judge(key, &asked, result, &verdict, &why) == 0;
		for (i = 0; i < n && needs_none[i] != (enum status)status; i++)
			;
		assert_int_equal(accepted, i < n);
		if (accepted) {
			assert_int_equal(verdict.status, status);
			assert_string_equal(verdict.reason, "r");
		}
		assert_false(verdict.proven);
		assert_null(verdict.profile);
		verdict_free(&verdict);
		json_decref(result);
	}
}

/* --- hellos --- */

static json_t *
hello_payload(void)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:[s], s:s}", "nonce", NONCE, "tunnel_url",
	    TUNNEL_URL, "connector_id", "c1", "version", "1", "host", "h", "capabilities",
	    "authenticate", "domain", "");
}

static char *
hello_frame(json_t *payload)
{
	char *jws = sign(key, "adconnector-hello+jws", payload), *text;

	assert_true(asprintf(&text, "{\"type\":\"hello\",\"proof\":\"%s\"}", jws) > 0);
	free(jws);
	json_decref(payload);
	return text;
}

static int
try_hello(const struct jose_key *by, json_t *payload, const char *nonce, const char *url)
{
	char *frame = hello_frame(payload), *proof, id[CONNECTOR_ID_SIZE];
	struct hello hello;
	const char *why;
	int result;

	result = hello_read(frame, strlen(frame), id, &proof, &why);
	if (result == 0)
		result = hello_check(by, proof, nonce, url, "c1", &hello, &why);
	free(proof);
	free(frame);
	return result;
}

static void
test_hellos(void **state)
{
	static const char *const members[] = { "nonce", "tunnel_url", "connector_id", "version",
		"host", "capabilities", "domain" };
	json_t *payload;
	size_t i;

	(void)state;
	assert_int_equal(try_hello(key, hello_payload(), NONCE, TUNNEL_URL), 0);
	assert_int_equal(try_hello(other, hello_payload(), NONCE, TUNNEL_URL), -1);
	assert_int_equal(try_hello(key, hello_payload(), NONCE "A", TUNNEL_URL), -1);
	assert_int_equal(try_hello(key, hello_payload(), NONCE, TUNNEL_URL "/"), -1);
	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		payload = hello_payload();
		json_object_del(payload, members[i]);
		assert_int_equal(try_hello(key, payload, NONCE, TUNNEL_URL), -1);
		payload = hello_payload();
		json_object_set_new(payload, members[i], json_integer(1));
		assert_int_equal(try_hello(key, payload, NONCE, TUNNEL_URL), -1);
	}
	payload = hello_payload();
	json_object_set_new(payload, "connector_id", json_string("c2"));
	assert_int_equal(try_hello(key, payload, NONCE, TUNNEL_URL), -1);
}

static void
test_hello_frames_cut_anywhere(void **state)
{
	char *frame = hello_frame(hello_payload()), *cut, *proof, id[CONNECTOR_ID_SIZE];
	size_t len, n = strlen(frame);
	const char *why;

	(void)state;
	for (len = 0; len < n; len++) {
		cut = malloc(len + 1);
		memcpy(cut, frame, len);
		assert_int_equal(hello_read(cut, len, id, &proof, &why), -1);
		assert_null(proof);
		assert_non_null(why);
		free(cut);
	}
	assert_int_equal(hello_read(frame, n, id, &proof, &why), 0);
	assert_string_equal(id, "c1");
	free(proof);
	free(frame);
}

/* --- enrolments --- */

static json_t *
jwk_of(const struct jose_key *k)
{
	json_t *jwk = jose_key_jwk(k);

	assert_non_null(jwk);
	return jwk;
}

static json_t *
enrolment_body(const struct jose_key *signer, const char *ticket, const char *name)
{
	uint8_t xy[JOSE_KEY_PUBLIC_SIZE];
	char seal[JOSE_KEY_ID_SIZE], *jws;
	json_t *payload, *body;

	jose_key_public(other, xy);
	jose_key_thumbprint(xy, seal);
	payload = json_pack("{s:s, s:s, s:s}", "ticket", digest_of(ticket, strlen(ticket)), "name",
	    name, "seal", seal);
	jws = sign(signer, "adconnector-enrol+jws", payload);
	body = json_pack("{s:s, s:s, s:{s:o, s:o}, s:s}", "name", "host", "version", "1", "keys",
	    "sign", jwk_of(key), "seal", jwk_of(other), "proof", jws);
	free(jws);
	json_decref(payload);
	return body;
}

static int
try_enrolment(json_t *body)
{
	char *text = json_dumps(body, JSON_COMPACT);
	struct enrolment e;
	const char *why;
	int result;

	result = enrolment_read(text, strlen(text), SECRET, &e, &why);
	if (result == -1)
		assert_non_null(why);
	else
		assert_string_equal(e.name, "host");
	free(text);
	json_decref(body);
	return result;
}

static void
test_enrolments(void **state)
{
	static const char *const members[] = { "name", "version", "keys", "proof" };
	struct enrolment e;
	const char *why;
	json_t *body;
	size_t i;

	(void)state;
	assert_int_equal(try_enrolment(enrolment_body(key, SECRET, "host")), 0);
	assert_int_equal(try_enrolment(enrolment_body(other, SECRET, "host")), -1);
	assert_int_equal(try_enrolment(enrolment_body(key, SECRET "x", "host")), -1);
	assert_int_equal(try_enrolment(enrolment_body(key, SECRET, "hos")), -1);
	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		body = enrolment_body(key, SECRET, "host");
		json_object_del(body, members[i]);
		assert_int_equal(try_enrolment(body), -1);
		body = enrolment_body(key, SECRET, "host");
		json_object_set_new(body, members[i], json_integer(1));
		assert_int_equal(try_enrolment(body), -1);
	}
	body = enrolment_body(key, SECRET, "host");
	json_object_set_new(json_object_get(body, "keys"), "seal", jwk_of(key));
	assert_int_equal(try_enrolment(body), -1);
	assert_int_equal(enrolment_read(NULL, 0, SECRET, &e, &why), -1);
	assert_int_equal(enrolment_read("", 0, SECRET, &e, &why), -1);
	assert_int_equal(enrolment_read("[]", 2, SECRET, &e, &why), -1);
}

/* --- new keys: from key to fresh, which seals with other --- */

static char old_kid[JOSE_KEY_ID_SIZE];

static struct rekey_statement
rekey_wanted(void)
{
	struct rekey_statement s = { .connection = "corp",
		.connector_id = "c1",
		.nonce = NONCE,
		.tunnel_url = TUNNEL_URL,
		.old = old_kid };
	uint8_t xy[JOSE_KEY_PUBLIC_SIZE];

	jose_key_public(key, xy);
	assert_int_equal(jose_key_thumbprint(xy, old_kid), 0);
	return s;
}

static struct rekey_statement
rekey_good(void)
{
	struct rekey_statement s = rekey_wanted();

	jose_key_public(fresh, s.sign);
	jose_key_public(other, s.seal);
	return s;
}

/* Takes both. */
static json_t *
rekey_frame(char *statement, char *proof)
{
	json_t *frame;

	assert_non_null(statement);
	assert_non_null(proof);
	frame =
	    json_pack("{s:s, s:s, s:s}", "type", "rekey", "statement", statement, "proof", proof);
	assert_non_null(frame);
	free(statement);
	free(proof);
	return frame;
}

/* Takes the reference. */
static int
try_rekey(json_t *frame)
{
	struct rekey_statement s = rekey_wanted();
	const char *why = NULL;
	int result;

	result = rekey_statement_read(frame, key, &s, &why);
	assert_int_equal(result == -1, why != NULL);
	json_decref(frame);
	return result;
}

static json_t *
rekey_of(const struct rekey_statement *s)
{
	return rekey_frame(rekey_sign(s, key, REKEY_TYPE), rekey_sign(s, fresh, REKEY_PROOF_TYPE));
}

static void
test_new_keys(void **state)
{
	struct rekey_statement s = rekey_good(), read = rekey_wanted();
	const char *why;
	json_t *frame;

	(void)state;
	frame = rekey_of(&s);
	assert_int_equal(rekey_statement_read(frame, key, &read, &why), 0);
	assert_null(why);
	assert_memory_equal(read.sign, s.sign, sizeof(s.sign));
	assert_memory_equal(read.seal, s.seal, sizeof(s.seal));
	json_decref(frame);
}

static void
test_new_keys_that_are_refused(void **state)
{
	static const char *const members[] = { "statement", "proof" };
	struct rekey_statement s = rekey_good(), t;
	char longer[REKEY_JWS_MAX + 2];
	json_t *frame;
	size_t i;

	(void)state;
	/* By whom, and of which kind. */
	assert_int_equal(try_rekey(rekey_frame(rekey_sign(&s, fresh, REKEY_TYPE),
			     rekey_sign(&s, fresh, REKEY_PROOF_TYPE))),
	    -1);
	assert_int_equal(try_rekey(rekey_frame(rekey_sign(&s, key, REKEY_TYPE),
			     rekey_sign(&s, key, REKEY_PROOF_TYPE))),
	    -1);
	assert_int_equal(try_rekey(rekey_frame(rekey_sign(&s, key, REKEY_TYPE),
			     rekey_sign(&s, other, REKEY_PROOF_TYPE))),
	    -1);
	assert_int_equal(try_rekey(rekey_frame(rekey_sign(&s, key, REKEY_PROOF_TYPE),
			     rekey_sign(&s, fresh, REKEY_TYPE))),
	    -1);
	assert_int_equal(try_rekey(rekey_frame(rekey_sign(&s, key, "adconnector-hello+jws"),
			     rekey_sign(&s, fresh, REKEY_PROOF_TYPE))),
	    -1);
	/* About another connector, connection, hub, tunnel or key. */
	for (i = 0; i < 5; i++) {
		t = s;
		*(i == 0	 ? &t.connection
			: i == 1 ? &t.connector_id
			: i == 2 ? &t.nonce
			: i == 3 ? &t.tunnel_url
				 : &t.old) = "another";
		assert_int_equal(try_rekey(rekey_of(&t)), -1);
		assert_int_equal(try_rekey(rekey_frame(rekey_sign(&s, key, REKEY_TYPE),
				     rekey_sign(&t, fresh, REKEY_PROOF_TYPE))),
		    -1);
	}
	/* The proof is over another seal key than the statement. */
	t = s;
	jose_key_public(key, t.seal);
	assert_int_equal(try_rekey(rekey_frame(rekey_sign(&s, key, REKEY_TYPE),
			     rekey_sign(&t, fresh, REKEY_PROOF_TYPE))),
	    -1);
	/* One key for both. */
	memcpy(t.seal, t.sign, sizeof(t.seal));
	assert_int_equal(try_rekey(rekey_of(&t)), -1);
	/* Keys that are no points cannot even be spelt. */
	memset(t.seal, 0, sizeof(t.seal));
	assert_null(rekey_sign(&t, key, REKEY_TYPE));
	for (i = 0; i < 2; i++) {
		frame = rekey_of(&s);
		json_object_del(frame, members[i]);
		assert_int_equal(try_rekey(frame), -1);
		frame = rekey_of(&s);
		json_object_set_new(frame, members[i], json_integer(1));
		assert_int_equal(try_rekey(frame), -1);
		frame = rekey_of(&s);
		json_object_set_new(frame, members[i], json_string(""));
		assert_int_equal(try_rekey(frame), -1);
		memset(longer, 'a', sizeof(longer) - 1);
		longer[sizeof(longer) - 1] = '\0';
		frame = rekey_of(&s);
		json_object_set_new(frame, members[i], json_string(longer));
		assert_int_equal(try_rekey(frame), -1);
	}
	frame = rekey_of(&s);
	json_object_set_new(frame, "more", json_true());
	assert_int_equal(try_rekey(frame), -1);
	assert_int_equal(try_rekey(json_object()), -1);
}

/* Signed by who may, and yet not the one text that it has to be. */
static void
test_statements_have_one_spelling(void **state)
{
	struct rekey_statement s = rekey_good();
	json_t *payload;
	char *text, spaced[REKEY_JWS_MAX];
	const char *const members[] = { "connection", "connector_id", "nonce", "old", "seal",
		"sign", "tunnel_url" };
	size_t len, i;

	(void)state;
	text = rekey_text(&s, &len);
	assert_non_null(text);
	assert_non_null(
	    strstr(text, "{\"connection\":\"corp\",\"connector_id\":\"c1\",\"nonce\":\""));
	payload = json_loads(text, 0, NULL);
	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		json_t *less = json_deep_copy(payload);

		json_object_del(less, members[i]);
		assert_int_equal(try_rekey(rekey_frame(sign(key, REKEY_TYPE, less),
				     sign(fresh, REKEY_PROOF_TYPE, less))),
		    -1);
		json_object_set_new(less, members[i], json_null());
		assert_int_equal(try_rekey(rekey_frame(sign(key, REKEY_TYPE, less),
				     sign(fresh, REKEY_PROOF_TYPE, less))),
		    -1);
		json_decref(less);
	}
	json_object_set_new(payload, "more", json_true());
	assert_int_equal(try_rekey(rekey_frame(sign(key, REKEY_TYPE, payload),
			     sign(fresh, REKEY_PROOF_TYPE, payload))),
	    -1);
	json_decref(payload);
	snprintf(spaced, sizeof(spaced), "%s ", text);
	assert_int_equal(try_rekey(rekey_frame(jws_sign(key, REKEY_TYPE, spaced, strlen(spaced)),
			     jws_sign(fresh, REKEY_PROOF_TYPE, spaced, strlen(spaced)))),
	    -1);
	assert_int_equal(try_rekey(rekey_frame(jws_sign(key, REKEY_TYPE, text, len - 1),
			     jws_sign(fresh, REKEY_PROOF_TYPE, text, len - 1))),
	    -1);
	assert_int_equal(try_rekey(rekey_frame(jws_sign(key, REKEY_TYPE, text, len),
			     jws_sign(fresh, REKEY_PROOF_TYPE, text, len))),
	    0);
	free(text);
}

static void
test_words_of_rekeying(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < REKEY_RESULTS; i++)
		assert_int_equal(rekey_from_word(rekey_word((enum rekey_result)i)), i);
	assert_int_equal(rekey_from_word(""), REKEY_RESULTS);
	assert_int_equal(rekey_from_word("OK"), REKEY_RESULTS);
}

static int
make_keys(void **state)
{
	(void)state;
	key = jose_key_generate();
	other = jose_key_generate();
	fresh = jose_key_generate();
	return key == NULL || other == NULL || fresh == NULL ? -1 : 0;
}

static int
free_keys(void **state)
{
	(void)state;
	jose_key_free(key);
	jose_key_free(other);
	jose_key_free(fresh);
	return 0;
}

/* --- without memory --- */

/* What a good proof that was not accepted must have been told. */
static void
not_blamed(const char *why)
{
	assert_int_equal(errno, ENOMEM);
	assert_true(allocations_failed());
	assert_string_equal(why, "out of memory");
}

static bool
hello_without_memory(void *arg)
{
	char *proof = NULL, id[CONNECTOR_ID_SIZE];
	struct hello hello;
	const char *why = NULL;
	int result;

	result = hello_read(arg, strlen(arg), id, &proof, &why);
	if (result == 0)
		result = hello_check(key, proof, NONCE, TUNNEL_URL, "c1", &hello, &why);
	else
		assert_null(proof);
	if (result == -1)
		not_blamed(why);
	free(proof);
	return result == 0;
}

static bool
enrolment_without_memory(void *arg)
{
	struct enrolment e;
	const char *why = NULL;

	if (enrolment_read(arg, strlen(arg), SECRET, &e, &why) == 0)
		return true;
	not_blamed(why);
	return false;
}

struct rekey_case {
	json_t *frame;
	struct rekey_statement wanted;
};

static bool
rekey_without_memory(void *arg)
{
	const struct rekey_case *c = arg;
	struct rekey_statement s = c->wanted;
	const char *why = NULL;

	if (rekey_statement_read(c->frame, key, &s, &why) == 0)
		return true;
	not_blamed(why);
	return false;
}

static bool
verdict_without_memory(void *arg)
{
	struct verdict verdict;
	const char *why = NULL;
	int result = verdict_judge(key, &asked, arg, &verdict, &why);

	if (result == -1) {
		not_blamed(why);
		assert_int_equal(verdict.status, STATUS_INTERNAL);
		assert_false(verdict.proven);
	} else
		assert_int_equal(verdict.status, STATUS_OK);
	verdict_free(&verdict);
	return result == 0;
}

/* A wrong one stays wrong. */
static bool
forged_without_memory(void *arg)
{
	struct verdict verdict;
	const char *why = NULL;

	assert_int_equal(verdict_judge(other, &asked, arg, &verdict, &why), -1);
	assert_true(errno == EBADMSG || (errno == ENOMEM && allocations_failed()));
	return errno == EBADMSG;
}

static void
test_want_of_memory(void **state)
{
	struct rekey_statement s = rekey_good();
	struct rekey_case rekey;
	json_t *json;
	char *text;

	(void)state;
	text = hello_frame(hello_payload());
	allocations_fail_each(hello_without_memory, text, ALLOCATIONS_KEPT);
	free(text);
	json = enrolment_body(key, SECRET, "host");
	text = json_dumps(json, 0);
	allocations_fail_each(enrolment_without_memory, text, ALLOCATIONS_KEPT);
	free(text);
	json_decref(json);
	rekey.wanted = rekey_wanted();
	rekey.frame = rekey_of(&s);
	allocations_fail_each(rekey_without_memory, &rekey, ALLOCATIONS_KEPT);
	json_decref(rekey.frame);
	json = result_of(good_payload());
	allocations_fail_each(verdict_without_memory, json, ALLOCATIONS_KEPT);
	allocations_fail_each(forged_without_memory, json, ALLOCATIONS_KEPT);
	json_decref(json);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_good_verdict),
		cmocka_unit_test(test_verdicts_that_are_refused),
		cmocka_unit_test(test_verdicts_by_another_or_of_another_kind),
		cmocka_unit_test(test_every_changed_character_of_a_verdict),
		cmocka_unit_test(test_profiles_must_be_objects),
		cmocka_unit_test(test_the_pace_of_a_bind),
		cmocka_unit_test(test_what_needs_no_verdict),
		cmocka_unit_test(test_hellos),
		cmocka_unit_test(test_hello_frames_cut_anywhere),
		cmocka_unit_test(test_enrolments),
		cmocka_unit_test(test_new_keys),
		cmocka_unit_test(test_new_keys_that_are_refused),
		cmocka_unit_test(test_statements_have_one_spelling),
		cmocka_unit_test(test_words_of_rekeying),
		cmocka_unit_test(test_want_of_memory),
	};

	if (wipe_use_in_openssl() == -1)
		return 1;
	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
