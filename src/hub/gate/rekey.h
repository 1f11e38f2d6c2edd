/* SPDX-License-Identifier: ISC */
/*
 * A connector that changes its keys, through the tunnel that the keys it has have proved
 * (docs/tunnel-protocol.md 5.4).  The tunnel goes on with these; the next one is proved by the
 * new ones, and from its welcome on clients are told to seal for those.
 */
#ifndef GATE_REKEY_H
#define GATE_REKEY_H

#include <jansson.h>

/* Statements of one tunnel that are looked at: one in this time on average, some at once. */
#define REKEY_INTERVAL_MS 10000
#define REKEY_AT_ONCE 3

struct rekey_ask;
struct tunnel;

/* A rekey frame; answered with a rekeyed frame, now or later. */
void rekey_take(struct tunnel *, const json_t *frame);
/* The tunnel ends; its answer is not waited for any more. NULL is fine. */
void rekey_forget(struct rekey_ask *);

#endif
