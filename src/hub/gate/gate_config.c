/* SPDX-License-Identifier: ISC */
/*
 * The configuration of a gate, item by item, as the parent sends it.
 */
#include "gate.h"
#include "common/log.h"
#include "common/wire.h"

#include <string.h>
#include <strings.h>

static int
take_listener(struct gate *gate, int fd, enum http_transport transport)
{
	if (fd == -1 || gate->nlisteners == GATE_LISTENERS_MAX)
		return -1;
	gate->listener[gate->nlisteners].fd = fd;
	gate->listener[gate->nlisteners].transport = transport;
	gate->nlisteners++;
	return 0;
}

static int
take_string(char *dst, size_t size, const void *value, size_t len)
{
	if (value == NULL || len >= size || memchr(value, '\0', len) != NULL)
		return -1;
	memcpy(dst, value, len);
	dst[len] = '\0';
	return 0;
}

static int
take_secret(struct secret **secret, const void *value, size_t len)
{
	if (value == NULL || len == 0 || *secret != NULL)
		return -1;
	return (*secret = secret_copy(value, len)) == NULL ? -1 : 0;
}

static int
take_u32(uint32_t *dst, const void *value, size_t len)
{
	struct wire_reader r;

	wire_reader_init(&r, value, len);
	*dst = wire_get_u32(&r);
	return wire_end(&r);
}

static int
take_admins(struct gate *gate, const void *value, size_t len)
{
	struct wire_reader r;
	uint32_t i;

	wire_reader_init(&r, value, len);
	gate->nadmins = wire_get_u32(&r);
	if (gate->nadmins > GATE_ADMINS_MAX)
		return -1;
	for (i = 0; i < gate->nadmins; i++)
		gate->admin_uid[i] = wire_get_u32(&r);
	return wire_end(&r);
}

static int
config_public(struct gate *gate, const char *key, const void *value, size_t len, int fd)
{
	if (strcmp(key, "listener.https") == 0)
		return take_listener(gate, fd, HTTP_TLS);
	if (strcmp(key, "listener.http") == 0)
		return take_listener(gate, fd, HTTP_PLAIN);
	if (strcmp(key, "tls_certificate") == 0)
		return take_secret(&gate->certificate, value, len);
	if (strcmp(key, "tls_key") == 0)
		return take_secret(&gate->key, value, len);
	if (strcmp(key, "throttle_address") == 0)
		return take_u32(&gate->per_address, value, len);
	if (strcmp(key, "throttle_name") == 0)
		return take_u32(&gate->per_name, value, len);
	if (strcmp(key, "throttle_connection") == 0)
		return take_u32(&gate->per_connection, value, len);
	return -1;
}

static int
config_control(struct gate *gate, const char *key, const void *value, size_t len, int fd)
{
	if (strcmp(key, "listener.unix") == 0)
		return take_listener(gate, fd, HTTP_UNIX);
	if (strcmp(key, "pin") == 0)
		return take_string(gate->pin, sizeof(gate->pin), value, len);
	if (strcmp(key, "admin_uid") == 0)
		return take_admins(gate, value, len);
	return -1;
}

int
gate_config(void *arg, const char *key, const void *value, size_t len, int fd)
{
	struct gate *gate = arg;

	if (strcmp(key, "public_url") == 0)
		return take_string(gate->public_url, sizeof(gate->public_url), value, len);
	if (gate->role == ROLE_GATE_PUBLIC)
		return config_public(gate, key, value, len, fd);
	return config_control(gate, key, value, len, fd);
}

void
gate_config_check(struct gate *gate)
{
	size_t len = strlen(gate->public_url), i;

	if (gate->nlisteners == 0)
		fatalx("configuration: no listener");
	for (i = 0; i < gate->nlisteners; i++) {
		if (gate->listener[i].transport == HTTP_TLS &&
		    (gate->certificate == NULL || gate->key == NULL))
			fatalx("configuration: listener.https needs tls_certificate and tls_key");
	}
	while (len > 0 && gate->public_url[len - 1] == '/')
		gate->public_url[--len] = '\0';
	/* Room for what is appended: the longest is "/scim/v2". */
	if (len + sizeof("/scim/v2") + 2 > URL_SIZE ||
	    (strncasecmp(gate->public_url, "https://", 8) != 0 &&
		strncasecmp(gate->public_url, "http://", 7) != 0))
		fatalx("configuration: public_url must be an http or https URL");
}
