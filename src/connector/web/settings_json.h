/* SPDX-License-Identifier: ISC */
/*
 * The document of GET /api/v1/settings, made from the parent's message (docs/local-api.yaml,
 * Settings).
 */
#ifndef ADC_WEB_SETTINGS_JSON_H
#define ADC_WEB_SETTINGS_JSON_H

#include "common/wire.h"

#include <jansson.h>

#include <stdbool.h>

/* A new reference; NULL when the message is not as message.def says, or memory is short. */
json_t *settings_document(struct wire_reader *, bool may_change);

#endif
