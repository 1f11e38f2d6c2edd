/* SPDX-License-Identifier: ISC */
/*
 * HTTP proxies: the CONNECT request (RFC 9110 9.3.6) with a Basic login
 * (RFC 7617), and what its answer means.  The request holds the proxy's
 * password and so is a secret from the first byte on.
 */
#ifndef ADC_CLOUD_PROXY_H
#define ADC_CLOUD_PROXY_H

#include "failure.h"
#include "http.h"
#include "common/secret.h"

#include <stdint.h>

#define PROXY_LOGIN_MAX 255 /* bytes of user, and of password */

/*
 * The whole request.  user NULL or empty: without a login.  NULL when user or
 * password hold what Basic cannot carry (a colon in the user, control
 * characters), are too long, or memory is short; *why then says so in static words.
 */
struct secret *proxy_request(const char *host, uint16_t port, const char *user,
    const void *password, size_t password_len, const char **why);

/* 0 when the proxy has connected us; -1 with the failure otherwise. name: "proxy.example:3128". */
int proxy_answer(
    const struct http_head *, const char *name, const char *target, bool login, struct failure *);

#endif
