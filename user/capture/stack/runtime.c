/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * runtime.c - see runtime.h.
 */
#include "user/capture/stack/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/table.h"
#include "user/capture/kernel/kernel_stack.h"
#include "user/capture/stack/perl.h"
#include "user/capture/stack/php.h"
#include "user/capture/probe/reach.h"
#include "user/system/clock.h"
#include "user/system/debug.h"

#define REFUSED_MOST 4096 /* processes remembered whose interpreter is not read */
#define RECENT_MOST  256  /* mappings that are looked at again */
#define AGAIN_NS     200000000ULL
#define ROW_REST_NS  10000000000ULL /* rest of a row before it serves another Python */
#define NAME_LEN     16

/* A file that holds an interpreter. */
struct interpreter {
	struct interpreter *next;
	uint64_t device, inode;
	char name[NAME_LEN];	      /* "Python 3.11" */
	const char *why;	      /* why its frames are not read; NULL: they are */
	struct runtime_process found; /* address: as the ELF file has it */
	uint64_t code_offset, code_address;
	struct reach_set *starts;
	char *path; /* set by runtimes_head_start: kept while the file exists; else NULL */
};

/*
 * A program is mapped before its exec ends, and the end of exec removes the process's entry from
 * the kernel's map.  So a process is entered a second time a little later: its first entry may have
 * been removed, or refused because the entry of the old program was still there.
 */
struct recent {
	struct library_mapping mapping; /* pid 0: none */
	uint64_t due_ns;		/* when to enter it again; 0: not set yet */
};

struct runtimes {
	struct recent recent[RECENT_MOST]; /* a ring */
	size_t next;
	struct kernel *kernel;
	const struct procfs *procfs;
	struct reach *reach;
	struct interpreter *files;
	struct probe_programs started;
	struct python_build *pythons;
	size_t python_count;		   /* rows that are, or were, in use */
	uint64_t row_gone_ns[PYTHON_ROWS]; /* since when no process maps its file; 0: in use */
	struct table refused;		   /* pid -> struct interpreter */
};

/* Returns 0: found; -ENOENT: no such interpreter; -ENOTSUP: one whose frames are not read, and
 * out->why says why. */
typedef int probe_fn(struct runtimes *r, struct elf_file *elf, const struct library_file *file,
		     struct interpreter *out);

/* Puts a probe where the interpreter starts; the probe enters each new process at once.  Without it
 * a process is found a little later. */
static void watch_starts(struct runtimes *r, const struct library_file *file, struct interpreter *i,
			 uint64_t offset)
{
	struct probe_place place = {.offset = offset, .cookie = i->found.row};

	if (offset && r->started.entered >= 0)
		reach_add(r->reach, &i->starts, &r->started, file, &place, 1);
}

/* Returns a row that was never used, else the row that is free for longest.  A row rests for a
 * while, because samples of its old Python may still be on their way.  PYTHON_ROWS: no row is
 * free. */
static size_t find_row(const struct runtimes *r)
{
	size_t best = PYTHON_ROWS;

	if (r->python_count < PYTHON_ROWS)
		return r->python_count;
	for (size_t i = 0; i < PYTHON_ROWS; i++)
		if (r->row_gone_ns[i] &&
		    (best == PYTHON_ROWS || r->row_gone_ns[i] < r->row_gone_ns[best]))
			best = i;
	return best < PYTHON_ROWS && clock_boot_ns() - r->row_gone_ns[best] < ROW_REST_NS
		       ? PYTHON_ROWS
		       : best;
}

static int probe_python(struct runtimes *r, struct elf_file *elf, const struct library_file *file,
			struct interpreter *out)
{
	struct python_build found, *b = &found;
	size_t row = find_row(r);
	int err = python_identify(elf, b);

	if (err)
		return err;
	snprintf(out->name, sizeof(out->name), b->minor ? "Python 3.%u" : "Python", b->minor);
	out->why = b->refusal;
	out->found.address = b->runtime;
	out->found.row = (uint32_t)row;
	out->found.runtime = RUNTIME_PYTHON;
	if (!out->why && row == PYTHON_ROWS)
		out->why = "no source lines: too many different builds of Python are running";
	if (out->why)
		return -ENOTSUP;
	err = kernel_python_row(r->kernel, out->found.row, &b->row);
	if (err)
		return -ENOENT;
	r->pythons[row] = *b;
	r->row_gone_ns[row] = 0;
	r->python_count += row == r->python_count;
	watch_starts(r, file, out, b->start);
	return 0;
}

static int probe_perl(struct runtimes *r, struct elf_file *elf, const struct library_file *file,
		      struct interpreter *out)
{
	(void)r, (void)file;
	snprintf(out->name, sizeof(out->name), "Perl");
	return perl_probe(elf, &out->found, &out->why);
}

static int probe_php(struct runtimes *r, struct elf_file *elf, const struct library_file *file,
		     struct interpreter *out)
{
	(void)r, (void)file;
	snprintf(out->name, sizeof(out->name), "PHP");
	return php_probe(elf, &out->found, &out->why);
}

static probe_fn *const probe_fns[] = {probe_python, probe_perl, probe_php};

#define PROBE_FNS (sizeof(probe_fns) / sizeof(probe_fns[0]))

static struct interpreter *runtime_find(const struct runtimes *r, uint64_t device, uint64_t inode)
{
	struct interpreter *i = r->files;

	while (i && (i->device != device || i->inode != inode))
		i = i->next;
	return i;
}

static int runtime_identify(struct runtimes *r, struct elf_file *elf,
			    const struct library_file *file, struct interpreter *out)
{
	int err = -ENOENT;

	for (size_t i = 0; i < PROBE_FNS && err == -ENOENT; i++)
		err = probe_fns[i](r, elf, file, out);
	if (err && err != -ENOTSUP)
		return err;
	if (elf_code(elf, &out->code_offset, &out->code_address))
		return -ENOENT;
	out->device = file->device;
	out->inode = file->inode;
	return 0;
}

bool runtimes_file(struct runtimes *r, struct elf_file *elf, const struct library_file *file)
{
	struct interpreter found = {}, *kept;

	if (runtime_find(r, file->device, file->inode))
		return true;
	if (runtime_identify(r, elf, file, &found))
		return false;
	kept = malloc(sizeof(*kept));
	if (!kept) {
		reach_remove(found.starts);
		return false;
	}
	*kept = found;
	kept->next = r->files;
	r->files = kept;
	debug(DEBUG_STACK, "%s: %s, %s%s", file->path, kept->name,
	      kept->why ? "its frames are not read: " : "its frames are read",
	      kept->why ? kept->why : "");
	return true;
}

bool runtimes_has(const struct runtimes *r, uint64_t device, uint64_t inode)
{
	return runtime_find(r, device, inode);
}

static void forget_refused(struct runtimes *r, const struct interpreter *i)
{
	struct table_walk walk = table_walk(&r->refused);
	struct table_slot *slot;

	while ((slot = table_walk_next(&walk)))
		if (slot->value == i)
			table_walk_remove(&walk);
}

static bool stays(const struct interpreter *i)
{
	struct stat st;

	return i->path && !stat(i->path, &st) && st.st_dev == i->device && st.st_ino == i->inode;
}

void runtimes_gone(struct runtimes *r, uint64_t device, uint64_t inode)
{
	struct interpreter **at = &r->files, *i;

	while ((i = *at) && (i->device != device || i->inode != inode))
		at = &i->next;
	if (!i || stays(i))
		return;
	*at = i->next;
	if (i->found.runtime == RUNTIME_PYTHON && !i->why)
		r->row_gone_ns[i->found.row] = clock_boot_ns();
	reach_remove_later(i->starts);
	forget_refused(r, i);
	free(i->path);
	free(i);
}

/* Has the process another interpreter already?  The first one counts, since a program's own
 * interpreter is mapped before one that a library brings. */
static bool is_taken(const struct runtimes *r, uint32_t pid, const struct runtime_process *new)
{
	struct runtime_process old;

	return !kernel_runtime_get(r->kernel, pid, &old) &&
	       old.runtime != new->runtime &&procfs_same_start(old.start_ns, new->start_ns);
}

static void runtime_refuse(struct runtimes *r, uint32_t pid, struct interpreter *i)
{
	if (r->refused.count >= REFUSED_MOST)
		table_free(&r->refused);
	table_put(&r->refused, (struct table_key){pid, 0}, i);
}

static void runtime_enter(struct runtimes *r, const struct library_mapping *m)
{
	struct interpreter *i = runtime_find(r, m->device, m->inode);
	struct process_facts facts;
	struct runtime_process process;

	/* A file may be mapped in several pieces.  Only the piece with its first code gives the
	 * load address. */
	if (!i || i->code_offset < m->offset || i->code_offset - m->offset >= m->end - m->start)
		return;
	if (i->why) {
		debug(DEBUG_STACK, "process %u: %s, its frames are not read: %s", m->pid, i->name,
		      i->why);
		runtime_refuse(r, m->pid, i);
		return;
	}
	if (procfs_facts(r->procfs, m->pid, &facts))
		return;
	process = i->found;
	process.start_ns = facts.start_ns;
	process.address += m->start + (i->code_offset - m->offset) - i->code_address;
	if (is_taken(r, m->pid, &process))
		return;
	debug(DEBUG_STACK, "process %u: %s", m->pid, i->name);
	kernel_runtime_set(r->kernel, m->pid, &process);
	/* The process may have ended meanwhile; then no exit event will remove the entry. */
	if (procfs_facts(r->procfs, m->pid, &facts))
		kernel_runtime_forget(r->kernel, m->pid);
}

void runtimes_mapped(struct runtimes *r, const struct library_mapping *m)
{
	if (!runtime_find(r, m->device, m->inode))
		return;
	runtime_enter(r, m);
	r->recent[r->next++ % RECENT_MOST] = (struct recent){.mapping = *m};
}

static bool is_mapped(const struct library_mapping *m)
{
	char path[80];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%u/map_files/%jx-%jx", m->pid, (uintmax_t)m->start,
		 (uintmax_t)m->end);
	return !lstat(path, &st);
}

void runtimes_step(struct runtimes *r, uint64_t now_ns)
{
	for (size_t i = 0; i < RECENT_MOST; i++) {
		struct recent *recent = &r->recent[i];

		if (!recent->mapping.pid || now_ns < recent->due_ns)
			continue;
		if (!recent->due_ns) {
			recent->due_ns = now_ns + AGAIN_NS;
			continue;
		}
		if (is_mapped(&recent->mapping))
			runtime_enter(r, &recent->mapping);
		recent->mapping.pid = 0;
	}
}

bool runtimes_gap(const struct runtimes *r, uint32_t pid, char *text, size_t size)
{
	const struct interpreter *i = table_get(&r->refused, (struct table_key){pid, 0});

	if (i)
		snprintf(text, size, "%s: %s", i->name, i->why);
	return i != NULL;
}

const struct python_build *runtimes_python(const struct runtimes *r, uint32_t row)
{
	return row < r->python_count ? &r->pythons[row] : NULL;
}

static void runtime_look_at(struct runtimes *r, const char *path)
{
	struct library_file file = {.path = path,
				    .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
	struct elf_file *elf;
	struct stat st;

	if (file.fd < 0)
		return;
	if (!fstat(file.fd, &st) && S_ISREG(st.st_mode) && !elf_open(&elf, file.fd)) {
		file.device = st.st_dev;
		file.inode = st.st_ino;
		if (runtimes_file(r, elf, &file) && !runtime_find(r, file.device, file.inode)->path)
			runtime_find(r, file.device, file.inode)->path = strdup(path);
		elf_close(elf);
	}
	close(file.fd);
}

void runtimes_head_start(struct runtimes *r)
{
	static const char *const patterns[] = {
		"/usr/bin/python3.*",
		"/usr/local/bin/python3.*",
		"/usr/{,local/}lib{,64}/libpython3.*.so.1.0",
		"/usr/lib/*/libpython3.*.so.1.0",
	};
	glob_t found = {};

	if (!r->started.multi) /* without uprobe_multi each probe takes long to remove */
		return;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		glob(patterns[i], GLOB_BRACE | (i ? GLOB_APPEND : 0), NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++)
		runtime_look_at(r, found.gl_pathv[i]);
	globfree(&found);
}

int runtimes_open(struct runtimes **out, struct kernel *kernel, const struct procfs *procfs,
		  struct reach *reach)
{
	struct runtimes *r = calloc(1, sizeof(*r));

	*out = r;
	if (!r)
		return -ENOMEM;
	r->kernel = kernel;
	r->procfs = procfs;
	r->reach = reach;
	r->pythons = calloc(PYTHON_ROWS, sizeof(*r->pythons));
	if (!r->pythons) {
		free(r);
		*out = NULL;
		return -ENOMEM;
	}
	kernel_python_programs(kernel, &r->started);
	return 0;
}

void runtimes_close(struct runtimes *r)
{
	struct interpreter *next;

	if (!r)
		return;
	for (struct interpreter *i = r->files; i; i = next) {
		next = i->next;
		free(i->path);
		free(i);
	}
	table_free(&r->refused);
	free(r->pythons);
	free(r);
}
