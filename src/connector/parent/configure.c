/* SPDX-License-Identifier: ISC */
/*
 * The configuration that each child starts with: what it needs, and no more.
 * The keys are described at the children's own config functions.
 */
#include "build.h"

#include "adconnectord.h"

#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CA_MAX (4U << 20)

static void
put_endpoint(struct child *child, enum endpoint_kind kind, size_t index,
    const struct endpoint *endpoint, uint16_t port)
{
	struct wire_writer w;

	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)kind);
	wire_put_u16(&w, (uint16_t)index);
	wire_put_u8(&w, endpoint->scheme == ENDPOINT_DOMAIN);
	wire_put_string(&w, endpoint->host);
	wire_put_u16(&w, port);
	child_config_wire(child, "endpoint", &w);
}

static void
configure_dial(struct connector *connector, struct child *child)
{
	struct deployment *d = deployment_of(connector, child);
	const struct ticket *ticket = child_is_trial(child) ? change_ticket(connector) : NULL;
	const struct endpoint *server, *hub = NULL;
	uint16_t port;
	size_t i;

	for (i = 0; i < d->settings->directory.nservers; i++) {
		server = &d->settings->directory.servers[i];
		/* DNS names the servers of a domain; the port follows from how they are spoken to.
		 */
		if (server->scheme != ENDPOINT_DOMAIN)
			port = server->port;
		else
			port = d->settings->directory.tls_mode == SETTINGS_TLS_LDAPS ? 636 : 389;
		put_endpoint(child, ENDPOINT_DIRECTORY, i, server, port);
	}
	if (d->settings->cloud.has_proxy)
		hub = &d->settings->cloud.proxy;
	else if (ticket != NULL)
		hub = &ticket->origin;
	else if (d->identity != NULL)
		hub = &d->identity->origin;
	if (hub != NULL)
		put_endpoint(child, ENDPOINT_HUB, 0, hub, hub->port);
}

/*
 * A copy in memory, so that two children that read the same file at once do
 * not share a position in it.
 */
static void
put_ca(struct connector *connector, struct child *child, int ca)
{
	char buffer[65536];
	off_t at = 0;
	ssize_t n;
	int fd;

	if (ca == -1)
		ca = connector->system_ca;
	if (ca == -1)
		return;
	if ((fd = memfd_create("ca", MFD_CLOEXEC)) == -1) {
		log_error("a copy of the CA file");
		return;
	}
	while ((n = pread(ca, buffer, sizeof(buffer), at)) > 0 && at < CA_MAX) {
		if (write(fd, buffer, (size_t)n) != n) {
			n = -1;
			break;
		}
		at += n;
	}
	if (n == -1 || lseek(fd, 0, SEEK_SET) == -1) {
		log_error("a copy of the CA file");
		close(fd);
		return;
	}
	child_config_fd(child, "ca", fd);
}

static void
put_u8(struct child *child, const char *key, unsigned int value)
{
	uint8_t byte = (uint8_t)value;

	child_config(child, key, &byte, 1);
}

static void
put_u16(struct child *child, const char *key, unsigned int value)
{
	struct wire_writer w;

	wire_writer_init(&w);
	wire_put_u16(&w, (uint16_t)value);
	child_config_wire(child, key, &w);
}

static void
put_list(struct child *child, const char *key, const struct settings_list *list)
{
	struct wire_writer w;
	size_t i;

	wire_writer_init(&w);
	wire_put_u16(&w, (uint16_t)list->count);
	for (i = 0; i < list->count; i++)
		wire_put_string(&w, list->items[i]);
	child_config_wire(child, key, &w);
}

static void
configure_directory(struct connector *connector, struct child *child)
{
	struct deployment *d = deployment_of(connector, child);
	const struct settings *s = d->settings;
	const struct endpoint *server;
	struct wire_writer w;
	size_t i;

	for (i = 0; i < s->directory.nservers; i++) {
		server = &s->directory.servers[i];
		wire_writer_init(&w);
		wire_put_u16(&w, (uint16_t)i);
		wire_put_u8(
		    &w, server->scheme == ENDPOINT_DOMAIN ? 2 : server->scheme == ENDPOINT_LDAPS);
		wire_put_string(&w, server->scheme == ENDPOINT_DOMAIN ? "" : server->host);
		wire_put_u16(&w, server->port);
		child_config_wire(child, "server", &w);
	}
	if (s->directory.tls_mode == SETTINGS_TLS_NONE)
		log_warnx(
		    "directory: passwords travel in clear text (directory.tls.mode = \"none\")");
	put_u8(child, "tls_mode", s->directory.tls_mode);
	child_config_string(
	    child, "tls_name", s->directory.tls_name == NULL ? "" : s->directory.tls_name);
	put_ca(connector, child, d->directory_ca);
	child_config_string(child, "base", s->directory.base == NULL ? "" : s->directory.base);
	child_config_string(child, "user", s->directory.user == NULL ? "" : s->directory.user);
	if (s->directory.password_file != NULL)
		child_config_string(child, "password_file", s->directory.password_file);
	child_config_string(
	    child, "connection", d->identity == NULL ? "" : d->identity->connection);
	put_u16(child, "min_connections", s->directory.connections_min);
	put_u16(child, "max_connections", s->directory.connections_max);
	put_u8(child, "deny_privileged", s->policy.deny_privileged);
	put_list(child, "allow_groups", &s->policy.allow_groups);
	put_list(child, "deny_groups", &s->policy.deny_groups);
	put_u8(child, "lockout_margin", s->policy.lockout_margin);
	put_u16(child, "lockout_threshold_unknown", s->policy.lockout_threshold_unknown);
}

static void
put_hub(struct connector *connector, struct child *child, const struct deployment *d,
    const struct endpoint *origin, const uint8_t *pin)
{
	const struct settings *s = d->settings;

	child_config_string(child, "hub_host", origin->host);
	put_u16(child, "hub_port", origin->port);
	put_u8(
	    child, "hub_tls", origin->scheme == ENDPOINT_HTTPS || origin->scheme == ENDPOINT_WSS);
	if (pin != NULL)
		child_config(child, "pin", pin, TICKET_PIN_SIZE);
	put_ca(connector, child, d->cloud_ca);
	if (!s->cloud.has_proxy)
		return;
	child_config_string(child, "proxy_host", s->cloud.proxy.host);
	put_u16(child, "proxy_port", s->cloud.proxy.port);
	if (s->cloud.proxy_user[0] != '\0') {
		child_config_string(child, "proxy_user", s->cloud.proxy_user);
		if (d->proxy_password != NULL)
			child_config(child, "proxy_password", d->proxy_password->data,
			    d->proxy_password->len);
	}
}

static int
configure_cloud(struct connector *connector, struct child *child)
{
	struct deployment *d = deployment_of(connector, child);
	const struct ticket *ticket = child_is_trial(child) ? change_ticket(connector) : NULL;
	const struct identity *identity = d->identity;
	const struct identity_keys *other;
	char path[TICKET_SECRET_MAX + 8], why[ENDPOINT_ERROR_SIZE], *body;
	struct endpoint tunnel;

	if (identity == NULL)
		return -1;
	child_config_string(child, "mode", ticket != NULL ? "enrol" : "tunnel");
	put_hub(connector, child, d, ticket != NULL ? &ticket->origin : &identity->origin,
	    identity->pinned ? identity->pin : NULL);
	if (ticket != NULL) {
		if ((body = identity_enrol_body(identity, connector->host)) == NULL)
			return -1;
		snprintf(path, sizeof(path), "/t/%s", ticket->secret);
		child_config_string(child, "ticket_path", path);
		explicit_bzero(path, sizeof(path));
		child_config_string(child, "enrol_body", body);
		free(body);
		return 0;
	}
	if (endpoint_parse_cloud(identity->tunnel_url, &tunnel, why, sizeof(why)) == -1) {
		log_errorx("the hub's tunnel address %s: %s", identity->tunnel_url, why);
		return -1;
	}
	child_config_string(child, "tunnel_path", tunnel.path);
	child_config_string(child, "connection", identity->connection);
	child_config_string(child, "seal_kid", identity->keys.seal_kid);
	/* While it is not known whether the next keys are recorded there are none before. */
	other = identity->next.sign != NULL ? &identity->next : &identity->before;
	if (other->sign != NULL)
		child_config_string(child, "seal_kid_other", other->seal_kid);
	return 0;
}

static void
configure_web(struct connector *connector, struct child *child)
{
	struct wire_writer w;
	int fd;

	if ((fd = fcntl(connector->control, F_DUPFD_CLOEXEC, 3)) != -1)
		child_config_fd(child, "listener.unix", fd);
	wire_writer_init(&w);
	wire_put_u32(&w, 1);
	wire_put_u32(&w, connector->start_uid);
	child_config_wire(child, "admin_uid", &w);
	child_config_u32(child, "reader_gid", connector->reader_gid);
}

static void
configure_page(struct connector *connector, struct child *child)
{
	char host[ENDPOINT_ORIGIN_SIZE];
	int fd;

	if ((fd = fcntl(connector->page_listener.fd, F_DUPFD_CLOEXEC, 3)) != -1)
		child_config_fd(child, "listener.tcp", fd);
	page_host(connector, host, sizeof(host));
	child_config_string(child, "host", host);
}

int
configure_child(struct connector *connector, struct child *child)
{
	switch (child_role(child)) {
	case ROLE_DIAL:
		configure_dial(connector, child);
		return 0;
	case ROLE_DIRECTORY:
		configure_directory(connector, child);
		return 0;
	case ROLE_CLOUD:
		return configure_cloud(connector, child);
	case ROLE_WEB_CONTROL:
		configure_web(connector, child);
		return 0;
	case ROLE_WEB_PAGE:
		configure_page(connector, child);
		return 0;
	default:
		return -1;
	}
}
