/* SPDX-License-Identifier: ISC */
/*
 * What config.c and config_load.c share: putting one value in its place, after
 * the test against its rule.  Not for use elsewhere.
 */
#ifndef ADC_CONFIG_STORE_H
#define ADC_CONFIG_STORE_H

#include "config.h"

/* Where a value comes from, for error texts. */
struct config_source {
	const char *name; /* NULL: typed at ctl */
	int line;
};

/* Puts "NAME:LINE: KEY: text" into *error; always -1. */
int config_fail(char **error, const struct config_source *, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* 0, or -1 with *error and the old value kept.  The rule is one of config's own. */
int config_store_strings(struct config *, const struct config_rule *, const struct config_source *,
    const char *const *items, size_t count, char **error);
int config_store_integer(struct config *, const struct config_rule *, const struct config_source *,
    int64_t n, char **error);
int config_store_duration(struct config *, const struct config_rule *, const struct config_source *,
    const char *text, char **error);

/* "a whole number" */
const char *config_type_wanted(enum config_type);

#endif
