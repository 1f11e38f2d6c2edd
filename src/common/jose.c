/* SPDX-License-Identifier: ISC */
/*
 * Uses every JOSE operation once: see jose.h.
 */
#include "jose.h"

#include "json.h"
#include "jws.h"
#include "sealed.h"
#include "wipe.h"

#include <stdlib.h>
#include <string.h>

static const char sample[] = "warm-up";

static int sign_and_verify(struct jose_key *key);
static int seal_and_open(struct jose_key *key);

int
jose_warm_up(void)
{
	struct jose_key *key;
	int result;

	if ((key = jose_key_generate()) == NULL)
		return -1;
	result = sign_and_verify(key);
	if (result == 0)
		result = seal_and_open(key);
	jose_key_free(key);
	return result;
}

static int
sign_and_verify(struct jose_key *key)
{
	struct jose_key *public_key;
	uint8_t *payload;
	uint8_t xy[JOSE_KEY_PUBLIC_SIZE], d[JOSE_KEY_PRIVATE_SIZE];
	char *jws;
	size_t len;
	int result;

	jose_key_public(key, xy);
	if (jose_key_private(key, d) == -1)
		return -1;
	explicit_bzero(d, sizeof(d));
	if ((public_key = jose_key_from_public(xy)) == NULL)
		return -1;
	result = -1;
	jws = jws_sign(key, sample, sample, sizeof(sample));
	if (jws != NULL &&
	    jws_verify(public_key, sample, jws, strlen(jws), sizeof(sample), &payload, &len) == 0) {
		if (len == sizeof(sample) && memcmp(payload, sample, len) == 0)
			result = 0;
		free(payload);
	}
	free(jws);
	jose_key_free(public_key);
	return result;
}

static int
seal_and_open(struct jose_key *key)
{
	struct sealed_recipient recipient;
	struct sealed_parts parts;
	uint8_t z[JOSE_KEY_SECRET_SIZE], plain[sizeof(sample)];
	char kid[JOSE_KEY_ID_SIZE];
	char *text;
	json_t *jwe;
	size_t len;
	int result;

	jose_key_public(key, recipient.xy);
	text = sealed_make(&recipient, 1, sample, sizeof(sample));
	if (text == NULL)
		return -1;
	result = -1;
	jwe = json_read(text, strlen(text), SEALED_MAX_JSON, NULL);
	if (jwe != NULL && jose_key_thumbprint(recipient.xy, kid) == 0 &&
	    sealed_parse(jwe, kid, &parts, NULL) == 0) {
		if (sealed_shared_secret(key, parts.epk, z) == 0 &&
		    sealed_open(&parts, z, plain, &len) == 0 && len == sizeof(sample) &&
		    memcmp(plain, sample, len) == 0)
			result = 0;
		explicit_bzero(z, sizeof(z));
		sealed_parts_free(&parts);
	}
	json_decref(jwe);
	free(text);
	return result;
}
