/* SPDX-License-Identifier: ISC */
/*
 * See rekey.h.  Members stand in the order of their names and without white space, so that
 * there is one spelling, whoever writes it.
 */
#include "rekey.h"

#include "jws.h"
#include "wipe.h"

#include <jansson.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[REKEY_RESULTS] = {
	[REKEY_OK] = "ok",
	[REKEY_REJECTED] = "rejected",
	[REKEY_TOO_MANY] = "too_many",
	[REKEY_UNAVAILABLE] = "unavailable",
};

static json_t *
public_jwk(const uint8_t xy[JOSE_KEY_PUBLIC_SIZE])
{
	struct jose_key *key = jose_key_from_public(xy);
	json_t *jwk = key == NULL ? NULL : jose_key_jwk(key);

	jose_key_free(key);
	return jwk;
}

char *
rekey_text(const struct rekey_statement *s, size_t *len)
{
	json_t *json;
	char *text;

	json = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:s}", "connection", s->connection,
	    "connector_id", s->connector_id, "nonce", s->nonce, "old", s->old, "seal",
	    public_jwk(s->seal), "sign", public_jwk(s->sign), "tunnel_url", s->tunnel_url);
	if (json == NULL)
		return NULL;
	text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(json);
	if (text != NULL)
		*len = strlen(text);
	return text;
}

char *
rekey_sign(const struct rekey_statement *s, const struct jose_key *key, const char *type)
{
	char *text, *jws;
	size_t len;

	if ((text = rekey_text(s, &len)) == NULL)
		return NULL;
	jws = jws_sign(key, type, text, len);
	wiping_free(text);
	return jws;
}

int
rekey_check(const struct rekey_statement *s, const uint8_t signer[JOSE_KEY_PUBLIC_SIZE],
    const char *type, const char *jws)
{
	struct jose_key *key;
	uint8_t *signed_text = NULL;
	size_t len = 0, signed_len = 0, refused = wiping_refused();
	char *text = NULL;
	bool right;

	key = jose_key_from_public(signer);
	right = key != NULL && strlen(jws) <= REKEY_JWS_MAX &&
	    jws_verify(key, type, jws, strlen(jws), REKEY_JWS_MAX, &signed_text, &signed_len) ==
		0 &&
	    (text = rekey_text(s, &len)) != NULL && len == signed_len &&
	    memcmp(text, signed_text, len) == 0;
	jose_key_free(key);
	free(signed_text);
	wiping_free(text);
	if (right)
		return 0;
	errno = wiping_fault(refused);
	return -1;
}

const char *
rekey_word(enum rekey_result result)
{
	return words[result];
}

enum rekey_result
rekey_from_word(const char *word)
{
	unsigned int i;

	for (i = 0; i < REKEY_RESULTS && strcmp(words[i], word) != 0; i++)
		continue;
	return (enum rekey_result)i;
}
