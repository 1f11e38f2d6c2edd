/* SPDX-License-Identifier: ISC */
/*
 * What the fuzz targets share: the end of a program whose decoder broke a promise, and the
 * taking apart of an input.  Must not know any decoder.
 *
 * libFuzzer gives each input in a block of its exact size, so a step past its end shows
 * wherever a target hands the input on as it is.
 */
#ifndef ADC_FUZZ_H
#define ADC_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* As assert(3), but never left out of a build. */
#define fuzz_check(condition)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* What is left of an input. */
struct fuzz_input {
	const uint8_t *data;
	size_t len;
};

/* 0 when nothing is left. */
static inline uint8_t
fuzz_byte(struct fuzz_input *in)
{
	if (in->len == 0)
		return 0;
	in->len--;
	return *in->data++;
}

/* Takes up to the next byte of this value, and that byte; all that is left when there is none. */
static inline struct fuzz_input
fuzz_until(struct fuzz_input *in, uint8_t end)
{
	struct fuzz_input piece = *in;
	const uint8_t *at = in->len == 0 ? NULL : memchr(in->data, end, in->len);

	piece.len = at == NULL ? in->len : (size_t)(at - in->data);
	in->data += piece.len + (at != NULL);
	in->len -= piece.len + (at != NULL);
	return piece;
}

/* The bytes in a block of their own, with a NUL behind them; to be freed. */
static inline char *
fuzz_text(struct fuzz_input in)
{
	char *text = malloc(in.len + 1);

	if (text == NULL)
		abort();
	if (in.len > 0)
		memcpy(text, in.data, in.len);
	text[in.len] = '\0';
	return text;
}

#endif
