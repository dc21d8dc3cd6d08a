/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * module.c - known places come from a table, new ones from symbol.c, under guard.
 */
#include "user/capture/stack/native/module.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "user/base/table.h"
#include "user/capture/stack/native/symbol.h"

#define NS_PER_SECOND 1000000000ULL
#define MODULES_MAX   1024 /* beyond, files are forgotten that no process maps, as far as known */
#define PLACES_MAX    100000
#define AWAKE_MAX     64		   /* files whose debug information is in memory */
#define HEAP_MAX      (160UL << 20)	   /* beyond, debug information is released */
#define FILE_NS	      (10 * NS_PER_SECOND) /* per file; then its lines are not read */
#define FRAMES_MAX    48		   /* of one place */

struct module {
	struct module_identity identity;
	struct symbols *symbols; /* NULL: not read */
	struct table places;	 /* by address */
	char *path;
	uint64_t used, spent_ns;
	uint32_t references;
};

struct modules {
	struct guard *guard;
	struct table table; /* by device and inode */
	struct module *vdso;
	uint64_t clock; /* counts uses */
	size_t places;
};

int modules_open(struct modules **out, struct guard *guard)
{
	struct modules *ms = calloc(1, sizeof(*ms));

	if (!ms)
		return -ENOMEM;
	ms->guard = guard;
	*out = ms;
	return 0;
}

static void place_free(struct code_place *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->frames[i]);
	free(p->frames);
	free(p->rule);
	free(p);
}

static void places_forget(struct modules *ms, struct module *m)
{
	size_t at = 0;

	ms->places -= m->places.count;
	for (struct table_slot *slot; (slot = table_next(&m->places, &at));)
		place_free(slot->value);
	table_free(&m->places);
}

static void module_free(struct modules *ms, struct module *m)
{
	places_forget(ms, m);
	symbols_close(m->symbols);
	free(m->path);
	free(m);
}

void modules_close(struct modules *ms)
{
	size_t at = 0;

	if (!ms)
		return;
	for (struct table_slot *slot; (slot = table_next(&ms->table, &at));)
		module_free(ms, slot->value);
	if (ms->vdso)
		module_free(ms, ms->vdso);
	table_free(&ms->table);
	free(ms);
}

static struct table_key module_key_of(const struct module_identity *i)
{
	return (struct table_key){i->inode, i->device ^ i->stamp << 16};
}

/* Finds the module that was used longest ago and that nothing refers to. */
static struct module *unused(const struct modules *ms)
{
	struct module *oldest = NULL;
	size_t at = 0;

	for (struct table_slot *slot; (slot = table_next(&ms->table, &at));) {
		struct module *m = slot->value;

		if (!m->references && (!oldest || m->used < oldest->used))
			oldest = m;
	}
	return oldest;
}

static void module_make_room(struct modules *ms)
{
	struct module *m = ms->table.count < MODULES_MAX ? NULL : unused(ms);

	if (!m)
		return;
	table_remove(&ms->table, module_key_of(&m->identity));
	module_free(ms, m);
}

static void module_read(struct modules *ms, struct module *m, int fd)
{
	struct elf_map map;

	if (!guard_allows(ms->guard, GUARD_CODE, m->identity.device, m->identity.inode))
		return;
	guard_enter(ms->guard, GUARD_CODE, m->identity.device, m->identity.inode);
	if (!elf_map_open(&map, fd))
		symbols_open(&m->symbols, &map, m->path);
	m->spent_ns += guard_leave(ms->guard);
}

static struct module *module_new(struct modules *ms, const struct module_identity *identity, int fd,
				 const char *path)
{
	struct module *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->identity = *identity;
	m->used = ++ms->clock;
	m->path = strdup(path);
	module_make_room(ms);
	if (!m->path || table_put(&ms->table, module_key_of(identity), m)) {
		free(m->path);
		free(m);
		return NULL;
	}
	module_read(ms, m, fd);
	return m;
}

struct module *modules_find(struct modules *ms, const struct module_identity *identity)
{
	struct module *m = table_get(&ms->table, module_key_of(identity));

	if (!m)
		return NULL;
	m->used = ++ms->clock;
	return module_again(m);
}

struct module *modules_add(struct modules *ms, const struct module_identity *identity, int fd,
			   const char *path)
{
	struct module *m = module_new(ms, identity, fd, path);

	return m ? module_again(m) : NULL;
}

/* Copies the vDSO of this process, since all processes have the same. */
static struct module *vdso_new(uint64_t size)
{
	const void *code = (const void *)getauxval(AT_SYSINFO_EHDR);
	struct module *m = code ? calloc(1, sizeof(*m)) : NULL;
	void *copy = m && size ? malloc(size) : NULL;
	struct elf_map map;

	if (!copy) {
		free(m);
		return NULL;
	}
	memcpy(copy, code, size);
	m->path = strdup("[vdso]");
	if (!m->path)
		free(copy);
	else if (!elf_map_bytes(&map, copy, size))
		symbols_open(&m->symbols, &map, m->path);
	return m;
}

/* Returns how many bytes of the vDSO are mapped in this process. */
static uint64_t vdso_size(void)
{
	const Elf64_Ehdr *head = (const void *)getauxval(AT_SYSINFO_EHDR);
	uint64_t end = head ? head->e_shoff + (uint64_t)head->e_shnum * head->e_shentsize : 0;

	return (end + 4095) & ~4095ULL;
}

struct module *modules_vdso(struct modules *ms, uint64_t size)
{
	if (size != vdso_size())
		return NULL;
	if (!ms->vdso)
		ms->vdso = vdso_new(size);
	return ms->vdso ? module_again(ms->vdso) : NULL;
}

struct module *module_again(struct module *m)
{
	m->references++;
	return m;
}

void module_put(struct module *m)
{
	if (m)
		m->references--;
}

bool module_is_read(const struct module *m)
{
	return m->symbols;
}

const char *module_path(const struct module *m)
{
	return m->path;
}

/* Forgets all places of the file used longest ago, if need be of this one. */
static void places_make_room(struct modules *ms)
{
	struct module *oldest = NULL;
	size_t at = 0;

	for (struct table_slot *slot; (slot = table_next(&ms->table, &at));) {
		struct module *m = slot->value;

		if (m->places.count && (!oldest || m->used < oldest->used))
			oldest = m;
	}
	if (oldest)
		places_forget(ms, oldest);
}

struct code_place *module_place(struct modules *ms, struct module *m, uint64_t offset)
{
	struct table_key key = {offset, 0};
	struct code_place *p = table_get(&m->places, key);
	uint64_t address;

	m->used = ++ms->clock;
	if (p || !m->symbols || !symbols_address(m->symbols, offset, &address))
		return p;
	if (ms->places >= PLACES_MAX)
		places_make_room(ms);
	p = calloc(1, sizeof(*p));
	if (!p || table_put(&m->places, key, p)) {
		free(p);
		return NULL;
	}
	ms->places++;
	return p;
}

static bool heap_is_full(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd > HEAP_MAX;
}

static struct module *awake_longest(const struct modules *ms, size_t *awake)
{
	struct module *oldest = NULL;
	size_t at = 0;

	*awake = 0;
	for (struct table_slot *slot; (slot = table_next(&ms->table, &at));) {
		struct module *m = slot->value;

		if (!m->symbols || !symbols_are_awake(m->symbols))
			continue;
		++*awake;
		if (!oldest || m->used < oldest->used)
			oldest = m;
	}
	return oldest;
}

/* Releases debug information, that of the file used longest ago first. */
static void heap_make_room(struct modules *ms)
{
	size_t awake;
	struct module *m = awake_longest(ms, &awake);

	if (!m || (awake <= AWAKE_MAX && !heap_is_full()))
		return;
	do {
		symbols_rest(m->symbols);
		m = awake_longest(ms, &awake);
	} while (m && (awake > AWAKE_MAX / 2 || heap_is_full()));
	malloc_trim(0);
}

/* A look into a file. */
struct module_look {
	struct modules *ms;
	struct module *m;
	bool sources; /* lines may be read */
};

static void look_begin(struct module_look *look)
{
	const struct module *m = look->m;
	struct guard *guard = look->ms->guard;

	look->sources = m->spent_ns < FILE_NS &&
			guard_allows(guard, GUARD_SOURCES, m->identity.device, m->identity.inode);
	guard_enter(guard, look->sources ? GUARD_SOURCES : GUARD_CODE, m->identity.device,
		    m->identity.inode);
}

static void look_end(struct module_look *look)
{
	look->m->spent_ns += guard_leave(look->ms->guard);
	heap_make_room(look->ms);
}

void module_rule(struct modules *ms, struct module *m, uint64_t offset, struct code_place *place,
		 const struct debug_files *files)
{
	struct module_look look = {ms, m, false};
	uint64_t address;

	place->ruled = true;
	if (!symbols_address(m->symbols, offset, &address))
		return;
	look_begin(&look);
	place->rule = symbols_rule(m->symbols, files, address, look.sources);
	look_end(&look);
}

static void keep_frame(void *context, const struct frame *frame)
{
	struct code_place *p = context;
	struct known **grown;

	if (p->count == FRAMES_MAX)
		return;
	grown = realloc(p->frames, (p->count + 1U) * sizeof(*grown));
	if (!grown)
		return;
	p->frames = grown;
	p->frames[p->count] = known_make(frame);
	p->count += p->frames[p->count] != NULL;
}

void module_name(struct modules *ms, struct module *m, uint64_t offset, struct code_place *place,
		 const struct debug_files *files)
{
	struct module_look look = {ms, m, false};
	uint64_t address;

	place->named = true;
	if (!symbols_address(m->symbols, offset, &address))
		return;
	look_begin(&look);
	symbols_name(m->symbols, files, address, look.sources, keep_frame, place);
	look_end(&look);
}
