/* SPDX-License-Identifier: ISC */
/*
 * TLS towards a directory server: which CAs count, which name must be in the
 * certificate, and what to tell a person when one of them does not fit.
 *
 * Everything that reads files happens before the sandbox (the CAs come as PEM
 * text).  The CAs given are the only ones.
 */
#ifndef ADC_DIRECTORY_TLS_H
#define ADC_DIRECTORY_TLS_H

#include "failure.h"

#include <openssl/ssl.h>
#include <stddef.h>

#define TLS_NAME_SIZE 256
/* Servers whose last session is kept for resumption. */
#define TLS_SESSIONS_MAX 16
/* Seconds after which a kept session is not used any more: the certificate is looked at again. */
#define TLS_SESSION_AGE 3600

struct tls_context;

/* TLS 1.2 or later. NULL with a failure when no CA can be read from the PEM text. */
struct tls_context *tls_context_new(const char *pem, size_t len, struct failure *);
void tls_context_free(struct tls_context *);

/*
 * A client session on a connected descriptor, which stays the caller's, that
 * accepts only a certificate for name (a host name, or a numeric address).  Ends with
 * SSL_free(). NULL: no memory.
 */
SSL *tls_client(struct tls_context *, int fd, const char *name);
/* A first handshake of this process went well: what it needs of OpenSSL is loaded. */
void tls_agreed(void);
/* After SSL_connect() failed for good: says why, in words. */
void tls_explain(SSL *, const char *name, struct failure *);

#endif
