/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * library_attach.c - from a library's file to probes in it: which functions, where, and where they
 * end.
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

/* --- from a file to probes in it ----------------------------------------------------------- */

static unsigned int argument_bits(const struct probe_row *row)
{
	static const unsigned int bits[] = {0,	      PROBE_RDI, PROBE_RSI, PROBE_RDX, PROBE_RCX,
					    PROBE_R8, PROBE_R9,	 0,	    0};

	return bits[row->handle & ~FROM_OUT] | bits[row->parent & ~FROM_OUT] |
	       bits[row->text & ~FROM_OUT] | bits[row->text_length & ~FROM_OUT];
}

/* The place of a probe, and where the arguments are there. */
struct attach_spot {
	uint64_t offset; /* in the file */
	bool cheap;
	int32_t outer;	/* as in struct probe */
	uint32_t stack; /* likewise */
	uint8_t holder[PROBE_ARGUMENTS];
};

/* Chooses where to probe a function: at its entry if the file's worker knows no better point. */
static struct attach_spot choose_spot(const struct clients *c, struct elf_file *elf,
				      const struct elf_symbol *symbol, const struct probe_row *row,
				      bool returns)
{
	struct attach_spot spot = {.offset = symbol->offset, .holder = {1, 2, 3, 4, 5, 6}};
	bool tls = row->role >= PROBE_TLS_WRITE; /* these read the argument registers */
	const struct file_wish wish = {
		.function = *symbol,
		.arguments = argument_bits(row) | (tls ? PROBE_UNMOVED : 0),
		.with_return = returns,
		.inner = !tls && !c->host.at_entry,
	};
	struct file_point found;

	if (file_point_find(elf, &wish, &found))
		return spot;
	spot.cheap = found.at.cheap && !found.at.delta;
	if (c->host.at_entry || spot.cheap)
		return spot;
	if (found.inner) {
		spot.offset = found.inner;
		spot.cheap = true;
		spot.outer = (int32_t)(symbol->offset + found.after - found.inner);
		spot.stack = found.stack;
		memcpy(spot.holder, found.holder, sizeof(spot.holder));
		return spot;
	}
	if (!found.at.cheap && tls)
		return spot;
	spot.offset += found.at.delta;
	spot.cheap = found.at.cheap;
	memcpy(spot.holder, found.at.holder, sizeof(spot.holder));
	return spot;
}

/* Translates the place of a value at the function's entry into its place at the spot. */
static uint8_t source_at(const struct attach_spot *spot, uint8_t source)
{
	uint8_t argument = source & ~FROM_OUT;

	if (argument < FROM_ARG1 || argument > FROM_ARG6 || !spot->holder[argument - FROM_ARG1])
		return source;
	return (source & FROM_OUT) | spot->holder[argument - FROM_ARG1];
}

static struct probe_field field_of(struct elf_file *elf, const char *name, bool deep)
{
	struct probe_field field = {};
	struct elf_symbol symbol;

	if (elf_find(elf, &name, 1, deep, &symbol) == 1)
		file_field_find(elf, &symbol, &field);
	return field;
}

/* The code of a static copy, from the library's first to its last function in the file.  Linkers
 * keep together what was compiled together. */
struct span {
	const char *prefix;
	uint64_t first, end; /* offsets in the file; end 0: not known */
};

static void span_add(void *context, const char *name, const struct elf_symbol *symbol)
{
	struct span *s = context;

	/* Compilers put parts like "name.cold" elsewhere. */
	if (strncmp(name, s->prefix, strlen(s->prefix)) || strchr(name, '.'))
		return;
	if (!s->end || symbol->offset < s->first)
		s->first = symbol->offset;
	if (symbol->offset + symbol->size > s->end)
		s->end = symbol->offset + symbol->size;
}

/* Link-time optimisation does not keep a library's functions together.  A main() between them shows
 * this, and then there is no span. */
static struct span span_of(struct elf_file *elf, const char *prefix)
{
	const char *const program = "main";
	struct span s = {.prefix = prefix};
	struct elf_symbol symbol;

	if (!prefix || elf_each(elf, span_add, &s))
		return (struct span){};
	if (elf_find(elf, &program, 1, true, &symbol) == 1 && symbol.offset >= s.first &&
	    symbol.offset < s.end)
		return (struct span){};
	return s;
}

/* The range of code from which the library calls itself.  0 or -EBADMSG. */
static int own_code(struct elf_file *elf, const struct elf_symbol *symbol, const struct span *span,
		    uint64_t *start, uint64_t *size)
{
	if (!span->end)
		return elf_segment(elf, symbol->offset, start, size) ? -EBADMSG : 0;
	*start = span->first;
	*size = span->end - span->first;
	return symbol->offset >= span->first ? 0 : -EBADMSG;
}

enum group client_group_of(const struct probe_row *row)
{
	bool requests = row->role == PROBE_USE && !(row->flags & PROBE_JOINS);

	if (row->role == PROBE_REWIND)
		return GROUP_RUNS;
	if (row->role >= PROBE_TLS_WRITE)
		return row->role == PROBE_TLS_READ ? GROUP_TLS_READ : GROUP_TLS_WRITE;
	return row->resource == EV_RES_CONNECTION && !requests ? GROUP_CONNECTIONS : GROUP_OBJECTS;
}

/* Two rows may share one probe point, for calls of different functions.  Then the new probe becomes
 * the `next` of the older one and needs no trap of its own.  1: done; 0: no such probe; or -errno.
 */
static int chain(struct clients *c, const struct attached *a, uint32_t cookie)
{
	const struct placed *new = &c->placed[cookie];

	for (uint32_t i = a->first; new->probe.outer &&i < cookie; i++) {
		struct placed *p = &c->placed[i];
		int err;

		if (p->offset != new->offset || !p->probe.outer || p->probe.next ||
		    client_group_of(p->row) != client_group_of(new->row) ||
		    p->returns != new->returns)
			continue;
		p->probe.next = cookie;
		err = kernel_client_probe(c->kernel, i, &p->probe);
		return err ? err : 1;
	}
	return 0;
}

static uint32_t rows_at(const struct attached *a, const struct probe_row *row)
{
	if (row->rows_after == ROWS_COUNTED)
		return a->fields.rows;
	return row->rows_after ? row->rows_after - 1U : UNKNOWN32;
}

/* The probe places of one group. */
struct attach_places {
	struct probe_place *all;
	size_t count, room;
};

static int places_add(struct attach_places *p, struct probe_place place)
{
	size_t room = p->room ? 2 * p->room : ROWS_MOST;
	struct probe_place *all = p->all;

	if (p->count == p->room) {
		all = realloc(all, room * sizeof(*all));
		if (!all)
			return -ENOMEM;
		p->all = all;
		p->room = room;
	}
	p->all[p->count++] = place;
	return 0;
}

/* Finds where calls end that begin at the spot.  0, or -errno: not all ends can be found. */
static int find_exits(struct elf_file *elf, const struct elf_symbol *symbol,
		      const struct probe_row *row, const struct attach_spot *spot,
		      struct probe_exits *exits)
{
	bool own = spot->outer == 0;
	const struct file_function function = {
		.offset = own ? symbol->offset : spot->offset,
		.size = own ? symbol->size : 0,
		.pointer = row->handle == FROM_RETURN,
		.memory = row->handle & FROM_OUT || row->success == SUCCESS_COUNTED ||
			  row->rows_after,
		.begun = spot->offset,
	};

	return file_exits_find(elf, &function, exits);
}

/* Whether the row is useless without its ends: only the result of the call, or what it leaves
 * behind, counts. */
static bool needs_end(const struct probe_row *row)
{
	return row->role == PROBE_ACQUIRE || row->role == PROBE_INSIDE ||
	       row->success != SUCCESS_ANY;
}

static void note_refused(struct attached *a, const char *name)
{
	size_t n = strlen(a->refused_names);

	snprintf(a->refused_names + n, sizeof(a->refused_names) - n, "%s%s", n ? ", " : "", name);
}

static enum debug_topic topic_of(const struct probe_library *l)
{
	return l->bit == EV_LIBRARY_OPENSSL ? DEBUG_TLS : DEBUG_PROBE;
}

/* A row that is to be probed, its spot, and the ends of its calls. */
struct placing {
	const struct probe_row *row;
	const struct elf_symbol *symbol;
	struct attach_spot spot;
	struct probe_exits exits;
	bool returns;
};

/* Chooses where to probe a row.  If its ends cannot be found, a row that is useful without them is
 * probed at its beginning only.  0 or -errno. */
static int choose_places(struct clients *c, struct elf_file *elf, struct placing *p)
{
	int err;

	p->returns = probe_row_returns(p->row);
	p->spot = choose_spot(c, elf, p->symbol, p->row, p->returns);
	p->exits.count = 0;
	if (!p->returns)
		return 0;
	err = find_exits(elf, p->symbol, p->row, &p->spot, &p->exits);
	if (err && p->spot.outer) { /* the row's own function may work instead */
		p->spot = (struct attach_spot){.offset = p->symbol->offset,
					       .holder = {1, 2, 3, 4, 5, 6}};
		err = find_exits(elf, p->symbol, p->row, &p->spot, &p->exits);
	}
	if (!err || needs_end(p->row))
		return err;
	p->returns = false;
	p->spot = choose_spot(c, elf, p->symbol, p->row, false);
	return 0;
}

static struct probe probe_at(const struct attached *a, const struct placing *p, bool is_static)
{
	const struct probe_row *row = p->row;
	const struct attach_spot *spot = &p->spot;

	return (struct probe){
		.rows_at = rows_at(a, row),
		.role = row->role,
		.resource = row->resource,
		.database = a->library->database,
		.success = row->success,
		.handle = source_at(spot, row->handle),
		.parent = source_at(spot, row->parent),
		.text = source_at(spot, row->text),
		.text_length = source_at(spot, row->text_length),
		.outer = spot->outer,
		.stack = spot->stack,
		.since_ns = clock_boot_ns(),
		.flags = row->flags | (p->returns ? PROBE_RETURNS : 0) |
			 (is_static ? PROBE_STATIC : 0),
	};
}

static int add_places(const struct placing *p, uint32_t cookie, struct attach_places *places)
{
	int err = places_add(places,
			     (struct probe_place){.offset = p->spot.offset, .cookie = cookie});

	for (size_t i = 0; i < p->exits.count && !err; i++) {
		const struct probe_exit *exit = &p->exits.all[i];
		const struct probe_place place = {.offset = exit->address,
						  .cookie = probe_exit_cookie(exit, cookie),
						  .leaves = true};

		err = places_add(places, place);
	}
	return err;
}

static bool are_cheap(const struct probe_exits *exits)
{
	for (size_t i = 0; i < exits->count; i++)
		if (!exits->all[i].cheap)
			return false;
	return true;
}

/* Adds one row's places to its group; a chained probe adds none.  0 or -errno. */
static int place(struct clients *c, struct attached *a, struct elf_file *elf,
		 const struct placing *p, bool is_static, const struct span *span,
		 struct attach_places *places)
{
	struct probe probe = probe_at(a, p, is_static);
	uint64_t start, code;
	uint32_t cookie = a->first + a->count;
	int err;

	if (own_code(elf, p->symbol, span, &start, &code))
		return -EBADMSG;
	probe.code = code;
	probe.before = p->spot.offset - start;
	c->placed[cookie] = (struct placed){
		.of = a,
		.row = p->row,
		.cost_ns = p->spot.cheap ? c->cost.cheap_ns : c->cost.dear_ns,
		.exit_ns = are_cheap(&p->exits) ? c->cost.cheap_ns : c->cost.exit_ns,
		.returns = p->returns,
		.offset = p->spot.offset,
		.probe = probe,
		.generation = c->placed[cookie].generation,
	};
	if (cookie < c->used)
		kernel_client_clear_hits(c->kernel, cookie);
	else
		c->used = cookie + 1;
	a->count++;
	a->ev.probes++;
	a->ev.cheap += p->spot.cheap;
	err = kernel_client_probe(c->kernel, cookie, &probe);
	if (!err)
		err = chain(c, a, cookie);
	if (err)
		return err < 0 ? err : 0;
	return add_places(p, cookie, places);
}

static size_t anchors_of(const struct probe_library *l)
{
	size_t n = 0;

	while (n < ANCHORS_MOST && l->anchors[n])
		n++;
	return n;
}

bool client_has_anchors(struct elf_file *elf, const struct probe_library *l)
{
	struct elf_symbol found[ANCHORS_MOST];
	size_t n = anchors_of(l);

	return elf_find(elf, l->anchors, n, false, found) == (int)n;
}

void client_find_anchors_deep(struct elf_file *elf, bool *has)
{
	const char *names[PROBE_LIBRARIES_MOST * ANCHORS_MOST] = {NULL};
	struct elf_symbol found[PROBE_LIBRARIES_MOST * ANCHORS_MOST];
	size_t count = 0, at = 0;

	for (size_t i = 0; i < probe_library_count; i++)
		for (size_t k = 0; k < anchors_of(&probe_libraries[i]); k++)
			names[count++] = probe_libraries[i].anchors[k];
	if (elf_find(elf, names, count, true, found) <= 0)
		memset(found, 0, sizeof(found));
	for (size_t i = 0; i < probe_library_count; i++) {
		has[i] = true;
		for (size_t k = 0; k < anchors_of(&probe_libraries[i]); k++)
			has[i] &= found[at++].offset != 0;
	}
}

/* Whether the function has a probe already: two names may be one function. */
static bool is_placed(const struct elf_symbol *found, const bool *placed, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (placed[k] && found[k].offset == found[i].offset)
			return true;
	return false;
}

static bool attach_is_wanted(const struct clients *c, const struct attached *a,
			     const struct probe_row *row, bool is_static)
{
	if (row->role == PROBE_INSIDE && !is_static)
		return false;
	if (row->role == PROBE_REWIND && a->fields.rows == UNKNOWN32)
		return false;
	return !c->cost.exits_kill || !probe_row_returns(row);
}

/* Fills the groups' places.  0 or -errno. */
static int place_rows(struct clients *c, struct attached *a, struct elf_file *elf, bool is_static,
		      bool deep, struct attach_places places[GROUPS])
{
	const struct probe_library *l = a->library;
	struct elf_symbol found[ROWS_MOST];
	const char *names[ROWS_MOST];
	bool placed[ROWS_MOST] = {};
	struct span span = is_static ? span_of(elf, l->prefix) : (struct span){};
	int err = 0;

	is_static = is_static && !span.end; /* with a span, callers can be told apart */
	for (size_t i = 0; i < l->count; i++)
		names[i] = l->rows[i].symbol;
	if (elf_find(elf, names, l->count, deep, found) <= 0)
		return -ENOENT;
	for (size_t i = 0; i < l->count && !err; i++) {
		struct placing p = {.row = &l->rows[i], .symbol = &found[i]};

		if (!found[i].offset || !attach_is_wanted(c, a, p.row, is_static) ||
		    is_placed(found, placed, i))
			continue;
		if (choose_places(c, elf, &p)) {
			note_refused(a, p.row->symbol);
			debug(topic_of(l), "%s: %s is refused: its code cannot be decoded whole",
			      a->ev.path, p.row->symbol);
			continue;
		}
		debug(topic_of(l), "%s: %s at 0x%llx%s, %zu ends", a->ev.path, p.row->symbol,
		      (unsigned long long)p.spot.offset, p.spot.cheap ? "" : " (single-stepped)",
		      p.returns ? p.exits.count : 0);
		err = place(c, a, elf, &p, is_static, &span, &places[client_group_of(p.row)]);
		placed[i] = !err;
	}
	return err;
}

void client_tell_library(struct clients *c, struct attached *a)
{
	a->ev.hits = 0;
	for (uint32_t i = 0; i < a->count; i++)
		a->ev.hits += c->placed[a->first + i].hits;
	a->ev.head.ns = clock_boot_ns();
	client_tell(c, &a->ev.head);
}

void client_detach(struct attached *a, enum group g)
{
	reach_remove(a->sets[g]);
	a->sets[g] = NULL;
}

/* The first of n unused cookies in a row; 0: there are not so many. */
static uint32_t find_cookies(const struct clients *c, size_t n)
{
	size_t free = 0;

	for (uint32_t i = PROBE_CANARIES; i < PROBES_MOST; i++) {
		free = c->placed[i].of ? 0 : free + 1;
		if (free == n)
			return i + 1 - n;
	}
	return 0;
}

void client_release_cookies(struct clients *c, const struct attached *a)
{
	for (uint32_t i = a->first; i < a->first + a->count; i++)
		c->placed[i] = (struct placed){.generation = c->placed[i].generation + 1};
}

static uint32_t take_cookies(struct clients *c, size_t n)
{
	uint32_t first = find_cookies(c, n);

	if (first || !c->left)
		return first;
	client_forget_left(c, clock_boot_ns(), LEFT_LEAST_NS);
	return find_cookies(c, n);
}

static void tell_refused(struct clients *c, const struct attached *a)
{
	char text[EV_TEXT_LEN];

	if (!*a->refused_names)
		return;
	snprintf(text, sizeof(text),
		 "objects of %.90s are not counted: the code of %.90s cannot be read", a->ev.path,
		 a->refused_names);
	client_tell_gap(c, text);
}

static int attach_attach(struct clients *c, struct attached *a, struct elf_file *elf,
			 bool is_static, bool deep, const struct library_file *file)
{
	struct attach_places places[GROUPS] = {};
	int err;

	a->first = take_cookies(c, a->library->count);
	if (!a->first)
		return -ENOSPC;
	err = place_rows(c, a, elf, is_static, deep, places);
	for (int g = 0; g < GROUPS && !err; g++)
		if (places[g].count)
			err = reach_add(c->reach, &a->sets[g], &c->programs[g], file, places[g].all,
					places[g].count);
	for (int g = 0; g < GROUPS; g++)
		free(places[g].all);
	if (!err) {
		tell_refused(c, a);
		return 0;
	}
	for (int g = 0; g < GROUPS; g++)
		client_detach(a, g);
	client_release_cookies(c, a);
	return err;
}

/* Searches all code of a copy of SQLite for its row counter. */
static uint32_t find_row_counter(struct elf_file *elf, bool is_static, bool deep)
{
	const char *const reset = "sqlite3_reset";
	struct span span = is_static ? span_of(elf, "sqlite3") : (struct span){};
	struct elf_symbol symbol;
	uint64_t start, size;
	uint32_t found;

	if (elf_find(elf, &reset, 1, deep, &symbol) != 1 ||
	    own_code(elf, &symbol, &span, &start, &size) ||
	    file_row_counter_find(elf, start, size, &found))
		return UNKNOWN32;
	return found;
}

static void read_fields(struct attached *a, struct elf_file *elf, bool is_static, bool deep)
{
	a->fields.rows = UNKNOWN32;
	if (a->library->bit == EV_LIBRARY_SQLITE) {
		a->fields.autocommit = field_of(elf, "sqlite3_get_autocommit", deep);
		a->fields.busy = field_of(elf, "sqlite3_stmt_busy", deep);
		a->fields.rows = find_row_counter(elf, is_static, deep);
	} else if (a->library->bit == EV_LIBRARY_MYSQL) {
		a->eof = field_of(elf, "mysql_eof", deep);
		/* MYSQL begins with NET: five pointers, then the descriptor (mysql_com.h of both
		 * libraries). */
		a->descriptor = (struct probe_field){.offset = 40, .size = 4};
	} else if (a->library->bit == EV_LIBRARY_LIBPQ) {
		a->descriptor = field_of(elf, "PQsocket", deep);
		a->sized.memory = field_of(elf, "PQresultMemorySize", deep);
		a->sized.rows = field_of(elf, "PQntuples", deep);
	}
}

void client_add_library(struct clients *c, const struct probe_library *l, struct elf_file *elf,
			const struct library_file *file, bool deep)
{
	struct attached *a = calloc(1, sizeof(*a));
	bool is_static = deep || elf_is_program(elf);
	int err;

	if (!a)
		return;
	a->library = l;
	INIT(a->ev, EV_LIBRARY);
	a->ev.device = file->device;
	a->ev.inode = file->inode;
	a->ev.seen_ns = file->seen_ns;
	a->ev.library = l->bit;
	elf_build_id(elf, a->ev.build_id, sizeof(a->ev.build_id));
	snprintf(a->ev.path, sizeof(a->ev.path), "%s", file->path);
	read_fields(a, elf, is_static, deep);
	err = attach_attach(c, a, elf, is_static, deep, file);
	if (err == -ECANCELED) { /* all probes were withdrawn; a gap says so */
		free(a);
		return;
	}
	if (err) {
		char text[EV_TEXT_LEN];

		debug(topic_of(l), "%s: %s cannot be probed: %s", file->path, l->name,
		      strerror(-err));
		snprintf(text, sizeof(text), "cannot watch %s in %.120s: %s", l->name, file->path,
			 strerror(-err));
		client_tell_gap(c, text);
		free(a);
		return;
	}
	debug(topic_of(l), "%s: %s%s, %u probes put in, %u of them cheap", file->path, l->name,
	      is_static ? ", linked into a program" : "", a->ev.probes, a->ev.cheap);
	a->ev.attached_ns = clock_boot_ns();
	a->early = c->early;
	a->next = c->files;
	c->files = a;
	client_tell_library(c, a);
}
