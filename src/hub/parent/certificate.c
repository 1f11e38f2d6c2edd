/* SPDX-License-Identifier: ISC */
/*
 * The hub's TLS certificate.  Where the settings name none, a self-signed one
 * with a P-256 key is made at the first start and kept; tickets then carry the
 * pin of its key (SHA-256 of the SubjectPublicKeyInfo), so nobody has to trust
 * a CA, or to click a warning away.
 */
#include "adhubd.h"

#include "common/base64url.h"
#include "common/log.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PEM_MAX (256 * 1024)
#define VALID_SECONDS (10L * 365 * 24 * 3600)

/* NULL: the log says why. */
static struct secret *
read_pem(const char *path, bool is_key)
{
	struct secret *text;
	struct stat st;
	int fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)) == -1) {
		log_error("%s", path);
		return NULL;
	}
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		log_errorx("%s: not a regular file", path);
		text = NULL;
	} else if (is_key && (st.st_mode & 077) != 0) {
		log_errorx(
		    "%s: a private key must not be readable by others: chmod 600 %s", path, path);
		text = NULL;
	} else if ((text = secret_read_fd(fd, PEM_MAX)) == NULL)
		log_errorx("%s: cannot be used", path);
	close(fd);
	return text;
}

/* That a file has this name is on the disk as well when this returns 0. */
static int
sync_name(const char *path)
{
	char *folder;
	int fd, result = -1;

	if ((folder = strndup(path, (size_t)(strrchr(path, '/') - path))) == NULL)
		return -1;
	if ((fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) != -1) {
		result = fsync(fd);
		close(fd);
	}
	free(folder);
	return result;
}

/* Writes a new file completely or not at all. */
static int
write_file(const char *path, const char *data, size_t len)
{
	char *temporary;
	int fd, result = -1;

	if (asprintf(&temporary, "%s.new", path) == -1)
		return -1;
	unlink(temporary);
	if ((fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)) ==
	    -1)
		log_error("%s", temporary);
	else {
		if (write(fd, data, len) != (ssize_t)len || fsync(fd) == -1)
			log_error("%s", temporary);
		else if (rename(temporary, path) == -1 || sync_name(path) == -1)
			log_error("%s", path);
		else
			result = 0;
		close(fd);
		if (result == -1)
			unlink(temporary);
	}
	free(temporary);
	return result;
}

static int
add_extension(X509 *certificate, int nid, const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX context;
	int added;

	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	if ((extension = X509V3_EXT_conf_nid(NULL, &context, nid, value)) == NULL)
		return -1;
	added = X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
	return added == 1 ? 0 : -1;
}

static X509 *
self_signed(EVP_PKEY *key, const struct endpoint *public_url)
{
	X509 *certificate;
	X509_NAME *name;
	unsigned char serial[16];
	char alternative[ENDPOINT_HOST_SIZE + 8];
	BIGNUM *number = NULL;

	if ((certificate = X509_new()) == NULL || RAND_bytes(serial, sizeof(serial)) != 1)
		goto fail;
	serial[0] &= 0x7f;
	snprintf(alternative, sizeof(alternative), "%s:%s", public_url->numeric ? "IP" : "DNS",
	    public_url->host);
	name = X509_get_subject_name(certificate);
	if ((number = BN_bin2bn(serial, sizeof(serial), NULL)) == NULL ||
	    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) == NULL ||
	    X509_set_version(certificate, X509_VERSION_3) != 1 ||
	    X509_gmtime_adj(X509_getm_notBefore(certificate), -24L * 3600) == NULL ||
	    X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_SECONDS) == NULL ||
	    X509_set_pubkey(certificate, key) != 1 ||
	    X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_UTF8, (const unsigned char *)"adhub", -1, -1, 0) != 1 ||
	    X509_set_issuer_name(certificate, name) != 1 ||
	    add_extension(certificate, NID_subject_alt_name, alternative) == -1 ||
	    add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") == -1 ||
	    add_extension(certificate, NID_key_usage, "critical,digitalSignature") == -1 ||
	    add_extension(certificate, NID_ext_key_usage, "serverAuth") == -1 ||
	    X509_sign(certificate, key, EVP_sha256()) == 0)
		goto fail;
	BN_free(number);
	return certificate;
fail:
	BN_free(number);
	X509_free(certificate);
	return NULL;
}

/* Makes a new key and keeps it. NULL, and logged, when it cannot be kept. */
static EVP_PKEY *
make_key(const char *path)
{
	EVP_PKEY *key;
	BIO *text;
	char *data;
	long len;
	int written = -1;

	text = BIO_new(BIO_s_secmem());
	if ((key = EVP_EC_gen("P-256")) == NULL || text == NULL ||
	    PEM_write_bio_PrivateKey(text, key, NULL, NULL, 0, NULL, NULL) != 1)
		log_errorx("%s: a private key could not be made", path);
	else {
		len = BIO_get_mem_data(text, &data);
		written = write_file(path, data, (size_t)len);
	}
	BIO_free(text);
	if (written == 0)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

static EVP_PKEY *
read_key(const char *path)
{
	EVP_PKEY *key = NULL;
	struct secret *text;
	BIO *bio;

	if ((text = read_pem(path, true)) == NULL)
		return NULL;
	if ((bio = BIO_new_mem_buf(text->data, (int)text->len)) == NULL ||
	    (key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL)) == NULL)
		log_errorx("%s: no unencrypted private key in PEM form", path);
	BIO_free(bio);
	secret_free(text);
	return key;
}

/*
 * A certificate for the key that is there: connectors have its pin, and are out for good when it
 * changes. The key comes first: a certificate without one would be believed at the next start.
 */
static int
make_certificate(
    const char *certificate_path, const char *key_path, const struct endpoint *public_url)
{
	EVP_PKEY *key;
	X509 *certificate = NULL;
	BIO *text = NULL;
	char *data;
	long len;
	int result = -1;

	if (access(key_path, F_OK) == -1 && errno == ENOENT)
		key = make_key(key_path);
	else
		key = read_key(key_path);
	if (key == NULL)
		return -1;
	if ((certificate = self_signed(key, public_url)) == NULL ||
	    (text = BIO_new(BIO_s_mem())) == NULL || PEM_write_bio_X509(text, certificate) != 1)
		log_errorx("a self-signed certificate could not be made");
	else {
		len = BIO_get_mem_data(text, &data);
		result = write_file(certificate_path, data, (size_t)len);
	}
	if (result == 0)
		log_info("%s: made a self-signed certificate", certificate_path);
	BIO_free(text);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return result;
}

/* The pin, and that key and certificate belong together. */
static int
check_pair(struct hub *hub, const char *certificate_path, const char *key_path, bool own)
{
	unsigned char *der = NULL, digest[SHA256_DIGEST_LENGTH];
	X509 *certificate = NULL;
	EVP_PKEY *key = NULL;
	BIO *text, *key_text;
	int len, result = -1;

	text = BIO_new_mem_buf(hub->tls_certificate, -1);
	key_text = BIO_new_mem_buf(hub->tls_key->data, (int)hub->tls_key->len);
	if (text == NULL || key_text == NULL)
		log_errorx("no memory");
	else if ((certificate = PEM_read_bio_X509(text, NULL, NULL, NULL)) == NULL)
		log_errorx("%s: no certificate in PEM form", certificate_path);
	else if ((key = PEM_read_bio_PrivateKey(key_text, NULL, NULL, NULL)) == NULL)
		log_errorx("%s: no unencrypted private key in PEM form", key_path);
	else if (X509_check_private_key(certificate, key) != 1)
		log_errorx("%s: it is not the key of %s", key_path, certificate_path);
	else if ((len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der)) <= 0)
		log_errorx("%s: unreadable public key", certificate_path);
	else {
		SHA256(der, (size_t)len, digest);
		memcpy(hub->pin, "sha256:", 7);
		base64url_encode(hub->pin + 7, sizeof(hub->pin) - 7, digest, sizeof(digest));
		/* A CA vouches for it, or connectors never see it: a proxy in front does TLS. */
		if (!own || hub->settings->listen[0].scheme != ENDPOINT_HTTPS)
			hub->pin[0] = '\0';
		result = 0;
	}
	OPENSSL_free(der);
	EVP_PKEY_free(key);
	X509_free(certificate);
	BIO_free(text);
	BIO_free(key_text);
	return result;
}

int
certificate_load(struct hub *hub)
{
	const struct hub_settings *settings = hub->settings;
	struct secret *certificate = NULL;
	char *certificate_path = NULL, *key_path = NULL;
	bool own = settings->tls.key == NULL;
	int result = -1;

	if (asprintf(&certificate_path, "%s/tls.pem", settings->state_dir) == -1 ||
	    asprintf(&key_path, "%s/tls.key", settings->state_dir) == -1)
		fatalx("no memory");
	if (!own) {
		free(certificate_path);
		free(key_path);
		if ((certificate_path = strdup(settings->tls.certificate)) == NULL ||
		    (key_path = strdup(settings->tls.key)) == NULL)
			fatalx("no memory");
	} else if (access(certificate_path, F_OK) == -1 && errno == ENOENT &&
	    make_certificate(certificate_path, key_path, &settings->public_url) == -1)
		goto out;
	certificate = read_pem(certificate_path, false);
	hub->tls_key = read_pem(key_path, true);
	if (certificate == NULL || hub->tls_key == NULL)
		goto out;
	hub->tls_certificate = strndup((const char *)certificate->data, certificate->len);
	if (hub->tls_certificate == NULL)
		fatalx("no memory");
	result = check_pair(hub, certificate_path, key_path, own);
out:
	secret_free(certificate);
	free(certificate_path);
	free(key_path);
	return result;
}
