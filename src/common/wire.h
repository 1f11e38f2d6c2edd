/* SPDX-License-Identifier: ISC */
/*
 * The bytes inside a message: fixed-width little-endian integers and
 * length-prefixed strings, written and read through bounded setters and
 * getters.  A C struct never crosses a process boundary: padding would carry
 * old memory across, and a struct cannot be checked.
 *
 * Errors are sticky.  A handler reads every field, then calls wire_end(), and
 * only then acts; one check covers short, overlong and trailing input.
 */
#ifndef ADC_WIRE_H
#define ADC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire_writer {
	uint8_t *data; /* malloc'ed, owned by the writer */
	size_t len;
	size_t size;
	bool failed;
};

struct wire_reader {
	const uint8_t *data; /* borrowed */
	size_t len;
	size_t at;
	bool failed;
	bool short_of_memory; /* that is why: nothing is wrong with the message */
};

/* Writers grow up to WIRE_MAX and then fail; a failed writer sends nothing. */
#define WIRE_MAX (1U << 20)

void wire_writer_init(struct wire_writer *);
/* Wipes and frees. The writer may be initialised again. */
void wire_writer_free(struct wire_writer *);
void wire_put_u8(struct wire_writer *, uint8_t);
void wire_put_u16(struct wire_writer *, uint16_t);
void wire_put_u32(struct wire_writer *, uint32_t);
void wire_put_u64(struct wire_writer *, uint64_t);
/* Exactly len bytes, no length in front: for keys, digests, GUIDs. */
void wire_put_fixed(struct wire_writer *, const void *, size_t len);
/* u32 length, then the bytes. */
void wire_put_bytes(struct wire_writer *, const void *, size_t len);
/* A string as bytes without its NUL; NULL is written as "". */
void wire_put_string(struct wire_writer *, const char *);

void wire_reader_init(struct wire_reader *, const void *data, size_t len);
uint8_t wire_get_u8(struct wire_reader *);
uint16_t wire_get_u16(struct wire_reader *);
uint32_t wire_get_u32(struct wire_reader *);
uint64_t wire_get_u64(struct wire_reader *);
void wire_get_fixed(struct wire_reader *, void *dst, size_t len);
/* Borrowed pointer into the message, NULL after an error. */
const uint8_t *wire_get_bytes(struct wire_reader *, size_t min, size_t max, size_t *len);
/*
 * Copies into dst[size] and terminates. Fails when the string is longer than
 * size - 1, shorter than min, holds a NUL or is not UTF-8.
 */
void wire_get_string(struct wire_reader *, char *dst, size_t size, size_t min);
/* The same, malloc'ed, at most max bytes; NULL after an error. */
char *wire_get_string_dup(struct wire_reader *, size_t min, size_t max);
/* 0 when everything was read without an error and nothing is left, else -1. */
int wire_end(struct wire_reader *);

/* True when the bytes are well-formed UTF-8 (RFC 3629); NUL counts as valid. */
bool utf8_valid(const void *, size_t len);
/* Shortens what was cut, perhaps inside a character, to whole ones. */
void utf8_trim(char *);

#endif
