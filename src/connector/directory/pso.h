/* SPDX-License-Identifier: ISC */
/*
 * Password settings objects (MS-ADTS 3.1.1.4.5.36): lock-out policies that hold
 * for some users instead of the domain's.  An ordinary account may not read
 * them, so that "unknown" is remembered as well.
 */
#ifndef ADC_DIRECTORY_PSO_H
#define ADC_DIRECTORY_PSO_H

#include "connection.h"
#include "lockout.h"

#define PSO_CACHE_MAX 64
#define PSO_CACHE_S 300

struct pso_cache;
struct pso_lookup;

struct pso_cache *pso_cache_new(void);
void pso_cache_free(struct pso_cache *);
/* NULL: not known, or too long ago. */
const struct lockout_policy *pso_find(const struct pso_cache *, const char *dn);
/* After the callback pso_find() answers. NULL: it cannot be read now; no callback. */
struct pso_lookup *pso_lookup(struct pso_cache *, struct connection *, const char *dn,
    unsigned int timeout_ms, void (*done)(void *arg), void *arg);
void pso_lookup_cancel(struct pso_lookup *);

#endif
