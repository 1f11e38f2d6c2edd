/* SPDX-License-Identifier: ISC */
/*
 * What a text must look like before it is kept: names that people give, and
 * words that a connector says of itself.  All input is valid UTF-8 without NUL;
 * the message getters have seen to that.  What comes out
 * is valid UTF-8 even when a text was cut within a character on the way.
 */
#ifndef ADC_STORE_TEXT_H
#define ADC_STORE_TEXT_H

#include "common/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IDENTIFIER_SIZE (ADMIN_IDENTIFIER_MAX + 1) /* with NUL */
#define DISPLAY_NAME_SIZE (ADMIN_NAME_MAX + 1)	   /* bytes, with NUL */
#define LOGO_MAX 65536				   /* bytes of the data: URL */
#define TEXT_TIME_SIZE sizeof("2026-11-23T06:15:57.123Z")

/* [a-z0-9][a-z0-9-]{0,62} */
bool identifier_valid(const char *);

/* No control or formatting characters, which could make one name look like another. */
bool text_printable(const char *);

/*
 * Copies at most size - 1 bytes, cut before a character that would not fit
 * whole, with '?' for each character that text_printable() would refuse.
 */
void text_clean(char *dst, size_t size, const char *src);
/* The same, but any character may stay; what is none becomes '?'. dst may be src. */
void text_clip(char *dst, size_t size, const char *src);

/*
 * NULL when the text is a data: URL (RFC 2397) of a PNG or JPEG picture in
 * base64 (RFC 4648 4), else what is wrong, for people.
 */
const char *logo_refused(const char *);

/* RFC 3339 in UTC, from milliseconds since 1970; without_ms cuts the fraction off. */
void text_time(char dst[TEXT_TIME_SIZE], int64_t ms, bool without_ms);

#endif
