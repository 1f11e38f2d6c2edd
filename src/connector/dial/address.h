/* SPDX-License-Identifier: ISC */
/*
 * Socket addresses and what connect(2) says of them, in words for people.
 * Opens nothing and asks nobody.
 */
#ifndef ADC_DIAL_ADDRESS_H
#define ADC_DIAL_ADDRESS_H

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

#define ADDRESS_TEXT_SIZE 64

union address {
	struct sockaddr any;
	struct sockaddr_in four;
	struct sockaddr_in6 six;
};

/* "192.0.2.1:636", "[2001:db8::1]:636". */
void dial_format_address(const struct sockaddr *, char *text, size_t size);
/* "does not accept connections" and the like for an errno of connect(2). */
const char *dial_connect_error(int);

#endif
