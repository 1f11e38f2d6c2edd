/* SPDX-License-Identifier: ISC */
/* See tunnel_status.h. */
#include "tunnel_status.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/rate.h"

#include <string.h>

int
tunnel_status_take(struct tunnel *tunnel, const json_t *frame)
{
	const char *directory = json_get_string(frame, "directory", 1, 32);
	bool unavailable;

	if (json_object_get(frame, "directory") == NULL)
		return 0;
	if (directory == NULL)
		return -1;
	unavailable = strcmp(directory, "unavailable") == 0;
	if (!unavailable && strcmp(directory, "ok") != 0)
		return -1;
	if (unavailable == tunnel->directory_unavailable)
		return 0;
	tunnel->directory_unavailable = unavailable;
	if (rate_allowed(
		&tunnel->changes_until, clock_ms(), STATUS_CHANGE_MS, STATUS_CHANGES_AT_ONCE))
		log_info("connector %s: %s", tunnel->connector_id,
		    unavailable
			? "its directory cannot be asked: logins go to others, if there are any"
			: "its directory can be asked again");
	return 0;
}
