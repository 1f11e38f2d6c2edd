/* SPDX-License-Identifier: ISC */
/*
 * What an adc-cloud that was taken over might answer.  Only for the test programs
 * adc-cloud-liar and adc-cloud-replay, which are never installed.
 */
#ifndef ADC_TEST_CLOUD_HOSTILE_H
#define ADC_TEST_CLOUD_HOSTILE_H

#include "cloud.h"
#include "frames.h"

/* A result for the hub in place of an honest one, for wiping_free(); NULL: be honest this time. */
char *hostile_result(const struct cloud *, const struct frame *, size_t *len);
/* An honest verdict passes by. */
void hostile_record(enum status, const char *verdict, const void *profile, size_t profile_len);

#endif
