/* SPDX-License-Identifier: ISC */
/*
 * What administrators on this host may ask over the unix socket, and where it is answered.  Who
 * they are the kernel says (SO_PEERCRED); anybody else gets 403, whatever he asks.
 */
#include "gate.h"

#include <bsd/string.h>
#include <string.h>

static bool
is_admin(const struct gate *gate, uint32_t uid)
{
	uint32_t i;

	if (uid == 0)
		return true;
	for (i = 0; i < gate->nadmins; i++) {
		if (uid == gate->admin_uid[i])
			return true;
	}
	return false;
}

/* The identifier of /api/v1/connections/<identifier>/seal-keys. */
static bool
is_seal_keys(const char *path, char identifier[CONNECTION_SIZE])
{
	static const char prefix[] = "/api/v1/connections/", suffix[] = "/seal-keys";
	const char *begin = path + sizeof(prefix) - 1, *end;

	if (strncmp(path, prefix, sizeof(prefix) - 1) != 0 || (end = strchr(begin, '/')) == NULL ||
	    strcmp(end, suffix) != 0 || end - begin >= CONNECTION_SIZE)
		return false;
	memcpy(identifier, begin, (size_t)(end - begin));
	identifier[end - begin] = '\0';
	return is_connection_identifier(identifier);
}

void
routes_control(void *arg, struct http_exchange *x, struct http_request *request)
{
	struct gate *gate = arg;
	char identifier[CONNECTION_SIZE];
	const char *path = request->head.path;

	if (!is_admin(gate, request->uid))
		http_error(
		    x, 403, "forbidden", "only root and the hub's own user may use this socket");
	else if (request->head.method == HTTP_GET && strcmp(path, "/healthz") == 0)
		http_answer_json(x, 200, json_pack("{s:s}", "status", "ok"));
	else if (request->head.method == HTTP_POST && strcmp(path, "/api/v1/login") == 0)
		control_login(gate, x);
	else if (request->head.method == HTTP_GET && is_seal_keys(path, identifier))
		control_seal_keys(gate, x, identifier);
	else
		admin_routes(gate, x, request);
}
