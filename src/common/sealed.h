/* SPDX-License-Identifier: ISC */
/*
 * Sealed text: a JWE (RFC 7516, JSON serialisation) in the one form of the tunnel protocol.
 *
 *	{"protected": base64url({"enc":"A256GCM"}),
 *	 "recipients": [{"header": {"alg":"ECDH-ES+A256KW", "epk":{kty,crv,x,y}, "kid"},
 *	                 "encrypted_key"}, ... at most 8],
 *	 "iv", "ciphertext", "tag"}
 *
 * Nothing else is accepted at any level. Opening is split over three processes: the one
 * that faces the network parses (sealed_parse), the one that has the private key computes the
 * shared secret (sealed_shared_secret), the one that asks the directory opens (sealed_open).
 * So no function here takes both a private key and a ciphertext.
 */
#ifndef COMMON_SEALED_H
#define COMMON_SEALED_H

#include "jose_key.h"
#include "jwa.h"

#include <stddef.h>
#include <stdint.h>

#define SEALED_MAX_RECIPIENTS 8
#define SEALED_MAX_CIPHERTEXT 16384 /* bytes; the plain text is as long */

/* No JWE that sealed_make writes is longer than this, in bytes without NUL. */
#define SEALED_MAX_JSON (SEALED_MAX_CIPHERTEXT * 4 / 3 + 256 + SEALED_MAX_RECIPIENTS * 320)

struct sealed_recipient {
	uint8_t xy[JOSE_KEY_PUBLIC_SIZE]; /* its kid is the key's thumbprint */
};

/* A JWE as one of its recipients sees it. */
struct sealed_parts {
	uint8_t epk[JOSE_KEY_PUBLIC_SIZE];
	uint8_t wrapped_key[JWA_WRAPPED_SIZE];
	uint8_t iv[JWA_IV_SIZE];
	uint8_t tag[JWA_TAG_SIZE];
	uint8_t *ciphertext;   /* malloc(3) when it comes from sealed_parse */
	size_t ciphertext_len; /* 1..SEALED_MAX_CIPHERTEXT */
};

/*
 * Seals len bytes (1..SEALED_MAX_CIPHERTEXT) for 1..8 different recipients. Returns the
 * JSON text for the caller to free(3); NULL when a limit is passed, a point is not on
 * the curve, a recipient comes twice, or OpenSSL or memory fails.
 */
char *sealed_make(const struct sealed_recipient *recipients, size_t n, const void *plain,
    size_t len) __attribute__((warn_unused_result));

/*
 * Checks the form of a JWE, of all its recipients, and takes the parts meant for kid (NUL
 * terminated). 0: the caller ends with sealed_parts_free. -1: *why (unless why is NULL)
 * tells the reason in static words, parts hold nothing to free, and errno is wiping_fault()'s.
 */
int sealed_parse(const json_t *jwe, const char kid[JOSE_KEY_ID_SIZE], struct sealed_parts *parts,
    const char **why) __attribute__((warn_unused_result));

/* Frees the ciphertext and clears the rest; not for parts whose ciphertext is not malloc(3)ed. */
void sealed_parts_free(struct sealed_parts *parts);

/*
 * ECDH between the private key and the ephemeral public key of a recipient. -1 if epk is not
 * a point on P-256 or the key is public; errno is wiping_fault()'s. The caller wipes z.
 */
int sealed_shared_secret(struct jose_key *private_key, const uint8_t epk[JOSE_KEY_PUBLIC_SIZE],
    uint8_t z[JOSE_KEY_SECRET_SIZE]) __attribute__((warn_unused_result));

/*
 * Opens with the shared secret. plain has room for parts->ciphertext_len bytes; 0: *plain_len
 * is set, and the caller wipes plain. -1 (another key, any part changed; errno is
 * wiping_fault()'s): plain is wiped.
 */
int sealed_open(const struct sealed_parts *parts, const uint8_t z[JOSE_KEY_SECRET_SIZE],
    uint8_t *plain, size_t *plain_len) __attribute__((warn_unused_result));

#endif
