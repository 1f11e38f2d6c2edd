/* SPDX-License-Identifier: ISC */
/*
 * See hub_clock.h.  Judges no text itself, and proves nothing: no clock says who somebody is.
 */
#include "build.h"

#include "hub_clock.h"

#include "common/clock.h"
#include "common/log.h"

#include <inttypes.h>
#include <stdlib.h>

/* More than any clock of this century is off; nothing that is reckoned with it overflows. */
#define TIME_MAX (INT64_C(1) << 40)

void
hub_clock_set(struct hub_clock *clock, int64_t time)
{
	if (time <= 0 || time > TIME_MAX)
		return;
	clock->steady = time - clock_s();
	clock->known = true;
}

int64_t
hub_clock_off(const struct hub_clock *clock)
{
	if (!clock->known)
		return 0;
	return clock_unix() - (clock->steady + clock_s());
}

int64_t
hub_clock_now(const struct hub_clock *clock)
{
	if (!clock->known || llabs(hub_clock_off(clock)) > HUB_CLOCK_OFF_MAX)
		return clock_unix();
	return clock->steady + clock_s();
}

void
hub_clock_tell(struct hub_clock *clock, const char *hub)
{
	int64_t off = hub_clock_off(clock);

	if (!clock->known)
		return;
	if (llabs(off) <= HUB_CLOCK_OFF_TOLD) {
		if (clock->told)
			log_info("this host's clock agrees with that of %s again", hub);
		clock->told = false;
		return;
	}
	if (clock->told && llabs(off - clock->told_off) <= HUB_CLOCK_OFF_TOLD)
		return;
	clock->told = true;
	clock->told_off = off;
	log_warnx("this host's clock is %" PRId64 " seconds %s that of %s: %s; set the one that is "
		  "wrong (timedatectl)",
	    (int64_t)llabs(off), off > 0 ? "ahead of" : "behind", hub,
	    llabs(off) > HUB_CLOCK_OFF_MAX
		? "more than two hours, so that logins are refused as sealed_old"
		: "logins go by the hub's, certificates and this log by this host's");
}
