/* SPDX-License-Identifier: ISC */
/*
 * The connector's side of opening a tunnel, checked (docs/tunnel-protocol.md 4.2).  No
 * input or output here.
 */
#ifndef GATE_HELLO_H
#define GATE_HELLO_H

#include "identifier.h"
#include "common/jose_key.h"

#include <stddef.h>

#define NONCE_BYTES 32
#define NONCE_SIZE 44 /* base64url and NUL */

struct hello {
	char version[65];
	char host[256];
	char domain[256];
	char previous[NONCE_SIZE]; /* nonce of its last tunnel that was welcomed; "": none */
};

/*
 * Takes proof and connector id out of a hello frame. The id is only a claim until
 * hello_check().  0 and *proof (malloc'ed); or -1, with *why set to static words.
 */
int hello_read(const char *text, size_t len, char connector_id[CONNECTOR_ID_SIZE], char **proof,
    const char **why);
/* 0 when the proof is by this key over exactly this nonce, URL and id; else -1 and *why. */
int hello_check(const struct jose_key *, const char *proof, const char *nonce,
    const char *tunnel_url, const char *connector_id, struct hello *, const char **why);

#endif
