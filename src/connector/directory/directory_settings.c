/* SPDX-License-Identifier: ISC */
/*
 * Keys and values of CONFIG (all integers as wire.h writes them):
 *
 *	server                     u16 index, u8 scheme, s host, u16 port; once for each
 *	tls_mode                   u8
 *	tls_name base user connection   the bytes of the text
 *	password_file              the same: whose file holds the password, when one does
 *	ca                         a descriptor: PEM file, at most 4 MiB
 *	min_connections max_connections lockout_threshold_unknown   u16
 *	deny_privileged lockout_margin   u8
 *	allow_groups deny_groups   u16 n, n times s
 *
 * There is no password among them: the parent is asked for it at each bind.
 */
#include "build.h"

#include "directory_settings.h"

#include "common/wire.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BASE_MAX 1023
#define USER_MAX 4096

void
directory_settings_init(struct directory_settings *s)
{
	memset(s, 0, sizeof(*s));
	s->connections_min = 4;
	s->connections_max = 256;
	s->policy.deny_privileged = true;
	s->lockout.margin = 2;
	s->lockout.unknown_threshold = 3;
}

/* The bytes of a text, without NUL and in UTF-8. */
static int
set_text(char *dst, size_t size, const void *value, size_t len)
{
	if (len >= size || memchr(value, '\0', len) != NULL || !utf8_valid(value, len))
		return -1;
	memcpy(dst, value, len);
	dst[len] = '\0';
	return 0;
}

static int
set_text_dup(char **dst, size_t max, const void *value, size_t len)
{
	char *copy;

	if (len > max || (copy = malloc(len + 1)) == NULL)
		return -1;
	if (set_text(copy, len + 1, value, len) == -1) {
		free(copy);
		return -1;
	}
	free(*dst);
	*dst = copy;
	return 0;
}

static int
add_server(struct directory_settings *s, struct wire_reader *r)
{
	struct server_setting *server;
	uint8_t scheme;

	if (s->server_count == SETTINGS_SERVERS_MAX)
		return -1;
	server = &s->servers[s->server_count];
	server->index = wire_get_u16(r);
	scheme = wire_get_u8(r);
	wire_get_string(r, server->host, sizeof(server->host), 0);
	server->port = wire_get_u16(r);
	if (wire_end(r) == -1 || scheme > SERVER_DISCOVERY)
		return -1;
	server->scheme = (enum server_scheme)scheme;
	s->server_count++;
	return 0;
}

static int
add_groups(struct policy_groups *groups, struct wire_reader *r)
{
	char name[POLICY_GROUP_NAME_SIZE];
	uint16_t i, n = wire_get_u16(r);

	for (i = 0; i < n && !r->failed; i++) {
		wire_get_string(r, name, sizeof(name), 1);
		if (r->failed || policy_groups_add(groups, name) == -1)
			return -1;
	}
	return wire_end(r);
}

/* Reads the whole file and closes it. */
static int
read_ca(struct directory_settings *s, int fd)
{
	size_t len = 0, size = 65536;
	char *text = NULL, *grown;
	ssize_t n;

	for (;;) {
		if (text == NULL || len == size) {
			size = text == NULL ? size : 2 * size;
			if (size > 2 * SETTINGS_CA_MAX || (grown = realloc(text, size)) == NULL)
				goto fail;
			text = grown;
		}
		n = read(fd, text + len, size - len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			goto fail;
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > SETTINGS_CA_MAX)
			goto fail;
	}
	close(fd);
	free(s->ca);
	s->ca = text;
	s->ca_len = len;
	return 0;
fail:
	close(fd);
	free(text);
	return -1;
}

static int
set_u8(uint8_t *dst, struct wire_reader *r)
{
	*dst = wire_get_u8(r);
	return wire_end(r);
}

static int
set_u16(uint16_t *dst, struct wire_reader *r)
{
	*dst = wire_get_u16(r);
	return wire_end(r);
}

static int
set_number(struct directory_settings *s, const char *key, struct wire_reader *r)
{
	uint16_t wide = 0;
	uint8_t narrow = 0;

	if (strcmp(key, "tls_mode") == 0) {
		if (set_u8(&narrow, r) == -1 || narrow > TLS_MODE_NONE)
			return -1;
		s->tls_mode = (enum tls_mode)narrow;
	} else if (strcmp(key, "deny_privileged") == 0) {
		if (set_u8(&narrow, r) == -1 || narrow > 1)
			return -1;
		s->policy.deny_privileged = narrow == 1;
	} else if (strcmp(key, "lockout_margin") == 0) {
		if (set_u8(&narrow, r) == -1)
			return -1;
		s->lockout.margin = narrow;
	} else if (strcmp(key, "lockout_threshold_unknown") == 0) {
		if (set_u16(&wide, r) == -1)
			return -1;
		s->lockout.unknown_threshold = wide;
	} else if (strcmp(key, "min_connections") == 0) {
		if (set_u16(&wide, r) == -1)
			return -1;
		s->connections_min = wide;
	} else if (strcmp(key, "max_connections") == 0) {
		if (set_u16(&wide, r) == -1)
			return -1;
		s->connections_max = wide;
	} else
		return -1;
	return 0;
}

int
directory_settings_item(void *arg, const char *key, const void *value, size_t len, int fd)
{
	struct directory_settings *s = arg;
	struct wire_reader r;

	if (fd != -1) {
		if (strcmp(key, "ca") == 0)
			return read_ca(s, fd);
		close(fd);
		return -1;
	}
	if (strcmp(key, "tls_name") == 0)
		return set_text(s->tls_name, sizeof(s->tls_name), value, len);
	if (strcmp(key, "connection") == 0)
		return set_text(s->connection, sizeof(s->connection), value, len);
	if (strcmp(key, "base") == 0)
		return set_text_dup(&s->base, BASE_MAX, value, len);
	if (strcmp(key, "user") == 0)
		return set_text_dup(&s->user, USER_MAX, value, len);
	if (strcmp(key, "password_file") == 0)
		return set_text_dup(&s->password_file, PATH_MAX, value, len);
	wire_reader_init(&r, value, len);
	if (strcmp(key, "server") == 0)
		return add_server(s, &r);
	if (strcmp(key, "allow_groups") == 0)
		return add_groups(&s->policy.allow, &r);
	if (strcmp(key, "deny_groups") == 0)
		return add_groups(&s->policy.deny, &r);
	return set_number(s, key, &r);
}

const char *
directory_settings_check(const struct directory_settings *s)
{
	if (s->server_count == 0)
		return "no server";
	if (s->user == NULL || s->user[0] == '\0')
		return "no user";
	if (s->base == NULL)
		return "no base";
	if (s->tls_mode != TLS_MODE_NONE && s->ca == NULL)
		return "no ca";
	if (s->connections_min > s->connections_max || s->connections_max == 0 ||
	    s->connections_max > 900)
		return "min_connections and max_connections do not fit";
	return NULL;
}
