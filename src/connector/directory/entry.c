/* SPDX-License-Identifier: ISC */
/*
 * Reading values out of an entry. A value of the wrong type counts as none.
 */
#include "build.h"

#include "entry.h"

#include "attributes.h"
#include "common/wire.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool
is_text(const struct berval *value, const char *text)
{
	size_t len = strlen(text);

	return value->bv_len == len && (len == 0 || strncasecmp(value->bv_val, text, len) == 0);
}

const struct entry_attribute *
entry_get(const struct entry *entry, const char *name)
{
	size_t i;

	for (i = 0; i < entry->count; i++) {
		if (entry->attributes[i].count > 0 && is_text(&entry->attributes[i].name, name))
			return &entry->attributes[i];
	}
	return NULL;
}

const struct entry_attribute *
entry_single(const struct entry *entry, const char *name)
{
	const struct entry_attribute *found = NULL;
	size_t i;

	for (i = 0; i < entry->count; i++) {
		if (!is_text(&entry->attributes[i].name, name))
			continue;
		if (found != NULL || entry->attributes[i].count != 1)
			return NULL;
		found = &entry->attributes[i];
	}
	return found;
}

bool
entry_shows(const struct entry *entry, const char *name)
{
	size_t i;

	for (i = 0; i < entry->count; i++) {
		if (is_text(&entry->attributes[i].name, name))
			return true;
	}
	return false;
}

/* The first value when it is text of at most max bytes. */
static const struct berval *
first_text(const struct entry *entry, const char *name, size_t max)
{
	const struct entry_attribute *attribute;
	const struct berval *value;

	if ((attribute = entry_get(entry, name)) == NULL)
		return NULL;
	value = &attribute->values[0];
	if (value->bv_len == 0 || value->bv_len > max ||
	    memchr(value->bv_val, '\0', value->bv_len) != NULL ||
	    !utf8_valid(value->bv_val, value->bv_len))
		return NULL;
	return value;
}

bool
entry_text(const struct entry *entry, const char *name, char *dst, size_t size)
{
	const struct berval *value;

	if ((value = first_text(entry, name, size - 1)) == NULL)
		return false;
	memcpy(dst, value->bv_val, value->bv_len);
	dst[value->bv_len] = '\0';
	return true;
}

int
entry_string(const struct entry *entry, const char *name, size_t max, char **dst)
{
	const struct berval *value;

	*dst = NULL;
	if ((value = first_text(entry, name, max)) == NULL)
		return 0;
	*dst = strndup(value->bv_val, value->bv_len);
	return *dst == NULL ? -1 : 0;
}

int
entry_integer(const struct entry *entry, const char *name, int64_t *dst)
{
	const struct entry_attribute *attribute;

	if ((attribute = entry_get(entry, name)) == NULL)
		return -1;
	return integer_read(dst, attribute->values[0].bv_val, attribute->values[0].bv_len);
}

bool
entry_has_value(const struct entry *entry, const char *name, const char *text)
{
	const struct entry_attribute *attribute;
	size_t i;

	if ((attribute = entry_get(entry, name)) == NULL)
		return false;
	for (i = 0; i < attribute->count; i++) {
		if (is_text(&attribute->values[i], text))
			return true;
	}
	return false;
}
