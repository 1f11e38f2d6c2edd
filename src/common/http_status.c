/* SPDX-License-Identifier: ISC */
/* Phrases and refusals: see http_status.h. */
#include "http_status.h"

#include <stddef.h>

static const struct http_status statuses[] = {
	{ 200, "OK", NULL, NULL },
	{ 201, "Created", NULL, NULL },
	{ 304, "Not Modified", NULL, NULL },
	{ 400, "Bad Request", "bad_request", "the request is not well-formed HTTP/1.1" },
	{ 401, "Unauthorized", NULL, NULL },
	{ 403, "Forbidden", NULL, NULL },
	{ 404, "Not Found", NULL, NULL },
	{ 405, "Method Not Allowed", "method_not_allowed", "only GET, POST and DELETE are served" },
	{ 408, "Request Timeout", "timeout", "the request did not come in time" },
	{ 409, "Conflict", NULL, NULL },
	{ 410, "Gone", NULL, NULL },
	{ 411, "Length Required", "bad_request", "a body needs Content-Length" },
	{ 413, "Content Too Large", "bad_request", "the body is larger than 65536 bytes" },
	{ 415, "Unsupported Media Type", "bad_request", "a body must not be encoded" },
	{ 417, "Expectation Failed", "bad_request", "only 100-continue may be expected" },
	{ 422, "Unprocessable Content", NULL, NULL },
	{ 426, "Upgrade Required", NULL, NULL },
	{ 429, "Too Many Requests", NULL, NULL },
	{ 431, "Request Header Fields Too Large", "bad_request",
	    "the head is larger than 8192 bytes or has more than 64 fields" },
	{ 500, "Internal Server Error", "internal", "it could not be done; the log says why" },
	{ 501, "Not Implemented", "bad_request", "Transfer-Encoding is not served" },
	{ 503, "Service Unavailable", "unavailable", "no answer is possible now, try later" },
	{ 504, "Gateway Timeout", NULL, NULL },
	{ 505, "HTTP Version Not Supported", "bad_request", "only HTTP/1.1 is served" },
};

const struct http_status *
http_status_get(int status)
{
	size_t i;

	for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (statuses[i].status == status)
			return &statuses[i];
	return http_status_get(500);
}
