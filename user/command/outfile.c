/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * outfile.c - see outfile.h.
 */
#include "user/command/outfile.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/command/user.h"

#define LINKS_MAX 40 /* as the kernel follows */
#define TRIES	  16 /* for a name that nobody has */

/* Commands to the keeper. */
#define PART 'p' /* from now on a part takes its place, too */
#define KEEP 'k'
#define DROP 'd'

struct outfile_place {
	int folder; /* O_PATH */
	char name[NAME_MAX + 1], temporary[NAME_MAX + 1];
};

/* --- the folder --------------------------------------------------------------------------- */

/* Links that root or we have made lead where they should; anybody else's could lead anywhere. */
static bool is_trusted(const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == geteuid();
}

static int outfile_enter(int from, const char *path, unsigned int *links);

static int outfile_follow(int from, const char *name, unsigned int *links)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0 || ++*links > LINKS_MAX)
		return n < 0 ? -errno : -ELOOP;
	target[n] = '\0';
	return outfile_enter(from, target, links);
}

static int enter_one(int from, const char *name, unsigned int *links)
{
	struct stat st;
	int fd;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	if (S_ISLNK(st.st_mode))
		return is_trusted(&st) ? outfile_follow(from, name, links) : -ELOOP;
	/* A folder that has become a link since is refused here. */
	fd = openat(from, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A descriptor of the folder, or -errno. */
static int outfile_enter(int from, const char *path, unsigned int *links)
{
	char *copy = strdup(path), *save = NULL, *part;
	int at = *path == '/' ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)
			      : openat(from, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (!copy || at < 0) {
		free(copy);
		return at < 0 ? -errno : -ENOMEM;
	}
	for (part = strtok_r(copy, "/", &save); part && at >= 0;
	     part = strtok_r(NULL, "/", &save)) {
		int next = enter_one(at, part, links);

		close(at);
		at = next;
	}
	free(copy);
	return at;
}

static int find_place(struct outfile_place *p, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char folder[PATH_MAX];
	unsigned int links = 0;

	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return -EISDIR;
	if (strlen(name) > NAME_MAX || (size_t)(name - path) >= sizeof(folder))
		return -ENAMETOOLONG;
	snprintf(p->name, sizeof(p->name), "%s", name);
	snprintf(folder, sizeof(folder), "%.*s", (int)(name - path), path);
	p->folder = outfile_enter(AT_FDCWD, *folder ? folder : ".", &links);
	return p->folder < 0 ? p->folder : 0;
}

/* --- streams ------------------------------------------------------------------------------ */

/* The descriptor that a path names, -1: none. */
static int named_descriptor(const char *path)
{
	static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};

	if (!strcmp(path, "-") || !strcmp(path, "/dev/stdout"))
		return STDOUT_FILENO;
	if (!strcmp(path, "/dev/stderr"))
		return STDERR_FILENO;
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		size_t len = strlen(folders[i]);
		const char *digits = path + len;

		if (!strncmp(path, folders[i], len) && *digits &&
		    strspn(digits, "0123456789") == strlen(digits) && strlen(digits) < 7)
			return atoi(digits);
	}
	return -1;
}

static int open_stream(struct outfile *o, int fd)
{
	o->file = fd < 0 ? NULL : fdopen(fd, "w");
	if (o->file)
		return 0;
	if (fd >= 0)
		close(fd);
	return -errno;
}

static int open_descriptor(struct outfile *o, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	return open_stream(o, fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

/* A pipe that nobody reads is refused, not waited for. */
static int open_special(struct outfile *o, const struct outfile_place *p, const struct stat *st)
{
	struct stat now;
	int fd;

	if (S_ISFIFO(st->st_mode) && !is_trusted(st))
		return -EPERM;
	fd = openat(p->folder, p->name, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &now) || (now.st_mode & S_IFMT) != (st->st_mode & S_IFMT) ||
	    fcntl(fd, F_SETFL, O_WRONLY)) {
		close(fd);
		return -EAGAIN; /* it is another file by now */
	}
	return open_stream(o, fd);
}

/* --- the keeper --------------------------------------------------------------------------- */

static int outfile_filter_calls(void)
{
	static const int allowed[] = {
		SCMP_SYS(read),		SCMP_SYS(renameat), SCMP_SYS(unlinkat),
		SCMP_SYS(munmap),	SCMP_SYS(brk),	    SCMP_SYS(exit_group),
		SCMP_SYS(rt_sigreturn),
#ifdef __SANITIZE_ADDRESS__
		SCMP_SYS(sigaltstack), /* at each end of a program */
#endif
	};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = filter ? 0 : -ENOMEM;

	for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed) && !err; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

/* The keeper keeps rights for folders of others.  0, or -EPERM: the kernel let none be given up. */
static int keep_folder_rights(void)
{
	static const unsigned int kept[] = {CAP_DAC_OVERRIDE, CAP_FOWNER};
	bool held[2], known = !capng_get_caps_process();

	for (size_t i = 0; i < 2; i++)
		held[i] = known && capng_have_capability(CAPNG_PERMITTED, kept[i]) == 1;
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < 2; i++)
		if (held[i])
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, kept[i]);
	return capng_apply(CAPNG_SELECT_BOTH) && capng_apply(CAPNG_SELECT_CAPS) ? -EPERM : 0;
}

/* A refusal of the kernel here is no reason to lose the file. */
static void lock_in(void)
{
	keep_folder_rights();
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	outfile_filter_calls();
}

/* The last command; when its sender is killed, what the commands before it lead to. */
static char await_command(void)
{
	char word = DROP, next;
	ssize_t n;

	while ((n = read(0, &next, 1)) == 1 || (n < 0 && errno == EINTR)) {
		if (n == 1 && next != PART)
			return next;
		if (n == 1)
			word = KEEP;
	}
	return word;
}

static _Noreturn void keep(const struct outfile_place *p, int wire)
{
	char word;

	for (int sig = 1; sig < SIGRTMIN; sig++)
		signal(sig, SIG_IGN);
	prctl(PR_SET_NAME, "dbleak-keeper");
	if (dup2(wire, 0) < 0 || dup2(p->folder, 1) < 0)
		_exit(EIO);
	syscall(SYS_close_range, 2, ~0U, 0);
	lock_in();
	word = await_command();
	if (word == KEEP && !renameat(1, p->temporary, 1, p->name))
		_exit(0);
	word = word == KEEP ? (char)errno : 0;
	unlinkat(1, p->temporary, 0);
	_exit((unsigned char)word);
}

static int start_keeper(struct outfile *o, const struct outfile_place *p)
{
	int wire[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, wire))
		return -errno;
	o->keeper = fork();
	if (!o->keeper) {
		close(wire[1]);
		keep(p, wire[0]);
	}
	close(wire[0]);
	o->wire = wire[1];
	if (o->keeper > 0)
		return 0;
	o->keeper = 0;
	close(wire[1]);
	return -EAGAIN;
}

/* --- files -------------------------------------------------------------------------------- */

static int create_temporary(struct outfile_place *p)
{
	uint64_t random;
	int fd = -1;

	for (int i = 0; i < TRIES && fd < 0; i++) {
		if (getrandom(&random, sizeof(random), 0) != sizeof(random))
			return -errno;
		snprintf(p->temporary, sizeof(p->temporary), ".%.200s.%016llx", p->name,
			 (unsigned long long)random);
		fd = openat(p->folder, p->temporary,
			    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	return fd < 0 ? -errno : fd;
}

/* Could the caller have made a file in the folder?  A file that belongs to the caller must not lie
 * where root trusts all files. */
static bool may_write(const struct stat *folder, uid_t uid, gid_t gid)
{
	if (folder->st_uid == uid)
		return folder->st_mode & S_IWUSR;
	return folder->st_mode & (folder->st_gid == gid ? S_IWGRP : S_IWOTH);
}

/* Gives the new file to the caller of sudo; where that fails the file stays root's. */
static void give_to_caller(const struct outfile_place *p, int fd)
{
	struct stat folder;
	uid_t uid;
	gid_t gid;

	if (!user_find_caller(&uid, &gid) || fstat(p->folder, &folder) ||
	    !may_write(&folder, uid, gid))
		return;
	(void)!fchown(fd, uid, gid);
}

static int open_regular(struct outfile *o, struct outfile_place *p)
{
	int fd = create_temporary(p), err;

	if (fd < 0)
		return fd;
	give_to_caller(p, fd);
	err = start_keeper(o, p);
	if (!err)
		return open_stream(o, fd);
	close(fd);
	unlinkat(p->folder, p->temporary, 0);
	return err;
}

static bool is_input(const struct stat *st, FILE *input)
{
	struct stat in;

	return input && !fstat(fileno(input), &in) && in.st_dev == st->st_dev &&
	       in.st_ino == st->st_ino;
}

static int open_in(struct outfile *o, struct outfile_place *p, FILE *input)
{
	struct stat st;

	if (fstatat(p->folder, p->name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? open_regular(o, p) : -errno;
	if (is_input(&st, input))
		return -EEXIST;
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return open_regular(o, p);
	case S_IFCHR:
	case S_IFIFO:
		return open_special(o, p, &st);
	case S_IFLNK:
		return -ELOOP;
	case S_IFDIR:
		return -EISDIR;
	default:
		return -EINVAL;
	}
}

int outfile_open(struct outfile *o, const char *path, FILE *input)
{
	struct outfile_place p = {.folder = -1};
	int fd = named_descriptor(path), err;

	*o = (struct outfile){0};
	if (fd >= 0)
		return open_descriptor(o, fd);
	err = find_place(&p, path);
	if (!err)
		err = open_in(o, &p, input);
	if (p.folder >= 0)
		close(p.folder);
	if (err)
		outfile_end(o, false);
	return err;
}

int outfile_begin(struct outfile *o, const char *path, FILE *input)
{
	int err = path ? outfile_open(o, path, input) : 0;

	if (!err && path && (!strcmp(path, "json") || !strcmp(path, "yaml")))
		fprintf(stderr, "dbleak: -o names a file, here \"%s\"; --json chooses JSON\n",
			path);
	if (!err)
		return -1;
	fprintf(stderr, "dbleak: cannot write %s: %s\n", outfile_name(path), outfile_why(err));
	return 2;
}

void outfile_keep_part(struct outfile *o)
{
	const char word = PART;

	if (o->keeper > 0)
		(void)!send(o->wire, &word, 1, MSG_NOSIGNAL); /* a dead keeper is met at the end */
}

bool outfile_has_place(const struct outfile *o)
{
	return o->keeper > 0;
}

static int end_keeper(struct outfile *o, bool whole)
{
	char word = whole ? KEEP : DROP;
	int status = 0;
	bool reported = send(o->wire, &word, 1, MSG_NOSIGNAL) == 1;

	close(o->wire);
	while (waitpid(o->keeper, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (!reported || !WIFEXITED(status))
		return -EIO;
	return -WEXITSTATUS(status);
}

int outfile_end(struct outfile *o, bool whole)
{
	int err = 0, kept = 0;

	if (o->file) {
		errno = 0;
		if (fflush(o->file) || ferror(o->file))
			err = errno ? -errno : -EIO;
		if (fclose(o->file) && !err)
			err = -errno;
	}
	if (o->keeper > 0)
		kept = end_keeper(o, whole && !err);
	*o = (struct outfile){0};
	return err ? err : kept;
}

static bool is_same_place(const struct outfile_place *p, const struct outfile_place *q)
{
	struct stat a, b;

	if (strcmp(p->name, q->name) != 0 || fstat(p->folder, &a) || fstat(q->folder, &b) ||
	    a.st_dev != b.st_dev || a.st_ino != b.st_ino)
		return false;
	return fstatat(p->folder, p->name, &a, AT_SYMLINK_NOFOLLOW) || !S_ISCHR(a.st_mode);
}

bool outfile_is_same(const char *one, const char *other)
{
	struct outfile_place p = {.folder = -1}, q = {.folder = -1};
	int fd = named_descriptor(one);
	bool same;

	if (fd >= 0)
		return fd == named_descriptor(other);
	same = !find_place(&p, one) && !find_place(&q, other) && is_same_place(&p, &q);
	if (p.folder >= 0)
		close(p.folder);
	if (q.folder >= 0)
		close(q.folder);
	return same;
}

const char *outfile_name(const char *path)
{
	return path && strcmp(path, "-") != 0 ? path : "standard output";
}

const char *outfile_why(int err)
{
	switch (err) {
	case -EEXIST:
		return "it is the recording to be read";
	case -ELOOP:
		return "it is a symbolic link, or one of somebody else leads to it; dbleak writes "
		       "through none";
	case -ENXIO:
		return "it is a pipe, and nobody reads it";
	case -EPERM:
		return "it is somebody else's, or must not be written";
	case -EINVAL:
		return "it is neither a file nor a stream";
	default:
		return strerror(-err);
	}
}
