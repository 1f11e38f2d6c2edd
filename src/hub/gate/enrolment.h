/* SPDX-License-Identifier: ISC */
/*
 * A connector's request to be enrolled, read and checked (docs/tunnel-protocol.md 3.2).
 * No input or output.
 */
#ifndef GATE_ENROLMENT_H
#define GATE_ENROLMENT_H

#include "common/jose_key.h"

#include <stddef.h>
#include <stdint.h>

#define ENROLMENT_MAX 16384 /* bytes of the body */
/* Base64url characters. More than 120 are never made, and would not fit into a message. */
#define TICKET_SECRET_MIN 22
#define TICKET_SECRET_MAX 120

struct enrolment {
	char name[256];
	char version[65];
	uint8_t sign[JOSE_KEY_PUBLIC_SIZE];
	uint8_t seal[JOSE_KEY_PUBLIC_SIZE];
};

/* 0 when the sender has the sign key and chose this seal key for this ticket; else -1 and *why. */
int enrolment_read(
    const char *body, size_t len, const char *secret, struct enrolment *, const char **why);

#endif
