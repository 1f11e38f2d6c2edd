/* SPDX-License-Identifier: ISC */
/*
 * The box of adc-cloud: the base set and nothing else.  TLS, HTTP and WebSocket
 * run on descriptors that are handed in, connected and with their options set,
 * so that neither sockets nor files nor socket options are needed here.
 */
#include "cloud.h"

#include "common/sandbox.h"

#include <stddef.h>

void
sandbox_cloud(void)
{
	static const struct sandbox box = {
		.name = "cloud",
		.chroot_to = SANDBOX_EMPTY,
		.calls = NULL,
		.paths = NULL,
		/* The loop, the parent, the log, tunnels and what opens in their place. */
		.descriptors = 64,
	};

	sandbox_enter(&box);
}
