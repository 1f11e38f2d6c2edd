/* SPDX-License-Identifier: ISC */
/*
 * Signed texts: JWS compact serialisation with ES256 (RFC 7515, RFC 7518 3.4).
 *
 * The protected header is {"alg":"ES256","typ":TYPE} and nothing more. TYPE says what the
 * text is for, so that a verdict can never be shown as a hello. The key comes from
 * the caller, never from the text.
 */
#ifndef COMMON_JWS_H
#define COMMON_JWS_H

#include "jose_key.h"

#include <stddef.h>
#include <stdint.h>

#define JWS_MAX_TYPE 64		    /* bytes of TYPE: letters, digits and + - . / */
#define JWS_MAX_PAYLOAD (64 * 1024) /* bytes */

/*
 * Signs len bytes. Returns a string for the caller to free(3); NULL when key is
 * public, type or len out of limits, or memory fails.
 */
char *jws_sign(const struct jose_key *key, const char *type, const void *payload, size_t len)
    __attribute__((warn_unused_result));

/*
 * Checks form, header and signature of the len characters at jws. 0: *payload is the signed
 * content, *payload_len bytes and a NUL behind them, for the caller to free(3).
 * Otherwise -1, nothing is set, and errno is wiping_fault()'s. max_payload: bytes, at most
 * JWS_MAX_PAYLOAD.
 */
int jws_verify(const struct jose_key *key, const char *type, const char *jws, size_t len,
    size_t max_payload, uint8_t **payload, size_t *payload_len) __attribute__((warn_unused_result));

#endif
