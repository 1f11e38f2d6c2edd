/* SPDX-License-Identifier: ISC */
/*
 * Enrolment from start to end (docs/tunnel-protocol.md 3): look at the ticket,
 * post the keys, report the outcome to the parent once.
 */
#ifndef ADC_CLOUD_ENROL_H
#define ADC_CLOUD_ENROL_H

#include "cloud.h"

#include <stdbool.h>

/* Starts; the result goes to the parent as ENROLLED. The process then has nothing left to do. */
void enrol_start(const struct cloud *);
/* Has ENROLLED been sent? */
bool enrol_is_over(void);

#endif
