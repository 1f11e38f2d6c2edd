/* SPDX-License-Identifier: ISC */
/*
 * Whether the host at the other end of a TCP connection is still there, asked by the kernel: of
 * what was sent by its acknowledgement, of an idle connection by probes (RFC 9293 3.8.3 and
 * 3.8.4, tcp(7)).
 *
 * Why not by the deadlines above it alone: they must be patient with a peer that is slow, and
 * would be as patient with one that a router has forgotten.  And a retransmission that comes
 * once in six or twelve seconds finds a mended line that much later; a new connection is tried
 * every second.
 *
 * The kernel's time runs from the first retransmission, or from the last byte of an idle
 * connection: three probes that are lost in a row end one, a packet a second shows that one
 * lives.  It also ends a connection whose peer has kept its receive window closed for that
 * long: a process that reads nothing is no better than a host that is gone.
 */
#ifndef ADC_TCP_PEER_H
#define ADC_TCP_PEER_H

/* Its connection ends with ETIMEDOUT when it has acknowledged, or taken, nothing for so long. */
#define TCP_PEER_LOST_MS 4000
/* An idle connection is probed every second. */
#define TCP_PEER_IDLE_S 1
#define TCP_PEER_PROBE_S 1

/* For a TCP socket in any state. -1 with errno when the kernel refuses one of the options. */
int tcp_peer_watch(int fd);

#endif
