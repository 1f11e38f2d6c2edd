/* SPDX-License-Identifier: ISC */
/*
 * Getters and setters of the message encoding.  Nothing here knows what a
 * message means; nothing here allocates more than WIRE_MAX.
 */
#include "wire.h"

#include <stdlib.h>
#include <string.h>

void
wire_writer_init(struct wire_writer *w)
{
	memset(w, 0, sizeof(*w));
}

void
wire_writer_free(struct wire_writer *w)
{
	if (w->data != NULL) {
		explicit_bzero(w->data, w->size);
		free(w->data);
	}
	wire_writer_init(w);
}

/*
 * realloc() could leave a copy of a password in the block it gives back, so
 * growing is done by hand.
 */
static uint8_t *
writer_reserve(struct wire_writer *w, size_t len)
{
	uint8_t *p, *grown;
	size_t size;

	if (w->failed || len > WIRE_MAX - w->len) {
		w->failed = true;
		return NULL;
	}
	if (len > w->size - w->len) {
		size = w->size == 0 ? 256 : w->size;
		while (size < w->len + len)
			size *= 2;
		if ((grown = malloc(size)) == NULL) {
			w->failed = true;
			return NULL;
		}
		if (w->data != NULL) {
			memcpy(grown, w->data, w->len);
			explicit_bzero(w->data, w->size);
			free(w->data);
		}
		w->data = grown;
		w->size = size;
	}
	p = w->data + w->len;
	w->len += len;
	return p;
}

void
wire_put_fixed(struct wire_writer *w, const void *src, size_t len)
{
	uint8_t *p;

	if ((p = writer_reserve(w, len)) != NULL && len > 0)
		memcpy(p, src, len);
}

static void
put_integer(struct wire_writer *w, uint64_t value, size_t width)
{
	uint8_t *p;
	size_t i;

	if ((p = writer_reserve(w, width)) == NULL)
		return;
	for (i = 0; i < width; i++)
		p[i] = (uint8_t)(value >> (8 * i));
}

void
wire_put_u8(struct wire_writer *w, uint8_t value)
{
	put_integer(w, value, 1);
}

void
wire_put_u16(struct wire_writer *w, uint16_t value)
{
	put_integer(w, value, 2);
}

void
wire_put_u32(struct wire_writer *w, uint32_t value)
{
	put_integer(w, value, 4);
}

void
wire_put_u64(struct wire_writer *w, uint64_t value)
{
	put_integer(w, value, 8);
}

void
wire_put_bytes(struct wire_writer *w, const void *src, size_t len)
{
	if (len > WIRE_MAX) {
		w->failed = true;
		return;
	}
	wire_put_u32(w, (uint32_t)len);
	wire_put_fixed(w, src, len);
}

void
wire_put_string(struct wire_writer *w, const char *s)
{
	wire_put_bytes(w, s, s == NULL ? 0 : strlen(s));
}

void
wire_reader_init(struct wire_reader *r, const void *data, size_t len)
{
	r->data = data;
	r->len = len;
	r->at = 0;
	r->failed = false;
	r->short_of_memory = false;
}

static const uint8_t *
reader_take(struct wire_reader *r, size_t len)
{
	const uint8_t *p;

	if (r->failed || len > r->len - r->at) {
		r->failed = true;
		return NULL;
	}
	p = r->data + r->at;
	r->at += len;
	return p;
}

static uint64_t
get_integer(struct wire_reader *r, size_t width)
{
	const uint8_t *p;
	uint64_t value = 0;
	size_t i;

	if ((p = reader_take(r, width)) == NULL)
		return 0;
	for (i = 0; i < width; i++)
		value |= (uint64_t)p[i] << (8 * i);
	return value;
}

uint8_t
wire_get_u8(struct wire_reader *r)
{
	return (uint8_t)get_integer(r, 1);
}

uint16_t
wire_get_u16(struct wire_reader *r)
{
	return (uint16_t)get_integer(r, 2);
}

uint32_t
wire_get_u32(struct wire_reader *r)
{
	return (uint32_t)get_integer(r, 4);
}

uint64_t
wire_get_u64(struct wire_reader *r)
{
	return get_integer(r, 8);
}

void
wire_get_fixed(struct wire_reader *r, void *dst, size_t len)
{
	const uint8_t *p;

	if (len == 0)
		return;
	if ((p = reader_take(r, len)) == NULL)
		memset(dst, 0, len);
	else
		memcpy(dst, p, len);
}

const uint8_t *
wire_get_bytes(struct wire_reader *r, size_t min, size_t max, size_t *len)
{
	const uint8_t *p;
	uint32_t n;

	*len = 0;
	n = wire_get_u32(r);
	if (r->failed || n < min || n > max) {
		r->failed = true;
		return NULL;
	}
	if ((p = reader_take(r, n)) != NULL)
		*len = n;
	return p;
}

void
wire_get_string(struct wire_reader *r, char *dst, size_t size, size_t min)
{
	const uint8_t *p;
	size_t len;

	dst[0] = '\0';
	p = wire_get_bytes(r, min, size - 1, &len);
	if (p == NULL)
		return;
	if (memchr(p, '\0', len) != NULL || !utf8_valid(p, len)) {
		r->failed = true;
		return;
	}
	memcpy(dst, p, len);
	dst[len] = '\0';
}

char *
wire_get_string_dup(struct wire_reader *r, size_t min, size_t max)
{
	const uint8_t *p;
	char *s;
	size_t len;

	if ((p = wire_get_bytes(r, min, max, &len)) == NULL)
		return NULL;
	if (memchr(p, '\0', len) != NULL || !utf8_valid(p, len)) {
		r->failed = true;
		return NULL;
	}
	if ((s = malloc(len + 1)) == NULL) {
		r->failed = r->short_of_memory = true;
		return NULL;
	}
	memcpy(s, p, len);
	s[len] = '\0';
	return s;
}

int
wire_end(struct wire_reader *r)
{
	return r->failed || r->at != r->len ? -1 : 0;
}

bool
utf8_valid(const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t i = 0, n, k;
	uint64_t eight;
	uint32_t c;

	while (i < len) {
		/* Most texts are ASCII: eight bytes at a time, which may lie anywhere. */
		if (len - i >= sizeof(eight)) {
			memcpy(&eight, p + i, sizeof(eight));
			if ((eight & 0x8080808080808080U) == 0) {
				i += sizeof(eight);
				continue;
			}
		}
		if (p[i] < 0x80) {
			i++;
			continue;
		}
		if (p[i] >= 0xc2 && p[i] <= 0xdf) {
			n = 1;
			c = p[i] & 0x1fU;
		} else if ((p[i] & 0xf0) == 0xe0) {
			n = 2;
			c = p[i] & 0x0fU;
		} else if (p[i] >= 0xf0 && p[i] <= 0xf4) {
			n = 3;
			c = p[i] & 0x07U;
		} else
			return false;
		if (n > len - i - 1)
			return false;
		for (k = 1; k <= n; k++) {
			if ((p[i + k] & 0xc0) != 0x80)
				return false;
			c = c << 6 | (p[i + k] & 0x3fU);
		}
		/* Overlong forms, surrogates and what lies beyond Unicode. */
		if ((n == 2 && c < 0x800) || (n == 3 && (c < 0x10000 || c > 0x10ffff)) ||
		    (c >= 0xd800 && c <= 0xdfff))
			return false;
		i += n + 1;
	}
	return true;
}

void
utf8_trim(char *text)
{
	size_t len;

	for (len = strlen(text); len > 0 && !utf8_valid(text, len); len--)
		text[len - 1] = '\0';
}
