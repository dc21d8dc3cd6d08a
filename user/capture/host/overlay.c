/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * overlay.c - see overlay.h.
 *
 * How is the file below found?  The mount's options name the layers, which gives a path to a
 * candidate.  The path alone is no proof.  From Linux 6.6 on the overlay's own file handle contains
 * the handle of the file below.  Before 6.8 maps and events show the device and inode of the file
 * below.  The candidate must match that handle, or that device and inode.
 */
#include "user/capture/host/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define HANDLE_TO_COMPARE 0x200 /* AT_HANDLE_FID, newer than our headers */
#define HANDLE_OF_OVERLAY 0xf8	/* OVL_FILEID_V1 */
#define ONLY_CACHED	  0x20	/* RESOLVE_CACHED, 5.12 */
#define LAYERS_MOST	  512	/* overlayfs allows 500 */

union overlay_ledger_handle {
	struct file_handle head;
	char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

/* The f_handle of overlayfs: struct ovl_fh of fs/overlayfs/overlayfs.h. */
struct inner {
	uint8_t padding[3];
	uint8_t version, magic, length, flags, type;
	uint8_t uuid[16];
	uint8_t handle[];
};

#define INNER_MAGIC 0xfb
#define INNER_HEAD  (sizeof(struct inner) - 3) /* the field length counts these bytes too */

static bool handle_of(int fd, int flags, union overlay_ledger_handle *h)
{
	int mount;

	h->head.handle_bytes = MAX_HANDLE_SZ;
	return !name_to_handle_at(fd, "", &h->head, &mount, AT_EMPTY_PATH | flags);
}

static uint64_t overlay_mix(uint64_t start, const unsigned char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		start = (start ^ bytes[i]) * 0x100000001b3ULL;
	return start;
}

bool overlay_key(const struct overlay_file *f, struct table_key *key)
{
	union overlay_ledger_handle h;
	struct statfs fs;

	if (handle_of(f->held, HANDLE_TO_COMPARE, &h)) {
		key->a = overlay_mix(0xcbf29ce484222325ULL, h.head.f_handle, h.head.handle_bytes);
		key->b = overlay_mix(0x84222325cbf29ce4ULL, h.head.f_handle, h.head.handle_bytes);
		return h.head.handle_type == HANDLE_OF_OVERLAY;
	}
	*key = (struct table_key){f->shown_device, f->shown_inode};
	return f->shown_device != f->device && !fstatfs(f->held, &fs) &&
	       fs.f_type == OVERLAYFS_SUPER_MAGIC;
}

/* Does the overlay's handle contain the candidate's handle? */
static bool same_handle(const union overlay_ledger_handle *of, int candidate)
{
	const struct inner *in = (const void *)of->head.f_handle;
	union overlay_ledger_handle h;
	size_t length;

	if (of->head.handle_type != HANDLE_OF_OVERLAY || of->head.handle_bytes < sizeof(*in) ||
	    in->magic != INNER_MAGIC || in->length < INNER_HEAD ||
	    in->length + sizeof(in->padding) > of->head.handle_bytes)
		return false;
	length = in->length - INNER_HEAD;
	if (!handle_of(candidate, 0, &h))
		return false;
	return h.head.handle_type == in->type && h.head.handle_bytes <= length &&
	       !memcmp(h.head.f_handle, in->handle, h.head.handle_bytes);
}

/* Two file systems may give different files equal handles, so size and time must agree too. */
static bool looks_same(int a, int b)
{
	struct statx x, y;
	unsigned int wanted = STATX_SIZE | STATX_MTIME | STATX_TYPE;

	return !statx(a, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, wanted, &x) &&
	       !statx(b, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, wanted, &y) &&
	       S_ISREG(y.stx_mode) && x.stx_size == y.stx_size &&
	       x.stx_mtime.tv_sec == y.stx_mtime.tv_sec &&
	       x.stx_mtime.tv_nsec == y.stx_mtime.tv_nsec;
}

static bool is_below(const struct overlay_file *f, int candidate)
{
	union overlay_ledger_handle h;
	struct statx st;

	if (!looks_same(f->held, candidate))
		return false;
	if (handle_of(f->held, HANDLE_TO_COMPARE, &h))
		return same_handle(&h, candidate);
	return !statx(candidate, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &st) &&
	       makedev(st.stx_dev_major, st.stx_dev_minor) == f->shown_device &&
	       st.stx_ino == f->shown_inode;
}

static int open_cached(const char *path)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
			       .resolve = ONLY_CACHED | RESOLVE_NO_MAGICLINKS};
	int fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* Opens this layer's file of that name.  -ENOENT: the layer has none, so a lower layer may show
 * through.  An overlay keeps the entries that it shows in the kernel's cache, so a name that is not
 * cached (-EAGAIN) is not the one shown. */
static int try_layer(const struct overlay_file *f, const char *layer, const char *name)
{
	char path[2 * PATH_MAX];
	int fd;

	if (*layer != '/') /* relative to an unknown folder */
		return -EXDEV;
	snprintf(path, sizeof(path), "%s/%s", layer, name);
	fd = open_cached(path);
	if (fd < 0)
		return fd == -EAGAIN ? -ENOENT : fd;
	if (is_below(f, fd))
		return fd;
	close(fd);
	return -EXDEV;
}

/* The kernel escapes blanks and backslashes as three octal digits. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *at = text; *at; to++) {
		if (at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' && at[2] <= '7' &&
		    at[3] >= '0' && at[3] <= '7') {
			*to = (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
			at += 4;
		} else {
			*to = *at++;
		}
	}
	*to = '\0';
}

/* Tries the layers of one option, the uppermost first.  A layer with a colon in its name is taken
 * for two layers, and so not found. */
static int try_layers(const struct overlay_file *f, char *layers, const char *name)
{
	int fd = -ENOENT, count = 0;
	char *layer;

	while (fd == -ENOENT && count++ < LAYERS_MOST && (layer = strsep(&layers, ":"))) {
		unescape(layer);
		fd = try_layer(f, layer, name);
	}
	return fd;
}

/* Tries upperdir first, though the options name it after the lower layers. */
static int try_options(const struct overlay_file *f, char *options, const char *name)
{
	static const char upper[] = "upperdir=", lower[] = "lowerdir=", more[] = "lowerdir+=";
	char *all[LAYERS_MOST], *option;
	int fd = -ENOENT;
	size_t count = 0;

	while ((option = strsep(&options, ",")) && count < LAYERS_MOST) {
		if (!strncmp(option, upper, sizeof(upper) - 1))
			fd = try_layers(f, option + sizeof(upper) - 1, name);
		else if (!strncmp(option, lower, sizeof(lower) - 1))
			all[count++] = option + sizeof(lower) - 1;
		else if (!strncmp(option, more, sizeof(more) - 1))
			all[count++] = option + sizeof(more) - 1;
	}
	for (size_t i = 0; i < count && fd == -ENOENT; i++)
		fd = try_layers(f, all[i], name);
	return fd;
}

/* The part of a path below a directory; NULL: the path is not below it. */
static const char *below(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	while (length && directory[length - 1] == '/')
		length--;
	if (strncmp(path, directory, length) || path[length] != '/')
		return NULL;
	return path + length + 1;
}

/* Tries a line of mountinfo: ID PARENT MAJOR:MINOR ROOT POINT ... - TYPE SOURCE OPTIONS. */
static int try_mount(const struct overlay_file *f, uint64_t mount, char *line)
{
	char *field[6], *rest = line, *kind = strstr(line, " - overlay ");
	char name[2 * PATH_MAX];
	const char *part;

	if (!kind)
		return -ENOENT;
	for (int i = 0; i < 6; i++)
		if (!(field[i] = strsep(&rest, " ")))
			return -ENOENT;
	if (strtoull(field[0], NULL, 10) != mount)
		return -ENOENT;
	unescape(field[3]);
	unescape(field[4]);
	part = below(f->path, field[4]);
	if (!part)
		return -ENOENT;
	snprintf(name, sizeof(name), "%s/%s", field[3] + strspn(field[3], "/"), part);
	kind = strchr(kind + strlen(" - overlay "), ' ');
	if (!kind)
		return -ENOENT;
	kind[strcspn(kind, "\n")] = '\0';
	return try_options(f, kind + 1, name);
}

int overlay_below(int proc, const struct overlay_file *f)
{
	char name[32], *line = NULL;
	size_t room = 0;
	int err = -ENOENT, fd;
	struct statx st;
	FILE *mounts;

	if (statx(f->held, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &st) ||
	    !(st.stx_mask & STATX_MNT_ID))
		return -ENOTSUP;
	snprintf(name, sizeof(name), "%u/mountinfo", f->pid);
	fd = openat(proc, name, O_RDONLY | O_CLOEXEC);
	mounts = fd < 0 ? NULL : fdopen(fd, "r");
	if (!mounts) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	while (err == -ENOENT && getline(&line, &room, mounts) > 0)
		err = try_mount(f, st.stx_mnt_id, line);
	free(line);
	fclose(mounts);
	return err;
}
