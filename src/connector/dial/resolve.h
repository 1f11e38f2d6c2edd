/* SPDX-License-Identifier: ISC */
/*
 * Names to addresses with c-ares on libevent: A, AAAA and SRV, /etc/hosts
 * first.  One resolver serves one dial and reads the system's resolver
 * settings when it is made, so that a changed /etc/resolv.conf needs no restart.
 *
 * Must not connect anywhere but to the system's name servers.
 */
#ifndef ADC_DIAL_RESOLVE_H
#define ADC_DIAL_RESOLVE_H

#include "srv.h"

#include <sys/socket.h>

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct resolver;

/*
 * Called from inside c-ares: the resolver must not be used or freed in it.  An address arrives
 * without a port.  done: this question has no more answers; error is NULL or static words.
 */
typedef void (*resolve_address_fn)(void *arg, const struct sockaddr *, socklen_t);
typedef void (*resolve_srv_fn)(void *arg, struct srv_record *, size_t n, const char *error);
typedef void (*resolve_done_fn)(void *arg, const char *error);

/* NULL with errno when memory is short or there is no resolver. */
struct resolver *resolver_new(struct event_base *, void *arg);
/* Ends all questions without calling back. NULL is fine. */
void resolver_free(struct resolver *);

/* Asks for the IPv4 and IPv6 addresses of a host; done is called once for both together. */
void resolver_host(struct resolver *, const char *host, resolve_address_fn, resolve_done_fn);
/* Asks for SRV records; the array is the callee's only during the call. */
void resolver_srv(struct resolver *, const char *name, resolve_srv_fn);

/* Once, before the first resolver. -1: the library cannot be used. */
int resolve_warm_up(void);

#endif
