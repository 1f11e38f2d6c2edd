/* SPDX-License-Identifier: ISC */
/*
 * Key derivation, key wrapping and content encryption against the RFCs' vectors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hex.h"
#include "common/jwa.h"

#include <openssl/err.h>

#include <string.h>

/* RFC 7518 appendix C. */
static void
concat_kdf(void **state)
{
	uint8_t z[32], key[33], expected[16];

	(void)state;
	from_hex(z, 32, "9e56d91d817135d372834283bf84269cfb316ea3da806a48f6daa7798cfe90c4");
	from_base64url(expected, sizeof(expected), "VqqN6vgjbSBcIijNcacQGg");
	assert_int_equal(jwa_concat_kdf(z, "A128GCM", "Alice", 5, "Bob", 3, key, 16), 0);
	assert_memory_equal(key, expected, sizeof(expected));
	/* Every input counts. */
	assert_int_equal(jwa_concat_kdf(z, "A128GCM", "AliceB", 6, "ob", 2, key, 16), 0);
	assert_memory_not_equal(key, expected, sizeof(expected));
	assert_int_equal(jwa_concat_kdf(z, "A256GCM", "Alice", 5, "Bob", 3, key, 16), 0);
	assert_memory_not_equal(key, expected, sizeof(expected));
	assert_int_equal(jwa_concat_kdf(z, "A128GCM", "Alice", 5, "Bob", 3, key, 32), 0);
	assert_memory_not_equal(key, expected, sizeof(expected));
	z[0] ^= 1;
	assert_int_equal(jwa_concat_kdf(z, "A128GCM", "Alice", 5, "Bob", 3, key, 16), 0);
	assert_memory_not_equal(key, expected, sizeof(expected));
	assert_int_equal(jwa_concat_kdf(z, "A128GCM", NULL, 0, NULL, 0, key, 0), -1);
	assert_int_equal(jwa_concat_kdf(z, "A128GCM", NULL, 0, NULL, 0, key, 33), -1);
}

/* RFC 3394 4.6: 256 bits of key data with a 256-bit key. */
static void
key_wrap(void **state)
{
	uint8_t kek[32], key[32], wrapped[40], out[40];
	size_t i;

	(void)state;
	from_hex(kek, 32, "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F");
	from_hex(key, 32, "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F");
	from_hex(wrapped, 40,
	    "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21");
	assert_int_equal(jwa_key_wrap(kek, key, out), 0);
	assert_memory_equal(out, wrapped, 40);
	assert_int_equal(jwa_key_unwrap(kek, wrapped, out), 0);
	assert_memory_equal(out, key, 32);
	for (i = 0; i < sizeof(wrapped); i++) {
		wrapped[i] ^= 0x80;
		assert_int_equal(jwa_key_unwrap(kek, wrapped, out), -1);
		wrapped[i] ^= 0x80;
	}
	kek[31] ^= 1;
	assert_int_equal(jwa_key_unwrap(kek, wrapped, out), -1);
	assert_int_equal(ERR_peek_error(), 0);
}

/* RFC 7516 A.1: the content encryption with its additional data. */
static void
a256gcm(void **state)
{
	static const char plain[] =
	    "The true sign of intelligence is not knowledge but imagination.";
	static const char aad[] = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ";
	uint8_t key[32], iv[12], tag[16], ciphertext[63], out[63], out_tag[16], zeros[63];
	size_t i, len;

	(void)state;
	len = strlen(plain);
	assert_int_equal(len, sizeof(ciphertext));
	memset(zeros, 0, sizeof(zeros));
	from_hex(key, 32, "b1a1f480548fe1733fb403ff6b9ad4f68a076e5b702e22692f82cb2e7aea40fc");
	from_base64url(iv, sizeof(iv), "48V1_ALb6US04U3b");
	from_base64url(tag, sizeof(tag), "XFBoMYUZodetZdvTiFvSkQ");
	from_base64url(ciphertext, sizeof(ciphertext),
	    "5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_"
	    "A");
	assert_int_equal(
	    jwa_gcm_encrypt(key, iv, aad, strlen(aad), (const uint8_t *)plain, len, out, out_tag),
	    0);
	assert_memory_equal(out, ciphertext, len);
	assert_memory_equal(out_tag, tag, sizeof(tag));
	assert_int_equal(jwa_gcm_decrypt(key, iv, aad, strlen(aad), ciphertext, len, tag, out), 0);
	assert_memory_equal(out, plain, len);
	for (i = 0; i < sizeof(tag); i++) {
		tag[i] ^= 1;
		assert_int_equal(
		    jwa_gcm_decrypt(key, iv, aad, strlen(aad), ciphertext, len, tag, out), -1);
		assert_memory_equal(out, zeros, len); /* nothing of the text gets out */
		tag[i] ^= 1;
	}
	for (i = 0; i < sizeof(ciphertext); i++) {
		ciphertext[i] ^= 1;
		assert_int_equal(
		    jwa_gcm_decrypt(key, iv, aad, strlen(aad), ciphertext, len, tag, out), -1);
		ciphertext[i] ^= 1;
	}
	assert_int_equal(
	    jwa_gcm_decrypt(key, iv, aad, strlen(aad) - 1, ciphertext, len, tag, out), -1);
	assert_int_equal(jwa_gcm_decrypt(key, iv, NULL, 0, ciphertext, len, tag, out), -1);
	assert_int_equal(
	    jwa_gcm_decrypt(key, iv, aad, strlen(aad), ciphertext, len - 1, tag, out), -1);
	assert_int_equal(
	    jwa_gcm_encrypt(key, iv, NULL, 0, (const uint8_t *)plain, len, ciphertext, tag), 0);
	assert_int_equal(jwa_gcm_decrypt(key, iv, NULL, 0, ciphertext, len, tag, out), 0);
	assert_int_equal(ERR_peek_error(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(concat_kdf),
		cmocka_unit_test(key_wrap),
		cmocka_unit_test(a256gcm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
