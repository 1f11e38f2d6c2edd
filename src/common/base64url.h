/* SPDX-License-Identifier: ISC */
/*
 * base64url without padding (RFC 4648 section 5, RFC 7515 appendix C).
 *
 * The decoder takes exactly one spelling of each value: what two decoders read
 * differently could be signed as one thing and used as another.
 */
#ifndef COMMON_BASE64URL_H
#define COMMON_BASE64URL_H

#include <stddef.h>
#include <sys/types.h>

/* Characters of n encoded bytes, without and with the closing NUL. */
#define BASE64URL_LENGTH(n) (((n)*4 + 2) / 3)
#define BASE64URL_SIZE(n) (BASE64URL_LENGTH(n) + 1)

/* Bytes in n encoded characters. */
#define BASE64URL_DECODED_SIZE(n) ((n) / 4 * 3 + (n) % 4 * 3 / 4)

/*
 * Writes len bytes as base64url and a NUL. Returns the characters written without
 * the NUL. If dstsize is less than BASE64URL_SIZE(len), returns 0 and writes only
 * the NUL (nothing if dstsize is 0).
 */
size_t base64url_encode(char *dst, size_t dstsize, const void *src, size_t len);

/*
 * Decodes len characters. Returns the number of bytes, or -1 if src holds anything but
 * the 64 characters (padding, white space, NUL), has an impossible length, has
 * trailing bits that are not zero, or does not fit into dstsize; dst is then undefined.
 */
ssize_t base64url_decode(void *dst, size_t dstsize, const char *src, size_t len)
    __attribute__((warn_unused_result));

#endif
