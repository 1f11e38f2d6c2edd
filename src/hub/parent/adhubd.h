/* SPDX-License-Identifier: ISC */
/*
 * The hub's parent, its parts for each other.
 */
#ifndef ADC_ADHUBD_H
#define ADC_ADHUBD_H

#include "settings.h"

#include "common/pending.h"
#include "common/secret.h"
#include "common/service.h"

#include <event2/event.h>

#define HUB_LISTENERS_MAX (2 * HUB_LISTEN_MAX)

struct hub {
	struct hub_settings *settings;
	struct event_base *base;
	struct house *house;
	struct service *gate_public;
	struct service *gate_control;
	struct service *store;
	struct pending_table *pending;
	struct secret *tls_key; /* PEM */
	char *tls_certificate;	/* PEM */
	char pin[64];		/* "sha256:…" of an own self-signed certificate, else empty */
	char *public_url;
	char *store_directory;
	int control; /* listeners stay open: a gate that is started again gets them again */
	struct {
		int fd;
		bool tls;
	} listeners[HUB_LISTENERS_MAX];
	size_t nlisteners;
	uid_t start_uid;
	int exit_status;
};

/*
 * Reads certificate and key as the settings say, or those in the state
 * directory, made at the first start. The pin is set for the latter. -1 (logged).
 */
int certificate_load(struct hub *);
/* Passes a message of one child on to another by the message table. */
void relay_message(struct hub *, struct child *, struct message *);
/* UNREADABLE from the child that was passed something: who had sent that is ended, like itself. */
void relay_unreadable(struct hub *, struct child *, struct message *);
/* No answer will come to what was relayed. */
void relay_lost(void *hub, struct pending *);
/* From here on no file, no new socket, no process. */
void sandbox_adhubd(void);

#endif
