/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * user.c - see user.h.
 *
 * Users are looked up as login(1) does (account.h), while dbleak still has all of root's rights:
 * a name may come from a directory service that root has set up in /etc/nsswitch.conf.
 * The files behind that are root's own.  /etc/passwd is read only if it is: a regular file of
 * root's, that only root may write, of bounded size.  No name of the environment chooses a file.
 */
#include "user/command/user.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/file.h"
#include "user/system/account.h"

#define PASSWD_MOST (16 << 20) /* bytes */
#define NO_GROUP    65534      /* for a user without an entry: owns nothing anywhere */
#define GROUPS_MAX  65536      /* NGROUPS_MAX of the kernel */

/* The variables in which programs that lend root's rights name their caller. */
static const struct lender {
	const char *program, *uid, *gid, *name;
} lenders[] = {
	{"sudo", "SUDO_UID", "SUDO_GID", "SUDO_USER"},
	{"pkexec", "PKEXEC_UID", NULL, NULL},
	{"doas", NULL, NULL, "DOAS_USER"},
};

static const char *const of_lenders[] = {"SUDO_UID",  "SUDO_GID", "SUDO_USER",	"SUDO_COMMAND",
					 "SUDO_HOME", "SUDO_TTY", "PKEXEC_UID", "DOAS_USER"};

/* -1 means "no change" to the kernel, so it is nobody's. */
static bool is_id(const char *text, uint32_t *id)
{
	unsigned long long value;
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	*id = (uint32_t)value;
	return !*end && !errno && value < UINT32_MAX;
}

static const char *from_environment(const char *name)
{
	return name ? getenv(name) : NULL;
}

static int list_groups(struct user *u, const char *name)
{
	int room = 64;

	do {
		gid_t *more = realloc(u->groups, (size_t)room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		u->groups = more;
		u->group_count = room;
		if (!account_groups(name, u->gid, u->groups, &u->group_count))
			return 0;
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) user_free frees the groups */
		room = u->group_count > room ? u->group_count : 2 * room;
	} while (room <= GROUPS_MAX);
	return -E2BIG;
}

/* An entry of the password file; the group may be known better. */
static int take_entry(struct user *u, const struct passwd *entry, const char *gid)
{
	uint32_t group;

	u->uid = entry->pw_uid;
	u->gid = is_id(gid, &group) ? group : entry->pw_gid;
	u->name = strdup(entry->pw_name);
	u->home = strdup(*entry->pw_dir ? entry->pw_dir : "/");
	u->shell = strdup(*entry->pw_shell ? entry->pw_shell : "/bin/sh");
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) user_free frees all three */
	return u->name && u->home && u->shell ? list_groups(u, u->name) : -ENOMEM;
}

static int user_take_number(struct user *u, uid_t uid, const char *gid)
{
	uint32_t group;

	u->uid = uid;
	u->gid = is_id(gid, &group) ? group : uid ? NO_GROUP : 0;
	u->groups = calloc(1, sizeof(*u->groups));
	u->home = strdup("/");
	u->shell = strdup("/bin/sh");
	if (asprintf(&u->name, "%u", uid) < 0)
		u->name = NULL;
	if (!u->groups || !u->home || !u->shell || !u->name)
		return -ENOMEM;
	u->groups[0] = u->gid;
	u->group_count = 1;
	return 0;
}

/* Two names may have one number: the one that the caller goes by is taken. */
static const struct passwd *entry_of(uid_t uid, const char *name)
{
	const struct passwd *entry = name ? account_named(name) : NULL;

	return entry && entry->pw_uid == uid ? entry : account_numbered(uid);
}

static int take_caller(struct user *u, const struct lender *by)
{
	const char *uid = from_environment(by->uid), *gid = from_environment(by->gid);
	const char *name = from_environment(by->name);
	const struct passwd *entry;
	uint32_t id;

	if (by->uid && !is_id(uid, &id))
		return -EINVAL;
	entry = by->uid ? entry_of(id, name) : account_named(name);
	if (entry)
		return take_entry(u, entry, gid);
	return by->uid ? user_take_number(u, id, gid) : -EINVAL;
}

/* A name of digits is a name first, as for chown(1). */
static int take_wanted(struct user *u, const char *wanted)
{
	const struct passwd *entry = account_named(wanted);
	uint32_t id;

	if (!entry && !strcmp(wanted, "root"))
		return user_take_number(u, 0, NULL);
	if (!entry && is_id(wanted, &id) && !(entry = account_numbered(id)))
		return user_take_number(u, id, NULL);
	return entry ? take_entry(u, entry, NULL) : -ENOENT;
}

static const struct lender *find_lender(void)
{
	for (size_t i = 0; i < sizeof(lenders) / sizeof(*lenders); i++)
		if (from_environment(lenders[i].uid ? lenders[i].uid : lenders[i].name))
			return &lenders[i];
	return NULL;
}

static int user_refuse(const char *wanted, const struct lender *by, int err)
{
	if (by && err == -EINVAL)
		fprintf(stderr,
			"dbleak: %s names no user in its environment; --user NAME says as "
			"whom the command runs\n",
			by->program);
	else
		fprintf(stderr, "dbleak: cannot run as %s: %s\n",
			wanted ? wanted : "whoever called us",
			err == -ENOENT ? "there is no such user" : strerror(-err));
	return 2;
}

int user_trust(const char *path, uid_t owner)
{
	int root = file_open_root(""), fd = root < 0 ? root : file_open_in(root, path, 0);
	struct stat st;
	bool trusted;

	if (root >= 0)
		close(root);
	if (fd == -ENOENT) /* a directory service may have all users */
		return 0;
	if (fd < 0)
		return fd;
	trusted = !fstat(fd, &st) && st.st_uid == owner && !(st.st_mode & (S_IWGRP | S_IWOTH));
	close(fd);
	if (!trusted)
		return -EPERM;
	return st.st_size > PASSWD_MOST ? -EFBIG : 0;
}

int user_choose(struct user *u, const char *wanted)
{
	const struct lender *by = wanted || geteuid() ? NULL : find_lender();
	int err;

	*u = (struct user){.uid = geteuid(), .gid = getegid()};
	if (!wanted && !by)
		return -1;
	err = user_trust("/etc/passwd", 0);
	if (err) {
		fprintf(stderr,
			"dbleak: /etc/passwd is no plain file of root's (%s): no user is looked "
			"up\n",
			strerror(-err));
		return 2;
	}
	err = wanted ? take_wanted(u, wanted) : take_caller(u, by);
	if (err)
		return user_refuse(wanted, by, err);
	u->change = u->uid != geteuid();
	if (by && !u->uid)
		fputs("dbleak: the command runs as root, who called; --user NAME says otherwise\n",
		      stderr);
	return -1;
}

bool user_find_caller(uid_t *uid, gid_t *gid)
{
	const struct lender *by = geteuid() ? NULL : find_lender();
	struct user u = {0};
	bool found = by && !take_caller(&u, by) && u.uid;

	*uid = u.uid;
	*gid = u.gid;
	user_free(&u);
	return found;
}

static int set_environment(const struct user *u)
{
	for (size_t i = 0; i < sizeof(of_lenders) / sizeof(*of_lenders); i++)
		unsetenv(of_lenders[i]);
	if (setenv("HOME", u->home, 1) || setenv("USER", u->name, 1) ||
	    setenv("LOGNAME", u->name, 1) || setenv("SHELL", u->shell, 1))
		return -errno;
	return 0;
}

/* No execve(2) brings back what is in none of the sets; sudo(8) and the like still work. */
static int drop_capabilities(void)
{
	if (capng_get_caps_process())
		return -EPERM;
	capng_clear(CAPNG_SELECT_CAPS); /* the ambient ones go with them */
	return capng_apply(CAPNG_SELECT_CAPS) ? -EPERM : 0;
}

int user_become(const struct user *u)
{
	int err;

	if (!u->change)
		return u->uid ? drop_capabilities() : 0;
	if (setgroups((size_t)u->group_count, u->groups) || setresgid(u->gid, u->gid, u->gid) ||
	    setresuid(u->uid, u->uid, u->uid))
		return -errno;
	err = u->uid ? drop_capabilities() : 0;
	if (err)
		return err;
	return u->uid && !setuid(0) ? -EPERM : set_environment(u);
}

void user_free(struct user *u)
{
	free(u->groups);
	free(u->name);
	free(u->home);
	free(u->shell);
}
