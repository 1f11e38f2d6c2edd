/* SPDX-License-Identifier: ISC */
/*
 * What the gate believes because it is signed: hellos, enrolments, new keys, verdicts.  Signed here
 * by the right key, so that the search goes on behind the signature, as for somebody who has taken
 * a connector over.  No verdict makes more of a password than its signed part says.
 */
#include "common/json.h"
#include "common/jws.h"
#include "fuzz_key.h"
#include "hub/gate/enrolment.h"
#include "hub/gate/hello.h"
#include "hub/gate/rekey_statement.h"
#include "hub/gate/verdict.h"

#define TYPE "adconnector-verdict+jws"
#define NONCE "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define TUNNEL_URL "wss://hub.example/tunnel"
#define SECRET "ssssssssssssssssssssssssssssssssssssssssss1"

static const struct verdict_asked asked = { "attempt1", "corp", "al\xc3\xads\"e" };

static void
verify_raw(struct fuzz_input in)
{
	uint8_t *payload = NULL;
	size_t len;

	if (jws_verify(fuzz_key(), TYPE, (const char *)in.data, in.len, 1024, &payload, &len) ==
	    -1) {
		fuzz_check(payload == NULL);
		return;
	}
	fuzz_check(len <= 1024 && payload[len] == '\0');
	free(payload);
}

static void
sign_and_verify(struct fuzz_input in)
{
	uint8_t *payload;
	char *jws;
	size_t len;

	if ((jws = jws_sign(fuzz_key(), TYPE, in.data, in.len)) == NULL)
		return;
	fuzz_check(jws_verify(fuzz_key(), "adconnector-hello+jws", jws, strlen(jws),
		       JWS_MAX_PAYLOAD, &payload, &len) == -1);
	fuzz_check(
	    jws_verify(fuzz_key(), TYPE, jws, strlen(jws), JWS_MAX_PAYLOAD, &payload, &len) == 0);
	fuzz_check(len == in.len && memcmp(payload, in.data, len) == 0);
	free(payload);
	free(jws);
}

static void
hello(const char *text, size_t len)
{
	char id[CONNECTOR_ID_SIZE], *proof;
	const char *why = NULL;
	struct hello hello;

	if (hello_read(text, len, id, &proof, &why) == -1) {
		fuzz_check(proof == NULL && why != NULL);
		return;
	}
	fuzz_check(is_token(id, 1, CONNECTOR_ID_SIZE - 1));
	if (hello_check(fuzz_key(), proof, NONCE, TUNNEL_URL, id, &hello, &why) == 0)
		fuzz_check(hello.version[0] != '\0' &&
		    strnlen(hello.previous, NONCE_SIZE) < sizeof(hello.previous));
	else
		fuzz_check(why != NULL);
	free(proof);
}

/* The input is the payload. */
static void
signed_hello(struct fuzz_input in)
{
	char *jws = jws_sign(fuzz_key(), "adconnector-hello+jws", in.data, in.len), *text;
	json_t *frame;

	if (jws == NULL)
		return;
	frame = json_pack("{s:s, s:s}", "type", "hello", "proof", jws);
	fuzz_check(frame != NULL && (text = json_dumps(frame, JSON_COMPACT)) != NULL);
	hello(text, strlen(text));
	free(text);
	json_decref(frame);
	free(jws);
}

static void
judge(const json_t *result)
{
	struct verdict verdict;
	const json_t *said;
	const char *why;

	if (verdict_judge(fuzz_key(), &asked, result, &verdict, &why) == -1) {
		fuzz_check(why != NULL && verdict.status == STATUS_INTERNAL && !verdict.proven);
		fuzz_check(!verdict.found && !verdict.bound && verdict.profile == NULL);
	} else {
		said = json_object_get(verdict.payload, "proven");
		fuzz_check(!verdict.proven || json_is_true(said));
		fuzz_check(verdict.status != STATUS_OK || verdict.proven);
		fuzz_check(!verdict.proven || verdict.status != STATUS_INVALID_CREDENTIALS);
		fuzz_check(verdict.profile == NULL || verdict.profile_len <= VERDICT_PROFILE_MAX);
		fuzz_check(strlen(verdict.reason) <= VERDICT_REASON_MAX);
	}
	verdict_free(&verdict);
}

/* A result frame up to a NUL, then the payload of its verdict. */
static void
signed_verdict(struct fuzz_input in)
{
	struct fuzz_input text = fuzz_until(&in, '\0');
	json_t *result;
	char *jws;

	result = json_read((const char *)text.data, text.len, 65536, NULL);
	if (!json_is_object(result)) {
		json_decref(result);
		return;
	}
	judge(result);
	if ((jws = jws_sign(fuzz_key(), TYPE, in.data, in.len)) != NULL) {
		json_object_set_new(result, "verdict", json_string(jws));
		judge(result);
	}
	free(jws);
	json_decref(result);
}

static void
enrol(const char *text, size_t len)
{
	struct enrolment e;
	const char *why;

	if (enrolment_read(text, len, SECRET, &e, &why) == 0)
		fuzz_check(e.name[0] != '\0' && memcmp(e.sign, e.seal, sizeof(e.sign)) != 0);
	else
		fuzz_check(why != NULL);
}

/* The body up to a NUL, then the payload of its proof. */
static void
signed_enrolment(struct fuzz_input in)
{
	struct fuzz_input body = fuzz_until(&in, '\0');
	json_t *json;
	char *jws, *text;

	json = json_read((const char *)body.data, body.len, ENROLMENT_MAX, NULL);
	jws = jws_sign(fuzz_key(), "adconnector-enrol+jws", in.data, in.len);
	if (json_is_object(json) && jws != NULL) {
		json_object_set_new(json, "proof", json_string(jws));
		if (json_is_object(json_object_get(json, "keys")))
			json_object_set_new(
			    json_object_get(json, "keys"), "sign", jose_key_jwk(fuzz_key()));
		fuzz_check((text = json_dumps(json, JSON_COMPACT)) != NULL);
		enrol(text, strlen(text));
		free(text);
	}
	json_decref(json);
	free(jws);
}

/* The payload of a statement, and of its proof. */
static void
signed_rekey(struct fuzz_input in)
{
	struct rekey_statement s = {
		.connection = "corp", .connector_id = "c1", .nonce = NONCE, .tunnel_url = TUNNEL_URL
	};
	char *statement, *proof, old[JOSE_KEY_ID_SIZE];
	uint8_t xy[JOSE_KEY_PUBLIC_SIZE];
	const char *why = NULL;
	json_t *frame;

	jose_key_public(fuzz_key(), xy);
	fuzz_check(jose_key_thumbprint(xy, old) == 0);
	s.old = old;
	statement = jws_sign(fuzz_key(), REKEY_TYPE, in.data, in.len);
	proof = jws_sign(fuzz_key(), REKEY_PROOF_TYPE, in.data, in.len);
	frame =
	    json_pack("{s:s, s:s*, s:s*}", "type", "rekey", "statement", statement, "proof", proof);
	if (rekey_statement_read(frame, fuzz_key(), &s, &why) == 0)
		fuzz_check(
		    memcmp(s.sign, xy, sizeof(xy)) == 0 && memcmp(s.sign, s.seal, sizeof(xy)) != 0);
	else
		fuzz_check(why != NULL);
	json_decref(frame);
	free(statement);
	free(proof);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input in = { data, len };

	switch (fuzz_byte(&in)) {
	case 'j':
		verify_raw(in);
		break;
	case 's':
		sign_and_verify(in);
		break;
	case 'h':
		hello((const char *)in.data, in.len);
		break;
	case 'H':
		signed_hello(in);
		break;
	case 'V':
		signed_verdict(in);
		break;
	case 'R':
		signed_rekey(in);
		break;
	case 'e':
		enrol((const char *)in.data, in.len);
		break;
	default:
		signed_enrolment(in);
	}
	return 0;
}
