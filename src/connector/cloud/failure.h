/* SPDX-License-Identifier: ISC */
/*
 * Why the hub could not be used: a code for programs, a text for people.
 *
 * Codes: unreachable, proxy_refused, tls_failed, tls_expired, tls_untrusted,
 * tls_name, pin_mismatch, ticket_unknown, ticket_used_up, ticket_expired,
 * ticket_revoked, not_a_ticket, rejected; for a tunnel also protocol,
 * refused, revoked, replaced, held_out, closed.  They are a contract: ctl,
 * the page and scripts go by them.
 */
#ifndef ADC_CLOUD_FAILURE_H
#define ADC_CLOUD_FAILURE_H

#define FAILURE_TEXT_SIZE 768

struct failure {
	const char *code; /* static */
	char text[FAILURE_TEXT_SIZE];
};

/* Never with a secret among its arguments. Cut where it does not fit. */
void failure_set(struct failure *, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
