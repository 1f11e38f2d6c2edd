/* SPDX-License-Identifier: ISC */
/*
 * The sandbox of this process.
 */
#ifndef ADC_DIRECTORY_SANDBOX_H
#define ADC_DIRECTORY_SANDBOX_H

/* Ends the process when a layer cannot be put up. */
void sandbox_directory(void);

#endif
