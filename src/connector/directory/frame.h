/* SPDX-License-Identifier: ISC */
/*
 * The outside of an LDAP message: is what a server sends one at all?
 *
 * libldap 2.5 waits for ever for the rest of a message that cannot be one, drops
 * an answer without an id as if it had not come, and with NDEBUG unset ends the
 * process for a negative id.  So every message's head is looked at before libldap
 * sees it: SEQUENCE, definite length within the limit, INTEGER id of 0..2^31-1,
 * and an operation that a server sends.  Nothing inside is looked at here.
 *
 * Pure: bytes in, verdict out. It keeps no byte of a message.  RFC 4511 4.1.1, 5.1.
 */
#ifndef ADC_DIRECTORY_FRAME_H
#define ADC_DIRECTORY_FRAME_H

#include <stddef.h>
#include <stdint.h>

struct frame {
	enum {
		FRAME_TAG,
		FRAME_LENGTH,
		FRAME_LENGTH_MORE,
		FRAME_ID_TAG,
		FRAME_ID_LENGTH,
		FRAME_ID,
		FRAME_ID_MORE,
		FRAME_OPERATION,
		FRAME_REST,
		FRAME_BROKEN
	} state;
	uint32_t max;	   /* bytes of a message behind its length */
	uint32_t left;	   /* bytes of this message to come */
	uint32_t value;	   /* length or id, as far as it is read */
	unsigned int more; /* its bytes to come */
};

void frame_init(struct frame *, size_t max);
/* The next bytes of the stream, cut anywhere. -1: no LDAP; and so for ever after. */
int frame_take(struct frame *, const void *bytes, size_t len);

#endif
