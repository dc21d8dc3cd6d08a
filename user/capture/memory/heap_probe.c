/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * heap_probe.c - see heap_probe.h.
 */
#include "user/capture/memory/heap_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/redact.h"
#include "user/base/table.h"
#include "user/capture/memory/allocator.h"
#include "user/capture/kernel/kernel_heap.h"
#include "user/capture/host/library.h"
#include "user/capture/host/memory.h"
#include "user/capture/probe/file_exit.h"
#include "user/capture/probe/reach.h"
#include "user/system/debug.h"

#define BLIND_NS 1000000000ULL /* time that a process may take to map its libraries */

/* A file that has an allocator, or may have one. */
struct heap_file_known {
	bool deep; /* only its full symbol table may show one; not read yet */
	bool looked_at;
	bool program, go;
	bool probed;			/* its allocator is probed */
	bool reported;			/* a missing allocator was reported */
	bool refused, reported_refused; /* an operator new is not probed; that was reported */
};

/* A process that is to be followed. */
struct heap_seen {
	char comm[EV_COMM_LEN];
	uint64_t since_ns; /* first look at it without a probed allocator; 0: none yet */
	struct heap_file_known *program; /* NULL: not seen */
	bool probed;
};

/* A file with an allocator that is to be probed. */
struct heap_attached {
	int fd;
	size_t count;
	struct probe_place places[ALLOCATOR_PROBES + ALLOCATOR_EXITS];
};

struct heap_probes {
	struct kernel *kernel;
	const struct procfs *procfs;
	struct libraries *libraries;
	struct heap_probes_host host;
	struct probe_programs programs;
	bool at_entry, waits, detached;
	struct table known; /* struct heap_file_known, by device and inode */
	struct heap_attached *attached[HEAP_FILES];
	struct reach_set *sets[HEAP_FILES];
	uint32_t used;
	struct reach *reach;
	struct table seen; /* struct heap_seen, by pid */
};

static void attached_free(struct heap_attached *a)
{
	if (!a)
		return;
	if (a->fd >= 0)
		close(a->fd);
	free(a);
}

static void add_place(struct heap_attached *a, const struct allocator_probe *probe, uint32_t index)
{
	unsigned int flags = (probe->cheap ? 0 : HEAP_DEAR) | (probe->throws ? HEAP_ENDS : 0);

	a->places[a->count++] = (struct probe_place){
		.offset = probe->offset,
		.returns = probe->returns,
		.begins = probe->throws,
		.cookie = HEAP_COOKIE(probe->kind, flags, index, probe->before),
	};
}

/* ends: probes at the ends of functions do no harm on this kernel. */
static struct heap_attached *attached_make(int fd, const struct allocator *from, uint32_t index,
					   bool ends)
{
	struct heap_attached *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	for (size_t i = 0; i < from->count; i++)
		if (ends || !from->probe[i].throws)
			add_place(a, &from->probe[i], index);
	for (size_t i = 0; i < from->exit_count && ends; i++)
		a->places[a->count++] = (struct probe_place){
			.offset = from->exit[i].address,
			.cookie = probe_exit_cookie(&from->exit[i], 0),
			.leaves = true,
		};
	return a;
}

/* Attaches a file's probes in all processes that are to carry them, now and later. */
static int heap_probe_attach(struct heap_probes *p, uint32_t index)
{
	const struct heap_attached *a = p->attached[index];
	struct library_file file = {.fd = a->fd};
	struct stat st;

	if (fstat(a->fd, &st))
		return -errno;
	file.device = st.st_dev;
	file.inode = st.st_ino;
	return reach_add(p->reach, &p->sets[index], &p->programs, &file, a->places, a->count);
}

static int add_allocator(struct heap_probes *p, const struct allocator *from, int fd)
{
	struct heap_attached *a;
	int err;

	if (p->used >= HEAP_FILES)
		return -ENOSPC;
	a = attached_make(fd, from, p->used, p->programs.left > 0);
	err = !a	  ? -ENOMEM
	      : a->fd < 0 ? -EMFILE
			  : kernel_heap_file(p->kernel, p->used, &from->code);
	if (err) {
		attached_free(a);
		return err;
	}
	p->attached[p->used++] = a;
	return p->waits ? 0 : heap_probe_attach(p, p->used - 1);
}

static void tell_unprobed(struct heap_probes *p, const char *path, int err)
{
	char text[EV_TEXT_LEN];

	snprintf(text, sizeof(text), "cannot watch the allocator in %.120s: %s", path,
		 strerror(-err));
	p->host.gap(p->host.context, text);
}

static void heap_probe_look_into(struct heap_probes *p, struct heap_file_known *f, int fd,
				 const char *path)
{
	struct allocator *a = malloc(sizeof(*a));
	struct elf_file *elf;
	int err = a ? elf_open(&elf, fd) : -ENOMEM;

	f->looked_at = true;
	if (!err) {
		err = allocator_find(elf, f->deep, p->at_entry, a);
		elf_close(elf);
		if (!err)
			err = add_allocator(p, a, fd);
		/* A function that may throw is left out if its ends are not seen. */
		f->refused = a->refused || (a->exit_count && p->programs.left <= 0);
	}
	f->probed = !err;
	if (err != -ENOENT)
		debug(DEBUG_PROBE, "%s: an allocator, %s", path,
		      err ? strerror(-err) : "its functions are probed");
	free(a);
	if (err && err != -ENOENT)
		tell_unprobed(p, path, err);
}

static struct heap_file_known *known_of(struct heap_probes *p, uint64_t device, uint64_t inode)
{
	struct table_key key = {device, inode};
	struct heap_file_known *f = table_get(&p->known, key);

	if (f)
		return f;
	f = calloc(1, sizeof(*f));
	if (!f || table_put(&p->known, key, f)) {
		free(f);
		return NULL;
	}
	return f;
}

/* A file that exports an allocator, or a program that may hold a copy of one. */
static bool is_candidate(int fd, struct heap_file_known *out)
{
	static const char *const names[] = {"malloc", "free"};
	struct elf_symbol found[2] = {};
	struct elf_file *elf;
	bool exported;

	*out = (struct heap_file_known){};
	if (elf_open(&elf, fd))
		return false;
	exported = elf_find(elf, names, 2, false, found) == 2 && found[0].offset && found[1].offset;
	out->program = elf_is_program(elf);
	out->go = out->program && elf_section(elf, ".go.buildinfo");
	elf_close(elf);
	out->deep = !exported;
	return exported || out->program;
}

static void on_file(void *context, const struct library_file *file)
{
	struct heap_probes *p = context;
	struct heap_file_known *f, found;

	if (!is_candidate(file->fd, &found))
		return;
	f = known_of(p, file->device, file->inode);
	if (!f)
		return;
	if (!f->looked_at)
		*f = found;
	libraries_follow(p->libraries, file);
}

static struct heap_seen *seen_of(struct heap_probes *p, uint32_t pid)
{
	struct table_key key = {pid, 0};
	struct heap_seen *s = table_get(&p->seen, key);

	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (s && table_put(&p->seen, key, s)) {
		free(s);
		return NULL;
	}
	return s;
}

/* A process that starts another program (exec) is like a new one. */
static void note_program(struct heap_probes *p, uint32_t pid, struct heap_seen *s)
{
	struct process_facts facts;

	if (procfs_facts(p->procfs, pid, &facts) || !strcmp(s->comm, facts.comm))
		return;
	*s = (struct heap_seen){};
	memcpy(s->comm, facts.comm, sizeof(s->comm));
}

static void tell_refused(struct heap_probes *p, uint32_t pid, const struct heap_seen *s)
{
	char text[EV_TEXT_LEN], name[EV_COMM_LEN];

	memcpy(name, s->comm, sizeof(name));
	redact_name(name);
	snprintf(text, sizeof(text),
		 "%s[%u]: allocations by some operator new are not counted: the code of the "
		 "allocator cannot be read",
		 name, pid);
	p->host.gap(p->host.context, text);
}

static void note_seen(struct heap_probes *p, uint32_t pid, struct heap_file_known *f)
{
	struct heap_seen *s = seen_of(p, pid);

	if (!s)
		return;
	if (f->program || !*s->comm)
		note_program(p, pid, s);
	if (f->program)
		s->program = f;
	s->probed |= f->probed;
	if (f->refused && !f->reported_refused) {
		f->reported_refused = true;
		tell_refused(p, pid, s);
	}
}

static void look_into_mapping(struct heap_probes *p, struct heap_file_known *f,
			      const struct library_mapping *m)
{
	char path[80];
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/map_files/%llx-%llx", m->pid,
		 (unsigned long long)m->start, (unsigned long long)m->end);
	fd = memory_open_mapped(m->pid, m->start, m->end);
	if (fd < 0)
		return;
	heap_probe_look_into(p, f, fd, path);
	close(fd);
}

static void on_mapping(void *context, const struct library_mapping *m)
{
	struct heap_probes *p = context;
	struct heap_file_known *f = table_get(&p->known, (struct table_key){m->device, m->inode});

	if (!f || p->detached || !p->host.wanted(p->host.context, m->pid))
		return;
	p->host.met(p->host.context, m->pid);
	heap_probes_follow(p, m->pid);
	if (!f->looked_at)
		look_into_mapping(p, f, m);
	note_seen(p, m->pid, f);
}

static void add_path(struct heap_probes *p, const char *path)
{
	struct heap_file_known *f, found;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && is_candidate(fd, &found)) {
		f = known_of(p, st.st_dev, st.st_ino);
		if (f && !f->looked_at) {
			*f = found;
			heap_probe_look_into(p, f, fd, path);
		}
	}
	close(fd);
}

/* Adds the file of a command, searched for as execvp(3) does. */
static void add_command(struct heap_probes *p, const char *command)
{
	const char *folders = getenv("PATH");
	char *list = strdup(folders ? folders : "/bin:/usr/bin"), *save = NULL, path[PATH_MAX];

	if (strchr(command, '/'))
		add_path(p, command);
	for (char *at = list && !strchr(command, '/') ? strtok_r(list, ":", &save) : NULL; at;
	     at = strtok_r(NULL, ":", &save)) {
		snprintf(path, sizeof(path), "%s/%s", at, command);
		if (!access(path, X_OK)) {
			add_path(p, path);
			break;
		}
	}
	free(list);
}

void heap_probes_head_start(struct heap_probes *p, const char *command, uint32_t pid)
{
	static const char *const patterns[] = {
		"/lib/*/libc.so.6",
		"/lib/ld-musl-*.so.1",
		"/usr/lib/*/lib{jemalloc,tcmalloc*,mimalloc}.so.?",
	};
	const char *preload = getenv("LD_PRELOAD");
	char *list = preload ? strdup(preload) : NULL, *save = NULL;
	glob_t found = {};

	heap_probes_follow(p, pid);
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		glob(patterns[i], GLOB_BRACE | (i ? GLOB_APPEND : 0), NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++)
		add_path(p, found.gl_pathv[i]);
	globfree(&found);
	add_command(p, command);
	for (char *at = list ? strtok_r(list, " :", &save) : NULL; at;
	     at = strtok_r(NULL, " :", &save))
		add_path(p, at);
	free(list);
}

/* --- life ----------------------------------------------------------------------------------- */

int heap_probes_open(struct heap_probes **out, struct kernel *kernel, const struct procfs *procfs,
		     const struct probe_programs *programs, bool at_entry,
		     const struct heap_probes_host *host)
{
	struct heap_probes *p = calloc(1, sizeof(*p));
	int err;

	*out = NULL;
	if (!p)
		return -ENOMEM;
	p->kernel = kernel;
	p->procfs = procfs;
	p->host = *host;
	p->programs = *programs;
	p->at_entry = at_entry;
	err = reach_open(&p->reach, REACH_CHOSEN,
			 &(struct reach_host){host->context, host->wanted, host->gap});
	if (!err)
		err = libraries_open(&p->libraries, procfs);
	if (err) {
		reach_close(p->reach);
		free(p);
		return err;
	}
	reach_make_ready(p->reach); /* the probes are there before the files are mapped */
	reach_hold(p->reach, memory_maps_locked());
	*out = p;
	libraries_on_mapping(p->libraries, on_mapping);
	if (libraries_watch(p->libraries))
		p->host.gap(p->host.context,
			    "allocators loaded later are found with delay: no perf events");
	return 0;
}

int heap_probes_scan(struct heap_probes *p, bool wait)
{
	p->waits = wait;
	return libraries_scan(p->libraries, on_file, p);
}

void heap_probes_go(struct heap_probes *p)
{
	if (!p->waits)
		return;
	p->waits = false;
	for (uint32_t i = 0; i < p->used; i++)
		if (!p->sets[i])
			heap_probe_attach(p, i); /* may fail: no process may be there */
}

int heap_probes_fd(const struct heap_probes *p)
{
	return libraries_fd(p->libraries);
}

int heap_probes_poll(struct heap_probes *p)
{
	int n = p->detached ? 0 : libraries_poll(p->libraries, on_file, p);

	return n < 0 ? n : 0;
}

static void tell_blind(struct heap_probes *p, uint32_t pid, const struct heap_seen *s)
{
	char text[EV_TEXT_LEN], name[EV_COMM_LEN];

	memcpy(name, s->comm, sizeof(name));
	redact_name(name);
	snprintf(text, sizeof(text), "%s[%u]: %s", name, pid,
		 s->program->go ? "uses Go's own allocator, which dbleak cannot follow"
				: "allocator not found (static program without symbols, or its "
				  "own): allocations are not counted");
	p->host.gap(p->host.context, text);
}

void heap_probes_tell_blind(struct heap_probes *p, uint64_t now_ns, bool last)
{
	struct table_slot *slot;

	for (size_t at = 0; (slot = table_next(&p->seen, &at));) {
		struct heap_seen *s = slot->value;

		if (!s->program || s->program->reported || (s->probed && !s->program->go))
			continue;
		if (!s->since_ns)
			s->since_ns = now_ns;
		if (!last && now_ns - s->since_ns < BLIND_NS)
			continue;
		s->program->reported = true;
		tell_blind(p, slot->key.a, s);
	}
}

void heap_probes_follow(struct heap_probes *p, uint32_t pid)
{
	if (!p->detached)
		reach_join(p->reach, pid);
}

void heap_probes_step(struct heap_probes *p, uint64_t now_ns)
{
	reach_hold(p->reach, memory_maps_locked());
	reach_step(p->reach, p->procfs, now_ns);
}

struct reach *heap_probes_reach(const struct heap_probes *p)
{
	return p->reach;
}

bool heap_probes_is_at(const struct heap_probes *p, uint64_t inode, uint64_t offset)
{
	return reach_is_at(p->reach, inode, offset);
}

/* Processes that join from now on get no probes. */
void heap_probes_detach(struct heap_probes *p)
{
	p->detached = true;
	reach_remove_all(p->sets, p->used);
	memset(p->sets, 0, sizeof(p->sets));
}

void heap_probes_close(struct heap_probes *p)
{
	struct table_slot *slot;

	if (!p)
		return;
	heap_probes_detach(p);
	reach_close(p->reach);
	for (uint32_t i = 0; i < p->used; i++)
		attached_free(p->attached[i]);
	for (size_t at = 0; (slot = table_next(&p->known, &at));)
		free(slot->value);
	table_free(&p->known);
	for (size_t at = 0; (slot = table_next(&p->seen, &at));)
		free(slot->value);
	table_free(&p->seen);
	libraries_close(p->libraries);
	free(p);
}
