/* SPDX-License-Identifier: ISC */
/*
 * LDAP search filters made of values from outside (RFC 4515).
 *
 * No other file puts a value into a filter.  Everything but plain letters,
 * digits and a few harmless signs is escaped, so nothing that somebody typed
 * can become a part of the filter's structure.
 */
#ifndef ADC_DIRECTORY_FILTER_H
#define ADC_DIRECTORY_FILTER_H

#include <stddef.h>

struct filter {
	char *text; /* malloc'ed, NUL-terminated; NULL while empty */
	size_t len;
	size_t size;
	int failed; /* out of memory, or longer than FILTER_MAX */
};

/* Bytes of a filter, NUL included; a larger one fails. */
#define FILTER_MAX 65536

void filter_init(struct filter *);
void filter_free(struct filter *);
/* Text of our own, as it is: "(|", ")", a constant filter. */
void filter_add(struct filter *, const char *text);
/* "(attribute=value)" with value escaped (RFC 4515 section 3). */
void filter_add_equal(struct filter *, const char *attribute, const void *value, size_t len);
/* The filter, owned by the structure; NULL when anything failed. */
const char *filter_text(const struct filter *);

#endif
