/* SPDX-License-Identifier: ISC */
/*
 * A text taken apart into jansson's values: see json_parse.h.
 *
 * Own code because jansson's reader does not check whether the buffer could grow in which it
 * gathers a piece of the text: when memory is short it reads on beyond that buffer, or ends the
 * process.  Its values, which this makes, do tell.
 */
#include "json_parse.h"

#include "wipe.h"
#include "wire.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

const char json_no_memory[] = "out of memory";

static const char ends[] = "ends too early";
static const char invalid[] = "not valid JSON";
static const char too_large[] = "contains a number that is too large";

struct parser {
	const char *at, *end;
	/* Room for what is left of the text, where a string or number is put, with a NUL behind. */
	char *piece;
	const char *wrong;
};

static json_t *parse_value(struct parser *);

/* Notes the first thing that is wrong. Always NULL. */
static void *
give_up(struct parser *p, const char *why)
{
	if (p->wrong == NULL)
		p->wrong = why;
	return NULL;
}

/* The next character that is no white space, without taking it; NUL after the last. */
static char
next(struct parser *p)
{
	while (
	    p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\r' || *p->at == '\n'))
		p->at++;
	return p->at < p->end ? *p->at : '\0';
}

/* Why what comes next is not what must come. */
static void *
unexpected(struct parser *p)
{
	return give_up(p, next(p) == '\0' ? ends : invalid);
}

/* Takes one character if it is the next. */
static bool
take(struct parser *p, char c)
{
	if (next(p) != c)
		return false;
	p->at++;
	return true;
}

/* The four digits behind \u; -1: they are none. */
static int32_t
parse_hex(struct parser *p)
{
	static const char digits[] = "0123456789abcdef";
	const char *digit;
	int32_t unit = 0;
	int i;

	for (i = 0; i < 4; i++) {
		if (p->at == p->end) {
			give_up(p, ends);
			return -1;
		}
		/* Upper case without a locale. */
		digit = strchr(digits, *p->at >= 'A' && *p->at <= 'F' ? *p->at + 32 : *p->at);
		if (digit == NULL) {
			give_up(p, invalid);
			return -1;
		}
		unit = unit << 4 | (int32_t)(digit - digits);
		p->at++;
	}
	return unit;
}

/* A character behind \u, in one half or two. At most the bytes that its escape has. */
static char *
parse_unicode(struct parser *p, char *out)
{
	int32_t c, low;

	if ((c = parse_hex(p)) == -1)
		return NULL;
	if (c == 0)
		return give_up(p, "contains NUL");
	if (c >= 0xdc00 && c <= 0xdfff)
		return give_up(p, invalid);
	if (c >= 0xd800 && c <= 0xdbff) {
		if (p->end - p->at < 2 || p->at[0] != '\\' || p->at[1] != 'u')
			return give_up(p, invalid);
		p->at += 2;
		if ((low = parse_hex(p)) == -1)
			return NULL;
		if (low < 0xdc00 || low > 0xdfff)
			return give_up(p, invalid);
		c = 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00));
	}
	if (c < 0x80)
		*out++ = (char)c;
	else if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
		*out++ = (char)(0x80 | (c & 63));
	} else {
		if (c < 0x10000)
			*out++ = (char)(0xe0 | c >> 12);
		else {
			*out++ = (char)(0xf0 | c >> 18);
			*out++ = (char)(0x80 | (c >> 12 & 63));
		}
		*out++ = (char)(0x80 | (c >> 6 & 63));
		*out++ = (char)(0x80 | (c & 63));
	}
	return out;
}

static char *
parse_escape(struct parser *p, char *out)
{
	static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
	const char *letter;

	if (p->at == p->end)
		return give_up(p, ends);
	if (*p->at == 'u') {
		p->at++;
		return parse_unicode(p, out);
	}
	if ((letter = strchr(letters, *p->at)) == NULL)
		return give_up(p, invalid);
	p->at++;
	*out = meanings[letter - letters];
	return out + 1;
}

/* A string behind its first quotation mark, into p->piece. Its length, or -1. */
static ssize_t
parse_string(struct parser *p)
{
	char *out = p->piece;

	for (;;) {
		if (p->at == p->end) {
			give_up(p, ends);
			return -1;
		}
		if ((uint8_t)*p->at < 0x20) {
			give_up(p, invalid);
			return -1;
		}
		if (*p->at == '"')
			break;
		if (*p->at != '\\')
			*out++ = *p->at++;
		else {
			p->at++;
			if ((out = parse_escape(p, out)) == NULL)
				return -1;
		}
	}
	p->at++;
	*out = '\0';
	return out - p->piece;
}

/* At least one digit. */
static bool
skip_digits(struct parser *p)
{
	const char *first = p->at;

	while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
		p->at++;
	return p->at > first;
}

static bool
skip_one_of(struct parser *p, const char *characters)
{
	if (p->at == p->end || strchr(characters, *p->at) == NULL)
		return false;
	p->at++;
	return true;
}

static json_t *
parse_number(struct parser *p)
{
	const char *first = p->at;
	bool real = false;
	json_t *value;
	long long integer;
	double number;

	skip_one_of(p, "-");
	if (!skip_one_of(p, "0") && !skip_digits(p))
		return unexpected(p);
	if (skip_one_of(p, ".")) {
		real = true;
		if (!skip_digits(p))
			return unexpected(p);
	}
	if (skip_one_of(p, "eE")) {
		real = true;
		skip_one_of(p, "+-");
		if (!skip_digits(p))
			return unexpected(p);
	}
	memcpy(p->piece, first, (size_t)(p->at - first));
	p->piece[p->at - first] = '\0';
	errno = 0;
	if (real) {
		number = strtod(p->piece, NULL);
		if (!isfinite(number))
			return give_up(p, too_large);
		value = json_real(number);
	} else {
		integer = strtoll(p->piece, NULL, 10);
		if (errno == ERANGE)
			return give_up(p, too_large);
		value = json_integer(integer);
	}
	return value == NULL ? give_up(p, json_no_memory) : value;
}

static json_t *
parse_word(struct parser *p, const char *word, json_t *value)
{
	for (; *word != '\0'; word++) {
		if (p->at == p->end)
			return give_up(p, ends);
		if (*p->at++ != *word)
			return give_up(p, invalid);
	}
	return value;
}

/* Behind the bracket. 0, or -1. */
static int
parse_elements(struct parser *p, json_t *array)
{
	json_t *value;

	if (take(p, ']'))
		return 0;
	do {
		if ((value = parse_value(p)) == NULL)
			return -1;
		if (json_array_append_new(array, value) == -1) {
			give_up(p, json_no_memory);
			return -1;
		}
	} while (take(p, ','));
	if (take(p, ']'))
		return 0;
	unexpected(p);
	return -1;
}

/* The name stays in the piece meanwhile: it takes less room there than in the text. */
static int
parse_member(struct parser *p, json_t *object)
{
	size_t size = json_object_size(object);
	char *name = p->piece;
	json_t *value;
	ssize_t len;

	if (!take(p, '"')) {
		unexpected(p);
		return -1;
	}
	if ((len = parse_string(p)) == -1)
		return -1;
	if (!take(p, ':')) {
		unexpected(p);
		return -1;
	}
	p->piece = name + len + 1;
	value = parse_value(p);
	p->piece = name;
	if (value == NULL)
		return -1;
	if (json_object_set_new_nocheck(object, name, value) == -1) {
		give_up(p, json_no_memory);
		return -1;
	}
	if (json_object_size(object) == size) {
		give_up(p, "contains a member twice");
		return -1;
	}
	return 0;
}

static int
parse_members(struct parser *p, json_t *object)
{
	if (take(p, '}'))
		return 0;
	do {
		if (parse_member(p, object) == -1)
			return -1;
	} while (take(p, ','));
	if (take(p, '}'))
		return 0;
	unexpected(p);
	return -1;
}

/* What is between brackets: an object or an array. */
static json_t *
parse_brackets(struct parser *p)
{
	bool object = *p->at++ == '{';
	json_t *value = object ? json_object() : json_array();

	if (value == NULL)
		return give_up(p, json_no_memory);
	if ((object ? parse_members(p, value) : parse_elements(p, value)) == 0)
		return value;
	json_decref(value);
	return NULL;
}

static json_t *
parse_value(struct parser *p)
{
	json_t *value;
	ssize_t len;

	switch (next(p)) {
	case '{':
	case '[':
		return parse_brackets(p);
	case '"':
		p->at++;
		if ((len = parse_string(p)) == -1)
			return NULL;
		value = json_stringn_nocheck(p->piece, (size_t)len);
		return value == NULL ? give_up(p, json_no_memory) : value;
	case 't':
		return parse_word(p, "true", json_true());
	case 'f':
		return parse_word(p, "false", json_false());
	case 'n':
		return parse_word(p, "null", json_null());
	case '-':
	case '0':
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
	case '7':
	case '8':
	case '9':
		return parse_number(p);
	default:
		return unexpected(p);
	}
}

json_t *
json_parse(const char *text, size_t len, const char **wrong)
{
	struct parser p = { text, text + len, NULL, NULL };
	json_t *value = NULL;

	if (!utf8_valid(text, len))
		*wrong = "not valid UTF-8";
	else if ((p.piece = wiping_malloc(len + 1)) == NULL)
		*wrong = json_no_memory;
	else {
		if (next(&p) == '{' || next(&p) == '[')
			value = parse_brackets(&p);
		else
			unexpected(&p);
		if (value != NULL && next(&p) != '\0') {
			give_up(&p, "followed by something else");
			json_decref(value);
			value = NULL;
		}
		*wrong = p.wrong;
		wiping_free(p.piece);
	}
	return value;
}
