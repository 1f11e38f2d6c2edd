/* SPDX-License-Identifier: ISC */
/*
 * One child as its parent sees it, from the order to start it to the report
 * of its end.  Everything hangs on its socket: when that closes, or a message
 * on it breaks the rules, the child is ended.
 */
#include "build.h"

#include "house.h"
#include "clock.h"

#include "log.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define START_TIMEOUT_MS 20000 /* from SPAWN to READY */
#define LOG_LINES_MAX 500      /* of one child in a second; its own limits are lower */
#define SETTLED_MS 10000       /* a child that lived this long resets the back-off */
#define KILL_RETRY_MS 100      /* when the order to end a child could not be sent */

static void child_start(struct child *);
static void order_kill(struct child *);

struct child *
child_by_pid(struct house *house, pid_t pid)
{
	struct child *child;

	TAILQ_FOREACH (child, &house->children, entry) {
		if (child->pid == pid)
			return child;
	}
	return NULL;
}

void
child_free(struct child *child)
{
	struct service *service = child->service;

	if (service->current == child)
		service->current = NULL;
	if (service->trial == child)
		service->trial = NULL;
	/* Not before: what it held (a socket, the lock of a database) is free only now. */
	if (child->missed && service->current == NULL) {
		if (clock_ms() - child->started_ms >= SETTLED_MS)
			service->backoff_ms = 0;
		service_schedule(service,
		    child->ready || child->killed	     ? PROSPECT_GOOD
			: service->proven || child->hindered ? PROSPECT_FAIR
							     : PROSPECT_POOR);
	}
	TAILQ_REMOVE(&service->house->children, child, entry);
	channel_free(child->channel);
	event_free(child->timer);
	free(child);
}

/* The owner hears of it once, as early as the child can do nothing any more. */
void
child_report_gone(struct child *child)
{
	struct service *service = child->service;

	if (child->reported)
		return;
	child->reported = true;
	service->callbacks.gone(service->arg, child);
	if (service->current == child) {
		service->current = NULL;
		child->missed = true;
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
	else if (WIFSIGNALED(status) && child->state == CHILD_ENDING && !child->left)
		log_debug("%s: ended", name);
	else if (WIFSIGNALED(status) && !(child->left && WTERMSIG(status) == SIGKILL))
		log_errorx("%s: died by signal %d (%s)", name, WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) != 0)
		log_errorx("%s: ended with status %d", name, WEXITSTATUS(status));
	else if (child->state == CHILD_RUNNING || child->left)
		log_warnx("%s: ended", name);
}

void
child_exited(struct child *child, int status)
{
	log_exit(child, status);
	/* After a breach it was this process that killed it; what merely closed its socket left. */
	child->killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
	    (child->left || child->state != CHILD_ENDING);
	child->hindered = WIFEXITED(status) && WEXITSTATUS(status) == EX_TEMPFAIL;
}

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
	child->ready = true;
	service->proven = true;
	log_debug("%s: ready, pid %d", role_label(service->role), (int)child->pid);
	service->callbacks.ready(service->arg, child);
}

/* A child that was taken over must not fill the disk, or drown what others say. */
static bool
log_allowed(struct child *child)
{
	struct service *service = child->service;
	int64_t second = clock_s();
	char text[64];

	if (second != child->log_second) {
		child->log_second = second;
		child->log_lines = 0;
		if (child->log_left_out > 0) {
			snprintf(text, sizeof(text), "%u more lines of it were left out",
			    child->log_left_out);
			child->log_left_out = 0;
			service->callbacks.log(service->arg, child, LOG_LEVEL_WARNING, text);
		}
	}
	if (child->log_lines < LOG_LINES_MAX) {
		child->log_lines++;
		return true;
	}
	child->log_left_out++;
	return false;
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
	if (log_allowed(child))
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
	else {
		/* EXITED tells how. */
		child->left = child->state != CHILD_DRAINING && child->state != CHILD_ENDING;
		child_end(child, NULL);
	}
}

/* No answer in time: while starting, or while draining. */
static void
on_child_timer(evutil_socket_t fd, short what, void *arg)
{
	struct child *child = arg;

	(void)fd;
	(void)what;
	if (child->state == CHILD_ENDING && child->channel != NULL)
		order_kill(child);
	else if (child->state == CHILD_ENDING)
		child_free(child);
	else if (child->state == CHILD_DRAINING || child->channel == NULL)
		child_end(child, NULL);
	else
		child_end(child, "it did not get ready in time");
}

struct child *
child_new(struct service *service, bool trial)
{
	struct child *child;

	if ((child = calloc(1, sizeof(*child))) == NULL)
		return NULL;
	child->service = service;
	child->trial = trial;
	if ((child->timer = event_new(service->house->base, -1, 0, on_child_timer, child)) ==
	    NULL) {
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

	child->started_ms = clock_ms();
	child->state = CHILD_SPAWNING;
	house_timer(child->timer, START_TIMEOUT_MS);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == -1) {
		log_error("a socket for %s", role_label(child->service->role));
		house_timer(child->timer, 0);
		return;
	}
	child->channel =
	    channel_new(house->base, pair[0], ROLE_PARENT, child->service->role, &callbacks, child);
	if (child->channel == NULL) {
		log_errorx("no memory for a child");
		close(pair[0]);
		close(pair[1]);
		house_timer(child->timer, 0);
		return;
	}
	child->spawn_id = ++house->last_id;
	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)child->service->role);
	if (channel_send(house->spawner, MESSAGE_SPAWN, child->spawn_id, &w, pair[1]) == -1) {
		log_errorx("%s: the order to start it could not be given",
		    role_label(child->service->role));
		channel_free(child->channel);
		child->channel = NULL;
		house_timer(child->timer, 0);
	}
}

/* It lives on until the order has been given: nobody hears it, and no other is started. */
static void
order_kill(struct child *child)
{
	struct wire_writer w;

	wire_writer_init(&w);
	wire_put_u32(&w, (uint32_t)child->pid);
	wire_put_u8(&w, SIGKILL);
	if (channel_send(child->service->house->spawner, MESSAGE_KILL, 0, &w, -1) == -1)
		house_timer(child->timer, KILL_RETRY_MS);
}

/* Ends a child by force. It is freed when the spawner reports it. */
void
child_end(struct child *child, const char *why)
{
	if (why != NULL)
		log_errorx("%s: ended: %s", role_label(child->service->role), why);
	if (child->channel == NULL) {
		/* Nobody will report its end. Not freed here: the caller may go through a list. */
		if (child->state != CHILD_ENDING) {
			child->state = CHILD_ENDING;
			child_report_gone(child);
			house_timer(child->timer, 0);
		}
		return;
	}
	child->state = CHILD_ENDING;
	event_del(child->timer);
	if (child->pid != 0)
		order_kill(child);
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
child_unanswered(struct child *child, uint32_t id, enum status status)
{
	struct wire_writer w;

	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)status);
	child_send(child, MESSAGE_UNANSWERED, id, &w, -1);
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
		house_timer(old->timer, grace_ms);
	}
}

void
child_discard(struct child *child)
{
	/* Its owner, who hears of its end now, does not take it for one that failed. */
	child->trial = false;
	child_end(child, NULL);
}

bool
child_ended(const struct child *child)
{
	return child->state == CHILD_ENDING;
}

bool
child_is_current(const struct child *child)
{
	return child->service->current == child;
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
