/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * library_files.c - files with code, as processes map them: which hold a library, and when they are
 * looked into.
 */
#include "user/capture/clientlib/client.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "user/capture/clientlib/clientlib_state.h"
#include "user/system/clock.h"
#include "user/system/debug.h"

static bool keep_waiting(struct waiting *w, const struct library_file *file, bool deep)
{
	w->fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 3);
	if (w->fd < 0)
		return false;
	w->deep = deep;
	w->first = false;
	w->pid = file->pid;
	w->device = file->device;
	w->inode = file->inode;
	w->seen_ns = file->seen_ns;
	snprintf(w->path, sizeof(w->path), "%s", file->path);
	return true;
}

struct library_file client_waiting_file(const struct waiting *w)
{
	return (struct library_file){.device = w->device,
				     .inode = w->inode,
				     .seen_ns = w->seen_ns,
				     .pid = w->pid,
				     .fd = w->fd,
				     .path = w->path};
}

/* Many programs use OpenSSL for other things, so it is probed only when a database connection uses
 * it.  If dbleak watches one command alone, it is probed at once. */
static bool may_wait(const struct clients *c, const struct probe_library *l)
{
	return l->bit == EV_LIBRARY_OPENSSL && !c->host.eager;
}

/* A new file waits, and a process with an encrypted connection may map it: look at all of them now.
 */
static void hurry_tls(struct clients *c)
{
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&c->tls_users, &at)))
		((struct tls_user *)slot->value)->next_ns = 0;
}

static void keep_tls(struct clients *c, const struct library_file *file, bool deep)
{
	debug(DEBUG_TLS, "%s: OpenSSL%s, not probed until a database connection is encrypted",
	      file->path, deep ? " linked into a program" : "");
	if (c->tls_count < TLS_MOST) {
		c->tls_count += keep_waiting(&c->tls[c->tls_count], file, deep);
	} else if (!c->reported_tls) {
		c->reported_tls = true;
		client_tell_gap(c, "more than 64 copies of OpenSSL are loaded: connections of the "
				   "others are not readable");
	}
	hurry_tls(c);
}

/* Looks for each library of the table.  Returns whether any was there. */
static bool library_files_look_into(struct clients *c, struct elf_file *elf,
				    const struct library_file *file, bool deep)
{
	bool any = false, has[PROBE_LIBRARIES_MOST];

	if (deep)
		client_find_anchors_deep(elf, has);
	for (size_t i = 0; i < probe_library_count; i++) {
		if (deep ? !has[i] : !client_has_anchors(elf, &probe_libraries[i]))
			continue;
		any = true;
		if (!may_wait(c, &probe_libraries[i]))
			client_add_library(c, &probe_libraries[i], elf, file, deep);
		else
			keep_tls(c, file, deep);
	}
	return any;
}

/* Queues a file that exports no library of the table.  Its full symbol table may show a static
 * copy, but reading it takes time. */
static void wait_for_time(struct clients *c, const struct library_file *file)
{
	if (c->waiting_count < DEEP_MOST) {
		c->waiting_count += keep_waiting(&c->waiting[c->waiting_count], file, false);
	} else if (!c->reported_waiting) {
		c->reported_waiting = true;
		client_tell_gap(c, "more than 200 programs started at once: client libraries "
				   "linked into some were not found");
	}
}

/* Whether the file has its probes already, perhaps from the head start. */
static bool is_attached(const struct clients *c, const struct library_file *file)
{
	for (const struct attached *a = c->files; a; a = a->next)
		if (!a->left_ns && a->ev.device == file->device && a->ev.inode == file->inode)
			return true;
	return false;
}

static bool is_among(const struct waiting *list, size_t n, uint64_t device, uint64_t inode)
{
	while (n && (list[n - 1].device != device || list[n - 1].inode != inode))
		n--;
	return n > 0;
}

static bool library_files_is_held(const struct clients *c, uint64_t device, uint64_t inode)
{
	const struct library_file file = {.device = device, .inode = inode};

	return is_attached(c, &file) || runtimes_has(c->runtimes, device, inode) ||
	       is_among(c->waiting, c->waiting_count, device, inode) ||
	       is_among(c->tls, c->tls_count, device, inode) ||
	       (c->host.keeps && c->host.keeps(c->host.context, device, inode));
}

/* Follows a file as long as something of it is open here, so that all of it goes when the last
 * process unmaps it. */
static void library_files_hold(struct clients *c, const struct library_file *file)
{
	if (library_files_is_held(c, file->device, file->inode)) {
		libraries_follow(c->libraries, file);
		libraries_hold(c->libraries, file->device, file->inode);
	} else {
		libraries_release(c->libraries, file->device, file->inode);
	}
}

static const char *library_in(const struct clients *c, const struct library_file *file)
{
	for (const struct attached *a = c->files; a; a = a->next)
		if (!a->left_ns && a->ev.device == file->device && a->ev.inode == file->inode &&
		    a->library->database != EV_DB_UNKNOWN)
			return a->library->name;
	return NULL;
}

/* The maker of a file decides how much there is to search, so the search is limited.  A file beyond
 * the limit is reported. */
static void tell_given_up(struct clients *c, const struct elf_file *elf,
			  const struct library_file *file)
{
	char text[EV_TEXT_LEN];

	if (!elf_given_up(elf))
		return;
	snprintf(text, sizeof(text),
		 "cannot look for client libraries in %.180s: reading it takes too long",
		 file->path);
	client_tell_gap_of(c, file->pid, text);
}

static bool may_look(struct clients *c)
{
	uint64_t now = clock_boot_ns();
	int64_t gained = (int64_t)((now - c->looks.at_ns) / LOOKS_SHARE);

	c->looks.left_ns += gained;
	if (!c->looks.at_ns || c->looks.left_ns > (int64_t)LOOKS_BURST_NS)
		c->looks.left_ns = LOOKS_BURST_NS;
	c->looks.at_ns = now;
	return c->looks.left_ns > 0;
}

static void debug_look(const struct library_file *file, bool any, const struct elf_file *elf)
{
	debug(DEBUG_PROBE, "%s (process %u): %s", file->path, file->pid,
	      elf_given_up(elf) ? "given up"
	      : any		? "a library of the table"
				: "no library of the table");
}

/* A file made to take long has others beside it: after one the burst is over. */
static void look_first(struct clients *c, const struct library_file *file)
{
	struct elf_file *elf;
	bool any;

	if (elf_open(&elf, file->fd)) {
		debug(DEBUG_PROBE, "%s (process %u): no ELF file that can be read", file->path,
		      file->pid);
		return;
	}
	runtimes_file(c->runtimes, elf, file);
	any = is_attached(c, file) || library_files_look_into(c, elf, file, false);
	debug_look(file, any, elf);
	if (!any && !elf_given_up(elf))
		wait_for_time(c, file);
	if (c->host.file)
		c->host.file(c->host.context, elf, file, library_in(c, file));
	tell_given_up(c, elf, file);
	if (elf_given_up(elf) && c->looks.left_ns > 0)
		c->looks.left_ns = 0;
	elf_close(elf);
}

/* Queues a file for its first look.  If the queue is full, the file is skipped and counted. */
static void wait_for_turn(struct clients *c, const struct library_file *file)
{
	struct waiting *w = &c->waiting[c->waiting_count];

	if (c->waiting_count == DEEP_MOST || !keep_waiting(w, file, false)) {
		c->looks.skipped++;
		debug(DEBUG_PROBE, "%s (process %u): skipped, too many files wait", file->path,
		      file->pid);
		return;
	}
	w->first = true;
	c->waiting_count++;
}

/* Is the file looked at at once?  Those of the head start are, and those of a process that the user
 * chose: on a busy host the looks at all others would use up the time, and it would end unseen. */
static bool is_urgent(const struct clients *c, uint32_t pid)
{
	return c->early ||
	       (c->host.selective && c->host.selected && c->host.selected(c->host.context, pid));
}

void client_on_file(void *context, const struct library_file *file)
{
	struct clients *c = context;
	bool urgent = is_urgent(c, file->pid);
	uint64_t before;

	if (!urgent && !may_look(c)) {
		wait_for_turn(c, file);
		library_files_hold(c, file);
		return;
	}
	before = clock_boot_ns();
	looking_at(file->pid, file->path);
	look_first(c, file);
	looking_over();
	library_files_hold(c, file);
	if (!urgent)
		c->looks.left_ns -= (int64_t)(clock_boot_ns() - before);
}

static void drop_waiting(struct waiting *list, size_t *count, uint64_t device, uint64_t inode)
{
	for (size_t i = 0; i < *count;) {
		if (list[i].device != device || list[i].inode != inode) {
			i++;
			continue;
		}
		close(list[i].fd);
		list[i] = list[--*count];
	}
}

/* Whether a library of the head start keeps its probes: its file is still in place, so another
 * process will map it. */
static bool stays(const struct attached *a)
{
	struct stat st;

	return a->early && !stat(a->ev.path, &st) && st.st_dev == a->ev.device &&
	       st.st_ino == a->ev.inode;
}

/* Removes the probes of an unmapped library at once, and releases the file.  The next sweeps report
 * what the ledger holds; until then no other library gets its cookies. */
static void leave(struct clients *c, struct attached *a)
{
	debug(DEBUG_PROBE, "%s: no process maps it any more, its probes are taken out", a->ev.path);
	client_tell_library(c, a);
	for (int g = 0; g < GROUPS; g++) {
		reach_remove_later(a->sets[g]);
		a->sets[g] = NULL;
	}
	a->left_ns = clock_boot_ns();
	c->left++;
}

void client_on_gone(void *context, uint64_t device, uint64_t inode)
{
	struct clients *c = context;

	drop_waiting(c->waiting, &c->waiting_count, device, inode);
	drop_waiting(c->tls, &c->tls_count, device, inode);
	runtimes_gone(c->runtimes, device, inode);
	if (c->host.gone)
		c->host.gone(c->host.context, device, inode);
	client_count_hits(c);
	for (struct attached *a = c->files; a; a = a->next)
		if (!a->left_ns && a->ev.device == device && a->ev.inode == inode && !stays(a))
			leave(c, a);
	reach_gone(c->reach, device, inode);
}

static void look_again(struct clients *c, const struct waiting *w)
{
	struct library_file file = client_waiting_file(w);
	struct elf_file *elf;
	bool any;

	if (w->first) {
		look_first(c, &file);
		libraries_again(c->libraries); /* to learn who maps it, if it is an interpreter */
		return;
	}
	if (elf_open(&elf, w->fd))
		return;
	elf_deepen(elf);
	any = library_files_look_into(c, elf, &file, true);
	debug(DEBUG_PROBE, "%s: searched for a static copy: %s", file.path, any ? "found" : "none");
	tell_given_up(c, elf, &file);
	elf_close(elf);
}

static void look_at_waiting(struct clients *c, size_t i)
{
	struct waiting w = c->waiting[i];
	struct library_file file;

	c->waiting[i] = c->waiting[--c->waiting_count];
	looking_at(w.pid, w.path);
	look_again(c, &w);
	looking_over();
	close(w.fd);
	file = client_waiting_file(&w);
	library_files_hold(c, &file);
}

/* A file that another process has mapped before may wait for its turn. */
static void hurry(struct clients *c, const struct library_mapping *mapping)
{
	for (size_t i = 0; i < c->waiting_count; i++) {
		const struct waiting *w = &c->waiting[i];

		if (w->first && w->device == mapping->device && w->inode == mapping->inode) {
			if (is_urgent(c, mapping->pid))
				look_at_waiting(c, i);
			return;
		}
	}
}

void client_on_mapping(void *context, const struct library_mapping *mapping)
{
	struct clients *c = context;

	hurry(c, mapping);
	runtimes_mapped(c->runtimes, mapping);
	if (library_files_is_held(c, mapping->device, mapping->inode))
		reach_mapped(c->reach, mapping->pid, mapping->device, mapping->inode);
}

/* Reported once and without a number, which would soon be out of date. */
static void tell_skipped(struct clients *c)
{
	if (!c->looks.skipped || c->looks.reported)
		return;
	c->looks.reported = true;
	client_tell_gap(c, "client libraries may be missing: too many files were loaded at once");
}

/* A program serves the files of a FUSE mount, and decides whether a read ever ends: such files are
 * not read. */
static void tell_served(struct clients *c)
{
	if (c->looks.served_reported || !libraries_counts(c->libraries).served)
		return;
	c->looks.served_reported = true;
	client_tell_gap(c, "files on FUSE are not read: they may hang; client libraries there are "
			   "not watched");
}

void client_look_deeper(struct clients *c)
{
	uint64_t before;

	tell_skipped(c);
	tell_served(c);
	if (!c->waiting_count || !may_look(c))
		return;
	before = clock_boot_ns();
	look_at_waiting(c, c->waiting_count - 1);
	c->looks.left_ns -= (int64_t)(clock_boot_ns() - before);
}

void client_head_start(struct clients *c)
{
	static const char *const patterns[] = {
		"/usr/lib/*/lib{pq,mariadb,mysqlclient,sqlite3,hiredis}.so.*",
		"/usr/lib{,64}/lib{pq,mariadb,mysqlclient,sqlite3,hiredis}.so.*",
	};
	glob_t found = {};

	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		glob(patterns[i], GLOB_BRACE | (i ? GLOB_APPEND : 0), NULL, &found);
	c->early = true;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct library_file file = {.seen_ns = clock_boot_ns(), .path = found.gl_pathv[i]};
		struct stat st;

		file.fd = open(file.path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (file.fd < 0)
			continue;
		if (!fstat(file.fd, &st) && S_ISREG(st.st_mode)) {
			file.device = st.st_dev;
			file.inode = st.st_ino;
			client_on_file(c, &file);
		}
		close(file.fd);
	}
	c->early = false;
	globfree(&found);
}
