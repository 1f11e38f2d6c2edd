/* SPDX-License-Identifier: ISC */
/*
 * A connector's statement that it has new keys, read and checked (docs/tunnel-protocol.md 5.4).
 * No input or output; whether the keys may be taken is the store's to say, which checks the
 * signatures again.
 */
#ifndef GATE_REKEY_STATEMENT_H
#define GATE_REKEY_STATEMENT_H

#include "common/rekey.h"

#include <jansson.h>

/*
 * Fills sign and seal of what is wanted, whose other members say which connector, on which
 * tunnel, with which key, must have signed.  0 when both signatures are right; else -1 and *why,
 * in static words.
 */
int rekey_statement_read(const json_t *frame, const struct jose_key *recorded,
    struct rekey_statement *wanted, const char **why);

#endif
