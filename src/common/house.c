/* SPDX-License-Identifier: ISC */
/*
 * A house: the spawner, and the order in which everything ends.  The parent
 * itself has no right to start or end a process; it asks the spawner.
 */
#include "build.h"

#include "house.h"

#include "log.h"

#include <sys/socket.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define END_TIMEOUT_MS 5000

void
house_timer(struct event *timer, unsigned int ms)
{
	struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	/* Without memory for a timer it is over at once: better early than never. */
	if (event_add(timer, &tv) == -1)
		event_active(timer, EV_TIMEOUT, 0);
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
		child_exited(child, (int)status);
		child_report_gone(child);
		child_free(child);
		return;
	case MESSAGE_LOG: {
		char text[LOG_LINE_MAX];
		uint8_t level = wire_get_u8(&m->body);

		wire_get_string(&m->body, text, sizeof(text), 0);
		if (wire_end(&m->body) == 0)
			log_from_child(
			    level > LOG_LEVEL_DEBUG ? LOG_LEVEL_ERROR : level, "spawner", text);
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
static void __attribute__((noreturn)) exec_spawner(int fd)
{
	static const char path[] = ADC_LIBEXECDIR "/adc-spawner";
	char *const argv[] = { (char *)(uintptr_t) "adc-spawner", NULL };
#ifdef ADC_SANITIZERS
	char **envp = environ;
#else
	/* Whatever the starter had in its own is nothing for children. */
	char *envp[] = { NULL };
#endif

	if (fd == 3) {
		if (fcntl(3, F_SETFD, 0) == -1)
			_exit(127);
	} else if (dup2(fd, 3) == -1)
		_exit(127);
	if (close_range(4, ~0U, 0) == -1)
		_exit(127);
	execve(path, argv, envp);
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
		if (channel_receive(house->spawner, END_TIMEOUT_MS, on_spawner_message, house) ==
		    -1)
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
	house->spawner =
	    channel_new(base, pair[0], ROLE_PARENT, ROLE_SPAWNER, &spawner_callbacks, house);
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
void
house_wait(struct house *house, const struct service *service)
{
	struct event *timeout;
	struct child *child;
	bool expired = false;

	if ((timeout = event_new(house->base, -1, 0, on_end_timeout, &expired)) == NULL)
		return;
	house_timer(timeout, END_TIMEOUT_MS);
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
	house_wait(house, NULL);
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
