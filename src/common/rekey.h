/* SPDX-License-Identifier: ISC */
/*
 * The statement with which a connector puts new keys in the place of those it has
 * (docs/tunnel-protocol.md 5.4): its one spelling, for who signs it and for both who check it.
 *
 * The hub's store checks it by making the text itself, out of what it knows and what it was
 * told, so that it takes no JSON apart.  Must not decide whether the keys may be taken.
 */
#ifndef COMMON_REKEY_H
#define COMMON_REKEY_H

#include "jose_key.h"
#include "message.h"

#include <stddef.h>
#include <stdint.h>

/* By the key that is recorded at the hub, and, over the same text, by the new one. */
#define REKEY_TYPE "adconnector-rekey+jws"
#define REKEY_PROOF_TYPE "adconnector-rekey-proof+jws"
/* Characters of either, more than the longest text needs. */
#define REKEY_JWS_MAX 4096
/*
 * Seconds for which texts that are sealed for the key before can still be opened: as long as
 * they are young enough, and the longest deadline beyond.  No further change before that.
 */
#define REKEY_OVERLAP_S 360

struct rekey_statement {
	const char *connection;
	const char *connector_id;
	const char *nonce;	/* of the challenge of the tunnel that it is sent on */
	const char *tunnel_url; /* the hub's own */
	const char *old;	/* kid of the sign key that is recorded */
	uint8_t sign[JOSE_KEY_PUBLIC_SIZE];
	uint8_t seal[JOSE_KEY_PUBLIC_SIZE];
};

/* The text that is signed, malloc'ed; NULL when memory is short or a key is no point. */
char *rekey_text(const struct rekey_statement *, size_t *len) __attribute__((warn_unused_result));
/* The same, signed; NULL as well when the key cannot sign. */
char *rekey_sign(const struct rekey_statement *, const struct jose_key *, const char *type)
    __attribute__((warn_unused_result));
/*
 * 0 only if the JWS is over exactly this text, and by the owner of this public key; otherwise
 * errno is wiping_fault()'s.
 */
int rekey_check(const struct rekey_statement *, const uint8_t signer[JOSE_KEY_PUBLIC_SIZE],
    const char *type, const char *jws) __attribute__((warn_unused_result));

/* As the tunnel spells it: "ok", "rejected"... */
const char *rekey_word(enum rekey_result);
/* REKEY_RESULTS for a word that is none. */
enum rekey_result rekey_from_word(const char *word);

#endif
