/* SPDX-License-Identifier: ISC */
/*
 * The opening handshake of a WebSocket (RFC 6455 4.2).
 */
#include "http.h"
#include "websocket.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define KEY_LENGTH 24 /* base64 of 16 bytes */

int
websocket_accept_key(const char *key, char accept[WEBSOCKET_ACCEPT_SIZE])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char decoded[KEY_LENGTH / 4 * 3], digest[20];
	char text[KEY_LENGTH + sizeof(guid)];
	unsigned int len;

	/* 16 bytes end with "==": EVP_DecodeBlock counts them as zeros, 18 in all. */
	if (strlen(key) != KEY_LENGTH || strcmp(key + KEY_LENGTH - 2, "==") != 0 ||
	    strchr(key, '=') != key + KEY_LENGTH - 2 ||
	    EVP_DecodeBlock(decoded, (const unsigned char *)key, KEY_LENGTH) !=
		(int)sizeof(decoded))
		return -1;
	memcpy(text, key, KEY_LENGTH);
	memcpy(text + KEY_LENGTH, guid, sizeof(guid));
	/* SHA-1 is what the RFC names; it protects nothing here. */
	if (EVP_Digest(text, KEY_LENGTH + sizeof(guid) - 1, digest, &len, EVP_sha1(), NULL) != 1)
		return -1;
	EVP_EncodeBlock((unsigned char *)accept, digest, (int)sizeof(digest));
	return 0;
}

struct stream *
websocket_upgrade(struct http_exchange *x, const char *subprotocol, struct http_place **place)
{
	const struct http_head *head = &http_exchange_request(x)->head;
	const char *version = http_head_get(head, "sec-websocket-version");
	const char *key = http_head_get(head, "sec-websocket-key");
	char accept[WEBSOCKET_ACCEPT_SIZE], answer[512];

	if (!http_list_has(http_head_get(head, "upgrade"), "websocket") ||
	    !http_list_has(http_head_get(head, "connection"), "upgrade")) {
		http_set_field(x, "Upgrade", "websocket");
		http_error(x, 426, "bad_request", "this is a WebSocket; the request asks for none");
		return NULL;
	}
	if (version == NULL || strcmp(version, "13") != 0) {
		http_set_field(x, "Sec-WebSocket-Version", "13");
		http_error(x, 426, "bad_request", "Sec-WebSocket-Version must be 13");
		return NULL;
	}
	if (head->content_length != 0 || key == NULL || websocket_accept_key(key, accept) == -1) {
		http_error(x, 400, "bad_request", "Sec-WebSocket-Key is missing or malformed");
		return NULL;
	}
	if (!http_list_has(http_head_get(head, "sec-websocket-protocol"), subprotocol)) {
		http_error(
		    x, 400, "bad_request", "Sec-WebSocket-Protocol must offer adconnector.v1");
		return NULL;
	}
	snprintf(answer, sizeof(answer),
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: %s\r\n\r\n",
	    accept, subprotocol);
	return http_take_over(x, answer, place);
}
