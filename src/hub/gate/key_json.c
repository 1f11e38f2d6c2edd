/* SPDX-License-Identifier: ISC */
/* Public keys as JSON: see key_json.h. */
#include "key_json.h"

#include "common/base64url.h"

static json_t *
coordinate(const uint8_t *bytes)
{
	char text[BASE64URL_SIZE(JOSE_KEY_PUBLIC_SIZE / 2)];

	base64url_encode(text, sizeof(text), bytes, JOSE_KEY_PUBLIC_SIZE / 2);
	return json_string(text);
}

json_t *
recipients_json(const struct sealed_recipient *recipients, size_t n)
{
	json_t *list = json_array(), *item;
	char kid[JOSE_KEY_ID_SIZE];
	const uint8_t *xy;
	size_t i;

	for (i = 0; i < n; i++) {
		xy = recipients[i].xy;
		item = jose_key_thumbprint(xy, kid) == -1
		    ? NULL
		    : json_pack("{s:s, s:{s:s, s:s, s:o, s:o}}", "kid", kid, "jwk", "kty", "EC",
			  "crv", "P-256", "x", coordinate(xy), "y",
			  coordinate(xy + JOSE_KEY_PUBLIC_SIZE / 2));
		if (json_array_append_new(list, item) == -1) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}
