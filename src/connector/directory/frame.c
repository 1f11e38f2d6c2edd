/* SPDX-License-Identifier: ISC */
/*
 * One byte at a time through the head of a message, in one step over its rest.
 */
#include "build.h"

#include "frame.h"

#include <stdbool.h>
#include <string.h>

/* Of id and operation: INTEGER, length, one byte; tag, length. */
#define MESSAGE_MIN 5U
#define SEQUENCE 0x30
#define INTEGER 0x02
#define EXTENDED_RESPONSE 0x78

void
frame_init(struct frame *f, size_t max)
{
	memset(f, 0, sizeof(*f));
	f->max = max > UINT32_MAX ? UINT32_MAX : (uint32_t)max;
}

/* What a server may answer to what is asked here: bind, search, StartTLS. */
static bool
is_answer(uint8_t tag)
{
	switch (tag) {
	case 0x61: /* BindResponse */
	case 0x64: /* SearchResultEntry */
	case 0x65: /* SearchResultDone */
	case 0x73: /* SearchResultReference */
	case EXTENDED_RESPONSE:
	case 0x79: /* IntermediateResponse */
		return true;
	default:
		return false;
	}
}

static int
length_known(struct frame *f, uint32_t length)
{
	if (length < MESSAGE_MIN || length > f->max)
		return -1;
	f->left = length;
	f->state = FRAME_ID_TAG;
	return 0;
}

/* A byte of the length. Its first says how many follow; "indefinite" is 0 of them. */
static int
take_length(struct frame *f, uint8_t byte)
{
	if (f->state == FRAME_LENGTH) {
		if ((byte & 0x80) == 0)
			return length_known(f, byte);
		f->more = byte & 0x7f;
		f->value = 0;
		f->state = FRAME_LENGTH_MORE;
		return f->more >= 1 && f->more <= sizeof(f->value) ? 0 : -1;
	}
	f->value = f->value << 8 | byte;
	return --f->more > 0 ? 0 : length_known(f, f->value);
}

/* A byte of the message's inside, up to the tag of its operation. */
static int
take_inside(struct frame *f, uint8_t byte)
{
	f->left--;
	switch (f->state) {
	case FRAME_ID_TAG:
		f->state = FRAME_ID_LENGTH;
		return byte == INTEGER ? 0 : -1;
	case FRAME_ID_LENGTH:
		f->more = byte;
		f->value = 0;
		f->state = FRAME_ID;
		/* Behind the id there is an operation, of two bytes at least. */
		return byte >= 1 && byte <= sizeof(f->value) && f->left >= byte + 2U ? 0 : -1;
	case FRAME_ID:
	case FRAME_ID_MORE:
		if (f->state == FRAME_ID && (byte & 0x80) != 0)
			return -1; /* negative */
		f->value = f->value << 8 | byte;
		f->state = --f->more > 0 ? FRAME_ID_MORE : FRAME_OPERATION;
		return 0;
	default:
		f->state = FRAME_REST;
		return is_answer(byte) && (f->value != 0 || byte == EXTENDED_RESPONSE) ? 0 : -1;
	}
}

int
frame_take(struct frame *f, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	size_t n;
	int result = f->state == FRAME_BROKEN ? -1 : 0;

	while (len > 0 && result == 0) {
		n = 1;
		switch (f->state) {
		case FRAME_TAG:
			f->state = FRAME_LENGTH;
			result = *p == SEQUENCE ? 0 : -1;
			break;
		case FRAME_LENGTH:
		case FRAME_LENGTH_MORE:
			result = take_length(f, *p);
			break;
		case FRAME_REST:
			n = len < f->left ? len : f->left;
			f->left -= (uint32_t)n;
			if (f->left == 0)
				f->state = FRAME_TAG;
			break;
		default:
			result = take_inside(f, *p);
			break;
		}
		p += n;
		len -= n;
	}
	if (result == -1)
		f->state = FRAME_BROKEN;
	return result;
}
