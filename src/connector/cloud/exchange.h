/* SPDX-License-Identifier: ISC */
/*
 * One HTTP exchange with the hub: a connection, a request, a JSON answer of
 * known length, all within HUB_DEADLINE_MS.
 */
#ifndef ADC_CLOUD_EXCHANGE_H
#define ADC_CLOUD_EXCHANGE_H

#include "cloud.h"
#include "failure.h"

#include <jansson.h>

struct exchange;

/*
 * status and answer, which is a JSON object and borrowed; or a failure, when there was no such
 * answer.  Called once, never from within exchange_start(); the exchange is freed after it.
 */
typedef void (*exchange_fn)(
    void *arg, unsigned int status, const json_t *answer, const struct failure *);

/* path is a secret of its own; body NULL: GET, otherwise POST of that JSON text. */
struct exchange *exchange_start(
    const struct cloud *, const struct secret *path, const char *body, exchange_fn, void *arg);

#endif
