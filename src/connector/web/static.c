/* SPDX-License-Identifier: ISC */
/*
 * Serving the page's files: see static.h.  A path is compared and never taken apart.
 */
#include "static.h"

#include <string.h>

/*
 * Does the list of If-None-Match (RFC 9110 13.1.2) name this tag?  The comparison is the weak
 * one; a tag of ours holds no comma.
 */
static bool
names_tag(const char *list, const char *etag)
{
	size_t len = strlen(etag), n;

	while (list != NULL && *list != '\0') {
		list += strspn(list, " \t,");
		n = strcspn(list, " \t,");
		if (n == 1 && *list == '*')
			return true;
		if (n > 2 && strncmp(list, "W/", 2) == 0) {
			list += 2;
			n -= 2;
		}
		if (n == len && strncmp(list, etag, len) == 0)
			return true;
		list += n;
	}
	return false;
}

bool
static_serve(struct client *client, const struct http_head *head)
{
	const struct static_file *file;
	size_t i;

	for (i = 0; i < static_nfiles; i++)
		if (strcmp(head->path, static_files[i].path) == 0)
			break;
	if (i == static_nfiles)
		return false;
	file = &static_files[i];
	if (head->method != HTTP_GET && head->method != HTTP_HEAD)
		client_refuse_method(client, "GET, HEAD");
	else if (head->content_length > 0)
		client_error(client, 400, "bad_request", "body: a GET takes none");
	else if (names_tag(http_head_get(head, "if-none-match"), file->etag))
		client_answer_unchanged(client, file->etag);
	else
		client_answer_file(client, file->type, file->etag, file->data, file->len);
	return true;
}
