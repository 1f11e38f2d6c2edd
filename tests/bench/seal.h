/* SPDX-License-Identifier: ISC */
/*
 * Login requests with their passwords already sealed, made before the clock of a measurement
 * starts: sealing is the browser's work and not the hub's or the connector's.
 */
#ifndef BENCH_SEAL_H
#define BENCH_SEAL_H

#include "load.h"
#include "common/sealed.h"

/* What GET /login/keys/<identifier> answered. */
struct seal_keys {
	int64_t time; /* the hub's, seconds since 1970 */
	struct sealed_recipient recipients[SEALED_MAX_RECIPIENTS];
	size_t n; /* 0: no connector is there */
};

/* A whole HTTP request, good for one login within the next 300 s. */
struct seal_request {
	char *text;
	size_t len;
	const struct load_user *user;
};

/* The text of the answer; the program ends when it is none. */
void seal_read_keys(const char *text, size_t len, const char *connection, struct seal_keys *keys);
/*
 * n requests for the users in turn, beginning with the one of index first. host: as the Host
 * field says. Uses a thread for each processor.
 */
struct seal_request *seal_requests(const struct seal_keys *keys, const char *host,
    const char *connection, const struct load_users *users, size_t first, size_t n);
void seal_requests_free(struct seal_request *requests, size_t n);

#endif
