/* SPDX-License-Identifier: ISC */
/* Public seal keys as JSON, as both faces that hand them out show them. */
#ifndef GATE_KEY_JSON_H
#define GATE_KEY_JSON_H

#include "common/sealed.h"

#include <jansson.h>

/* [{"kid": …, "jwk": {…}}, …]; NULL when memory fails or a key is no key. */
json_t *recipients_json(const struct sealed_recipient *, size_t n);

#endif
