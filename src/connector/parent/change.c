/* SPDX-License-Identifier: ISC */
/*
 * New settings, and enrolments.  A child's configuration never changes, so a
 * change is a set of new children beside the old ones: first dial, then, from
 * connections that this dial makes, directory (until its service bind is done)
 * and cloud (until its tunnel stands, or the ticket is exchanged).  When all
 * of them are well they take over and the change is saved; when one is not,
 * they are ended, nothing is saved, and the asker is told why.
 *
 * One change at a time.
 */
#include "change.h"

#include "advice.h"
#include "saved.h"

#include "common/log.h"

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHANGE_TIMEOUT_S 40
#define VALUE_MAX 65000
#define PRIVATE_KEY "PRIVATE KEY-----" /* of every kind, in PEM */

struct deployment *
change_deployment(struct connector *connector)
{
	return connector->change == NULL ? NULL : connector->change->next;
}

const struct directory_report *
change_directory_report(const struct connector *connector)
{
	const struct change *change = connector->change;

	return change != NULL && change->directory != NULL ? &change->directory_report
							   : &connector->directory_report;
}

struct child *
change_dial(struct connector *connector)
{
	return connector->change == NULL ? service_current(connector->dial)
					 : connector->change->dial;
}

const struct ticket *
change_ticket(struct connector *connector)
{
	struct change *change = connector->change;

	return change != NULL && change->enrol ? &change->ticket : NULL;
}

static void
tell(struct child *asker, uint32_t id, bool done, const char *code, enum test_step step,
    const char *text)
{
	struct wire_writer w;

	if (asker == NULL)
		return;
	wire_writer_init(&w);
	wire_put_u8(&w, done);
	wire_put_string(&w, code);
	wire_put_u8(&w, (uint8_t)step);
	wire_put_string(&w, done ? "" : advice_key(text));
	wire_put_string(&w, text);
	child_send(asker, MESSAGE_DONE, id, &w, -1);
}

void
change_tell(struct child *asker, uint32_t id, bool done, const char *code, const char *text)
{
	tell(asker, id, done, code, TEST_STEP_COUNT, text);
}

/* Forgets the change; its children are somebody else's business by now. */
void
change_release(struct change *change)
{
	if (change->timer != NULL)
		event_free(change->timer);
	ticket_wipe(&change->ticket);
	deployment_free(change->next);
	explicit_bzero(change, sizeof(*change));
	free(change);
}

void
change_fail(struct connector *connector, const char *code, const char *format, ...)
{
	struct change *change = connector->change;
	char text[1024];
	va_list ap;
	size_t i;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	utf8_trim(text);
	connector->change = NULL; /* what follows must not come back here */
	log_warnx("%s: %s",
	    change->enrol	    ? "not enrolled"
		: change->rekey	    ? "keys not changed"
		: change->reconnect ? "tunnel not opened anew"
				    : "settings not changed",
	    text);
	if (change->directory != NULL)
		child_discard(change->directory);
	if (change->cloud != NULL)
		child_discard(change->cloud);
	if (change->dial != NULL)
		child_discard(change->dial);
	for (i = 0; i < change->ncertificates; i++)
		saved_certificate_remove(
		    connector->current->settings->state_dir, change->certificates[i]);
	tell(change->asker, change->id, false, code,
	    advice_step(code, change->enrol || change->cloud != NULL), text);
	change_release(change);
}

void
change_fail_cloud(struct connector *connector, const char *code, const char *text)
{
	const char *what;

	what = advice_cloud(code, connector->change->next->settings->cloud.has_proxy);
	if (connector->change->rekey)
		change_fail(connector, code,
		    "the hub said that it has the new keys, but no tunnel was opened with them "
		    "yet: %s; the connector goes on trying",
		    text);
	else
		change_fail(connector, code, "%s%s%s", text, *what == '\0' ? "" : "; ", what);
}

void
change_free(struct connector *connector)
{
	if (connector->change != NULL)
		change_release(connector->change);
	connector->change = NULL;
}

static void
on_timeout(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	change_fail(arg, "timeout", "it took longer than %d s", CHANGE_TIMEOUT_S);
}

bool
change_busy(const struct connector *connector, struct child *asker, uint32_t id)
{
	if (connector->change == NULL && !service_has_trial(connector->cloud) &&
	    !service_has_trial(connector->directory))
		return false;
	change_tell(
	    asker, id, false, "busy", "another change is being tried: try again when it is done");
	return true;
}

/* NULL (and told) when another change is under way or memory is short. */
struct change *
change_new(struct connector *connector, struct child *asker, uint32_t id)
{
	static const struct timeval timeout = { CHANGE_TIMEOUT_S, 0 };
	struct change *change;

	if (change_busy(connector, asker, id))
		return NULL;
	if ((change = calloc(1, sizeof(*change))) == NULL ||
	    (change->next = deployment_copy(connector->current)) == NULL ||
	    (change->timer = event_new(connector->base, -1, 0, on_timeout, connector)) == NULL) {
		if (change != NULL)
			change_release(change);
		change_tell(asker, id, false, "internal", "no memory");
		return NULL;
	}
	event_add(change->timer, &timeout);
	change->asker = asker;
	change->id = id;
	connector->change = change;
	return change;
}

void
change_start(struct connector *connector)
{
	struct change *change = connector->change;

	if ((change->dial = service_replace(connector->dial)) == NULL)
		change_fail(connector, "internal", "no memory");
}

void
change_start_anew(struct service *service)
{
	if (service_current(service) != NULL && service_replace(service) != NULL)
		return;
	service_stop(service);
	service_start(service);
}

/* --- the end of a change --------------------------------------------------- */

/* The settings in force become those to go back to. */
static void
keep_previous(struct connector *connector, struct deployment *old)
{
	struct settings *forgotten = connector->previous;

	connector->previous = old->settings;
	old->settings = NULL;
	if (forgotten != NULL)
		change_remove_certificates(connector, forgotten);
	settings_free(forgotten);
}

/* Everything that was tried works: it is in force from here on. */
static void
change_take(struct connector *connector)
{
	struct change *change = connector->change;
	struct deployment *old = connector->current;
	char *error = NULL, text[1536];

	if (change->settings && change_save(connector, &error) == -1) {
		change_fail(connector, "not_saved", "%s", error == NULL ? "no memory" : error);
		free(error);
		return;
	}
	connector->change = NULL;
	connector->current = change->next;
	change->next = NULL;
	if (change->settings)
		keep_previous(connector, old);
	if (change->dial != NULL)
		child_promote(change->dial, CHANGE_GRACE_MS);
	if (change->directory != NULL) {
		connector->directory_report = change->directory_report;
		child_promote(change->directory, CHANGE_GRACE_MS);
	}
	if (change->cloud != NULL) {
		report_take_tunnel(connector, &change->tunnel_report);
		child_promote(change->cloud, CHANGE_GRACE_MS);
	}
	service_start(connector->dial);
	if (deployment_directory_ready(connector->current))
		service_start(connector->directory);
	else
		service_stop(connector->directory);
	report_directory_answers(connector);
	/* What was told meanwhile was told to the one before it. */
	if (change->cloud != NULL)
		report_tell_cloud(connector, change->cloud);
	if (change->untried) {
		service_stop(connector->cloud);
		open_tunnel(connector);
	}
	if (change->settings)
		log_info("settings changed: %s", change->which);
	else
		log_info(
		    "%s", change->rekey ? "tunnel opened with the new keys" : "tunnel opened anew");
	change_tell(change->asker, change->id, true, "ok",
	    change_taken_text(connector, change, text, sizeof(text)));
	change_release(change);
	deployment_free(old);
}

/*
 * New values of cloud are tried beside a tunnel that stands.  Where none does, be it between two
 * tries or in the midst of one, a hub or a proxy that is gone must not keep the values in force
 * that lead to it.
 */
static bool
tunnel_stands(const struct connector *connector)
{
	return connector->current->identity != NULL &&
	    (connector->tunnel.state == TUNNEL_ONLINE || connector->tunnel.state == TUNNEL_PENDING);
}

/* What is to be tried next; in sequence, so that an error names one thing. */
static void
change_go_on(struct connector *connector)
{
	struct change *change = connector->change;

	if (change->try_directory && change->directory == NULL) {
		if ((change->directory = service_replace(connector->directory)) == NULL)
			change_fail(connector, "internal", "no memory");
		return;
	}
	/* Asked only now: the directory may have taken its time. */
	change->untried = change->settings && change->try_cloud && change->cloud == NULL &&
	    !tunnel_stands(connector);
	if (change->try_cloud && change->cloud == NULL && !change->untried) {
		if ((change->cloud = service_replace(connector->cloud)) == NULL)
			change_fail(connector, "internal", "no memory");
	} else
		change_take(connector);
}

void
change_child_ready(struct connector *connector, struct child *child)
{
	struct change *change = connector->change;

	if (change == NULL) {
		/* New identity: the settings are those in force, nothing is on trial. */
		child_promote(child, CHANGE_GRACE_MS);
		return;
	}
	if (child == change->dial)
		change_go_on(connector);
}

/* It was to take over without a change: the one before it knows an identity that is gone. */
static void
start_again(struct connector *connector, enum role role)
{
	struct service *services[] = { connector->dial, connector->directory, connector->cloud };
	size_t i;

	for (i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		if (service_role(services[i]) == role && service_wanted(services[i])) {
			service_stop(services[i]);
			service_start(services[i]);
		}
}

void
change_child_gone(struct connector *connector, struct child *child)
{
	struct change *change = connector->change;
	enum role role = child_role(child);

	if (change == NULL) {
		start_again(connector, role);
		return;
	}
	if (child != change->dial && child != change->directory && child != change->cloud)
		return;
	if (child == change->dial)
		change->dial = NULL;
	else if (child == change->directory)
		change->directory = NULL;
	else
		change->cloud = NULL;
	change_fail(
	    connector, "internal", "the new %s process ended; the log says why", role_name(role));
}

void
change_directory_state(struct connector *connector, const struct directory_report *report)
{
	struct change *change = connector->change;

	if (change == NULL)
		return;
	if (report->state == DIRECTORY_OK) {
		change->directory_report = *report;
		/* Said again while the tunnel is being tried: that one is waited for. */
		if (change->cloud == NULL)
			change_go_on(connector);
	} else if (report->state == DIRECTORY_FAILED)
		change_fail(connector, report->code, "%s", report->text);
}

void
change_tunnel_state(struct connector *connector, const struct tunnel_report *report)
{
	struct change *change = connector->change;

	if (change == NULL || change->enrol)
		return;
	if (report->state == TUNNEL_ONLINE || report->state == TUNNEL_PENDING) {
		change->tunnel_report = *report;
		change_go_on(connector);
	} else if (report->state == TUNNEL_WAITING || report->state == TUNNEL_REFUSED)
		change_fail_cloud(connector, report->code, report->text);
}

void
change_asker_gone(struct connector *connector, struct child *child)
{
	if (connector->change != NULL && connector->change->asker == child)
		connector->change->asker = NULL;
}

/* --- SET ------------------------------------------------------------------- */

/*
 * The text of certificates becomes a file, and the setting its name.  A name is not taken: what
 * this process may open, its own keys among it, would be handed to a child as certificates.
 */
static int
keep_certificate(struct connector *connector, struct settings_change *item)
{
	struct change *change = connector->change;
	char *path;

	if (!settings_is_certificate(item->key) || item->value[0] == '\0')
		return 0;
	if (!saved_is_certificate(item->value)) {
		change_fail(connector, "bad_request",
		    "%s: not certificates as PEM text; the daemon opens no file that is named to "
		    "it",
		    item->key);
		return -1;
	}
	if (strstr(item->value, PRIVATE_KEY) != NULL) {
		change_fail(connector, "bad_request",
		    "%s: a private key is among it: give the certificates alone", item->key);
		return -1;
	}
	if (change->ncertificates == CHANGE_CERTIFICATES_MAX) {
		change_fail(
		    connector, "bad_request", "%s: too many certificates in one change", item->key);
		return -1;
	}
	path = change->certificates[change->ncertificates];
	if (saved_certificate_write(
		connector->current->settings->state_dir, item->key, item->value, path) == -1) {
		change_fail(
		    connector, "not_saved", "%s cannot be saved: %s", item->key, strerror(errno));
		return -1;
	}
	change->ncertificates++;
	item->value = path;
	return 0;
}

/* CA files of the next deployment, where they are other ones. 0, or -1 and told. */
static int
open_certificates(struct connector *connector)
{
	struct deployment *next = connector->change->next;
	const char *paths[] = { next->settings->directory.tls_ca, next->settings->cloud.ca };
	int *fds[] = { &next->directory_ca, &next->cloud_ca };
	size_t i;

	for (i = 0; i < 2; i++) {
		const struct settings *now = connector->current->settings;
		const char *before = i == 0 ? now->directory.tls_ca : now->cloud.ca;

		if (before != NULL && paths[i] != NULL && strcmp(before, paths[i]) == 0)
			continue;
		if (*fds[i] != -1)
			close(*fds[i]);
		*fds[i] = -1;
		if (paths[i] != NULL &&
		    (*fds[i] = open(paths[i], O_RDONLY | O_CLOEXEC | O_NOCTTY)) == -1) {
			change_fail(connector, "bad_request",
			    "%s: %s (give the certificates themselves)", paths[i], strerror(errno));
			return -1;
		}
	}
	return 0;
}

void
change_settings(struct connector *connector)
{
	struct change *change = connector->change;
	bool complete;

	change->settings = true;
	if (open_certificates(connector) == -1)
		return;
	complete = deployment_directory_ready(change->next);
	if (!complete && !change->forget && deployment_directory_ready(connector->current)) {
		if (settings_directory_ready(change->next->settings))
			change_fail(connector, "password_needed",
			    "directory.password: the saved one belongs to the server, TLS mode, CA "
			    "and name it was given for: give it in the same change, by naming "
			    "directory.password as well");
		else
			change_fail(connector, "incomplete",
			    "without server and user nobody could log in any more");
		return;
	}
	change->try_directory = change->try_directory && complete;
	change_start(connector);
}

static void
set_apply(struct connector *connector, struct settings_change *items, size_t n)
{
	struct change *change = connector->change;
	struct deployment *next = change->next;
	const char *password = NULL;
	char *error = NULL;
	size_t i;

	for (i = 0; i < n; i++) {
		if (keep_certificate(connector, &items[i]) == -1)
			return;
		if (settings_is_password(items[i].key))
			password = items[i].value;
		else if (strncmp(items[i].key, "directory.", 10) == 0)
			change->try_directory = true;
		else if (strncmp(items[i].key, "cloud.", 6) == 0)
			change->try_cloud = true;
	}
	if (settings_set_all(next->settings, items, n, &error) == -1) {
		change_fail(connector, "bad_request", "%s", error == NULL ? "no memory" : error);
		free(error);
		return;
	}
	for (i = 0; i < n; i++) {
		strlcat(change->which, i == 0 ? "" : ", ", sizeof(change->which));
		strlcat(change->which, items[i].key, sizeof(change->which));
	}
	if (next->settings->password_changed || next->settings->forget_password) {
		change->try_directory = true;
		secret_free(next->bind_password);
		next->bind_password = NULL;
	}
	if (next->settings->password_changed && password != NULL && password[0] != '\0') {
		if ((next->bind_password = secret_copy(password, strlen(password))) == NULL) {
			change_fail(connector, "internal", "no memory");
			return;
		}
	}
	/* Going elsewhere in the same change needs another one, all the same. */
	change->forget = password != NULL && password[0] == '\0' &&
	    settings_directory_ready(next->settings) &&
	    settings_same_place(connector->current->settings, next->settings);
	next->settings->password_changed = next->settings->forget_password = false;
	change_settings(connector);
}

void
change_set(struct connector *connector, struct child *asker, struct message *m)
{
	struct settings_change items[SETTINGS_CHANGES_MAX];
	char *keys[SETTINGS_CHANGES_MAX] = { NULL }, *values[SETTINGS_CHANGES_MAX] = { NULL };
	const char *why = NULL;
	size_t n, i;

	n = wire_get_u16(&m->body);
	for (i = 0; i < n && i < SETTINGS_CHANGES_MAX; i++) {
		keys[i] = wire_get_string_dup(&m->body, 1, CONFIG_PATH_MAX - 1);
		values[i] = wire_get_string_dup(&m->body, 0, VALUE_MAX);
		items[i].key = keys[i];
		items[i].value = values[i];
		if (why == NULL && keys[i] != NULL && values[i] != NULL)
			why = page_may_not_set(asker, keys[i]);
	}
	if (n > SETTINGS_CHANGES_MAX)
		change_tell(asker, m->id, false, "bad_request", "too many settings in one change");
	else if (wire_end(&m->body) == -1)
		child_breach(asker, "bad SET");
	else if (why != NULL)
		change_tell(asker, m->id, false, "not_permitted", why);
	else if (change_new(connector, asker, m->id) != NULL)
		set_apply(connector, items, n);
	for (i = 0; i < SETTINGS_CHANGES_MAX; i++) {
		free(keys[i]);
		if (values[i] != NULL)
			explicit_bzero(values[i], strlen(values[i]));
		free(values[i]);
	}
}
