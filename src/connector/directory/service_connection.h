/* SPDX-License-Identifier: ISC */
/*
 * The service connection: bound as the service account, on which people are
 * looked up, with others beside it while it is busy (search_connections.h).  Kept up for ever, at
 * whichever of the servers is ready first, and never used for anybody else's bind, for a refused
 * one would leave it anonymous.
 *
 * The service password is asked of the parent for each bind and held no longer
 * than the request that carries it.
 */
#ifndef ADC_DIRECTORY_SERVICE_CONNECTION_H
#define ADC_DIRECTORY_SERVICE_CONNECTION_H

#include "connection.h"
#include "domain.h"
#include "common/message.h"

struct service;

/* Limits of one phase, in ms; after a failure a server has the wait of backoff.h. */
#define SERVICE_OPEN_MS 5000U
#define SERVICE_READ_MS 5000U
/* After a refused password, so that trying again does not lock the service account. */
#define SERVICE_WAIT_REFUSED_MS (15U * 60U * 1000U)
/* How often the domain's facts are read again. */
#define SERVICE_REFRESH_S 300

/* changed: the state, or what there is to tell about it. */
struct service *service_new(const struct environment *, void (*changed)(void *arg), void *arg);
void service_start(struct service *);
enum directory_state service_state(const struct service *);
/* Bound and ready for searches; NULL: not now. */
struct connection *service_connection(const struct service *);
/* For one search now: that one, or one beside it while it has much to do; NULL as above. */
struct connection *service_search_connection(struct service *);
/* Of the last time it was up; NULL before the first. */
const struct domain *service_domain(const struct service *);
/* Now, by the directory's clock, as FILETIME. */
int64_t service_now(const struct service *);
/* Why it is not up. */
const struct failure *service_failure(const struct service *);
/* The server in use, for connections that must go to the same; NULL while not up. */
const struct server_setting *service_server(const struct service *);
/* Its name, "" before one was reached. */
const char *service_host(const struct service *);
/* The address that it was reached at; "" before. */
const char *service_address(const struct service *);
/*
 * Another connection led to another controller, as failure says: the service connection is made
 * anew, which goes where one was reached last.  Not if it stands since a moment ago only.
 */
void service_follow(struct service *, const struct failure *);
/* Somebody else has just seen the servers work: try now instead of waiting. */
void service_hurry(struct service *);

#endif
