/* SPDX-License-Identifier: ISC */
/*
 * What an error means for the person who sets the connector up: the step of the test that
 * failed, the setting to look at, what to do. Page and ctl say it in the same words, because
 * both have them from here. It decides nothing.
 */
#ifndef ADVICE_H
#define ADVICE_H

#include "common/message.h"

#include <stdbool.h>

/* The step that an error of directory or cloud belongs to; TEST_STEP_COUNT: none. */
enum test_step advice_step(const char *code, bool cloud);

/*
 * The setting that a text is about, or else the first that it names; "ticket" is one of them
 * here. "": none. Points into a constant.
 */
const char *advice_key(const char *text);

/*
 * What to do about an error of cloud whose text does not say it; "": nothing to add. proxied:
 * the hub is reached through cloud.proxy.
 */
const char *advice_cloud(const char *code, bool proxied);

/* What to do where there is no hub yet. */
extern const char advice_enrol[];

#endif
