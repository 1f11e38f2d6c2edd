/* SPDX-License-Identifier: ISC */
/*
 * JWS: what is signed comes back, and nothing but our one form is taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base64url.h"
#include "common/jws.h"

#include "allocations.h"
#include "common/wipe.h"
#include <openssl/err.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TYPE "verdict+jws"

static struct jose_key *key;

static int
make_key(void **state)
{
	(void)state;
	key = jose_key_generate();
	return key == NULL ? -1 : 0;
}

static int
free_key(void **state)
{
	(void)state;
	jose_key_free(key);
	return 0;
}

static int
verify(const char *jws, size_t len, size_t max_payload)
{
	uint8_t *payload;
	size_t payload_len;

	payload = NULL;
	if (jws_verify(key, TYPE, jws, len, max_payload, &payload, &payload_len) == -1) {
		assert_null(payload);
		assert_int_equal(ERR_peek_error(), 0);
		return -1;
	}
	assert_int_equal(payload[payload_len], 0);
	free(payload);
	return 0;
}

/* Rightly signed by key, whatever the header and the encoded payload are. */
static char *
sign_raw(const char *header, size_t header_len, const char *encoded_payload)
{
	uint8_t signature[JOSE_KEY_SIGNATURE_SIZE];
	char *text;
	size_t size, used;

	size = BASE64URL_SIZE(header_len) + strlen(encoded_payload) + 2 +
	    BASE64URL_SIZE(sizeof(signature));
	text = malloc(size);
	assert_non_null(text);
	used = base64url_encode(text, size, header, header_len);
	text[used++] = '.';
	memcpy(text + used, encoded_payload, strlen(encoded_payload));
	used += strlen(encoded_payload);
	assert_int_equal(jose_key_sign(key, text, used, signature), 0);
	text[used++] = '.';
	base64url_encode(text + used, size - used, signature, sizeof(signature));
	return text;
}

static int
verify_with_header(const char *header)
{
	char *text;
	int result;

	text = sign_raw(header, strlen(header), "e30");
	result = verify(text, strlen(text), 100);
	free(text);
	return result;
}

static void
there_and_back(void **state)
{
	/* {"alg":"ES256","typ":"verdict+jws"} */
	static const char encoded_header[] = "eyJhbGciOiJFUzI1NiIsInR5cCI6InZlcmRpY3QrandzIn0.";
	uint8_t *payload;
	uint8_t xy[64];
	struct jose_key *public_key;
	char *jws;
	size_t len;

	(void)state;
	jose_key_public(key, xy);
	public_key = jose_key_from_public(xy);
	assert_non_null(public_key);
	jws = jws_sign(key, TYPE, "{\"a\":1}\0x", 9);
	assert_non_null(jws);
	assert_int_equal(strncmp(jws, encoded_header, strlen(encoded_header)), 0);
	assert_int_equal(jws_verify(public_key, TYPE, jws, strlen(jws), 9, &payload, &len), 0);
	assert_int_equal(len, 9);
	assert_memory_equal(payload, "{\"a\":1}\0x", 10);
	free(payload);
	assert_int_equal(verify(jws, strlen(jws), 8), -1); /* payload one over */
	assert_null(jws_sign(public_key, TYPE, "x", 1));
	free(jws);
	jose_key_free(public_key);
}

static void
payload_sizes(void **state)
{
	uint8_t *big;
	char *jws, *encoded;

	(void)state;
	jws = jws_sign(key, TYPE, "", 0);
	assert_non_null(jws);
	assert_int_equal(verify(jws, strlen(jws), 0), 0);
	free(jws);
	jws = jws_sign(key, TYPE, "x", 1);
	assert_non_null(jws);
	assert_int_equal(verify(jws, strlen(jws), 0), -1);
	free(jws);
	big = calloc(1, JWS_MAX_PAYLOAD + 1);
	assert_non_null(big);
	jws = jws_sign(key, TYPE, big, JWS_MAX_PAYLOAD);
	assert_non_null(jws);
	assert_int_equal(verify(jws, strlen(jws), JWS_MAX_PAYLOAD), 0);
	assert_int_equal(verify(jws, strlen(jws), SIZE_MAX), 0);
	assert_int_equal(verify(jws, strlen(jws), JWS_MAX_PAYLOAD - 1), -1);
	free(jws);
	assert_null(jws_sign(key, TYPE, big, JWS_MAX_PAYLOAD + 1));
	/* Rightly signed, but larger than anything may be. */
	encoded = malloc(BASE64URL_SIZE(JWS_MAX_PAYLOAD + 1));
	assert_non_null(encoded);
	base64url_encode(encoded, BASE64URL_SIZE(JWS_MAX_PAYLOAD + 1), big, JWS_MAX_PAYLOAD + 1);
	jws = sign_raw("{\"alg\":\"ES256\",\"typ\":\"" TYPE "\"}", 35, encoded);
	assert_int_equal(verify(jws, strlen(jws), SIZE_MAX), -1);
	free(encoded);
	free(jws);
	free(big);
}

static void
types(void **state)
{
	char longest[JWS_MAX_TYPE + 2];
	char *jws;
	uint8_t *payload;
	size_t len;

	(void)state;
	jws = jws_sign(key, "hello+jws", "{}", 2);
	assert_non_null(jws);
	assert_int_equal(verify(jws, strlen(jws), 10), -1);
	free(jws);
	memset(longest, 'a', sizeof(longest));
	longest[JWS_MAX_TYPE + 1] = '\0';
	assert_null(jws_sign(key, longest, "{}", 2));
	longest[JWS_MAX_TYPE] = '\0';
	jws = jws_sign(key, longest, "{}", 2);
	assert_non_null(jws);
	assert_int_equal(jws_verify(key, longest, jws, strlen(jws), 2, &payload, &len), 0);
	free(payload);
	free(jws);
	assert_null(jws_sign(key, "", "{}", 2));
	assert_null(jws_sign(key, "a\"b", "{}", 2));
	assert_null(jws_sign(key, "a b", "{}", 2));
	assert_null(jws_sign(key, "\xc3\xa4", "{}", 2));
}

static void
other_headers(void **state)
{
	static const char *const good[] = {
		"{\"alg\":\"ES256\",\"typ\":\"" TYPE "\"}",
		"{\"typ\":\"" TYPE "\",\"alg\":\"ES256\"}",
		"{ \"alg\" : \"ES256\",\r\n \"typ\" : \"verdict\\u002bjws\" }",
	};
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"null",
		"{\"alg\":\"ES256\"}",
		"{\"typ\":\"" TYPE "\"}",
		"{\"alg\":\"none\",\"typ\":\"" TYPE "\"}",
		"{\"alg\":\"None\",\"typ\":\"" TYPE "\"}",
		"{\"alg\":\"HS256\",\"typ\":\"" TYPE "\"}",
		"{\"alg\":\"ES384\",\"typ\":\"" TYPE "\"}",
		"{\"alg\":\"es256\",\"typ\":\"" TYPE "\"}",
		"{\"alg\":[\"ES256\"],\"typ\":\"" TYPE "\"}",
		"{\"alg\":null,\"typ\":\"" TYPE "\"}",
		"{\"alg\":\"ES256\",\"typ\":\"JWT\"}",
		"{\"alg\":\"ES256\",\"typ\":\"\"}",
		"{\"alg\":\"ES256\",\"typ\":\"" TYPE "x\"}",
		"{\"alg\":\"ES256\",\"typ\":\"verdict+jw\"}",
		"{\"alg\":\"ES256\",\"typ\":\"" TYPE "\\u0000\"}",
		"{\"alg\":\"ES256\",\"alg\":\"none\",\"typ\":\"" TYPE "\"}",
		"{\"alg\":\"none\",\"alg\":\"ES256\",\"typ\":\"" TYPE "\"}",
		"{\"alg\":\"ES256\",\"typ\":\"" TYPE "\",\"kid\":\"1\"}",
		"{\"alg\":\"ES256\",\"typ\":\"" TYPE "\",\"crit\":[\"exp\"]}",
		"{\"alg\":\"ES256\",\"typ\":\"" TYPE "\",\"b64\":false}",
		"{\"alg\":\"ES256\",\"typ\":\"" TYPE "\",\"jwk\":{\"kty\":\"EC\"}}",
		"{\"alg\":\"ES256\",\"typ\":\"" TYPE "\",\"jku\":\"https://example.com/\"}",
		"{\"alg\":\"ES256\",\"typ\":\"" TYPE "\"}x",
		"{\"alg\":\"ES256\",\"typ\":\"" TYPE "\xff\"}",
		"{\"alg\":\"ES256\",\"typ\":\"" TYPE "\"",
		"{\"alg\":\"ES256\",\"typ\":\"" TYPE
		"\",\"pad\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\""
		"}",
	};
	size_t i;
	char *text;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(verify_with_header(good[i]), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(verify_with_header(bad[i]), -1);
	text = sign_raw("{\"alg\":\"ES256\",\0\"typ\":\"" TYPE "\"}", 36, "e30");
	assert_int_equal(verify(text, strlen(text), 100), -1);
	free(text);
}

static void
form(void **state)
{
	static const char *const endings[] = { "A", ".", "=", "==", " ", "\n", ".A" };
	char *jws, *copy;
	size_t i, len;

	(void)state;
	jws = jws_sign(key, TYPE, "{\"a\":\"bc\"}", 10);
	assert_non_null(jws);
	len = strlen(jws);
	copy = malloc(len + 3);
	assert_non_null(copy);
	assert_int_equal(verify(jws, len, 100), 0);
	for (i = 0; i < len; i++)
		assert_int_equal(verify(jws, i, 100), -1); /* shorter, also empty */
	for (i = 0; i < len; i++) {
		/* Every character changed; the last one of a part to what decodes the same. */
		memcpy(copy, jws, len + 1);
		copy[i] = jws[i] == 'A' ? 'B' : 'A';
		assert_int_equal(verify(copy, len, 100), -1);
		copy[i] = '\0';
		assert_int_equal(verify(copy, len, 100), -1);
		copy[i] = '=';
		assert_int_equal(verify(copy, len, 100), -1);
		copy[i] = (char)0xff;
		assert_int_equal(verify(copy, len, 100), -1);
	}
	memcpy(copy, jws, len + 1);
	copy[len - 1]++; /* only bits that base64url leaves unused change */
	assert_int_equal(verify(copy, len, 100), -1);
	for (i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		memcpy(copy, jws, len);
		memcpy(copy + len, endings[i], strlen(endings[i]));
		assert_int_equal(verify(copy, len + strlen(endings[i]), 100), -1);
	}
	memcpy(copy + 1, jws, len);
	copy[0] = ' ';
	assert_int_equal(verify(copy, len + 1, 100), -1);
	copy[0] = '.';
	assert_int_equal(verify(copy, len + 1, 100), -1);
	assert_int_equal(verify("..", 2, 100), -1);
	assert_int_equal(verify("", 0, 100), -1);
	free(copy);
	free(jws);
}

/* A right signature does not excuse a payload that is not base64url. */
static void
payload_spelling(void **state)
{
	static const char *const bad[] = { "e31", "e30=", "e", "e3 0", "e30\n", "e+0/" };
	static const char header[] = "{\"alg\":\"ES256\",\"typ\":\"" TYPE "\"}";
	char *text;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		text = sign_raw(header, strlen(header), bad[i]);
		assert_int_equal(verify(text, strlen(text), 100), -1);
		free(text);
	}
}

static void
other_keys(void **state)
{
	struct jose_key *other;
	uint8_t *payload;
	char *jws;
	size_t len;

	(void)state;
	other = jose_key_generate();
	assert_non_null(other);
	jws = jws_sign(other, TYPE, "{}", 2);
	assert_non_null(jws);
	assert_int_equal(verify(jws, strlen(jws), 10), -1);
	assert_int_equal(jws_verify(other, TYPE, jws, strlen(jws), 10, &payload, &len), 0);
	free(payload);
	free(jws);
	jose_key_free(other);
}

static bool
signed_without_memory(void *arg)
{
	uint8_t *payload = NULL;
	size_t len;
	char *jws;

	(void)arg;
	jws = jws_sign(key, TYPE, "payload", 7);
	assert_int_equal(ERR_peek_error(), 0);
	if (jws == NULL)
		return false;
	allocations_relent();
	assert_int_equal(jws_verify(key, TYPE, jws, strlen(jws), 7, &payload, &len), 0);
	free(payload);
	free(jws);
	return true;
}

static bool
verified_without_memory(void *arg)
{
	uint8_t *payload = NULL;
	size_t len = 0;

	if (jws_verify(key, TYPE, arg, strlen(arg), 7, &payload, &len) == 0) {
		assert_memory_equal(payload, "payload", 7);
		free(payload);
		return true;
	}
	assert_int_equal(errno, ENOMEM);
	assert_null(payload);
	assert_int_equal(ERR_peek_error(), 0);
	return false;
}

/* A wrong signature is never taken, and told as wrong only when it was looked at. */
static bool
refused_without_memory(void *arg)
{
	uint8_t *payload = NULL;
	size_t len = 0;

	assert_int_equal(jws_verify(key, TYPE, arg, strlen(arg), 7, &payload, &len), -1);
	assert_null(payload);
	assert_true(errno == EBADMSG || (errno == ENOMEM && allocations_failed()));
	return errno == EBADMSG;
}

static void
want_of_memory(void **state)
{
	char *jws = jws_sign(key, TYPE, "payload", 7), *digit;

	(void)state;
	assert_non_null(jws);
	allocations_fail_each(signed_without_memory, NULL, ALLOCATIONS_KEPT);
	allocations_fail_each(verified_without_memory, jws, ALLOCATIONS_KEPT);
	digit = jws + strlen(jws) - 9;
	*digit = *digit == 'A' ? 'B' : 'A';
	allocations_fail_each(refused_without_memory, jws, ALLOCATIONS_KEPT);
	free(jws);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(payload_sizes),
		cmocka_unit_test(types),
		cmocka_unit_test(other_headers),
		cmocka_unit_test(form),
		cmocka_unit_test(payload_spelling),
		cmocka_unit_test(other_keys),
		cmocka_unit_test(want_of_memory),
	};

	if (wipe_use_in_openssl() == -1)
		return 1;
	return cmocka_run_group_tests(tests, make_key, free_key);
}
