/* SPDX-License-Identifier: ISC */
/*
 * Addresses of clients: see address.h.  An IPv4 address that arrives mapped
 * into IPv6 is the IPv4 address, so that a listener on [::] counts alike.
 */
#include "address.h"

#include <arpa/inet.h>
#include <bsd/string.h>
#include <netinet/in.h>
#include <string.h>

static void
from_ipv4(struct address *a, const void *bytes)
{
	memset(a->key, 0, 10);
	memset(a->key + 10, 0xff, 2);
	memcpy(a->key + 12, bytes, 4);
	if (inet_ntop(AF_INET, bytes, a->text, sizeof(a->text)) == NULL)
		a->text[0] = '\0';
}

void
address_from(struct address *a, const struct sockaddr *sa, socklen_t len)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	memset(a, 0, sizeof(*a));
	if (sa->sa_family == AF_INET && len >= (socklen_t)sizeof(in)) {
		memcpy(&in, sa, sizeof(in));
		from_ipv4(a, &in.sin_addr);
	} else if (sa->sa_family == AF_INET6 && len >= (socklen_t)sizeof(in6)) {
		memcpy(&in6, sa, sizeof(in6));
		if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
			from_ipv4(a, in6.sin6_addr.s6_addr + 12);
			return;
		}
		memcpy(a->key, in6.sin6_addr.s6_addr, 8);
		if (inet_ntop(AF_INET6, &in6.sin6_addr, a->text, sizeof(a->text)) == NULL)
			a->text[0] = '\0';
	} else
		strlcpy(a->text, "local", sizeof(a->text));
}
