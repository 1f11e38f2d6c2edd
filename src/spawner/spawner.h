/* SPDX-License-Identifier: ISC */
#ifndef ADC_SPAWNER_H
#define ADC_SPAWNER_H

/* What the spawner itself may do: a list of denied calls, for its children inherit it. */
void sandbox_spawner(void);

#endif
