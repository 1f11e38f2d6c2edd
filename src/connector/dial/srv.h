/* SPDX-License-Identifier: ISC */
/*
 * The order in which the targets of DNS SRV records are tried (RFC 2782), and
 * which targets are believed at all.
 *
 * Pure functions: what DNS said comes in, an order comes out.  Must not ask DNS.
 */
#ifndef ADC_DIAL_SRV_H
#define ADC_DIAL_SRV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SRV_RECORDS_MAX 64
#define SRV_HOST_SIZE 256

struct srv_record {
	uint16_t priority;
	uint16_t weight;
	uint16_t port;
	char target[SRV_HOST_SIZE]; /* without a final dot */
};

/* A random number in 0..max, both included. */
typedef uint32_t (*srv_random_fn)(uint32_t max);

/* Orders the records for use, best first (RFC 2782, "Usage rules"). */
void srv_order(struct srv_record *, size_t n, srv_random_fn);

/*
 * Is target a host below domain?  DNS is not signed: an answer that leads
 * out of the domain is how a forged one would try to lead the service account away.
 */
bool srv_target_allowed(const char *domain, const char *target);

/*
 * The name to ask for a domain's controllers (MS-ADTS 6.3.2.3).
 * -1 when it does not fit.
 */
int srv_name(const char *domain, char *name, size_t size);

#endif
