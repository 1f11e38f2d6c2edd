/* SPDX-License-Identifier: ISC */
/*
 * JSON written into a buffer: see json_text.h.
 *
 * The spelling is that of json_dumps() with JSON_COMPACT, so that it does not
 * matter which of the two wrote a text.
 */
#include "json_text.h"

#include "wipe.h"
#include "wire.h"

#include <stdint.h>
#include <string.h>

#define FIRST_SIZE 1024U /* a profile mostly fits */

static char *reserve(struct json_text *, size_t len);
static void put(struct json_text *, const char *, size_t len);
static void begin(struct json_text *, const char *key);
static char escape_of(uint8_t);
static void escape(char *out, const uint8_t *in, size_t len);

void
json_text_open(struct json_text *t, const char *key, char bracket)
{
	begin(t, key);
	put(t, &bracket, 1);
	t->comma = false;
}

void
json_text_close(struct json_text *t, char bracket)
{
	put(t, &bracket, 1);
	t->comma = true;
}

void
json_text_string(struct json_text *t, const char *key, const char *value)
{
	if (value != NULL) {
		json_text_bytes(t, key, value, strlen(value));
		return;
	}
	begin(t, key);
	put(t, "null", 4);
	t->comma = true;
}

void
json_text_bytes(struct json_text *t, const char *key, const void *value, size_t len)
{
	const uint8_t *in = value;
	size_t i, more = 0;
	char *out;

	for (i = 0; i < len; i++)
		more += escape_of(in[i]) == 0 ? 0 : escape_of(in[i]) == 'u' ? 5 : 1;
	if (!utf8_valid(value, len))
		t->failed = true;
	begin(t, key);
	if ((out = reserve(t, len + more + 2)) == NULL)
		return;
	*out++ = '"';
	if (more > 0)
		escape(out, in, len);
	else if (len > 0)
		memcpy(out, in, len);
	out[len + more] = '"';
	t->len += len + more + 2;
	t->comma = true;
}

void
json_text_boolean(struct json_text *t, const char *key, bool value)
{
	begin(t, key);
	put(t, value ? "true" : "false", value ? 4 : 5);
	t->comma = true;
}

char *
json_text_end(struct json_text *t, size_t *len)
{
	char *text;

	put(t, "", 1);
	text = t->text;
	if (t->failed) {
		wiping_free(text);
		text = NULL;
	} else if (len != NULL)
		*len = t->len - 1;
	memset(t, 0, sizeof(*t));
	return text;
}

/* Room for len bytes behind what is there; NULL after a failure. */
static char *
reserve(struct json_text *t, size_t len)
{
	char *grown;
	size_t size;

	if (t->failed)
		return NULL;
	if (len > t->size - t->len) {
		size = t->size == 0 ? FIRST_SIZE : 2 * t->size;
		if (size - t->len < len)
			size = t->len + len + FIRST_SIZE;
		if ((grown = wiping_realloc(t->text, size)) == NULL) {
			t->failed = true;
			return NULL;
		}
		t->text = grown;
		t->size = size;
	}
	return t->text + t->len;
}

static void
put(struct json_text *t, const char *text, size_t len)
{
	char *out;

	if ((out = reserve(t, len)) == NULL)
		return;
	memcpy(out, text, len);
	t->len += len;
}

static void
begin(struct json_text *t, const char *key)
{
	if (t->comma)
		put(t, ",", 1);
	if (key == NULL)
		return;
	put(t, "\"", 1);
	put(t, key, strlen(key));
	put(t, "\":", 2);
}

/* RFC 8259 7: 'u' for \u00XX, else the letter behind the backslash; 0: none is needed. */
static char
escape_of(uint8_t c)
{
	static const char letters[] = "uuuuuuuubtnufruu"
				      "uuuuuuuuuuuuuuuu";

	if (c < 0x20)
		return letters[c];
	return c == '"' || c == '\\' ? (char)c : '\0';
}

static void
escape(char *out, const uint8_t *in, size_t len)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t i;
	char letter;

	for (i = 0; i < len; i++) {
		if ((letter = escape_of(in[i])) == '\0') {
			*out++ = (char)in[i];
			continue;
		}
		*out++ = '\\';
		*out++ = letter;
		if (letter == 'u') {
			*out++ = '0';
			*out++ = '0';
			*out++ = hex[in[i] >> 4];
			*out++ = hex[in[i] & 15];
		}
	}
}
