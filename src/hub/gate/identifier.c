/* SPDX-License-Identifier: ISC */
/* Forms of names: see identifier.h.  Whether such a thing exists is the store's to say. */
#include "identifier.h"

#include <string.h>

bool
is_connection_identifier(const char *s)
{
	size_t len = strlen(s);

	return len >= 1 && len < CONNECTION_SIZE &&
	    strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

bool
is_token(const char *s, unsigned long min, unsigned long max)
{
	size_t len = strlen(s);

	return len >= min && len <= max &&
	    strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}
