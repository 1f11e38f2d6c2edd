/* SPDX-License-Identifier: ISC */
/*
 * P-256 keys over OpenSSL's EVP: see jose_key.h.
 *
 * Contexts are made on first use and kept: making one costs more than using it. The group
 * comes from one template for the process, never from input. OpenSSL's error queue is left
 * empty, for the TLS code in the same process reads it; also after a success, for OpenSSL notes
 * there what it could do without.
 */
#include "jose_key.h"

#include "base64url.h"
#include "json.h"
#include "wipe.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/params.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COORDINATE_SIZE 32
#define POINT_SIZE (1 + JOSE_KEY_PUBLIC_SIZE) /* 0x04 || x || y (SEC 1, 2.3.3) */
#define MAX_DER_SIZE 80			      /* of an ECDSA-Sig-Value over P-256: at most 72 */
#define HASH_SIZE 32

struct contexts {
	EVP_PKEY_CTX *sign;
	EVP_PKEY_CTX *verify;
	EVP_PKEY_CTX *agree;
	EVP_PKEY *peer; /* takes each other party's point in turn */
};

struct jose_key {
	EVP_PKEY *pkey;
	struct contexts *contexts;
	uint8_t xy[JOSE_KEY_PUBLIC_SIZE];
	int is_private;
};

static EVP_PKEY *new_on_curve(void);
static int set_point(EVP_PKEY *pkey, const uint8_t xy[JOSE_KEY_PUBLIC_SIZE]);
static struct jose_key *
wrap(EVP_PKEY *pkey, const uint8_t xy[JOSE_KEY_PUBLIC_SIZE], int is_private);
static EVP_PKEY *
pair_from_data(const uint8_t d[JOSE_KEY_PRIVATE_SIZE], const uint8_t xy[JOSE_KEY_PUBLIC_SIZE]);
static int pair_is_right(EVP_PKEY *pkey);
static int hash(const void *data, size_t len, uint8_t out[HASH_SIZE]);
static int
signature_from_der(const uint8_t *der, size_t len, uint8_t signature[JOSE_KEY_SIGNATURE_SIZE]);
static int signature_to_der(const uint8_t signature[JOSE_KEY_SIGNATURE_SIZE], uint8_t *der);
static EVP_PKEY_CTX *ready_to_agree(struct contexts *contexts, EVP_PKEY *pkey);
static int member_is(const json_t *jwk, const char *key, const char *a, const char *b);
static int read_coordinate(const json_t *jwk, const char *key, uint8_t out[COORDINATE_SIZE]);

struct jose_key *
jose_key_generate(void)
{
	EVP_PKEY *pkey;
	uint8_t point[POINT_SIZE];
	size_t len;

	pkey = EVP_EC_gen("P-256");
	if (pkey == NULL)
		goto fail;
	if (EVP_PKEY_get_octet_string_param(
		pkey, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &len) != 1 ||
	    len != sizeof(point))
		goto fail;
	return wrap(pkey, point + 1, 1);

fail:
	EVP_PKEY_free(pkey);
	ERR_clear_error();
	return NULL;
}

struct jose_key *
jose_key_from_public(const uint8_t xy[JOSE_KEY_PUBLIC_SIZE])
{
	EVP_PKEY *pkey;

	if ((pkey = new_on_curve()) == NULL)
		return NULL;
	if (set_point(pkey, xy) == -1) {
		EVP_PKEY_free(pkey);
		return NULL;
	}
	return wrap(pkey, xy, 0);
}

struct jose_key *
jose_key_from_private(
    const uint8_t d[JOSE_KEY_PRIVATE_SIZE], const uint8_t xy[JOSE_KEY_PUBLIC_SIZE])
{
	EVP_PKEY *pkey;

	if ((pkey = pair_from_data(d, xy)) == NULL)
		return NULL;
	if (!pair_is_right(pkey)) {
		EVP_PKEY_free(pkey);
		return NULL;
	}
	return wrap(pkey, xy, 1);
}

void
jose_key_free(struct jose_key *key)
{
	if (key == NULL)
		return;
	EVP_PKEY_CTX_free(key->contexts->sign);
	EVP_PKEY_CTX_free(key->contexts->verify);
	EVP_PKEY_CTX_free(key->contexts->agree);
	EVP_PKEY_free(key->contexts->peer);
	EVP_PKEY_free(key->pkey);
	free(key->contexts);
	free(key);
}

int
jose_key_private(const struct jose_key *key, uint8_t d[JOSE_KEY_PRIVATE_SIZE])
{
	BIGNUM *number;
	int written;

	if (!key->is_private)
		return -1;
	number = NULL;
	written = -1;
	if (EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_PRIV_KEY, &number) == 1)
		written = BN_bn2binpad(number, d, JOSE_KEY_PRIVATE_SIZE);
	BN_clear_free(number);
	if (written != JOSE_KEY_PRIVATE_SIZE) {
		ERR_clear_error();
		return -1;
	}
	return 0;
}

int
jose_key_public(const struct jose_key *key, uint8_t xy[JOSE_KEY_PUBLIC_SIZE])
{
	memcpy(xy, key->xy, JOSE_KEY_PUBLIC_SIZE);
	return 0;
}

json_t *
jose_key_jwk(const struct jose_key *key)
{
	char x[BASE64URL_SIZE(COORDINATE_SIZE)], y[BASE64URL_SIZE(COORDINATE_SIZE)];

	base64url_encode(x, sizeof(x), key->xy, COORDINATE_SIZE);
	base64url_encode(y, sizeof(y), key->xy + COORDINATE_SIZE, COORDINATE_SIZE);
	return json_pack("{s:s, s:s, s:s, s:s}", "kty", "EC", "crv", "P-256", "x", x, "y", y);
}

struct jose_key *
jose_key_from_jwk(const json_t *jwk)
{
	static const char *const members[] = { "kty", "crv", "x", "y", "kid", "use", "alg" };
	uint8_t xy[JOSE_KEY_PUBLIC_SIZE];
	char thumbprint[JOSE_KEY_ID_SIZE];

	if (json_only_keys(jwk, members, sizeof(members) / sizeof(members[0])) == -1 ||
	    !member_is(jwk, "kty", "EC", NULL) || !member_is(jwk, "crv", "P-256", NULL) ||
	    read_coordinate(jwk, "x", xy) == -1 ||
	    read_coordinate(jwk, "y", xy + COORDINATE_SIZE) == -1)
		return NULL;
	if (json_object_get(jwk, "use") != NULL && !member_is(jwk, "use", "sig", "enc"))
		return NULL;
	if (json_object_get(jwk, "alg") != NULL &&
	    !member_is(jwk, "alg", "ES256", "ECDH-ES+A256KW"))
		return NULL;
	if (json_object_get(jwk, "kid") != NULL) {
		if (jose_key_thumbprint(xy, thumbprint) == -1 ||
		    !member_is(jwk, "kid", thumbprint, NULL))
			return NULL;
	}
	return jose_key_from_public(xy);
}

int
jose_key_read_coordinates(const json_t *jwk, uint8_t xy[JOSE_KEY_PUBLIC_SIZE])
{
	static const char *const members[] = { "kty", "crv", "x", "y" };

	if (json_only_keys(jwk, members, sizeof(members) / sizeof(members[0])) == -1 ||
	    !member_is(jwk, "kty", "EC", NULL) || !member_is(jwk, "crv", "P-256", NULL) ||
	    read_coordinate(jwk, "x", xy) == -1 ||
	    read_coordinate(jwk, "y", xy + COORDINATE_SIZE) == -1)
		return -1;
	return 0;
}

/* The members in the order of their names, without white space: RFC 7638 3.2, 3.3. */
int
jose_key_thumbprint(const uint8_t xy[JOSE_KEY_PUBLIC_SIZE], char kid[JOSE_KEY_ID_SIZE])
{
	char x[BASE64URL_SIZE(COORDINATE_SIZE)], y[BASE64URL_SIZE(COORDINATE_SIZE)];
	char text[192];
	uint8_t digest[HASH_SIZE];
	int len;

	base64url_encode(x, sizeof(x), xy, COORDINATE_SIZE);
	base64url_encode(y, sizeof(y), xy + COORDINATE_SIZE, COORDINATE_SIZE);
	len = snprintf(text, sizeof(text),
	    "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", x, y);
	if (len < 0 || (size_t)len >= sizeof(text) || hash(text, (size_t)len, digest) == -1)
		return -1;
	base64url_encode(kid, JOSE_KEY_ID_SIZE, digest, sizeof(digest));
	return 0;
}

int
jose_key_sign(const struct jose_key *key, const void *data, size_t len,
    uint8_t signature[JOSE_KEY_SIGNATURE_SIZE])
{
	struct contexts *contexts;
	uint8_t digest[HASH_SIZE], der[MAX_DER_SIZE];
	size_t der_len;

	if (!key->is_private || hash(data, len, digest) == -1)
		return -1;
	contexts = key->contexts;
	if (contexts->sign == NULL) {
		contexts->sign = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
		if (contexts->sign == NULL || EVP_PKEY_sign_init(contexts->sign) != 1)
			goto fail;
	}
	der_len = sizeof(der);
	/* Out of memory, OpenSSL 3.0 may report success with a length of nearly 4 GiB. */
	if (EVP_PKEY_sign(contexts->sign, der, &der_len, digest, sizeof(digest)) != 1 ||
	    der_len > sizeof(der))
		goto fail;
	ERR_clear_error();
	return signature_from_der(der, der_len, signature);

fail:
	EVP_PKEY_CTX_free(contexts->sign);
	contexts->sign = NULL;
	ERR_clear_error();
	return -1;
}

int
jose_key_verify(const struct jose_key *key, const void *data, size_t len,
    const uint8_t signature[JOSE_KEY_SIGNATURE_SIZE])
{
	struct contexts *contexts;
	uint8_t digest[HASH_SIZE], der[MAX_DER_SIZE];
	int der_len, right;

	if (hash(data, len, digest) == -1 || (der_len = signature_to_der(signature, der)) == -1)
		return -1;
	contexts = key->contexts;
	if (contexts->verify == NULL) {
		contexts->verify = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
		if (contexts->verify == NULL || EVP_PKEY_verify_init(contexts->verify) != 1) {
			EVP_PKEY_CTX_free(contexts->verify);
			contexts->verify = NULL;
			ERR_clear_error();
			return -1;
		}
	}
	/* 0 is a wrong signature, less than 0 an error: only 1 is right. */
	right = EVP_PKEY_verify(contexts->verify, der, (size_t)der_len, digest, sizeof(digest));
	ERR_clear_error();
	return right == 1 ? 0 : -1;
}

/*
 * The peer is not validated a second time in EVP_PKEY_derive_set_peer_ex: set_point has
 * checked that it is on the curve, and P-256 has no point of small order (its cofactor is 1).
 */
int
jose_key_agree(const struct jose_key *key, const uint8_t xy[JOSE_KEY_PUBLIC_SIZE],
    uint8_t z[JOSE_KEY_SECRET_SIZE])
{
	EVP_PKEY_CTX *agree;
	size_t len;

	if (!key->is_private || (agree = ready_to_agree(key->contexts, key->pkey)) == NULL ||
	    set_point(key->contexts->peer, xy) == -1)
		return -1;
	len = JOSE_KEY_SECRET_SIZE;
	if (EVP_PKEY_derive_set_peer_ex(agree, key->contexts->peer, 0) != 1 ||
	    EVP_PKEY_derive(agree, z, &len) != 1 || len != JOSE_KEY_SECRET_SIZE) {
		explicit_bzero(z, JOSE_KEY_SECRET_SIZE);
		ERR_clear_error();
		return -1;
	}
	ERR_clear_error();
	return 0;
}

/* An empty key on the curve, copied from a template that is made once per process. */
static EVP_PKEY *
new_on_curve(void)
{
	static EVP_PKEY *curve;
	EVP_PKEY_CTX *context;
	EVP_PKEY *pkey;

	if (curve == NULL) {
		context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
		if (context == NULL || EVP_PKEY_paramgen_init(context) != 1 ||
		    EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1) != 1 ||
		    EVP_PKEY_paramgen(context, &curve) != 1) {
			EVP_PKEY_CTX_free(context);
			ERR_clear_error();
			return NULL;
		}
		EVP_PKEY_CTX_free(context);
	}
	if ((pkey = EVP_PKEY_dup(curve)) == NULL)
		ERR_clear_error();
	return pkey;
}

/* Refuses what is not on the curve; infinity has no uncompressed form. */
static int
set_point(EVP_PKEY *pkey, const uint8_t xy[JOSE_KEY_PUBLIC_SIZE])
{
	uint8_t point[POINT_SIZE];

	point[0] = POINT_CONVERSION_UNCOMPRESSED;
	memcpy(point + 1, xy, JOSE_KEY_PUBLIC_SIZE);
	if (EVP_PKEY_set1_encoded_public_key(pkey, point, sizeof(point)) != 1) {
		ERR_clear_error();
		return -1;
	}
	return 0;
}

/* Takes pkey over, also when it fails. */
static struct jose_key *
wrap(EVP_PKEY *pkey, const uint8_t xy[JOSE_KEY_PUBLIC_SIZE], int is_private)
{
	struct jose_key *key;

	ERR_clear_error();
	key = wiping_calloc(1, sizeof(*key));
	if (key == NULL || (key->contexts = wiping_calloc(1, sizeof(*key->contexts))) == NULL) {
		EVP_PKEY_free(pkey);
		free(key);
		return NULL;
	}
	key->pkey = pkey;
	key->is_private = is_private;
	memcpy(key->xy, xy, sizeof(key->xy));
	return key;
}

static EVP_PKEY *
pair_from_data(const uint8_t d[JOSE_KEY_PRIVATE_SIZE], const uint8_t xy[JOSE_KEY_PUBLIC_SIZE])
{
	EVP_PKEY_CTX *context;
	EVP_PKEY *pkey;
	BIGNUM *number;
	OSSL_PARAM params[4];
	char group[] = "P-256";
	uint8_t native[JOSE_KEY_PRIVATE_SIZE], point[POINT_SIZE];

	pkey = NULL;
	context = NULL;
	point[0] = POINT_CONVERSION_UNCOMPRESSED;
	memcpy(point + 1, xy, JOSE_KEY_PUBLIC_SIZE);
	number = BN_bin2bn(d, JOSE_KEY_PRIVATE_SIZE, NULL);
	if (number == NULL || BN_bn2nativepad(number, native, sizeof(native)) != sizeof(native))
		goto out;
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
	params[1] =
	    OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point));
	params[2] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, native, sizeof(native));
	params[3] = OSSL_PARAM_construct_end();
	context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	if (context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
	    EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_KEYPAIR, params) != 1) {
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}

out:
	explicit_bzero(native, sizeof(native));
	BN_clear_free(number);
	EVP_PKEY_CTX_free(context);
	if (pkey == NULL)
		ERR_clear_error();
	return pkey;
}

/* Range of d, public point valid, and the one belongs to the other. */
static int
pair_is_right(EVP_PKEY *pkey)
{
	EVP_PKEY_CTX *context;
	int right;

	context = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	right = context != NULL && EVP_PKEY_check(context) == 1;
	EVP_PKEY_CTX_free(context);
	if (!right)
		ERR_clear_error();
	return right;
}

static int
hash(const void *data, size_t len, uint8_t out[HASH_SIZE])
{
	static EVP_MD *sha256;

	if (sha256 == NULL)
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (sha256 == NULL || EVP_Digest(data, len, out, NULL, sha256, NULL) != 1) {
		ERR_clear_error();
		return -1;
	}
	return 0;
}

static int
signature_from_der(const uint8_t *der, size_t len, uint8_t signature[JOSE_KEY_SIGNATURE_SIZE])
{
	ECDSA_SIG *pair;
	int result;

	result = -1;
	pair = d2i_ECDSA_SIG(NULL, &der, (long)len);
	if (pair != NULL &&
	    BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, COORDINATE_SIZE) == COORDINATE_SIZE &&
	    BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + COORDINATE_SIZE, COORDINATE_SIZE) ==
		COORDINATE_SIZE)
		result = 0;
	else
		ERR_clear_error();
	ECDSA_SIG_free(pair);
	return result;
}

/* Returns the length, at most MAX_DER_SIZE, or -1. */
static int
signature_to_der(const uint8_t signature[JOSE_KEY_SIGNATURE_SIZE], uint8_t *der)
{
	ECDSA_SIG *pair;
	BIGNUM *r, *s;
	int len;

	len = -1;
	pair = ECDSA_SIG_new();
	r = BN_bin2bn(signature, COORDINATE_SIZE, NULL);
	s = BN_bin2bn(signature + COORDINATE_SIZE, COORDINATE_SIZE, NULL);
	if (pair == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(pair, r, s) != 1) {
		BN_free(r);
		BN_free(s);
		goto out;
	}
	len = i2d_ECDSA_SIG(pair, &der);

out:
	ECDSA_SIG_free(pair);
	if (len <= 0) {
		ERR_clear_error();
		return -1;
	}
	return len;
}

static EVP_PKEY_CTX *
ready_to_agree(struct contexts *contexts, EVP_PKEY *pkey)
{
	if (contexts->peer == NULL && (contexts->peer = new_on_curve()) == NULL)
		return NULL;
	if (contexts->agree == NULL) {
		contexts->agree = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
		if (contexts->agree == NULL || EVP_PKEY_derive_init(contexts->agree) != 1) {
			EVP_PKEY_CTX_free(contexts->agree);
			contexts->agree = NULL;
			ERR_clear_error();
		}
	}
	return contexts->agree;
}

/* Whether a string member is one of two words; b may be NULL. */
static int
member_is(const json_t *jwk, const char *key, const char *a, const char *b)
{
	const char *value;

	if ((value = json_get_string(jwk, key, 1, JOSE_KEY_ID_SIZE)) == NULL)
		return 0;
	return strcmp(value, a) == 0 || (b != NULL && strcmp(value, b) == 0);
}

static int
read_coordinate(const json_t *jwk, const char *key, uint8_t out[COORDINATE_SIZE])
{
	const char *text;
	size_t len;

	len = BASE64URL_LENGTH(COORDINATE_SIZE);
	if ((text = json_get_string(jwk, key, len, len)) == NULL)
		return -1;
	return base64url_decode(out, COORDINATE_SIZE, text, len) == COORDINATE_SIZE ? 0 : -1;
}
