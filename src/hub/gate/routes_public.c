/* SPDX-License-Identifier: ISC */
/*
 * What the network may ask, and where it is answered.
 */
#include "gate.h"

#include <string.h>

static void
health(struct http_exchange *x)
{
	http_answer_json(x, 200, json_pack("{s:s}", "status", "ok"));
}

static void
open_tunnel(struct gate *gate, struct http_exchange *x, struct http_request *request)
{
	struct address address = request->address;
	struct stream *stream;
	struct http_place *place;

	if (gate->draining_since != 0)
		http_error(x, 503, "unavailable", "the hub is going down, try again");
	else if ((stream = websocket_upgrade(x, TUNNEL_SUBPROTOCOL, &place)) != NULL)
		tunnels_accept(gate->tunnels, stream, place, &address);
}

/* The rest of path behind prefix, when it has no further slash; otherwise NULL. */
static const char *
behind(const char *path, const char *prefix)
{
	size_t len = strlen(prefix);

	if (strncmp(path, prefix, len) != 0 || strchr(path + len, '/') != NULL)
		return NULL;
	return path + len;
}

static void
route_get(struct gate *gate, struct http_exchange *x, struct http_request *request)
{
	const char *path = request->head.path, *rest;

	if (strcmp(path, "/healthz") == 0)
		health(x);
	else if (strcmp(path, "/tunnel") == 0)
		open_tunnel(gate, x, request);
	else if ((rest = behind(path, "/t/")) != NULL)
		ticket_show(gate, x, rest);
	else if ((rest = behind(path, "/login/keys/")) != NULL)
		login_keys(gate, x, rest);
	else
		http_error(x, 404, "not_found", "there is nothing here");
}

static void
route_post(struct gate *gate, struct http_exchange *x, struct http_request *request)
{
	const char *path = request->head.path, *rest;

	if (strcmp(path, "/api/v2/ad/verify-user") == 0)
		verify_user(gate, x);
	else if (strcmp(path, "/login/verify") == 0)
		login_verify(gate, x);
	else if ((rest = behind(path, "/t/")) != NULL)
		ticket_enrol(gate, x, rest);
	else
		http_error(x, 404, "not_found", "there is nothing here");
}

void
routes_public(void *arg, struct http_exchange *x, struct http_request *request)
{
	switch (request->head.method) {
	case HTTP_GET:
		route_get(arg, x, request);
		break;
	case HTTP_POST:
		route_post(arg, x, request);
		break;
	case HTTP_HEAD: /* refused before it comes here */
	case HTTP_DELETE:
		http_error(x, 404, "not_found", "there is nothing here");
		break;
	}
}
