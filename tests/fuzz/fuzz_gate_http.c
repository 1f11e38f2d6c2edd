/* SPDX-License-Identifier: ISC */
/*
 * Heads of requests, and the small forms that stand in them.  What is taken has one meaning:
 * written again in its plainest form it reads the same.
 */
#include "fuzz.h"
#include "common/http_parse.h"
#include "hub/gate/address.h"
#include "hub/gate/identifier.h"
#include "hub/gate/websocket.h"

#include <ctype.h>
#include <netinet/in.h>

static const char *const methods[] = { "GET", "HEAD", "POST", "DELETE" };

static void
check_path(const char *path)
{
	const char *p;

	fuzz_check(path[0] == '/');
	fuzz_check(strstr(path, "//") == NULL && strstr(path, "/./") == NULL);
	fuzz_check(strstr(path, "/../") == NULL);
	for (p = path; *p != '\0'; p++)
		fuzz_check(*p > ' ' && *p < 0x7f && *p != '?' && *p != '#' && *p != '\\');
}

static void
check_again(const struct http_head *head)
{
	struct http_head again;
	size_t size = 2 * HTTP_HEAD_MAX, len, i;
	char *text = malloc(size);

	fuzz_check(text != NULL);
	len = (size_t)snprintf(text, size, "%s %s%s%s HTTP/1.1\r\n", methods[head->method],
	    head->path, head->query[0] != '\0' ? "?" : "", head->query);
	for (i = 0; i < head->nfields; i++)
		len += (size_t)snprintf(
		    text + len, size - len, "%s:%s\r\n", head->field[i].name, head->field[i].value);
	len += (size_t)snprintf(text + len, size - len, "\r\n");
	/* HTTP/1.0 may have become 1.1, and an empty query is gone: never longer than it came. */
	fuzz_check(len <= HTTP_HEAD_MAX && http_parse_head(text, len, &again) == 0);
	fuzz_check(again.method == head->method && strcmp(again.path, head->path) == 0);
	fuzz_check(strcmp(again.query, head->query) == 0 && again.nfields == head->nfields);
	fuzz_check(again.content_length == head->content_length);
	fuzz_check(again.expects_continue == head->expects_continue);
	free(text);
}

static void
parse(struct fuzz_input in)
{
	struct http_head head;
	char *text = malloc(in.len), value[65];
	const char *p;
	size_t i;
	int status;

	fuzz_check(text != NULL);
	memcpy(text, in.data, in.len);
	status = http_parse_head(text, in.len, &head);
	fuzz_check(status == 0 || (status >= 400 && status <= 599));
	if (status == 0) {
		check_path(head.path);
		fuzz_check(head.nfields >= 1 && head.nfields <= HTTP_FIELDS_MAX);
		fuzz_check(head.content_length <= HTTP_BODY_MAX);
		for (i = 0; i < head.nfields; i++) {
			for (p = head.field[i].name; *p != '\0'; p++)
				fuzz_check(!isupper((unsigned char)*p) && *p > ' ');
			fuzz_check(http_head_get(&head, head.field[i].name) != NULL);
			(void)http_list_has(head.field[i].value, "upgrade");
		}
		if (http_query_get(head.query, "a", value, sizeof(value)) == 0)
			fuzz_check(strlen(value) < sizeof(value));
		check_again(&head);
	}
	free(text);
}

/* A query, a list, a key, an identifier: the same text as each. */
static void
forms(struct fuzz_input in)
{
	char *text = fuzz_text(in), value[16], accept[WEBSOCKET_ACCEPT_SIZE];

	switch (http_query_get(text, "cursor", value, sizeof(value))) {
	case 0:
		fuzz_check(strlen(value) < sizeof(value) && strstr(text, "cursor=") != NULL);
		break;
	case 1:
		fuzz_check(value[0] == '\0');
		break;
	default:
		break;
	}
	if (http_list_has(text, "websocket"))
		fuzz_check(strcasestr(text, "websocket") != NULL);
	if (websocket_accept_key(text, accept) == 0)
		fuzz_check(strlen(text) == 24 && strlen(accept) == WEBSOCKET_ACCEPT_SIZE - 1);
	if (is_connection_identifier(text))
		fuzz_check(strlen(text) < CONNECTION_SIZE && is_token(text, 1, 64));
	free(text);
}

static void
address(struct fuzz_input in)
{
	struct sockaddr_storage sa = { 0 };
	struct address a;

	memcpy(&sa, in.data, in.len < sizeof(sa) ? in.len : sizeof(sa));
	sa.ss_family = (in.len & 1) != 0 ? AF_INET : AF_INET6;
	address_from(&a, (struct sockaddr *)&sa,
	    (in.len & 1) != 0 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
	fuzz_check(a.text[0] != '\0' && strnlen(a.text, sizeof(a.text)) < sizeof(a.text));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input in = { data, len };

	switch (fuzz_byte(&in)) {
	case 'f':
		forms(in);
		break;
	case 'a':
		address(in);
		break;
	default:
		in = (struct fuzz_input){ data, len };
		if (len > 0)
			parse(in);
	}
	return 0;
}
