/* SPDX-License-Identifier: ISC */
/*
 * What the host knows of the domain it stands in, to propose it to the person who sets the
 * connector up.  A proposal is shown and never used by itself.
 */
#ifndef ADC_PROPOSAL_H
#define ADC_PROPOSAL_H

#include <stddef.h>

/*
 * The DNS domain by the host's name, /etc/hosts or /etc/resolv.conf, in this order, each given
 * as its text; "" when none of them names one.
 */
void
proposal_domain(char *dst, size_t size, const char *host, const char *hosts, const char *resolv);
/* The same from this host's own files; needs the rights to read them. */
void proposal_of_host(char *dst, size_t size, const char *host);

#endif
