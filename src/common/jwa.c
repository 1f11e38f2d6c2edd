/* SPDX-License-Identifier: ISC */
/*
 * Key derivation, key wrapping and content encryption over OpenSSL's EVP: see jwa.h.
 *
 * Algorithms are fetched once per process, contexts are made per call: they hold key
 * schedules, which OpenSSL wipes when a context is freed.
 */
#include "jwa.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <limits.h>
#include <string.h>

#define Z_SIZE 32
#define HASH_SIZE 32

static int add_length_prefixed(EVP_MD_CTX *context, const void *data, size_t len);
static int add_u32(EVP_MD_CTX *context, size_t value);
static EVP_CIPHER *cipher_wrap(void);
static EVP_CIPHER *cipher_gcm(void);

/*
 * One round is enough: no key here is longer than one SHA-256. The order is
 * counter, Z, AlgorithmID, PartyUInfo, PartyVInfo, SuppPubInfo (the key's length in bits).
 */
int
jwa_concat_kdf(const uint8_t z[32], const char *algorithm, const void *apu, size_t apu_len,
    const void *apv, size_t apv_len, uint8_t *key, size_t key_size)
{
	static EVP_MD *sha256;
	EVP_MD_CTX *context;
	uint8_t digest[HASH_SIZE];
	int result;

	if (key_size < 1 || key_size > HASH_SIZE)
		return -1;
	result = -1;
	if (sha256 == NULL)
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	context = EVP_MD_CTX_new();
	if (sha256 == NULL || context == NULL || EVP_DigestInit_ex2(context, sha256, NULL) != 1 ||
	    add_u32(context, 1) == -1 || EVP_DigestUpdate(context, z, Z_SIZE) != 1 ||
	    add_length_prefixed(context, algorithm, strlen(algorithm)) == -1 ||
	    add_length_prefixed(context, apu, apu_len) == -1 ||
	    add_length_prefixed(context, apv, apv_len) == -1 ||
	    add_u32(context, key_size * 8) == -1 ||
	    EVP_DigestFinal_ex(context, digest, NULL) != 1) {
		ERR_clear_error();
		goto out;
	}
	memcpy(key, digest, key_size);
	result = 0;

out:
	EVP_MD_CTX_free(context);
	explicit_bzero(digest, sizeof(digest));
	return result;
}

int
jwa_key_wrap(const uint8_t kek[JWA_KEY_SIZE], const uint8_t key[JWA_KEY_SIZE],
    uint8_t wrapped[JWA_WRAPPED_SIZE])
{
	EVP_CIPHER_CTX *context;
	int len, result;

	result = -1;
	if ((context = EVP_CIPHER_CTX_new()) != NULL) {
		EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
		if (EVP_EncryptInit_ex2(context, cipher_wrap(), kek, NULL, NULL) == 1 &&
		    EVP_EncryptUpdate(context, wrapped, &len, key, JWA_KEY_SIZE) == 1 &&
		    len == JWA_WRAPPED_SIZE)
			result = 0;
	}
	EVP_CIPHER_CTX_free(context);
	if (result == -1)
		ERR_clear_error();
	return result;
}

int
jwa_key_unwrap(const uint8_t kek[JWA_KEY_SIZE], const uint8_t wrapped[JWA_WRAPPED_SIZE],
    uint8_t key[JWA_KEY_SIZE])
{
	EVP_CIPHER_CTX *context;
	uint8_t unwrapped[JWA_WRAPPED_SIZE]; /* OpenSSL wants room for as much as goes in */
	int len, result;

	result = -1;
	if ((context = EVP_CIPHER_CTX_new()) != NULL) {
		EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
		if (EVP_DecryptInit_ex2(context, cipher_wrap(), kek, NULL, NULL) == 1 &&
		    EVP_DecryptUpdate(context, unwrapped, &len, wrapped, JWA_WRAPPED_SIZE) == 1 &&
		    len == JWA_KEY_SIZE) {
			memcpy(key, unwrapped, JWA_KEY_SIZE);
			result = 0;
		}
	}
	EVP_CIPHER_CTX_free(context);
	explicit_bzero(unwrapped, sizeof(unwrapped));
	if (result == -1)
		ERR_clear_error();
	return result;
}

int
jwa_gcm_encrypt(const uint8_t key[JWA_KEY_SIZE], const uint8_t iv[JWA_IV_SIZE], const void *aad,
    size_t aad_len, const uint8_t *plain, size_t len, uint8_t *ciphertext,
    uint8_t tag[JWA_TAG_SIZE])
{
	EVP_CIPHER_CTX *context;
	int written, result;

	result = -1;
	if (len <= INT_MAX && aad_len <= INT_MAX && (context = EVP_CIPHER_CTX_new()) != NULL) {
		if (EVP_EncryptInit_ex2(context, cipher_gcm(), key, iv, NULL) == 1 &&
		    (aad_len == 0 ||
			EVP_EncryptUpdate(context, NULL, &written, aad, (int)aad_len) == 1) &&
		    EVP_EncryptUpdate(context, ciphertext, &written, plain, (int)len) == 1 &&
		    EVP_EncryptFinal_ex(context, ciphertext + written, &written) == 1 &&
		    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, JWA_TAG_SIZE, tag) == 1)
			result = 0;
		EVP_CIPHER_CTX_free(context);
	}
	if (result == -1)
		ERR_clear_error();
	return result;
}

int
jwa_gcm_decrypt(const uint8_t key[JWA_KEY_SIZE], const uint8_t iv[JWA_IV_SIZE], const void *aad,
    size_t aad_len, const uint8_t *ciphertext, size_t len, const uint8_t tag[JWA_TAG_SIZE],
    uint8_t *plain)
{
	EVP_CIPHER_CTX *context;
	uint8_t expected[JWA_TAG_SIZE];
	int written, result;

	result = -1;
	memcpy(expected, tag, sizeof(expected));
	if (len <= INT_MAX && aad_len <= INT_MAX && (context = EVP_CIPHER_CTX_new()) != NULL) {
		if (EVP_DecryptInit_ex2(context, cipher_gcm(), key, iv, NULL) == 1 &&
		    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, JWA_TAG_SIZE, expected) ==
			1 &&
		    (aad_len == 0 ||
			EVP_DecryptUpdate(context, NULL, &written, aad, (int)aad_len) == 1) &&
		    EVP_DecryptUpdate(context, plain, &written, ciphertext, (int)len) == 1 &&
		    EVP_DecryptFinal_ex(context, plain + written, &written) == 1)
			result = 0;
		EVP_CIPHER_CTX_free(context);
	}
	if (result == -1) {
		explicit_bzero(plain, len);
		ERR_clear_error();
	}
	return result;
}

static int
add_length_prefixed(EVP_MD_CTX *context, const void *data, size_t len)
{
	if (add_u32(context, len) == -1)
		return -1;
	if (len > 0 && EVP_DigestUpdate(context, data, len) != 1)
		return -1;
	return 0;
}

static int
add_u32(EVP_MD_CTX *context, size_t value)
{
	uint8_t big_endian[4];

	if (value > UINT32_MAX)
		return -1;
	big_endian[0] = (uint8_t)(value >> 24);
	big_endian[1] = (uint8_t)(value >> 16);
	big_endian[2] = (uint8_t)(value >> 8);
	big_endian[3] = (uint8_t)value;
	return EVP_DigestUpdate(context, big_endian, sizeof(big_endian)) == 1 ? 0 : -1;
}

/* NULL when OpenSSL has no such cipher: the init functions above then fail. */
static EVP_CIPHER *
cipher_wrap(void)
{
	static EVP_CIPHER *cipher;

	if (cipher == NULL)
		cipher = EVP_CIPHER_fetch(NULL, "AES-256-WRAP", NULL);
	return cipher;
}

static EVP_CIPHER *
cipher_gcm(void)
{
	static EVP_CIPHER *cipher;

	if (cipher == NULL)
		cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	return cipher;
}
