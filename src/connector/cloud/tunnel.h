/* SPDX-License-Identifier: ISC */
/*
 * One tunnel from the first byte to the last: connect, upgrade, challenge,
 * hello, welcome, requests, end (docs/tunnel-protocol.md 4).  It never comes
 * back; whether there is a next one is keeper.h's business.
 */
#ifndef ADC_CLOUD_TUNNEL_H
#define ADC_CLOUD_TUNNEL_H

#include "cloud.h"
#include "failure.h"

#include <stdbool.h>

/* From the upgrade's answer to the welcome. */
#define TUNNEL_PROOF_MS 5000U

struct tunnel;

/* welcomed, state and drain must not free the tunnel; ended does. */
struct tunnel_callbacks {
	/* time: the hub's, in seconds since 1970. */
	void (*welcomed)(struct tunnel *, bool approved, int64_t time);
	void (*state)(struct tunnel *, bool approved);
	void (*drain)(struct tunnel *); /* the hub wants another one in its place */
	/* code: of the hub's close frame, or 0. */
	void (*ended)(struct tunnel *, unsigned int code, const struct failure *);
};

struct tunnel *tunnel_new(const struct cloud *, const struct tunnel_callbacks *);
/* Closes at once. NULL is fine. */
void tunnel_free(struct tunnel *);
/* Takes no request any more, and closes with 1001 once the last has its result; ended() follows. */
void tunnel_finish(struct tunnel *);
bool tunnel_is_welcomed(const struct tunnel *);
/* Sends a text of the connector's own, on a tunnel that is welcomed. */
void tunnel_send(struct tunnel *, const char *text, size_t len);

#endif
