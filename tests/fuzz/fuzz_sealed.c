/* SPDX-License-Identifier: ISC */
/*
 * Sealed text and what it says: a JWE from outside, an opened text, a key from outside.  What
 * was sealed opens as it was, or not at all, whatever happened to it on its way.
 */
#include "common/json.h"
#include "common/sealed.h"
#include "common/sealed_content.h"
#include "common/wipe.h"
#include "fuzz_key.h"

static char kid[JOSE_KEY_ID_SIZE];

/* 0 with the plain text (to be freed) when it can be opened with our key. */
static int
open_text(const char *text, size_t len, uint8_t **plain, size_t *plain_len)
{
	struct sealed_parts parts;
	uint8_t z[JOSE_KEY_SECRET_SIZE];
	const char *why = NULL;
	json_t *jwe;
	int result = -1;

	if ((jwe = json_read(text, len, SEALED_MAX_JSON, NULL)) == NULL)
		return -1;
	if (sealed_parse(jwe, kid, &parts, &why) == -1) {
		fuzz_check(why != NULL && parts.ciphertext == NULL);
		json_decref(jwe);
		return -1;
	}
	json_decref(jwe);
	fuzz_check(parts.ciphertext_len >= 1 && parts.ciphertext_len <= SEALED_MAX_CIPHERTEXT);
	fuzz_check((*plain = malloc(parts.ciphertext_len)) != NULL);
	if (sealed_shared_secret(fuzz_key(), parts.epk, z) == 0 &&
	    sealed_open(&parts, z, *plain, plain_len) == 0) {
		fuzz_check(*plain_len == parts.ciphertext_len);
		result = 0;
	} else
		free(*plain);
	sealed_parts_free(&parts);
	return result;
}

/* Two bytes say where one byte of the JWE is changed, the third how; 0: not at all. */
static void
seal(struct fuzz_input in)
{
	struct sealed_recipient recipient;
	size_t at = fuzz_byte(&in) | (size_t)fuzz_byte(&in) << 8, len, plain_len;
	uint8_t how = fuzz_byte(&in), *plain;
	char *text;

	jose_key_public(fuzz_key(), recipient.xy);
	text = sealed_make(&recipient, 1, in.data, in.len);
	fuzz_check((text != NULL) == (in.len >= 1 && in.len <= SEALED_MAX_CIPHERTEXT));
	if (text == NULL)
		return;
	fuzz_check((len = strlen(text)) <= SEALED_MAX_JSON);
	text[at % len] = (char)(text[at % len] ^ how);
	if (open_text(text, len, &plain, &plain_len) == 0) {
		fuzz_check(plain_len == in.len && memcmp(plain, in.data, in.len) == 0);
		free(plain);
	} else
		fuzz_check(how != 0);
	free(text);
}

static void
content(struct fuzz_input in)
{
	size_t size = (in.len + SEALED_PADDING - 1) / SEALED_PADDING * SEALED_PADDING, len;
	struct sealed_content first, second;
	const char *why = NULL;
	uint8_t *padded = malloc(size + 1), *again;

	fuzz_check(padded != NULL);
	memset(padded, ' ', size);
	if (in.len > 0)
		memcpy(padded, in.data, in.len);
	if (sealed_content_read(padded, size, &first, &why) == -1) {
		fuzz_check(why != NULL && first.password == NULL && first.new_password == NULL);
		free(padded);
		return;
	}
	fuzz_check(first.password != NULL && strlen(first.password) == first.password_len);
	fuzz_check(first.password_len <= SEALED_MAX_PASSWORD);
	fuzz_check((again = sealed_content_write(&first, &len, &why)) != NULL);
	fuzz_check(len % SEALED_PADDING == 0 && len <= SEALED_MAX_CIPHERTEXT);
	fuzz_check(sealed_content_read(again, len, &second, &why) == 0);
	fuzz_check(strcmp(first.op, second.op) == 0 && first.iat == second.iat);
	fuzz_check(strcmp(first.connection, second.connection) == 0);
	fuzz_check(strcmp(first.username, second.username) == 0);
	fuzz_check(strcmp(first.jti, second.jti) == 0);
	fuzz_check(strcmp(first.password, second.password) == 0);
	fuzz_check((first.new_password == NULL) == (second.new_password == NULL));
	sealed_content_free(&first);
	sealed_content_free(&second);
	wiping_free(again);
	free(padded);
}

static void
read_key(struct fuzz_input in)
{
	uint8_t xy[JOSE_KEY_PUBLIC_SIZE], again[JOSE_KEY_PUBLIC_SIZE];
	struct jose_key *key;
	json_t *jwk, *written;

	if ((jwk = json_read((const char *)in.data, in.len, 4096, NULL)) == NULL)
		return;
	if ((key = jose_key_from_jwk(jwk)) != NULL) {
		jose_key_public(key, xy);
		fuzz_check((written = jose_key_jwk(key)) != NULL);
		fuzz_check(jose_key_read_coordinates(written, again) == 0);
		fuzz_check(memcmp(xy, again, sizeof(xy)) == 0);
		json_decref(written);
		jose_key_free(key);
	} else if (jose_key_read_coordinates(jwk, xy) == 0) {
		/* Of the right form, so it is no point on the curve. */
		fuzz_check(jose_key_from_public(xy) == NULL);
		fuzz_check(jose_key_agree(fuzz_key(), xy, again) == -1);
	}
	json_decref(jwk);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input in = { data, len };
	uint8_t xy[JOSE_KEY_PUBLIC_SIZE], *plain;
	size_t plain_len;

	if (kid[0] == '\0') {
		json_use_wiping_allocator();
		jose_key_public(fuzz_key(), xy);
		fuzz_check(jose_key_thumbprint(xy, kid) == 0);
	}
	switch (fuzz_byte(&in)) {
	case 's':
		seal(in);
		break;
	case 'c':
		content(in);
		break;
	case 'k':
		read_key(in);
		break;
	default:
		if (open_text((const char *)data, len, &plain, &plain_len) == 0)
			free(plain);
	}
	return 0;
}
