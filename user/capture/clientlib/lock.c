/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * lock.c - from the lines of /proc/locks to transactions left open.
 *
 * The bytes are those of SQLite's file format (sqlite.org, "Locking And Concurrency", "WAL-mode
 * File Format").  PENDING, RESERVED and SHARED lie at one gigabyte of the database.  The writer's
 * byte lies in the shared memory beside a write-ahead log.
 */
#include "user/capture/clientlib/lock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "user/base/redact.h"
#include "user/base/table.h"
#include "user/capture/clientlib/client_host.h"
#include "user/capture/clientlib/sqlite_file.h"
#include "user/capture/kernel/kernel_client.h"
#include "user/capture/clientlib/lock_state.h"

#define PATH_MOST  4096
#define MISSES	   2
#define BUSY_SHARE 10 /* a process that works less than a tenth of the time counts as idle */

bool lock_of_line(const char *line, struct lock *out)
{
	unsigned int major_, minor_;
	char type[8], last[24];
	int pid;

	if (sscanf(line, "%*d: POSIX %*s %7s %d %x:%x:%" SCNu64 " %" SCNu64 " %23s", type, &pid,
		   &major_, &minor_, &out->inode, &out->first, last) != 7)
		return false;
	if (pid <= 0 || strcmp(type, "WRITE"))
		return false;
	out->pid = pid;
	out->device = makedev(major_, minor_);
	out->last = strcmp(last, "EOF") ? strtoull(last, NULL, 10) : UINT64_MAX;
	return (out->first >= PENDING_BYTE && out->last <= SHARED_LAST) ||
	       (out->first <= WAL_WRITER && out->last >= WAL_WRITER && out->last < WAL_WRITER + 8);
}

static bool ends_with(const char *text, const char *tail)
{
	size_t n = strlen(text), m = strlen(tail);

	return n > m && !strcmp(text + n - m, tail);
}

/* Finds the path of the database that the lock is about.  The writer's byte is SQLite's only in a
 * file named *-shm.  The bytes at one gigabyte are used by SQLite alone. */
static bool find_database(const struct lock *lock, char *path, size_t size)
{
	if (sqlite_file_held(lock->pid, lock->device, lock->inode, path, size))
		return false;
	if (lock->first >= PENDING_BYTE)
		return !ends_with(path, "-shm");
	if (!ends_with(path, "-shm"))
		return false;
	path[strlen(path) - strlen("-shm")] = '\0';
	return true;
}

/* Finds the database, or a file beside it. */
static bool find_beside(const struct lock_holder *h, const char *suffix, struct stat *st)
{
	char path[PATH_MOST + 64];

	snprintf(path, sizeof(path), "/proc/%u/root%s%s", h->pid, h->path, suffix);
	return !sqlite_file_stat(h->pid, path, st);
}

static uint64_t look_beside(const struct lock_holder *h, const char *suffix,
			    struct timespec *changed)
{
	struct stat st;

	if (!find_beside(h, suffix, &st)) {
		*changed = (struct timespec){};
		return 0;
	}
	*changed = st.st_mtim;
	return st.st_size;
}

/* Processor time of a process so far; 0 not known. */
static uint64_t cpu_of(const struct locks *l, uint32_t pid)
{
	unsigned long user, system;
	char text[1024], *at;

	if (procfs_read(l->procfs, pid, "stat", text, sizeof(text)) <= 0)
		return 0;
	at = strrchr(text, ')');
	if (!at || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
			  &system) != 2)
		return 0;
	return (user + system) * (1000000000ULL / sysconf(_SC_CLK_TCK));
}

/* Whether a file changed or the process worked since the last look. */
static bool has_worked(struct locks *l, struct lock_holder *h, uint64_t now)
{
	uint64_t cpu = cpu_of(l, h->pid), passed = now - h->looked_ns;
	struct signs signs;
	bool worked;

	memset(&signs, 0, sizeof(signs));
	look_beside(h, "", &signs.file);
	signs.log_bytes = look_beside(h, "-wal", &signs.log);
	signs.journal_bytes = look_beside(h, "-journal", &signs.journal);
	worked = memcmp(&signs, &h->signs, sizeof(signs)) ||
		 (cpu - h->cpu_ns) * BUSY_SHARE > passed;
	h->signs = signs;
	h->cpu_ns = cpu;
	h->looked_ns = now;
	return worked;
}

struct lock_holder *lock_holder_enter(struct locks *l, const struct lock *lock)
{
	struct table_key key = {lock->inode, lock->pid};
	struct lock_holder *h = table_get(&l->holders, key);
	char path[PATH_MOST];

	if (h)
		return h;
	if (!find_database(lock, path, sizeof(path)))
		return NULL;
	h = calloc(1, sizeof(*h));
	if (h)
		h->path = strdup(path);
	if (!h || !h->path || table_put(&l->holders, key, h)) {
		free(h ? h->path : NULL);
		free(h);
		return NULL;
	}
	h->pid = lock->pid;
	h->inode = lock->inode;
	return h;
}

static void tell_found(struct locks *l, struct lock_holder *h, const struct process_facts *facts)
{
	struct ev_identity id = {.id = h->ev.id, .family = AF_UNIX};
	struct ev_gap gap = {.start_ns = h->ev.start_ns, .pid = h->pid, .connections = 1};
	size_t n = strlen(h->path);

	id.head = (struct ev_head){.ns = h->ev.head.ns, .kind = EV_IDENTITY, .size = sizeof(id)};
	snprintf(id.path, sizeof(id.path), "%s%s", n < EV_PATH_LEN ? "" : "...",
		 n < EV_PATH_LEN ? h->path : h->path + n - (EV_PATH_LEN - 4));
	gap.head = (struct ev_head){.ns = h->ev.head.ns, .kind = EV_GAP, .size = sizeof(gap)};
	snprintf(gap.text, sizeof(gap.text),
		 "SQLite opened before dbleak started, or without symbols: only its file lock is "
		 "visible");
	if (!l->host->owner(l->host->context, h->pid, h->ev.start_ns, facts->comm))
		return;
	l->host->tell(l->host->context, &h->ev.head);
	l->host->tell(l->host->context, &id.head);
	l->host->tell(l->host->context, &gap.head);
}

void lock_tell_held(struct locks *l, struct lock_holder *h, uint64_t now, uint64_t *ids)
{
	struct process_facts facts = {};
	struct stat st = {};
	bool fresh = !h->ev.id;

	if (fresh) {
		if (find_beside(h, "", &st) && l->known(l->context, h->pid, st.st_dev, st.st_ino))
			return;
		if (procfs_facts(l->procfs, h->pid, &facts) ||
		    !l->host->wanted(l->host->context, h->pid, facts.comm))
			return;
		h->device = st.st_dev;
		h->database = st.st_ino;
		h->ev.id = ++*ids;
		h->ev.start_ns = kernel_client_start(l->kernel, h->pid);
		if (!procfs_same_start(h->ev.start_ns, facts.start_ns))
			h->ev.start_ns = facts.start_ns;
		h->ev.pid = h->ev.tid = h->ev.user_pid = h->ev.user_tid = h->pid;
		h->ev.flags = EV_CONN_PRE_EXISTING | EV_CONN_WROTE;
		h->ev.database = EV_DB_SQLITE;
		h->ev.signs = EV_SIGN_LIBRARY | EV_SIGN_HANDSHAKE;
		memcpy(h->ev.comm, facts.comm, EV_COMM_LEN);
		redact_name(h->ev.comm);
	}
	if (h->ev.status == EV_STATUS_TRANSACTION)
		return;
	h->ev.head = (struct ev_head){.ns = now, .kind = EV_CONNECTION, .size = sizeof(h->ev)};
	h->ev.status = EV_STATUS_TRANSACTION;
	h->ev.used_ns = h->ev.transaction_ns = h->still_ns;
	h->ev.begun++;
	if (fresh)
		tell_found(l, h, &facts);
	else
		l->host->tell(l->host->context, &h->ev.head);
}

void lock_tell_moved(struct locks *l, struct lock_holder *h, uint64_t now, bool alive)
{
	if (!h->ev.id || (h->ev.status != EV_STATUS_TRANSACTION && alive))
		return;
	h->ev.head.ns = h->ev.used_ns = now;
	if (h->ev.status == EV_STATUS_TRANSACTION) {
		h->ev.committed += alive;
		h->ev.abandoned += !alive;
	}
	h->ev.status = EV_STATUS_IDLE;
	h->ev.transaction_ns = 0;
	if (!alive)
		h->ev.flags |= EV_CONN_CLOSED | EV_CONN_EXIT;
	l->host->tell(l->host->context, &h->ev.head);
}

static void lock_look_at(struct locks *l, const struct lock *lock, uint64_t now, uint64_t *ids)
{
	struct lock_holder *h = lock_holder_enter(l, lock);

	if (!h || h->seen)
		return;
	h->seen = true;
	h->missed = 0;
	if (!h->still_ns || has_worked(l, h, now)) {
		if (!h->still_ns)
			has_worked(l, h, now);
		h->still_ns = now;
		lock_tell_moved(l, h, now, true);
	} else if (now - h->still_ns >= HELD_NS) {
		lock_tell_held(l, h, now, ids);
	}
}

static void holder_free(struct lock_holder *h)
{
	free(h->path);
	free(h);
}

/* Handles the holders that this sweep did not meet. /proc/locks may skip a line while others come
 * and go, so one miss does not count.  A holder that let go is forgotten; a reported one only when
 * its process ends. */
static void look_at_rest(struct locks *l, uint64_t now)
{
	struct table_walk walk = table_walk(&l->holders);
	struct table_slot *slot;

	while ((slot = table_walk_next(&walk))) {
		struct lock_holder *h = slot->value;
		struct process_facts facts;
		bool alive;

		if (h->seen || ++h->missed < MISSES)
			continue;
		alive = !procfs_facts(l->procfs, h->pid, &facts) &&
			(!h->ev.id || procfs_same_start(facts.start_ns, h->ev.start_ns));
		lock_tell_moved(l, h, now, alive);
		h->still_ns = 0;
		if (alive && h->ev.id)
			continue;
		holder_free(table_walk_remove(&walk));
	}
}

void locks_sweep(struct locks *l, uint64_t now, uint64_t *ids)
{
	struct table_slot *slot;
	char line[256];
	struct lock lock;
	FILE *file;

	for (size_t at = 0; (slot = table_next(&l->holders, &at));)
		((struct lock_holder *)slot->value)->seen = false;
	file = fopen("/proc/locks", "re");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file))
		if (lock_of_line(line, &lock))
			lock_look_at(l, &lock, now, ids);
	fclose(file);
	look_at_rest(l, now);
}

uint64_t locks_yield(struct locks *l, uint32_t pid, dev_t device, ino_t inode)
{
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&l->holders, &at))) {
		struct lock_holder *h = slot->value;
		uint64_t id = h->ev.id;

		if (!id || h->pid != pid || h->device != device || h->database != inode)
			continue;
		h->ev = (struct ev_connection){};
		return id;
	}
	return 0;
}

int locks_open(struct locks **out, struct kernel *kernel, const struct procfs *procfs,
	       const struct client_host *host, lock_known_fn *known, void *context)
{
	struct locks *l = calloc(1, sizeof(*l));

	*out = l;
	if (!l)
		return -ENOMEM;
	l->kernel = kernel;
	l->procfs = procfs;
	l->host = host;
	l->known = known;
	l->context = context;
	return 0;
}

void locks_close(struct locks *l)
{
	struct table_slot *slot;

	if (!l)
		return;
	for (size_t at = 0; (slot = table_next(&l->holders, &at));)
		holder_free(slot->value);
	table_free(&l->holders);
	free(l);
}
