/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * user.h - the user as whom a command runs that dbleak starts, and who owns its files: the caller
 * of sudo, not root by accident.
 */
#ifndef DBLEAK_COMMAND_USER_H
#define DBLEAK_COMMAND_USER_H

#include <stdbool.h>
#include <sys/types.h>

struct user {
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	int group_count;
	char *name, *home, *shell;
	bool change; /* else the command runs as we do */
};

/* wanted: a name or a number, or NULL: the caller of sudo, pkexec or doas; without them dbleak's
 * own user.  Call user_free also after a failure.  -1 to go on, or the status to exit with (the
 * reason is on standard error). */
int user_choose(struct user *u, const char *wanted);
/* In a child: becomes that user for good, HOME and the like too.  The command has no rights but
 * its user's, whatever dbleak holds.  0 or -errno. */
int user_become(const struct user *u);
void user_free(struct user *u);
/* Finds the user who lent root's rights to dbleak, by the same variables as user_choose: false
 * where nobody did, where the variables name nobody, or where root called. */
bool user_find_caller(uid_t *uid, gid_t *gid);
/* Whether a file of users may be read: 0; -EPERM: not the owner's, or others may write it; -EFBIG;
 * -EINVAL: no regular file, which is never opened then; or another -errno. */
int user_trust(const char *path, uid_t owner);

#endif
