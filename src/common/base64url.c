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

/* The value of each digit; NO: it is none. */
#define NO 0xff
/* clang-format off */
static const uint8_t values[256] = {
	NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
	NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
	NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, 62, NO, NO,
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, NO, NO, NO, NO, NO, NO,
	NO,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, NO, NO, NO, NO, 63,
	NO, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, NO, NO, NO, NO, NO,
	NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
	NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
	NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
	NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
	NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
	NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
	NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
	NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
};
/* clang-format on */

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
	const uint8_t *in = (const uint8_t *)src;
	uint8_t *out = dst;
	uint32_t group, bad = 0;
	size_t i;

	if (len % 4 == 1 || len > SSIZE_MAX || BASE64URL_DECODED_SIZE(len) > dstsize)
		return -1;
	/* What is no digit has a bit over the six: looked at once, at the end. */
	for (i = 0; i + 4 <= len; i += 4) {
		bad |= values[in[i]] | values[in[i + 1]] | values[in[i + 2]] | values[in[i + 3]];
		group = (uint32_t)values[in[i]] << 18 | (uint32_t)values[in[i + 1]] << 12 |
		    (uint32_t)values[in[i + 2]] << 6 | values[in[i + 3]];
		*out++ = (uint8_t)(group >> 16);
		*out++ = (uint8_t)(group >> 8);
		*out++ = (uint8_t)group;
	}
	if (len - i >= 2) {
		bad |= values[in[i]] | values[in[i + 1]];
		group = (uint32_t)values[in[i]] << 12 | (uint32_t)values[in[i + 1]] << 6;
		if (len - i == 3) {
			bad |= values[in[i + 2]];
			group |= values[in[i + 2]];
		}
		*out++ = (uint8_t)(group >> 10);
		if (len - i == 3)
			*out++ = (uint8_t)(group >> 2);
		/* The bits left over must be 0: a value has one spelling. */
		if ((group & (len - i == 3 ? 0x3 : 0x3ff)) != 0)
			return -1;
	}
	return bad > 63 ? -1 : out - (uint8_t *)dst;
}
