/* SPDX-License-Identifier: ISC */
/*
 * The pieces of adc-web.
 */
#ifndef ADC_WEB_H
#define ADC_WEB_H

#include "access.h"
#include "common/proc.h"
#include "server.h"

#include <stdint.h>

/* Connections, and beside them: standard descriptors, parent, listener, event loop, one to spare.
 */
#define WEB_DESCRIPTORS (SERVER_CLIENTS_MAX + 16)

struct api;
struct page;

#define API_STATUS_PATH "/api/v1/status"
#define API_WEB_PATH "/api/v1/web"

/* The routes, and the requests that wait for the parent. The rules are NULL for the page. */
struct api *api_new(struct proc *, const struct access_rules *);
/* A request of somebody who may make it: in a session of the page, or in none (0). */
void api_route(struct api *, struct client *, struct request *, uint64_t session);
/* The body as an object, or NULL after an answer that says what is wrong. It is wiped. */
json_t *api_read_body(struct client *, struct request *);
/* A message of the parent; it must be one that message.def lets it send to this process. */
void api_message(struct api *, struct message *);
/* Ends the streams that would not end by themselves: of one session of the page, or all (0). */
void api_end_streams(struct api *, uint64_t session);

/* A request over the control socket; arg is the api. */
void control_request(void *arg, struct client *, struct request *);

/* The page's face; host is "ADDRESS:PORT" of its listener. NULL when memory is short. */
struct page *page_new(struct proc *, struct api *, const char *host);
/* SIGN_IN_ALLOW */
void page_allow(struct page *, struct message *);
/* A request over TCP; arg is the page. */
void page_request(void *arg, struct client *, struct request *);

/* Closes the sandbox. */
void sandbox_web(void);

#endif
