/* SPDX-License-Identifier: ISC */
/*
 * adconnectord, the connector's parent: reads configuration and credentials,
 * opens the local listener, starts the spawner and drops every right.  Then it
 * keeps the keys and the bind password, signs, and passes messages between its
 * children, each checked against the message table.
 *
 * It parses its configuration, its own state files and messages; nothing that
 * came from the network, the directory or a browser.
 */
#include "build.h"

#include "adconnectord.h"
#include "change.h"
#include "proposal.h"
#include "saved_commit.h"

#include "common/clock.h"
#include "common/daemon.h"
#include "common/jose.h"
#include "common/json.h"
#include "common/log.h"
#include "common/notify.h"
#include "common/privileges.h"
#include "common/probe.h"
#include "common/replay.h"
#include "common/sandbox.h"
#include "common/wipe.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PENDING_MAX 4096
#define PENDING_MS 90000 /* beyond every deadline a request may have */
#define SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt"
#define READER_GROUP "adconnector"

/* Offsets from uid_base where the package's users are missing; never reordered. */
static const struct {
	enum role role;
	const char *name;
} user_names[] = {
	{ ROLE_PARENT, "_adconnector" },
	{ ROLE_SPAWNER, "_adc-spawner" },
	{ ROLE_DIAL, "_adc-dial" },
	{ ROLE_DIRECTORY, "_adc-directory" },
	{ ROLE_CLOUD, "_adc-cloud" },
	{ ROLE_WEB_CONTROL, "_adc-web" },
	{ ROLE_WEB_PAGE, "_adc-page" },
};
#define USERS (sizeof(user_names) / sizeof(user_names[0]))

static struct connector connector;

static int
on_configure(void *arg, struct child *child)
{
	return configure_child(arg, child);
}

static void
start_cloud(struct connector *c)
{
	c->tunnel_waits = false;
	event_del(c->tunnel_timer);
	if (c->current->identity != NULL)
		service_start(c->cloud);
}

static void
on_tunnel_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	start_cloud(arg);
}

void
open_tunnel(struct connector *c)
{
	static const struct timeval longest = { 1, 0 };

	if (!deployment_directory_ready(c->current)) {
		start_cloud(c);
		return;
	}
	c->tunnel_waits = true;
	event_add(c->tunnel_timer, &longest);
}

void
open_tunnel_now(struct connector *c)
{
	if (c->tunnel_waits)
		start_cloud(c);
}

/* They connect first of all: without dial they would begin with an error and a back-off. */
static void
start_connecting(struct connector *c)
{
	if (deployment_directory_ready(c->current))
		service_start(c->directory);
	open_tunnel(c);
}

static void
on_ready(void *arg, struct child *child)
{
	static bool announced;
	struct connector *c = arg;

	/* Before its tunnel stands; one that enrols opens none. */
	if (child_role(child) == ROLE_CLOUD && (!child_is_trial(child) || change_ticket(c) == NULL))
		report_tell_cloud(c, child);
	if (child_is_trial(child)) {
		change_child_ready(c, child);
		return;
	}
	if (child_role(child) == ROLE_DIAL)
		start_connecting(c);
	if (child_role(child) == ROLE_WEB_PAGE)
		page_ready(c);
	if (!announced && service_current(c->dial) != NULL && service_current(c->web) != NULL) {
		announced = true;
		log_info("ready: %s, %s",
		    c->current->identity == NULL ? "not enrolled yet"
						 : c->current->identity->connection,
		    deployment_directory_ready(c->current) ? c->current->settings->directory.user
							   : "no directory set up yet");
		daemon_ready();
	}
}

/* What this process answers. Everything else a child may not say to it. */
static void
on_message(void *arg, struct child *child, struct message *m)
{
	static const struct {
		enum message_type type;
		void (*handle)(struct connector *, struct child *, struct message *);
	} handlers[] = {
		{ MESSAGE_AUTHENTICATE, login_request },
		{ MESSAGE_CHECKED, login_result },
		{ MESSAGE_CONNECT, connect_request },
		{ MESSAGE_DIALED, connect_result },
		{ MESSAGE_SERVICE_PASSWORD_GET, login_service_password },
		{ MESSAGE_TUNNEL_PROOF, login_tunnel_proof },
		{ MESSAGE_TUNNEL_STATE, report_tunnel_state },
		{ MESSAGE_DIRECTORY_STATE, report_directory_state },
		{ MESSAGE_ENROLLED, change_enrolled },
		{ MESSAGE_TEST, test_request },
		{ MESSAGE_TEST_STEP, test_step },
		{ MESSAGE_TEST_DIRECTORY_END, test_end },
		{ MESSAGE_EXPLAIN, explain_request },
		{ MESSAGE_EXPLAIN_STEP, explain_step },
		{ MESSAGE_EXPLAIN_END, explain_end },
		{ MESSAGE_EXPLAIN_STOP, explain_stop },
		{ MESSAGE_STATUS_GET, report_status },
		{ MESSAGE_SETTINGS_GET, settings_show },
		{ MESSAGE_SET, change_set },
		{ MESSAGE_REVERT, change_revert },
		{ MESSAGE_LINK_MAKE, page_link },
		{ MESSAGE_SIGN_IN_ALLOWED, page_allowed },
		{ MESSAGE_ENROL, change_enrol },
		{ MESSAGE_RECONNECT, change_reconnect },
		{ MESSAGE_UNENROL, change_unenrol },
		{ MESSAGE_REKEY, change_rekey },
		{ MESSAGE_REKEY_ANSWER, rekey_answer },
	};
	size_t i;

	for (i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
		if (handlers[i].type == m->type) {
			handlers[i].handle(arg, child, m);
			return;
		}
	}
	if (m->type == MESSAGE_LOG_GET)
		log_ring_get(child, m);
	else if (m->type == MESSAGE_LOG_STOP)
		log_ring_stop(child, m);
	else
		child_breach(child, message_name(m->type));
}

static void
on_gone(void *arg, struct child *child)
{
	struct connector *c = arg;

	pending_child_gone(c->pending, child);
	log_ring_child_gone(child);
	change_asker_gone(c, child);
	page_child_gone(c, child);
	if (c->rekey.cloud_before == child)
		c->rekey.cloud_before = NULL;
	if (child_is_trial(child)) {
		change_child_gone(c, child);
		return;
	}
	if (!child_is_current(child))
		return;
	if (child_role(child) == ROLE_CLOUD)
		c->tunnel =
		    (struct tunnel_report){ .state = TUNNEL_CONNECTING, .since = time(NULL) };
	if (child_role(child) == ROLE_DIRECTORY) {
		/* Not as one that connects: logins do not wait for a process. */
		c->directory_report =
		    (struct directory_report){ .state = DIRECTORY_FAILED, .since = time(NULL) };
		report_directory_answers(c);
		c->directory_report.state = DIRECTORY_CONNECTING;
	}
}

static void
on_log(void *arg, struct child *child, int level, const char *text)
{
	(void)arg;
	log_from_child((enum log_level)level, role_name(child_role(child)), text);
}

static void
on_lost(void *arg, struct pending *p)
{
	switch (p->asked) {
	case MESSAGE_AUTHENTICATE:
		login_lost(arg, p);
		break;
	case MESSAGE_CONNECT:
		connect_lost(arg, p);
		break;
	case MESSAGE_EXPLAIN:
		explain_lost(arg, p);
		break;
	case MESSAGE_TEST:
		test_lost(arg, p);
		break;
	case MESSAGE_REKEY_STATEMENT:
		rekey_lost(arg);
		break;
	case MESSAGE_SIGN_IN_ALLOW:
		page_link_lost(arg, p);
		break;
	default:
		break;
	}
}

static void
on_broken(void *arg)
{
	struct connector *c = arg;

	c->exit_status = 1;
	event_base_loopbreak(c->base);
}

static void
on_signal(evutil_socket_t number, short what, void *arg)
{
	struct connector *c = arg;

	(void)what;
	log_info("ending: %s", strsignal((int)number));
	notify_send("STOPPING=1");
	event_base_loopbreak(c->base);
}

static bool
may_change_users(void)
{
	return (privileges_held() & PRIVILEGE_BIT(CAP_SETUID)) != 0;
}

static void
find_users(const struct settings *settings, struct house_user users[USERS])
{
	size_t i;

	for (i = 0; i < USERS; i++) {
		users[i].role = user_names[i].role;
		if (!may_change_users()) {
			users[i].uid = getuid();
			users[i].gid = getgid();
		} else
			privileges_find_user(user_names[i].name, settings->uid_base,
			    (unsigned int)i, &users[i].uid, &users[i].gid);
	}
}

/* What a crash left of a change is completed, or forgotten, before anything is made of it. */
static struct settings *
recover(struct settings *settings, const char *config)
{
	struct settings *again;
	char *error = NULL;

	switch (saved_recover(settings->state_dir)) {
	case 0:
		return settings;
	case 1:
		break;
	default:
		fatal("%s: what was being saved when the daemon ended", settings->state_dir);
	}
	if ((again = settings_load(config, NULL, &error)) == NULL)
		fatalx("%s", error == NULL ? "no memory" : error);
	log_info("the change that was being saved when the daemon ended has been completed");
	settings_free(settings);
	return again;
}

/* To be gone back to. It is no reason not to start when that cannot be had. */
static struct settings *
load_previous(const struct settings *settings)
{
	struct settings *previous;
	char path[PATH_MAX], *error = NULL;

	if (saved_path(settings->state_dir, SAVED_SETTINGS_BEFORE, path) == -1)
		return NULL;
	previous = settings_with_saved(settings, path, &error);
	if (previous == NULL && errno != ENOENT)
		log_warnx("%s", error == NULL ? "no memory" : error);
	free(error);
	return previous;
}

/* Directories, state, listener: what needs the rights of the start. */
static struct settings *
open_state(struct settings *settings, const char *config, const struct house_user *self)
{
	const char *why;
	struct group *group;
	char *path;

	if (daemon_directory(settings->state_dir, 0700, self->uid, self->gid) == -1 ||
	    daemon_directory(settings->runtime_dir, 0755, self->uid, self->gid) == -1 ||
	    daemon_lock(settings->state_dir) == -1 || daemon_lock(settings->runtime_dir) == -1)
		exit(1);
	settings = recover(settings, config);
	connector.previous = load_previous(settings);
	if ((connector.current = deployment_new(settings, self->uid, self->gid, &why)) == NULL)
		fatalx("%s", why);
	connector.current->identity = identity_load(connector.current->settings->state_dir, &why);
	if (why != NULL)
		fatalx("%s/identity.json: %s", connector.current->settings->state_dir, why);
	if ((connector.system_ca = open(SYSTEM_CA, O_RDONLY | O_CLOEXEC)) == -1 && errno != ENOENT)
		log_warn("%s", SYSTEM_CA);
	/* Until the children have a word of their own. */
	if (connector.current->identity != NULL)
		connector.tunnel =
		    (struct tunnel_report){ .state = TUNNEL_CONNECTING, .since = time(NULL) };
	if (deployment_directory_ready(connector.current))
		connector.directory_report =
		    (struct directory_report){ .state = DIRECTORY_CONNECTING, .since = time(NULL) };
	group = getgrnam(READER_GROUP);
	connector.reader_gid = group == NULL ? (gid_t)-1 : group->gr_gid;
	if (asprintf(&path, "%s/control.sock", connector.current->settings->runtime_dir) == -1)
		fatalx("no memory");
	connector.control =
	    daemon_listen_unix(path, 0660, group == NULL ? getgid() : group->gr_gid);
	if (connector.control == -1)
		exit(1);
	free(path);
	page_open(&connector);
	return settings;
}

static struct service *
add_service(enum role role)
{
	static const struct service_callbacks callbacks = { on_configure, on_ready, on_message,
		on_gone, on_log };
	struct service *service;

	if ((service = service_new(connector.house, role, &callbacks, &connector)) == NULL)
		fatalx("no memory");
	return service;
}

/* All that needs rights, in this order; afterwards they are gone. */
static void
set_up(struct settings *settings, const char *config)
{
	static const struct house_callbacks house_callbacks = { on_broken };
	static const struct pending_callbacks pending_callbacks = { on_lost, login_release };
	struct house_user users[USERS];
	bool privileged = may_change_users();

	connector.start_uid = getuid();
	find_users(settings, users);
	if (gethostname(connector.host, sizeof(connector.host) - 1) == -1)
		fatal("host name");
	proposal_of_host(
	    connector.proposed_domain, sizeof(connector.proposed_domain), connector.host);
	/* A state directory of root's making is the parent's own from the first start on. */
	settings = open_state(settings, config, &users[0]);
	connector.house = house_new(
	    connector.base, users, USERS, (int)settings->log.level, &house_callbacks, &connector);
	connector.pending =
	    pending_new(connector.base, PENDING_MAX, PENDING_MS, &pending_callbacks, &connector);
	connector.replay = replay_new(REPLAY_MINUTE_MAX, 0);
	connector.tunnel_timer = event_new(connector.base, -1, 0, on_tunnel_timer, &connector);
	connector.rekey.timer = event_new(connector.base, -1, 0, rekey_on_timer, &connector);
	if (connector.house == NULL || connector.pending == NULL || connector.replay == NULL ||
	    connector.tunnel_timer == NULL || connector.rekey.timer == NULL)
		exit(1);
	rekey_begin(&connector);
	connector.dial = add_service(ROLE_DIAL);
	connector.directory = add_service(ROLE_DIRECTORY);
	connector.cloud = add_service(ROLE_CLOUD);
	connector.web = add_service(ROLE_WEB_CONTROL);
	connector.page = add_service(ROLE_WEB_PAGE);
	if (privileges_drop(users[0].uid, users[0].gid, 0) == -1)
		fatal("dropping privileges");
	change_tidy_certificates(&connector);
	if (!privileged)
		log_warnx(
		    "started without the right to change users: all processes run as user %u, "
		    "none has a root directory of its own",
		    (unsigned int)getuid());
	if (sandbox_missing()[0] != '\0')
		log_warnx("weaker sandbox: %s", sandbox_missing());
	if (jose_warm_up() == -1)
		fatalx("OpenSSL does not work");
	sandbox_adconnectord(&connector);
	probe_sandbox(ROLE_PARENT);
}

/* Where the file gives a part of the directory nothing but the file can give the rest. */
static void
warn_incomplete(const struct settings *settings, bool check)
{
	char text[SETTINGS_MISSING_SIZE], hint[SETTINGS_MISSING_SIZE];

	if (settings_saved_password_allowed(settings) ||
	    !settings_missing(settings, false, text, hint))
		return;
	if (check)
		fprintf(stderr, "warning: %s: %s\n", text, hint);
	else
		log_warnx("nobody can log in: %s: %s", text, hint);
}

static void
start_services(void)
{
	service_start(connector.dial);
	service_start(connector.web);
	if (connector.page_listener.open)
		service_start(connector.page);
}

int
main(int argc, char **argv)
{
	struct daemon_options options;
	struct settings *settings;
	char *error = NULL;

	if (wipe_use_in_openssl() == -1)
		fatalx("OpenSSL does not take an allocator");
	json_use_wiping_allocator();
	log_init("parent");
	daemon_options(argc, argv, ADC_SYSCONFDIR "/adconnector.conf", &options);
	if ((settings = settings_load(options.config, NULL, &error)) == NULL)
		daemon_refuse(&options, error);
	if (options.check) {
		warn_incomplete(settings, true);
		return 0;
	}
	log_set_level(settings->log.level);
	log_set_json(settings->log.json);
	daemon_start(&options);
	log_ring_init(&connector);
	warn_incomplete(settings, false);
	connector.started = clock_s();
	if ((connector.base = event_base_new()) == NULL)
		fatalx("no event loop");
	daemon_signals(&options, connector.base, on_signal, &connector);
	set_up(settings, options.config);
	start_services();
	if (event_base_dispatch(connector.base) == -1)
		log_error("event loop");
	change_free(&connector);
	house_free(connector.house);
	deployment_free(connector.current);
	settings_free(connector.previous);
	log_info("ended");
	return connector.exit_status;
}
