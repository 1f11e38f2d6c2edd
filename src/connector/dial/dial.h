/* SPDX-License-Identifier: ISC */
/*
 * What the files of adc-dial share.
 */
#ifndef ADC_DIAL_H
#define ADC_DIAL_H

#include <stddef.h>
#include <stdint.h>

/* Closes the sandbox: the network, and of the files what naming needs. */
void sandbox_dial(const uint16_t *ports, size_t nports);

#endif
