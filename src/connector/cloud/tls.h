/* SPDX-License-Identifier: ISC */
/*
 * Who the hub is: one TLS configuration with a pin or a list of CAs, made
 * before the sandbox closes, and what a failed handshake means.
 *
 * With a pin only the key counts (docs/tunnel-protocol.md 2); without one the
 * certificate's chain, time and name do (RFC 5280, RFC 6125).
 */
#ifndef ADC_CLOUD_TLS_H
#define ADC_CLOUD_TLS_H

#include "failure.h"
#include "common/stream.h"

#include <openssl/ssl.h>

#include <stddef.h>
#include <stdint.h>

#define TLS_PIN_SIZE 32
#define TLS_CA_MAX (4U << 20) /* bytes of a PEM file */

struct tls;

/*
 * For one host (name or numeric address).  Exactly one of pin and ca is given:
 * pin as the SHA-256 of a SubjectPublicKeyInfo, ca as PEM text.  Does a dry run of
 * what a handshake needs from OpenSSL, so that nothing is fetched later.
 * NULL with *why in static words.
 */
struct tls *
tls_new(const char *host, const uint8_t *pin, const void *ca, size_t ca_len, const char **why);

/* A client session, not yet on a descriptor. NULL when memory is short. */
SSL *tls_session(struct tls *);

/*
 * A first handshake went well, and all is loaded that one needs. Before, want of memory in one ends
 * the process: what OpenSSL 3.0 could not load then it takes for missing for good
 * (ossl_provider_set_operation_bit()), and another process finds it.
 */
void tls_agreed(struct tls *);

/* Why a stream to name ended; the tls is what its session was made from, NULL in clear. */
void tls_stream_failure(
    const struct tls *, const struct stream_end *, const char *name, struct failure *);

#endif
