/* SPDX-License-Identifier: ISC */
/*
 * adhubd, the hub's parent: reads the configuration, opens the listeners,
 * starts the spawner and drops every right; then it passes messages between
 * gate and store by the message table, and starts again what died.
 *
 * It parses nothing from outside: what comes from the network goes to gate,
 * what is kept goes to store.
 */
#include "build.h"

#include "adhubd.h"

#include "common/daemon.h"
#include "common/log.h"
#include "common/notify.h"
#include "common/privileges.h"
#include "common/probe.h"
#include "common/sandbox.h"
#include "common/wipe.h"

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PENDING_MAX 8192
#define PENDING_MS 90000

/* Offsets from uid_base where the package's users are missing; never reordered. */
static const struct {
	enum role role;
	const char *name;
} user_names[] = {
	{ ROLE_PARENT, "_adhub" },
	{ ROLE_SPAWNER, "_adhub-spawner" },
	{ ROLE_GATE_PUBLIC, "_adhub-gate" },
	{ ROLE_GATE_CONTROL, "_adhub-control" },
	{ ROLE_STORE, "_adhub-store" },
};
#define USERS (sizeof(user_names) / sizeof(user_names[0]))

static struct hub hub;

static void
configure_public(struct child *child)
{
	size_t i;
	int fd;

	for (i = 0; i < hub.nlisteners; i++) {
		if ((fd = fcntl(hub.listeners[i].fd, F_DUPFD_CLOEXEC, 3)) != -1)
			child_config_fd(
			    child, hub.listeners[i].tls ? "listener.https" : "listener.http", fd);
	}
	child_config_string(child, "tls_certificate", hub.tls_certificate);
	child_config(child, "tls_key", hub.tls_key->data, hub.tls_key->len);
	child_config_string(child, "public_url", hub.public_url);
	child_config_u32(child, "throttle_address", hub.settings->throttle.per_address);
	child_config_u32(child, "throttle_name", hub.settings->throttle.per_name);
	child_config_u32(child, "throttle_connection", hub.settings->throttle.per_connection);
}

static void
configure_control(struct child *child)
{
	struct wire_writer w;
	int fd;

	if ((fd = fcntl(hub.control, F_DUPFD_CLOEXEC, 3)) != -1)
		child_config_fd(child, "listener.unix", fd);
	child_config_string(child, "public_url", hub.public_url);
	child_config_string(child, "pin", hub.pin);
	wire_writer_init(&w);
	wire_put_u32(&w, 1);
	wire_put_u32(&w, hub.start_uid);
	child_config_wire(child, "admin_uid", &w);
}

static int
on_configure(void *arg, struct child *child)
{
	(void)arg;
	switch (child_role(child)) {
	case ROLE_GATE_PUBLIC:
		configure_public(child);
		return 0;
	case ROLE_GATE_CONTROL:
		configure_control(child);
		return 0;
	case ROLE_STORE:
		child_config_string(child, "directory", hub.store_directory);
		return 0;
	default:
		return -1;
	}
}

/* With what it listens on: behind a proxy that is not what people are told. */
static void
announce(void)
{
	char text[HUB_LISTEN_MAX * (ENDPOINT_ORIGIN_SIZE + 2)] = "", one[ENDPOINT_ORIGIN_SIZE];
	size_t i;

	for (i = 0; i < hub.settings->nlisten; i++) {
		if (endpoint_format(&hub.settings->listen[i], one, sizeof(one)) == -1)
			continue;
		if (text[0] != '\0')
			strlcat(text, ", ", sizeof(text));
		strlcat(text, one, sizeof(text));
	}
	log_info("ready: %s, listening on %s", hub.public_url, text);
}

static void
on_ready(void *arg, struct child *child)
{
	static bool announced;
	struct child *gate = service_current(hub.gate_public);

	(void)arg;
	/* A store that was started again has to learn which tunnels are up. */
	if (child_role(child) == ROLE_STORE && gate != NULL)
		child_send(gate, MESSAGE_TUNNEL_REPORT, 0, NULL, -1);
	if (!announced && gate != NULL && service_current(hub.gate_control) != NULL &&
	    service_current(hub.store) != NULL) {
		announced = true;
		announce();
		daemon_ready();
	}
}

static void
on_message(void *arg, struct child *child, struct message *m)
{
	(void)arg;
	if (message_relayed(m->type))
		relay_message(&hub, child, m);
	else if (m->type == MESSAGE_UNREADABLE)
		relay_unreadable(&hub, child, m);
	else
		child_breach(child, message_name(m->type));
}

static void
on_gone(void *arg, struct child *child)
{
	(void)arg;
	pending_child_gone(hub.pending, child);
}

static void
on_log(void *arg, struct child *child, int level, const char *text)
{
	(void)arg;
	log_from_child((enum log_level)level, role_label(child_role(child)), text);
}

static void
on_broken(void *arg)
{
	(void)arg;
	hub.exit_status = 1;
	event_base_loopbreak(hub.base);
}

static void
on_signal(evutil_socket_t number, short what, void *arg)
{
	(void)what;
	(void)arg;
	log_info("ending: %s", strsignal((int)number));
	notify_send("STOPPING=1");
	event_base_loopbreak(hub.base);
}

static void
find_users(struct house_user users[USERS])
{
	uint32_t base = hub.settings->uid_base;
	size_t i;

	for (i = 0; i < USERS; i++) {
		users[i].role = user_names[i].role;
		if ((privileges_held() & PRIVILEGE_BIT(7)) == 0) { /* CAP_SETUID */
			users[i].uid = getuid();
			users[i].gid = getgid();
		} else
			privileges_find_user(user_names[i].name, base, (unsigned int)i,
			    &users[i].uid, &users[i].gid);
	}
}

static void
open_listeners(void)
{
	const struct hub_settings *settings = hub.settings;
	char *path;
	size_t i;
	int fds[2], n, k;

	for (i = 0; i < settings->nlisten; i++) {
		if ((n = daemon_listen_tcp(&settings->listen[i], fds)) == -1)
			exit(1);
		for (k = 0; k < n; k++) {
			hub.listeners[hub.nlisteners].fd = fds[k];
			hub.listeners[hub.nlisteners++].tls =
			    settings->listen[i].scheme == ENDPOINT_HTTPS;
		}
	}
	if (asprintf(&path, "%s/control.sock", settings->runtime_dir) == -1)
		fatalx("no memory");
	if ((hub.control = daemon_listen_unix(path, 0660, getgid())) == -1)
		exit(1);
	free(path);
}

static struct service *
add_service(enum role role)
{
	static const struct service_callbacks callbacks = { on_configure, on_ready, on_message,
		on_gone, on_log };
	struct service *service;

	if ((service = service_new(hub.house, role, &callbacks, NULL)) == NULL)
		fatalx("no memory");
	return service;
}

/* All that needs rights, in this order; afterwards they are gone. */
static void
set_up(void)
{
	static const struct house_callbacks house_callbacks = { on_broken };
	static const struct pending_callbacks pending_callbacks = { relay_lost, NULL };
	struct house_user users[USERS];
	bool privileged;

	hub.start_uid = getuid();
	privileged = (privileges_held() & PRIVILEGE_BIT(7)) != 0;
	find_users(users);
	if (asprintf(&hub.store_directory, "%s/store", hub.settings->state_dir) == -1 ||
	    (hub.public_url = malloc(ENDPOINT_ORIGIN_SIZE)) == NULL ||
	    endpoint_format(&hub.settings->public_url, hub.public_url, ENDPOINT_ORIGIN_SIZE) == -1)
		fatalx("no memory");
	/* Others only pass through the state directory, each to its own. */
	if (daemon_directory(hub.settings->state_dir, 0711, users[0].uid, users[0].gid) == -1 ||
	    daemon_directory(hub.store_directory, 0700, users[4].uid, users[4].gid) == -1 ||
	    daemon_directory(hub.settings->runtime_dir, 0755, users[0].uid, users[0].gid) == -1 ||
	    daemon_lock(hub.settings->state_dir) == -1 ||
	    daemon_lock(hub.settings->runtime_dir) == -1 || certificate_load(&hub) == -1)
		exit(1);
	open_listeners();
	hub.house =
	    house_new(hub.base, users, USERS, hub.settings->log.level, &house_callbacks, NULL);
	if (hub.house == NULL)
		exit(1);
	if ((hub.pending = pending_new(
		 hub.base, PENDING_MAX, PENDING_MS, &pending_callbacks, &hub)) == NULL)
		fatalx("no memory");
	hub.store = add_service(ROLE_STORE);
	hub.gate_public = add_service(ROLE_GATE_PUBLIC);
	hub.gate_control = add_service(ROLE_GATE_CONTROL);
	if (privileges_drop(users[0].uid, users[0].gid, 0) == -1)
		fatal("dropping privileges");
	if (!privileged)
		log_warnx(
		    "started without the right to change users: all processes run as user %u, "
		    "none has a root directory of its own",
		    (unsigned int)getuid());
	if (sandbox_missing()[0] != '\0')
		log_warnx("weaker sandbox: %s", sandbox_missing());
	sandbox_adhubd();
	probe_sandbox(ROLE_PARENT);
}

int
main(int argc, char **argv)
{
	struct daemon_options options;
	char *error = NULL;

	if (wipe_use_in_openssl() == -1)
		fatalx("OpenSSL does not take an allocator");
	log_init("parent");
	daemon_options(argc, argv, ADC_SYSCONFDIR "/adhub.conf", &options);
	if ((hub.settings = hub_settings_load(options.config, NULL, &error)) == NULL)
		daemon_refuse(&options, error);
	if (options.check)
		return 0;
	log_set_level(hub.settings->log.level);
	log_set_json(hub.settings->log.json);
	daemon_start(&options);
	if ((hub.base = event_base_new()) == NULL)
		fatalx("no event loop");
	daemon_signals(&options, hub.base, on_signal, NULL);
	set_up();
	service_start(hub.store);
	service_start(hub.gate_public);
	service_start(hub.gate_control);
	if (event_base_dispatch(hub.base) == -1)
		log_error("event loop");
	house_free(hub.house);
	secret_free(hub.tls_key);
	log_info("ended");
	return hub.exit_status;
}
