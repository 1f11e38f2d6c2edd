/* SPDX-License-Identifier: ISC */
/*
 * The heads of a server's LDAP messages, which are looked at before libldap sees them.  Cut
 * anywhere they read the same; and what passes is a message that liblber can begin, with an id that
 * libldap bears.
 */
#include "connector/directory/frame.h"
#include "fuzz.h"

#include <lber.h>
#include <stdbool.h>

#define MAX 4096U

/* A whole message, as liblber sees it. */
static void
check_message(const uint8_t *data, size_t len)
{
	struct berval bytes;
	BerElement *ber;
	ber_int_t id = -1;
	ber_len_t inside;
	ber_tag_t tag;

	memcpy(&bytes.bv_val, &data, sizeof(data));
	bytes.bv_len = len;
	fuzz_check((ber = ber_init(&bytes)) != NULL);
	tag = ber_skip_tag(ber, &inside);
	fuzz_check(tag == LBER_SEQUENCE && inside < len && inside <= MAX);
	fuzz_check(ber_get_int(ber, &id) == LBER_INTEGER && id >= 0);
	ber_free(ber, 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct frame whole, cut;
	size_t i, start = 0;
	int result, piece = 0;

	frame_init(&whole, MAX);
	frame_init(&cut, MAX);
	result = frame_take(&whole, data, len);
	for (i = 0; i < len && piece == 0; i++) {
		piece = frame_take(&cut, data + i, 1);
		fuzz_check(piece == -1 || (cut.left <= MAX && cut.more <= 4));
		if (piece == 0 && cut.state == FRAME_TAG) {
			check_message(data + start, i + 1 - start);
			start = i + 1;
		}
	}
	fuzz_check(result == piece);
	if (result == -1)
		fuzz_check(frame_take(&whole, "\x30\x05\x02\x01\x01\x61\x00", 7) == -1);
	else
		fuzz_check(whole.state == cut.state && whole.left == cut.left);
	return 0;
}
