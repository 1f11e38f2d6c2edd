/* SPDX-License-Identifier: ISC */
/*
 * The words that belong to a status of HTTP, the same from whichever process of ours
 * they come.  Knows no connection.
 */
#ifndef ADC_HTTP_STATUS_H
#define ADC_HTTP_STATUS_H

struct http_status {
	int status;
	const char *phrase;
	/* What is said when the reading of a request itself ends with it; otherwise NULL. */
	const char *code;
	const char *message; /* for people */
};

/* One that is not in the list is told as 500. */
const struct http_status *http_status_get(int status);

#endif
