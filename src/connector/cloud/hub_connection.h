/* SPDX-License-Identifier: ISC */
/*
 * The way to the hub: a descriptor from the parent (which had it dialled), the
 * proxy's CONNECT if there is a proxy, then TLS.  Ends with a stream whose far end is the hub.
 */
#ifndef ADC_CLOUD_HUB_CONNECTION_H
#define ADC_CLOUD_HUB_CONNECTION_H

#include "cloud.h"
#include "common/stream.h"

struct hub_connection;

/*
 * stream is the callee's (it sets its own callbacks), or NULL with a failure.
 * Called once, never from within hub_connect(); the connection is freed after it.
 */
typedef void (*hub_connected_fn)(void *arg, struct stream *, const struct failure *);

struct hub_connection *
hub_connect(const struct cloud *, uint32_t deadline_ms, hub_connected_fn, void *arg);
/* Gives up without calling back. NULL is fine. */
void hub_connection_free(struct hub_connection *);

#endif
