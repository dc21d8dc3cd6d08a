/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * account.c - see account.h.
 */
#include "user/system/account.h"

#include <grp.h>

const struct passwd *account_named(const char *name)
{
	return getpwnam(name);
}

const struct passwd *account_numbered(uid_t uid)
{
	return getpwuid(uid);
}

int account_groups(const char *name, gid_t own, gid_t *groups, int *count)
{
	return getgrouplist(name, own, groups, count) < 0 ? -1 : 0;
}
