/* SPDX-License-Identifier: ISC */
/*
 * Where a request came from, as text for the audit and as a key for limits.
 * The key of an IPv6 address is its /64: one customer has that many.
 */
#ifndef GATE_ADDRESS_H
#define GATE_ADDRESS_H

#include <sys/socket.h>

#include <stdint.h>

#define ADDRESS_KEY_SIZE 16
#define ADDRESS_TEXT_SIZE 46 /* INET6_ADDRSTRLEN */

struct address {
	uint8_t key[ADDRESS_KEY_SIZE];
	char text[ADDRESS_TEXT_SIZE]; /* "192.0.2.1", "2001:db8::1", "local" for a unix socket */
};

void address_from(struct address *, const struct sockaddr *, socklen_t);

#endif
