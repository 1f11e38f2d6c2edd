/* SPDX-License-Identifier: ISC */
/*
 * Vectors as the RFCs print them, for unit tests only: hexadecimal and base64url, turned into
 * bytes. A mistake in a vector ends the test.
 */
#ifndef TESTS_HEX_H
#define TESTS_HEX_H

#include "common/base64url.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Fills out with size bytes; the text must have exactly that many. */
static inline void
from_hex(uint8_t *out, size_t size, const char *text)
{
	static const char digits[] = "0123456789abcdef";
	const char *high, *low;
	size_t i;

	assert_int_equal(strlen(text), size * 2);
	for (i = 0; i < size; i++) {
		high = strchr(digits, text[2 * i] | 0x20);
		low = strchr(digits, text[2 * i + 1] | 0x20);
		assert_non_null(high);
		assert_non_null(low);
		out[i] = (uint8_t)((high - digits) << 4 | (low - digits));
	}
}

/* Fills out with size bytes; the text must have exactly that many. */
static inline void
from_base64url(uint8_t *out, size_t size, const char *text)
{
	assert_int_equal(base64url_decode(out, size, text, strlen(text)), (ssize_t)size);
}

#endif
