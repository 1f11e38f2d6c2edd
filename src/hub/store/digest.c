/* SPDX-License-Identifier: ISC */
/*
 * Digests through one context that is used again, and random names.  Random
 * bytes come from getrandom(2), which needs no file.
 */
#include "digest.h"

#include "common/base64url.h"
#include "common/log.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

static EVP_MD *sha256;
static EVP_MD_CTX *context;

void
digest_warm_up(void)
{
	uint8_t key[DIGEST_SIZE] = { 0 }, out[DIGEST_SIZE];

	if (sha256 != NULL)
		return;
	/* Without a configuration file: the sandbox has none. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1 ||
	    (sha256 = EVP_MD_fetch(NULL, "SHA256", NULL)) == NULL ||
	    (context = EVP_MD_CTX_new()) == NULL)
		fatalx("openssl has no SHA-256");
	digest_hmac(key, "", 0, out);
}

void
digest_sha256(const void *a, size_t a_len, const void *b, size_t b_len, uint8_t digest[DIGEST_SIZE])
{
	if (EVP_DigestInit_ex2(context, sha256, NULL) != 1 ||
	    EVP_DigestUpdate(context, a, a_len) != 1 || EVP_DigestUpdate(context, b, b_len) != 1 ||
	    EVP_DigestFinal_ex(context, digest, NULL) != 1)
		fatalx("openssl: out of memory");
}

void
digest_hmac(
    const uint8_t key[DIGEST_SIZE], const void *data, size_t len, uint8_t digest[DIGEST_SIZE])
{
	if (HMAC(sha256, key, DIGEST_SIZE, data, len, digest, NULL) == NULL)
		fatalx("openssl: out of memory");
}

static void
random_name(char *name, size_t size, size_t bytes)
{
	uint8_t random[32];

	do {
		arc4random_buf(random, bytes);
		base64url_encode(name, size, random, bytes);
	} while (name[0] == '-');
	explicit_bzero(random, sizeof(random));
}

void
digest_connector_id(char id[CONNECTOR_ID_SIZE])
{
	random_name(id, CONNECTOR_ID_SIZE, 16);
}

void
digest_ticket_secret(char secret[TICKET_SECRET_SIZE])
{
	random_name(secret, TICKET_SECRET_SIZE, 32);
}

/* 32 characters, so that each takes five random bits; without l, o, 0 and 1. */
void
digest_ticket_id(char id[TICKET_ID_SIZE])
{
	static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789";
	uint8_t random[TICKET_ID_SIZE - 1];
	size_t i;

	arc4random_buf(random, sizeof(random));
	for (i = 0; i < sizeof(random); i++)
		id[i] = alphabet[random[i] % 32];
	id[i] = '\0';
}
