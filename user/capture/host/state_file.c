/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * state_file.c - see state_file.h.
 */
#include "user/capture/host/state_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/file.h"
#include "user/capture/host/memory.h"
#include "user/capture/host/state_wire.h"

#define PIECE_BYTES 32768
#define TAIL_MOST   32

/* --- in the fetcher -------------------------------------------------------------------------- */

struct state_place {
	uid_t owner;
	int32_t most;	 /* entries of a folder */
	uint64_t offset; /* in a file */
	char tail[TAIL_MOST];
	char path[PATH_MAX];
};

struct state_piece {
	struct state_file file;
	uint64_t whole; /* bytes of the file */
	char bytes[PIECE_BYTES];
};

#define PIECE_HEAD offsetof(struct state_piece, bytes)

/* Opens what lies there if the owner is right.  Returns a descriptor or -errno. */
static int place_open(int root, const struct state_place *place, int flags, struct stat *st)
{
	int fd = file_open_in(root, place->path, flags), err = 0;

	if (fd < 0)
		return fd;
	if (fstat(fd, st))
		err = -errno;
	else if (place->owner != FILE_OF_ANYBODY && st->st_uid != place->owner)
		err = -EPERM;
	if (!err)
		return fd;
	close(fd);
	return err;
}

static ssize_t piece_task(int root, const void *in, size_t n, void *out, size_t size)
{
	const struct state_place *place = in;
	struct state_piece *piece = out;
	struct stat st;
	ssize_t got;
	int fd;

	if (n != sizeof(*place) || size < sizeof(*piece))
		return -EINVAL;
	fd = place_open(root, place, 0, &st);
	if (fd < 0)
		return fd;
	piece->file = (struct state_file){st.st_uid, st.st_dev, st.st_ino};
	piece->whole = (uint64_t)st.st_size;
	got = st.st_size > (off_t)STATE_BYTES_MAX
		      ? -EFBIG
		      : pread(fd, piece->bytes, PIECE_BYTES, (off_t)place->offset);
	if (got == -1)
		got = -errno;
	close(fd);
	return got < 0 ? got : (ssize_t)PIECE_HEAD + got;
}

static bool state_file_ends_with(const char *text, const char *tail)
{
	size_t length = strlen(text), want = strlen(tail);

	return length >= want && !strcmp(text + length - want, tail);
}

static ssize_t list_task(int root, const void *in, size_t n, void *out, size_t size)
{
	const struct state_place *place = in;
	struct dirent *entry;
	size_t used = 0;
	struct stat st;
	int fd;
	DIR *d;

	if (n != sizeof(*place))
		return -EINVAL;
	fd = place_open(root, place, O_DIRECTORY, &st);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		if (fd >= 0)
			close(fd);
		return fd < 0 ? fd : -ENOMEM;
	}
	for (int i = 0; i < place->most && (entry = readdir(d)); i++) {
		size_t length = strlen(entry->d_name) + 1;

		if (!state_file_ends_with(entry->d_name, place->tail) || length > size - used)
			continue;
		memcpy((char *)out + used, entry->d_name, length);
		used += length;
	}
	closedir(d);
	return (ssize_t)used;
}

/* --- in this process ------------------------------------------------------------------------- */

static bool place_init(struct state_place *place, const char *path, uid_t owner)
{
	memset(place, 0, sizeof(*place));
	place->owner = owner;
	return snprintf(place->path, sizeof(place->path), "%s", path) < (int)sizeof(place->path);
}

/* The text of a file: as long as it was when its first piece came. */
struct state_whole {
	char *text;
	size_t have, room;
};

/* Takes the next piece.  Returns its bytes; 0: the file has no more; or -errno. */
static ssize_t piece_take(int root, struct state_place *place, struct state_piece *piece,
			  struct state_whole *to)
{
	ssize_t n;

	place->offset = to->have;
	n = memory_folder_task(place->owner, root, piece_task, place, sizeof(*place), piece,
			       sizeof(*piece));
	if (n < 0)
		return n;
	if (n < (ssize_t)PIECE_HEAD)
		return -EIO;
	n -= (ssize_t)PIECE_HEAD;
	if (!to->text) {
		to->room = piece->whole < STATE_BYTES_MAX ? piece->whole : STATE_BYTES_MAX;
		to->text = malloc(to->room + 1);
		if (!to->text)
			return -ENOMEM;
	}
	if ((size_t)n > to->room - to->have)
		n = (ssize_t)(to->room - to->have);
	memcpy(to->text + to->have, piece->bytes, (size_t)n);
	return n;
}

ssize_t state_file_load(int root, const char *path, uid_t owner, struct state_file *file,
			char **text)
{
	struct state_piece *piece = malloc(sizeof(*piece));
	struct state_whole whole = {0};
	struct state_place place;
	ssize_t n = -ENOMEM;

	if (piece)
		n = place_init(&place, path, owner) ? 1 : -ENAMETOOLONG;
	while (n > 0 && (!whole.text || whole.have < whole.room)) {
		n = piece_take(root, &place, piece, &whole);
		if (n < 0 || (whole.have && (file->device != piece->file.device ||
					     file->inode != piece->file.inode)))
			break; /* or another file lies there now */
		*file = piece->file;
		whole.have += (size_t)n;
	}
	free(piece);
	*text = whole.text;
	return n < 0 ? n : (ssize_t)whole.have;
}

ssize_t state_folder_list(int root, const char *path, uid_t owner, const char *tail, int most,
			  char *names, size_t size)
{
	struct state_place place;
	ssize_t n;

	if (!place_init(&place, path, owner))
		return -ENAMETOOLONG;
	place.most = most;
	snprintf(place.tail, sizeof(place.tail), "%s", tail);
	n = memory_folder_task(owner, root, list_task, &place, sizeof(place), names, size);
	return n > 0 && names[n - 1] ? -EIO : n;
}
