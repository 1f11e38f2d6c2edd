/* SPDX-License-Identifier: ISC */
/*
 * One CHECK_PASSWORD as it arrives, and the sealed text in it: opened, and held
 * against what the frame around it says.
 */
#ifndef ADC_DIRECTORY_REQUEST_H
#define ADC_DIRECTORY_REQUEST_H

#include "names.h"
#include "common/replay.h"
#include "common/sealed.h"
#include "common/sealed_content.h"
#include "common/status.h"
#include "common/wire.h"

#define ATTEMPT_SIZE 65
#define REQUEST_DEADLINE_MAX 60000U
/* Seconds that a sealed text's time may be off, either way. */
#define SEALED_AGE_MAX 300
/* Used texts beyond ten minutes that are remembered: what the hub's clock may be set back over. */
#define REPLAY_OLDER_MAX 65536U

struct request {
	char attempt[ATTEMPT_SIZE];
	char username[NAME_SIZE];
	uint32_t deadline_ms;
	uint8_t z[JOSE_KEY_SECRET_SIZE];
	int64_t hub_time;	   /* now, by the clock that sealed texts go by */
	struct sealed_parts parts; /* the ciphertext lies in the message */
};

/* -1: the message is not as message.def says. The request is to be wiped in every case. */
int request_read(struct request *, struct wire_reader *);
void request_wipe(struct request *);
/*
 * STATUS_OK: the content is for the caller to free.  Otherwise *reason is one word for
 * log and audit and the content is empty.  connection: ours.  monotonic: seconds for the
 * memory of used texts.
 */
enum status request_open(const struct request *, const char *connection, struct replay *,
    int64_t monotonic, struct sealed_content *, const char **reason);
/* The part that only compares. NULL, or the reason. now: seconds since 1970, by the hub. */
const char *request_compare(
    const struct sealed_content *, const char *connection, const char *username, int64_t now);

#endif
