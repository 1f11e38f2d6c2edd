/* SPDX-License-Identifier: ISC */
/*
 * Escaping is by what is allowed to pass, not by a list of what is dangerous:
 * a byte that is not known to be harmless becomes \xx.
 */
#include "build.h"

#include "filter.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char hex[] = "0123456789abcdef";

void
filter_init(struct filter *f)
{
	memset(f, 0, sizeof(*f));
}

void
filter_free(struct filter *f)
{
	free(f->text);
	filter_init(f);
}

/* Room for n more bytes and the NUL. */
static int
reserve(struct filter *f, size_t n)
{
	size_t size;
	char *grown;

	if (f->failed)
		return -1;
	if (n >= FILTER_MAX || f->len + n + 1 > FILTER_MAX) {
		f->failed = 1;
		return -1;
	}
	if (f->len + n + 1 <= f->size)
		return 0;
	size = f->size == 0 ? 256 : f->size;
	while (size < f->len + n + 1)
		size *= 2;
	if ((grown = realloc(f->text, size)) == NULL) {
		f->failed = 1;
		return -1;
	}
	f->text = grown;
	f->size = size;
	return 0;
}

static void
append(struct filter *f, const char *text, size_t len)
{
	if (reserve(f, len) == -1)
		return;
	memcpy(f->text + f->len, text, len);
	f->len += len;
	f->text[f->len] = '\0';
}

void
filter_add(struct filter *f, const char *text)
{
	append(f, text, strlen(text));
}

static int
harmless(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	    c == '-' || c == '.' || c == '_' || c == '@';
}

void
filter_add_equal(struct filter *f, const char *attribute, const void *value, size_t len)
{
	const uint8_t *p = value;
	size_t i;
	char *at;

	filter_add(f, "(");
	filter_add(f, attribute);
	filter_add(f, "=");
	if (len > FILTER_MAX / 3) {
		f->failed = 1;
		return;
	}
	if (reserve(f, 3 * len + 1) == -1)
		return;
	at = f->text + f->len;
	for (i = 0; i < len; i++) {
		if (harmless(p[i])) {
			*at++ = (char)p[i];
		} else {
			*at++ = '\\';
			*at++ = hex[p[i] >> 4];
			*at++ = hex[p[i] & 15];
		}
	}
	*at++ = ')';
	*at = '\0';
	f->len = (size_t)(at - f->text);
}

const char *
filter_text(const struct filter *f)
{
	return f->failed ? NULL : f->text;
}
