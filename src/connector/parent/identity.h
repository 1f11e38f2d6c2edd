/* SPDX-License-Identifier: ISC */
/*
 * Who this connector is at the hub: its two private keys and what the
 * enrolment gave it.  Kept in one file, identity.json in the state directory,
 * so that keys and names can never belong to different enrolments.  The keys
 * never leave this process.
 */
#ifndef ADC_IDENTITY_H
#define ADC_IDENTITY_H

#include "common/endpoint.h"
#include "common/jose_key.h"

#include <stdbool.h>
#include <stdint.h>

#define IDENTITY_TEXT_SIZE 1024
#define IDENTITY_CONNECTION_SIZE 65

struct identity_keys {
	struct jose_key *sign; /* NULL: there is no such pair */
	struct jose_key *seal;
	char sign_kid[JOSE_KEY_ID_SIZE];
	char seal_kid[JOSE_KEY_ID_SIZE];
};

struct identity {
	struct identity_keys keys;   /* last known to be recorded at the hub */
	struct identity_keys next;   /* that the hub was told of, or will be (rekey.c) */
	struct identity_keys before; /* what came for them is still answered */
	int64_t rekeyed;	     /* when these were replaced, in seconds since 1970 */
	uint8_t ticket[32];	     /* SHA-256 of the ticket's secret */
	struct endpoint origin;
	bool pinned;
	uint8_t pin[TICKET_PIN_SIZE];
	/* Empty until the hub has answered. */
	char connector_id[65];
	char connection[IDENTITY_CONNECTION_SIZE];
	char tunnel_url[IDENTITY_TEXT_SIZE];
	char scim_url[IDENTITY_TEXT_SIZE];
};

/*
 * The identity in the state directory; NULL with *why NULL when there is none,
 * with *why set when the file is there and cannot be used.
 */
struct identity *identity_load(const char *state_dir, const char **why);
/*
 * Keys for an enrolment, saved before they are used: those made for the same
 * ticket before, when its answer was lost, otherwise new ones. NULL with *why.
 */
struct identity *identity_prepare(const char *state_dir, const struct ticket *, const char **why);
/* The enrolment succeeded: this is the connector's identity now. -1 with *why. */
int identity_save(const char *state_dir, const struct identity *, const char **why);
/* The same for an identity that was there before, in whose keys something has changed. */
int identity_update(const char *state_dir, const struct identity *, const char **why);
/* Makes the next keys, unless there are some. Not saved yet. -1: they could not be made. */
int identity_renew(struct identity *);
/* The hub has taken the next keys: they are the identity's, and those so far the ones before. */
void identity_advance(struct identity *, int64_t now);
void identity_forget(struct identity_keys *);
/* Seconds for which the keys before are to be kept; 0: there are none, or no longer. */
unsigned int identity_before_left(const struct identity *, int64_t now);
/* Deletes it, and keys that were prepared for another. -1 with *why: it is there as before. */
int identity_remove(const char *state_dir, const char **why);
struct identity *identity_copy(const struct identity *);
void identity_free(struct identity *);
/*
 * The body of the POST that enrols, JSON text, malloc'ed: public keys and the
 * proof that their owner chose them for this ticket (docs/tunnel-protocol.md 3.2).
 */
char *identity_enrol_body(const struct identity *, const char *host);

#endif
