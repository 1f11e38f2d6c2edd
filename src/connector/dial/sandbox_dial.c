/* SPDX-License-Identifier: ISC */
/*
 * The box of adc-dial.  It is the one process that may open sockets; in turn
 * it holds no secret, and sees of the file system only what says how names are resolved.
 */
#include "dial.h"

#include "common/sandbox.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <stddef.h>

static const struct sandbox_path paths[] = {
	{ "/etc", false },
	/* Where /etc/resolv.conf points to under systemd-resolved. */
	{ "/run/systemd/resolve", false },
	/* c-ares takes the keys of its query ids from here; without it they could be guessed. */
	{ "/dev/urandom", false },
	{ NULL, false },
};

/* Beside sockets and files: what connect.c and tcp_peer.c set and ask, and what c-ares does with
 * its own. */
static const struct sandbox_call calls[] = {
	{ "setsockopt", 2, TCP_NODELAY },
	{ "setsockopt", 2, TCP_KEEPIDLE },
	{ "setsockopt", 2, TCP_KEEPINTVL },
	{ "setsockopt", 2, TCP_USER_TIMEOUT },
	{ "setsockopt", 2, SO_KEEPALIVE },
	{ "getsockopt", 2, SO_ERROR },
	{ NULL, -1, 0 },
};

void
sandbox_dial(const uint16_t *ports, size_t nports)
{
	const struct sandbox box = {
		.name = "dial",
		/* No chroot: /etc must stay, and Landlock leaves no more than that. */
		.chroot_to = NULL,
		.internet = true,
		.read_files = true,
		.calls = calls,
		/* Where Landlock knows TCP: to the configured ports, and to DNS. */
		.ports = ports,
		.nports = nports,
		.paths = paths,
		.descriptors = 256,
	};

	sandbox_enter(&box);
}
