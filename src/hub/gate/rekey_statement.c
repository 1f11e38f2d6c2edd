/* SPDX-License-Identifier: ISC */
/* Checking a statement of new keys: see rekey_statement.h. */
#include "rekey_statement.h"

#include "common/json.h"
#include "common/jws.h"
#include "common/wipe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* NULL, or what is wrong with a key of the statement. */
static const char *
read_key(const json_t *payload, const char *member, uint8_t xy[JOSE_KEY_PUBLIC_SIZE])
{
	struct jose_key *key = jose_key_from_jwk(json_object_get(payload, member));
	int result = key == NULL ? -1 : jose_key_public(key, xy);

	jose_key_free(key);
	return result == -1 ? "sign and seal must be P-256 public keys" : NULL;
}

/*
 * The keys are what it has to tell; all else is known, and is compared as a whole, which
 * also leaves it one spelling only.
 */
static const char *
read_keys(const uint8_t *text, size_t len, struct rekey_statement *wanted)
{
	const char *wrong, *nonce;
	json_t *payload;

	if ((payload = json_read((const char *)text, len, REKEY_JWS_MAX, &wrong)) == NULL)
		return wrong;
	nonce = json_get_string(payload, "nonce", 1, 64);
	if (nonce == NULL || strcmp(nonce, wanted->nonce) != 0)
		wrong = "the statement was made for another tunnel";
	else if ((wrong = read_key(payload, "sign", wanted->sign)) == NULL &&
	    (wrong = read_key(payload, "seal", wanted->seal)) == NULL &&
	    memcmp(wanted->sign, wanted->seal, sizeof(wanted->sign)) == 0)
		wrong = "sign and seal must be different keys";
	json_decref(payload);
	return wrong;
}

int
rekey_statement_read(const json_t *frame, const struct jose_key *recorded,
    struct rekey_statement *wanted, const char **why)
{
	static const char *const members[] = { "type", "statement", "proof" };
	const char *statement = json_get_string(frame, "statement", 1, REKEY_JWS_MAX);
	const char *proof = json_get_string(frame, "proof", 1, REKEY_JWS_MAX);
	uint8_t *text, xy[JOSE_KEY_PUBLIC_SIZE];
	size_t len, refused = wiping_refused();

	errno = EBADMSG;
	if (statement == NULL || proof == NULL || json_only_keys(frame, members, 3) == -1) {
		*why = "it needs statement and proof, and nothing else";
		return -1;
	}
	if (jws_verify(recorded, REKEY_TYPE, statement, strlen(statement), REKEY_JWS_MAX, &text,
		&len) == -1) {
		*why = errno == ENOMEM ? "out of memory"
				       : "the statement is not signed by the key of this tunnel";
		return -1;
	}
	*why = read_keys(text, len, wanted);
	free(text);
	if (*why != NULL)
		;
	else if (jose_key_public(recorded, xy) == -1 ||
	    rekey_check(wanted, xy, REKEY_TYPE, statement) == -1)
		*why = "the statement is not about this connector, or not spelt as it must be";
	else if (rekey_check(wanted, wanted->sign, REKEY_PROOF_TYPE, proof) == -1)
		*why = "the proof is not the statement signed by the new key";
	if (*why == NULL)
		return 0;
	if ((errno = wiping_fault(refused)) == ENOMEM)
		*why = "out of memory";
	return -1;
}
