/* SPDX-License-Identifier: ISC */
/*
 * What every file of adc-cloud may know: the configuration, which never
 * changes in the life of the process, and the loop.
 */
#ifndef ADC_CLOUD_H
#define ADC_CLOUD_H

#include "common/endpoint.h"
#include "http.h"
#include "common/jose_key.h"
#include "common/proc.h"
#include "common/secret.h"
#include "tls.h"

#include <stdbool.h>
#include <stdint.h>

/* Connecting, with name look-up, proxy and TLS; and one HTTP exchange with all of that. */
#define HUB_DEADLINE_MS 10000U

#define CLOUD_CONNECTION_SIZE 65
#define CLOUD_URL_MAX 1024

struct cloud {
	struct proc *proc;
	struct event_base *base;

	struct endpoint hub;		  /* https or, on loopback only, http */
	char hub_name[HTTP_HOST_SIZE];	  /* "hub.example:8855", for texts */
	char host_header[HTTP_HOST_SIZE]; /* for the Host field */
	struct tls *tls;		  /* NULL with http */

	struct secret *proxy_request; /* NULL: no proxy */
	bool proxy_login;
	char proxy_name[HTTP_HOST_SIZE];

	/* Tunnel. */
	char tunnel_path[CLOUD_URL_MAX + 1];
	char connection[CLOUD_CONNECTION_SIZE];
	char seal_kid[JOSE_KEY_ID_SIZE];
	char seal_kid_other[JOSE_KEY_ID_SIZE]; /* before or after a change of keys; "": none */

	/* Enrolment. */
	bool enrol;
	struct secret *ticket_path;
	char *enrol_body;
};

/* cloud.c: the box. */
void sandbox_cloud(void);

/*
 * Tells the parent how the tunnel is (enum tunnel_state); code and text may be "". time: the hub's,
 * in seconds since 1970, when it has just been told; otherwise 0.
 */
void cloud_report(
    const struct cloud *, enum tunnel_state, const char *code, const char *text, int64_t time);

#endif
