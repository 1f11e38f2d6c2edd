/* SPDX-License-Identifier: ISC */
/*
 * The few things this process needs of cryptography: a digest over several
 * pieces, a keyed one, and names nobody can guess.
 */
#ifndef ADC_STORE_DIGEST_H
#define ADC_STORE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_SIZE 32

/* A connector's id: 128 bits, base64url. */
#define CONNECTOR_ID_SIZE 23
/* What a ticket's URL ends with: 256 bits, base64url. */
#define TICKET_SECRET_SIZE 44
/* What a ticket is called by people: 8 characters that are hard to mistake. */
#define TICKET_ID_SIZE 9

/* Before the sandbox closes: OpenSSL loads its algorithms. Ends the process on failure. */
void digest_warm_up(void);

/* SHA-256 (FIPS 180-4) of a followed by b. Never fails after the warm-up. */
void digest_sha256(
    const void *a, size_t a_len, const void *b, size_t b_len, uint8_t digest[DIGEST_SIZE]);
/* HMAC-SHA-256 (RFC 2104). */
void digest_hmac(
    const uint8_t key[DIGEST_SIZE], const void *data, size_t len, uint8_t digest[DIGEST_SIZE]);

/* New random names. They never begin with "-", which a command line would take for an option. */
void digest_connector_id(char id[CONNECTOR_ID_SIZE]);
void digest_ticket_secret(char secret[TICKET_SECRET_SIZE]);
void digest_ticket_id(char id[TICKET_ID_SIZE]);

#endif
