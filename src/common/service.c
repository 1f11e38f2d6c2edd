/* SPDX-License-Identifier: ISC */
/*
 * Children as a parent sees them.  The parent itself has no right to start or
 * end a process: it asks the spawner, and everything else hangs on the socket.
 */
#include "build.h"

#include "service.h"

#include "log.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include <bsd/sys/queue.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define START_TIMEOUT_MS 20000 /* from SPAWN to READY */
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 60000
#define SETTLED_MS 10000 /* a child that lived this long resets the back-off */
#define END_TIMEOUT_MS 5000

enum child_state {
	CHILD_SPAWNING,
	CHILD_STARTING, /* HELLO awaited, or configured and READY awaited */
	CHILD_RUNNING,
	CHILD_DRAINING,
	CHILD_ENDING, /* killed, or its socket is closed; EXITED awaited */
};

struct child {
	TAILQ_ENTRY(child) entry; /* in house */
	struct service *service;  /* NULL for the spawner */
	struct channel *channel;
	enum child_state state;
	bool trial;
	bool reported; /* gone() was called */
	pid_t pid;
	uint32_t spawn_id;
	int64_t started_ms;
	struct event *timer;
	void *data;
};

struct service {
	TAILQ_ENTRY(service) entry;
	struct house *house;
	enum role role;
	struct service_callbacks callbacks;
	void *arg;
	bool wanted;
	struct child *current; /* starting, running */
	struct child *trial;
	struct event *restart;
	unsigned int backoff_ms;
	unsigned int restarts;
};

struct house {
	struct event_base *base;
	struct channel *spawner;
	pid_t spawner_pid;
	bool spawner_ready, broken, ending;
	struct house_user users[ROLE_COUNT];
	size_t nusers;
	uint8_t level;
	struct house_callbacks callbacks;
	void *arg;
	uint32_t last_id;
	TAILQ_HEAD(services, service) services;
	TAILQ_HEAD(, child) children;
};

static void child_start(struct child *);
static void child_end(struct child *, const char *why);
static void service_schedule(struct service *);

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
timer_set(struct event *timer, unsigned int ms)
{
	struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	event_add(timer, &tv);
}

/* --- the spawner ---------------------------------------------------------- */

static struct child *
child_by_pid(struct house *house, pid_t pid)
{
	struct child *child;

	TAILQ_FOREACH (child, &house->children, entry) {
		if (child->pid == pid)
			return child;
	}
	return NULL;
}

static void
child_free(struct child *child)
{
	struct service *service = child->service;

	if (service->current == child)
		service->current = NULL;
	if (service->trial == child)
		service->trial = NULL;
	TAILQ_REMOVE(&service->house->children, child, entry);
	channel_free(child->channel);
	event_free(child->timer);
	free(child);
}

/* The owner hears of it once, as early as the child can do nothing any more. */
static void
child_report_gone(struct child *child)
{
	struct service *service = child->service;

	if (child->reported)
		return;
	child->reported = true;
	service->callbacks.gone(service->arg, child);
	if (service->current == child) {
		service->current = NULL;
		if (now_ms() - child->started_ms >= SETTLED_MS)
			service->backoff_ms = 0;
		service_schedule(service);
	}
	if (service->trial == child)
		service->trial = NULL;
}

static void
log_exit(const struct child *child, int status)
{
	const char *name = role_label(child->service->role);

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		log_errorx("%s: killed by its sandbox for a refused system call", name);
	else if (WIFSIGNALED(status) && child->state == CHILD_ENDING)
		log_debug("%s: ended", name);
	else if (WIFSIGNALED(status))
		log_errorx("%s: died by signal %d (%s)", name, WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) != 0)
		log_errorx("%s: ended with status %d", name, WEXITSTATUS(status));
	else if (child->state == CHILD_RUNNING)
		log_warnx("%s: ended", name);
}

static void
on_spawned(struct house *house, struct message *m)
{
	struct child *child;
	char why[256];
	uint32_t pid;

	pid = wire_get_u32(&m->body);
	wire_get_string(&m->body, why, sizeof(why), 0);
	if (wire_end(&m->body) == -1)
		fatalx("bad message SPAWNED");
	TAILQ_FOREACH (child, &house->children, entry) {
		if (child->spawn_id == m->id && child->pid == 0)
			break;
	}
	if (child == NULL)
		return;
	if (pid == 0) {
		log_errorx("%s: not started: %s", role_label(child->service->role), why);
		child_report_gone(child);
		child_free(child);
		return;
	}
	child->pid = (pid_t)pid;
	/* Its own first message may have been faster than the spawner's. */
	if (child->state == CHILD_SPAWNING)
		child->state = CHILD_STARTING;
	else if (child->state == CHILD_ENDING)
		child_end(child, NULL);
}

static void
on_spawner_message(void *arg, struct message *m)
{
	struct house *house = arg;
	struct child *child;
	uint32_t pid, status;

	switch (m->type) {
	case MESSAGE_HELLO:
		return;
	case MESSAGE_READY:
		house->spawner_ready = true;
		channel_set_state(house->spawner, CHANNEL_RUN);
		return;
	case MESSAGE_SPAWNED:
		on_spawned(house, m);
		return;
	case MESSAGE_EXITED:
		pid = wire_get_u32(&m->body);
		status = wire_get_u32(&m->body);
		if (wire_end(&m->body) == -1)
			fatalx("bad message EXITED");
		if ((child = child_by_pid(house, (pid_t)pid)) == NULL)
			return;
		/* Its last words may still be on the way. */
		channel_drain(child->channel);
		log_exit(child, (int)status);
		child_report_gone(child);
		child_free(child);
		return;
	case MESSAGE_LOG: {
		char text[LOG_LINE_MAX];
		uint8_t level = wire_get_u8(&m->body);

		wire_get_string(&m->body, text, sizeof(text), 0);
		if (wire_end(&m->body) == 0)
			log_write(level > LOG_LEVEL_DEBUG ? LOG_LEVEL_ERROR : level, "spawner", text);
		return;
	}
	default:
		fatalx("unexpected message %s from the spawner", message_name(m->type));
	}
}

static void
on_spawner_closed(void *arg, const char *why)
{
	struct house *house = arg;

	if (house->ending)
		return;
	log_errorx("the spawner is gone%s%s", why == NULL ? "" : ": ", why == NULL ? "" : why);
	house->broken = true;
	house->callbacks.broken(house->arg);
}

/* In the forked process: only calls that are safe there. */
static void __attribute__((noreturn))
exec_spawner(int fd)
{
	static const char path[] = ADC_LIBEXECDIR "/adc-spawner";
	char *const argv[] = { (char *)(uintptr_t)"adc-spawner", NULL };

	if (fd == 3) {
		if (fcntl(3, F_SETFD, 0) == -1)
			_exit(127);
	} else if (dup2(fd, 3) == -1)
		_exit(127);
	if (close_range(4, ~0U, 0) == -1)
		_exit(127);
	execv(path, argv);
	_exit(127);
}

/* Ids of the roles, then READY: the spawner is a child like others, started by hand. */
static int
spawner_configure(struct house *house)
{
	struct wire_writer item, w;
	size_t i;

	for (i = 0; i < house->nusers; i++) {
		wire_writer_init(&item);
		wire_put_u8(&item, (uint8_t)house->users[i].role);
		wire_put_u32(&item, house->users[i].uid);
		wire_put_u32(&item, house->users[i].gid);
		wire_writer_init(&w);
		wire_put_string(&w, "user");
		wire_put_bytes(&w, item.data, item.len);
		wire_writer_free(&item);
		if (channel_send(house->spawner, MESSAGE_CONFIG, 0, &w, -1) == -1)
			return -1;
	}
	if (channel_send(house->spawner, MESSAGE_CONFIG_END, 0, NULL, -1) == -1)
		return -1;
	while (!house->spawner_ready) {
		if (channel_receive(house->spawner, END_TIMEOUT_MS, on_spawner_message, house) == -1)
			return -1;
	}
	return 0;
}

struct house *
house_new(struct event_base *base, const struct house_user *users, size_t n, int level,
    const struct house_callbacks *callbacks, void *arg)
{
	static const struct channel_callbacks spawner_callbacks = { on_spawner_message,
		on_spawner_closed };
	struct house *house;
	int pair[2];

	if (n > ROLE_COUNT || (house = calloc(1, sizeof(*house))) == NULL)
		return NULL;
	house->base = base;
	memcpy(house->users, users, n * sizeof(*users));
	house->nusers = n;
	house->level = (uint8_t)level;
	house->callbacks = *callbacks;
	house->arg = arg;
	TAILQ_INIT(&house->services);
	TAILQ_INIT(&house->children);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1) {
		log_error("socketpair");
		free(house);
		return NULL;
	}
	if ((house->spawner_pid = fork()) == -1) {
		log_error("fork");
		close(pair[0]);
		close(pair[1]);
		free(house);
		return NULL;
	}
	if (house->spawner_pid == 0)
		exec_spawner(pair[1]);
	close(pair[1]);
	house->spawner = channel_new(base, pair[0], ROLE_PARENT, ROLE_SPAWNER, &spawner_callbacks, house);
	if (house->spawner == NULL || spawner_configure(house) == -1) {
		log_errorx("the spawner %s did not start", ADC_LIBEXECDIR "/adc-spawner");
		channel_free(house->spawner);
		free(house);
		return NULL;
	}
	return house;
}

const struct house_user *
house_user(const struct house *house, enum role role)
{
	size_t i;

	for (i = 0; i < house->nusers; i++) {
		if (house->users[i].role == role)
			return &house->users[i];
	}
	return NULL;
}

static void
on_end_timeout(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

/* Until no child of the service (NULL: of any) is left, or END_TIMEOUT_MS have passed. */
static void
wait_for_children(struct house *house, const struct service *service)
{
	struct event *timeout;
	struct child *child;
	bool expired = false;

	if ((timeout = event_new(house->base, -1, 0, on_end_timeout, &expired)) == NULL)
		return;
	timer_set(timeout, END_TIMEOUT_MS);
	while (!expired && !house->broken) {
		TAILQ_FOREACH (child, &house->children, entry) {
			if (service == NULL || child->service == service)
				break;
		}
		if (child == NULL)
			break;
		event_base_loop(house->base, EVLOOP_ONCE);
	}
	event_free(timeout);
}

/* Lets the children of a service finish what they have, then sees that they are gone. */
static void
service_drain(struct service *service)
{
	struct child *child, *next;

	service->wanted = false;
	event_del(service->restart);
	TAILQ_FOREACH_SAFE (child, &service->house->children, entry, next) {
		if (child->service != service)
			continue;
		if (child->state == CHILD_RUNNING) {
			child->state = CHILD_DRAINING;
			child_send(child, MESSAGE_DRAIN, 0, NULL, -1);
		} else if (child->state != CHILD_DRAINING)
			child_end(child, NULL);
	}
	wait_for_children(service->house, service);
}

void
house_free(struct house *house)
{
	struct service *service;

	if (house == NULL)
		return;
	house->ending = true;
	/* The last first: a store outlives the gates that still write to it. */
	TAILQ_FOREACH_REVERSE (service, &house->services, services, entry)
		service_drain(service);
	TAILQ_FOREACH (service, &house->services, entry)
		service_stop(service);
	wait_for_children(house, NULL);
	while (!TAILQ_EMPTY(&house->children))
		child_free(TAILQ_FIRST(&house->children));
	while ((service = TAILQ_FIRST(&house->services)) != NULL) {
		TAILQ_REMOVE(&house->services, service, entry);
		event_free(service->restart);
		free(service);
	}
	/* The end of file ends the spawner, and its end what it still has. */
	channel_free(house->spawner);
	free(house);
}

/* --- children ------------------------------------------------------------- */

static void
on_hello(struct child *child, struct message *m)
{
	struct service *service = child->service;
	char build[64];
	uint32_t protocol;

	protocol = wire_get_u32(&m->body);
	wire_get_string(&m->body, build, sizeof(build), 1);
	if (wire_end(&m->body) == -1) {
		child_breach(child, "bad HELLO");
		return;
	}
	if (protocol != MESSAGE_PROTOCOL || strcmp(build, PACKAGE_VERSION) != 0) {
		log_errorx("%s is of version %s, this is %s: install them together",
		    role_label(service->role), build, PACKAGE_VERSION);
		child_end(child, NULL);
		return;
	}
	child_config(child, "log_level", &service->house->level, 1);
	if (service->callbacks.configure(service->arg, child) == -1) {
		child_end(child, "it could not be configured");
		return;
	}
	child_send(child, MESSAGE_CONFIG_END, 0, NULL, -1);
}

static void
on_ready(struct child *child)
{
	struct service *service = child->service;

	event_del(child->timer);
	channel_set_state(child->channel, CHANNEL_RUN);
	child->state = CHILD_RUNNING;
	log_debug("%s: ready, pid %d", role_label(service->role), (int)child->pid);
	service->callbacks.ready(service->arg, child);
}

static void
on_log(struct child *child, struct message *m)
{
	struct service *service = child->service;
	char text[LOG_LINE_MAX];
	uint8_t level;

	level = wire_get_u8(&m->body);
	wire_get_string(&m->body, text, sizeof(text), 0);
	if (wire_end(&m->body) == -1 || level > LOG_LEVEL_DEBUG) {
		child_breach(child, "bad LOG");
		return;
	}
	service->callbacks.log(service->arg, child, level, text);
}

static void
on_child_message(void *arg, struct message *m)
{
	struct child *child = arg;

	if (child->state == CHILD_ENDING)
		return;
	switch (m->type) {
	case MESSAGE_HELLO:
		on_hello(child, m);
		return;
	case MESSAGE_READY:
		on_ready(child);
		return;
	case MESSAGE_LOG:
		on_log(child, m);
		return;
	default:
		child->service->callbacks.message(child->service->arg, child, m);
	}
}

static void
on_child_closed(void *arg, const char *why)
{
	struct child *child = arg;

	if (why != NULL)
		child_breach(child, why);
	else
		child_end(child, NULL); /* EXITED tells how */
}

/* No answer in time: while starting, or while draining. */
static void
on_child_timer(evutil_socket_t fd, short what, void *arg)
{
	struct child *child = arg;

	(void)fd;
	(void)what;
	if (child->state == CHILD_DRAINING)
		child_end(child, NULL);
	else
		child_end(child, "it did not get ready in time");
}

static struct child *
child_new(struct service *service, bool trial, void *data)
{
	struct child *child;

	if ((child = calloc(1, sizeof(*child))) == NULL)
		return NULL;
	child->service = service;
	child->trial = trial;
	child->data = data;
	if ((child->timer = event_new(service->house->base, -1, 0, on_child_timer, child)) == NULL) {
		free(child);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&service->house->children, child, entry);
	child_start(child);
	return child;
}

static void
child_start(struct child *child)
{
	static const struct channel_callbacks callbacks = { on_child_message, on_child_closed };
	struct house *house = child->service->house;
	struct wire_writer w;
	int pair[2];

	child->started_ms = now_ms();
	child->state = CHILD_SPAWNING;
	timer_set(child->timer, START_TIMEOUT_MS);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == -1) {
		log_error("socketpair");
		return; /* the timer tries again */
	}
	child->channel = channel_new(house->base, pair[0], ROLE_PARENT, child->service->role, &callbacks,
	    child);
	if (child->channel == NULL) {
		log_errorx("no memory for a child");
		close(pair[0]);
		close(pair[1]);
		return;
	}
	child->spawn_id = ++house->last_id;
	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)child->service->role);
	wire_put_u8(&w, 0);
	if (channel_send(house->spawner, MESSAGE_SPAWN, child->spawn_id, &w, pair[1]) == -1)
		log_errorx("the spawner takes no orders");
}

/* Ends a child by force. It is freed when the spawner reports it. */
static void
child_end(struct child *child, const char *why)
{
	struct house *house = child->service->house;
	struct wire_writer w;

	if (why != NULL)
		log_errorx("%s: ended: %s", role_label(child->service->role), why);
	if (child->state == CHILD_SPAWNING && child->channel == NULL) {
		child_report_gone(child);
		child_free(child);
		return;
	}
	if (child->state != CHILD_ENDING)
		child->state = CHILD_ENDING;
	event_del(child->timer);
	if (child->pid != 0) {
		wire_writer_init(&w);
		wire_put_u32(&w, (uint32_t)child->pid);
		wire_put_u8(&w, SIGKILL);
		channel_send(house->spawner, MESSAGE_KILL, 0, &w, -1);
	}
	child_report_gone(child);
}

void
child_breach(struct child *child, const char *why)
{
	log_errorx("%s broke the protocol and is ended: %s", role_label(child->service->role), why);
	child_end(child, NULL);
}

void
child_send(struct child *child, enum message_type type, uint32_t id, struct wire_writer *w, int fd)
{
	if (child == NULL || child->channel == NULL || child->state == CHILD_ENDING) {
		if (w != NULL)
			wire_writer_free(w);
		if (fd != -1)
			close(fd);
		return;
	}
	if (channel_send(child->channel, type, id, w, fd) == -1)
		child_end(child, "it cannot be spoken to");
}

void
child_config(struct child *child, const char *key, const void *value, size_t len)
{
	struct wire_writer w;

	wire_writer_init(&w);
	wire_put_string(&w, key);
	wire_put_bytes(&w, value, len);
	child_send(child, MESSAGE_CONFIG, 0, &w, -1);
}

void
child_config_string(struct child *child, const char *key, const char *value)
{
	child_config(child, key, value, strlen(value));
}

void
child_config_u32(struct child *child, const char *key, uint32_t value)
{
	struct wire_writer item;

	wire_writer_init(&item);
	wire_put_u32(&item, value);
	child_config_wire(child, key, &item);
}

void
child_config_wire(struct child *child, const char *key, struct wire_writer *item)
{
	child_config(child, key, item->data, item->len);
	wire_writer_free(item);
}

void
child_config_fd(struct child *child, const char *key, int fd)
{
	struct wire_writer w;

	wire_writer_init(&w);
	wire_put_string(&w, key);
	child_send(child, MESSAGE_CONFIG_FD, 0, &w, fd);
}

void
child_promote(struct child *child, unsigned int grace_ms)
{
	struct service *service = child->service;
	struct child *old = service->current;

	child->trial = false;
	service->trial = NULL;
	service->current = child;
	if (old != NULL && old != child) {
		if (old->state != CHILD_RUNNING) {
			child_end(old, NULL);
			return;
		}
		old->state = CHILD_DRAINING;
		child_send(old, MESSAGE_DRAIN, 0, NULL, -1);
		timer_set(old->timer, grace_ms);
	}
}

void
child_discard(struct child *child)
{
	child_end(child, NULL);
}

bool
child_is_trial(const struct child *child)
{
	return child->trial;
}

enum role
child_role(const struct child *child)
{
	return child->service->role;
}

pid_t
child_pid(const struct child *child)
{
	return child->pid;
}

void *
child_data(const struct child *child)
{
	return child->data;
}

/* --- services ------------------------------------------------------------- */

static void
on_restart(evutil_socket_t fd, short what, void *arg)
{
	struct service *service = arg;

	(void)fd;
	(void)what;
	if (service->wanted && service->current == NULL)
		service->current = child_new(service, false, NULL);
	if (service->wanted && service->current == NULL)
		service_schedule(service);
}

/* The next start, later the more often it failed. */
static void
service_schedule(struct service *service)
{
	if (!service->wanted || service->house->ending)
		return;
	service->restarts++;
	service->backoff_ms = service->backoff_ms == 0 ? BACKOFF_MIN_MS : service->backoff_ms * 2;
	if (service->backoff_ms > BACKOFF_MAX_MS)
		service->backoff_ms = BACKOFF_MAX_MS;
	/* The first restart is at once: one crash must not be noticed. */
	timer_set(service->restart, service->backoff_ms == BACKOFF_MIN_MS ? 0 : service->backoff_ms);
}

struct service *
service_new(struct house *house, enum role role, const struct service_callbacks *callbacks, void *arg)
{
	struct service *service;

	if ((service = calloc(1, sizeof(*service))) == NULL)
		return NULL;
	service->house = house;
	service->role = role;
	service->callbacks = *callbacks;
	service->arg = arg;
	if ((service->restart = event_new(house->base, -1, 0, on_restart, service)) == NULL) {
		free(service);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&house->services, service, entry);
	return service;
}

void
service_start(struct service *service)
{
	if (service->wanted)
		return;
	service->wanted = true;
	service->backoff_ms = 0;
	if (service->current == NULL)
		timer_set(service->restart, 0);
}

void
service_stop(struct service *service)
{
	struct child *child, *next;

	service->wanted = false;
	event_del(service->restart);
	TAILQ_FOREACH_SAFE (child, &service->house->children, entry, next) {
		if (child->service == service && child->state != CHILD_ENDING)
			child_end(child, NULL);
	}
}

struct child *
service_replace(struct service *service, void *data)
{
	if (service->trial != NULL)
		child_discard(service->trial);
	service->trial = child_new(service, true, data);
	return service->trial;
}

struct child *
service_current(const struct service *service)
{
	struct child *child = service->current;

	return child != NULL && child->state == CHILD_RUNNING ? child : NULL;
}

bool
service_has_trial(const struct service *service)
{
	return service->trial != NULL;
}

enum role
service_role(const struct service *service)
{
	return service->role;
}

unsigned int
service_restarts(const struct service *service)
{
	return service->restarts;
}
