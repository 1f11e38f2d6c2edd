/* SPDX-License-Identifier: ISC */
/*
 * Who is signed in to the page: the secrets of one-time URLs that may be traded, and the
 * sessions they were traded for.  Of both only the SHA-256 is here, so that what can be read
 * out of this process signs nobody in.  Pure: no message, no connection, no clock of its own.
 */
#ifndef ADC_WEB_SESSION_H
#define ADC_WEB_SESSION_H

#include "common/base64url.h"

#include <stdint.h>

#define SESSION_SECRET_SIZE 32 /* random bytes of a URL, and of a token */
#define SESSION_HASH_SIZE 32
#define SESSION_TEXT_SIZE BASE64URL_SIZE(SESSION_SECRET_SIZE)
#define SESSION_SECRETS_MAX 8
#define SESSION_MAX 16
#define SESSION_IDLE_MS (15U * 60 * 1000)
#define SESSION_LONGEST_MS (8U * 60 * 60 * 1000)

struct sessions;

/* Times are in ms on one clock that only goes forward. NULL: no memory. Warms OpenSSL up. */
struct sessions *sessions_new(void);
/* A secret with this hash may be traded once, until then. The oldest one goes when there are many.
 */
void sessions_allow(struct sessions *, const uint8_t hash[SESSION_HASH_SIZE], uint64_t until_ms);
/*
 * Trades the text of a secret: the number of a new session, and its token.  0: it is none, or
 * none any more.  When there are SESSION_MAX, the one that was not used for longest ends:
 * *ended is its number, otherwise 0.
 */
uint64_t sessions_sign_in(struct sessions *, const char *secret, uint64_t now,
    char token[SESSION_TEXT_SIZE], uint64_t *ended);
/* The session of a token; 0: none. */
uint64_t sessions_find(const struct sessions *, const char *token, uint64_t now);
/* The same, and it counts as used now. */
uint64_t sessions_use(struct sessions *, const char *token, uint64_t now);
void sessions_end(struct sessions *, uint64_t number);
/* Ends one that is over by now: its number; 0: there is none (any more). */
uint64_t sessions_expire(struct sessions *, uint64_t now);
/* When the next one will be over if it is not used; 0: there is none. */
uint64_t sessions_next(const struct sessions *);

#endif
