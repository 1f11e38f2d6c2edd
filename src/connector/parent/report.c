/* SPDX-License-Identifier: ISC */
/*
 * The states that children report, and the answer to `adconnectorctl status`.
 */
#include "build.h"

#include "adconnectord.h"
#include "advice.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/sandbox.h"

#include <bsd/string.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAIRS_MAX 96

static const char *const tunnel_words[] = {
	[TUNNEL_NOT_ENROLLED] = "not_enrolled",
	[TUNNEL_CONNECTING] = "connecting",
	[TUNNEL_ONLINE] = "online",
	[TUNNEL_PENDING] = "pending",
	[TUNNEL_WAITING] = "waiting",
	[TUNNEL_REFUSED] = "refused",
};

static const char *const directory_words[] = {
	[DIRECTORY_NOT_CONFIGURED] = "not_configured",
	[DIRECTORY_CONNECTING] = "connecting",
	[DIRECTORY_OK] = "ok",
	[DIRECTORY_FAILED] = "failed",
};

/* What was signed for it was right, or was not. */
static void
take_proof(
    struct connector *connector, const struct child *child, const struct tunnel_report *report)
{
	if (!child_is_trial(child) && child != service_current(connector->cloud))
		return;
	/* The hub's time comes with its welcome. */
	if (report->hub_time != 0) {
		strlcpy(connector->nonce_welcomed, connector->proved[child_is_trial(child)].nonce,
		    sizeof(connector->nonce_welcomed));
		rekey_welcomed(connector, child);
	} else if (report->state == TUNNEL_REFUSED && strcmp(report->code, "refused") == 0)
		rekey_refused(connector, child);
}

void
report_tunnel_state(struct connector *connector, struct child *child, struct message *m)
{
	struct tunnel_report report;
	uint8_t state;

	memset(&report, 0, sizeof(report));
	state = wire_get_u8(&m->body);
	wire_get_string(&m->body, report.code, sizeof(report.code), 0);
	wire_get_string(&m->body, report.text, sizeof(report.text), 0);
	report.hub_time = (int64_t)wire_get_u64(&m->body);
	if (wire_end(&m->body) == -1 || state > TUNNEL_REFUSED) {
		child_breach(child, "bad TUNNEL_STATE");
		return;
	}
	report.state = (enum tunnel_state)state;
	report.since = connector->tunnel.state == report.state && !child_is_trial(child)
	    ? connector->tunnel.since
	    : time(NULL);
	take_proof(connector, child, &report);
	if (child_is_trial(child))
		change_tunnel_state(connector, &report);
	else if (child == service_current(connector->cloud)) {
		/* During a change it is the tunnel on trial that took the place. */
		if (strcmp(report.code, "replaced") == 0 && change_deployment(connector) == NULL)
			log_warnx("%s", report.text);
		report_take_tunnel(connector, &report);
	}
}

void
report_take_tunnel(struct connector *connector, const struct tunnel_report *report)
{
	connector->tunnel = *report;
	if (report->hub_time == 0)
		return;
	hub_clock_set(&connector->hub_clock, report->hub_time);
	report_clock(connector);
}

void
report_clock(struct connector *connector)
{
	const struct identity *identity = connector->current->identity;
	char hub[512] = "the hub";

	if (identity != NULL)
		(void)endpoint_format(&identity->origin, hub, sizeof(hub));
	hub_clock_tell(&connector->hub_clock, hub);
}

void
report_tell_cloud(const struct connector *connector, struct child *cloud)
{
	struct wire_writer w;

	wire_writer_init(&w);
	wire_put_u8(&w, connector->directory_answers);
	child_send(cloud, MESSAGE_DIRECTORY_ANSWERS, 0, &w, -1);
}

/*
 * While it connects nothing is changed: servers close connections as a matter of course, and
 * logins wait the moment until there is another; and one that failed is not there yet.  One that
 * went silent is not soon found again.
 */
static bool
directory_answers(const struct connector *connector)
{
	if (service_current(connector->directory) == NULL)
		return false;
	return connector->directory_report.state == DIRECTORY_OK ||
	    (connector->directory_report.state == DIRECTORY_CONNECTING &&
		strcmp(connector->directory_report.code, "timeout") != 0 &&
		connector->directory_answers);
}

void
report_directory_answers(struct connector *connector)
{
	struct child *cloud = service_current(connector->cloud);
	bool answers = directory_answers(connector);

	if (answers == connector->directory_answers)
		return;
	connector->directory_answers = answers;
	if (cloud != NULL)
		report_tell_cloud(connector, cloud);
}

void
report_directory_state(struct connector *connector, struct child *child, struct message *m)
{
	struct directory_report report;
	uint8_t state;

	memset(&report, 0, sizeof(report));
	state = wire_get_u8(&m->body);
	wire_get_string(&m->body, report.code, sizeof(report.code), 0);
	wire_get_string(&m->body, report.text, sizeof(report.text), 0);
	wire_get_string(&m->body, report.server, sizeof(report.server), 0);
	wire_get_string(&m->body, report.base, sizeof(report.base), 0);
	wire_get_string(&m->body, report.netbios, sizeof(report.netbios), 0);
	wire_get_string(&m->body, report.domain, sizeof(report.domain), 0);
	report.connections = wire_get_u16(&m->body);
	report.busy = wire_get_u16(&m->body);
	if (wire_end(&m->body) == -1 || state > DIRECTORY_FAILED) {
		child_breach(child, "bad DIRECTORY_STATE");
		return;
	}
	report.state = (enum directory_state)state;
	report.since = connector->directory_report.state == report.state && !child_is_trial(child)
	    ? connector->directory_report.since
	    : time(NULL);
	if (child_is_trial(child))
		change_directory_state(connector, &report);
	else if (child == service_current(connector->directory)) {
		connector->directory_report = report;
		report_directory_answers(connector);
		if (report.state != DIRECTORY_CONNECTING)
			open_tunnel_now(connector);
	}
}

struct pairs {
	struct wire_writer w;
	uint16_t n;
};

static void
add(struct pairs *pairs, const char *key, const char *value)
{
	if (pairs->n == PAIRS_MAX)
		return;
	wire_put_string(&pairs->w, key);
	wire_put_string(&pairs->w, value);
	pairs->n++;
}

static void
add_number(struct pairs *pairs, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	add(pairs, key, text);
}

/* Nothing before the first word of who knows. */
static void
add_since(struct pairs *pairs, const char *key, time_t since)
{
	if (since > 0)
		add_number(pairs, key, (uint64_t)since);
}

static void
add_process(struct pairs *pairs, const char *name, const struct service *service)
{
	char key[64];
	struct child *child = service_current(service);

	snprintf(key, sizeof(key), "process.%s", name);
	add(pairs, key,
	    child != NULL		  ? "running"
		: service_wanted(service) ? "not running"
					  : "not needed yet");
	snprintf(key, sizeof(key), "restarts.%s", name);
	add_number(pairs, key, service_restarts(service));
}

static bool
degraded(const struct connector *connector)
{
	return service_current(connector->dial) == NULL ||
	    (connector->current->identity != NULL && service_current(connector->cloud) == NULL) ||
	    (deployment_directory_ready(connector->current) &&
		service_current(connector->directory) == NULL);
}

static void
add_logins(struct pairs *pairs, const struct connector *connector)
{
	uint64_t answered = 0;
	char key[64];
	unsigned int i;

	for (i = 0; i < STATUS_COUNT; i++) {
		answered += connector->logins[i];
		if (connector->logins[i] == 0)
			continue;
		snprintf(key, sizeof(key), "logins.%s", status_word((enum status)i));
		add_number(pairs, key, connector->logins[i]);
	}
	add_number(pairs, "logins.total", answered);
	if (answered > 0)
		add_number(
		    pairs, "logins.mean_microseconds", connector->login_microseconds / answered);
}

void
report_status(struct connector *connector, struct child *web, struct message *m)
{
	const struct deployment *d = connector->current;
	static const struct directory_report none;
	const struct directory_report *directory = &connector->directory_report;
	const struct tunnel_report *tunnel = &connector->tunnel;
	char missing[SETTINGS_MISSING_SIZE], hint[SETTINGS_MISSING_SIZE];
	struct pairs pairs = { .n = 0 };
	struct wire_writer answer;
	char text[2 * SETTINGS_MISSING_SIZE + 8];

	wire_writer_init(&pairs.w);
	add(&pairs, "version", PACKAGE_VERSION);
	add(&pairs, "state", degraded(connector) ? "degraded" : "running");
	add_number(&pairs, "uptime_seconds", (uint64_t)(clock_s() - connector->started));
	add(&pairs, "host", connector->host);
	add(&pairs, "sandbox", sandbox_missing()[0] == '\0' ? "full" : sandbox_missing());
	add(&pairs, "tunnel.state",
	    tunnel_words[d->identity == NULL ? TUNNEL_NOT_ENROLLED : tunnel->state]);
	add_since(&pairs, "tunnel.since", tunnel->since);
	add(&pairs, "tunnel.code", tunnel->code);
	if (d->identity == NULL)
		add(&pairs, "tunnel.text", advice_enrol);
	else if (tunnel->state == TUNNEL_PENDING) {
		snprintf(text, sizeof(text), "%s: adhubctl connector approve %s", tunnel->text,
		    d->identity->connector_id);
		add(&pairs, "tunnel.text", text);
	} else
		add(&pairs, "tunnel.text", tunnel->text);
	if (d->identity != NULL) {
		if (endpoint_format(&d->identity->origin, text, sizeof(text)) == 0)
			add(&pairs, "tunnel.hub", text);
		add(&pairs, "connection", d->identity->connection);
		add(&pairs, "connector_id", d->identity->connector_id);
	}
	snprintf(text, sizeof(text), "%" PRId64, hub_clock_off(&connector->hub_clock));
	add(&pairs, "clock.ahead_seconds", text);
	text[0] = '\0';
	if (settings_missing(d->settings, d->bind_password != NULL, missing, hint)) {
		/* What was known of one that is given up is not true of none. */
		directory = &none;
		snprintf(text, sizeof(text), "%s; %s", missing, hint);
	}
	add(&pairs, "directory.state", directory_words[directory->state]);
	add_since(&pairs, "directory.since", directory->since);
	add(&pairs, "directory.code", directory->code);
	add(&pairs, "directory.text", text[0] == '\0' ? directory->text : text);
	add(&pairs, "directory.server", directory->server);
	add(&pairs, "directory.base", directory->base);
	add(&pairs, "directory.netbios", directory->netbios);
	add(&pairs, "directory.domain", directory->domain);
	add(&pairs, "directory.user",
	    d->settings->directory.user == NULL ? "" : d->settings->directory.user);
	add(&pairs, "directory.password", d->bind_password != NULL ? "set" : "not set");
	add_number(&pairs, "connections.open", directory->connections);
	add_number(&pairs, "connections.busy", directory->busy);
	add_process(&pairs, "dial", connector->dial);
	add_process(&pairs, "directory", connector->directory);
	add_process(&pairs, "cloud", connector->cloud);
	add_process(&pairs, "web", connector->web);
	if (connector->page_listener.fd != -1)
		add_process(&pairs, "page", connector->page);
	add_logins(&pairs, connector);
	wire_writer_init(&answer);
	wire_put_u16(&answer, pairs.n);
	wire_put_fixed(&answer, pairs.w.data, pairs.w.len);
	wire_writer_free(&pairs.w);
	child_send(web, MESSAGE_STATUS, m->id, &answer, -1);
}
