/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * library_events.c - hears of new mappings through perf events.
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

/* --- mapping events ---------------------------------------------------------------------- */

size_t library_page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

size_t library_ring_bytes(void)
{
	return RING_PAGES * library_page_size();
}

void library_ring_close(struct ring *ring)
{
	if (ring->page)
		munmap(ring->page, library_ring_bytes() + library_page_size());
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
	ring->page = mmap(NULL, library_ring_bytes() + library_page_size(), PROT_READ | PROT_WRITE,
			  MAP_SHARED, ring->fd, 0);
	if (ring->page != MAP_FAILED)
		return 0;
	err = -errno;
	ring->page = NULL;
	library_ring_close(ring);
	return err;
}

static void ring_copy(const struct ring *ring, uint64_t at, void *to, size_t len)
{
	const char *data = (const char *)ring->page + library_page_size();
	size_t from = at & (library_ring_bytes() - 1), first = library_ring_bytes() - from;

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
	err = library_scan_process(l, pid);
	l->counts.vanished = before;
	return err;
}

int library_see_mapped(struct libraries *l, const struct mapped *m)
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
	err = library_see(l, &s);
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
		return library_see_mapped(l, &record.mapped);
	}
	if (head->type == PERF_RECORD_LOST && head->size >= sizeof(record.dropped)) {
		ring_copy(ring, at, &record.dropped, sizeof(record.dropped));
		l->counts.lost += record.dropped.count;
		l->scan_due = true;
	}
	return 0;
}

int library_drain_ring(struct libraries *l, const struct ring *ring)
{
	uint64_t head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t at = ring->page->data_tail;
	struct perf_event_header record;
	int err = 0;

	if (at == head)
		return 0;
	/* The ring is full, so events may be lost.  The kernel reports a loss only with the next
	 * record, which may not come for hours. */
	if (head - at > library_ring_bytes() - RECORD_MAX)
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

int library_drain(struct libraries *l)
{
	int any = 0;

	for (size_t i = 0; i < l->ring_count; i++) {
		int got = library_drain_ring(l, &l->rings[i]);

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
		library_ring_close(&l->rings[i]);
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
		library_ring_close(&ring);
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

int library_watch_cpus(struct libraries *l)
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

void library_set_busy(struct libraries *l, bool busy)
{
	struct epoll_event rings = {.events = busy ? 0 : EPOLLIN};
	struct itimerspec rest = {.it_value.tv_nsec = busy ? REST_NS : 0};

	if (busy != l->busy)
		epoll_ctl(l->fd, EPOLL_CTL_MOD, l->rings_fd, &rings);
	timerfd_settime(l->timer_fd, 0, &rest, NULL);
	l->busy = busy;
}

int library_watch_open(struct libraries *l)
{
	struct epoll_event wanted = {.events = EPOLLIN};

	l->rings_fd = epoll_create1(EPOLL_CLOEXEC);
	l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	l->fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->rings_fd < 0 || l->timer_fd < 0 || l->fd < 0 ||
	    epoll_ctl(l->fd, EPOLL_CTL_ADD, l->rings_fd, &wanted) ||
	    epoll_ctl(l->fd, EPOLL_CTL_ADD, l->timer_fd, &wanted))
		return -errno;
	return library_watch_cpus(l);
}

void library_watch_close(struct libraries *l)
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
