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

#include "user/base/file.h"
#include "user/base/table.h"
#include "user/capture/host/library.h"
#include "user/capture/host/memory.h"
#include "user/capture/host/overlay.h"

#define FILES_MAX   65536 /* files to know at once, with some 150 bytes for each */
#define MAPS_BUFFER (64 << 10)
#define RING_PAGES  64 /* with the header page, within kernel.perf_event_mlock_kb's default */
#define RECORD_MAX  (4096 + 256) /* a mapping event with the longest path */
#define REST_NS	    10000000	 /* between two looks while mappings keep coming */
#define SCAN_SHARE  20 /* scans for lost events take at most one part in this of the time */
#define LOOK_NS	    500000000ULL /* between two checks of whether held files are still mapped */
/* A single scan is no proof: a child may be forked at a pid that the scan has passed already,
 * before the scan comes to its parent. */
#define GONE_SCANS    2
#define FORGET_NS     60000000000ULL /* between two removals of unmapped files from a full table */
#define NS_PER_SECOND 1000000000ULL

struct file {
	uint64_t device, inode;
	uint64_t stamp_ns;
	uint64_t generation;
	struct table_key below;
	uint32_t round; /* number of the last scan that saw it mapped */
	bool generation_known;
	bool overlay; /* on an overlay; below is valid */
	bool followed;
	bool held;
	struct table_key told; /* device and inode of the library_file that reported it */
	uint32_t pid;	       /* the process last seen to map it, and where */
	uint64_t start, end;
};

/* A held file: gone_fn is to be called when no process maps it any more.  A witness is a process
 * that is known to map it. */
struct held {
	struct table_key told;
	uint64_t device,
		inode;	     /* of the file that the witness maps: an overlay's, or the one below */
	uint32_t pid;	     /* the witness; 0: none known, a scan is to find one */
	uint64_t start, end; /* the witness's mapping */
	uint32_t missed;     /* scans since that found no witness */
};

/* An executable mapping of a file, from maps or from an event. */
struct sighting {
	uint64_t start, end; /* addresses, which name it in map_files */
	uint64_t offset;     /* in the file */
	uint64_t device, inode;
	uint64_t generation;
	uint32_t pid;
	bool event; /* from an event: generation is valid */
};

/* The identity of a file by stat(2), not by maps or events. */
struct identity {
	uint64_t device, inode;
	uint64_t stamp_ns;
	uint32_t links;
	bool regular;
};

struct ring {
	struct perf_event_mmap_page *page;
	int fd;
};

struct libraries {
	const struct procfs *procfs;
	struct table files;
	struct table below; /* files on overlays again, by the file below: any one of several */
	struct table held;  /* struct held, by its told */
	uint64_t look_at;   /* time of the next check of held files */
	size_t limit;
	struct library_counts counts;

	struct ring *rings;
	size_t ring_count;
	int rings_fd; /* epoll of the rings */
	int timer_fd;
	int fd;		 /* epoll of both */
	char cpus[1024]; /* CPUs that have a ring, in the kernel's list format */
	bool watching, busy;

	uint32_t round;
	bool scan_due;
	uint64_t scan_at, forget_at;
	uint32_t searched_pid; /* process whose maps this poll has read for an event */

	library_fn fn;
	library_mapping_fn mapping_fn;
	library_gone_fn gone_fn;
	void *context;
	int told;
	char buffer[MAPS_BUFFER];
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * NS_PER_SECOND + (uint64_t)t.tv_nsec;
}

/* --- the files we know ------------------------------------------------------------------- */

static struct file *known_file(const struct libraries *l, uint64_t device, uint64_t inode)
{
	return table_get(&l->files, (struct table_key){device, inode});
}

static int keep(struct libraries *l, const struct identity *id, struct file **out)
{
	struct file *file = known_file(l, id->device, id->inode);

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
	*file = (struct file){.device = id->device, .inode = id->inode, .stamp_ns = id->stamp_ns};
	*out = file;
	return 0;
}

/* Keeps a file.  same: a known file with the same file below, whose state it shares; NULL: none. */
static int keep_like(struct libraries *l, const struct identity *id, const struct file *same,
		     struct file **out)
{
	struct table_key told = same ? same->told : (struct table_key){id->device, id->inode};
	bool followed = same && same->followed; /* read first: keep may overwrite *same */
	bool held = same && same->held;
	int err = keep(l, id, out);

	if (!err) {
		(*out)->told = told;
		(*out)->followed = followed;
		(*out)->held = held;
	}
	return err;
}

static int keep_below(struct libraries *l, struct file *file, struct table_key below)
{
	file->overlay = true;
	file->below = below;
	return table_put(&l->below, below, file);
}

/* Drops the files that the last scan has not seen; round 0 drops all.  A file that does not fit
 * into memory is dropped too, and reported again. */
static void forget(struct libraries *l, uint32_t round)
{
	struct table old = l->files;
	struct table_slot *slot;

	l->files = (struct table){0};
	table_free(&l->below);
	for (size_t at = 0; (slot = table_next(&old, &at));) {
		struct file *file = slot->value;

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
	if (l->watching && now_ns() >= l->forget_at)
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
static int identify(int dir, const char *name, int flags, struct identity *id)
{
	struct statx st;
	const struct statx_timestamp *stamp = &st.stx_btime;

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

static void tell_mapping(struct libraries *l, const struct file *file, const struct sighting *s)
{
	struct library_mapping m = {
		.device = file->told.a,
		.inode = file->told.b,
		.start = s->start,
		.end = s->end,
		.offset = s->offset,
		.pid = s->pid,
	};

	if (file->followed && l->mapping_fn)
		l->mapping_fn(l->context, &m);
}

/* Makes the file's last mapping the witness, unless one is known. */
static void note_witness(struct libraries *l, const struct file *file)
{
	struct held *h = file->held ? table_get(&l->held, file->told) : NULL;

	if (!h || h->pid)
		return;
	h->device = file->device;
	h->inode = file->inode;
	h->pid = file->pid;
	h->start = file->start;
	h->end = file->end;
}

static void note_place(struct libraries *l, struct file *file, const struct sighting *s)
{
	file->pid = s->pid;
	file->start = s->start;
	file->end = s->end;
	note_witness(l, file);
}

static void note_sighting(struct libraries *l, struct file *file, const struct sighting *s)
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
	const struct file *file = known_file(l, s->device, s->inode);

	if (!file)
		return false;
	return s->event ? file->generation_known && file->generation == s->generation
			: file->round == l->round;
}

static bool is_known(struct libraries *l, const struct identity *id, const struct sighting *s)
{
	struct file *file = known_file(l, id->device, id->inode);

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

static void tell(struct libraries *l, const struct sighting *s, const struct identity *id,
		 const char *path, int fd)
{
	struct library_file file = {
		.device = id->device,
		.inode = id->inode,
		.seen_ns = now_ns(),
		.pid = s->pid,
		.fd = fd,
		.deleted = !id->links,
		.path = path,
	};

	l->told++;
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
			struct identity *lower, struct file **same)
{
	struct file *file;

	if (identify(fd, "", AT_EMPTY_PATH, lower) ||
	    (lower->device == id->device && lower->inode == id->inode))
		return false;
	file = known_file(l, lower->device, lower->inode);
	if (file && file->stamp_ns == lower->stamp_ns)
		*same = file;
	return true;
}

/* held: O_PATH of the file, which now cannot change to another file any more. */
static int look_at(struct libraries *l, const struct sighting *s, const char *name, int held)
{
	char path[PATH_MAX] = "";
	struct overlay_file shown = {.shown_device = s->device,
				     .shown_inode = s->inode,
				     .pid = s->pid,
				     .path = path,
				     .held = held};
	struct table_key below;
	struct identity id, lower;
	struct file *file, *other, *same = NULL;
	bool overlay, new, bottom;
	int fd = -1, err = identify(held, "", AT_EMPTY_PATH, &id);

	if (err || is_known(l, &id, s))
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
		tell(l, s, &id, path, fd);
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
	err = identify(dir, name, 0, &id);
	if (err == -ENOENT || err == -ESRCH)
		return -ENOENT;
	if (err) {
		l->counts.unreadable++;
		return 0;
	}
	if (is_known(l, &id, s))
		return 0;
	if (!known_file(l, id.device, id.inode) && is_full(l)) {
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
	err = look_at(l, s, name, held);
	close(held);
	return err;
}

static int see(struct libraries *l, const struct sighting *s)
{
	struct file *file;

	if (!is_fresh(l, s))
		return examine(l, s);
	file = known_file(l, s->device, s->inode);
	note_place(l, file, s);
	tell_mapping(l, file, s);
	return 0;
}

/* --- maps of one process ----------------------------------------------------------------- */

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* Parses a number and the character after it.  Returns a pointer behind that; NULL: no number that
 * fits, or at is NULL. */
static const char *take_number(const char *at, unsigned base, char after, uint64_t *value)
{
	const char *first = at;
	unsigned digit;

	*value = 0;
	if (!at)
		return NULL;
	while ((digit = (unsigned)digit_of(*at)) < base) {
		if (*value > (UINT64_MAX - digit) / base)
			return NULL;
		*value = *value * base + digit;
		at++;
	}
	return at == first || *at != after ? NULL : at + 1;
}

/* line ends with a newline.  Its path is not read, since the kernel escapes only a part of it. */
static bool parse_line(const char *line, struct sighting *s)
{
	uint64_t major, minor;
	const char *at = take_number(line, 16, '-', &s->start);

	at = take_number(at, 16, ' ', &s->end);
	if (!at || at[0] == '\n' || at[1] == '\n' || at[2] != 'x' || at[3] == '\n' || at[4] != ' ')
		return false;
	at = take_number(at + 5, 16, ' ', &s->offset);
	at = take_number(at, 16, ':', &major);
	at = take_number(at, 16, ' ', &minor);
	if (!at || major > UINT32_MAX || minor > UINT32_MAX)
		return false;
	s->device = makedev((unsigned)major, (unsigned)minor);
	/* A line without a path may end right after the number (the kernel adds a space). */
	if (!take_number(at, 10, ' ', &s->inode) && !take_number(at, 10, '\n', &s->inode))
		return false;
	return s->inode && s->start < s->end;
}

static int see_scanned(struct libraries *l, const struct sighting *s)
{
	int err = see(l, s);

	if (err != -ENOENT)
		return err;
	l->counts.vanished++;
	return 0;
}

/* Handles the whole lines in the buffer and moves the rest of the last one to its front. */
static int see_lines(struct libraries *l, uint32_t pid, size_t *have)
{
	char *line = l->buffer, *end, *stop = l->buffer + *have;
	int err = 0;

	while (!err && (end = memchr(line, '\n', (size_t)(stop - line)))) {
		struct sighting s = {.pid = pid};

		if (parse_line(line, &s))
			err = see_scanned(l, &s);
		line = end + 1;
	}
	*have = (size_t)(stop - line);
	memmove(l->buffer, line, *have);
	return err;
}

/* Returns the number of bytes in maps, or -errno. */
static ssize_t see_text(struct libraries *l, uint32_t pid, int fd)
{
	size_t have = 0, total = 0;
	ssize_t got;
	int err;

	while ((got = read(fd, l->buffer + have, MAPS_BUFFER - have)) > 0) {
		total += (size_t)got;
		have += (size_t)got;
		err = see_lines(l, pid, &have);
		if (err)
			return err;
		if (have == MAPS_BUFFER)
			return -EPROTO; /* no line of maps is so long: not a maps file */
	}
	return (ssize_t)total;
}

/* struct procmap_query of 6.11, which older headers lack. */
struct query {
	uint64_t size, flags, address;
	uint64_t start, end, area_flags, page_size, offset, inode;
	uint32_t major, minor, name_size, build_id_size;
	uint64_t name, build_id;
};

#define QUERY _IOWR('f', 17, struct query)
#define QUERY_WANTED \
	0x34 /* the next mapping from this address on that is executable and of a file */

/* Reads the mappings by ioctl(2): to make and parse text is most of the cost of maps.  Returns the
 * number of mappings; -ENOTTY: the kernel has only the text. */
static ssize_t see_queried(struct libraries *l, uint32_t pid, int fd)
{
	struct query q = {.size = sizeof(q), .flags = QUERY_WANTED};
	ssize_t count = 0;
	int err;

	errno = 0;
	for (; !ioctl(fd, QUERY, &q) && q.end > q.address; q.address = q.end, count++) {
		struct sighting s = {
			.start = q.start,
			.end = q.end,
			.offset = q.offset,
			.device = makedev(q.major, q.minor),
			.inode = q.inode,
			.pid = pid,
		};

		err = see_scanned(l, &s);
		if (err)
			return err;
	}
	return !count && errno == ENOTTY ? -ENOTTY : count;
}

/* Positive: the task has mappings.  0: none, as with kernel threads, or the task is gone or
 * forbidden to read.  -ENOMEM. */
static ssize_t scan_task(struct libraries *l, uint32_t pid)
{
	char name[32];
	int fd;
	ssize_t got;

	if (memory_maps_answer(pid) == -ETIMEDOUT)
		return 0;
	snprintf(name, sizeof(name), "%u/maps", pid);
	fd = openat(procfs_folder(l->procfs), name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	got = see_queried(l, pid, fd);
	if (got == -ENOTTY)
		got = see_text(l, pid, fd);
	close(fd);
	return got < 0 && got != -ENOMEM ? 0 : got;
}

/* The first thread may have ended and then shows no mappings, while other threads still run. */
static int scan_threads(struct libraries *l, uint32_t pid)
{
	char name[32];
	struct stat st;
	struct dirent *entry;
	ssize_t got = 0;
	DIR *d;
	int fd;

	snprintf(name, sizeof(name), "%u/task", pid);
	if (fstatat(procfs_folder(l->procfs), name, &st, 0) || st.st_nlink <= 3)
		return 0; /* one thread at most: each is a link, beside the usual two */
	fd = openat(procfs_folder(l->procfs), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while (!got && (entry = readdir(d))) {
		uint32_t tid = (uint32_t)strtoul(entry->d_name, NULL, 10);

		if (tid && tid != pid)
			got = scan_task(l, tid);
	}
	closedir(d);
	return got < 0 ? (int)got : 0;
}

static int scan_process(struct libraries *l, uint32_t pid)
{
	ssize_t got = scan_task(l, pid);

	if (got)
		return got < 0 ? (int)got : 0;
	return scan_threads(l, pid);
}

/* --- mapping events ---------------------------------------------------------------------- */

/* The kernel's record PERF_RECORD_MMAP2, up to the path. */
struct mapped {
	struct perf_event_header head;
	uint32_t pid, tid;
	uint64_t address, length, offset;
	uint32_t major, minor;
	uint64_t inode, generation;
	uint32_t prot, flags;
};

struct dropped {
	struct perf_event_header head;
	uint64_t id, count;
};

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t ring_bytes(void)
{
	return RING_PAGES * page_size();
}

static void ring_close(struct ring *ring)
{
	if (ring->page)
		munmap(ring->page, ring_bytes() + page_size());
	if (ring->fd >= 0)
		close(ring->fd);
}

static int ring_open(struct ring *ring, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.mmap = 1,
		.mmap2 = 1,
		.watermark = 1,
		.wakeup_watermark = 1,
	};
	int err;

	*ring = (struct ring){
		.fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC)};
	if (ring->fd < 0)
		return -errno;
	ring->page = mmap(NULL, ring_bytes() + page_size(), PROT_READ | PROT_WRITE, MAP_SHARED,
			  ring->fd, 0);
	if (ring->page != MAP_FAILED)
		return 0;
	err = -errno;
	ring->page = NULL;
	ring_close(ring);
	return err;
}

static void ring_copy(const struct ring *ring, uint64_t at, void *to, size_t len)
{
	const char *data = (const char *)ring->page + page_size();
	size_t from = at & (ring_bytes() - 1), first = ring_bytes() - from;

	if (first > len)
		first = len;
	memcpy(to, data + from, first);
	memcpy((char *)to + first, data, len - first);
}

/* Reads all mappings of a process whose mapping from an event is gone.  The process may have split
 * or moved it since, or the first thread may have ended. */
static int search(struct libraries *l, uint32_t pid)
{
	uint64_t before = l->counts.vanished;
	int err;

	if (pid == l->searched_pid)
		return 0;
	l->searched_pid = pid;
	err = scan_process(l, pid);
	l->counts.vanished = before;
	return err;
}

static int see_mapped(struct libraries *l, const struct mapped *m)
{
	struct sighting s = {
		.start = m->address,
		.end = m->address + m->length,
		.offset = m->offset,
		.device = makedev(m->major, m->minor),
		.inode = m->inode,
		.generation = m->generation,
		.pid = m->pid,
		.event = true,
	};
	int err;

	if (!m->inode || !m->pid || m->pid > INT32_MAX)
		return 0; /* no file, or a process in a pid namespace that we cannot see */
	err = see(l, &s);
	if (err != -ENOENT)
		return err;
	l->counts.vanished++;
	return search(l, m->pid);
}

static int take_record(struct libraries *l, const struct ring *ring, uint64_t at,
		       const struct perf_event_header *head)
{
	union {
		struct mapped mapped;
		struct dropped dropped;
	} record;

	if (head->type == PERF_RECORD_MMAP2 && head->size >= sizeof(record.mapped)) {
		ring_copy(ring, at, &record.mapped, sizeof(record.mapped));
		return see_mapped(l, &record.mapped);
	}
	if (head->type == PERF_RECORD_LOST && head->size >= sizeof(record.dropped)) {
		ring_copy(ring, at, &record.dropped, sizeof(record.dropped));
		l->counts.lost += record.dropped.count;
		l->scan_due = true;
	}
	return 0;
}

/* 1: the ring had records; 0: none; or -errno. */
static int drain_ring(struct libraries *l, const struct ring *ring)
{
	uint64_t head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t at = ring->page->data_tail;
	struct perf_event_header record;
	int err = 0;

	if (at == head)
		return 0;
	/* The ring is full, so events may be lost.  The kernel reports a loss only with the next
	 * record, which may not come for hours. */
	if (head - at > ring_bytes() - RECORD_MAX)
		l->scan_due = true;
	for (; !err && at != head; at += record.size) {
		ring_copy(ring, at, &record, sizeof(record));
		if (record.size < sizeof(record) || record.size > head - at)
			break;
		err = take_record(l, ring, at, &record);
	}
	if (at != head)
		l->scan_due = true;
	__atomic_store_n(&ring->page->data_tail, head, __ATOMIC_RELEASE);
	return err ? err : 1;
}

static int drain(struct libraries *l)
{
	int any = 0;

	for (size_t i = 0; i < l->ring_count; i++) {
		int got = drain_ring(l, &l->rings[i]);

		if (got < 0)
			return got;
		any |= got;
	}
	return any;
}

/* --- watching ---------------------------------------------------------------------------- */

static void rings_close(struct libraries *l)
{
	for (size_t i = 0; i < l->ring_count; i++)
		ring_close(&l->rings[i]);
	free(l->rings);
	l->rings = NULL;
	l->ring_count = 0;
}

static int add_ring(struct libraries *l, int cpu)
{
	struct epoll_event wanted = {.events = EPOLLIN};
	struct ring *more = realloc(l->rings, (l->ring_count + 1) * sizeof(*more));
	struct ring ring;
	int err;

	if (!more)
		return -ENOMEM;
	l->rings = more;
	err = ring_open(&ring, cpu);
	if (err)
		return err == -ENODEV ? 0 : err; /* the CPU went offline meanwhile */
	if (epoll_ctl(l->rings_fd, EPOLL_CTL_ADD, ring.fd, &wanted)) {
		err = -errno;
		ring_close(&ring);
		return err;
	}
	l->rings[l->ring_count++] = ring;
	return 0;
}

/* The kernel's list of CPUs, such as "0-3,8-11". */
static int add_rings(struct libraries *l, const char *list)
{
	char *end;
	int err = 0;

	for (; !err && *list >= '0' && *list <= '9'; list = *end == ',' ? end + 1 : "") {
		long first = strtol(list, &end, 10);
		long last = *end == '-' ? strtol(end + 1, &end, 10) : first;

		for (long cpu = first; !err && cpu <= last; cpu++)
			err = add_ring(l, (int)cpu);
	}
	if (err || !l->ring_count)
		rings_close(l);
	return err ? err : l->ring_count ? 0 : -ENODEV;
}

/* A ring gives no more events after its CPU was offline.  So all rings are opened again when the
 * list of CPUs changes. */
static int watch_cpus(struct libraries *l)
{
	char list[sizeof(l->cpus)];

	if (file_read(AT_FDCWD, "/sys/devices/system/cpu/online", list, sizeof(list)) <= 0)
		snprintf(list, sizeof(list), "0-%ld", sysconf(_SC_NPROCESSORS_ONLN) - 1);
	if (l->ring_count && !strcmp(list, l->cpus))
		return 0;
	rings_close(l);
	strcpy(l->cpus, list);
	return add_rings(l, list);
}

/* While many mappings come, a timer wakes us instead of each event. */
static void set_busy(struct libraries *l, bool busy)
{
	struct epoll_event rings = {.events = busy ? 0 : EPOLLIN};
	struct itimerspec rest = {.it_value.tv_nsec = busy ? REST_NS : 0};

	if (busy != l->busy)
		epoll_ctl(l->fd, EPOLL_CTL_MOD, l->rings_fd, &rings);
	timerfd_settime(l->timer_fd, 0, &rest, NULL);
	l->busy = busy;
}

static int watch_open(struct libraries *l)
{
	struct epoll_event wanted = {.events = EPOLLIN};

	l->rings_fd = epoll_create1(EPOLL_CLOEXEC);
	l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	l->fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->rings_fd < 0 || l->timer_fd < 0 || l->fd < 0 ||
	    epoll_ctl(l->fd, EPOLL_CTL_ADD, l->rings_fd, &wanted) ||
	    epoll_ctl(l->fd, EPOLL_CTL_ADD, l->timer_fd, &wanted))
		return -errno;
	return watch_cpus(l);
}

static void watch_close(struct libraries *l)
{
	int *const fds[] = {&l->fd, &l->timer_fd, &l->rings_fd};

	rings_close(l);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
	l->watching = l->busy = false;
}

int libraries_watch(struct libraries *l)
{
	int err;

	if (l->watching)
		return 0;
	err = watch_open(l);
	if (err)
		watch_close(l);
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
	struct file *file = known_file(l, f->device, f->inode);

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
	struct file *file = known_file(l, device, inode);
	struct held *h;

	if (!file)
		return -ENOENT;
	file->held = true;
	if (table_get(&l->held, file->told))
		return 0;
	h = calloc(1, sizeof(*h));
	if (!h || table_put(&l->held, file->told, h)) {
		free(h);
		return -ENOMEM;
	}
	h->told = file->told;
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
	watch_close(l);
	forget(l, 0);
	table_free_values(&l->held);
	free(l);
}

static void begin(struct libraries *l, library_fn fn, void *context)
{
	l->fn = fn;
	l->context = context;
	l->told = 0;
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
		err = scan_process(l, pids[i]);
	free(pids);
	return err;
}

/* Clears a full table.  Once it has room again, another scan finds the files that were refused. */
static void make_room(struct libraries *l)
{
	uint64_t now = now_ns();

	if (l->files.count < l->limit || now < l->forget_at)
		return;
	forget(l, l->round);
	l->forget_at = now + FORGET_NS;
	l->scan_due = l->watching && l->files.count < l->limit;
}

/* Forgets a reported file under all its identities, so that it is reported again if it comes back.
 */
static void forget_file(struct libraries *l, struct table_key told)
{
	struct table_slot *slot;

	for (size_t at = 0; (slot = table_next(&l->files, &at));) {
		struct file *file = slot->value;

		if (file->told.a != told.a || file->told.b != told.b)
			continue;
		if (file->overlay && table_get(&l->below, file->below) == file)
			table_remove(&l->below, file->below);
		table_remove(&l->files, slot->key);
		free(file);
		at--; /* the table closed the gap from behind */
	}
}

/* Does the witness still map the file there? */
static bool is_witness(struct libraries *l, const struct held *h)
{
	struct sighting s = {.pid = h->pid, .start = h->start, .end = h->end};
	struct identity id;
	char name[64];

	name_of(&s, name);
	return !identify(procfs_folder(l->procfs), name, 0, &id) && id.device == h->device &&
	       id.inode == h->inode;
}

/* Drops witnesses that have ended or no longer map their file.  A scan will find others. */
static int look_at_held(struct libraries *l)
{
	uint64_t now = l->held.count ? now_ns() : 0;
	struct table_slot *slot;
	int err = 0;

	if (!l->held.count || now < l->look_at)
		return 0;
	l->look_at = now + LOOK_NS;
	for (size_t at = 0; !err && (slot = table_next(&l->held, &at));) {
		struct held *h = slot->value;
		uint32_t pid = h->pid;

		if (pid && is_witness(l, h))
			continue;
		h->pid = 0;
		if (pid) {
			h->missed = 0;
			err = scan_process(l, pid); /* its mapping may have been split */
		}
		l->scan_due |= !h->pid;
	}
	return err;
}

/* Reports held files without a witness.  Call after a scan and after the events that came during
 * it. */
static void tell_gone(struct libraries *l)
{
	struct table_slot *slot;

	for (size_t at = 0; (slot = table_next(&l->held, &at));) {
		struct held *h = slot->value;
		struct table_key told = h->told;

		if (h->pid)
			continue;
		if (++h->missed < GONE_SCANS) {
			l->scan_due = true;
			continue;
		}
		free(table_remove(&l->held, told));
		at--;
		forget_file(l, told);
		if (l->gone_fn)
			l->gone_fn(l->context, told.a, told.b);
	}
}

static int scan(struct libraries *l)
{
	uint64_t began = now_ns(), ended;
	int err = l->watching ? watch_cpus(l) : 0, scan_err = scan_all(l);

	if (!scan_err && l->held.count) {
		scan_err = l->watching ? drain(l) : 0;
		scan_err = scan_err < 0 ? scan_err : 0;
		if (!scan_err)
			tell_gone(l);
	}
	if (!scan_err)
		make_room(l);
	else
		l->scan_due = l->watching;
	ended = now_ns();
	l->scan_at = ended + (SCAN_SHARE - 1) * (ended - began);
	return scan_err ? scan_err : err;
}

int libraries_scan(struct libraries *l, library_fn fn, void *context)
{
	begin(l, fn, context);
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
			set_busy(l, true);
		return 0;
	}
	if (!rested)
		return 0;
	set_busy(l, false);
	any = drain(l);
	if (any > 0)
		set_busy(l, true);
	return any < 0 ? any : 0;
}

int libraries_poll(struct libraries *l, library_fn fn, void *context)
{
	int any, err;

	begin(l, fn, context);
	if (!l->watching)
		return 0;
	any = drain(l);
	if (any < 0)
		return any;
	err = look_at_held(l);
	if (err)
		return err;
	if (l->scan_due && now_ns() >= l->scan_at) {
		err = scan(l);
		if (err)
			return err;
	}
	err = rest(l, any);
	return err ? err : l->told;
}

struct library_counts libraries_counts(const struct libraries *l)
{
	return l->counts;
}

uint64_t libraries_lost(const struct libraries *l)
{
	return l->counts.lost;
}
