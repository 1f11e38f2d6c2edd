/* SPDX-License-Identifier: ISC */
/*
 * jansson with limits: see json.h.
 *
 * jansson descends by recursion up to 2,048 levels, and takes a hundred bytes for a value of
 * two; both are therefore counted over the text before jansson sees it. Its error texts quote the
 * input, so they are wiped and replaced by our own words.
 */
#include "json.h"

#include "wipe.h"

#include <stdbool.h>
#include <string.h>

static const char *over_limits(const char *text, size_t len);
static const char *reason(enum json_error_code code);

void
json_use_wiping_allocator(void)
{
	json_set_alloc_funcs(wiping_malloc, wiping_free);
}

json_t *
json_read(const char *text, size_t len, size_t max_len, const char **why)
{
	json_error_t error;
	json_t *value;
	const char *ignored, *over;

	if (why == NULL)
		why = &ignored;
	if (len > max_len) {
		*why = "longer than allowed";
		return NULL;
	}
	if (len == 0) {
		*why = "empty";
		return NULL;
	}
	if (memchr(text, '\0', len) != NULL) {
		*why = "contains NUL";
		return NULL;
	}
	if ((over = over_limits(text, len)) != NULL) {
		*why = over;
		return NULL;
	}
	value = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (value == NULL) {
		*why = reason(json_error_code(&error));
		explicit_bzero(&error, sizeof(error));
		wipe_stack();
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

/*
 * Counts what opens and divides, outside strings: no text has more values than one and one for
 * each of these. In a text that is not JSON the counts may be wrong, but never lower than those
 * at which jansson finds that out, for both agree on where strings begin and end up to the
 * first error. NULL: within the limits.
 */
static const char *
over_limits(const char *text, size_t len)
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

static const char *
reason(enum json_error_code code)
{
	switch (code) {
	case json_error_out_of_memory:
		return "out of memory";
	case json_error_invalid_utf8:
		return "not valid UTF-8";
	case json_error_premature_end_of_input:
		return "ends too early";
	case json_error_end_of_input_expected:
		return "followed by something else";
	case json_error_duplicate_key:
		return "contains a member twice";
	case json_error_null_byte_in_key:
	case json_error_null_character:
		return "contains NUL";
	case json_error_numeric_overflow:
		return "contains a number that is too large";
	default:
		return "not valid JSON";
	}
}
