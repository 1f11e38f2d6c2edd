/* SPDX-License-Identifier: ISC */
/*
 * What a connector says of itself: whether its directory can be asked
 * (docs/tunnel-protocol.md 5.5).
 */
#ifndef GATE_TUNNEL_STATUS_H
#define GATE_TUNNEL_STATUS_H

#include "tunnel.h"

#include <jansson.h>

/* A change for the log: one a second on average, some at once. */
#define STATUS_CHANGE_MS 1000
#define STATUS_CHANGES_AT_ONCE 5

/* Without a word on the directory nothing changes. -1: that word is none, and nothing was changed.
 */
int tunnel_status_take(struct tunnel *, const json_t *frame);

#endif
