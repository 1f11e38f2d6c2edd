/* SPDX-License-Identifier: ISC */
/*
 * What settings.c needs of the table beside what settings.h shows.
 */
#ifndef ADC_CONNECTOR_SETTINGS_RULES_H
#define ADC_CONNECTOR_SETTINGS_RULES_H

#include "settings.h"

/* The defaults as a layer of their own; NULL with *error. */
struct config *settings_defaults(char **error);

/* Does web.listen say that there is no page? */
bool settings_page_off(const char *value);

/* The SETTINGS_ALLOW_* of a word in policy.allow. */
unsigned int settings_allow_bit(const char *word);

#endif
