/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * space.c - maps parsed line by line, files opened through map_files: exactly what is mapped, in
 * whatever container, deleted or replaced.
 */
#include "space.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "../base/file.h"
#include "../base/table.h"
#include "procfs.h"

#define NS_PER_SECOND  1000000000ULL
#define SPACES_MAX     512
#define MAPPINGS_MAX   65536
#define WAIT_FIRST_NS  1000000ULL /* before maps are read again in vain */
#define WAIT_LAST_NS   NS_PER_SECOND
#define JIT_WAIT_NS    (NS_PER_SECOND / 2)
#define JIT_NAMED_MAX  50000 /* names kept of one process */
#define JIT_MAPS_BYTES (64UL << 20)

struct space {
	uint32_t pid;
	uint64_t start_ns;
	struct mapping *mappings; /* by address */
	size_t count;
	uint64_t used;
	uint64_t read_ns, wait_ns;
	bool is_gone;
	uint32_t image; /* the program that it runs; 0 not said */

	struct jit_map *jit;
	uint64_t jit_read_ns;
	uint32_t jit_named;
	uint32_t inner_pid; /* in its own pid namespace */
	uid_t owner;
	struct spaces *all; /* for the folders of space_roots */
};

struct spaces {
	struct modules *modules;
	struct table table; /* by pid and start */
	uint64_t clock;
	int proc, host;
};

/* Mappings in the making, beside those there were. */
struct reading {
	struct spaces *ss;
	const struct space *old;
	struct mapping *mappings;
	size_t count, room, at; /* at: in the old ones */
	int dir;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_SECOND + (uint64_t)t.tv_nsec;
}

int spaces_open(struct spaces **out, struct modules *modules, int proc, int host)
{
	struct spaces *ss = calloc(1, sizeof(*ss));

	if (!ss)
		return -ENOMEM;
	ss->modules = modules;
	ss->proc = proc;
	ss->host = host;
	*out = ss;
	return 0;
}

static void mappings_free(struct mapping *mappings, size_t count)
{
	for (size_t i = 0; i < count; i++)
		module_put(mappings[i].module);
	free(mappings);
}

static void space_free(struct space *s)
{
	mappings_free(s->mappings, s->count);
	jit_map_close(s->jit);
	free(s);
}

void spaces_close(struct spaces *ss)
{
	size_t at = 0;

	if (!ss)
		return;
	for (struct table_slot *slot; (slot = table_next(&ss->table, &at));)
		space_free(slot->value);
	table_free(&ss->table);
	free(ss);
}

static struct mapping *reading_add(struct reading *r)
{
	if (r->count == r->room) {
		size_t room = r->room ? 2 * r->room : 64;
		struct mapping *grown = room > MAPPINGS_MAX
						? NULL
						: realloc(r->mappings, room * sizeof(*grown));

		if (!grown)
			return NULL;
		r->mappings = grown;
		r->room = room;
	}
	return memset(&r->mappings[r->count++], 0, sizeof(struct mapping));
}

/* What was mapped there before, if it is the same; both lists go by address. */
static const struct mapping *same_as_before(struct reading *r, const struct mapping *m)
{
	const struct mapping *old;

	while (r->at < r->old->count && r->old->mappings[r->at].start < m->start)
		r->at++;
	if (r->at == r->old->count)
		return NULL;
	old = &r->old->mappings[r->at];
	if (old->start != m->start || old->end != m->end || old->offset != m->offset ||
	    old->device != m->device || old->inode != m->inode)
		return NULL;
	return old;
}

/* Without the right to open what is mapped, what is at its path, if that is the same file. */
static int open_path(struct reading *r, const struct mapping *m, const char *path)
{
	int root = openat(r->dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
	struct stat st;

	if (root < 0)
		return -1;
	fd = file_open_in(root, path, 0);
	close(root);
	if (fd >= 0 && (fstat(fd, &st) || st.st_dev != m->device || st.st_ino != m->inode)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Devices are not opened: that can have effects. */
static int open_mapping(struct reading *r, const struct mapping *m, const char *path)
{
	struct stat st;
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "map_files/%llx-%llx", (unsigned long long)m->start,
		 (unsigned long long)m->end);
	if (!fstatat(r->dir, name, &st, 0) && !S_ISREG(st.st_mode))
		return -1;
	fd = openat(r->dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd >= 0 ? fd : open_path(r, m, path);
}

static void mapping_file(struct reading *r, struct mapping *m, char *path)
{
	char *deleted = strstr(path, " (deleted)");
	int fd = open_mapping(r, m, path);

	if (deleted && !deleted[10])
		*deleted = '\0';
	if (fd >= 0) {
		m->module = modules_get(r->ss->modules, fd, path);
		close(fd);
	}
	if (!m->module || !module_is_read(m->module))
		m->kind = MAPPING_ANONYMOUS;
}

static void mapping_kernel(struct reading *r, struct mapping *m, const char *path)
{
	m->kind = !strcmp(path, "[uprobes]") ? MAPPING_UPROBES : MAPPING_ANONYMOUS;
	if (!strcmp(path, "[vdso]"))
		m->module = modules_vdso(r->ss->modules, m->end - m->start);
	if (m->module)
		m->kind = MAPPING_FILE;
}

/* "start-end perms offset major:minor inode   path" */
static bool parse_line(char *line, struct mapping *m, char **path)
{
	uint64_t major, minor;
	char *at;

	m->start = strtoull(line, &at, 16);
	if (*at != '-')
		return false;
	m->end = strtoull(at + 1, &at, 16);
	if (at[0] != ' ' || strlen(at) < 6 || at[3] != 'x')
		return false;
	m->offset = strtoull(at + 6, &at, 16);
	major = strtoull(at, &at, 16);
	if (*at != ':')
		return false;
	minor = strtoull(at + 1, &at, 16);
	m->device = makedev((unsigned int)major, (unsigned int)minor);
	m->inode = strtoull(at, &at, 10);
	while (*at == ' ')
		at++;
	*path = at;
	return true;
}

static void reading_line(struct reading *r, char *line)
{
	struct mapping found = {.start = 0}, *m;
	const struct mapping *old;
	char *path;

	if (!parse_line(line, &found, &path) || !(m = reading_add(r)))
		return;
	*m = found;
	old = same_as_before(r, m);
	if (old) {
		m->kind = old->kind;
		m->module = old->module ? module_again(old->module) : NULL;
	} else if (m->inode) {
		mapping_file(r, m, path);
	} else {
		mapping_kernel(r, m, path);
	}
}

/* The kernel gives whole lines; those of the longest paths have some 4,200 bytes. */
static int read_maps(struct reading *r)
{
	int fd = openat(r->dir, "maps", O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	char line[8192];

	if (!file) {
		if (fd >= 0)
			close(fd);
		return -ESRCH;
	}
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		reading_line(r, line);
	}
	fclose(file);
	return 0;
}

/* Field 22; comm, the second, may hold anything, but nothing after the last ')' is its. */
static uint64_t start_of(int dir)
{
	long hertz = sysconf(_SC_CLK_TCK);
	char text[2048], *at;

	if (file_read(dir, "stat", text, sizeof(text)) <= 0 || !(at = strrchr(text, ')')))
		return 0;
	for (int field = 2; field < 22 && at; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) * (NS_PER_SECOND / (uint64_t)(hertz > 0 ? hertz : 100))
		  : 0;
}

static void read_owner(struct space *s, int dir)
{
	char text[4096], *at;

	if (file_read(dir, "status", text, sizeof(text)) <= 0)
		return;
	at = strstr(text, "\nUid:");
	if (at)
		s->owner = (uid_t)strtoul(at + 5, NULL, 10);
	at = strstr(text, "\nNSpid:");
	if (!at)
		return;
	at[strcspn(at + 1, "\n") + 1] = '\0';
	at = strrchr(at, '\t');
	s->inner_pid = at ? (uint32_t)strtoul(at, NULL, 10) : s->pid;
}

static int open_process(const struct spaces *ss, const struct space *s)
{
	char name[16];
	int dir;

	snprintf(name, sizeof(name), "%u", s->pid);
	dir = openat(ss->proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0 && !procfs_same_start(start_of(dir), s->start_ns)) {
		close(dir);
		return -ESRCH;
	}
	return dir;
}

/* A process that is ending has an empty list: what it had before stays. */
static void space_read(struct spaces *ss, struct space *s)
{
	struct reading r = {.ss = ss, .old = s, .dir = s->is_gone ? -1 : open_process(ss, s)};

	s->read_ns = now_ns();
	if (r.dir < 0) {
		s->is_gone = true;
		return;
	}
	read_maps(&r);
	if (!s->inner_pid)
		read_owner(s, r.dir);
	close(r.dir);
	if (!r.count) {
		free(r.mappings);
		return;
	}
	mappings_free(s->mappings, s->count);
	s->mappings = r.mappings;
	s->count = r.count;
}

static void make_room(struct spaces *ss)
{
	struct space *oldest = NULL;
	size_t at = 0;

	if (ss->table.count < SPACES_MAX)
		return;
	for (struct table_slot *slot; (slot = table_next(&ss->table, &at));) {
		struct space *s = slot->value;

		if (!oldest || s->used < oldest->used)
			oldest = s;
	}
	table_remove(&ss->table, (struct table_key){oldest->pid, oldest->start_ns});
	space_free(oldest);
}

struct space *spaces_get(struct spaces *ss, uint32_t pid, uint64_t start_ns)
{
	struct table_key key = {pid, start_ns};
	struct space *s = table_get(&ss->table, key);

	if (!s) {
		make_room(ss);
		s = calloc(1, sizeof(*s));
		if (!s || table_put(&ss->table, key, s)) {
			free(s);
			return NULL;
		}
		s->pid = pid;
		s->start_ns = start_ns;
		s->all = ss;
		s->wait_ns = WAIT_FIRST_NS;
		space_read(ss, s);
	}
	s->used = ++ss->clock;
	return s;
}

void space_renew(struct spaces *ss, struct space *s)
{
	space_read(ss, s);
}

void space_renew_for(struct spaces *ss, struct space *s, uint32_t image)
{
	if (s->image && image && s->image != image)
		space_read(ss, s);
	if (image)
		s->image = image;
}

void space_inherit(struct space *s, const struct space *parent)
{
	size_t bytes = parent->count * sizeof(*s->mappings);
	struct mapping *copy = s->count || !bytes ? NULL : malloc(bytes);

	if (!copy)
		return;
	memcpy(copy, parent->mappings, bytes);
	for (size_t i = 0; i < parent->count; i++)
		if (copy[i].module)
			module_again(copy[i].module);
	s->mappings = copy;
	s->count = parent->count;
}

bool space_is_empty(const struct space *s)
{
	return !s->count;
}

static const struct mapping *find(const struct space *s, uint64_t address)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->mappings[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < s->count && s->mappings[low].start <= address ? &s->mappings[low] : NULL;
}

/* Each time in vain makes the next one later. */
const struct mapping *space_find(struct spaces *ss, struct space *s, uint64_t address)
{
	const struct mapping *m = find(s, address);

	if (m || s->is_gone || now_ns() - s->read_ns < s->wait_ns)
		return m;
	space_read(ss, s);
	m = find(s, address);
	s->wait_ns = m ? WAIT_FIRST_NS : 2 * s->wait_ns;
	if (s->wait_ns > WAIT_LAST_NS)
		s->wait_ns = WAIT_LAST_NS;
	return m;
}

static struct debug_roots roots_open(void *context)
{
	const struct space *s = context;
	struct debug_roots roots = {{s->all->host, -1}};
	int dir = s->is_gone ? -1 : open_process(s->all, s);

	if (dir >= 0) {
		roots.fd[1] = openat(dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
		close(dir);
	}
	return roots;
}

static void roots_close(void *context, struct debug_roots *roots)
{
	(void)context;
	if (roots->fd[1] >= 0)
		close(roots->fd[1]);
}

struct module_roots space_roots(struct space *s)
{
	return (struct module_roots){roots_open, roots_close, s};
}

static void jit_forget(struct space *s)
{
	jit_map_close(s->jit);
	s->jit = NULL;
	s->jit_read_ns = 0;
	s->jit_named = 0;
}

/* All maps of code together have a limit: then those of other processes are forgotten. */
static void jit_make_room(struct spaces *ss, const struct space *but)
{
	size_t at = 0, bytes = 0;

	for (struct table_slot *slot; (slot = table_next(&ss->table, &at));) {
		const struct space *s = slot->value;

		bytes += s->jit ? jit_map_size(s->jit) : 0;
	}
	for (at = 0; bytes > JIT_MAPS_BYTES;) {
		struct table_slot *slot = table_next(&ss->table, &at);
		struct space *s = slot ? slot->value : NULL;

		if (!s)
			return;
		if (s == but || !s->jit)
			continue;
		bytes -= jit_map_size(s->jit);
		jit_forget(s);
	}
}

static void jit_read(struct spaces *ss, struct space *s)
{
	struct debug_roots roots;
	char path[64];

	if (s->is_gone || (s->jit_read_ns && now_ns() - s->jit_read_ns < JIT_WAIT_NS))
		return;
	if (!s->jit)
		s->jit = jit_map_open();
	roots = roots_open(s);
	snprintf(path, sizeof(path), "/tmp/perf-%u.map", s->inner_pid);
	if (s->jit && roots.fd[1] >= 0)
		jit_map_read(s->jit, roots.fd[1], path, s->owner);
	roots_close(s, &roots);
	s->jit_read_ns = now_ns();
	jit_make_room(ss, s);
}

struct known *space_jit(struct spaces *ss, struct space *s, uint64_t address)
{
	struct jit_symbol *symbol;

	if (s->jit_named > JIT_NAMED_MAX)
		jit_forget(s);
	symbol = s->jit ? jit_map_find(s->jit, address) : NULL;
	if (!symbol) {
		jit_read(ss, s);
		symbol = s->jit ? jit_map_find(s->jit, address) : NULL;
	}
	if (symbol && !symbol->known) {
		char buf[JIT_NAME_MAX];
		struct frame frame;

		jit_map_name(s->jit, symbol, buf, &frame);
		symbol->known = known_make(&frame);
		s->jit_named++;
	}
	return symbol ? symbol->known : NULL;
}
