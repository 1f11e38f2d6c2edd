/* SPDX-License-Identifier: ISC */
/*
 * What the hub says about a ticket and an enrolment, as JSON
 * (docs/tunnel-protocol.md 3).  Pure functions.
 */
#ifndef ADC_CLOUD_ENROL_ANSWER_H
#define ADC_CLOUD_ENROL_ANSWER_H

#include "common/endpoint.h"
#include "failure.h"

#include <jansson.h>
#include <stdbool.h>

/* Borrowed from the JSON value. */
struct ticket_page {
	const char *connection;
	const char *display_name;
};

struct enrolment {
	const char *connector_id;
	const char *connection;
	const char *tunnel_url;
	const char *scim_url;
	bool approved; /* false: pending */
};

/* Answer to GET. hub: the ticket's origin; name: for texts. 0, or -1 with the failure. */
int enrol_read_ticket(unsigned int status, const json_t *, const struct endpoint *hub,
    const char *name, struct ticket_page *, struct failure *);
/* Answer to POST. */
int enrol_read_result(unsigned int status, const json_t *, const struct endpoint *hub,
    const char *name, struct enrolment *, struct failure *);

#endif
