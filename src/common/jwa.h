/* SPDX-License-Identifier: ISC */
/*
 * The symmetric half of sealed text: key derivation, key wrapping, content encryption
 * (RFC 7518 4.6.2, 4.4, 5.3), each as one function that the RFCs' vectors can be held against.
 *
 * Must leave no key behind: contexts are made and wiped within a call.
 */
#ifndef COMMON_JWA_H
#define COMMON_JWA_H

#include <stddef.h>
#include <stdint.h>

#define JWA_KEY_SIZE 32 /* content encryption key, key encryption key */
#define JWA_WRAPPED_SIZE 40
#define JWA_IV_SIZE 12
#define JWA_TAG_SIZE 16

/*
 * Concat KDF with SHA-256 (RFC 7518 4.6.2): key_size bytes, at most 32, from the shared secret
 * z. algorithm is the AlgorithmID; apu and apv are PartyUInfo and PartyVInfo,
 * empty in everything this project makes. The caller wipes key.
 */
int jwa_concat_kdf(const uint8_t z[32], const char *algorithm, const void *apu, size_t apu_len,
    const void *apv, size_t apv_len, uint8_t *key, size_t key_size);

/* AES-256 key wrap of a 256-bit key (RFC 3394 2.2.1). */
int jwa_key_wrap(const uint8_t kek[JWA_KEY_SIZE], const uint8_t key[JWA_KEY_SIZE],
    uint8_t wrapped[JWA_WRAPPED_SIZE]);

/* The way back (RFC 3394 2.2.2); -1 if the integrity check fails. The caller wipes key. */
int jwa_key_unwrap(const uint8_t kek[JWA_KEY_SIZE], const uint8_t wrapped[JWA_WRAPPED_SIZE],
    uint8_t key[JWA_KEY_SIZE]) __attribute__((warn_unused_result));

/* AES-256-GCM (RFC 7518 5.3). ciphertext holds len bytes, as plain. */
int jwa_gcm_encrypt(const uint8_t key[JWA_KEY_SIZE], const uint8_t iv[JWA_IV_SIZE], const void *aad,
    size_t aad_len, const uint8_t *plain, size_t len, uint8_t *ciphertext,
    uint8_t tag[JWA_TAG_SIZE]);

/* The way back; -1 if the tag is wrong, and plain (len bytes) is then wiped. */
int jwa_gcm_decrypt(const uint8_t key[JWA_KEY_SIZE], const uint8_t iv[JWA_IV_SIZE], const void *aad,
    size_t aad_len, const uint8_t *ciphertext, size_t len, const uint8_t tag[JWA_TAG_SIZE],
    uint8_t *plain) __attribute__((warn_unused_result));

#endif
