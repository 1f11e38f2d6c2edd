/* SPDX-License-Identifier: ISC */
/*
 * Deciding who is meant.  Errs on the side of "nobody".
 */
#include "build.h"

#include "names.h"

#include "common/wire.h"

#include <bsd/string.h>
#include <stdint.h>
#include <string.h>

/* White space at an end, or a control character anywhere: no name. */
static bool
acceptable(const char *text, size_t len)
{
	size_t i;

	if (len == 0 || len >= NAME_SIZE || text[0] == ' ' || text[len - 1] == ' ')
		return false;
	for (i = 0; i < len; i++) {
		if ((uint8_t)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	}
	return utf8_valid(text, len);
}

static void
add(struct name_plan *plan, enum name_attribute attribute, const char *value, size_t len)
{
	struct name_step *step = &plan->steps[plan->count++];

	step->attribute = attribute;
	memcpy(step->value, value, len);
	step->value[len] = '\0';
}

int
name_plan(struct name_plan *plan, const char *typed, const char *netbios, const char *realm)
{
	const char *at, *backslash;
	size_t len = strlen(typed), n;

	plan->count = 0;
	if (!acceptable(typed, len))
		return -1;
	if ((backslash = strchr(typed, '\\')) != NULL) {
		n = (size_t)(backslash - typed);
		if (netbios[0] == '\0' || !names_equal(typed, n, netbios, strlen(netbios)) ||
		    !acceptable(backslash + 1, len - n - 1))
			return -1;
		add(plan, NAME_SAM, backslash + 1, len - n - 1);
		return 0;
	}
	if ((at = strrchr(typed, '@')) == NULL) {
		add(plan, NAME_SAM, typed, len);
		return 0;
	}
	n = (size_t)(at - typed);
	if (!acceptable(typed, n) || !acceptable(at + 1, len - n - 1))
		return -1;
	add(plan, NAME_UPN, typed, len);
	if (realm[0] != '\0' && names_equal(at + 1, len - n - 1, realm, strlen(realm)))
		add(plan, NAME_SAM, typed, n);
	add(plan, NAME_MAIL, typed, len);
	return 0;
}

const char *
name_attribute(enum name_attribute attribute)
{
	switch (attribute) {
	case NAME_SAM:
		return "sAMAccountName";
	case NAME_UPN:
		return "userPrincipalName";
	case NAME_MAIL:
		break;
	}
	return "mail";
}

/*
 * Simple folding to lower case of the scripts where AD's people have case.
 * Left alone on purpose: dotless and dotted i, the long s and the Kelvin sign,
 * which would make two names of one.
 */
static uint32_t
fold(uint32_t c)
{
	if (c < 0x80)
		return c >= 'A' && c <= 'Z' ? c + 0x20 : c;
	if ((c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3ab && c != 0x3a2) ||
	    (c >= 0x410 && c <= 0x42f))
		return c + 0x20;
	if (c >= 0x400 && c <= 0x40f)
		return c + 0x50;
	if ((c >= 0x100 && c <= 0x12f) || (c >= 0x132 && c <= 0x137) ||
	    (c >= 0x14a && c <= 0x177) || (c >= 0x460 && c <= 0x481) ||
	    (c >= 0x48a && c <= 0x4bf) || (c >= 0x4d0 && c <= 0x52f) ||
	    (c >= 0x1e00 && c <= 0x1e95) || (c >= 0x1ea0 && c <= 0x1eff))
		return c | 1;
	if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
		return (c & 1) != 0 ? c + 1 : c;
	if (c == 0x178)
		return 0xff;
	return c;
}

/* One character of well-formed UTF-8; moves p behind it. */
static uint32_t
character(const uint8_t **p)
{
	const uint8_t *s = *p;

	if (s[0] < 0x80) {
		*p += 1;
		return s[0];
	}
	if (s[0] < 0xe0) {
		*p += 2;
		return (uint32_t)(s[0] & 0x1f) << 6 | (s[1] & 0x3f);
	}
	if (s[0] < 0xf0) {
		*p += 3;
		return (uint32_t)(s[0] & 0x0f) << 12 | (uint32_t)(s[1] & 0x3f) << 6 | (s[2] & 0x3f);
	}
	*p += 4;
	return (uint32_t)(s[0] & 0x07) << 18 | (uint32_t)(s[1] & 0x3f) << 12 |
	    (uint32_t)(s[2] & 0x3f) << 6 | (s[3] & 0x3f);
}

bool
names_equal(const void *a, size_t alen, const void *b, size_t blen)
{
	const uint8_t *p = a, *q = b, *pend, *qend;

	if (alen == blen && (alen == 0 || memcmp(a, b, alen) == 0))
		return true;
	if (alen == 0 || blen == 0 || !utf8_valid(a, alen) || !utf8_valid(b, blen))
		return false;
	pend = p + alen;
	qend = q + blen;
	while (p < pend && q < qend) {
		if (fold(character(&p)) != fold(character(&q)))
			return false;
	}
	return p == pend && q == qend;
}
