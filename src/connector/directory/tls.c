/* SPDX-License-Identifier: ISC */
/*
 * The names that count are those of the subjectAltName; the common name only
 * where there is no such extension at all (Samba's own certificates).
 */
#include "build.h"

#include "tls.h"

#include "common/log.h"
#include "common/wipe.h"

#include <arpa/inet.h>

#include <bsd/string.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAMES_SHOWN 6

struct session {
	char name[TLS_NAME_SIZE];
	SSL_SESSION *session;
};

struct tls_context {
	SSL_CTX *ssl;
	struct session sessions[TLS_SESSIONS_MAX];
	size_t next; /* whose place is taken when all are */
};

/* What a handshake is about and how its check ended, kept with the SSL. */
struct check {
	struct tls_context *context;
	size_t memory_refused; /* wiping_refused() before */
	char name[TLS_NAME_SIZE];
	bool numeric;
	int error; /* X509_V_ERR_*; the first one */
	int depth;
	char subject[FAILURE_TEXT_SIZE / 4];
	char issuer[FAILURE_TEXT_SIZE / 4];
	char names[FAILURE_TEXT_SIZE / 2];
	char not_after[32];
	char fingerprint[3 * SHA256_DIGEST_LENGTH];
};

static int check_index = -1;
static bool agreed; /* a handshake of this process went well */

static void
free_check(void *parent, void *data, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
	(void)parent;
	(void)ad;
	(void)index;
	(void)argl;
	(void)argp;
	free(data);
}

static bool
is_numeric(const char *name)
{
	unsigned char address[16];

	return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

/* A name for people: the common name, or the whole in one line. */
static void
name_text(X509_NAME *name, char *dst, size_t size)
{
	if (X509_NAME_get_text_by_NID(name, NID_commonName, dst, (int)size) <= 0 &&
	    X509_NAME_oneline(name, dst, (int)size) == NULL)
		dst[0] = '\0';
}

static void
add_name(char *dst, size_t size, const char *text, size_t len)
{
	if (strlen(dst) + len + 3 > size)
		return;
	if (dst[0] != '\0')
		strlcat(dst, ", ", size);
	strncat(dst, text, len);
}

/* The names a certificate is for. */
static void
certificate_names(X509 *certificate, char *dst, size_t size)
{
	GENERAL_NAMES *names;
	const GENERAL_NAME *name;
	const ASN1_STRING *value;
	char text[INET6_ADDRSTRLEN];
	int i, shown = 0;

	dst[0] = '\0';
	names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	for (i = 0; i < sk_GENERAL_NAME_num(names) && shown < NAMES_SHOWN; i++) {
		name = sk_GENERAL_NAME_value(names, i);
		if (name->type == GEN_DNS) {
			value = name->d.dNSName;
			add_name(dst, size, (const char *)ASN1_STRING_get0_data(value),
			    (size_t)ASN1_STRING_length(value));
			shown++;
		} else if (name->type == GEN_IPADD) {
			value = name->d.iPAddress;
			if (inet_ntop(ASN1_STRING_length(value) == 4 ? AF_INET : AF_INET6,
				ASN1_STRING_get0_data(value), text, sizeof(text)) != NULL &&
			    (ASN1_STRING_length(value) == 4 || ASN1_STRING_length(value) == 16))
				add_name(dst, size, text, strlen(text));
			shown++;
		}
	}
	if (names == NULL)
		name_text(X509_get_subject_name(certificate), dst, size);
	GENERAL_NAMES_free(names);
}

/* As other programs show it: "AB:CD:…". */
static void
certificate_fingerprint(X509 *certificate, char dst[3 * SHA256_DIGEST_LENGTH])
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	size_t i;

	dst[0] = '\0';
	if (X509_digest(certificate, EVP_sha256(), digest, NULL) != 1)
		return;
	for (i = 0; i < sizeof(digest); i++)
		snprintf(dst + 3 * i, 4, i + 1 < sizeof(digest) ? "%02X:" : "%02X", digest[i]);
}

static void
remember(struct check *check, X509_STORE_CTX *store, int error)
{
	X509 *certificate = X509_STORE_CTX_get_current_cert(store);
	struct tm tm;

	if (check->error != X509_V_OK)
		return;
	check->error = error;
	check->depth = X509_STORE_CTX_get_error_depth(store);
	if (certificate == NULL)
		return;
	name_text(X509_get_subject_name(certificate), check->subject, sizeof(check->subject));
	name_text(X509_get_issuer_name(certificate), check->issuer, sizeof(check->issuer));
	certificate_names(certificate, check->names, sizeof(check->names));
	certificate_fingerprint(certificate, check->fingerprint);
	if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) == 1)
		snprintf(check->not_after, sizeof(check->not_after), "%04d-%02d-%02d",
		    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}

/*
 * OpenSSL takes the common name when the subjectAltName has only names of
 * another kind; here any subjectAltName rules it out.
 */
static bool
common_name_misused(X509 *certificate, const struct check *check)
{
	if (X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1) < 0 || check->numeric)
		return false;
	return X509_check_host(certificate, check->name, 0,
		   X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
		   NULL) != 1;
}

static int
on_verify(int ok, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct check *check = SSL_get_ex_data(ssl, check_index);
	X509 *certificate = X509_STORE_CTX_get_current_cert(store);

	if (ok && X509_STORE_CTX_get_error_depth(store) == 0 && certificate != NULL &&
	    common_name_misused(certificate, check)) {
		X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
		ok = 0;
	}
	if (!ok)
		remember(check, store, X509_STORE_CTX_get_error(store));
	return ok;
}

/* OpenSSL hands over a session that may be resumed later; the newest is kept. */
static int
on_new_session(SSL *ssl, SSL_SESSION *session)
{
	struct check *check = SSL_get_ex_data(ssl, check_index);
	struct tls_context *context = check->context;
	struct session *place = NULL;
	size_t i;

	for (i = 0; i < TLS_SESSIONS_MAX && place == NULL; i++) {
		if (context->sessions[i].session == NULL ||
		    strcmp(context->sessions[i].name, check->name) == 0)
			place = &context->sessions[i];
	}
	if (place == NULL) {
		place = &context->sessions[context->next];
		context->next = (context->next + 1) % TLS_SESSIONS_MAX;
	}
	SSL_SESSION_free(place->session);
	place->session = session;
	strlcpy(place->name, check->name, sizeof(place->name));
	return 1; /* the reference is ours */
}

static void
resume(struct tls_context *context, SSL *ssl, const char *name)
{
	size_t i;

	for (i = 0; i < TLS_SESSIONS_MAX; i++) {
		struct session *kept = &context->sessions[i];

		if (kept->session == NULL || strcmp(kept->name, name) != 0)
			continue;
		if (SSL_SESSION_get_time(kept->session) + TLS_SESSION_AGE > (long)time(NULL) &&
		    SSL_SESSION_is_resumable(kept->session))
			SSL_set_session(ssl, kept->session);
		return;
	}
}

/* Number of CAs added. */
static size_t
add_authorities(X509_STORE *store, const char *pem, size_t len)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	X509 *certificate;
	size_t n = 0;

	if (bio == NULL)
		return 0;
	while ((certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		if (X509_STORE_add_cert(store, certificate) == 1)
			n++;
		X509_free(certificate);
	}
	ERR_clear_error(); /* the end of the text is an error to OpenSSL */
	BIO_free(bio);
	return n;
}

struct tls_context *
tls_context_new(const char *pem, size_t len, struct failure *failure)
{
	struct tls_context *context;

	if (check_index == -1)
		check_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_check);
	if ((context = calloc(1, sizeof(*context))) == NULL ||
	    (context->ssl = SSL_CTX_new(TLS_client_method())) == NULL) {
		failure_set(failure, "internal", "TLS could not be set up: no memory");
		free(context);
		return NULL;
	}
	if (SSL_CTX_set_min_proto_version(context->ssl, TLS1_2_VERSION) != 1 ||
	    add_authorities(SSL_CTX_get_cert_store(context->ssl), pem, len) == 0) {
		failure_set(failure, "tls_ca", "the CA file holds no certificate in PEM form");
		failure_hint(failure,
		    "directory.tls.ca must name a file with the certificate of the "
		    "CA that issued the domain controllers' certificates");
		tls_context_free(context);
		return NULL;
	}
	SSL_CTX_set_verify(context->ssl, SSL_VERIFY_PEER, on_verify);
	SSL_CTX_set_options(context->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_read_ahead(context->ssl, 1);
	/* Released buffers are wiped: what was sent may have been a password. */
	SSL_CTX_set_mode(context->ssl,
	    SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
		SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(
	    context->ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(context->ssl, on_new_session);
	return context;
}

void
tls_context_free(struct tls_context *context)
{
	size_t i;

	if (context == NULL)
		return;
	for (i = 0; i < TLS_SESSIONS_MAX; i++)
		SSL_SESSION_free(context->sessions[i].session);
	SSL_CTX_free(context->ssl);
	free(context);
}

SSL *
tls_client(struct tls_context *context, int fd, const char *name)
{
	X509_VERIFY_PARAM *parameters;
	struct check *check;
	size_t refused = wiping_refused();
	SSL *ssl;

	if ((ssl = SSL_new(context->ssl)) == NULL)
		return NULL;
	if ((check = calloc(1, sizeof(*check))) == NULL ||
	    SSL_set_ex_data(ssl, check_index, check) != 1) {
		free(check);
		goto fail;
	}
	check->context = context;
	check->memory_refused = refused;
	check->numeric = is_numeric(name);
	if (name[0] == '\0' ||
	    strlcpy(check->name, name, sizeof(check->name)) >= sizeof(check->name))
		goto fail;
	parameters = SSL_get0_param(ssl);
	X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (check->numeric) {
		if (X509_VERIFY_PARAM_set1_ip_asc(parameters, name) != 1)
			goto fail;
	} else if (X509_VERIFY_PARAM_set1_host(parameters, name, 0) != 1 ||
	    SSL_set_tlsext_host_name(ssl, check->name) != 1)
		goto fail;
	if (SSL_set_fd(ssl, fd) != 1)
		goto fail;
	resume(context, ssl, name);
	SSL_set_connect_state(ssl);
	return ssl;
fail:
	ERR_clear_error();
	SSL_free(ssl);
	return NULL;
}

static void
explain_certificate(const struct check *check, const char *name, struct failure *failure)
{
	const char *whose = check->depth == 0 ? "the certificate" : "a CA certificate";

	switch (check->error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		failure_set(failure, "tls_expired", "%s of %s (%s) expired on %s", whose, name,
		    check->subject, check->not_after);
		failure_hint(
		    failure, "renew it on the domain controller, and check this host's clock");
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		failure_set(failure, "tls_not_yet_valid", "%s of %s (%s) is not valid yet", whose,
		    name, check->subject);
		failure_hint(failure, "check the clocks of this host and of the domain controller");
		break;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		failure_set(failure, "tls_name", "the certificate is for %s, not for %s",
		    check->names[0] != '\0' ? check->names : "no name at all", name);
		failure_hint(failure,
		    "set directory.tls.name to one of these names, or use it in "
		    "directory.server");
		break;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_CERT_UNTRUSTED:
		failure_set(failure, "tls_untrusted",
		    "%s of %s (\"%s\", SHA-256 %s) was issued by \"%s\", which is not among the "
		    "trusted CAs",
		    whose, name, check->subject, check->fingerprint, check->issuer);
		failure_hint(
		    failure, "set directory.tls.ca to a file with the certificate of that CA");
		break;
	default:
		failure_set(failure, "tls_certificate", "%s of %s (%s) was refused: %s", whose,
		    name, check->subject, X509_verify_cert_error_string(check->error));
		failure_hint(failure, "look at the certificate of the domain controller");
		break;
	}
}

void
tls_agreed(void)
{
	agreed = true;
}

void
tls_explain(SSL *ssl, const char *name, struct failure *failure)
{
	const struct check *check = SSL_get_ex_data(ssl, check_index);
	unsigned long error = ERR_peek_error();
	const char *reason = error == 0 ? NULL : ERR_reason_error_string(error);

	if (wiping_refused() != check->memory_refused) {
		/*
		 * What OpenSSL 3.0 could not load now it takes for missing for good
		 * (ossl_provider_set_operation_bit()); another process finds it.
		 */
		if (!agreed)
			fatalx("%s: no memory for a first TLS session", name);
		failure_set(failure, "internal", "no memory for a TLS session with %s", name);
		return;
	}
	if (check->error != X509_V_OK) {
		explain_certificate(check, name, failure);
	} else if (reason == NULL) {
		failure_set(failure, "tls_failed",
		    "%s ended the connection during the TLS handshake", name);
		failure_hint(failure,
		    "do port and directory.tls.mode belong together: 636 for ldaps, 389 for "
		    "starttls? A domain controller without a certificate answers neither");
	} else {
		failure_set(failure, "tls_failed", "TLS handshake with %s: %s", name, reason);
		failure_hint(failure,
		    "do port and directory.tls.mode belong together: 636 for ldaps, 389 for "
		    "starttls?");
	}
	ERR_clear_error();
}
