/* SPDX-License-Identifier: ISC */
/* Checking an enrolment: see enrolment.h. */
#include "enrolment.h"

#include "common/base64url.h"
#include "common/json.h"
#include "common/jws.h"
#include "common/wipe.h"

#include <bsd/string.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PROOF_TYPE "adconnector-enrol+jws"
#define PROOF_MAX 4096
#define DIGEST_SIZE 32

static bool
equals(const json_t *payload, const char *key, const char *wanted)
{
	size_t len = strlen(wanted);
	const char *value = json_get_string(payload, key, len, len);

	return value != NULL && memcmp(value, wanted, len) == 0;
}

/* NULL, or what is wrong with the proof. */
static const char *
check_proof(
    const struct jose_key *sign, const char *proof, const char *secret, const struct enrolment *e)
{
	char ticket[BASE64URL_SIZE(DIGEST_SIZE)], seal[JOSE_KEY_ID_SIZE];
	uint8_t digest[DIGEST_SIZE], *text;
	const char *wrong = NULL;
	json_t *payload;
	size_t len;

	if (jws_verify(sign, PROOF_TYPE, proof, strlen(proof), PROOF_MAX, &text, &len) == -1)
		return "the proof is not signed by keys.sign";
	payload = json_read((const char *)text, len, PROOF_MAX, NULL);
	free(text);
	if (EVP_Digest(secret, strlen(secret), digest, NULL, EVP_sha256(), NULL) != 1 ||
	    jose_key_thumbprint(e->seal, seal) == -1)
		wrong = "out of memory";
	base64url_encode(ticket, sizeof(ticket), digest, sizeof(digest));
	if (wrong == NULL && !equals(payload, "ticket", ticket))
		wrong = "the proof is for another ticket";
	else if (wrong == NULL && !equals(payload, "seal", seal))
		wrong = "the proof is over another seal key";
	else if (wrong == NULL && !equals(payload, "name", e->name))
		wrong = "the proof is over another name";
	json_decref(payload);
	return wrong;
}

/* NULL, or what is wrong. */
static const char *
read_members(const json_t *json, const char *secret, struct enrolment *e)
{
	static const char *const members[] = { "name", "version", "keys", "proof" };
	const json_t *keys = json_object_get(json, "keys");
	const char *name, *version, *proof, *wrong;
	struct jose_key *sign, *seal;

	name = json_get_string(json, "name", 1, sizeof(e->name) - 1);
	version = json_get_string(json, "version", 1, sizeof(e->version) - 1);
	proof = json_get_string(json, "proof", 1, ENROLMENT_MAX);
	if (name == NULL || version == NULL || proof == NULL ||
	    json_only_keys(json, members, 4) == -1)
		return "it needs name, version, keys and proof, and nothing else";
	strlcpy(e->name, name, sizeof(e->name));
	strlcpy(e->version, version, sizeof(e->version));
	sign = jose_key_from_jwk(json_object_get(keys, "sign"));
	seal = jose_key_from_jwk(json_object_get(keys, "seal"));
	if (sign == NULL || seal == NULL || jose_key_public(sign, e->sign) == -1 ||
	    jose_key_public(seal, e->seal) == -1)
		wrong = "keys.sign and keys.seal must be P-256 public keys";
	else if (memcmp(e->sign, e->seal, sizeof(e->sign)) == 0)
		wrong = "keys.sign and keys.seal must be different";
	else
		wrong = check_proof(sign, proof, secret, e);
	jose_key_free(sign);
	jose_key_free(seal);
	return wrong;
}

int
enrolment_read(
    const char *body, size_t len, const char *secret, struct enrolment *e, const char **why)
{
	size_t refused = wiping_refused();
	json_t *json;

	memset(e, 0, sizeof(*e));
	*why = "the body is missing";
	if (body != NULL && (json = json_read(body, len, ENROLMENT_MAX, why)) != NULL) {
		*why = read_members(json, secret, e);
		json_decref(json);
		if (*why == NULL)
			return 0;
	}
	if ((errno = wiping_fault(refused)) == ENOMEM)
		*why = "out of memory";
	return -1;
}
