/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * startup.c - keys and values, each ended by a NUL.
 */
#include "user/capture/watched/startup.h"

#include <stdio.h>
#include <string.h>

void startup_read(struct ev_identity *id, const char *at, size_t length)
{
	const char *end = at + length;

	while (at < end && *at) {
		const char *key_end = memchr(at, '\0', end - at), *value, *value_end;
		char *to;

		if (!key_end)
			return;
		value = key_end + 1;
		value_end = memchr(value, '\0', end - value);
		if (!value_end)
			return;
		to = !strcmp(at, "user")	       ? id->user
		     : !strcmp(at, "database")	       ? id->name
		     : !strcmp(at, "application_name") ? id->application
						       : NULL;
		if (to)
			snprintf(to, EV_NAME_LEN, "%s", value);
		at = value_end + 1;
	}
}
