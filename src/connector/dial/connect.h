/* SPDX-License-Identifier: ISC */
/*
 * One dial: from an endpoint of the parent's list to a connected descriptor,
 * or to words that say why not.  Addresses are tried in order, a new one every
 * CONNECT_STAGGER_MS while the earlier ones are silent; the first that
 * connects wins (after RFC 8305).  When all were tried, they are tried again with new
 * sockets, beside the silent ones.
 *
 * Must not send or read a byte on what it connects.
 */
#ifndef ADC_DIAL_CONNECT_H
#define ADC_DIAL_CONNECT_H

#include "address.h"
#include "srv.h"
#include "common/status.h"

#include <stdbool.h>
#include <stdint.h>

#define CONNECT_STAGGER_MS 250
/* After the last of them, until the list is gone through once more. */
#define CONNECT_AGAIN_MS 1000
/* Sockets that one dial tries at once, and addresses it tries in all. */
#define CONNECT_PARALLEL_MAX 6
#define CONNECT_ADDRESSES_MAX 32
#define CONNECT_TEXT_SIZE 384

struct event_base;
struct dial;

/* An endpoint as the parent configured it. */
struct dial_endpoint {
	uint8_t kind; /* enum endpoint_kind */
	uint16_t index;
	bool discover; /* host is a domain whose controllers DNS names */
	char host[SRV_HOST_SIZE];
	uint16_t port; /* also with discover: DNS chooses hosts, never ports */
	/*
	 * Where the last dial got to; "": none did. A directory's next dial tries that first:
	 * each controller has a count of wrong passwords of its own, so binds must go where the
	 * count was read. (Of the hub, DNS shall name another as it likes.)
	 */
	char last_host[SRV_HOST_SIZE];
	char last_address[ADDRESS_TEXT_SIZE];
	enum status logged; /* of the last dial; what went wrong was told at logged_s */
	int64_t logged_s;
};

struct dial_result {
	enum status status;
	int fd;			      /* the callee's; -1 unless STATUS_OK */
	const char *host;	      /* the name a certificate must have */
	const char *address;	      /* "192.0.2.1:636"; "" unless STATUS_OK */
	char text[CONNECT_TEXT_SIZE]; /* for people; empty with STATUS_OK */
};

/* Called once; the dial is freed after it. */
typedef void (*dial_done_fn)(void *arg, struct dial_result *);

/*
 * The endpoint must outlive the dial, which notes in it where it got to.  The result never comes
 * from within this call.  NULL with errno when memory is short.
 */
struct dial *dial_start(
    struct event_base *, struct dial_endpoint *, uint32_t deadline_ms, dial_done_fn, void *arg);

#endif
