/* SPDX-License-Identifier: ISC */
/*
 * The key of RFC 7515 A.3, so that what is signed by it or sealed for it can be a seed.  Must
 * not be used outside of tests: everybody has it.
 */
#ifndef ADC_FUZZ_KEY_H
#define ADC_FUZZ_KEY_H

#include "common/base64url.h"
#include "common/jose_key.h"
#include "fuzz.h"

static inline void
fuzz_key_part(const char *text, uint8_t out[32])
{
	fuzz_check(base64url_decode(out, 32, text, strlen(text)) == 32);
}

/* Made once; never freed. */
static inline struct jose_key *
fuzz_key(void)
{
	static struct jose_key *key;
	uint8_t d[JOSE_KEY_PRIVATE_SIZE], xy[JOSE_KEY_PUBLIC_SIZE];

	if (key == NULL) {
		fuzz_key_part("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", xy);
		fuzz_key_part("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", xy + 32);
		fuzz_key_part("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI", d);
		fuzz_check((key = jose_key_from_private(d, xy)) != NULL);
	}
	return key;
}

#endif
