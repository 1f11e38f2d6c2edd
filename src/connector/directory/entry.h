/* SPDX-License-Identifier: ISC */
/*
 * One search result entry, as bytes inside the message it came in.  Nothing is
 * copied: it lives for the length of a callback.
 */
#ifndef ADC_DIRECTORY_ENTRY_H
#define ADC_DIRECTORY_ENTRY_H

#include <lber.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Attributes of one entry that are looked at; requests name fewer. */
#define ENTRY_ATTRIBUTES_MAX 64

struct entry_attribute {
	struct berval name;
	struct berval *values; /* count of them */
	size_t count;
};

struct entry {
	struct berval dn;
	size_t count;
	struct entry_attribute attributes[ENTRY_ATTRIBUTES_MAX];
};

/* Names are compared without case (RFC 4512 2.5). NULL: not among them, or without a value. */
const struct entry_attribute *entry_get(const struct entry *, const char *name);
/* The same, of an attribute that has one value only (MS-ADTS: isSingleValued). NULL also: more. */
const struct entry_attribute *entry_single(const struct entry *, const char *name);
/* Is the attribute there at all? */
bool entry_shows(const struct entry *, const char *name);
/*
 * The first value as a C string: copied to dst, and as a malloc'ed one. None (false; *dst NULL)
 * when it holds a NUL, is empty, not UTF-8, or longer than size - 1 or max bytes.
 */
bool entry_text(const struct entry *, const char *name, char *dst, size_t size);
/* -1: no memory, so that it is not known whether there is one. */
int entry_string(const struct entry *, const char *name, size_t max, char **dst);
/* The first value as an integer. -1: none, or no integer. */
int entry_integer(const struct entry *, const char *name, int64_t *dst);
/* Is text among the values, without case (ASCII)? */
bool entry_has_value(const struct entry *, const char *name, const char *text);

#endif
