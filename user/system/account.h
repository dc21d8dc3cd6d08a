/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * account.h - the users and groups of this host.
 *
 * The usual build asks as login(1) does, by /etc/nsswitch.conf.  That loads libraries, which the
 * static build cannot: account_static.c reads /etc/passwd and /etc/group there, and nothing else.
 */
#ifndef DBLEAK_SYSTEM_ACCOUNT_H
#define DBLEAK_SYSTEM_ACCOUNT_H

#include <pwd.h>
#include <sys/types.h>

/* An entry, valid until the next call; NULL: there is no such user. */
const struct passwd *account_named(const char *name);
const struct passwd *account_numbered(uid_t uid);
/* The groups of a user with `own`, in groups; *count: the room, and then how many there are.  0, or
 * -1: there are more than fit. */
int account_groups(const char *name, gid_t own, gid_t *groups, int *count);

#endif
