/* SPDX-License-Identifier: ISC */
/*
 * OpenSSL set up for one peer: see tls.h.  No file, no environment and no
 * configuration of OpenSSL's decides anything here.
 */
#include "tls.h"

#include "common/base64url.h"
#include "common/log.h"
#include "common/secret.h"
#include "common/wipe.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <bsd/string.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct tls {
	SSL_CTX *context;
	char host[256];
	bool numeric;
	bool pinned;
	uint8_t pin[TLS_PIN_SIZE];
	uint8_t refused[TLS_PIN_SIZE]; /* digest of the last key that was not the pinned one */
	bool agreed;		       /* once */
	size_t memory_refused;	       /* wiping_refused() before the last session */
};

/* Marks a refused pin among OpenSSL's own reasons. */
#define VERIFY_PIN_MISMATCH X509_V_ERR_APPLICATION_VERIFICATION

static int
spki_digest(X509 *certificate, uint8_t digest[TLS_PIN_SIZE])
{
	unsigned char *der = NULL;
	unsigned int digest_len = 0;
	int len, result;

	if ((len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der)) <= 0)
		return -1;
	result = EVP_Digest(der, (size_t)len, digest, &digest_len, EVP_sha256(), NULL);
	OPENSSL_free(der);
	return result == 1 && digest_len == TLS_PIN_SIZE ? 0 : -1;
}

/* Replaces all of OpenSSL's checks when there is a pin: 1 only for that key. */
static int
verify_pin(X509_STORE_CTX *store, void *arg)
{
	struct tls *tls = arg;
	X509 *leaf;

	/* Kept here: OpenSSL does not keep the certificate of a peer it refuses. */
	memset(tls->refused, 0, sizeof(tls->refused));
	leaf = X509_STORE_CTX_get0_cert(store);
	if (leaf != NULL && spki_digest(leaf, tls->refused) == 0 &&
	    secret_equal(tls->refused, tls->pin, TLS_PIN_SIZE)) {
		X509_STORE_CTX_set_error(store, X509_V_OK);
		return 1;
	}
	X509_STORE_CTX_set_error(store, VERIFY_PIN_MISMATCH);
	return 0;
}

/* All certificates of a PEM text; other objects in it are passed over. */
static const char *
load_ca(SSL_CTX *context, const void *ca, size_t ca_len)
{
	X509_STORE *store = SSL_CTX_get_cert_store(context);
	X509 *certificate;
	unsigned int n = 0;
	BIO *bio;

	if (ca_len > TLS_CA_MAX || (bio = BIO_new_mem_buf(ca, (int)ca_len)) == NULL)
		return "the list of CAs is too long";
	while ((certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		if (X509_STORE_add_cert(store, certificate) == 1)
			n++;
		X509_free(certificate);
	}
	BIO_free(bio);
	ERR_clear_error();
	/* A CA that the administrator names is trusted, be it a root or not. */
	X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
	return n == 0 ? "the list of CAs holds no certificate" : NULL;
}

static int
warm_up(struct tls *tls)
{
	unsigned char random[1];
	SSL *ssl;

	if ((ssl = tls_session(tls)) == NULL)
		return -1;
	/* Writes the first message into memory: algorithms, random numbers, key shares. */
	SSL_set0_rbio(ssl, BIO_new(BIO_s_mem()));
	SSL_set0_wbio(ssl, BIO_new(BIO_s_mem()));
	SSL_connect(ssl);
	SSL_free(ssl);
	/* Texts of errors are loaded on first use. */
	(void)ERR_reason_error_string(ERR_PACK(ERR_LIB_SSL, 0, SSL_R_BAD_LENGTH));
	ERR_clear_error();
	return RAND_bytes(random, sizeof(random)) == 1 ? 0 : -1;
}

struct tls *
tls_new(const char *host, const uint8_t *pin, const void *ca, size_t ca_len, const char **why)
{
	unsigned char address[sizeof(struct in6_addr)];
	struct tls *tls;

	*why = "out of memory";
	if ((tls = calloc(1, sizeof(*tls))) == NULL)
		return NULL;
	if ((tls->context = SSL_CTX_new(TLS_client_method())) == NULL)
		goto fail;
	*why = "the hub's name is too long";
	if (strlcpy(tls->host, host, sizeof(tls->host)) >= sizeof(tls->host))
		goto fail;
	tls->numeric =
	    inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
	SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
	SSL_CTX_set_options(tls->context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(tls->context,
	    SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
		SSL_MODE_RELEASE_BUFFERS);
	/* Header and records come with one read, as many as are there. */
	SSL_CTX_set_read_ahead(tls->context, 1);
	SSL_CTX_set_session_cache_mode(tls->context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_verify_depth(tls->context, 8);
	if (pin != NULL) {
		tls->pinned = true;
		memcpy(tls->pin, pin, TLS_PIN_SIZE);
		SSL_CTX_set_cert_verify_callback(tls->context, verify_pin, tls);
	} else if ((*why = load_ca(tls->context, ca, ca_len)) != NULL)
		goto fail;
	*why = "OpenSSL cannot make a TLS session";
	if (warm_up(tls) == -1)
		goto fail;
	return tls;
fail:
	SSL_CTX_free(tls->context);
	free(tls);
	return NULL;
}

SSL *
tls_session(struct tls *tls)
{
	X509_VERIFY_PARAM *param;
	SSL *ssl;

	tls->memory_refused = wiping_refused();
	if ((ssl = SSL_new(tls->context)) == NULL)
		return NULL;
	param = SSL_get0_param(ssl);
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (tls->numeric) {
		if (X509_VERIFY_PARAM_set1_ip_asc(param, tls->host) != 1)
			goto fail;
	} else if (X509_VERIFY_PARAM_set1_host(param, tls->host, 0) != 1 ||
	    SSL_set_tlsext_host_name(ssl, tls->host) != 1)
		goto fail;
	SSL_set_connect_state(ssl);
	return ssl;
fail:
	SSL_free(ssl);
	return NULL;
}

void
tls_agreed(struct tls *tls)
{
	tls->agreed = true;
}

static void
pin_failure(const struct tls *tls, const char *name, struct failure *failure)
{
	char got[BASE64URL_SIZE(TLS_PIN_SIZE)];

	base64url_encode(got, sizeof(got), tls->refused, sizeof(tls->refused));
	failure_set(failure, "pin_mismatch",
	    "%s: the hub's key is not the one pinned in the ticket (got sha256:%s): somebody may "
	    "be "
	    "between, or the hub was re-installed: make a new ticket",
	    name, got);
}

static void
handshake_failure(
    const struct tls *tls, const struct stream_end *how, const char *name, struct failure *failure)
{
	long verdict = SSL_get_verify_result(how->session);
	unsigned long reason = ERR_peek_error();
	const char *words;

	/* Whatever else it led to: it says nothing of the hub. */
	if (wiping_refused() != tls->memory_refused) {
		if (!tls->agreed)
			fatalx("%s: no memory for a first TLS session", name);
		failure_set(failure, "internal", "%s: no memory for a TLS session", name);
		return;
	}
	switch (verdict) {
	case X509_V_OK:
		break;
	case VERIFY_PIN_MISMATCH:
		pin_failure(tls, name, failure);
		return;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		failure_set(failure, "tls_expired",
		    "%s: the hub's certificate (or that of its CA) has expired: renew it on the "
		    "hub, "
		    "and check this host's clock",
		    name);
		return;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		failure_set(failure, "tls_expired",
		    "%s: the hub's certificate (or that of its CA) is not valid yet: check the "
		    "clocks "
		    "of both hosts",
		    name);
		return;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		failure_set(failure, "tls_name",
		    "%s: the hub's certificate is for another name than %s: use the name in the "
		    "certificate, or a ticket with a pin",
		    name, tls->host);
		return;
	default:
		failure_set(failure, "tls_untrusted",
		    "%s: the hub's certificate is not trusted (%s): name its CA in cloud.ca, or "
		    "use a "
		    "ticket with a pin",
		    name, X509_verify_cert_error_string(verdict));
		return;
	}
	if (how->error == SSL_ERROR_SYSCALL && how->saved != 0)
		failure_set(failure, "unreachable",
		    "%s: the connection broke during the TLS handshake: %s", name,
		    strerror(how->saved));
	else if (how->error == SSL_ERROR_SYSCALL || how->error == SSL_ERROR_ZERO_RETURN ||
	    ERR_GET_REASON(reason) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		failure_set(failure, "tls_failed",
		    "%s: the other side closed the connection during the TLS handshake: is that "
		    "port "
		    "the hub's?",
		    name);
	else {
		words = ERR_reason_error_string(reason);
		failure_set(failure, "tls_failed",
		    "%s: no TLS connection (%s): is that port the hub's, and does it speak TLS 1.2 "
		    "or "
		    "later?",
		    name, words == NULL ? "unknown reason" : words);
	}
}

void
tls_stream_failure(
    const struct tls *tls, const struct stream_end *how, const char *name, struct failure *f)
{
	if (how->handshaking)
		handshake_failure(tls, how, name, f);
	else if (how->why != NULL)
		failure_set(f, "unreachable", "%s: the connection broke: %s", name, how->why);
	else
		failure_set(f, "closed", "%s: the other side closed the connection", name);
}
