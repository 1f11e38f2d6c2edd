/* SPDX-License-Identifier: ISC */
/*
 * P-256 keys: the RFCs' vectors for signing and agreeing, and what is not a key.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hex.h"
#include "common/jose.h"
#include "common/jose_key.h"
#include "common/json.h"

#include "allocations.h"
#include "common/wipe.h"
#include <openssl/err.h>

#include <string.h>

/* The prime and the order of P-256 (FIPS 186-4, D.1.2.3), and its generator. */
#define PRIME "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"
#define ORDER "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"
#define G_X "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
#define G_Y "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"

#define A3_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define A3_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define A3_D "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"

static void
coordinates(uint8_t xy[64], const char *x, const char *y)
{
	from_base64url(xy, 32, x);
	from_base64url(xy + 32, 32, y);
}

static struct jose_key *
key_from_text(const char *jwk)
{
	struct jose_key *key;
	json_t *object;

	object = json_read(jwk, strlen(jwk), 4096, NULL);
	assert_non_null(object);
	key = jose_key_from_jwk(object);
	json_decref(object);
	assert_int_equal(ERR_peek_error(), 0);
	return key;
}

/* RFC 7515 A.3: header {"alg":"ES256"} alone, so below the level of jws.h. */
static void
rfc7515_a3(void **state)
{
	static const char signed_text[] =
	    "eyJhbGciOiJFUzI1NiJ9."
	    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290"
	    "Ijp0cnVlfQ";
	uint8_t xy[64], d[32], signature[64];
	struct jose_key *public_key, *private_key;
	size_t i;

	(void)state;
	coordinates(xy, A3_X, A3_Y);
	from_base64url(d, sizeof(d), A3_D);
	from_base64url(signature, sizeof(signature),
	    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU"
	    "1Q");
	public_key = jose_key_from_public(xy);
	private_key = jose_key_from_private(d, xy);
	assert_non_null(public_key);
	assert_non_null(private_key);
	assert_int_equal(
	    jose_key_verify(public_key, signed_text, strlen(signed_text), signature), 0);
	assert_int_equal(
	    jose_key_verify(private_key, signed_text, strlen(signed_text), signature), 0);
	assert_int_equal(
	    jose_key_verify(public_key, signed_text, strlen(signed_text) - 1, signature), -1);
	for (i = 0; i < sizeof(signature); i++) {
		signature[i] ^= 1;
		assert_int_equal(
		    jose_key_verify(public_key, signed_text, strlen(signed_text), signature), -1);
		signature[i] ^= 1;
	}
	assert_int_equal(jose_key_sign(private_key, "x", 1, signature), 0);
	assert_int_equal(jose_key_verify(public_key, "x", 1, signature), 0);
	assert_int_equal(jose_key_sign(public_key, "x", 1, signature), -1);
	assert_int_equal(ERR_peek_error(), 0);
	jose_key_free(public_key);
	jose_key_free(private_key);
}

/* RFC 6979 A.2.5, SHA-256. */
static void
rfc6979_signatures(void **state)
{
	uint8_t xy[64], signature[64];
	struct jose_key *key;

	(void)state;
	from_hex(xy, 64,
	    "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
	    "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299");
	key = jose_key_from_public(xy);
	assert_non_null(key);
	from_hex(signature, 64,
	    "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
	    "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8");
	assert_int_equal(jose_key_verify(key, "sample", 6, signature), 0);
	assert_int_equal(jose_key_verify(key, "test", 4, signature), -1);
	jose_key_free(key);
}

static void
signatures_out_of_range(void **state)
{
	uint8_t signature[64], good[64];
	struct jose_key *key;
	int i;

	(void)state;
	key = jose_key_generate();
	assert_non_null(key);
	assert_int_equal(jose_key_sign(key, "x", 1, good), 0);
	memset(signature, 0, sizeof(signature));
	assert_int_equal(jose_key_verify(key, "x", 1, signature), -1);
	memset(signature, 0xff, sizeof(signature));
	assert_int_equal(jose_key_verify(key, "x", 1, signature), -1);
	memcpy(signature, good, 64);
	memset(signature, 0, 32);
	assert_int_equal(jose_key_verify(key, "x", 1, signature), -1);
	memcpy(signature, good, 64);
	memset(signature + 32, 0, 32);
	assert_int_equal(jose_key_verify(key, "x", 1, signature), -1);
	from_hex(signature + 32, 32, ORDER);
	assert_int_equal(jose_key_verify(key, "x", 1, signature), -1);
	assert_int_equal(jose_key_verify(key, "x", 1, good), 0);
	/* Short r and s are padded: 300 signatures have some with a leading zero byte. */
	for (i = 0; i < 300; i++) {
		assert_int_equal(jose_key_sign(key, &i, sizeof(i), signature), 0);
		assert_int_equal(jose_key_verify(key, &i, sizeof(i), signature), 0);
	}
	assert_int_equal(jose_key_sign(key, "", 0, signature), 0);
	assert_int_equal(jose_key_verify(key, "", 0, signature), 0);
	assert_int_equal(ERR_peek_error(), 0);
	jose_key_free(key);
}

/* RFC 7518 appendix C, the agreement. */
static void
rfc7518_agreement(void **state)
{
	uint8_t alice_xy[64], alice_d[32], bob_xy[64], bob_d[32], expected[32], z[32];
	struct jose_key *alice, *bob;
	int i;

	(void)state;
	coordinates(alice_xy, "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
	    "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps");
	from_base64url(alice_d, 32, "0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo");
	coordinates(bob_xy, "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
	    "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck");
	from_base64url(bob_d, 32, "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw");
	from_hex(expected, 32, "9e56d91d817135d372834283bf84269cfb316ea3da806a48f6daa7798cfe90c4");
	alice = jose_key_from_private(alice_d, alice_xy);
	bob = jose_key_from_private(bob_d, bob_xy);
	assert_non_null(alice);
	assert_non_null(bob);
	/* Twice: the context is used again. */
	for (i = 0; i < 2; i++) {
		assert_int_equal(jose_key_agree(alice, bob_xy, z), 0);
		assert_memory_equal(z, expected, 32);
		assert_int_equal(jose_key_agree(bob, alice_xy, z), 0);
		assert_memory_equal(z, expected, 32);
	}
	jose_key_free(alice);
	jose_key_free(bob);
}

static void
points_off_the_curve(void **state)
{
	struct jose_key *key, *other;
	uint8_t xy[64], z[32];
	size_t i;

	(void)state;
	key = jose_key_generate();
	other = jose_key_generate();
	assert_non_null(key);
	assert_non_null(other);
	jose_key_public(other, xy);
	assert_int_equal(jose_key_agree(key, xy, z), 0);
	for (i = 0; i < sizeof(xy); i++) {
		xy[i] ^= 0x10;
		assert_null(jose_key_from_public(xy));
		assert_int_equal(jose_key_agree(key, xy, z), -1);
		xy[i] ^= 0x10;
	}
	memset(xy, 0, sizeof(xy)); /* where some put infinity */
	assert_null(jose_key_from_public(xy));
	assert_int_equal(jose_key_agree(key, xy, z), -1);
	memset(xy, 0xff, sizeof(xy));
	assert_null(jose_key_from_public(xy));
	assert_int_equal(jose_key_agree(key, xy, z), -1);
	/* A coordinate as large as the prime, though it is congruent to one on the curve. */
	from_hex(xy, 32, PRIME);
	from_hex(xy + 32, 32, "66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4");
	assert_null(jose_key_from_public(xy));
	memset(xy, 0, 32);
	jose_key_free(other);
	other = jose_key_from_public(xy);
	assert_non_null(other); /* x = 0 itself is on the curve */
	/* After refusals the context still works. */
	assert_int_equal(jose_key_agree(key, xy, z), 0);
	assert_int_equal(jose_key_agree(other, xy, z), -1); /* public key */
	assert_int_equal(ERR_peek_error(), 0);
	jose_key_free(key);
	jose_key_free(other);
}

static void
saved_keys(void **state)
{
	struct jose_key *key, *again, *other;
	uint8_t d[32], xy[64], d2[32], xy2[64];

	(void)state;
	key = jose_key_generate();
	other = jose_key_generate();
	assert_non_null(key);
	assert_non_null(other);
	assert_int_equal(jose_key_private(key, d), 0);
	assert_int_equal(jose_key_public(key, xy), 0);
	again = jose_key_from_private(d, xy);
	assert_non_null(again);
	assert_int_equal(jose_key_private(again, d2), 0);
	assert_int_equal(jose_key_public(again, xy2), 0);
	assert_memory_equal(d, d2, 32);
	assert_memory_equal(xy, xy2, 64);
	jose_key_free(again);
	jose_key_public(other, xy2);
	assert_null(jose_key_from_private(d, xy2)); /* another key's point */
	d[31] ^= 1;
	assert_null(jose_key_from_private(d, xy));
	xy[63] ^= 1;
	assert_null(jose_key_from_private(d, xy));
	memset(d, 0, sizeof(d));
	jose_key_public(key, xy);
	assert_null(jose_key_from_private(d, xy));
	from_hex(d, 32, ORDER);
	assert_null(jose_key_from_private(d, xy));
	/* order + 1 has the generator as its point, like 1. */
	from_hex(xy, 32, G_X);
	from_hex(xy + 32, 32, G_Y);
	d[31]++;
	assert_null(jose_key_from_private(d, xy));
	memset(d, 0xff, sizeof(d));
	assert_null(jose_key_from_private(d, xy));
	memset(d, 0, sizeof(d));
	d[31] = 1;
	again = jose_key_from_private(d, xy);
	assert_non_null(again);
	assert_int_equal(jose_key_private(again, d2), 0);
	assert_memory_equal(d, d2, 32);
	jose_key_free(again);
	again = jose_key_from_public(xy);
	assert_non_null(again);
	assert_int_equal(jose_key_private(again, d2), -1);
	assert_int_equal(ERR_peek_error(), 0);
	jose_key_free(again);
	jose_key_free(key);
	jose_key_free(other);
	jose_key_free(NULL);
}

static void
jwk_there_and_back(void **state)
{
	struct jose_key *key, *again;
	uint8_t xy[64], xy2[64];
	json_t *jwk;

	(void)state;
	key = jose_key_generate();
	assert_non_null(key);
	jwk = jose_key_jwk(key);
	assert_non_null(jwk);
	assert_int_equal(json_object_size(jwk), 4);
	assert_null(json_object_get(jwk, "d"));
	again = jose_key_from_jwk(jwk);
	assert_non_null(again);
	jose_key_public(key, xy);
	jose_key_public(again, xy2);
	assert_memory_equal(xy, xy2, 64);
	memset(xy2, 0, sizeof(xy2));
	assert_int_equal(jose_key_read_coordinates(jwk, xy2), 0);
	assert_memory_equal(xy, xy2, 64);
	json_object_set_new(jwk, "use", json_string("sig"));
	assert_int_equal(jose_key_read_coordinates(jwk, xy2), -1);
	json_decref(jwk);
	jose_key_free(key);
	jose_key_free(again);
}

#define JWK(kty, crv, x, y, more)                                                                  \
	"{\"kty\":\"" kty "\",\"crv\":\"" crv "\",\"x\":\"" x "\",\"y\":\"" y "\"" more "}"

static void
jwk_members(void **state)
{
	static const char *const good[] = {
		JWK("EC", "P-256", A3_X, A3_Y, ""),
		JWK("EC", "P-256", A3_X, A3_Y, ",\"use\":\"sig\",\"alg\":\"ES256\""),
		JWK("EC", "P-256", A3_X, A3_Y, ",\"use\":\"enc\",\"alg\":\"ECDH-ES+A256KW\""),
		JWK("EC", "P-256", A3_X, A3_Y,
		    ",\"kid\":\"oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U\""),
	};
	static const char *const bad[] = {
		"{}",
		"[]",
		JWK("EC", "P-256", "", A3_Y, ""),
		JWK("EC", "P-256", A3_X, "", ""),
		JWK("ec", "P-256", A3_X, A3_Y, ""),
		JWK("RSA", "P-256", A3_X, A3_Y, ""),
		JWK("EC", "P-384", A3_X, A3_Y, ""),
		JWK("EC", "secp256k1", A3_X, A3_Y, ""),
		JWK("EC", "P-256", A3_X, A3_Y, ",\"d\":\"" A3_D "\""),
		JWK("EC", "P-256", A3_X, A3_Y, ",\"x5u\":\"https://example.com/\""),
		JWK("EC", "P-256", A3_X, A3_Y, ",\"use\":\"other\""),
		JWK("EC", "P-256", A3_X, A3_Y, ",\"use\":null"),
		JWK("EC", "P-256", A3_X, A3_Y, ",\"alg\":\"none\""),
		JWK("EC", "P-256", A3_X, A3_Y, ",\"alg\":1"),
		JWK("EC", "P-256", A3_X, A3_Y, ",\"kid\":\"1\""),
		JWK("EC", "P-256", A3_X, A3_X, ""),	      /* off the curve */
		JWK("EC", "P-256", A3_X "A", A3_Y, ""),	      /* one over */
		JWK("EC", "P-256", A3_X "=", A3_Y, ""),	      /* padding */
		JWK("EC", "P-256", A3_X, A3_Y "\\u0000", ""), /* NUL */
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" A3_X "\"}",
		"{\"crv\":\"P-256\",\"x\":\"" A3_X "\",\"y\":\"" A3_Y "\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":1,\"y\":\"" A3_Y "\"}",
		/* one byte short, trailing bits set, other alphabet */
		JWK("EC", "P-256", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVE", A3_Y, ""),
		JWK("EC", "P-256", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEV", A3_Y, ""),
		JWK("EC", "P-256", A3_X, "x/FEzRu9m36HLN/tue659LNpXW6pCyStikYjKIWI5a0", ""),
	};
	struct jose_key *key;
	json_t *parsed;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		key = key_from_text(good[i]);
		assert_non_null(key);
		jose_key_free(key);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		/* NUL is refused by the reader already. */
		parsed = json_read(bad[i], strlen(bad[i]), 4096, NULL);
		assert_true((parsed == NULL) == (strstr(bad[i], "u0000") != NULL));
		assert_null(jose_key_from_jwk(parsed));
		json_decref(parsed);
	}
	assert_null(jose_key_from_jwk(NULL));
	assert_int_equal(ERR_peek_error(), 0);
}

/* The key of RFC 9449, which prints its RFC 7638 thumbprint in section 6.1. */
static void
thumbprint(void **state)
{
	uint8_t xy[64];
	char kid[JOSE_KEY_ID_SIZE];

	(void)state;
	coordinates(xy, "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
	    "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA");
	assert_int_equal(jose_key_thumbprint(xy, kid), 0);
	assert_string_equal(kid, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
}

static void
warm_up(void **state)
{
	(void)state;
	assert_int_equal(jose_warm_up(), 0);
	assert_int_equal(ERR_peek_error(), 0);
}

/* Everything a key is made from; what could not be done leaves a key that can do it later. */
static bool
made_without_memory(void *arg)
{
	struct jose_key *pair, *public_key = NULL, *saved = NULL;
	uint8_t xy[64], d[32], z[2][32], signature[64];
	json_t *jwk = NULL;
	bool all;

	(void)arg;
	if ((pair = jose_key_generate()) == NULL)
		return false;
	jose_key_public(pair, xy);
	all = (public_key = jose_key_from_public(xy)) != NULL && jose_key_private(pair, d) == 0 &&
	    (saved = jose_key_from_private(d, xy)) != NULL && (jwk = jose_key_jwk(saved)) != NULL &&
	    jose_key_sign(saved, "x", 1, signature) == 0 &&
	    jose_key_verify(public_key, "x", 1, signature) == 0 &&
	    jose_key_agree(saved, xy, z[0]) == 0;
	assert_int_equal(ERR_peek_error(), 0);
	allocations_relent();
	assert_int_equal(jose_key_sign(pair, "x", 1, signature), 0);
	assert_int_equal(jose_key_agree(pair, xy, z[1]), 0);
	if (public_key != NULL)
		assert_int_equal(jose_key_verify(public_key, "x", 1, signature), 0);
	if (saved != NULL) {
		assert_int_equal(jose_key_sign(saved, "y", 1, signature), 0);
		assert_int_equal(jose_key_verify(pair, "y", 1, signature), 0);
		assert_int_equal(jose_key_agree(saved, xy, z[0]), 0);
		assert_memory_equal(z[0], z[1], 32);
	}
	json_decref(jwk);
	jose_key_free(saved);
	jose_key_free(public_key);
	jose_key_free(pair);
	return all;
}

static void
want_of_memory(void **state)
{
	(void)state;
	allocations_fail_each(made_without_memory, NULL, ALLOCATIONS_KEPT | ALLOCATIONS_SAMPLED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc7515_a3),
		cmocka_unit_test(rfc6979_signatures),
		cmocka_unit_test(signatures_out_of_range),
		cmocka_unit_test(rfc7518_agreement),
		cmocka_unit_test(points_off_the_curve),
		cmocka_unit_test(saved_keys),
		cmocka_unit_test(jwk_there_and_back),
		cmocka_unit_test(jwk_members),
		cmocka_unit_test(thumbprint),
		cmocka_unit_test(warm_up),
		cmocka_unit_test(want_of_memory),
	};

	if (wipe_use_in_openssl() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
