/* SPDX-License-Identifier: ISC */
/*
 * jansson with limits: see json.h.
 *
 * A value of two bytes takes a hundred; values and nesting are therefore counted over the text
 * before any is made.
 */
#include "json.h"

#include "json_parse.h"
#include "wipe.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static const char *over_limits(const char *text, size_t len, size_t max_len);
static const char *over_counts(const char *text, size_t len);

void
json_use_wiping_allocator(void)
{
	json_set_alloc_funcs(wiping_malloc, wiping_free);
}

json_t *
json_read(const char *text, size_t len, size_t max_len, const char **why)
{
	const char *wrong;
	json_t *value = NULL;

	json_use_wiping_allocator();
	if ((wrong = over_limits(text, len, max_len)) == NULL)
		value = json_parse(text, len, &wrong);
	if (value == NULL) {
		if (why != NULL)
			*why = wrong;
		errno = wrong == json_no_memory ? ENOMEM : EBADMSG;
	}
	return value;
}

const char *
json_get_string(const json_t *obj, const char *key, size_t min, size_t max)
{
	const json_t *value;
	size_t len;

	if ((value = json_object_get(obj, key)) == NULL || !json_is_string(value))
		return NULL;
	len = json_string_length(value);
	if (len < min || len > max)
		return NULL;
	return json_string_value(value);
}

int
json_get_integer(const json_t *obj, const char *key, int64_t min, int64_t max, int64_t *out)
{
	const json_t *value;
	json_int_t number;

	if ((value = json_object_get(obj, key)) == NULL || !json_is_integer(value))
		return -1;
	number = json_integer_value(value);
	if (number < min || number > max)
		return -1;
	*out = number;
	return 0;
}

int
json_only_keys(const json_t *obj, const char *const keys[], size_t n)
{
	size_t i, found;

	if (!json_is_object(obj))
		return -1;
	found = 0;
	for (i = 0; i < n; i++) {
		if (json_object_get(obj, keys[i]) != NULL)
			found++;
	}
	return found == json_object_size(obj) ? 0 : -1;
}

/* NULL, or which limit a text is over. */
static const char *
over_limits(const char *text, size_t len, size_t max_len)
{
	if (len > max_len)
		return "longer than allowed";
	if (len == 0)
		return "empty";
	if (memchr(text, '\0', len) != NULL)
		return "contains NUL";
	return over_counts(text, len);
}

/*
 * Counts what opens and divides, outside strings: no text has more values than one and one for
 * each of these. In a text that is not JSON the counts may be wrong, but never lower than those
 * at which json_parse() finds that out, for both agree on where strings begin and end up to the
 * first error. NULL: within the limits.
 */
static const char *
over_counts(const char *text, size_t len)
{
	size_t i, values = 1;
	unsigned int depth = 0;
	bool in_string = false;

	for (i = 0; i < len; i++) {
		if (in_string) {
			if (text[i] == '\\')
				i++;
			else if (text[i] == '"')
				in_string = false;
			continue;
		}
		switch (text[i]) {
		case '"':
			in_string = true;
			break;
		case '[':
		case '{':
			if (++depth > JSON_MAX_DEPTH)
				return "nested too deeply";
			values++;
			break;
		case ',':
		case ':':
			values++;
			break;
		case ']':
		case '}':
			if (depth > 0)
				depth--;
			break;
		}
		if (values > JSON_MAX_VALUES)
			return "made of too many values";
	}
	return NULL;
}
