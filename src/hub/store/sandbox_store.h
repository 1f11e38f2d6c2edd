/* SPDX-License-Identifier: ISC */
#ifndef ADC_SANDBOX_STORE_H
#define ADC_SANDBOX_STORE_H

#include <stdbool.h>

/*
 * Closes the sandbox round the process, with directory as all it can reach.
 * True when that is now "/": the process had the right to change its root.
 */
bool sandbox_store(const char *directory);

#endif
