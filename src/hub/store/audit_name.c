/* SPDX-License-Identifier: ISC */
/*
 * Names that nobody has.  What stands there is often a password typed into the
 * wrong field, so only its beginning and a keyed hash are kept.  Without the
 * key, which never leaves the database, the hash cannot be tried out.
 */
#include "audit.h"

#include "common/base64url.h"

#include <stdbool.h>
#include <string.h>

/* Letters of ASCII and, roughly, of the scripts that names are written in. */
static bool
letter_length(const unsigned char *s, size_t *len)
{
	*len = 1;
	if (s[0] < 0x80)
		return (s[0] >= 'a' && s[0] <= 'z') || (s[0] >= 'A' && s[0] <= 'Z');
	/* U+00C0..U+1FFF: Latin with marks, Greek, Cyrillic, Hebrew, Arabic, Indic … */
	if (s[0] >= 0xc3 && s[0] <= 0xdf && s[1] != 0)
		*len = 2;
	else if ((s[0] == 0xe0 || s[0] == 0xe1) && s[1] != 0 && s[2] != 0)
		*len = 3;
	/* U+4000..U+CFFF: Han, Yi, Hangul */
	else if (s[0] >= 0xe4 && s[0] <= 0xec && s[1] != 0 && s[2] != 0)
		*len = 3;
	else
		return false;
	return true;
}

void
audit_mask_name(const uint8_t key[DIGEST_SIZE], const char *name, char masked[AUDIT_MASKED_SIZE])
{
	uint8_t digest[DIGEST_SIZE];
	size_t i, len, at = 0;

	for (i = 0; i < 2 && letter_length((const unsigned char *)name + at, &len); i++) {
		memcpy(masked + at, name + at, len);
		at += len;
	}
	memcpy(masked + at, "\xe2\x80\xa6", 3); /* … */
	at += 3;
	digest_hmac(key, name, strlen(name), digest);
	/* 12 bytes are 16 characters. */
	base64url_encode(masked + at, AUDIT_MASKED_SIZE - at, digest, 12);
	explicit_bzero(digest, sizeof(digest));
}
