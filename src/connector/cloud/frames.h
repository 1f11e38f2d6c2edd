/* SPDX-License-Identifier: ISC */
/*
 * The JSON of the tunnel (docs/tunnel-protocol.md 4 and 5) taken apart and put
 * together.  Pure functions: what the hub sent comes in, and comes out as
 * values that were checked, or as the reason why not.
 *
 * Sealed text is looked at only for its form; nothing here could open it.
 */
#ifndef ADC_CLOUD_FRAMES_H
#define ADC_CLOUD_FRAMES_H

#include "common/message.h"
#include "common/sealed.h"
#include "common/status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_IN_MAX 65536
#define FRAME_OUT_MAX (1U << 20)
#define FRAME_ID_SIZE 65
#define FRAME_NONCE_SIZE 44
#define FRAME_ATTEMPT_SIZE 65
#define FRAME_USERNAME_SIZE 1025
#define FRAME_REASON_SIZE 257
#define FRAME_DEADLINE_DEFAULT_MS 10000
#define FRAME_DEADLINE_MAX_MS 60000

enum frame_type {
	FRAME_CHALLENGE, /* nonce */
	FRAME_WELCOME,	 /* approved, time */
	FRAME_STATE,	 /* approved */
	FRAME_REKEYED,	 /* rekeyed, reason */
	FRAME_AUTHENTICATE,
	FRAME_TEST,
	FRAME_DRAIN,
	FRAME_UNSUPPORTED, /* a request of a type this version does not know */
	FRAME_BAD_REQUEST, /* a request with a good id, and with a fault: see why */
	FRAME_UNREAD,	   /* a request with a good id, for which memory was short: see why */
};

struct frame {
	enum frame_type type;
	char id[FRAME_ID_SIZE]; /* empty for the first four */
	uint32_t deadline_ms;
	char nonce[FRAME_NONCE_SIZE];
	bool approved;
	int64_t time;	 /* the hub's, in seconds since 1970 */
	const char *why; /* static */
	enum rekey_result rekeyed;
	char reason[FRAME_REASON_SIZE];
	const char *kid; /* which of the reader's it was sealed for */
	char attempt[FRAME_ATTEMPT_SIZE];
	char username[FRAME_USERNAME_SIZE];
	struct sealed_parts sealed; /* of FRAME_AUTHENTICATE */
};

/* Who this connector is. */
struct frame_reader {
	const char *connection;
	const char *kid;       /* of its seal key */
	const char *kid_other; /* of another, before or after it; "": none */
};

/* One step of a test. */
struct frame_step {
	const char *step; /* "reach", "tunnel", "sign_in", "read" */
	bool passed;
	uint32_t ms;
	const char *code, *text, *hint;
};

/*
 * 0 with the frame, which the caller ends with frame_free(); or the close code
 * (1007, 1008; 1011 when memory was short) that answers such a text, with *why in static words.
 */
int frame_read(
    const struct frame_reader *, const char *text, size_t len, struct frame *, const char **why);
void frame_free(struct frame *);

/* A text to send, not to be freed. */
const char *frame_status(bool directory_answers);
/*
 * Texts to send, for the caller to free with wiping_free(); NULL when a piece
 * is not UTF-8, the whole is longer than FRAME_OUT_MAX, or memory is short.
 */
char *frame_hello(const char *proof, size_t *len);
char *frame_rekey(const char *statement, const char *proof, size_t *len);
/* verdict NULL: none; then there is no profile either. profile_len 0: none. */
char *frame_result(const char *id, enum status, const char *verdict, const char *reason,
    const void *profile, size_t profile_len, size_t *len);
/* steps: an array made with frame_steps_add(), which stays the caller's. */
char *frame_test_result(const char *id, bool passed, json_t *steps, size_t *len);
/* -1 when a text is not UTF-8 or memory is short. */
int frame_steps_add(json_t *steps, const struct frame_step *);

#endif
