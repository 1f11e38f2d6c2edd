/* SPDX-License-Identifier: ISC */
/*
 * Only in builds made with --enable-probes: a process tries, from behind its
 * own sandbox, what it must not be able to do, and logs what came of it.  The
 * tests read those lines.  An installed build has none of this.
 */
#ifndef ADC_PROBE_H
#define ADC_PROBE_H

#include "message.h"

#ifdef ADC_PROBES
/* Logs one line for each thing tried: "probe NAME: errno or allowed". */
void probe_sandbox(enum role);
#else
#define probe_sandbox(role) ((void)(role))
#endif

#endif
