/* SPDX-License-Identifier: ISC */
/*
 * The parent's statement of new keys on its way to the hub, and the hub's answer on its way back
 * (docs/tunnel-protocol.md 5.4).  Both keys' signatures are the parent's; nothing here is a secret.
 */
#ifndef ADC_CLOUD_REKEY_H
#define ADC_CLOUD_REKEY_H

#include "cloud.h"
#include "frames.h"

#define REKEY_DEADLINE_MS 10000U

struct tunnel;

/* REKEY_STATEMENT; the tunnel is NULL when none is open. Exactly one REKEY_ANSWER follows. */
void rekey_send(const struct cloud *, struct tunnel *, struct message *);
/* FRAME_REKEYED; one that nobody waits for is nothing. */
void rekey_take(const struct tunnel *, const struct frame *);
void rekey_tunnel_gone(const struct tunnel *);

#endif
