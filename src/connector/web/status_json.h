/* SPDX-License-Identifier: ISC */
/*
 * The document of GET /api/v1/status, made from the parent's key and value
 * pairs.
 *
 * Three states keep the place and the words that existing watchdogs look for:
 *
 *	data.ws.upstream.status  the link to the hub
 *	data.ws.auth.status      whether logins come through it
 *	data.ad.status           the link to Active Directory
 *
 * "status" there is STATUS_HEALTHY or a text for people; "code" beside it is one
 * word that stays the same from version to version.  Every other key of the parent's
 * appears under data, "tunnel.hub" as data.tunnel.hub.
 */
#ifndef ADC_WEB_STATUS_JSON_H
#define ADC_WEB_STATUS_JSON_H

#include <jansson.h>

#include <stddef.h>

/* "connected", in the words of the product whose watchdogs compare with it. */
#define STATUS_HEALTHY "\xe8\xbf\x9e\xe6\x8e\xa5\xe5\xae\x8c\xe6\x88\x90"

#define STATUS_PAIRS_MAX 512
#define STATUS_KEY_SIZE 128
#define STATUS_DEPTH_MAX 4 /* members below each other that dots in a key make */

struct status_pair {
	const char *key; /* words of [a-z0-9_] joined by dots */
	const char *value;
};

/*
 * A new reference; NULL when memory is short.  Keys of another form, and such as would need a
 * text and an object in one place, are left out.
 */
json_t *status_document(const struct status_pair *, size_t n);
/* The three states alone, in words without a name of a host or a person: for anybody. */
json_t *status_document_open(const struct status_pair *, size_t n);

#endif
