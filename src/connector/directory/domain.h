/* SPDX-License-Identifier: ISC */
/*
 * What must be known of the domain before anybody can log in: where its users
 * are, what it is called, when it locks accounts, and which SIDs the groups of
 * the policy have.  Read when the service connection comes up and every few
 * minutes after that.
 */
#ifndef ADC_DIRECTORY_DOMAIN_H
#define ADC_DIRECTORY_DOMAIN_H

#include "connection.h"
#include "directory_clock.h"
#include "policy.h"

struct domain {
	char *base;	     /* where users are looked for */
	char *root;	     /* default naming context; "" when the server names none */
	char *configuration; /* configuration naming context; "" likewise */
	char realm[256];     /* DNS name, lower case not guaranteed; "" unknown */
	char netbios[64];    /* "" unknown */
	bool has_sid;
	struct sid sid;
	struct directory_clock clock;
	struct lockout_policy lockout;
	struct policy policy; /* with the SIDs of its groups */
};

struct domain_reading;

/* Exactly one of the two is set; the domain then belongs to the callee. */
typedef void (*domain_fn)(void *arg, struct domain *, const struct failure *);

/* NULL: no memory or the connection is not usable; no callback comes. */
struct domain_reading *domain_read(struct connection *, const struct directory_settings *,
    unsigned int timeout_ms, domain_fn, void *arg);
void domain_reading_cancel(struct domain_reading *);
void domain_free(struct domain *);

/* "DC=lab,DC=test" to "lab.test"; "" when there is no such part. */
void domain_realm_from_dn(char *dst, size_t size, const char *dn);
/* The three attributes of a lock-out policy, as the domain head has them. */
void domain_lockout_read(struct lockout_policy *, const struct entry *, const char *threshold,
    const char *window, const char *duration);

#endif
