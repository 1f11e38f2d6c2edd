/* SPDX-License-Identifier: ISC */
/*
 * base64url without padding: see base64url.h.
 *
 * Own code because OpenSSL's decoder takes padding and white space, and only the
 * other alphabet.
 */
#include "base64url.h"

#include <limits.h>
#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int value_of(char c);

size_t
base64url_encode(char *dst, size_t dstsize, const void *src, size_t len)
{
	const uint8_t *in;
	uint32_t group;
	size_t i, out;

	if (dstsize == 0)
		return 0;
	if (len > SIZE_MAX / 4 - 1 || dstsize < BASE64URL_SIZE(len)) {
		dst[0] = '\0';
		return 0;
	}
	in = src;
	out = 0;
	for (i = 0; i + 3 <= len; i += 3) {
		group = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2];
		dst[out++] = alphabet[group >> 18];
		dst[out++] = alphabet[group >> 12 & 63];
		dst[out++] = alphabet[group >> 6 & 63];
		dst[out++] = alphabet[group & 63];
	}
	if (len - i == 1) {
		dst[out++] = alphabet[in[i] >> 2];
		dst[out++] = alphabet[(in[i] & 3) << 4];
	} else if (len - i == 2) {
		group = (uint32_t)in[i] << 8 | in[i + 1];
		dst[out++] = alphabet[group >> 10];
		dst[out++] = alphabet[group >> 4 & 63];
		dst[out++] = alphabet[(group & 15) << 2];
	}
	dst[out] = '\0';
	return out;
}

ssize_t
base64url_decode(void *dst, size_t dstsize, const char *src, size_t len)
{
	uint8_t *out;
	uint32_t bits;
	size_t i, written;
	unsigned int held;
	int value;

	if (len % 4 == 1 || len > SSIZE_MAX || BASE64URL_DECODED_SIZE(len) > dstsize)
		return -1;
	out = dst;
	written = 0;
	bits = 0;
	held = 0; /* bits that are read and not yet written, at most 6 + 7 */
	for (i = 0; i < len; i++) {
		if ((value = value_of(src[i])) == -1)
			return -1;
		bits = (bits << 6 | (uint32_t)value) & 0x1fff;
		held += 6;
		if (held >= 8) {
			held -= 8;
			out[written++] = (uint8_t)(bits >> held);
		}
	}
	if ((bits & ((1U << held) - 1)) != 0)
		return -1;
	return (ssize_t)written;
}

static int
value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-')
		return 62;
	if (c == '_')
		return 63;
	return -1;
}
