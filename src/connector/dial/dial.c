/* SPDX-License-Identifier: ISC */
/*
 * adc-dial: makes every TCP connection of the connector.
 *
 * It exists so that no process that talks to the outside needs to open a
 * socket.  The parent names an entry of the list that it gave at the start;
 * there is no message that names a host, so nobody can have this process
 * connect anywhere else.  It hands over connected descriptors and never
 * reads or writes on one.
 *
 *	CONFIG "endpoint"   u8 kind, u16 index, u8 type, s host, u16 port
 *	DIAL -> DIALED      some of a kind at once, DIALS_WAITING_MAX more wait
 *	DRAIN               finish, then end
 */
#include "dial.h"

#include "connect.h"
#include "common/clock.h"
#include "common/endpoint.h"
#include "common/log.h"
#include "common/proc.h"
#include "resolve.h"

#include <bsd/sys/queue.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENDPOINTS_MAX 64
#define DIALS_WAITING_MAX 64
#define DEADLINE_MAX_MS 60000
/* How often the same trouble with an endpoint is told. */
#define LOG_INTERVAL_S 60

/* An answer too long for a datagram is asked for again over TCP (RFC 7766). */
#define DNS_PORT 53

enum endpoint_type { TYPE_HOST, TYPE_DISCOVERY };

/* A DIAL that was asked for; its time runs from the asking, also while it waits. */
struct order {
	TAILQ_ENTRY(order) entry;
	uint32_t id;
	struct dial_endpoint *endpoint;
	struct timeval until;
	struct event *expiry; /* while it waits */
};

static struct proc *proc;
static struct dial_endpoint endpoints[ENDPOINTS_MAX];
static size_t nendpoints;
static bool draining;

/* By kind: directory servers that are silent keep no place from the hub, nor it from them. */
static const size_t running_max[ENDPOINT_KIND_COUNT] = {
	[ENDPOINT_DIRECTORY] = 12, [ENDPOINT_HUB] = 4
};
static struct queue {
	TAILQ_HEAD(, order) waiting;
	size_t nwaiting, nrunning;
} queues[ENDPOINT_KIND_COUNT];

static int
config_endpoint(const void *value, size_t len)
{
	struct wire_reader r;
	struct dial_endpoint *e;
	char why[ENDPOINT_ERROR_SIZE];
	uint8_t type;
	size_t i;

	if (nendpoints == ENDPOINTS_MAX)
		return -1;
	e = &endpoints[nendpoints];
	wire_reader_init(&r, value, len);
	e->kind = wire_get_u8(&r);
	e->index = wire_get_u16(&r);
	type = wire_get_u8(&r);
	wire_get_string(&r, e->host, sizeof(e->host), 1);
	e->port = wire_get_u16(&r);
	if (wire_end(&r) == -1 || e->kind >= ENDPOINT_KIND_COUNT || type > TYPE_DISCOVERY ||
	    e->port == 0 || endpoint_check_host(e->host, why, sizeof(why)) == -1)
		return -1;
	e->discover = type == TYPE_DISCOVERY;
	for (i = 0; i < nendpoints; i++)
		if (endpoints[i].kind == e->kind && endpoints[i].index == e->index)
			return -1;
	nendpoints++;
	return 0;
}

static int
on_config(void *arg, const char *key, const void *value, size_t len, int fd)
{
	(void)arg;
	if (fd != -1) {
		close(fd);
		return -1;
	}
	if (strcmp(key, "endpoint") == 0)
		return config_endpoint(value, len);
	return -1;
}

static void
answer(uint32_t id, enum status status, const char *host, const char *address, const char *text,
    int fd)
{
	struct wire_writer w;

	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)status);
	wire_put_string(&w, host);
	wire_put_string(&w, address);
	wire_put_string(&w, text);
	proc_send(proc, MESSAGE_DIALED, id, &w, fd);
}

static void start_waiting(struct queue *);

static struct queue *
queue_of(const struct order *o)
{
	return &queues[o->endpoint->kind];
}

static void
order_free(struct order *o)
{
	if (o->expiry != NULL)
		event_free(o->expiry);
	free(o);
}

/* A server that is down for long must not push everything else out of the log. */
static void
log_result(struct dial_endpoint *e, const struct dial_result *result)
{
	int64_t now = clock_s();

	if (result->status == STATUS_OK)
		log_debug("%s: connected to %s", result->host, result->address);
	else if (result->status == e->logged && now - e->logged_s < LOG_INTERVAL_S)
		log_debug("%s", result->text);
	else {
		log_info("%s", result->text);
		e->logged_s = now;
	}
	e->logged = result->status;
}

static void
on_done(void *arg, struct dial_result *result)
{
	struct order *o = arg;
	struct queue *queue = queue_of(o);

	log_result(o->endpoint, result);
	answer(o->id, result->status, result->host, result->address, result->text, result->fd);
	order_free(o);
	queue->nrunning--;
	start_waiting(queue);
}

static void
start(struct order *o)
{
	struct timeval now, left;
	long ms;

	event_base_gettimeofday_cached(proc_base(proc), &now);
	timersub(&o->until, &now, &left);
	ms = left.tv_sec * 1000 + left.tv_usec / 1000;
	if (o->expiry != NULL)
		evtimer_del(o->expiry);
	if (dial_start(proc_base(proc), o->endpoint, ms < 1 ? 1 : (uint32_t)ms, on_done, o) == NULL)
		fatal("dialing %s", o->endpoint->host);
	queue_of(o)->nrunning++;
}

static void
end_when_drained(void)
{
	for (size_t i = 0; i < ENDPOINT_KIND_COUNT; i++) {
		if (!draining || queues[i].nrunning > 0 || queues[i].nwaiting > 0)
			return;
	}
	_exit(0);
}

static void
start_waiting(struct queue *queue)
{
	struct order *o;

	while (queue->nrunning < running_max[queue - queues] &&
	    (o = TAILQ_FIRST(&queue->waiting)) != NULL) {
		TAILQ_REMOVE(&queue->waiting, o, entry);
		queue->nwaiting--;
		start(o);
	}
	end_when_drained();
}

static enum status
unavailable(const struct dial_endpoint *e)
{
	return e->kind == ENDPOINT_DIRECTORY ? STATUS_DIRECTORY_UNAVAILABLE
					     : STATUS_CONNECTOR_UNAVAILABLE;
}

/* Its time was over before its turn came. */
static void
on_expiry(evutil_socket_t fd, short what, void *arg)
{
	struct order *o = arg;

	(void)fd;
	(void)what;
	TAILQ_REMOVE(&queue_of(o)->waiting, o, entry);
	queue_of(o)->nwaiting--;
	answer(o->id, STATUS_TIMEOUT, o->endpoint->host, "",
	    "too many connections are being opened; this one waited until its time was over", -1);
	order_free(o);
	end_when_drained();
}

static void
dial(uint32_t id, struct dial_endpoint *e, uint32_t deadline_ms)
{
	struct timeval now, tv = { deadline_ms / 1000, (deadline_ms % 1000) * 1000 };
	struct queue *queue = &queues[e->kind];
	struct order *o;

	if (draining || queue->nwaiting == DIALS_WAITING_MAX) {
		answer(id, unavailable(e), e->host, "",
		    draining ? "this process is being replaced; try again"
			     : "too many connections are being opened",
		    -1);
		return;
	}
	if ((o = calloc(1, sizeof(*o))) == NULL)
		fatal("dialing %s", e->host);
	o->id = id;
	o->endpoint = e;
	event_base_gettimeofday_cached(proc_base(proc), &now);
	timeradd(&now, &tv, &o->until);
	if (queue->nrunning < running_max[e->kind]) {
		start(o);
		return;
	}
	if ((o->expiry = evtimer_new(proc_base(proc), on_expiry, o)) == NULL ||
	    evtimer_add(o->expiry, &tv) == -1)
		fatal("dialing %s", e->host);
	TAILQ_INSERT_TAIL(&queue->waiting, o, entry);
	queue->nwaiting++;
}

static void
on_dial(struct message *m)
{
	uint32_t deadline_ms;
	uint16_t index;
	uint8_t kind;
	size_t i;

	kind = wire_get_u8(&m->body);
	index = wire_get_u16(&m->body);
	deadline_ms = wire_get_u32(&m->body);
	if (wire_end(&m->body) == -1 || deadline_ms == 0 || deadline_ms > DEADLINE_MAX_MS)
		proc_bad_message(m);
	for (i = 0; i < nendpoints; i++) {
		if (endpoints[i].kind == kind && endpoints[i].index == index) {
			dial(m->id, &endpoints[i], deadline_ms);
			return;
		}
	}
	answer(m->id, STATUS_BAD_REQUEST, "", "", "no such endpoint is configured", -1);
}

static void
on_message(void *arg, struct message *m)
{
	(void)arg;
	switch (m->type) {
	case MESSAGE_DIAL:
		on_dial(m);
		break;
	case MESSAGE_DRAIN:
		draining = true;
		end_when_drained();
		break;
	default:
		proc_bad_message(m);
	}
}

int
main(void)
{
	uint16_t ports[ENDPOINTS_MAX + 1];
	size_t i;

	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < ENDPOINT_KIND_COUNT; i++)
		TAILQ_INIT(&queues[i].waiting);
	proc = proc_open(ROLE_DIAL);
	proc_configure(proc, on_config, NULL);
	if (resolve_warm_up() == -1)
		fatalx("the resolver library cannot be used");
	for (i = 0; i < nendpoints; i++)
		ports[i] = endpoints[i].port;
	ports[nendpoints] = DNS_PORT;
	sandbox_dial(ports, nendpoints + 1);
	proc_run(proc, on_message, NULL);
}
