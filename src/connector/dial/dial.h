/* SPDX-License-Identifier: ISC */
/*
 * What the files of adc-dial share.
 */
#ifndef ADC_DIAL_H
#define ADC_DIAL_H

/* Closes the sandbox: the network, and of the files what naming needs. */
void sandbox_dial(void);

#endif
