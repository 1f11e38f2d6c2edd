/* SPDX-License-Identifier: ISC */
/*
 * HTTP and JSON over the control socket of a daemon, for the ctl programs only:
 * it blocks.  Request bodies may hold secrets: libcurl and jansson allocate with
 * wiping functions here.
 */
#ifndef ADC_CTL_CLIENT_H
#define ADC_CTL_CLIENT_H

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>

#include "ctl.h"

#define CTL_ANSWER_MAX (8U << 20) /* bytes of an answer that is kept */
#define CTL_LINE_MAX (64U << 10)  /* bytes of one line of a stream */

/* Deadlines in ms; a little over the daemon's own, so that its answer is the one seen. */
#define CTL_TIMEOUT 15000L
#define CTL_TIMEOUT_LONG 65000L
#define CTL_TIMEOUT_NONE 0L

/* Before any other use of jansson or libcurl. Ends the program when it cannot. */
struct ctl_client *ctl_client_new(void);
void ctl_client_free(struct ctl_client *);

/*
 * One request.  body may be NULL.  CTL_DONE with *answer (new reference) for a 2xx answer;
 * else the error was told with ctl_error() and its status is returned.
 */
enum ctl_status ctl_request(struct ctl *, const char *method, const char *path, const json_t *body,
    long timeout_ms, json_t **answer);

/*
 * One request whose answer is a stream of one JSON object a line.  The callback
 * returns true to go on; false ends the stream, which is then no error.
 */
typedef bool (*ctl_line_fn)(void *arg, json_t *line);
enum ctl_status ctl_stream(struct ctl *, const char *method, const char *path, const json_t *body,
    long timeout_ms, ctl_line_fn, void *arg);

/*
 * "<prefix><segment><suffix>" with the segment percent-encoded (RFC 3986 2.1), so that
 * an identifier never becomes another path.  malloc'ed.
 */
char *ctl_path(const char *prefix, const char *segment, const char *suffix);

/* Cuts a stream into lines. */
struct line_splitter {
	char *data; /* malloc'ed, CTL_LINE_MAX */
	size_t len;
};

/*
 * Gives each whole line (without its line feed, not terminated) to the callback; 0, or -1 when
 * a line is over CTL_LINE_MAX or the callback returns -1.
 */
int line_splitter_add(struct line_splitter *, const char *bytes, size_t len,
    int (*line)(void *arg, const char *text, size_t len), void *arg);

#endif
