/* SPDX-License-Identifier: ISC */
/*
 * Every length is checked before a byte is read; a value that is not exactly
 * of its type is refused, never read in part.
 */
#include "build.h"

#include "attributes.h"

#include <stdio.h>
#include <string.h>

int
sid_read(struct sid *sid, const void *value, size_t len)
{
	const uint8_t *p = value;

	memset(sid, 0, sizeof(*sid));
	if (len < 8 || p[0] != 1 || p[1] > SID_SUBS_MAX || len != 8 + 4 * (size_t)p[1])
		return -1;
	memcpy(sid->data, p, len);
	sid->len = (uint8_t)len;
	return 0;
}

static uint32_t
sub_authority(const struct sid *sid, size_t i)
{
	const uint8_t *p = sid->data + 8 + 4 * i;

	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static size_t
sub_count(const struct sid *sid)
{
	return sid->len < 8 ? 0 : ((size_t)sid->len - 8) / 4;
}

void
sid_text(const struct sid *sid, char dst[SID_TEXT_SIZE])
{
	uint64_t authority = 0;
	size_t i, at;
	int n;

	dst[0] = '\0';
	if (sid->len < 8)
		return;
	for (i = 2; i < 8; i++)
		authority = authority << 8 | sid->data[i];
	/* MS-DTYP 2.4.2.1: an authority of 2^32 and above is written in hexadecimal. */
	n = snprintf(dst, SID_TEXT_SIZE, authority >> 32 != 0 ? "S-1-0x%012llX" : "S-1-%llu",
	    (unsigned long long)authority);
	for (i = 0, at = (size_t)n; i < sub_count(sid); i++) {
		n = snprintf(
		    dst + at, SID_TEXT_SIZE - at, "-%lu", (unsigned long)sub_authority(sid, i));
		at += (size_t)n;
	}
}

/* A number in text up to '-' or the end; moves the text behind it. -1 when over max. */
static int
number(const char **text, uint64_t max, uint64_t *dst)
{
	const char *p = *text;
	unsigned int base = 10, digit;
	uint64_t value = 0;
	size_t digits = 0;

	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) {
		base = 16;
		p += 2;
	}
	for (; *p != '\0' && *p != '-'; p++, digits++) {
		if (*p >= '0' && *p <= '9')
			digit = (unsigned int)(*p - '0');
		else if (base == 16 && *p >= 'a' && *p <= 'f')
			digit = (unsigned int)(*p - 'a') + 10;
		else if (base == 16 && *p >= 'A' && *p <= 'F')
			digit = (unsigned int)(*p - 'A') + 10;
		else
			return -1;
		if (digits > 20 || value > (max - digit) / base)
			return -1;
		value = value * base + digit;
	}
	if (digits == 0)
		return -1;
	*dst = value;
	*text = p;
	return 0;
}

int
sid_parse(struct sid *sid, const char *text)
{
	uint64_t value;
	size_t count = 0, i;

	memset(sid, 0, sizeof(*sid));
	if ((text[0] != 'S' && text[0] != 's') || text[1] != '-' || text[2] != '1' ||
	    text[3] != '-')
		return -1;
	text += 4;
	if (number(&text, 0xffffffffffffULL, &value) == -1)
		return -1;
	for (i = 0; i < 6; i++)
		sid->data[2 + i] = (uint8_t)(value >> (8 * (5 - i)));
	while (*text == '-') {
		text++;
		if (count == SID_SUBS_MAX || number(&text, UINT32_MAX, &value) == -1)
			goto bad;
		for (i = 0; i < 4; i++)
			sid->data[8 + 4 * count + i] = (uint8_t)(value >> (8 * i));
		count++;
	}
	if (*text != '\0' || count == 0)
		goto bad;
	sid->data[0] = 1;
	sid->data[1] = (uint8_t)count;
	sid->len = (uint8_t)(8 + 4 * count);
	return 0;
bad:
	memset(sid, 0, sizeof(*sid));
	return -1;
}

bool
sid_equal(const struct sid *a, const struct sid *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

uint32_t
sid_rid(const struct sid *sid)
{
	size_t count = sub_count(sid);

	return count == 0 ? 0 : sub_authority(sid, count - 1);
}

bool
sid_within(const struct sid *sid, const struct sid *domain)
{
	/* Byte 1 is the count and differs by one. */
	return domain->len >= 8 && sid->len == domain->len + 4 &&
	    memcmp(sid->data + 2, domain->data + 2, domain->len - 2U) == 0;
}

bool
sid_builtin(const struct sid *sid)
{
	static const uint8_t builtin[] = { 1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0 };

	return sid->len == sizeof(builtin) + 4 && memcmp(sid->data, builtin, sizeof(builtin)) == 0;
}

int
guid_read(uint8_t dst[GUID_SIZE], const void *value, size_t len)
{
	if (len != GUID_SIZE)
		return -1;
	memcpy(dst, value, GUID_SIZE);
	return 0;
}

void
guid_text(const uint8_t guid[GUID_SIZE], char dst[GUID_TEXT_SIZE])
{
	static const uint8_t order[GUID_SIZE] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14,
		15 };
	static const char hex[] = "0123456789abcdef";
	size_t i, at = 0;

	for (i = 0; i < GUID_SIZE; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			dst[at++] = '-';
		dst[at++] = hex[guid[order[i]] >> 4];
		dst[at++] = hex[guid[order[i]] & 15];
	}
	dst[at] = '\0';
}

int
integer_read(int64_t *dst, const void *value, size_t len)
{
	const char *p = value;
	bool negative;
	uint64_t n = 0, max;
	size_t i;

	negative = len > 0 && p[0] == '-';
	if (negative) {
		p++;
		len--;
	}
	if (len == 0 || len > 19)
		return -1;
	max = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
	for (i = 0; i < len; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -1;
		n = n * 10 + (uint64_t)(p[i] - '0');
	}
	if (n > max)
		return -1;
	if (!negative)
		*dst = (int64_t)n;
	else
		*dst = n == max ? INT64_MIN : -(int64_t)n;
	return 0;
}

int64_t
filetime_from_unix(int64_t seconds)
{
	return (seconds + 11644473600LL) * FILETIME_SECOND;
}

int
diagnostic_code(uint32_t *code, const char *text)
{
	static const char mark[] = "AcceptSecurityContext error, data ";
	const char *p = NULL, *next = text;
	uint32_t value = 0;
	size_t digits;

	/* AD's own word is the last; what is before it may be anybody's. */
	while (next != NULL && (next = strstr(next, mark)) != NULL) {
		next += sizeof(mark) - 1;
		p = next;
	}
	if (p == NULL)
		return -1;
	for (digits = 0; digits < 9; digits++, p++) {
		if (*p >= '0' && *p <= '9')
			value = value << 4 | (uint32_t)(*p - '0');
		else if (*p >= 'a' && *p <= 'f')
			value = value << 4 | ((uint32_t)(*p - 'a') + 10);
		else if (*p >= 'A' && *p <= 'F')
			value = value << 4 | ((uint32_t)(*p - 'A') + 10);
		else
			break;
	}
	if (digits == 0 || digits > 8 || *p != ',')
		return -1;
	*code = value;
	return 0;
}
