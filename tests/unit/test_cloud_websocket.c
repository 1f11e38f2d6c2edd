/* SPDX-License-Identifier: ISC */
/*
 * The WebSocket upgrade: the RFC's example, and every answer that is not one.
 * What happens on the wire is tested on the whole process.
 */
#include "websocket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* RFC 6455 1.3 and 4.2.2. */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static void
good(struct http_head *head)
{
	memset(head, 0, sizeof(*head));
	head->status = 101;
	head->upgrade_websocket = true;
	head->connection_upgrade = true;
	memcpy(head->accept, ACCEPT, sizeof(ACCEPT));
	memcpy(head->protocol, WEBSOCKET_PROTOCOL, sizeof(WEBSOCKET_PROTOCOL));
}

static void
test_accept(void **state)
{
	char accept[WEBSOCKET_ACCEPT_SIZE];

	(void)state;
	websocket_accept(KEY, accept);
	assert_string_equal(accept, ACCEPT);
}

static void
test_upgrade(void **state)
{
	struct http_head head;

	(void)state;
	good(&head);
	assert_null(websocket_upgrade_refused(&head, KEY));
	head.status = 200;
	assert_non_null(websocket_upgrade_refused(&head, KEY));
	good(&head);
	head.upgrade_websocket = false;
	assert_non_null(websocket_upgrade_refused(&head, KEY));
	good(&head);
	head.connection_upgrade = false;
	assert_non_null(websocket_upgrade_refused(&head, KEY));
	good(&head);
	head.accept[0] = 'S';
	assert_non_null(websocket_upgrade_refused(&head, KEY));
	good(&head);
	head.accept[0] = '\0';
	assert_non_null(websocket_upgrade_refused(&head, KEY));
	good(&head);
	head.protocol[0] = '\0';
	assert_non_null(websocket_upgrade_refused(&head, KEY));
	good(&head);
	head.protocol[strlen(head.protocol) - 1] = '2';
	assert_non_null(websocket_upgrade_refused(&head, KEY));
	good(&head);
	head.extensions = true;
	assert_non_null(websocket_upgrade_refused(&head, KEY));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_upgrade),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
