/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * space.c - reads lists of mappings, and asks for the files that are new among them.
 */
#include "user/capture/stack/native/space.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/table.h"
#include "user/capture/stack/native/supply.h"
#include "user/system/clock.h"

#define NS_PER_SECOND  1000000000ULL
#define SPACES_MAX     512
#define MAPPINGS_MAX   65536
#define PATHS_MAX      (8U << 20)
#define WAIT_FIRST_NS  1000000ULL /* before maps are read again; each read in vain doubles it */
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
	uint32_t image; /* the program that it runs (raw_stack.image); 0 not known */

	struct jit_map *jit;
	uint64_t jit_read_ns;
	uint32_t jit_named;
	struct spaces *all; /* for space_files */
};

struct spaces {
	struct modules *modules;
	struct table table; /* by pid and start */
	uint64_t clock;
	int asking;
	union {
		struct supply_reply reply;
		uint8_t bytes[SUPPLY_PACKET_MAX];
	} in;
};

/* A new list of mappings while it is read, beside the old one. */
struct space_reading {
	struct spaces *ss;
	const struct space *old;
	struct mapping *mappings;
	size_t count, room, at; /* at: in the old ones */
	char *paths;		/* of those that are new */
	size_t used, paths_room;
	struct supply_request ask;
	uint32_t path[SUPPLY_INDEXES_MAX]; /* offsets in paths of the files in ask.index */
};

int spaces_open(struct spaces **out, struct modules *modules, int asking)
{
	struct spaces *ss = calloc(1, sizeof(*ss));

	if (!ss)
		return -ENOMEM;
	ss->modules = modules;
	ss->asking = asking;
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

static struct mapping *reading_add(struct space_reading *r)
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

/* Finds the same mapping in the old list; NULL: it is new.  Both lists are sorted by address. */
static const struct mapping *same_as_before(struct space_reading *r, const struct mapping *m)
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

/* Keeps the path of a mapping until it is known whether its file is new. */
static bool keep_path(struct space_reading *r, const struct supply_mapping *m, uint32_t *at)
{
	size_t wanted = r->used + m->path_size, room = r->paths_room ? r->paths_room : 4096;
	char *grown;

	while (room < wanted)
		room *= 2;
	if (room > PATHS_MAX)
		return false;
	if (room != r->paths_room) {
		grown = realloc(r->paths, room);
		if (!grown)
			return false;
		r->paths = grown;
		r->paths_room = room;
	}
	memcpy(r->paths + r->used, m->path, m->path_size);
	*at = (uint32_t)r->used;
	r->used = wanted;
	return true;
}

static int space_ask(struct space_reading *r, enum supply_kind kind, int *fd)
{
	r->ask.kind = kind;
	return supply_ask(r->ss->asking, &r->ask, &r->ss->in.reply, fd);
}

static struct module_identity identity_of(const struct supply_file *file)
{
	return (struct module_identity){file->device, file->inode, file->changed_ns + file->size};
}

/* Opens a file that was not seen before, and reads it as a module. */
static struct module *open_file(struct space_reading *r, uint32_t index, const char *path)
{
	const struct supply_file *file = (const void *)r->ss->in.reply.bytes;
	struct supply_request all = r->ask;
	struct module_identity identity;
	struct module *module = NULL;
	int fd, got;

	r->ask.count = 1;
	r->ask.index[0] = index;
	got = space_ask(r, SUPPLY_FILE, &fd);
	r->ask = all;
	if (got >= (int)sizeof(*file) && file->inode && fd >= 0) {
		identity = identity_of(file);
		module = modules_find(r->ss->modules, &identity);
		if (!module)
			module = modules_add(r->ss->modules, &identity, fd, path);
	}
	if (fd >= 0)
		close(fd);
	return module;
}

/* Asks which files the collected indexes are, and opens those that are new. */
static void ask_files(struct space_reading *r)
{
	struct supply_file files[SUPPLY_INDEXES_MAX] = {0};
	int got = r->ask.count ? space_ask(r, SUPPLY_FILES, NULL) : -1;

	if (got > 0)
		memcpy(files, r->ss->in.reply.bytes,
		       (size_t)got < sizeof(files) ? (size_t)got : sizeof(files));
	for (uint32_t i = 0; i < r->ask.count; i++) {
		struct mapping *m = &r->mappings[r->ask.index[i]];
		struct module_identity identity = identity_of(&files[i]);

		if (files[i].inode)
			m->module = modules_find(r->ss->modules, &identity);
		if (files[i].inode && !m->module)
			m->module = open_file(r, r->ask.index[i], r->paths + r->path[i]);
		if (!m->module || !module_is_read(m->module))
			m->kind = MAPPING_ANONYMOUS;
	}
	r->ask.count = 0;
}

/* Collects the index of a file.  When SUPPLY_INDEXES_MAX are collected, asks for all of them. */
static void want_file(struct space_reading *r, uint32_t index, uint32_t path)
{
	if (r->ask.count == SUPPLY_INDEXES_MAX)
		ask_files(r);
	r->path[r->ask.count] = path;
	r->ask.index[r->ask.count++] = index;
}

static void mapping_kernel(struct space_reading *r, struct mapping *m)
{
	if (m->kind != MAPPING_VDSO)
		return;
	m->module = modules_vdso(r->ss->modules, m->end - m->start);
	m->kind = m->module ? MAPPING_FILE : MAPPING_ANONYMOUS;
}

/* Adds a mapping to the list.  New files are asked for when the whole list is known. */
static void reading_add_one(struct space_reading *r, const struct supply_mapping *found)
{
	const struct mapping *old;
	struct mapping *m = reading_add(r);

	if (!m)
		return;
	m->start = found->start;
	m->end = found->end;
	m->offset = found->offset;
	m->device = found->device;
	m->inode = found->inode;
	m->kind = found->kind;
	old = same_as_before(r, m);
	if (old) {
		m->kind = old->kind;
		m->module = old->module ? module_again(old->module) : NULL;
	} else if (m->kind != MAPPING_FILE) {
		mapping_kernel(r, m);
	} else if (!keep_path(r, found, &m->path)) {
		m->kind = MAPPING_ANONYMOUS;
	} else {
		m->is_new = true;
	}
}

static void reading_take(struct space_reading *r, size_t size)
{
	const uint8_t *at = r->ss->in.reply.bytes, *end = at + size;

	while ((size_t)(end - at) >= sizeof(struct supply_mapping)) {
		const struct supply_mapping *m = (const void *)at;

		reading_add_one(r, m);
		at += (sizeof(*m) + m->path_size + 7) & ~(size_t)7;
	}
}

static int read_maps(struct space_reading *r)
{
	int got;

	r->ask.index[0] = 0;
	do {
		r->ask.count = 1;
		got = space_ask(r, SUPPLY_MAPS, NULL);
		if (got < 0)
			return got;
		reading_take(r, (size_t)got);
		r->ask.index[0] = r->ss->in.reply.more;
	} while (r->ss->in.reply.more);
	r->ask.count = 0;
	for (size_t i = 0; i < r->count; i++)
		if (r->mappings[i].is_new)
			want_file(r, (uint32_t)i, r->mappings[i].path);
	ask_files(r);
	return 0;
}

/* Reads the maps.  A process that is ending has an empty list; then the old list stays. */
static void space_read(struct spaces *ss, struct space *s)
{
	struct space_reading r = {.ss = ss, .old = s};

	s->read_ns = clock_monotonic_ns();
	r.ask.pid = s->pid;
	r.ask.start_ns = s->start_ns;
	if (!s->is_gone && read_maps(&r))
		s->is_gone = true;
	free(r.paths);
	if (!r.count) {
		free(r.mappings);
		return;
	}
	mappings_free(s->mappings, s->count);
	s->mappings = r.mappings;
	s->count = r.count;
}

static void space_make_room(struct spaces *ss)
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
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) a full table has an oldest */
	table_remove(&ss->table, (struct table_key){oldest->pid, oldest->start_ns});
	space_free(oldest);
}

struct space *spaces_get(struct spaces *ss, uint32_t pid, uint64_t start_ns)
{
	struct table_key key = {pid, start_ns};
	struct space *s = table_get(&ss->table, key);

	if (!s) {
		space_make_room(ss);
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

static const struct mapping *space_find_mapping(const struct space *s, uint64_t address)
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

/* Reads the maps again for an unknown address.  Each read in vain makes the next one later. */
const struct mapping *space_find(struct spaces *ss, struct space *s, uint64_t address)
{
	const struct mapping *m = space_find_mapping(s, address);

	if (m || s->is_gone || clock_monotonic_ns() - s->read_ns < s->wait_ns)
		return m;
	space_read(ss, s);
	m = space_find_mapping(s, address);
	s->wait_ns = m ? WAIT_FIRST_NS : 2 * s->wait_ns;
	if (s->wait_ns > WAIT_LAST_NS)
		s->wait_ns = WAIT_LAST_NS;
	return m;
}

static void take_text(char to[SUPPLY_NAME_MAX], const char *text)
{
	if (text && strlen(text) < SUPPLY_NAME_MAX)
		strcpy(to, text);
}

static int open_debug(void *context, const struct debug_name *name, uint32_t *candidate)
{
	const struct space_files *files = context;
	const struct space *s = files->space;
	struct supply_request ask = {.kind = SUPPLY_DEBUG, .pid = s->pid, .start_ns = s->start_ns};
	int fd, got;

	ask.start = files->mapping->start;
	ask.end = files->mapping->end;
	ask.candidate = *candidate;
	if (name->id_size && name->id_size <= sizeof(ask.build_id)) {
		ask.id_size = (uint32_t)name->id_size;
		memcpy(ask.build_id, name->build_id, name->id_size);
	}
	take_text(ask.link, name->link);
	take_text(ask.alternate, name->alternate);
	got = supply_ask(s->all->asking, &ask, &s->all->in.reply, &fd);
	*candidate = s->all->in.reply.more;
	return got < 0 || fd < 0 ? -ENOENT : fd;
}

struct debug_files space_files(struct space_files *context)
{
	return (struct debug_files){open_debug, context};
}

static void jit_forget(struct space *s)
{
	jit_map_close(s->jit);
	s->jit = NULL;
	s->jit_read_ns = 0;
	s->jit_named = 0;
}

/* Keeps all JIT maps together within JIT_MAPS_BYTES by forgetting those of other processes. */
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
	struct supply_request ask = {.kind = SUPPLY_JIT, .pid = s->pid, .start_ns = s->start_ns};
	int fd;

	if (s->is_gone || (s->jit_read_ns && clock_monotonic_ns() - s->jit_read_ns < JIT_WAIT_NS))
		return;
	if (!s->jit)
		s->jit = jit_map_open();
	if (s->jit && supply_ask(ss->asking, &ask, &ss->in.reply, &fd) >= 0 && fd >= 0) {
		jit_map_read(s->jit, fd);
		close(fd);
	}
	s->jit_read_ns = clock_monotonic_ns();
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
