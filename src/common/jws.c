/* SPDX-License-Identifier: ISC */
/*
 * JWS compact serialisation: see jws.h.
 *
 * The header is judged before the payload is decoded, the signature before the
 * payload is handed out. There is no choice of algorithm to be tricked into.
 */
#include "jws.h"

#include "base64url.h"
#include "json.h"
#include "wipe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_HEADER (JWS_MAX_TYPE + 64) /* bytes of the header as JSON */

/* The three parts of a compact serialisation, not NUL terminated. */
struct segments {
	const char *header;
	size_t header_len;
	const char *payload;
	size_t payload_len;
	const char *signature;
	size_t signature_len;
};

static int verify(const struct jose_key *key, const char *type, const char *jws, size_t len,
    size_t max_payload, uint8_t **payload, size_t *payload_len);
static int type_is_plain(const char *type);
static size_t write_header(char *dst, size_t dstsize, const char *type);
static int split(const char *jws, size_t len, struct segments *segments);
static int header_is_right(const struct segments *segments, const char *type);

char *
jws_sign(const struct jose_key *key, const char *type, const void *payload, size_t len)
{
	uint8_t signature[JOSE_KEY_SIGNATURE_SIZE];
	char header[BASE64URL_SIZE(MAX_HEADER)];
	char *text;
	size_t size, used;

	if (len > JWS_MAX_PAYLOAD || (used = write_header(header, sizeof(header), type)) == 0)
		return NULL;
	size = used + 1 + BASE64URL_LENGTH(len) + 1 + BASE64URL_SIZE(sizeof(signature));
	if ((text = malloc(size)) == NULL)
		return NULL;
	memcpy(text, header, used);
	text[used++] = '.';
	used += base64url_encode(text + used, size - used, payload, len);
	if (jose_key_sign(key, text, used, signature) == -1) {
		free(text);
		return NULL;
	}
	text[used++] = '.';
	base64url_encode(text + used, size - used, signature, sizeof(signature));
	return text;
}

int
jws_verify(const struct jose_key *key, const char *type, const char *jws, size_t len,
    size_t max_payload, uint8_t **payload, size_t *payload_len)
{
	size_t refused = wiping_refused();

	if (verify(key, type, jws, len, max_payload, payload, payload_len) == 0)
		return 0;
	errno = wiping_fault(refused);
	return -1;
}

static int
verify(const struct jose_key *key, const char *type, const char *jws, size_t len,
    size_t max_payload, uint8_t **payload, size_t *payload_len)
{
	struct segments segments;
	uint8_t signature[JOSE_KEY_SIGNATURE_SIZE];
	uint8_t *content;
	size_t signed_len;
	ssize_t content_len;

	if (max_payload > JWS_MAX_PAYLOAD)
		max_payload = JWS_MAX_PAYLOAD;
	if (split(jws, len, &segments) == -1 || !header_is_right(&segments, type) ||
	    segments.payload_len > BASE64URL_LENGTH(max_payload) ||
	    segments.signature_len != BASE64URL_LENGTH(sizeof(signature)) ||
	    base64url_decode(signature, sizeof(signature), segments.signature,
		segments.signature_len) != (ssize_t)sizeof(signature))
		return -1;
	signed_len = segments.header_len + 1 + segments.payload_len;
	if (jose_key_verify(key, jws, signed_len, signature) == -1)
		return -1;
	if ((content = wiping_malloc(BASE64URL_DECODED_SIZE(segments.payload_len) + 1)) == NULL)
		return -1;
	content_len = base64url_decode(content, BASE64URL_DECODED_SIZE(segments.payload_len),
	    segments.payload, segments.payload_len);
	if (content_len == -1) {
		free(content);
		return -1;
	}
	content[content_len] = '\0';
	*payload = content;
	*payload_len = (size_t)content_len;
	return 0;
}

/* Types are ours and need no JSON escapes. */
static int
type_is_plain(const char *type)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789+-./";
	size_t len;

	len = strlen(type);
	return len >= 1 && len <= JWS_MAX_TYPE && strspn(type, allowed) == len;
}

/* The encoded header; returns its length or 0. */
static size_t
write_header(char *dst, size_t dstsize, const char *type)
{
	char text[MAX_HEADER + 1];
	int len;

	if (!type_is_plain(type))
		return 0;
	len = snprintf(text, sizeof(text), "{\"alg\":\"ES256\",\"typ\":\"%s\"}", type);
	if (len < 0 || (size_t)len >= sizeof(text))
		return 0;
	return base64url_encode(dst, dstsize, text, (size_t)len);
}

/* Exactly two dots. Whether the parts are base64url shows when they are decoded. */
static int
split(const char *jws, size_t len, struct segments *segments)
{
	const char *first, *second, *end;

	end = jws + len;
	if ((first = memchr(jws, '.', len)) == NULL)
		return -1;
	segments->header = jws;
	segments->header_len = (size_t)(first - jws);
	segments->payload = first + 1;
	second = memchr(first + 1, '.', (size_t)(end - first - 1));
	if (second == NULL)
		return -1;
	segments->payload_len = (size_t)(second - first - 1);
	segments->signature = second + 1;
	segments->signature_len = (size_t)(end - second - 1);
	return 0;
}

/*
 * Our own spelling is compared as bytes; another writer may order and space the two members
 * differently, but may add none.
 */
static int
header_is_right(const struct segments *segments, const char *type)
{
	static const char *const members[] = { "alg", "typ" };
	char expected[BASE64URL_SIZE(MAX_HEADER)], text[MAX_HEADER];
	const char *alg, *typ;
	json_t *header;
	ssize_t len;
	int right;

	len = (ssize_t)write_header(expected, sizeof(expected), type);
	if (len == 0)
		return 0;
	if ((size_t)len == segments->header_len &&
	    memcmp(expected, segments->header, (size_t)len) == 0)
		return 1;
	len = base64url_decode(text, sizeof(text), segments->header, segments->header_len);
	if (len == -1 || (header = json_read(text, (size_t)len, sizeof(text), NULL)) == NULL)
		return 0;
	alg = json_get_string(header, "alg", 1, JWS_MAX_TYPE);
	typ = json_get_string(header, "typ", 1, JWS_MAX_TYPE);
	right = json_only_keys(header, members, 2) == 0 && alg != NULL &&
	    strcmp(alg, "ES256") == 0 && typ != NULL && strcmp(typ, type) == 0;
	json_decref(header);
	return right;
}
