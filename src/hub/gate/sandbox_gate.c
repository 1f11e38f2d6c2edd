/* SPDX-License-Identifier: ISC */
/*
 * What a gate may still ask of the kernel.  It has its listeners and its channel; it
 * opens no file, makes no socket, reaches no address.
 */
#include "gate.h"
#include "common/sandbox.h"

#include <sys/ioctl.h>
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

/* Listeners, channel, epoll, standard descriptors, and some spare. */
#define OTHER_DESCRIPTORS 64

void
sandbox_gate(const struct gate *gate)
{
	static const struct sandbox_call public_calls[] = {
		{ "accept4", -1, 0 },
		/* libevent asks how much there is to read. */
		{ "ioctl", 1, FIONREAD },
		{ "setsockopt", 2, TCP_NODELAY },
		/* tcp_peer.c, of tunnels. */
		{ "setsockopt", 2, TCP_USER_TIMEOUT },
		{ "setsockopt", 2, TCP_KEEPIDLE },
		{ "setsockopt", 2, TCP_KEEPINTVL },
		{ "setsockopt", 2, SO_KEEPALIVE },
		{ NULL, -1, 0 },
	};
	static const struct sandbox_call control_calls[] = {
		{ "accept4", -1, 0 },
		{ "ioctl", 1, FIONREAD },
		{ "getsockopt", 2, SO_PEERCRED },
		{ NULL, -1, 0 },
	};
	struct sandbox sandbox = {
		.name = "gate",
		.chroot_to = SANDBOX_EMPTY,
		.calls = gate->role == ROLE_GATE_PUBLIC ? public_calls : control_calls,
		.descriptors = HTTP_CONNECTIONS_MAX + OTHER_DESCRIPTORS,
	};

	if (gate->role == ROLE_GATE_PUBLIC)
		sandbox.descriptors += TUNNELS_MAX;
	sandbox_enter(&sandbox);
}
