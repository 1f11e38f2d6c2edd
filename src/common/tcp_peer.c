/* SPDX-License-Identifier: ISC */
/* See tcp_peer.h. */
#include "tcp_peer.h"

#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>

int
tcp_peer_watch(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, TCP_PEER_LOST_MS },
		{ IPPROTO_TCP, TCP_KEEPIDLE, TCP_PEER_IDLE_S },
		{ IPPROTO_TCP, TCP_KEEPINTVL, TCP_PEER_PROBE_S },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (setsockopt(fd, options[i].level, options[i].name, &options[i].value,
			sizeof(options[i].value)) == -1)
			return -1;
	return 0;
}
