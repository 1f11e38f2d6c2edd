/* SPDX-License-Identifier: ISC */
/*
 * Keeps one tunnel open for ever: the next try and its back-off, the change
 * from an old tunnel to a new one, what the parent is told.
 */
#ifndef ADC_CLOUD_KEEPER_H
#define ADC_CLOUD_KEEPER_H

#include "cloud.h"

/* A tunnel that was open this long after its welcome starts the back-off anew. */
#define KEEPER_STEADY_MS 30000U
/* The wait after close code 4429. */
#define KEEPER_HELD_OUT_MS 60000U
/*
 * The least wait after 4409: when it was the parent's next child that took over,
 * DRAIN is on its way.
 */
#define KEEPER_REPLACED_MS 2000U

void keeper_start(const struct cloud *);
/* Finishes what is in flight, closes, and ends the process. */
void keeper_drain(void);

/* REKEY_STATEMENT: sent on the tunnel that is open. */
void keeper_rekey(struct message *);
/* DIRECTORY_ANSWERS. */
void keeper_directory(struct message *);

#endif
