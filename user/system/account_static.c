/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * account_static.c - account.h for the static build.
 */
#include "user/system/account.h"

#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct passwd *find_entry(const char *name, uid_t uid)
{
	FILE *f = fopen("/etc/passwd", "re");
	struct passwd *entry = NULL;

	while (f && (entry = fgetpwent(f)))
		if (name ? !strcmp(entry->pw_name, name) : entry->pw_uid == uid)
			break;
	if (f)
		fclose(f);
	return entry;
}

const struct passwd *account_named(const char *name)
{
	return find_entry(name, 0);
}

const struct passwd *account_numbered(uid_t uid)
{
	return find_entry(NULL, uid);
}

static bool is_member(const struct group *g, const char *name)
{
	for (char **member = g->gr_mem; *member; member++)
		if (!strcmp(*member, name))
			return true;
	return false;
}

int account_groups(const char *name, gid_t own, gid_t *groups, int *count)
{
	FILE *f = fopen("/etc/group", "re");
	int room = *count, found = 1;
	struct group *g;

	if (room > 0)
		groups[0] = own;
	while (f && (g = fgetgrent(f))) {
		if (g->gr_gid == own || !is_member(g, name))
			continue;
		if (found < room)
			groups[found] = g->gr_gid;
		found++;
	}
	if (f)
		fclose(f);
	*count = found;
	return found > room ? -1 : 0;
}
