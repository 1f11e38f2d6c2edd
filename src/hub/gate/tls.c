/* SPDX-License-Identifier: ISC */
/*
 * TLS at the hub's door: version, ciphers, the hub's own certificate.  Clients show none:
 * connectors prove themselves inside the tunnel.
 */
#include "gate.h"
#include "common/log.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#define CIPHERS_1_2 "ECDHE+AESGCM:ECDHE+CHACHA20"

/* The certificate and what else the file holds of its chain. */
static int
use_chain(SSL_CTX *ctx, const struct secret *pem)
{
	BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
	X509 *certificate = NULL;
	int result = -1;

	if (bio == NULL || (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) == NULL ||
	    SSL_CTX_use_certificate(ctx, certificate) != 1)
		goto out;
	X509_free(certificate);
	while ((certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		/* Takes the certificate. */
		if (SSL_CTX_add0_chain_cert(ctx, certificate) != 1)
			goto out;
	}
	ERR_clear_error(); /* the end of the file counts as one */
	result = 0;
out:
	if (result == -1)
		X509_free(certificate);
	BIO_free(bio);
	return result;
}

static int
use_key(SSL_CTX *ctx, const struct secret *pem)
{
	BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
	EVP_PKEY *key = NULL;
	int result = -1;

	if (bio != NULL && (key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL)) != NULL &&
	    SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1)
		result = 0;
	EVP_PKEY_free(key);
	BIO_free(bio);
	return result;
}

SSL_CTX *
tls_server_new(const struct secret *certificate, const struct secret *key)
{
	static const unsigned char session_id[] = "adhub";
	SSL_CTX *ctx;

	if ((ctx = SSL_CTX_new(TLS_server_method())) == NULL ||
	    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, CIPHERS_1_2) != 1 ||
	    SSL_CTX_set_session_id_context(ctx, session_id, sizeof(session_id) - 1) != 1) {
		log_errorx("TLS: OpenSSL cannot be used");
		goto fail;
	}
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	/* Sessions are resumed by tickets; nothing is kept here. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 1);
	/* Buffers that may hold a password are given back, and so wiped, as soon as they are read.
	 */
	SSL_CTX_set_mode(ctx,
	    SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Header and records come with one read, as many as are there. */
	SSL_CTX_set_read_ahead(ctx, 1);
	if (use_chain(ctx, certificate) == -1) {
		log_errorx("TLS: the certificate is not usable PEM: %s",
		    ERR_reason_error_string(ERR_peek_error()));
		goto fail;
	}
	if (use_key(ctx, key) == -1) {
		log_errorx("TLS: the key is not usable PEM, or not that of the certificate");
		goto fail;
	}
	return ctx;
fail:
	ERR_clear_error();
	SSL_CTX_free(ctx);
	return NULL;
}

int
tls_warm_up(SSL_CTX *ctx)
{
	SSL_CTX *client_ctx = SSL_CTX_new(TLS_client_method());
	SSL *server = SSL_new(ctx), *client = NULL;
	BIO *a = NULL, *b = NULL;
	char byte = 0;
	int i, result = -1;

	if (client_ctx == NULL || server == NULL || (client = SSL_new(client_ctx)) == NULL ||
	    BIO_new_bio_pair(&a, 0, &b, 0) != 1)
		goto out;
	SSL_set_bio(server, a, a);
	SSL_set_bio(client, b, b);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	/* Each pass moves one flight; TLS 1.3 needs three. */
	for (i = 0; i < 10 && (!SSL_is_init_finished(server) || !SSL_is_init_finished(client));
	     i++) {
		SSL_do_handshake(client);
		SSL_do_handshake(server);
	}
	if (SSL_is_init_finished(server) && SSL_write(client, &byte, 1) == 1 &&
	    SSL_read(server, &byte, 1) == 1)
		result = 0;
out:
	ERR_clear_error();
	SSL_free(client);
	SSL_free(server);
	SSL_CTX_free(client_ctx);
	return result;
}
