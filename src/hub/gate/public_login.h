/* SPDX-License-Identifier: ISC */
/*
 * What all faces open to the public have in common: limits on attempts, and that neither
 * the words nor the time of an answer tell who exists or who is an administrator.
 */
#ifndef GATE_PUBLIC_LOGIN_H
#define GATE_PUBLIC_LOGIN_H

#include "gate.h"

/* As much of a result as the public may see. */
struct public_result {
	/*
	 * When proven: any.  Otherwise STATUS_INVALID_CREDENTIALS; or
	 * STATUS_CONNECTOR_UNAVAILABLE for all that is not about the person, shown as "cannot log
	 * in now"; or STATUS_BAD_REQUEST for a sealed text of the wrong form.
	 */
	enum status status;
	bool proven;
	const char *why;     /* with STATUS_BAD_REQUEST: what is wrong, static words */
	const char *profile; /* JSON text of an object, only with STATUS_OK; may be NULL */
	size_t profile_len;
};

typedef void (*public_answer)(struct http_exchange *, const struct public_result *);

/*
 * Counts an attempt against the address; or, with a connection, against name and
 * connection.  0, or the seconds for Retry-After.
 */
unsigned int public_throttle_address(struct gate *, const struct address *, const char *face);
unsigned int public_throttle_name(struct gate *, const struct address *, const char *face,
    const char *connection, const char *username);
/*
 * Starts an attempt and answers, through the callback, when that is due.  The request
 * is only borrowed.  The exchange must not be touched afterwards.
 */
void
public_login(struct gate *, struct http_exchange *, const struct login_request *, public_answer);
/* Nobody can take the attempt: answers at once, with a row in the audit. */
void public_unavailable(struct http_exchange *, const char *connection, const char *username,
    const char *face, public_answer);
/* For people. */
const char *public_message(const struct public_result *);

#endif
