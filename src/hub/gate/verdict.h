/* SPDX-License-Identifier: ISC */
/*
 * What a connector's result is worth (docs/tunnel-protocol.md 5.1, 7.1).  Here, and only here,
 * it is decided that a password was right.  No input or output.
 */
#ifndef GATE_VERDICT_H
#define GATE_VERDICT_H

#include "common/jose_key.h"
#include "common/status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define VERDICT_REASON_MAX 512		 /* bytes */
#define VERDICT_PROFILE_MAX (768 * 1024) /* bytes: fits into a message between processes */

struct verdict_asked {
	const char *attempt;
	const char *connection;
	const char *username;
};

struct verdict {
	enum status status;
	bool proven;	     /* the password was right */
	bool found;	     /* the directory knows this user */
	bool bound;	     /* a bind was refused: the answer has the pace of one */
	const char *reason;  /* never NULL; borrowed from the result or the verdict */
	const char *profile; /* JSON text of an object, borrowed from the result; NULL: none */
	size_t profile_len;
	json_t *payload; /* owner of what is borrowed */
};

/*
 * Judges a result frame.  Always fills *verdict (then verdict_free()).  0; or -1 when the
 * result claims more than it proves: then the status is internal, nothing is proven, and
 * *why says what is wrong, in static words for the audit.  The result must
 * outlive the verdict.
 */
int verdict_judge(const struct jose_key *, const struct verdict_asked *, const json_t *result,
    struct verdict *, const char **why);
void verdict_free(struct verdict *);

#endif
