/* SPDX-License-Identifier: ISC */
/*
 * See address.h.
 */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

void
dial_format_address(const struct sockaddr *sa, char *text, size_t size)
{
	char host[INET6_ADDRSTRLEN];
	union address a;

	if (sa->sa_family == AF_INET6) {
		memcpy(&a.six, sa, sizeof(a.six));
		if (inet_ntop(AF_INET6, &a.six.sin6_addr, host, sizeof(host)) == NULL)
			host[0] = '\0';
		snprintf(text, size, "[%s]:%u", host, (unsigned int)ntohs(a.six.sin6_port));
	} else {
		memcpy(&a.four, sa, sizeof(a.four));
		if (inet_ntop(AF_INET, &a.four.sin_addr, host, sizeof(host)) == NULL)
			host[0] = '\0';
		snprintf(text, size, "%s:%u", host, (unsigned int)ntohs(a.four.sin_port));
	}
}

const char *
dial_connect_error(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return "connection refused: nothing listens there, or a firewall rejects it";
	case ETIMEDOUT:
		return "no answer: the host is down, or a firewall drops what is sent to it";
	case ENETUNREACH:
	case EHOSTUNREACH:
		return "there is no route to it";
	case EACCES:
	case EPERM:
		return "connecting is forbidden on this host";
	case EADDRNOTAVAIL:
		return "no local address or port is free to connect from";
	default:
		return strerror(error);
	}
}
