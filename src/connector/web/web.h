/* SPDX-License-Identifier: ISC */
/*
 * The pieces of adc-web.
 */
#ifndef ADC_WEB_H
#define ADC_WEB_H

#include "access.h"
#include "common/proc.h"
#include "server.h"

/* Connections, and beside them: standard descriptors, parent, listener, event loop, one to spare.
 */
#define WEB_DESCRIPTORS (SERVER_CLIENTS_MAX + 16)

struct api;

/* The routes, and the requests that wait for the parent. */
struct api *api_new(struct proc *, const struct access_rules *);
void api_request(void *arg, struct client *, struct evhttp_request *);
/* A message of the parent; it must be one that message.def lets it send to this process. */
void api_message(struct api *, struct message *);
/* Ends the streams that would not end by themselves. */
void api_drain(struct api *);

/* Closes the sandbox. */
void sandbox_web(void);

#endif
