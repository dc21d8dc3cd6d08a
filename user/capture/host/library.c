/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * library.c - finds the files that any process, in any mount namespace, maps as code, now and
 * later.
 *
 * library.c knows files, not their contents: the caller decides whether a file is a client library.
 * Never opens a path that a program chose, and opens only regular files for reading.
 *
 * When is a file known?
 *
 * /proc/PID/maps and the mapping events name a file by the device and inode in the kernel's own
 * structures.  stat(2) names it by numbers that the file system chooses.  On ext4, xfs, tmpfs and
 * on overlayfs over one file system the two agree.  On btrfs they never agree: the events show one
 * device for all subvolumes, in which inode numbers repeat.  Snapshots even repeat paths and
 * generations, so nothing in an event tells two such files apart.  On overlayfs before 6.8 the
 * events show the file below the overlay.  On overlayfs over several file systems an inode number
 * lasts only as long as the inode stays in memory.
 *
 * So the table holds the identities of stat(2) and no others.  No device number means one thing to
 * stat(2) and another to maps, so a shown device and inode in the table need no system call.  If
 * they are not in the table, they cost one statx(2) of the mapping.  The file is opened only if
 * that identity is not known either.  Where maps and stat(2) disagree, each sighting costs that one
 * call.  No translation from shown to real identities is kept.  It could be wrong on btrfs, and
 * wrong for ever if a process changes the mapping between our reading and opening it.
 *
 * File systems reuse inode numbers.  So each known file has its birth time (change time where the
 * file system keeps no birth time) and, once an event has shown it, its generation.  The time is
 * checked when an event shows another generation, and at the first sighting in each scan.
 *
 * Probes sit on the file below an overlay, whatever overlay it was opened through.  If dbleak
 * probed the files of two containers of one image, every call would hit each probe twice.  So a
 * file on an overlay is reported only if the file below it is new.  From 6.6 on a handle identifies
 * the file below, the same through each overlay.  Before 6.8 the device and inode in maps and
 * events do.
 *
 * The events could carry build ids, but only in place of device and inode.  dbleak needs the inode:
 * a copy of a library has the same build id, but is another inode to put probes in.
 */
#include "user/capture/host/library.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "user/capture/host/library_state.h"
#include "user/system/clock.h"

/* The identity of a file by stat(2), not by maps or events. */
struct identity {
	uint64_t device, inode;
	uint64_t stamp_ns;
	uint32_t links;
	bool regular;
};

/* --- the files we know ------------------------------------------------------------------- */

struct code_file *library_known_file(const struct libraries *l, uint64_t device, uint64_t inode)
{
	return table_get(&l->files, (struct table_key){device, inode});
}

static int keep(struct libraries *l, const struct identity *id, struct code_file **out)
{
	struct code_file *file = library_known_file(l, id->device, id->inode);

	if (!file) {
		file = malloc(sizeof(*file));
		if (!file)
			return -ENOMEM;
		if (table_put(&l->files, (struct table_key){id->device, id->inode}, file)) {
			free(file);
			return -ENOMEM;
		}
	} else if (file->overlay && table_get(&l->below, file->below) == file) {
		table_remove(&l->below, file->below);
	}
	*file = (struct code_file){
		.device = id->device, .inode = id->inode, .stamp_ns = id->stamp_ns};
	*out = file;
	return 0;
}

/* Keeps a file.  same: a known file with the same file below, whose state it shares; NULL: none. */
static int keep_like(struct libraries *l, const struct identity *id, const struct code_file *same,
		     struct code_file **out)
{
	struct table_key reported = same ? same->reported
					 : (struct table_key){id->device, id->inode};
	bool followed = same && same->followed; /* read first: keep may overwrite *same */
	bool held = same && same->held;
	int err = keep(l, id, out);

	if (!err) {
		(*out)->reported = reported;
		(*out)->followed = followed;
		(*out)->held = held;
	}
	return err;
}

static int keep_below(struct libraries *l, struct code_file *file, struct table_key below)
{
	file->overlay = true;
	file->below = below;
	return table_put(&l->below, below, file);
}

void library_forget(struct libraries *l, uint32_t round)
{
	struct table old = l->files;
	struct table_slot *slot;

	l->files = (struct table){0};
	table_free(&l->below);
	for (size_t at = 0; (slot = table_next(&old, &at));) {
		struct code_file *file = slot->value;

		if (!round || file->round != round || table_put(&l->files, slot->key, file))
			free(file);
		else if (file->overlay)
			table_put(&l->below, file->below, file);
	}
	table_free(&old);
}

static bool is_full(struct libraries *l)
{
	if (l->files.count < l->limit)
		return false;
	if (l->watching && clock_boot_ns() >= l->forget_at)
		l->scan_due = true;
	return true;
}

/* --- one file ---------------------------------------------------------------------------- */

static void name_of(const struct sighting *s, char name[64])
{
	snprintf(name, 64, "%u/map_files/%llx-%llx", s->pid, (unsigned long long)s->start,
		 (unsigned long long)s->end);
}

/* Uses attributes that the kernel has cached, since a server that hangs would make us hang too. */
static int library_identify(int dir, const char *name, int flags, struct identity *id)
{
	struct statx st;
	const struct statx_timestamp *stamp = &st.stx_btime;

	*id = (struct identity){};
	if (statx(dir, name, flags | AT_STATX_DONT_SYNC, STATX_BASIC_STATS | STATX_BTIME, &st))
		return -errno;
	if (!(st.stx_mask & STATX_BTIME))
		stamp = &st.stx_ctime;
	*id = (struct identity){
		.device = makedev(st.stx_dev_major, st.stx_dev_minor),
		.inode = st.stx_ino,
		.stamp_ns = (uint64_t)stamp->tv_sec * NS_PER_SECOND + stamp->tv_nsec,
		.links = st.stx_nlink,
		.regular = S_ISREG(st.stx_mode),
	};
	return 0;
}

static void tell_mapping(struct libraries *l, const struct code_file *file,
			 const struct sighting *s)
{
	struct library_mapping m = {
		.device = file->reported.a,
		.inode = file->reported.b,
		.start = s->start,
		.end = s->end,
		.offset = s->offset,
		.pid = s->pid,
	};

	if (file->followed && l->mapping_fn)
		l->mapping_fn(l->context, &m);
}

/* Makes the file's last mapping the witness, unless one is known. */
static void note_witness(struct libraries *l, const struct code_file *file)
{
	struct held_file *h = file->held ? table_get(&l->held, file->reported) : NULL;

	if (!h || h->pid)
		return;
	h->device = file->device;
	h->inode = file->inode;
	h->pid = file->pid;
	h->start = file->start;
	h->end = file->end;
}

static void note_place(struct libraries *l, struct code_file *file, const struct sighting *s)
{
	file->pid = s->pid;
	file->start = s->start;
	file->end = s->end;
	note_witness(l, file);
}

static void note_sighting(struct libraries *l, struct code_file *file, const struct sighting *s)
{
	file->round = l->round;
	note_place(l, file, s);
	if (s->event && file->device == s->device && file->inode == s->inode) {
		file->generation = s->generation;
		file->generation_known = true;
	}
}

/* Does the table know this sighting without a system call?  See "When is a file known?". */
static bool is_fresh(const struct libraries *l, const struct sighting *s)
{
	const struct code_file *file = library_known_file(l, s->device, s->inode);

	if (!file)
		return false;
	return s->event ? file->generation_known && file->generation == s->generation
			: file->round == l->round;
}

static bool library_is_known(struct libraries *l, const struct identity *id,
			     const struct sighting *s)
{
	struct code_file *file = library_known_file(l, id->device, id->inode);

	if (!file || file->stamp_ns != id->stamp_ns)
		return false;
	note_sighting(l, file, s);
	tell_mapping(l, file, s);
	return true;
}

/* Strips the kernel's mark only from a deleted file, because a live file's name may end like that.
 */
static void read_path(int dir, const char *name, bool deleted, char path[PATH_MAX])
{
	static const char mark[] = " (deleted)";
	ssize_t len = readlinkat(dir, name, path, PATH_MAX - 1);
	size_t have = len > 0 ? (size_t)len : 0, tail = sizeof(mark) - 1;

	if (deleted && have >= tail && !memcmp(path + have - tail, mark, tail))
		have -= tail;
	path[have] = '\0';
}

static void library_tell(struct libraries *l, const struct sighting *s, const struct identity *id,
			 const char *path, int fd)
{
	struct library_file file = {
		.device = id->device,
		.inode = id->inode,
		.seen_ns = clock_boot_ns(),
		.pid = s->pid,
		.fd = fd,
		.deleted = !id->links,
		.path = path,
	};

	l->reported++;
	l->fn(l->context, &file);
}

/* Opens the file below the overlay if possible.  A file open through a container's overlay, and
 * each probe in it, would keep that overlay mounted. */
static int open_new(struct libraries *l, const struct overlay_file *f, bool overlay)
{
	int below = overlay ? overlay_below(procfs_folder(l->procfs), f) : -1;
	int fd = below >= 0 ? memory_open_file(f->pid, below) : -1;

	if (below >= 0)
		close(below);
	if (fd < 0)
		fd = memory_open_file(f->pid, f->held);
	l->counts.served += fd == -EREMOTE;
	return fd;
}

/* The host may map the file below directly, too.  fd: of the file below, if that could be opened;
 * otherwise the result is false.  Sets *same to the file below, if it is known. */
static bool find_bottom(const struct libraries *l, int fd, const struct identity *id,
			struct identity *lower, struct code_file **same)
{
	struct code_file *file;

	if (library_identify(fd, "", AT_EMPTY_PATH, lower) ||
	    (lower->device == id->device && lower->inode == id->inode))
		return false;
	file = library_known_file(l, lower->device, lower->inode);
	if (file && file->stamp_ns == lower->stamp_ns)
		*same = file;
	return true;
}

/* held: O_PATH of the file, which now cannot change to another file any more. */
static int library_look_at(struct libraries *l, const struct sighting *s, const char *name,
			   int held)
{
	char path[PATH_MAX] = "";
	struct overlay_file shown = {.shown_device = s->device,
				     .shown_inode = s->inode,
				     .pid = s->pid,
				     .path = path,
				     .held = held};
	struct table_key below;
	struct identity id, lower;
	struct code_file *file, *other, *same = NULL;
	bool overlay, new, bottom;
	int fd = -1, err = library_identify(held, "", AT_EMPTY_PATH, &id);

	if (err || library_is_known(l, &id, s))
		return 0;
	shown.device = id.device;
	overlay = id.regular && overlay_key(&shown, &below);
	if (overlay)
		same = table_get(&l->below, below);
	new = id.regular && !same;
	if (new) {
		read_path(procfs_folder(l->procfs), name, !id.links, path);
		fd = open_new(l, &shown, overlay);
		if (fd < 0) {
			l->counts.unreadable++;
			return 0;
		}
	}
	bottom = fd >= 0 && overlay && find_bottom(l, fd, &id, &lower, &same);
	new = new && !same;
	err = keep_like(l, &id, same, &file);
	if (!err && overlay)
		err = keep_below(l, file, below);
	if (!err && bottom && !same)
		err = keep_like(l, &lower, file, &other);
	if (!err)
		note_sighting(l, file, s);
	if (!err && new)
		library_tell(l, s, &id, path, fd);
	if (!err)
		tell_mapping(l, file, s);
	if (fd >= 0)
		close(fd);
	return err;
}

/* 0, also when the file cannot be read; -ENOENT: the mapping is gone; -ENOMEM. */
static int examine(struct libraries *l, const struct sighting *s)
{
	int dir = procfs_folder(l->procfs), held, err;
	struct identity id;
	char name[64];

	name_of(s, name);
	err = library_identify(dir, name, 0, &id);
	if (err == -ENOENT || err == -ESRCH)
		return -ENOENT;
	if (err) {
		l->counts.unreadable++;
		return 0;
	}
	if (library_is_known(l, &id, s))
		return 0;
	if (!library_known_file(l, id.device, id.inode) && is_full(l)) {
		l->counts.refused++;
		return 0;
	}
	held = openat(dir, name, O_PATH | O_CLOEXEC);
	if (held < 0) {
		if (errno == ENOENT || errno == ESRCH)
			return -ENOENT;
		l->counts.unreadable++;
		return 0;
	}
	err = library_look_at(l, s, name, held);
	close(held);
	return err;
}

int library_see(struct libraries *l, const struct sighting *s)
{
	struct code_file *file;

	if (!is_fresh(l, s))
		return examine(l, s);
	file = library_known_file(l, s->device, s->inode);
	note_place(l, file, s);
	tell_mapping(l, file, s);
	return 0;
}

int libraries_watch(struct libraries *l)
{
	int err;

	if (l->watching)
		return 0;
	err = library_watch_open(l);
	if (err)
		library_watch_close(l);
	l->watching = !err;
	return err;
}

int libraries_fd(const struct libraries *l)
{
	return l->fd;
}

/* --- the life of struct libraries -------------------------------------------------------- */

int libraries_open(struct libraries **out, const struct procfs *procfs)
{
	struct libraries *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->procfs = procfs;
	l->limit = FILES_MAX;
	l->fd = l->timer_fd = l->rings_fd = -1;
	*out = l;
	return 0;
}

void libraries_on_mapping(struct libraries *l, library_mapping_fn fn)
{
	l->mapping_fn = fn;
}

void libraries_follow(struct libraries *l, const struct library_file *f)
{
	struct code_file *file = library_known_file(l, f->device, f->inode);

	if (file)
		file->followed = true;
}

void libraries_again(struct libraries *l)
{
	l->scan_due = l->watching;
}

void libraries_on_gone(struct libraries *l, library_gone_fn fn)
{
	l->gone_fn = fn;
}

int libraries_hold(struct libraries *l, uint64_t device, uint64_t inode)
{
	struct code_file *file = library_known_file(l, device, inode);
	struct held_file *h;

	if (!file)
		return -ENOENT;
	file->held = true;
	if (table_get(&l->held, file->reported))
		return 0;
	h = calloc(1, sizeof(*h));
	if (!h || table_put(&l->held, file->reported, h)) {
		free(h);
		return -ENOMEM;
	}
	h->reported = file->reported;
	note_witness(l, file);
	return 0;
}

void libraries_release(struct libraries *l, uint64_t device, uint64_t inode)
{
	free(table_remove(&l->held, (struct table_key){device, inode}));
}

void libraries_close(struct libraries *l)
{
	if (!l)
		return;
	library_watch_close(l);
	library_forget(l, 0);
	table_free_values(&l->held);
	free(l);
}

void library_begin(struct libraries *l, library_fn fn, void *context)
{
	l->fn = fn;
	l->context = context;
	l->reported = 0;
	l->searched_pid = 0;
}

static int scan_all(struct libraries *l)
{
	uint32_t *pids;
	size_t count;
	int err = procfs_pids(l->procfs, &pids, &count);

	if (err)
		return err;
	l->scan_due = false;
	if (!++l->round)
		l->round = 1;
	for (size_t i = 0; !err && i < count; i++)
		err = library_scan_process(l, pids[i]);
	free(pids);
	return err;
}

/* Clears a full table.  Once it has room again, another scan finds the files that were refused. */
static void library_make_room(struct libraries *l)
{
	uint64_t now = clock_boot_ns();

	if (l->files.count < l->limit || now < l->forget_at)
		return;
	library_forget(l, l->round);
	l->forget_at = now + FORGET_NS;
	l->scan_due = l->watching && l->files.count < l->limit;
}

/* Forgets a reported file under all its identities, so that it is reported again if it comes back.
 */
static void forget_file(struct libraries *l, struct table_key reported)
{
	struct table_walk walk = table_walk(&l->files);
	struct table_slot *slot;

	while ((slot = table_walk_next(&walk))) {
		struct code_file *file = slot->value;

		if (file->reported.a != reported.a || file->reported.b != reported.b)
			continue;
		if (file->overlay && table_get(&l->below, file->below) == file)
			table_remove(&l->below, file->below);
		free(table_walk_remove(&walk));
	}
}

/* Does the witness still map the file there? */
static bool is_witness(struct libraries *l, const struct held_file *h)
{
	struct sighting s = {.pid = h->pid, .start = h->start, .end = h->end};
	struct identity id;
	char name[64];

	name_of(&s, name);
	return !library_identify(procfs_folder(l->procfs), name, 0, &id) &&
	       id.device == h->device && id.inode == h->inode;
}

int library_look_at_held(struct libraries *l)
{
	uint64_t now = l->held.count ? clock_boot_ns() : 0;
	struct table_slot *slot;
	int err = 0;

	if (!l->held.count || now < l->look_at)
		return 0;
	l->look_at = now + LOOK_NS;
	for (size_t at = 0; !err && (slot = table_next(&l->held, &at));) {
		struct held_file *h = slot->value;
		uint32_t pid = h->pid;

		if (pid && is_witness(l, h))
			continue;
		h->pid = 0;
		if (pid) {
			h->missed = 0;
			err = library_scan_process(l, pid); /* its mapping may have been split */
		}
		l->scan_due |= !h->pid;
	}
	return err;
}

/* Reports held files without a witness.  Call after a scan and after the events that came during
 * it. */
static void tell_gone(struct libraries *l)
{
	struct table_walk walk = table_walk(&l->held);
	struct table_slot *slot;

	while ((slot = table_walk_next(&walk))) {
		struct held_file *h = slot->value;
		struct table_key reported = h->reported;

		if (h->pid)
			continue;
		if (++h->missed < GONE_SCANS) {
			l->scan_due = true;
			continue;
		}
		free(table_walk_remove(&walk));
		forget_file(l, reported);
		if (l->gone_fn)
			l->gone_fn(l->context, reported.a, reported.b);
	}
}

static int scan(struct libraries *l)
{
	uint64_t began = clock_boot_ns(), ended;
	int err = l->watching ? library_watch_cpus(l) : 0, scan_err = scan_all(l);

	if (!scan_err && l->held.count) {
		scan_err = l->watching ? library_drain(l) : 0;
		scan_err = scan_err < 0 ? scan_err : 0;
		if (!scan_err)
			tell_gone(l);
	}
	if (!scan_err)
		library_make_room(l);
	else
		l->scan_due = l->watching;
	ended = clock_boot_ns();
	l->scan_at = ended + (SCAN_SHARE - 1) * (ended - began);
	return scan_err ? scan_err : err;
}

int libraries_scan(struct libraries *l, library_fn fn, void *context)
{
	library_begin(l, fn, context);
	return scan(l);
}

/* Decides whether the timer or the rings wake us next.  Events may come after the last drain and
 * before the rings may wake us again, so drain once more. */
static int rest(struct libraries *l, int any)
{
	uint64_t ticks;
	bool rested = l->busy && read(l->timer_fd, &ticks, sizeof(ticks)) == sizeof(ticks);

	if (any || l->scan_due) {
		if (!l->busy || rested)
			library_set_busy(l, true);
		return 0;
	}
	if (!rested)
		return 0;
	library_set_busy(l, false);
	any = library_drain(l);
	if (any > 0)
		library_set_busy(l, true);
	return any < 0 ? any : 0;
}

int libraries_poll(struct libraries *l, library_fn fn, void *context)
{
	int any, err;

	library_begin(l, fn, context);
	if (!l->watching)
		return 0;
	any = library_drain(l);
	if (any < 0)
		return any;
	err = library_look_at_held(l);
	if (err)
		return err;
	if (l->scan_due && clock_boot_ns() >= l->scan_at) {
		err = scan(l);
		if (err)
			return err;
	}
	err = rest(l, any);
	return err ? err : l->reported;
}

struct library_counts libraries_counts(const struct libraries *l)
{
	return l->counts;
}

uint64_t libraries_lost(const struct libraries *l)
{
	return l->counts.lost;
}
