/* SPDX-License-Identifier: ISC */
/*
 * c-ares on libevent: see resolve.h.
 */
#include "resolve.h"

#include "common/log.h"

#include <arpa/nameser.h>
#include <ares.h>
#include <bsd/string.h>
#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Sockets of one resolver: some name servers, over UDP and TCP. */
#define WATCH_MAX 16
#define TIMEOUT_MS 1000
#define TRIES 3

struct watch {
	ares_socket_t fd; /* ARES_SOCKET_BAD: free */
	struct event *event;
};

struct resolver {
	struct event_base *base;
	ares_channel channel;
	struct watch watches[WATCH_MAX];
	struct event *timer;
	bool ending;
	void *arg;
	resolve_address_fn address;
	resolve_done_fn done;
	resolve_srv_fn srv;
	unsigned int open; /* of the two questions about a host */
	bool found;
	const char *error;
};

static void on_socket(evutil_socket_t, short, void *);
static void on_timer(evutil_socket_t, short, void *);
static void on_address(void *, int, int, struct ares_addrinfo *);
static void on_srv(void *, int, int, unsigned char *, int);
static void watch_changed(void *, ares_socket_t, int, int);
static const char *reason(int);

int
resolve_warm_up(void)
{
	return ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS ? 0 : -1;
}

struct resolver *
resolver_new(struct event_base *base, void *arg)
{
	struct ares_options options;
	struct resolver *r;
	char lookups[] = "fb"; /* the hosts file, then DNS */
	size_t i;

	if ((r = calloc(1, sizeof(*r))) == NULL)
		return NULL;
	r->base = base;
	r->arg = arg;
	for (i = 0; i < WATCH_MAX; i++)
		r->watches[i].fd = ARES_SOCKET_BAD;
	memset(&options, 0, sizeof(options));
	options.timeout = TIMEOUT_MS;
	options.tries = TRIES;
	options.lookups = lookups;
	options.sock_state_cb = watch_changed;
	options.sock_state_cb_data = r;
	if ((r->timer = evtimer_new(base, on_timer, r)) == NULL) {
		free(r);
		return NULL;
	}
	if (ares_init_options(&r->channel, &options,
		ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB) !=
	    ARES_SUCCESS) {
		event_free(r->timer);
		free(r);
		errno = ENOMEM;
		return NULL;
	}
	return r;
}

void
resolver_free(struct resolver *r)
{
	size_t i;

	if (r == NULL)
		return;
	r->ending = true;
	ares_destroy(r->channel);
	event_free(r->timer);
	for (i = 0; i < WATCH_MAX; i++)
		if (r->watches[i].event != NULL)
			event_free(r->watches[i].event);
	free(r);
}

static void
timer_set(struct resolver *r)
{
	struct timeval tv;

	if (ares_timeout(r->channel, NULL, &tv) == NULL)
		evtimer_del(r->timer);
	else
		evtimer_add(r->timer, &tv);
}

void
resolver_host(
    struct resolver *r, const char *host, resolve_address_fn address, resolve_done_fn done)
{
	struct ares_addrinfo_hints hints;

	r->address = address;
	r->done = done;
	r->found = false;
	r->error = NULL;
	r->open = 2;
	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = ARES_AI_NOSORT;
	/* Two questions, so that neither family waits for the other's answer. */
	hints.ai_family = AF_INET6;
	ares_getaddrinfo(r->channel, host, NULL, &hints, on_address, r);
	hints.ai_family = AF_INET;
	ares_getaddrinfo(r->channel, host, NULL, &hints, on_address, r);
	timer_set(r);
}

void
resolver_srv(struct resolver *r, const char *name, resolve_srv_fn srv)
{
	r->srv = srv;
	ares_query(r->channel, name, ns_c_in, ns_t_srv, on_srv, r);
	timer_set(r);
}

static void
on_address(void *arg, int status, int timeouts, struct ares_addrinfo *list)
{
	struct resolver *r = arg;
	struct ares_addrinfo_node *node;

	(void)timeouts;
	if (!r->ending && status == ARES_SUCCESS && list != NULL) {
		for (node = list->nodes; node != NULL; node = node->ai_next) {
			if (node->ai_family != AF_INET && node->ai_family != AF_INET6)
				continue;
			r->found = true;
			r->address(r->arg, node->ai_addr, node->ai_addrlen);
		}
	}
	ares_freeaddrinfo(list);
	if (r->ending)
		return;
	/* "No such name" for one family says less than a server that does not answer. */
	if (status != ARES_SUCCESS &&
	    (r->error == NULL || (status != ARES_ENODATA && status != ARES_ENOTFOUND)))
		r->error = reason(status);
	if (--r->open == 0)
		r->done(r->arg, r->found ? NULL : r->error);
}

static void
on_srv(void *arg, int status, int timeouts, unsigned char *answer, int len)
{
	struct resolver *r = arg;
	struct srv_record *records;
	struct ares_srv_reply *list = NULL, *s;
	size_t n = 0;

	(void)timeouts;
	if (r->ending)
		return;
	if (status == ARES_SUCCESS)
		status = ares_parse_srv_reply(answer, len, &list);
	if (status != ARES_SUCCESS) {
		r->srv(r->arg, NULL, 0, reason(status));
		return;
	}
	if ((records = calloc(SRV_RECORDS_MAX, sizeof(*records))) == NULL) {
		ares_free_data(list);
		r->srv(r->arg, NULL, 0, "out of memory");
		return;
	}
	for (s = list; s != NULL && n < SRV_RECORDS_MAX; s = s->next) {
		if (strlcpy(records[n].target, s->host, sizeof(records[n].target)) >=
		    sizeof(records[n].target))
			continue;
		records[n].priority = s->priority;
		records[n].weight = s->weight;
		records[n].port = s->port;
		n++;
	}
	ares_free_data(list);
	r->srv(r->arg, records, n, n == 0 ? "no server is named in DNS" : NULL);
	free(records);
}

/* c-ares opens, changes or closes a socket. */
static void
watch_changed(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct resolver *r = arg;
	struct watch *w = NULL;
	short what;
	size_t i;

	for (i = 0; i < WATCH_MAX; i++)
		if (r->watches[i].fd == fd)
			w = &r->watches[i];
	if (w != NULL && w->event != NULL) {
		event_free(w->event);
		w->event = NULL;
	}
	if (!readable && !writable) {
		if (w != NULL)
			w->fd = ARES_SOCKET_BAD;
		return;
	}
	for (i = 0; w == NULL && i < WATCH_MAX; i++)
		if (r->watches[i].fd == ARES_SOCKET_BAD)
			w = &r->watches[i];
	if (w == NULL) {
		/* Its question then ends by its own time limit. */
		log_warnx("too many name servers are asked at once");
		return;
	}
	what = (short)(EV_PERSIST | (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
	w->fd = fd;
	w->event = event_new(r->base, fd, what, on_socket, r);
	if (w->event == NULL || event_add(w->event, NULL) == -1)
		fatalx("out of memory");
}

static void
on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r = arg;

	ares_process_fd(r->channel, (what & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
	    (what & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
	timer_set(r);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r = arg;

	(void)fd;
	(void)what;
	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	timer_set(r);
}

static const char *
reason(int status)
{
	switch (status) {
	case ARES_ENODATA:
	case ARES_ENOTFOUND:
		return "no such name in DNS";
	case ARES_ETIMEOUT:
		return "DNS does not answer";
	case ARES_ECONNREFUSED:
		return "the name server refuses connections";
	case ARES_ESERVFAIL:
		return "the name server failed";
	case ARES_EREFUSED:
		return "the name server refuses the question";
	case ARES_EBADNAME:
		return "not a name that DNS can hold";
	case ARES_ENOMEM:
		return "out of memory";
	default:
		return "DNS gave an answer that cannot be used";
	}
}
