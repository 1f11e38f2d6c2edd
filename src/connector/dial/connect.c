/* SPDX-License-Identifier: ISC */
/*
 * The course of one dial.  Everything that happens (an answer of DNS, a socket
 * that connected or failed, the stagger) only notes itself and wakes step(),
 * which alone decides what comes next; so nothing is freed under a library's feet.
 */
#include "connect.h"

#include "common/endpoint.h"
#include "common/log.h"
#include "common/message.h"
#include "common/tcp_peer.h"
#include "resolve.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <bsd/string.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct candidate {
	union address address;
	uint8_t target; /* index into targets */
};

struct attempt {
	struct dial *dial;
	int fd;		     /* -1: free */
	unsigned int number; /* in the order they were started */
	struct event *event;
	const struct candidate *candidate;
};

struct dial {
	struct event_base *base;
	struct dial_endpoint *endpoint;
	uint32_t deadline_ms;
	dial_done_fn done;
	void *arg;
	struct event *step, *stagger, *again, *deadline;
	unsigned int started;
	bool may_start; /* the stagger allows another socket */
	bool expired;
	int connected; /* the winner, -1 */
	const struct candidate *winner;

	struct resolver *resolver;
	bool resolving;
	struct srv_record *targets; /* hosts to try, best first; one without discovery */
	size_t ntargets, next_target;

	struct candidate candidates[CONNECT_ADDRESSES_MAX];
	size_t ncandidates, next_candidate;
	struct attempt attempts[CONNECT_PARALLEL_MAX];
	char error[CONNECT_TEXT_SIZE]; /* the first failure: mostly the one that matters */
	bool error_is_weak;	       /* no route (often IPv6): any other failure says more */
};

static void on_step(evutil_socket_t, short, void *);
static void on_stagger(evutil_socket_t, short, void *);
static void on_again(evutil_socket_t, short, void *);
static void on_deadline(evutil_socket_t, short, void *);
static void on_connected(evutil_socket_t, short, void *);
static void dial_free(struct dial *);

static void
wake(struct dial *d)
{
	event_active(d->step, EV_TIMEOUT, 0);
}

static void __attribute__((format(printf, 3, 4)))
note_error(struct dial *d, bool weak, const char *format, ...)
{
	va_list ap;

	if (d->error[0] != '\0' && (weak || !d->error_is_weak))
		return;
	d->error_is_weak = weak;
	va_start(ap, format);
	vsnprintf(d->error, sizeof(d->error), format, ap);
	va_end(ap);
}

static void
remember(struct dial *d, const char *address)
{
	if (d->endpoint->kind != ENDPOINT_DIRECTORY)
		return;
	strlcpy(d->endpoint->last_host, d->targets[d->winner->target].target,
	    sizeof(d->endpoint->last_host));
	strlcpy(d->endpoint->last_address, address, sizeof(d->endpoint->last_address));
}

/* The address that the last dial got to comes before those that were not tried yet. */
static void
prefer_last_address(struct dial *d)
{
	struct candidate *latest = &d->candidates[d->ncandidates - 1];
	struct candidate *next = &d->candidates[d->next_candidate], other;
	char text[ADDRESS_TEXT_SIZE];

	dial_format_address(&latest->address.any, text, sizeof(text));
	if (strcmp(text, d->endpoint->last_address) != 0)
		return;
	other = *next;
	*next = *latest;
	*latest = other;
}

/* So does the host. */
static void
prefer_last_host(struct dial *d)
{
	struct srv_record other;
	size_t i;

	for (i = 1; i < d->ntargets; i++) {
		if (strcmp(d->targets[i].target, d->endpoint->last_host) != 0)
			continue;
		other = d->targets[i];
		memmove(&d->targets[1], &d->targets[0], i * sizeof(other));
		d->targets[0] = other;
		return;
	}
}

/* Puts an address into the list of those to try; beyond the limit it is left out. */
static void
candidate_add(struct dial *d, const struct sockaddr *sa, size_t target)
{
	const struct srv_record *t = &d->targets[target];
	struct candidate *c;

	if (d->ncandidates == CONNECT_ADDRESSES_MAX)
		return;
	c = &d->candidates[d->ncandidates];
	memset(c, 0, sizeof(*c));
	if (sa->sa_family == AF_INET) {
		memcpy(&c->address.four, sa, sizeof(c->address.four));
		c->address.four.sin_port = htons(t->port);
	} else {
		memcpy(&c->address.six, sa, sizeof(c->address.six));
		c->address.six.sin6_port = htons(t->port);
	}
	c->target = (uint8_t)target;
	d->ncandidates++;
	prefer_last_address(d);
}

/* A host given as an address never meets DNS. */
static bool
add_numeric(struct dial *d, size_t target)
{
	const char *host = d->targets[target].target;
	union address a;

	memset(&a, 0, sizeof(a));
	if (inet_pton(AF_INET, host, &a.four.sin_addr) == 1)
		a.any.sa_family = AF_INET;
	else if (inet_pton(AF_INET6, host, &a.six.sin6_addr) == 1)
		a.any.sa_family = AF_INET6;
	else
		return false;
	candidate_add(d, &a.any, target);
	return true;
}

struct dial *
dial_start(struct event_base *base, struct dial_endpoint *endpoint, uint32_t deadline_ms,
    dial_done_fn done, void *arg)
{
	struct timeval tv = { deadline_ms / 1000, (deadline_ms % 1000) * 1000 };
	struct dial *d;
	size_t i;

	if ((d = calloc(1, sizeof(*d))) == NULL)
		return NULL;
	for (i = 0; i < CONNECT_PARALLEL_MAX; i++) {
		d->attempts[i].dial = d;
		d->attempts[i].fd = -1;
	}
	d->base = base;
	d->endpoint = endpoint;
	d->deadline_ms = deadline_ms;
	d->done = done;
	d->arg = arg;
	d->connected = -1;
	d->may_start = true;
	d->step = event_new(base, -1, 0, on_step, d);
	d->stagger = evtimer_new(base, on_stagger, d);
	d->again = evtimer_new(base, on_again, d);
	d->deadline = evtimer_new(base, on_deadline, d);
	d->targets = calloc(endpoint->discover ? SRV_RECORDS_MAX : 1, sizeof(*d->targets));
	if (d->step == NULL || d->stagger == NULL || d->again == NULL || d->deadline == NULL ||
	    d->targets == NULL || evtimer_add(d->deadline, &tv) == -1) {
		dial_free(d);
		errno = ENOMEM;
		return NULL;
	}
	if (!endpoint->discover) {
		strlcpy(d->targets[0].target, endpoint->host, sizeof(d->targets[0].target));
		d->targets[0].port = endpoint->port;
		d->ntargets = 1;
	}
	wake(d);
	return d;
}

static void
attempt_end(struct attempt *a, bool keep)
{
	if (a->event != NULL)
		event_free(a->event);
	a->event = NULL;
	if (a->fd != -1 && !keep)
		close(a->fd);
	a->fd = -1;
}

static void
dial_free(struct dial *d)
{
	size_t i;

	for (i = 0; i < CONNECT_PARALLEL_MAX; i++)
		attempt_end(&d->attempts[i], false);
	resolver_free(d->resolver);
	if (d->step != NULL)
		event_free(d->step);
	if (d->stagger != NULL)
		event_free(d->stagger);
	if (d->again != NULL)
		event_free(d->again);
	if (d->deadline != NULL)
		event_free(d->deadline);
	free(d->targets);
	free(d);
}

/* --- names ---------------------------------------------------------------- */

static void
on_address(void *arg, const struct sockaddr *sa, socklen_t len)
{
	struct dial *d = arg;

	(void)len;
	candidate_add(d, sa, d->next_target - 1);
	wake(d);
}

static void
on_resolved(void *arg, const char *error)
{
	struct dial *d = arg;

	d->resolving = false;
	if (error != NULL)
		note_error(d, false, "%s: %s", d->targets[d->next_target - 1].target, error);
	wake(d);
}

static uint32_t
random_upto(uint32_t max)
{
	return max == UINT32_MAX ? arc4random() : arc4random_uniform(max + 1);
}

/* Keeps what lies in the domain and is a host name, in the order to try. */
static void
on_srv(void *arg, struct srv_record *records, size_t n, const char *error)
{
	struct dial *d = arg;
	const char *domain = d->endpoint->host;
	size_t i;

	d->resolving = false;
	wake(d);
	if (error != NULL) {
		note_error(d, false,
		    "%s: its domain controllers were not found: %s; it was read as the name of a "
		    "domain: for one server write ldaps://%s",
		    domain, error, domain);
		return;
	}
	srv_order(records, n, random_upto);
	for (i = 0; i < n; i++) {
		if (!endpoint_host_name_valid(records[i].target) ||
		    !srv_target_allowed(domain, records[i].target)) {
			log_warnx("%s: DNS names %s as a domain controller, which is not below "
				  "that domain: left out",
			    domain, records[i].target);
			continue;
		}
		d->targets[d->ntargets] = records[i];
		d->targets[d->ntargets].port = d->endpoint->port;
		d->ntargets++;
	}
	prefer_last_host(d);
	if (d->ntargets == 0)
		note_error(
		    d, false, "%s: DNS names no domain controller below that domain", domain);
}

/* Asks DNS for the next thing not known yet. False: there is nothing to ask. */
static bool
resolve_next(struct dial *d)
{
	char name[SRV_HOST_SIZE + 32];

	if (d->ncandidates == CONNECT_ADDRESSES_MAX)
		return false;
	if (d->endpoint->discover && d->resolver == NULL) {
		if (srv_name(d->endpoint->host, name, sizeof(name)) == -1)
			return false;
		if ((d->resolver = resolver_new(d->base, d)) == NULL) {
			note_error(
			    d, false, "%s: no resolver: %s", d->endpoint->host, strerror(errno));
			return false;
		}
		d->resolving = true;
		resolver_srv(d->resolver, name, on_srv);
		return true;
	}
	while (d->next_target < d->ntargets) {
		if (add_numeric(d, d->next_target)) {
			d->next_target++;
			wake(d);
			return true;
		}
		if (d->resolver == NULL && (d->resolver = resolver_new(d->base, d)) == NULL) {
			note_error(
			    d, false, "%s: no resolver: %s", d->endpoint->host, strerror(errno));
			return false;
		}
		d->next_target++;
		d->resolving = true;
		resolver_host(
		    d->resolver, d->targets[d->next_target - 1].target, on_address, on_resolved);
		return true;
	}
	return false;
}

/* --- sockets -------------------------------------------------------------- */

/* -1: the address could not even be tried. */
static int
attempt_start(struct dial *d, struct attempt *a, const struct candidate *c)
{
	static const int on = 1;
	socklen_t len;

	len =
	    c->address.any.sa_family == AF_INET ? sizeof(c->address.four) : sizeof(c->address.six);
	a->candidate = c;
	a->number = d->started++;
	a->fd = socket(c->address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd == -1)
		return -1;
	if (setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == -1)
		return -1;
	if (connect(a->fd, &c->address.any, len) == -1 && errno != EINPROGRESS)
		return -1;
	a->event = event_new(d->base, a->fd, EV_WRITE, on_connected, a);
	if (a->event == NULL || event_add(a->event, NULL) == -1) {
		errno = ENOMEM;
		return -1;
	}
	return 0;
}

static void
attempt_failed(struct dial *d, struct attempt *a, int error)
{
	char text[ADDRESS_TEXT_SIZE];
	const char *host = d->targets[a->candidate->target].target;
	bool weak;

	dial_format_address(&a->candidate->address.any, text, sizeof(text));
	log_debug("%s: %s: %s", host, text, strerror(error));
	weak = error == ENETUNREACH || error == EADDRNOTAVAIL;
	if (strncmp(text, host, strlen(host)) == 0 || text[0] == '[')
		note_error(d, weak, "%s: %s", text, dial_connect_error(error));
	else
		note_error(d, weak, "%s (%s): %s", host, text, dial_connect_error(error));
	attempt_end(a, false);
}

static void
on_connected(evutil_socket_t fd, short what, void *arg)
{
	struct attempt *a = arg;
	struct dial *d = a->dial;
	socklen_t len = sizeof(int);
	int error = 0;

	(void)what;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		error = errno;
	if (error == 0 && tcp_peer_watch(fd) == -1)
		log_warn("%s: that it is gone would be noticed late", d->endpoint->host);
	wake(d);
	if (error != 0) {
		attempt_failed(d, a, error);
		d->may_start = true; /* no reason to wait for the stagger */
		return;
	}
	if (d->connected != -1)
		return;
	d->connected = a->fd;
	d->winner = a->candidate;
	attempt_end(a, true);
}

/* A place for one more; when all are taken, that of the one which was silent longest. */
static struct attempt *
attempt_place(struct dial *d)
{
	struct attempt *oldest = &d->attempts[0];
	size_t i;

	for (i = 0; i < CONNECT_PARALLEL_MAX; i++) {
		if (d->attempts[i].fd == -1)
			return &d->attempts[i];
		if (d->attempts[i].number < oldest->number)
			oldest = &d->attempts[i];
	}
	attempt_end(oldest, false);
	return oldest;
}

/* Starts the next address when one is due. */
static void
attempt_next(struct dial *d)
{
	struct timeval tv = { 0, CONNECT_STAGGER_MS * 1000 };
	struct attempt *a;

	while (d->may_start && d->next_candidate < d->ncandidates) {
		a = attempt_place(d);
		if (attempt_start(d, a, &d->candidates[d->next_candidate++]) == -1) {
			attempt_failed(d, a, errno);
			continue;
		}
		d->may_start = false;
		evtimer_add(d->stagger, &tv);
	}
}

static bool
attempts_open(const struct dial *d)
{
	size_t i;

	for (i = 0; i < CONNECT_PARALLEL_MAX; i++)
		if (d->attempts[i].fd != -1)
			return true;
	return false;
}

/* --- the course ----------------------------------------------------------- */

static void
on_stagger(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;

	(void)fd;
	(void)what;
	d->may_start = true;
	wake(d);
}

/* The kernel asks a silent address again after 1, 3, 7 s…: too seldom for one that comes back. */
static void
on_again(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;

	(void)fd;
	(void)what;
	d->next_candidate = 0;
	wake(d);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;

	(void)fd;
	(void)what;
	d->expired = true;
	wake(d);
}

static void
finish(struct dial *d)
{
	char address[ADDRESS_TEXT_SIZE] = "";
	struct dial_result result;
	const char *host = d->endpoint->host;

	memset(&result, 0, sizeof(result));
	result.fd = d->connected;
	result.host = host;
	result.address = address;
	if (d->connected != -1) {
		result.status = STATUS_OK;
		if (d->endpoint->discover)
			result.host = d->targets[d->winner->target].target;
		dial_format_address(&d->winner->address.any, address, sizeof(address));
		remember(d, address);
	} else if (d->expired && d->error[0] == '\0') {
		result.status = STATUS_TIMEOUT;
		snprintf(result.text, sizeof(result.text),
		    d->ncandidates == 0 ? "%s: DNS did not answer within %u ms"
					: "%s: no answer within %u ms: the host is down, or a "
					  "firewall drops what is sent to it",
		    host, d->deadline_ms);
	} else {
		result.status = d->endpoint->kind == ENDPOINT_DIRECTORY
		    ? STATUS_DIRECTORY_UNAVAILABLE
		    : STATUS_CONNECTOR_UNAVAILABLE;
		strlcpy(result.text, d->error[0] != '\0' ? d->error : "no address to connect to",
		    sizeof(result.text));
	}
	d->done(d->arg, &result);
	dial_free(d);
}

static void
on_step(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval again = { CONNECT_AGAIN_MS / 1000,
		(CONNECT_AGAIN_MS % 1000) * 1000 };
	struct dial *d = arg;

	(void)fd;
	(void)what;
	if (d->connected == -1 && !d->expired) {
		attempt_next(d);
		if (d->next_candidate < d->ncandidates || d->resolving || !d->may_start)
			return;
		/* Another host is looked up while the last one tried keeps silent. */
		if (resolve_next(d))
			return;
		if (attempts_open(d)) {
			if (!evtimer_pending(d->again, NULL))
				evtimer_add(d->again, &again);
			return;
		}
	}
	finish(d);
}
