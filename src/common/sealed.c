/* SPDX-License-Identifier: ISC */
/*
 * Sealed text, made, parsed and opened: see sealed.h.
 *
 * The protected header is one fixed string and is compared as such: nothing an outsider writes
 * there is ever interpreted.
 */
#include "sealed.h"

#include "base64url.h"
#include "json.h"
#include "wipe.h"

#include <openssl/err.h>
#include <openssl/rand.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALGORITHM "ECDH-ES+A256KW"
#define KID_SIZE 32 /* decoded */

/* base64url of {"enc":"A256GCM"}; its ASCII form is also what the tag covers (RFC 7516 5.1). */
static const char protected_header[] = "eyJlbmMiOiJBMjU2R0NNIn0";

/* One recipient, decoded. */
struct recipient {
	uint8_t kid[KID_SIZE];
	uint8_t epk[JOSE_KEY_PUBLIC_SIZE];
	uint8_t wrapped_key[JWA_WRAPPED_SIZE];
};

static int recipients_are_right(const struct sealed_recipient *recipients, size_t n);
static json_t *seal_for(const struct sealed_recipient *recipient, const uint8_t key[JWA_KEY_SIZE]);
static int derive_kek(const uint8_t z[JOSE_KEY_SECRET_SIZE], uint8_t kek[JWA_KEY_SIZE]);
static json_t *encoded(const void *data, size_t len);
static const char *parse_frame(const json_t *jwe, struct sealed_parts *parts);
static const char *parse_recipient(const json_t *object, struct recipient *recipient);
static const char *parse_ciphertext(const json_t *jwe, struct sealed_parts *parts);
static int get_bytes(const json_t *object, const char *key, uint8_t *out, size_t size);

char *
sealed_make(const struct sealed_recipient *recipients, size_t n, const void *plain, size_t len)
{
	struct sealed_parts parts;
	uint8_t key[JWA_KEY_SIZE];
	json_t *jwe, *list;
	char *text;
	size_t i;

	if (len < 1 || len > SEALED_MAX_CIPHERTEXT || !recipients_are_right(recipients, n))
		return NULL;
	text = NULL;
	jwe = NULL;
	list = json_array();
	if ((parts.ciphertext = malloc(len)) == NULL || list == NULL)
		goto out;
	if (RAND_priv_bytes(key, sizeof(key)) != 1 || RAND_bytes(parts.iv, sizeof(parts.iv)) != 1) {
		ERR_clear_error();
		goto out;
	}
	if (jwa_gcm_encrypt(key, parts.iv, protected_header, strlen(protected_header), plain, len,
		parts.ciphertext, parts.tag) == -1)
		goto out;
	for (i = 0; i < n; i++) {
		if (json_array_append_new(list, seal_for(&recipients[i], key)) == -1)
			goto out;
	}
	jwe = json_pack("{s:s, s:O, s:o, s:o, s:o}", "protected", protected_header, "recipients",
	    list, "iv", encoded(parts.iv, sizeof(parts.iv)), "ciphertext",
	    encoded(parts.ciphertext, len), "tag", encoded(parts.tag, sizeof(parts.tag)));
	if (jwe != NULL)
		text = json_dumps(jwe, JSON_COMPACT);

out:
	explicit_bzero(key, sizeof(key));
	json_decref(jwe);
	json_decref(list);
	free(parts.ciphertext);
	wipe_stack();
	return text;
}

int
sealed_parse(const json_t *jwe, const char kid[JOSE_KEY_ID_SIZE], struct sealed_parts *parts,
    const char **why)
{
	struct recipient all[SEALED_MAX_RECIPIENTS];
	uint8_t wanted[KID_SIZE];
	const json_t *list;
	const char *wrong;
	size_t i, j, n, refused = wiping_refused();

	memset(parts, 0, sizeof(*parts));
	if (base64url_decode(wanted, sizeof(wanted), kid, strlen(kid)) != KID_SIZE) {
		wrong = "own key id malformed";
		goto refuse;
	}
	if ((wrong = parse_frame(jwe, parts)) != NULL)
		goto refuse;
	list = json_object_get(jwe, "recipients");
	n = json_array_size(list);
	for (i = 0; i < n; i++) {
		if ((wrong = parse_recipient(json_array_get(list, i), &all[i])) != NULL)
			goto refuse;
		for (j = 0; j < i; j++) {
			if (memcmp(all[i].kid, all[j].kid, KID_SIZE) == 0) {
				wrong = "recipient named twice";
				goto refuse;
			}
		}
	}
	for (i = 0; i < n && memcmp(all[i].kid, wanted, KID_SIZE) != 0; i++)
		;
	if (i == n) {
		wrong = "not sealed for this connector";
		goto refuse;
	}
	memcpy(parts->epk, all[i].epk, sizeof(parts->epk));
	memcpy(parts->wrapped_key, all[i].wrapped_key, sizeof(parts->wrapped_key));
	if ((wrong = parse_ciphertext(jwe, parts)) != NULL)
		goto refuse;
	return 0;

refuse:
	memset(parts, 0, sizeof(*parts));
	if (why != NULL)
		*why = wrong;
	errno = wiping_fault(refused);
	return -1;
}

void
sealed_parts_free(struct sealed_parts *parts)
{
	free(parts->ciphertext);
	memset(parts, 0, sizeof(*parts));
}

int
sealed_shared_secret(struct jose_key *private_key, const uint8_t epk[JOSE_KEY_PUBLIC_SIZE],
    uint8_t z[JOSE_KEY_SECRET_SIZE])
{
	size_t refused = wiping_refused();
	int result = jose_key_agree(private_key, epk, z);

	if (result == -1)
		errno = wiping_fault(refused);
	return result;
}

int
sealed_open(const struct sealed_parts *parts, const uint8_t z[JOSE_KEY_SECRET_SIZE], uint8_t *plain,
    size_t *plain_len)
{
	uint8_t kek[JWA_KEY_SIZE], key[JWA_KEY_SIZE];
	size_t refused = wiping_refused();
	int result;

	if (parts->ciphertext_len < 1 || parts->ciphertext_len > SEALED_MAX_CIPHERTEXT) {
		errno = EBADMSG;
		return -1;
	}
	result = -1;
	if (derive_kek(z, kek) == -1 || jwa_key_unwrap(kek, parts->wrapped_key, key) == -1)
		explicit_bzero(plain, parts->ciphertext_len);
	else
		result = jwa_gcm_decrypt(key, parts->iv, protected_header, strlen(protected_header),
		    parts->ciphertext, parts->ciphertext_len, parts->tag, plain);
	if (result == 0)
		*plain_len = parts->ciphertext_len;
	explicit_bzero(kek, sizeof(kek));
	explicit_bzero(key, sizeof(key));
	wipe_stack();
	if (result == -1)
		errno = wiping_fault(refused);
	return result;
}

static int
recipients_are_right(const struct sealed_recipient *recipients, size_t n)
{
	size_t i, j;

	if (n < 1 || n > SEALED_MAX_RECIPIENTS)
		return 0;
	for (i = 0; i < n; i++) {
		for (j = 0; j < i; j++) {
			if (memcmp(recipients[i].xy, recipients[j].xy, sizeof(recipients[i].xy)) ==
			    0)
				return 0;
		}
	}
	return 1;
}

/* The content key wrapped for one recipient, with an ephemeral key of its own. */
static json_t *
seal_for(const struct sealed_recipient *recipient, const uint8_t key[JWA_KEY_SIZE])
{
	struct jose_key *ephemeral;
	uint8_t z[JOSE_KEY_SECRET_SIZE], kek[JWA_KEY_SIZE], wrapped[JWA_WRAPPED_SIZE];
	char kid[JOSE_KEY_ID_SIZE];
	json_t *object;

	object = NULL;
	if ((ephemeral = jose_key_generate()) == NULL)
		return NULL;
	if (jose_key_agree(ephemeral, recipient->xy, z) == 0 && derive_kek(z, kek) == 0 &&
	    jwa_key_wrap(kek, key, wrapped) == 0 && jose_key_thumbprint(recipient->xy, kid) == 0)
		object = json_pack("{s:{s:s, s:o, s:s}, s:o}", "header", "alg", ALGORITHM, "epk",
		    jose_key_jwk(ephemeral), "kid", kid, "encrypted_key",
		    encoded(wrapped, sizeof(wrapped)));
	explicit_bzero(z, sizeof(z));
	explicit_bzero(kek, sizeof(kek));
	jose_key_free(ephemeral);
	return object;
}

static int
derive_kek(const uint8_t z[JOSE_KEY_SECRET_SIZE], uint8_t kek[JWA_KEY_SIZE])
{
	return jwa_concat_kdf(z, ALGORITHM, NULL, 0, NULL, 0, kek, JWA_KEY_SIZE);
}

/* A new JSON string, or NULL. */
static json_t *
encoded(const void *data, size_t len)
{
	json_t *string;
	char *text;
	size_t text_len;

	if ((text = malloc(BASE64URL_SIZE(len))) == NULL)
		return NULL;
	text_len = base64url_encode(text, BASE64URL_SIZE(len), data, len);
	string = json_stringn_nocheck(text, text_len);
	free(text);
	return string;
}

/* All that is common to the recipients, but the ciphertext. NULL or what is wrong. */
static const char *
parse_frame(const json_t *jwe, struct sealed_parts *parts)
{
	static const char *const members[] = { "protected", "recipients", "iv", "ciphertext",
		"tag" };
	const json_t *list;
	const char *header;

	if (!json_is_object(jwe))
		return "sealed text not an object";
	if (json_only_keys(jwe, members, sizeof(members) / sizeof(members[0])) == -1)
		return "sealed text has a member that is not allowed";
	header = json_get_string(jwe, "protected", 1, sizeof(protected_header));
	if (header == NULL || strcmp(header, protected_header) != 0)
		return "protected header other than A256GCM alone";
	list = json_object_get(jwe, "recipients");
	if (!json_is_array(list) || json_array_size(list) == 0)
		return "no recipients";
	if (json_array_size(list) > SEALED_MAX_RECIPIENTS)
		return "more than 8 recipients";
	if (get_bytes(jwe, "iv", parts->iv, sizeof(parts->iv)) == -1)
		return "iv malformed";
	if (get_bytes(jwe, "tag", parts->tag, sizeof(parts->tag)) == -1)
		return "tag malformed";
	return NULL;
}

static const char *
parse_recipient(const json_t *object, struct recipient *recipient)
{
	static const char *const members[] = { "header", "encrypted_key" };
	static const char *const header_members[] = { "alg", "epk", "kid" };
	const json_t *header;
	const char *algorithm;

	header = json_object_get(object, "header");
	if (json_only_keys(object, members, sizeof(members) / sizeof(members[0])) == -1 ||
	    json_only_keys(
		header, header_members, sizeof(header_members) / sizeof(header_members[0])) == -1)
		return "recipient has a member that is missing or not allowed";
	algorithm = json_get_string(header, "alg", 1, sizeof(ALGORITHM));
	if (algorithm == NULL || strcmp(algorithm, ALGORITHM) != 0)
		return "recipient's algorithm other than " ALGORITHM;
	if (jose_key_read_coordinates(json_object_get(header, "epk"), recipient->epk) == -1)
		return "recipient's ephemeral key malformed";
	if (get_bytes(header, "kid", recipient->kid, sizeof(recipient->kid)) == -1)
		return "recipient's key id malformed";
	if (get_bytes(object, "encrypted_key", recipient->wrapped_key,
		sizeof(recipient->wrapped_key)) == -1)
		return "recipient's encrypted key malformed";
	return NULL;
}

static const char *
parse_ciphertext(const json_t *jwe, struct sealed_parts *parts)
{
	const char *text;
	size_t len;

	text = json_get_string(jwe, "ciphertext", 1, SIZE_MAX);
	if (text == NULL)
		return "ciphertext missing or empty";
	len = strlen(text);
	if (len > BASE64URL_LENGTH(SEALED_MAX_CIPHERTEXT))
		return "ciphertext too long";
	if ((parts->ciphertext = wiping_malloc(BASE64URL_DECODED_SIZE(len) + 1)) == NULL)
		return "out of memory";
	parts->ciphertext_len = BASE64URL_DECODED_SIZE(len);
	if (parts->ciphertext_len == 0 ||
	    base64url_decode(parts->ciphertext, parts->ciphertext_len, text, len) == -1) {
		free(parts->ciphertext);
		return "ciphertext malformed";
	}
	return NULL;
}

/* Exactly size bytes out of a base64url member. */
static int
get_bytes(const json_t *object, const char *key, uint8_t *out, size_t size)
{
	const char *text;
	size_t len;

	len = BASE64URL_LENGTH(size);
	if ((text = json_get_string(object, key, len, len)) == NULL)
		return -1;
	return base64url_decode(out, size, text, len) == (ssize_t)size ? 0 : -1;
}
