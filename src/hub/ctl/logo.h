/* SPDX-License-Identifier: ISC */
/*
 * A picture file as the data: URL that the hub keeps for a connection.
 */
#ifndef ADC_HUB_CTL_LOGO_H
#define ADC_HUB_CTL_LOGO_H

#include <stddef.h>

#define LOGO_BYTES_MAX (43U * 1024) /* as a data: URL less than the hub takes, 60,000 bytes */

/*
 * "data:image/png;base64,…" (RFC 2397) for a PNG or JPEG file of at most LOGO_BYTES_MAX, malloc'ed.
 * NULL with *why in static words or from strerror(3).
 */
char *logo_read(const char *path, const char **why);
/* The same for bytes in memory. */
char *logo_url(const unsigned char *bytes, size_t len, const char **why);

#endif
