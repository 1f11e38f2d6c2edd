/* SPDX-License-Identifier: ISC */
/*
 * Checks and clean-up of texts.  Decoding here never reads past the NUL, whatever it is given.
 */
#include "text.h"

#include "common/wire.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

bool
identifier_valid(const char *s)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t len = strlen(s);

	return len >= 1 && len < IDENTIFIER_SIZE && strchr(first, s[0]) != NULL &&
	    strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* What text_next() says of bytes that are no character; no code point is as large. */
#define MALFORMED 0x7fffffffU

/*
 * The character at s and its length in bytes, at least 1.  Texts put together
 * with snprintf() may have been cut within a character.
 */
static uint32_t
text_next(const char *s, size_t *len)
{
	const unsigned char *p = (const unsigned char *)s;
	uint32_t c = p[0];
	size_t i, n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	*len = 1;
	if (n == 1)
		return c;
	c &= 0x7fU >> n;
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return MALFORMED;
		c = c << 6 | (p[i] & 0x3fU);
		*len = i + 1;
	}
	return utf8_valid(s, n) ? c : MALFORMED;
}

static bool
code_point_printable(uint32_t c)
{
	return c != MALFORMED && c >= 0x20 && (c < 0x7f || c > 0x9f) && /* C0, DEL, C1 */
	    c != 0xad &&						/* soft hyphen */
	    c != 0x061c &&						/* Arabic letter mark */
	    c != 0x200b && c != 0x200e && c != 0x200f && /* zero width space, direction marks */
	    (c < 0x2028 || c > 0x202e) &&		 /* line ends, embeddings, overrides */
	    (c < 0x2060 || c > 0x206f) &&		 /* invisible operators, isolates */
	    c != 0xfeff && (c < 0xfff0 || c > 0xffff) && (c < 0xe0000 || c > 0xe0fff);
}

bool
text_printable(const char *s)
{
	size_t len;

	for (; *s != '\0'; s += len) {
		if (!code_point_printable(text_next(s, &len)))
			return false;
	}
	return true;
}

static void
text_copy(char *dst, size_t size, const char *src, bool clean)
{
	size_t len, at = 0;
	uint32_t c;

	for (; *src != '\0'; src += len) {
		c = text_next(src, &len);
		if (c == MALFORMED || (clean && !code_point_printable(c))) {
			if (at + 1 >= size)
				break;
			dst[at++] = '?';
			continue;
		}
		if (at + len >= size)
			break;
		memmove(dst + at, src, len);
		at += len;
	}
	dst[at] = '\0';
}

void
text_clean(char *dst, size_t size, const char *src)
{
	text_copy(dst, size, src, true);
}

void
text_clip(char *dst, size_t size, const char *src)
{
	text_copy(dst, size, src, false);
}

/* Base64 with padding, nothing before or behind it. */
static bool
base64_valid(const char *s)
{
	size_t len = strlen(s), body;

	body = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
	return len > 0 && len % 4 == 0 && len - body <= 2 && strspn(s + body, "=") == len - body;
}

/* The first bytes tell a picture of its kind; in base64 they are always these characters. */
const char *
logo_refused(const char *url)
{
	static const struct {
		const char *prefix, *magic;
	} kinds[] = {
		{ "data:image/png;base64,", "iVBORw0KGgo" },
		{ "data:image/jpeg;base64,", "/9j/" },
	};
	size_t i, len;

	if (strlen(url) > LOGO_MAX)
		return "is larger than 64 KiB as a data: URL; use a picture of at most 43 KiB";
	if (strncmp(url, "data:image/svg", 14) == 0)
		return "is SVG, which can carry scripts; use PNG or JPEG";
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		len = strlen(kinds[i].prefix);
		if (strncmp(url, kinds[i].prefix, len) != 0)
			continue;
		if (strncmp(url + len, kinds[i].magic, strlen(kinds[i].magic)) != 0)
			return "is not the kind of picture that it says it is";
		return base64_valid(url + len) ? NULL : "is not well-formed base64";
	}
	return "is neither PNG nor JPEG";
}

void
text_time(char dst[TEXT_TIME_SIZE], int64_t ms, bool without_ms)
{
	time_t seconds;
	struct tm tm;
	size_t len;

	/* Years of more than four digits do not fit; they come from a clock gone wild. */
	if (ms < 0 || ms >= 253402300800000LL)
		ms = 0;
	seconds = ms / 1000;
	gmtime_r(&seconds, &tm);
	len = strftime(dst, TEXT_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	if (without_ms)
		snprintf(dst + len, TEXT_TIME_SIZE - len, "Z");
	else
		snprintf(dst + len, TEXT_TIME_SIZE - len, ".%03dZ", (int)(ms % 1000));
}
