/* SPDX-License-Identifier: ISC */
/*
 * Sealed text: what is sealed opens for each recipient, and no other form is taken at any level.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base64url.h"
#include "common/json.h"
#include "common/sealed.h"
#include "common/wipe.h"

#include "allocations.h"

#include <openssl/err.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct jose_key *keys[SEALED_MAX_RECIPIENTS + 1];
static struct sealed_recipient recipients[SEALED_MAX_RECIPIENTS + 1];
static char kids[SEALED_MAX_RECIPIENTS + 1][JOSE_KEY_ID_SIZE];

static int
make_keys(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < SEALED_MAX_RECIPIENTS + 1; i++) {
		if ((keys[i] = jose_key_generate()) == NULL)
			return -1;
		jose_key_public(keys[i], recipients[i].xy);
		if (jose_key_thumbprint(recipients[i].xy, kids[i]) == -1)
			return -1;
	}
	return 0;
}

static int
free_keys(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < SEALED_MAX_RECIPIENTS + 1; i++)
		jose_key_free(keys[i]);
	return 0;
}

/* A fresh JWE for the first n keys. */
static json_t *
make(size_t n, const void *plain, size_t len)
{
	char *text;
	json_t *jwe;

	text = sealed_make(recipients, n, plain, len);
	assert_non_null(text);
	assert_in_range(strlen(text), 1, SEALED_MAX_JSON);
	jwe = json_read(text, strlen(text), SEALED_MAX_JSON, NULL);
	assert_non_null(jwe);
	free(text);
	return jwe;
}

/* Parses jwe for kid and takes the reference. NULL or the reason it is refused. */
static const char *
why_not(json_t *jwe, const char *kid)
{
	struct sealed_parts parts;
	const char *why;

	why = NULL;
	if (sealed_parse(jwe, kid, &parts, &why) == 0) {
		assert_null(why);
		sealed_parts_free(&parts);
	} else {
		assert_non_null(why);
		assert_null(parts.ciphertext);
		assert_int_equal(sealed_parse(jwe, kid, &parts, NULL), -1);
	}
	json_decref(jwe);
	return why;
}

static int
open_with(struct jose_key *key, const struct sealed_parts *parts, uint8_t *plain, size_t *len)
{
	uint8_t z[JOSE_KEY_SECRET_SIZE];

	if (sealed_shared_secret(key, parts->epk, z) == -1)
		return -1;
	return sealed_open(parts, z, plain, len);
}

static json_t *
recipient_of(json_t *jwe, size_t i)
{
	return json_array_get(json_object_get(jwe, "recipients"), i);
}

static json_t *
header_of(json_t *jwe, size_t i)
{
	return json_object_get(recipient_of(jwe, i), "header");
}

static void
opens_for_each_recipient(void **state)
{
	struct sealed_parts parts;
	uint8_t plain[11];
	json_t *jwe;
	size_t n, i, len;

	(void)state;
	for (n = 1; n <= SEALED_MAX_RECIPIENTS; n++) {
		jwe = make(n, "hello world", 11);
		for (i = 0; i < n; i++) {
			assert_int_equal(sealed_parse(jwe, kids[i], &parts, NULL), 0);
			memset(plain, 0, sizeof(plain));
			len = 0;
			assert_int_equal(open_with(keys[i], &parts, plain, &len), 0);
			assert_int_equal(len, 11);
			assert_memory_equal(plain, "hello world", 11);
			assert_int_equal(open_with(keys[n], &parts, plain, &len), -1);
			sealed_parts_free(&parts);
		}
		assert_string_equal(why_not(jwe, kids[n]), "not sealed for this connector");
	}
	assert_int_equal(ERR_peek_error(), 0);
}

static void
never_the_same_twice(void **state)
{
	struct sealed_parts a, b;
	json_t *first, *second;

	(void)state;
	first = make(2, "x", 1);
	second = make(2, "x", 1);
	assert_int_equal(sealed_parse(first, kids[0], &a, NULL), 0);
	assert_int_equal(sealed_parse(second, kids[0], &b, NULL), 0);
	assert_memory_not_equal(a.iv, b.iv, sizeof(a.iv));
	assert_memory_not_equal(a.epk, b.epk, sizeof(a.epk));
	assert_memory_not_equal(a.wrapped_key, b.wrapped_key, sizeof(a.wrapped_key));
	sealed_parts_free(&b);
	assert_int_equal(sealed_parse(first, kids[1], &b, NULL), 0);
	assert_memory_not_equal(a.epk, b.epk, sizeof(a.epk));
	sealed_parts_free(&a);
	sealed_parts_free(&b);
	json_decref(first);
	json_decref(second);
}

static void
making_limits(void **state)
{
	struct sealed_parts parts;
	struct sealed_recipient pair[2];
	uint8_t *plain, *opened;
	json_t *jwe;
	size_t len;

	(void)state;
	plain = malloc(SEALED_MAX_CIPHERTEXT + 1);
	opened = malloc(SEALED_MAX_CIPHERTEXT + 1);
	assert_non_null(plain);
	assert_non_null(opened);
	memset(plain, 'p', SEALED_MAX_CIPHERTEXT + 1);
	assert_null(sealed_make(recipients, 1, plain, 0));
	assert_null(sealed_make(recipients, 1, plain, SEALED_MAX_CIPHERTEXT + 1));
	assert_null(sealed_make(recipients, 0, plain, 1));
	assert_null(sealed_make(recipients, SEALED_MAX_RECIPIENTS + 1, plain, 1));
	pair[0] = pair[1] = recipients[0];
	assert_null(sealed_make(pair, 2, plain, 1));
	pair[1].xy[0] ^= 1; /* off the curve */
	assert_null(sealed_make(pair, 2, plain, 1));
	jwe = make(SEALED_MAX_RECIPIENTS, plain, SEALED_MAX_CIPHERTEXT);
	assert_int_equal(sealed_parse(jwe, kids[3], &parts, NULL), 0);
	assert_int_equal(parts.ciphertext_len, SEALED_MAX_CIPHERTEXT);
	assert_int_equal(open_with(keys[3], &parts, opened, &len), 0);
	assert_int_equal(len, SEALED_MAX_CIPHERTEXT);
	assert_memory_equal(plain, opened, len);
	parts.ciphertext_len = SEALED_MAX_CIPHERTEXT + 1;
	assert_int_equal(open_with(keys[3], &parts, opened, &len), -1);
	parts.ciphertext_len = 0;
	assert_int_equal(open_with(keys[3], &parts, opened, &len), -1);
	sealed_parts_free(&parts);
	json_decref(jwe);
	free(plain);
	free(opened);
}

/* One bit anywhere in what sealed_open takes. */
static void
tampering(void **state)
{
	struct sealed_parts parts;
	uint8_t plain[20], zeros[20];
	uint8_t *fields[4];
	size_t sizes[4];
	json_t *jwe;
	size_t field, i, len;

	(void)state;
	memset(zeros, 0, sizeof(zeros));
	jwe = make(2, "twenty bytes of text", 20);
	assert_int_equal(sealed_parse(jwe, kids[1], &parts, NULL), 0);
	fields[0] = parts.tag;
	sizes[0] = sizeof(parts.tag);
	fields[1] = parts.iv;
	sizes[1] = sizeof(parts.iv);
	fields[2] = parts.wrapped_key;
	sizes[2] = sizeof(parts.wrapped_key);
	fields[3] = parts.ciphertext;
	sizes[3] = parts.ciphertext_len;
	for (field = 0; field < 4; field++) {
		for (i = 0; i < sizes[field]; i++) {
			fields[field][i] ^= 1;
			memset(plain, 'x', sizeof(plain));
			assert_int_equal(open_with(keys[1], &parts, plain, &len), -1);
			assert_memory_equal(plain, zeros, sizeof(plain));
			fields[field][i] ^= 1;
		}
	}
	parts.ciphertext_len--;
	assert_int_equal(open_with(keys[1], &parts, plain, &len), -1);
	parts.ciphertext_len++;
	/* Another point that is on the curve, and one that is not. */
	memcpy(parts.epk, recipients[0].xy, sizeof(parts.epk));
	assert_int_equal(open_with(keys[1], &parts, plain, &len), -1);
	parts.epk[0] ^= 1;
	assert_int_equal(open_with(keys[1], &parts, plain, &len), -1);
	sealed_parts_free(&parts);
	json_decref(jwe);
	assert_int_equal(ERR_peek_error(), 0);
}

/* A rightly made JWE with one more member, one less, or another value, at each level. */
static void
members(void **state)
{
	static const char *const top[] = { "protected", "recipients", "iv", "ciphertext", "tag" };
	static const char *const extra_top[] = { "aad", "unprotected", "header", "encrypted_key",
		"x", "" };
	static const char *const extra_header[] = { "enc", "zip", "crit", "apu", "apv", "typ",
		"jwk", "p2c", "x5u", "" };
	static const char *const in_header[] = { "alg", "epk", "kid" };
	static const char *const in_epk[] = { "kty", "crv", "x", "y" };
	json_t *jwe;
	size_t i, j;

	(void)state;
	assert_null(why_not(make(2, "x", 1), kids[0]));
	for (i = 0; i < 5; i++) {
		jwe = make(2, "x", 1);
		json_object_del(jwe, top[i]);
		assert_non_null(why_not(jwe, kids[0]));
		jwe = make(2, "x", 1);
		json_object_set_new(jwe, top[i], json_null());
		assert_non_null(why_not(jwe, kids[0]));
		jwe = make(2, "x", 1);
		json_object_set_new(jwe, top[i], json_string(""));
		assert_non_null(why_not(jwe, kids[0]));
	}
	for (i = 0; i < sizeof(extra_top) / sizeof(extra_top[0]); i++) {
		jwe = make(2, "x", 1);
		json_object_set_new(jwe, extra_top[i], json_string("x"));
		assert_string_equal(
		    why_not(jwe, kids[0]), "sealed text has a member that is not allowed");
	}
	/* j = 1: a fault in another recipient's part is refused too. */
	for (j = 0; j < 2; j++) {
		for (i = 0; i < sizeof(extra_header) / sizeof(extra_header[0]); i++) {
			jwe = make(2, "x", 1);
			json_object_set_new(header_of(jwe, j), extra_header[i], json_string("x"));
			assert_non_null(why_not(jwe, kids[0]));
			jwe = make(2, "x", 1);
			json_object_set_new(
			    recipient_of(jwe, j), extra_header[i], json_string("x"));
			assert_non_null(why_not(jwe, kids[0]));
			jwe = make(2, "x", 1);
			json_object_set_new(json_object_get(header_of(jwe, j), "epk"),
			    extra_header[i], json_string("x"));
			assert_string_equal(
			    why_not(jwe, kids[0]), "recipient's ephemeral key malformed");
		}
		for (i = 0; i < 3; i++) {
			jwe = make(2, "x", 1);
			json_object_del(header_of(jwe, j), in_header[i]);
			assert_non_null(why_not(jwe, kids[0]));
			jwe = make(2, "x", 1);
			json_object_set_new(header_of(jwe, j), in_header[i], json_integer(1));
			assert_non_null(why_not(jwe, kids[0]));
		}
		for (i = 0; i < 4; i++) {
			jwe = make(2, "x", 1);
			json_object_del(json_object_get(header_of(jwe, j), "epk"), in_epk[i]);
			assert_non_null(why_not(jwe, kids[0]));
			jwe = make(2, "x", 1);
			json_object_set_new(json_object_get(header_of(jwe, j), "epk"), in_epk[i],
			    json_string("P-384"));
			assert_non_null(why_not(jwe, kids[0]));
		}
		jwe = make(2, "x", 1);
		json_object_del(recipient_of(jwe, j), "header");
		assert_non_null(why_not(jwe, kids[0]));
		jwe = make(2, "x", 1);
		json_object_del(recipient_of(jwe, j), "encrypted_key");
		assert_non_null(why_not(jwe, kids[0]));
		jwe = make(2, "x", 1);
		json_array_set_new(json_object_get(jwe, "recipients"), j, json_null());
		assert_non_null(why_not(jwe, kids[0]));
	}
}

static void
algorithms(void **state)
{
	/* none of them the one fixed text, though some mean the same */
	static const char *const protected_headers[] = {
		"{ \"enc\":\"A256GCM\"}",
		"{\"enc\":\"A128GCM\"}",
		"{\"enc\":\"A256CBC-HS512\"}",
		"{\"enc\":\"A256GCM\",\"alg\":\"ECDH-ES+A256KW\"}",
		"{\"enc\":\"A256GCM\",\"zip\":\"DEF\"}",
		"{\"zip\":\"DEF\",\"enc\":\"A256GCM\"}",
		"{}",
	};
	static const char *const algs[] = { "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "dir",
		"RSA-OAEP", "A256KW", "PBES2-HS256+A128KW", "ecdh-es+a256kw", "ECDH-ES+A256KW ",
		"ECDH-ES+A256K", "none" };
	char encoded[128];
	json_t *jwe;
	size_t i;

	(void)state;
	base64url_encode(encoded, sizeof(encoded), "{\"enc\":\"A256GCM\"}", 17);
	jwe = make(1, "x", 1);
	assert_string_equal(json_get_string(jwe, "protected", 1, 100), encoded);
	json_decref(jwe);
	for (i = 0; i < sizeof(protected_headers) / sizeof(protected_headers[0]); i++) {
		base64url_encode(
		    encoded, sizeof(encoded), protected_headers[i], strlen(protected_headers[i]));
		jwe = make(1, "x", 1);
		json_object_set_new(jwe, "protected", json_string(encoded));
		assert_string_equal(
		    why_not(jwe, kids[0]), "protected header other than A256GCM alone");
	}
	jwe = make(1, "x", 1);
	json_object_set_new(jwe, "protected", json_string("eyJlbmMiOiJBMjU2R0NNIn0="));
	assert_non_null(why_not(jwe, kids[0]));
	jwe = make(1, "x", 1);
	json_object_set_new(jwe, "protected", json_string("eyJlbmMiOiJBMjU2R0NNIn1"));
	assert_non_null(why_not(jwe, kids[0]));
	for (i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
		jwe = make(2, "x", 1);
		json_object_set_new(header_of(jwe, 1), "alg", json_string(algs[i]));
		assert_string_equal(
		    why_not(jwe, kids[0]), "recipient's algorithm other than ECDH-ES+A256KW");
	}
}

static void
recipient_lists(void **state)
{
	struct sealed_parts parts;
	json_t *jwe, *nine, *list;
	size_t i;

	(void)state;
	jwe = make(1, "x", 1);
	json_object_set_new(jwe, "recipients", json_array());
	assert_string_equal(why_not(jwe, kids[0]), "no recipients");
	jwe = make(1, "x", 1);
	json_object_set_new(jwe, "recipients", json_object());
	assert_string_equal(why_not(jwe, kids[0]), "no recipients");
	/* eight are taken, nine are not */
	nine = make(SEALED_MAX_RECIPIENTS, "x", 1);
	assert_int_equal(sealed_parse(nine, kids[7], &parts, NULL), 0);
	sealed_parts_free(&parts);
	jwe = make(1, "x", 1);
	json_object_set_new(header_of(jwe, 0), "kid", json_string(kids[8]));
	json_array_append(json_object_get(nine, "recipients"), recipient_of(jwe, 0));
	json_decref(jwe);
	assert_string_equal(why_not(nine, kids[0]), "more than 8 recipients");
	/* the same kid twice, ours and another's */
	for (i = 0; i < 2; i++) {
		jwe = make(3, "x", 1);
		list = json_object_get(jwe, "recipients");
		json_array_append_new(list, json_deep_copy(json_array_get(list, i)));
		assert_string_equal(why_not(jwe, kids[0]), "recipient named twice");
	}
	/* the flattened form of RFC 7516 7.2.2 */
	jwe = make(1, "x", 1);
	json_object_set(jwe, "header", header_of(jwe, 0));
	json_object_set(
	    jwe, "encrypted_key", json_object_get(recipient_of(jwe, 0), "encrypted_key"));
	json_object_del(jwe, "recipients");
	assert_non_null(why_not(jwe, kids[0]));
	assert_string_equal(why_not(json_array(), kids[0]), "sealed text not an object");
	assert_string_equal(why_not(NULL, kids[0]), "sealed text not an object");
	assert_string_equal(why_not(make(1, "x", 1), ""), "own key id malformed");
	assert_string_equal(why_not(make(1, "x", 1), "short"), "own key id malformed");
}

/* Replaces a string member by its first len characters and what is appended. */
static json_t *
resized(json_t *jwe, json_t *object, const char *key, size_t len, const char *appended)
{
	char text[256];
	const char *value;

	value = json_string_value(json_object_get(object, key));
	assert_non_null(value);
	assert_in_range(len, 0, strlen(value));
	assert_in_range(len + strlen(appended), 0, sizeof(text) - 1);
	memcpy(text, value, len);
	memcpy(text + len, appended, strlen(appended) + 1);
	json_object_set_new(object, key, json_string(text));
	return jwe;
}

static void
field_sizes(void **state)
{
	static const struct {
		const char *key;
		size_t len;
		const char *why;
	} top[] = { { "iv", 16, "iv malformed" }, { "tag", 22, "tag malformed" } };
	json_t *jwe, *object;
	char *text;
	size_t i, len;

	(void)state;
	for (i = 0; i < 2; i++) {
		for (len = 0; len < top[i].len; len++) {
			jwe = make(1, "x", 1);
			resized(jwe, jwe, top[i].key, len, "");
			assert_string_equal(why_not(jwe, kids[0]), top[i].why);
		}
		jwe = make(1, "x", 1);
		resized(jwe, jwe, top[i].key, top[i].len, "A");
		assert_string_equal(why_not(jwe, kids[0]), top[i].why);
		jwe = make(1, "x", 1);
		resized(jwe, jwe, top[i].key, top[i].len, "AA");
		assert_string_equal(why_not(jwe, kids[0]), top[i].why);
		jwe = make(1, "x", 1);
		resized(jwe, jwe, top[i].key, top[i].len - 1, "=");
		assert_string_equal(why_not(jwe, kids[0]), top[i].why);
	}
	for (len = 52; len <= 54; len++) { /* 54 characters are right */
		jwe = make(1, "x", 1);
		resized(jwe, recipient_of(jwe, 0), "encrypted_key", len, len == 54 ? "AA" : "");
		assert_string_equal(why_not(jwe, kids[0]), "recipient's encrypted key malformed");
	}
	for (len = 41; len <= 43; len++) { /* 43 characters are right */
		jwe = make(1, "x", 1);
		resized(jwe, header_of(jwe, 0), "kid", len, len == 43 ? "A" : "");
		assert_string_equal(why_not(jwe, kids[0]), "recipient's key id malformed");
		jwe = make(1, "x", 1);
		object = json_object_get(header_of(jwe, 0), "epk");
		resized(jwe, object, "x", len, len == 43 ? "A" : "");
		assert_string_equal(why_not(jwe, kids[0]), "recipient's ephemeral key malformed");
	}
	jwe = make(1, "x", 1);
	json_object_set_new(jwe, "ciphertext", json_string("A"));
	assert_string_equal(why_not(jwe, kids[0]), "ciphertext malformed");
	jwe = make(1, "x", 1);
	json_object_set_new(jwe, "ciphertext", json_string("AB"));
	assert_string_equal(why_not(jwe, kids[0]), "ciphertext malformed");
	jwe = make(1, "x", 1);
	json_object_set_new(jwe, "ciphertext", json_string("AA=="));
	assert_string_equal(why_not(jwe, kids[0]), "ciphertext malformed");
	jwe = make(1, "x", 1);
	json_object_set_new(jwe, "ciphertext", json_string(""));
	assert_string_equal(why_not(jwe, kids[0]), "ciphertext missing or empty");
	text = malloc(BASE64URL_SIZE(SEALED_MAX_CIPHERTEXT + 3));
	assert_non_null(text);
	memset(text, 'A', BASE64URL_SIZE(SEALED_MAX_CIPHERTEXT + 3));
	len = BASE64URL_LENGTH(SEALED_MAX_CIPHERTEXT + 1);
	jwe = make(1, "x", 1);
	json_object_set_new(jwe, "ciphertext", json_stringn(text, len));
	assert_string_equal(why_not(jwe, kids[0]), "ciphertext too long");
	len = BASE64URL_LENGTH(SEALED_MAX_CIPHERTEXT);
	jwe = make(1, "x", 1);
	json_object_set_new(jwe, "ciphertext", json_stringn(text, len));
	assert_null(why_not(jwe, kids[0]));
	free(text);
}

/* What is right is never told as wrong, what is wrong never taken, whichever block is refused. */
static bool
opened_without_memory(void *arg)
{
	json_t *jwe = arg;
	struct sealed_parts parts;
	uint8_t z[JOSE_KEY_SECRET_SIZE], plain[64];
	const char *why = NULL;
	size_t len = 0;
	bool opened = false;

	errno = 0;
	if (sealed_parse(jwe, kids[0], &parts, &why) == -1) {
		assert_int_equal(errno, ENOMEM);
		assert_string_equal(why, "out of memory");
		return false;
	}
	if (sealed_shared_secret(keys[0], parts.epk, z) == -1)
		assert_int_equal(errno, ENOMEM);
	else if (sealed_open(&parts, z, plain, &len) == -1)
		assert_int_equal(errno, ENOMEM);
	else {
		assert_int_equal(len, 6);
		assert_memory_equal(plain, "secret", 6);
		opened = true;
	}
	sealed_parts_free(&parts);
	assert_int_equal(ERR_peek_error(), 0);
	return opened;
}

static bool
refused_without_memory(void *arg)
{
	json_t *jwe = arg;
	struct sealed_parts parts;
	uint8_t z[JOSE_KEY_SECRET_SIZE], plain[64];
	size_t len = 0;
	int fault = 0;

	if (sealed_parse(jwe, kids[0], &parts, NULL) == -1)
		return false;
	if (sealed_shared_secret(keys[0], parts.epk, z) == -1)
		fault = errno;
	else {
		assert_int_equal(sealed_open(&parts, z, plain, &len), -1);
		fault = errno;
	}
	sealed_parts_free(&parts);
	assert_true(fault == EBADMSG || (fault == ENOMEM && allocations_failed()));
	return fault == EBADMSG;
}

static bool
sealed_without_memory(void *arg)
{
	char *text = sealed_make(recipients, 2, "secret", 6);

	(void)arg;
	assert_int_equal(ERR_peek_error(), 0);
	if (text == NULL)
		return false;
	allocations_relent();
	assert_int_equal(text[0], '{');
	free(text);
	return true;
}

static void
want_of_memory(void **state)
{
	json_t *jwe = make(2, "secret", 6), *changed;
	char tag[] = "AAAAAAAAAAAAAAAAAAAAAA";

	(void)state;
	allocations_fail_each(opened_without_memory, jwe, ALLOCATIONS_KEPT);
	changed = json_deep_copy(jwe);
	json_object_set_new(changed, "tag", json_string(tag));
	allocations_fail_each(refused_without_memory, changed, ALLOCATIONS_KEPT);
	json_decref(changed);
	/* An ephemeral key that is no point. */
	changed = json_deep_copy(jwe);
	json_object_set_new(json_object_get(header_of(changed, 0), "epk"), "y",
	    json_string("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
	allocations_fail_each(refused_without_memory, changed, ALLOCATIONS_KEPT);
	json_decref(changed);
	json_decref(jwe);
	allocations_fail_each(sealed_without_memory, NULL, ALLOCATIONS_KEPT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_for_each_recipient),
		cmocka_unit_test(never_the_same_twice),
		cmocka_unit_test(making_limits),
		cmocka_unit_test(tampering),
		cmocka_unit_test(members),
		cmocka_unit_test(algorithms),
		cmocka_unit_test(recipient_lists),
		cmocka_unit_test(field_sizes),
		cmocka_unit_test(want_of_memory),
	};

	if (wipe_use_in_openssl() == -1)
		return 1;
	json_use_wiping_allocator();
	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
