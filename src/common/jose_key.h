/* SPDX-License-Identifier: ISC */
/*
 * A P-256 key and what it can do: sign, verify, agree; and its public form as JWK.
 *
 * The only curve of the project, so that no input ever chooses one. Keys are
 * for one thread: they carry contexts that are used again. Must not write a private key
 * anywhere but into the caller's buffer.
 */
#ifndef COMMON_JOSE_KEY_H
#define COMMON_JOSE_KEY_H

#include <jansson.h>

#include <stddef.h>
#include <stdint.h>

#define JOSE_KEY_PUBLIC_SIZE 64	   /* x || y, big endian */
#define JOSE_KEY_PRIVATE_SIZE 32   /* d, big endian */
#define JOSE_KEY_SIGNATURE_SIZE 64 /* r || s, big endian (RFC 7518 3.4) */
#define JOSE_KEY_SECRET_SIZE 32	   /* Z, the x coordinate (RFC 7518 4.6) */
#define JOSE_KEY_ID_SIZE 44	   /* kid: 43 characters and NUL */

struct jose_key;

/* A new private key. NULL when OpenSSL or memory fails. */
struct jose_key *jose_key_generate(void) __attribute__((warn_unused_result));

/* A public key from its coordinates; NULL if they are not a point on P-256. */
struct jose_key *
jose_key_from_public(const uint8_t xy[JOSE_KEY_PUBLIC_SIZE]) __attribute__((warn_unused_result));

/*
 * A private key as it was saved; NULL if d is not in 1..n-1 or xy is not its public key.
 * d is copied; wiping the caller's copy is up to the caller.
 */
struct jose_key *jose_key_from_private(const uint8_t d[JOSE_KEY_PRIVATE_SIZE],
    const uint8_t xy[JOSE_KEY_PUBLIC_SIZE]) __attribute__((warn_unused_result));

/* Wipes and frees; NULL is fine. */
void jose_key_free(struct jose_key *key);

/* The private number, for saving; -1 for a public key. The caller wipes d. */
int jose_key_private(const struct jose_key *key, uint8_t d[JOSE_KEY_PRIVATE_SIZE]);

/* The public coordinates; 0 for every key. */
int jose_key_public(const struct jose_key *key, uint8_t xy[JOSE_KEY_PUBLIC_SIZE]);

/* {"kty":"EC","crv":"P-256","x","y"} (RFC 7517, RFC 7518 6.2.1): a new reference or NULL. */
json_t *jose_key_jwk(const struct jose_key *key) __attribute__((warn_unused_result));

/*
 * A public key from a JWK. Members: kty, crv, x, y and at most kid (then it must be
 * the thumbprint), use ("sig" or "enc"), alg ("ES256" or "ECDH-ES+A256KW"). Anything else,
 * also a private member d, is refused with NULL.
 */
struct jose_key *jose_key_from_jwk(const json_t *jwk) __attribute__((warn_unused_result));

/*
 * The coordinates out of an object {kty, crv, x, y} with exactly these members, as in
 * an epk. Looks at the form only: whether they lie on the curve shows when they are used.
 */
int jose_key_read_coordinates(const json_t *jwk, uint8_t xy[JOSE_KEY_PUBLIC_SIZE]);

/* kid of a key everywhere in the project: its RFC 7638 thumbprint with SHA-256, base64url. */
int jose_key_thumbprint(const uint8_t xy[JOSE_KEY_PUBLIC_SIZE], char kid[JOSE_KEY_ID_SIZE]);

/* ECDSA P-256 SHA-256 (RFC 7518 3.4) over len bytes; -1 for a public key. */
int jose_key_sign(const struct jose_key *key, const void *data, size_t len,
    uint8_t signature[JOSE_KEY_SIGNATURE_SIZE]);

/* 0 only if the signature is right. */
int jose_key_verify(const struct jose_key *key, const void *data, size_t len,
    const uint8_t signature[JOSE_KEY_SIGNATURE_SIZE]) __attribute__((warn_unused_result));

/*
 * ECDH with another party's public point; -1 for a public key or if the point is not on
 * P-256. The caller wipes z.
 */
int jose_key_agree(const struct jose_key *key, const uint8_t xy[JOSE_KEY_PUBLIC_SIZE],
    uint8_t z[JOSE_KEY_SECRET_SIZE]) __attribute__((warn_unused_result));

#endif
