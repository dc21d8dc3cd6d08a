/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * client.c - from a mapped file to the probes in it, and from the ledger of handles to records.
 *
 * The symbols that a file exports show which library it holds.  Connections open and close rarely,
 * so their probes stay.  Results and statements may come by tens of thousands a second: their
 * probes are removed when they cost more than the budget.
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
#include <time.h>
#include <unistd.h>

#include "user/base/table.h"
#include "user/capture/elf/elf.h"
#include "user/capture/probe/file_exit.h"
#include "user/capture/clientlib/client_host.h"
#include "user/capture/kernel/kernel_client.h"
#include "user/capture/host/library.h"
#include "user/capture/worker/looking.h"
#include "user/capture/host/memory.h"
#include "user/capture/probe/probe_point.h"
#include "user/capture/clientlib/probe_table.h"
#include "user/capture/probe/reach.h"
#include "user/capture/clientlib/row_counter.h"
#include "user/capture/stack/runtime.h"
#include "user/capture/clientlib/sizes.h"
#include "user/capture/clientlib/sqlite.h"

#define ANCHORS_MOST	  8
#define SECOND_NS	  1000000000ULL
#define CODE_BYTES	  65536
#define ACCESSOR_BYTES	  96
#define ROWS_MOST	  64
#define REFUSED_NAMES	  90	     /* bytes */
#define SCAN_MOST	  (16 << 20) /* bytes of code that are read as a whole */
#define TLS_MOST	  64	     /* files with OpenSSL that wait for a database connection */
#define TLS_AGAIN_NS	  (SECOND_NS / 4)
#define TLS_AGAIN_MOST_NS (64 * SECOND_NS)
#define DEEP_MOST	  200 /* files waiting for a look into their full symbol tables */
#define BURY_EVERY_NS	  (10 * SECOND_NS)
#define SOCKETS_NS	  (SECOND_NS / 20) /* a list of descriptors is renewed at this age ... */
/* ... or later: listing takes at most one part in so many of the time. */
#define SOCKETS_SHARE 20
/* Time for the first look into new files, for all processes together.  A burst is enough for some
 * thousand libraries, or for 10 files made to take long.  Files beyond it wait, so that sweeps and
 * stacks get their turn. */
#define LOOKS_BURST_NS	(SECOND_NS / 2)
#define LOOKS_SHARE	4 /* after the burst: one part in so many of the time */
#define BUDGET_EVERY_NS (SECOND_NS / 4)
#define BURST_NS	(2 * SECOND_NS) /* this much budget may be saved up */
#define EXIT_SWEEP_NS	(SECOND_NS / 20)
#define RUNS_ENOUGH	100		 /* runs of a program, to know its average time */
#define LEFT_NS		(30 * SECOND_NS) /* by then sweeps have reported a library that is left */
#define LEFT_LEAST_NS	(5 * SECOND_NS)	 /* likewise, when cookies run out */
#define LEFT_MOST	64		 /* unmapped libraries that may keep their cookies */

enum group {
	GROUP_CONNECTIONS,
	GROUP_OBJECTS,
	GROUP_RUNS, /* of statements: the first to be removed */
	GROUP_TLS_WRITE,
	GROUP_TLS_READ,
	GROUPS
};

/* A library in one file. */
struct attached {
	struct attached *next;
	const struct probe_library *library;
	struct ev_library ev;
	struct reach_set *sets[GROUPS];
	uint32_t first; /* cookie */
	uint32_t count;
	uint64_t spent_ns[GROUPS];  /* time that its probes took so far */
	uint64_t before_ns[GROUPS]; /* the same at the last look at the budget */
	double credit_ns;	    /* time that its object probes may still take */
	struct table active;	    /* processes whose sites changed in this second */
	size_t users;		    /* how many did in the last second */
	bool budgeted;
	struct sqlite_fields fields;
	struct probe_field eof;	       /* size 0: not known */
	struct probe_field descriptor; /* of a connection's socket; size 0: not known */
	struct object_fields sized;
	uint64_t left_ns;		   /* when the last process unmapped it; 0: it is mapped */
	bool early;			   /* probed before a process mapped it; its probes stay */
	char refused_names[REFUSED_NAMES]; /* functions that cannot be decoded whole, cut to fit */
};

struct placed { /* a row with a probe: a cookie in use */
	struct attached *of;
	const struct probe_row *row;
	uint64_t hits, ended; /* counted at its beginning, and at its ends */
	uint32_t cost_ns; /* of a hit at the beginning: the trap, and a program that only counts */
	uint32_t exit_ns; /* of a hit at an end: the same */
	bool returns;	  /* its ends are probed, too */
	uint64_t offset;
	struct probe probe;
	uint32_t generation; /* how often the cookie was released */
};

/* Run time of the programs beyond that of a program that only counts, at the entry and at the end.
 */
struct program_cost {
	struct kernel_client_runs canary; /* runs measured on our own functions */
	uint64_t more_ns[2];
};

struct waiting { /* a file whose full symbol table is still to be read */
	int fd;
	uint32_t pid;
	uint64_t device, inode, seen_ns;
	bool deep;  /* found by its full symbol table */
	bool first; /* not looked into at all yet */
	char path[EV_TEXT_LEN];
};

struct tls_user {
	uint64_t next_ns; /* when its libraries are looked at again */
	uint64_t wait_ns;
	uint32_t pid;
};

struct clients {
	struct kernel *kernel;
	const struct procfs *procfs;
	struct client_host host;
	struct reach *reach;
	struct libraries *libraries;
	struct runtimes *runtimes;
	struct probe_programs programs[GROUPS];
	struct probe_cost cost;
	struct program_cost program_cost;
	bool measuring; /* statistics were turned on for program_cost */
	struct attached *files;
	struct placed placed[PROBES_MOST];
	uint32_t used;	       /* no cookie from this one on was ever in use */
	size_t left;	       /* entries of `files` that are unmapped */
	uint64_t left_cost_ns; /* of entries that are forgotten */
	bool early, told_waiting, told_tls;
	struct {
		struct table held; /* process and descriptor -> connection */
		uint64_t at_ns, took_ns;
	} sockets;
	struct table unread; /* reported results with rows still to be read: struct unread */
	struct table pids;   /* processes that have sites */
	struct sqlites *sqlites;
	struct sizes *sizes;
	struct waiting waiting[DEEP_MOST];
	size_t waiting_count;
	struct {
		int64_t left_ns;
		uint64_t at_ns;
		uint64_t skipped; /* files */
		bool told, served_told;
	} looks;
	struct waiting tls[TLS_MOST]; /* files with OpenSSL, not probed yet */
	size_t tls_count;
	struct table tls_users; /* processes with an encrypted connection: struct tls_user */
	bool tls_refused, tls_begun;
	bool tls_waits; /* a connection needs them, but the programs are still being loaded */
	uint64_t tls_since_ns;	  /* when the programs were loaded; 0: not yet */
	uint8_t code[CODE_BYTES]; /* code of the function looked at */
	uint64_t budget_at_ns, users_at_ns;
	uint64_t buried_ns, swept_ns;
	bool stepped_down;
	bool dead; /* a process with sites ended; its objects are still in the ledger */
};

struct unread {
	struct handle_key key;
	struct ev_handle ev;
	uint64_t eof; /* offset in the object */
};

static uint64_t now_boot(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * SECOND_NS + t.tv_nsec;
}

#define INIT(record, kind_) \
	((record).head = (struct ev_head){.ns = now_boot(), .kind = kind_, .size = sizeof(record)})

static void tell(struct clients *c, const struct ev_head *record)
{
	c->host.tell(c->host.context, record);
}

static void tell_gap_of(struct clients *c, uint32_t pid, const char *text)
{
	struct ev_gap gap = {};

	INIT(gap, EV_GAP);
	gap.pid = pid;
	snprintf(gap.text, sizeof(gap.text), "%s", text);
	tell(c, &gap.head);
}

static void tell_gap(struct clients *c, const char *text)
{
	tell_gap_of(c, 0, text);
}

/* --- from a file to probes in it ----------------------------------------------------------- */

static unsigned int argument_bits(const struct probe_row *row)
{
	static const unsigned int bits[] = {0,	      PROBE_RDI, PROBE_RSI, PROBE_RDX, PROBE_RCX,
					    PROBE_R8, PROBE_R9,	 0,	    0};

	return bits[row->handle & ~FROM_OUT] | bits[row->parent & ~FROM_OUT] |
	       bits[row->text & ~FROM_OUT];
}

/* The place of a probe, and where the arguments are there. */
struct spot {
	uint64_t offset; /* in the file */
	bool cheap;
	int32_t outer;	/* as in struct probe */
	uint32_t stack; /* likewise */
	uint8_t holder[PROBE_ARGUMENTS];
};

/* A function that only calls another one is probed at the other's entry, if a probe there is cheap
 * (the kernel emulates the instruction). */
static bool choose_inner(struct elf_file *elf, const struct elf_symbol *symbol, const uint8_t *code,
			 unsigned int arguments, struct spot *spot)
{
	uint64_t target, start, size, own, own_size;
	struct probe_inner inner;
	uint8_t first[ACCESSOR_BYTES];
	struct probe_point at;
	ssize_t n;

	if (probe_point_inner(code, symbol->size, arguments, &inner))
		return false;
	target = symbol->offset + inner.target;
	if (elf_segment(elf, target, &start, &size) ||
	    elf_segment(elf, symbol->offset, &own, &own_size) || start != own)
		return false;
	n = elf_read(elf, target, first, sizeof(first));
	if (n <= 0)
		return false;
	at = probe_point_choose(first, n, true, arguments);
	if (!at.cheap || at.delta)
		return false;
	spot->offset = target;
	spot->cheap = true;
	spot->outer = (int32_t)(inner.after - inner.target);
	spot->stack = inner.stack;
	memcpy(spot->holder, inner.holder, sizeof(spot->holder));
	return true;
}

/* Chooses where to probe a function.  A jump back to its beginning may come from anywhere in it, so
 * all of it is decoded.  A function whose size is not known, or too large, is probed at its entry.
 */
static struct spot choose_spot(struct clients *c, struct elf_file *elf,
			       const struct elf_symbol *symbol, const struct probe_row *row,
			       bool returns)
{
	struct spot spot = {.offset = symbol->offset, .holder = {1, 2, 3, 4, 5, 6}};
	unsigned int arguments = argument_bits(row);
	bool tls = row->role >= PROBE_TLS_WRITE; /* these read the argument registers */
	struct probe_point at;
	ssize_t n;

	if (!symbol->size || symbol->size > CODE_BYTES)
		return spot;
	n = elf_read(elf, symbol->offset, c->code, symbol->size);
	if (n != (ssize_t)symbol->size)
		return spot;
	at = probe_point_choose(c->code, n, returns, arguments | (tls ? PROBE_UNMOVED : 0));
	spot.cheap = at.cheap && !at.delta;
	if (c->host.at_entry || spot.cheap)
		return spot;
	if (!at.cheap && (tls || choose_inner(elf, symbol, c->code, arguments, &spot)))
		return spot;
	spot.offset += at.delta;
	spot.cheap = at.cheap;
	memcpy(spot.holder, at.holder, sizeof(spot.holder));
	return spot;
}

/* Translates the place of a value at the function's entry into its place at the spot. */
static uint8_t source_at(const struct spot *spot, uint8_t source)
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
	uint8_t code[ACCESSOR_BYTES];
	ssize_t n;

	if (elf_find(elf, &name, 1, deep, &symbol) != 1)
		return field;
	n = elf_read(elf, symbol.offset, code,
		     symbol.size && symbol.size < sizeof(code) ? symbol.size : sizeof(code));
	if (n <= 0 || probe_field_of(code, n, &field))
		memset(&field, 0, sizeof(field));
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

/* Probes at each request of a connection may cost as much as those of its results, so both are in
 * one group. */
static enum group group_of(const struct probe_row *row)
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
		    group_of(p->row) != group_of(new->row) || p->returns != new->returns)
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
struct places {
	struct probe_place *all;
	size_t count, room;
};

static int places_add(struct places *p, struct probe_place place)
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
		      const struct probe_row *row, const struct spot *spot,
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

/* A row that is to be probed, its spot, and the ends of its calls. */
struct placing {
	const struct probe_row *row;
	const struct elf_symbol *symbol;
	struct spot spot;
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
		p->spot = (struct spot){.offset = p->symbol->offset, .holder = {1, 2, 3, 4, 5, 6}};
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
	const struct spot *spot = &p->spot;

	return (struct probe){
		.rows_at = rows_at(a, row),
		.role = row->role,
		.resource = row->resource,
		.database = a->library->database,
		.success = row->success,
		.handle = source_at(spot, row->handle),
		.parent = source_at(spot, row->parent),
		.text = source_at(spot, row->text),
		.outer = spot->outer,
		.stack = spot->stack,
		.since_ns = now_boot(),
		.flags = row->flags | (p->returns ? PROBE_RETURNS : 0) |
			 (is_static ? PROBE_STATIC : 0),
	};
}

static int add_places(const struct placing *p, uint32_t cookie, struct places *places)
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
		 struct places *places)
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

	while (l->anchors[n] && n < ANCHORS_MOST)
		n++;
	return n;
}

static bool has_anchors(struct elf_file *elf, const struct probe_library *l)
{
	struct elf_symbol found[ANCHORS_MOST];
	size_t n = anchors_of(l);

	return elf_find(elf, l->anchors, n, false, found) == (int)n;
}

/* Looks for all anchors in one question.  Reading a full symbol table takes long, and every
 * question costs a trip to the worker and back. */
static void find_anchors_deep(struct elf_file *elf, bool *has)
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

static bool is_wanted(const struct clients *c, const struct attached *a,
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
		      bool deep, struct places places[GROUPS])
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

		if (!found[i].offset || !is_wanted(c, a, p.row, is_static) ||
		    is_placed(found, placed, i))
			continue;
		if (choose_places(c, elf, &p)) {
			note_refused(a, p.row->symbol);
			continue;
		}
		err = place(c, a, elf, &p, is_static, &span, &places[group_of(p.row)]);
		placed[i] = !err;
	}
	return err;
}

static void tell_library(struct clients *c, struct attached *a)
{
	a->ev.hits = 0;
	for (uint32_t i = 0; i < a->count; i++)
		a->ev.hits += c->placed[a->first + i].hits;
	a->ev.head.ns = now_boot();
	tell(c, &a->ev.head);
}

static void detach(struct attached *a, enum group g)
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

static void release_cookies(struct clients *c, const struct attached *a)
{
	for (uint32_t i = a->first; i < a->first + a->count; i++)
		c->placed[i] = (struct placed){.generation = c->placed[i].generation + 1};
}

static void forget_left(struct clients *c, uint64_t now, uint64_t age);

static uint32_t take_cookies(struct clients *c, size_t n)
{
	uint32_t first = find_cookies(c, n);

	if (first || !c->left)
		return first;
	forget_left(c, now_boot(), LEFT_LEAST_NS);
	return find_cookies(c, n);
}

static void tell_refused(struct clients *c, const struct attached *a)
{
	char text[EV_TEXT_LEN];

	if (!*a->refused_names)
		return;
	snprintf(text, sizeof(text),
		 "%.96s: what it hands out by %.90s is not counted: that cannot be decoded whole",
		 a->ev.path, a->refused_names);
	tell_gap(c, text);
}

static int attach(struct clients *c, struct attached *a, struct elf_file *elf, bool is_static,
		  bool deep, const struct library_file *file)
{
	struct places places[GROUPS] = {};
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
		detach(a, g);
	release_cookies(c, a);
	return err;
}

/* Searches all code of a copy of SQLite for its row counter. */
static uint32_t find_row_counter(struct elf_file *elf, bool is_static, bool deep)
{
	const char *const reset = "sqlite3_reset";
	struct span span = is_static ? span_of(elf, "sqlite3") : (struct span){};
	uint32_t found = UNKNOWN32;
	struct elf_symbol symbol;
	uint64_t start, size;
	uint8_t *code;
	ssize_t n;

	if (elf_find(elf, &reset, 1, deep, &symbol) != 1 ||
	    own_code(elf, &symbol, &span, &start, &size) || size > SCAN_MOST)
		return UNKNOWN32;
	code = malloc(size);
	if (!code)
		return UNKNOWN32;
	n = elf_read(elf, start, code, size);
	if (n <= 0 || row_counter_find(code, n, &found))
		found = UNKNOWN32;
	free(code);
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

static void add_library(struct clients *c, const struct probe_library *l, struct elf_file *elf,
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
	err = attach(c, a, elf, is_static, deep, file);
	if (err == -ECANCELED) { /* all probes were withdrawn; a gap says so */
		free(a);
		return;
	}
	if (err) {
		char text[EV_TEXT_LEN];

		snprintf(text, sizeof(text), "%s in %.120s cannot be probed: %s", l->name,
			 file->path, strerror(-err));
		tell_gap(c, text);
		free(a);
		return;
	}
	a->ev.attached_ns = now_boot();
	a->early = c->early;
	a->next = c->files;
	c->files = a;
	tell_library(c, a);
}

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

static struct library_file waiting_file(const struct waiting *w)
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
	if (c->tls_count < TLS_MOST) {
		c->tls_count += keep_waiting(&c->tls[c->tls_count], file, deep);
	} else if (!c->told_tls) {
		c->told_tls = true;
		tell_gap(c, "more than 64 copies of OpenSSL are mapped: those beyond are not read");
	}
	hurry_tls(c);
}

/* Looks for each library of the table.  Returns whether any was there. */
static bool look_into(struct clients *c, struct elf_file *elf, const struct library_file *file,
		      bool deep)
{
	bool any = false, has[PROBE_LIBRARIES_MOST];

	if (deep)
		find_anchors_deep(elf, has);
	for (size_t i = 0; i < probe_library_count; i++) {
		if (deep ? !has[i] : !has_anchors(elf, &probe_libraries[i]))
			continue;
		any = true;
		if (!may_wait(c, &probe_libraries[i]))
			add_library(c, &probe_libraries[i], elf, file, deep);
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
	} else if (!c->told_waiting) {
		c->told_waiting = true;
		tell_gap(c,
			 "more than 200 programs came at once: not all were searched for a client "
			 "library that is linked into them");
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

static bool is_held(const struct clients *c, uint64_t device, uint64_t inode)
{
	const struct library_file file = {.device = device, .inode = inode};

	return is_attached(c, &file) || runtimes_has(c->runtimes, device, inode) ||
	       is_among(c->waiting, c->waiting_count, device, inode) ||
	       is_among(c->tls, c->tls_count, device, inode) ||
	       (c->host.keeps && c->host.keeps(c->host.context, device, inode));
}

/* Follows a file as long as something of it is open here, so that all of it goes when the last
 * process unmaps it. */
static void hold(struct clients *c, const struct library_file *file)
{
	if (is_held(c, file->device, file->inode)) {
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
	snprintf(text, sizeof(text), "%.200s was given up: to look through it takes too long",
		 file->path);
	tell_gap_of(c, file->pid, text);
}

static bool may_look(struct clients *c)
{
	uint64_t now = now_boot();
	int64_t gained = (int64_t)((now - c->looks.at_ns) / LOOKS_SHARE);

	c->looks.left_ns += gained;
	if (!c->looks.at_ns || c->looks.left_ns > (int64_t)LOOKS_BURST_NS)
		c->looks.left_ns = LOOKS_BURST_NS;
	c->looks.at_ns = now;
	return c->looks.left_ns > 0;
}

static void look_first(struct clients *c, const struct library_file *file)
{
	struct elf_file *elf;

	if (elf_open(&elf, file->fd))
		return;
	runtimes_file(c->runtimes, elf, file);
	if (!is_attached(c, file) && !look_into(c, elf, file, false) && !elf_given_up(elf))
		wait_for_time(c, file);
	if (c->host.file)
		c->host.file(c->host.context, elf, file, library_in(c, file));
	tell_given_up(c, elf, file);
	elf_close(elf);
}

/* Queues a file for its first look.  If the queue is full, the file is skipped and counted. */
static void wait_for_turn(struct clients *c, const struct library_file *file)
{
	struct waiting *w = &c->waiting[c->waiting_count];

	if (c->waiting_count == DEEP_MOST || !keep_waiting(w, file, false)) {
		c->looks.skipped++;
		return;
	}
	w->first = true;
	c->waiting_count++;
}

static void on_file(void *context, const struct library_file *file)
{
	struct clients *c = context;
	uint64_t before;

	if (!may_look(c)) {
		wait_for_turn(c, file);
		hold(c, file);
		return;
	}
	before = now_boot();
	looking_at(file->pid, file->path);
	look_first(c, file);
	looking_over();
	hold(c, file);
	c->looks.left_ns -= (int64_t)(now_boot() - before);
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
	tell_library(c, a);
	for (int g = 0; g < GROUPS; g++) {
		reach_remove_later(a->sets[g]);
		a->sets[g] = NULL;
	}
	a->left_ns = now_boot();
	c->left++;
}

static void count_hits(struct clients *c);

static void on_gone(void *context, uint64_t device, uint64_t inode)
{
	struct clients *c = context;

	drop_waiting(c->waiting, &c->waiting_count, device, inode);
	drop_waiting(c->tls, &c->tls_count, device, inode);
	runtimes_gone(c->runtimes, device, inode);
	if (c->host.gone)
		c->host.gone(c->host.context, device, inode);
	count_hits(c);
	for (struct attached *a = c->files; a; a = a->next)
		if (!a->left_ns && a->ev.device == device && a->ev.inode == inode && !stays(a))
			leave(c, a);
	reach_gone(c->reach, device, inode);
}

static void on_mapping(void *context, const struct library_mapping *mapping)
{
	struct clients *c = context;

	runtimes_mapped(c->runtimes, mapping);
	if (is_held(c, mapping->device, mapping->inode))
		reach_mapped(c->reach, mapping->pid, mapping->device, mapping->inode);
}

static void look_again(struct clients *c, const struct waiting *w)
{
	struct library_file file = waiting_file(w);
	struct elf_file *elf;

	if (w->first) {
		look_first(c, &file);
		libraries_again(c->libraries); /* to learn who maps it, if it is an interpreter */
		return;
	}
	if (elf_open(&elf, w->fd))
		return;
	elf_deepen(elf);
	look_into(c, elf, &file, true);
	tell_given_up(c, elf, &file);
	elf_close(elf);
}

/* Reported once and without a number, which would soon be out of date. */
static void tell_skipped(struct clients *c)
{
	if (!c->looks.skipped || c->looks.told)
		return;
	c->looks.told = true;
	tell_gap(c, "files mapped as code were not looked into: more came than there is time for");
}

/* A program serves the files of a FUSE mount, and decides whether a read ever ends: such files are
 * not read. */
static void tell_served(struct clients *c)
{
	if (c->looks.served_told || !libraries_counts(c->libraries).served)
		return;
	c->looks.served_told = true;
	tell_gap(c, "files that a program serves (FUSE) are not looked into: it need not answer");
}

/* Looks into one file at a time, so that nothing else waits for long. */
static void look_deeper(struct clients *c)
{
	struct library_file file;
	struct waiting w;
	uint64_t before;

	tell_skipped(c);
	tell_served(c);
	if (!c->waiting_count || !may_look(c))
		return;
	w = c->waiting[--c->waiting_count];
	before = now_boot();
	looking_at(w.pid, w.path);
	look_again(c, &w);
	looking_over();
	close(w.fd);
	file = waiting_file(&w);
	hold(c, &file);
	c->looks.left_ns -= (int64_t)(now_boot() - before);
}

/* Probes the libraries of the table where distributions keep them, before a process maps them.
 * Every mapped file is found later anyway, so gaps in the head start do no harm. */
static void head_start(struct clients *c)
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
		struct library_file file = {.seen_ns = now_boot(), .path = found.gl_pathv[i]};
		struct stat st;

		file.fd = open(file.path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (file.fd < 0)
			continue;
		if (!fstat(file.fd, &st) && S_ISREG(st.st_mode)) {
			file.device = st.st_dev;
			file.inode = st.st_ino;
			on_file(c, &file);
		}
		close(file.fd);
	}
	c->early = false;
	globfree(&found);
}

/* Whether the process maps this file as code. */
static bool maps_file(uint32_t pid, const struct waiting *w)
{
	char path[64], range[64];
	struct dirent *entry;
	bool found = false;
	struct stat st;
	DIR *dir;

	if (memory_maps_answer(pid))
		return false;
	snprintf(path, sizeof(path), "/proc/%u/map_files", pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		snprintf(range, sizeof(range), "%.63s", entry->d_name);
		found = range[0] != '.' && !fstatat(dirfd(dir), range, &st, 0) &&
			st.st_dev == w->device && st.st_ino == w->inode;
	}
	if (dir)
		closedir(dir);
	return found;
}

static const struct probe_library *openssl(void)
{
	for (size_t i = 0; i < probe_library_count; i++)
		if (probe_libraries[i].bit == EV_LIBRARY_OPENSSL)
			return &probe_libraries[i];
	return NULL;
}

/* 0; -EAGAIN: the programs are being loaded; or another -errno: the kernel refuses them. */
static int begin_tls(struct clients *c)
{
	int err = kernel_client_tls(c->kernel, c->host.eager);

	c->tls_waits = err == -EAGAIN;
	if (c->tls_waits)
		return err;
	if (!err)
		err = kernel_client_programs(c->kernel, KERNEL_PROBES_TLS_WRITE,
					     &c->programs[GROUP_TLS_WRITE]);
	if (!err)
		err = kernel_client_programs(c->kernel, KERNEL_PROBES_TLS_READ,
					     &c->programs[GROUP_TLS_READ]);
	if (err)
		tell_gap(c, "TLS libraries cannot be probed: the kernel refuses the programs");
	c->tls_refused = err != 0;
	if (!err && !c->tls_since_ns)
		c->tls_since_ns = now_boot();
	return err;
}

uint64_t clients_tls_since(const struct clients *c)
{
	return c->tls_waits ? now_boot() : c->tls_since_ns;
}

static bool is_alive(uint32_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u", pid);
	return access(path, F_OK) == 0;
}

/* Whether the file is the library itself, not a copy inside some program. */
static bool is_libssl(const struct waiting *w)
{
	const char *name = strrchr(w->path, '/');

	return strncmp(name ? name + 1 : w->path, "libssl", 6) == 0;
}

/* Probes those of the waiting files that the process maps.  A process that ended already used one
 * of the libraries, and such short processes come again: then every waiting libssl is probed. */
static void probe_tls_of(struct clients *c, uint32_t pid)
{
	bool alive = is_alive(pid);

	for (size_t i = 0; i < c->tls_count;) {
		struct waiting *w = &c->tls[i];
		struct library_file file = waiting_file(w);
		struct elf_file *elf;

		if (alive ? !maps_file(pid, w) : !is_libssl(w)) {
			i++;
			continue;
		}
		if (!elf_open(&elf, w->fd)) {
			add_library(c, openssl(), elf, &file, w->deep);
			elf_close(elf);
		}
		close(w->fd);
		*w = c->tls[--c->tls_count];
	}
}

void clients_want_tls(struct clients *c, uint32_t pid, uint64_t start_ns)
{
	struct table_key key = {pid, start_ns};
	struct tls_user *user;

	if (!c->libraries || c->cost.exits_kill || c->tls_refused || table_get(&c->tls_users, key))
		return;
	user = calloc(1, sizeof(*user));
	if (!user || table_put(&c->tls_users, key, user)) {
		free(user);
		return;
	}
	user->pid = pid;
	user->wait_ns = TLS_AGAIN_NS;
	user->next_ns = now_boot() + TLS_AGAIN_NS;
	if (!c->tls_waits && !begin_tls(c))
		probe_tls_of(c, pid);
}

/* A process may map its library after its first encrypted bytes, or we may hear of the mapping
 * after them.  So each such process is looked at again, ever more rarely. */
static void look_for_tls_again(struct clients *c, uint64_t now_ns)
{
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&c->tls_users, &at))) {
		struct tls_user *user = slot->value;

		if (now_ns < user->next_ns)
			continue;
		if (!is_alive(user->pid)) {
			free(table_remove(&c->tls_users, slot->key));
			at--; /* the removal may have moved an entry here */
			continue;
		}
		if (user->wait_ns < TLS_AGAIN_MOST_NS)
			user->wait_ns *= 2;
		user->next_ns = now_ns + user->wait_ns;
		if (c->tls_since_ns && !c->tls_waits && c->tls_count)
			probe_tls_of(c, user->pid);
	}
}

/* Loads the programs in the background as soon as a process maps OpenSSL.  It may soon use a
 * database, and its login comes first. */
static void load_tls(struct clients *c)
{
	struct table_slot *slot;
	size_t at = 0;

	if (c->tls_count && !c->tls_begun) {
		c->tls_begun = true;
		kernel_client_tls_begin(c->kernel);
	}
	if (!c->tls_waits || begin_tls(c))
		return;
	while ((slot = table_next(&c->tls_users, &at)))
		probe_tls_of(c, ((const struct tls_user *)slot->value)->pid);
}

bool clients_wait(const struct clients *c)
{
	return c->tls_waits;
}

/* --- the budget ----------------------------------------------------------------------------- */

/* Reads the average run time of the programs, if the kernel's statistics are on. */
static void read_run_time(struct clients *c)
{
	const struct kernel_client_runs *canary = &c->program_cost.canary;
	struct kernel_client_runs now;

	if (kernel_client_run_time(c->kernel, &now))
		return;
	for (int i = 0; i < 2; i++) {
		uint64_t runs = now.runs[i] - canary->runs[i];
		uint64_t least = canary->runs[i] ? canary->ns[i] / canary->runs[i] : 0, mean;

		if (runs < RUNS_ENOUGH)
			continue;
		mean = (now.ns[i] - canary->ns[i]) / runs;
		c->program_cost.more_ns[i] = mean > least ? mean - least : 0;
	}
}

static bool knows_run_time(const struct clients *c)
{
	return c->program_cost.more_ns[0] || c->program_cost.more_ns[1];
}

/* Turns the kernel's statistics on until the next look, if probes are hit and their run time is not
 * known. */
static void measure_run_time(struct clients *c, bool busy)
{
	if (c->measuring) {
		read_run_time(c);
		kernel_stats(c->kernel, false);
		c->measuring = false;
	} else if (busy && !knows_run_time(c)) {
		c->measuring = !kernel_stats(c->kernel, true);
	}
}

/* Cost of the hits since the last count, in ns. */
static uint64_t cost_of(const struct clients *c, const struct placed *p, uint64_t begun,
			uint64_t ended)
{
	return (begun - p->hits) * (p->cost_ns + c->program_cost.more_ns[0]) +
	       (ended - p->ended) * (p->exit_ns + c->program_cost.more_ns[1]);
}

/* Brings the hits up to date; adds to each group what its probes have cost since. */
static void count_hits(struct clients *c)
{
	static uint64_t begun[PROBES_MOST], ended[PROBES_MOST];
	const uint32_t first = PROBE_CANARIES;
	uint32_t n = c->used - first;

	if (c->used <= first || kernel_client_hits(c->kernel, first, n, begun + first) ||
	    kernel_client_hits(c->kernel, HITS_OF_EXITS(first), n, ended + first))
		return;
	for (uint32_t i = first; i < c->used; i++) {
		struct placed *p = &c->placed[i];

		if (!p->of || p->of->left_ns)
			continue;
		p->of->spent_ns[group_of(p->row)] += cost_of(c, p, begun[i], ended[i]);
		p->hits = begun[i];
		p->ended = ended[i];
	}
}

/* Removes the probes that show how many rows a statement gave.  The budget is then enough for the
 * others. */
static void step_down_runs(struct clients *c, struct attached *a)
{
	char text[EV_TEXT_LEN];

	detach(a, GROUP_RUNS);
	a->credit_ns = 0;
	c->stepped_down = true;
	snprintf(text, sizeof(text),
		 "how many rows statements hand out is not seen any more in %.120s: it cost too "
		 "much",
		 a->ev.path);
	tell_gap(c, text);
}

static void step_down(struct clients *c, struct attached *a, uint64_t now)
{
	clients_sweep(c, now);
	detach(a, GROUP_OBJECTS);
	detach(a, GROUP_RUNS);
	a->ev.detached = 1;
	c->stepped_down = true;
	tell_library(c, a);
}

/* How many processes share a library's budget.  Idle processes do not count, or one busy process
 * could spend the shares of all. */
static size_t users_of(const struct attached *a)
{
	size_t n = a->users > a->active.count ? a->users : a->active.count;

	return n ? n : 1;
}

static void forget_users(struct attached *a)
{
	a->users = a->active.count;
	table_free(&a->active);
}

/* Cost of a group's probes since the last look, in ns. */
static uint64_t spent_since(struct attached *a, enum group g)
{
	uint64_t spent = a->spent_ns[g] - a->before_ns[g];

	a->before_ns[g] = a->spent_ns[g];
	return spent;
}

/* Charges a library's budget with what its probes took.  Steps down when it is spent.  Returns
 * whether the probes were hit. */
static bool charge(struct clients *c, struct attached *a, uint64_t passed, uint64_t now)
{
	uint64_t objects = spent_since(a, GROUP_OBJECTS), runs = spent_since(a, GROUP_RUNS);
	double rate = c->host.max_overhead / 100 * users_of(a);

	if (!a->budgeted) {
		a->budgeted = true;
		a->credit_ns = rate * BURST_NS;
	}
	a->credit_ns += rate * passed - objects - runs;
	if (a->credit_ns > rate * BURST_NS)
		a->credit_ns = rate * BURST_NS;
	if (a->credit_ns < 0 && a->sets[GROUP_RUNS] && objects <= rate * passed)
		step_down_runs(c, a);
	else if (a->credit_ns < 0 && a->sets[GROUP_OBJECTS])
		step_down(c, a, now);
	return objects + runs > 0;
}

/* Keeps the budget.  A library steps down only if its objects go on costing more than all its users
 * may spend: a program that starts, or fills its cache, is soon done. */
static void keep_budget(struct clients *c, uint64_t now)
{
	uint64_t passed = now - c->budget_at_ns;
	bool busy = false;

	if (passed < BUDGET_EVERY_NS)
		return;
	if (passed > BURST_NS) /* the first look */
		passed = BURST_NS;
	read_run_time(c);
	count_hits(c);
	for (struct attached *a = c->files; a; a = a->next)
		busy |= charge(c, a, passed, now);
	measure_run_time(c, busy);
	c->budget_at_ns = now;
	if (now - c->users_at_ns < SECOND_NS)
		return;
	for (struct attached *a = c->files; a; a = a->next)
		forget_users(a);
	c->users_at_ns = now;
}

/* --- from the ledger to records ------------------------------------------------------------- */

static const struct placed *placed_of(const struct clients *c, uint32_t cookie)
{
	return cookie < c->used && c->placed[cookie].of ? &c->placed[cookie] : NULL;
}

/* The id of a call site within its process. */
static uint64_t site_id(const struct clients *c, uint64_t place, uint32_t probe)
{
	return place ^ (uint64_t)(probe + c->placed[probe].generation * PROBES_MOST) << 48;
}

/* The stack under which an object was acquired, if one was taken then. */
static void handle_evidence(struct clients *c, const struct raw_handle *raw)
{
	struct ev_evidence evidence;

	if (!raw->handle.opened_at)
		return;
	INIT(evidence, EV_EVIDENCE);
	evidence.object = raw->key.handle;
	evidence.second = raw->handle.born_ns;
	evidence.start_ns = raw->start_ns;
	evidence.at_ns = raw->handle.born_ns;
	evidence.pid = raw->key.pid;
	evidence.kind = EV_AT_ACQUIRED;
	evidence.resource = raw->key.resource;
	evidence.stack = raw->handle.opened_at;
	c->host.evidence(c->host.context, &evidence);
}

static void on_site(struct clients *c, const struct raw_site *raw)
{
	const struct placed *placed = placed_of(c, raw->key.probe);
	struct ev_site ev = {};

	if (raw->gone)
		kernel_client_forget_site(c->kernel, &raw->key);
	if (!placed || raw->unwanted ||
	    !c->host.owner(c->host.context, raw->key.pid, raw->start_ns, raw->comm))
		return;
	INIT(ev, EV_SITE);
	ev.start_ns = raw->start_ns;
	ev.site = site_id(c, raw->key.place, raw->key.probe);
	ev.caller = raw->caller;
	ev.acquired = raw->acquired;
	ev.released = raw->released;
	ev.unseen = raw->unseen;
	ev.failed = raw->failed;
	ev.first_ns = raw->first_ns;
	ev.last_ns = raw->last_ns;
	ev.rows = placed->row->rows_after ? raw->rows : UNKNOWN64;
	ev.pid = raw->key.pid;
	ev.resource = raw->resource;
	ev.database = raw->database;
	ev.detached = placed->of->ev.detached && placed->row->resource != EV_RES_CONNECTION;
	snprintf(ev.object, sizeof(ev.object), "%s", placed->row->object);
	snprintf(ev.release, sizeof(ev.release), "%s", placed->row->release);
	tell(c, &ev.head);
	c->host.site(c->host.context, &ev, raw->stack, raw->key.place == raw->caller);
	if (raw->database == EV_DB_SQLITE && raw->resource == EV_RES_CONNECTION)
		sqlites_site(c->sqlites, raw);
	if (raw->gone) {
		c->dead = true;
		table_remove(&c->pids, (struct table_key){raw->key.pid, raw->start_ns});
	} else {
		table_put(&c->pids, (struct table_key){raw->key.pid, raw->start_ns}, c);
		table_put(&placed->of->active, (struct table_key){raw->key.pid, raw->start_ns}, c);
	}
}

static struct table_key unread_key(const struct handle_key *key)
{
	return (struct table_key){key->handle, key->pid};
}

/* Reads how many rows a result has fetched so far, and whether it is at its end. */
static bool read_progress(const struct unread *u, uint64_t *rows, uint8_t *eof)
{
	const struct memory_piece pieces[] = {
		{u->key.handle, sizeof(*rows)},
		{u->key.handle + u->eof, sizeof(*eof)},
	};
	uint8_t bytes[sizeof(*rows) + sizeof(*eof)];

	if (memory_pieces(u->key.pid, pieces, 2, bytes) != sizeof(bytes))
		return false;
	memcpy(rows, bytes, sizeof(*rows));
	*eof = bytes[sizeof(*rows)];
	return true;
}

static void watch_unread(struct clients *c, const struct raw_handle *raw,
			 const struct ev_handle *ev, const struct attached *of)
{
	struct unread *u = table_get(&c->unread, unread_key(&raw->key));

	if (of->eof.size != 1)
		return;
	if (!u) {
		u = calloc(1, sizeof(*u));
		if (!u || table_put(&c->unread, unread_key(&raw->key), u)) {
			free(u);
			return;
		}
	}
	u->key = raw->key;
	u->ev = *ev;
	u->eof = of->eof.offset;
}

static void forget_unread(struct clients *c, const struct handle_key *key)
{
	free(table_remove(&c->unread, unread_key(key)));
}

/* Looks at each result that is read row by row: is it in use, at its end, or left alone? */
static void look_at_unread(struct clients *c)
{
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&c->unread, &at))) {
		struct unread *u = slot->value;
		uint64_t rows = 0;
		uint8_t eof = 0;

		if (!read_progress(u, &rows, &eof) || (rows == u->ev.rows && !eof))
			continue;
		INIT(u->ev, EV_HANDLE);
		u->ev.rows = rows;
		u->ev.used_ns = u->ev.head.ns;
		if (eof)
			u->ev.flags &= ~EV_HANDLE_UNREAD;
		tell(c, &u->ev.head);
		if (eof) {
			forget_unread(c, &u->key);
			at--; /* the removal may have moved an entry here */
		}
	}
}

static void on_holder(void *context, const struct ev_head *record)
{
	const struct raw_holder *raw = (const void *)record;
	struct clients *c = context;

	if (record->kind == RAW_HOLDER && raw->id)
		table_put(&c->sockets.held, (struct table_key){raw->pid, raw->fd},
			  (void *)(uintptr_t)raw->id);
}

/* Lists which descriptor is which connection, by an iterator of the kernel.  No descriptor is ever
 * copied from a process: our copy could become the last one, and closing a file that nobody serves
 * can hang us.  Must not run inside another pass over an iterator. */
static void learn_sockets(struct clients *c)
{
	uint64_t now = now_boot(), rest = (SOCKETS_SHARE - 1) * c->sockets.took_ns;

	if (c->sockets.at_ns && now - c->sockets.at_ns < (rest > SOCKETS_NS ? rest : SOCKETS_NS))
		return;
	table_free(&c->sockets.held);
	kernel_scan(c->kernel, SCAN_HOLDERS, on_holder, c);
	c->sockets.at_ns = now_boot();
	c->sockets.took_ns = c->sockets.at_ns - now;
}

/* The kernel's id of the socket behind a process's descriptor; 0: no socket, or not known. */
static uint64_t socket_of(const struct clients *c, uint32_t pid, uint32_t descriptor)
{
	return (uintptr_t)table_get(&c->sockets.held, (struct table_key){pid, descriptor});
}

/* The socket that the connection itself names by its descriptor; 0: not known.  The socket that a
 * thread used last is only a guess where connections take turns.  The first pointer of MYSQL is
 * NULL while it is not connected. */
static uint64_t ask_connection(struct clients *c, const struct handle_key *key,
			       const struct attached *of)
{
	const struct memory_piece pieces[] = {
		{key->handle + of->descriptor.offset, sizeof(int)},
		{key->handle, sizeof(uint64_t)},
	};
	uint8_t bytes[sizeof(int) + sizeof(uint64_t)];
	int descriptor;
	uint64_t first;

	if (of->descriptor.size != sizeof(descriptor) ||
	    memory_pieces(key->pid, pieces, 2, bytes) != sizeof(bytes))
		return 0;
	memcpy(&descriptor, bytes, sizeof(descriptor));
	memcpy(&first, bytes + sizeof(descriptor), sizeof(first));
	if (descriptor < 0 || (of->library->bit == EV_LIBRARY_MYSQL && !first))
		return 0;
	return socket_of(c, key->pid, (uint32_t)descriptor);
}

static void find_socket(struct clients *c, const struct placed *placed,
			const struct raw_handle *raw, struct ev_handle *ev)
{
	uint64_t socket = ask_connection(c, &raw->key, placed->of);

	ev->connection = socket ? socket : raw->handle.socket;
	if (socket)
		ev->flags &= ~EV_HANDLE_TENTATIVE;
}

/* The object's name in its library.  A connection may be known only through an object that belongs
 * to it, so its name may stand in another row. */
static const char *object_name(const struct placed *placed, uint32_t resource)
{
	const struct probe_library *l = placed->of->library;

	if (placed->row->resource == resource)
		return placed->row->object;
	for (size_t i = 0; i < l->count; i++)
		if (l->rows[i].resource == resource && l->rows[i].object)
			return l->rows[i].object;
	return NULL;
}

static void on_handle(struct clients *c, const struct raw_handle *raw)
{
	const struct placed *placed = placed_of(c, raw->handle.probe);
	struct ev_handle ev = {};

	if (!placed || !c->host.owner(c->host.context, raw->key.pid, raw->start_ns, raw->comm))
		return;
	INIT(ev, EV_HANDLE);
	ev.start_ns = raw->start_ns;
	ev.handle = raw->key.handle;
	ev.parent = raw->handle.parent;
	ev.born_ns = raw->handle.born_ns;
	ev.used_ns = raw->handle.used_ns;
	ev.site = site_id(c, raw->handle.place, raw->handle.probe);
	ev.rows = raw->handle.rows;
	ev.bytes = UNKNOWN64;
	ev.acquired = raw->handle.acquired;
	ev.released = raw->handle.released;
	ev.pid = raw->key.pid;
	ev.tid = raw->handle.tid;
	ev.resource = raw->key.resource;
	ev.database = placed->of->library->database;
	ev.flags = raw->handle.flags;
	if (ev.resource == EV_RES_CONNECTION)
		find_socket(c, placed, raw, &ev);
	sizes_read(c->sizes, &ev, &placed->of->sized, object_name(placed, ev.resource));
	if (ev.flags & EV_HANDLE_UNREAD)
		watch_unread(c, raw, &ev, placed->of);
	tell(c, &ev.head);
	handle_evidence(c, raw);
	if (ev.database == EV_DB_SQLITE)
		sqlites_handle(c->sqlites, raw, &placed->of->fields);
}

static void on_dead(struct clients *c, const struct raw_handle *raw)
{
	const struct placed *placed = placed_of(c, raw->handle.probe);

	/* A connection that was not reported before its process ended was still held to the end. */
	if (placed && !raw->handle.told && raw->start_ns && raw->key.resource == EV_RES_CONNECTION)
		on_handle(c, raw);
	if (placed && placed->of->library->database == EV_DB_SQLITE)
		sqlites_gone(c->sqlites, &raw->key, raw->handle.born_ns, raw->head.ns, true);
	forget_unread(c, &raw->key);
	sizes_forget(c->sizes, &raw->key);
	kernel_client_forget_handle(c->kernel, &raw->key);
}

/* --- what is left ----------------------------------------------------------------------------- */

static bool is_old(const struct attached *a, uint64_t now, uint64_t age)
{
	return a->left_ns && now - a->left_ns >= age;
}

/* A process may unload a library and go on: the objects it had of it are gone. */
static void on_dropped(void *context, const struct handle_key *key, const struct handle *h)
{
	struct clients *c = context;
	const struct placed *placed = placed_of(c, h->probe);

	if (placed && placed->of->library->database == EV_DB_SQLITE)
		sqlites_gone(c->sqlites, key, h->born_ns, now_boot(), true);
	forget_unread(c, key);
	sizes_forget(c->sizes, key);
}

static void forget_attached(struct clients *c, struct attached *a)
{
	release_cookies(c, a);
	for (int g = 0; g < GROUPS; g++)
		c->left_cost_ns += a->spent_ns[g];
	table_free(&a->active);
	free(a);
	c->left--;
}

/* Forgets libraries that were unmapped `age` ns ago.  All entries with their cookies leave the
 * ledger first, or a reused cookie would give them to another library. */
static void forget_left(struct clients *c, uint64_t now, uint64_t age)
{
	static bool cookies[PROBES_MOST];
	struct attached **at = &c->files, *a;
	size_t n = 0;

	memset(cookies, 0, sizeof(cookies));
	for (a = c->files; a; a = a->next) {
		if (!is_old(a, now, age))
			continue;
		memset(cookies + a->first, true, a->count);
		n++;
	}
	if (!n || kernel_client_drop(c->kernel, cookies, on_dropped, c))
		return;
	while ((a = *at)) {
		if (!is_old(a, now, age)) {
			at = &a->next;
			continue;
		}
		*at = a->next;
		forget_attached(c, a);
	}
}

static void on_swept(void *context, const struct ev_head *record)
{
	struct clients *c = context;

	if (record->kind == RAW_SITE)
		on_site(c, (const void *)record);
	else if (record->kind == RAW_HANDLE)
		on_handle(c, (const void *)record);
	else if (record->kind == RAW_DEAD)
		on_dead(c, (const void *)record);
}

static void on_run(struct clients *c, const struct raw_run *raw)
{
	const struct placed *placed = placed_of(c, raw->probe);

	if (placed)
		sqlites_run(c->sqlites, raw, &placed->of->fields);
}

static void on_closed(struct clients *c, const struct ev_head *record)
{
	const struct ev_handle_closed *ev = (const void *)record;
	struct handle_key key = {.handle = ev->handle, .pid = ev->pid, .resource = ev->resource};

	tell(c, record);
	forget_unread(c, &key);
	sizes_forget(c->sizes, &key);
	sqlites_gone(c->sqlites, &key, ev->born_ns, ev->head.ns, false);
}

static void on_told(struct clients *c, const struct raw_handle *raw)
{
	if (raw->key.resource == EV_RES_CONNECTION)
		learn_sockets(c);
	on_handle(c, raw);
}

void clients_record(struct clients *c, const struct ev_head *record)
{
	if (record->kind == EV_HANDLE_CLOSED)
		on_closed(c, record);
	else if (record->kind == RAW_HANDLE)
		on_told(c, (const void *)record);
	else if (record->kind == RAW_RUN)
		on_run(c, (const void *)record);
}

void clients_exit(struct clients *c, uint64_t now_ns)
{
	if (c->pids.count && now_ns - c->swept_ns >= EXIT_SWEEP_NS)
		clients_sweep(c, now_ns);
}

int clients_sweep(struct clients *c, uint64_t now_ns)
{
	int err;

	if (!c->kernel)
		return 0;
	c->swept_ns = now_ns;
	if (c->pids.count)
		learn_sockets(c);
	err = kernel_client_sweep(c->kernel, on_swept, c);
	if (!err && c->dead && now_ns - c->buried_ns >= BURY_EVERY_NS) {
		c->dead = false;
		c->buried_ns = now_ns;
		err = kernel_client_bury(c->kernel, on_swept, c);
	}
	if (c->reach) { /* NULL where no probe works */
		reach_hold(c->reach, memory_maps_locked());
		reach_step(c->reach, c->procfs, now_ns);
	}
	if (c->left > LEFT_MOST)
		forget_left(c, now_ns, LEFT_NS);
	look_for_tls_again(c, now_ns);
	look_at_unread(c);
	sizes_sweep(c->sizes, now_ns);
	sqlites_sweep(c->sqlites, now_ns);
	return err;
}

/* --- life ----------------------------------------------------------------------------------- */

static uint64_t hits_of(void *context, uint32_t cookie)
{
	struct clients *c = context;
	uint64_t begun = 0, ended = 0;

	if (kernel_client_hits(c->kernel, cookie, 1, &begun) ||
	    kernel_client_hits(c->kernel, HITS_OF_EXITS(cookie), 1, &ended))
		return 0;
	return begun + ended;
}

static int calibrate(struct clients *c)
{
	static const struct probe canary = {.role = PROBE_COUNT};
	struct probe_programs *programs = &c->programs[GROUP_CONNECTIONS];
	int err = kernel_client_programs(c->kernel, KERNEL_PROBES_CLIENT, programs);

	for (uint32_t i = 0; i < PROBE_CANARIES && !err; i++)
		err = kernel_client_probe(c->kernel, i, &canary);
	c->used = PROBE_CANARIES;
	if (!err)
		err = probes_calibrate(&c->cost, programs, 0, hits_of, c);
	if (!err && c->cost.kills)
		err = -EPERM;
	c->programs[GROUP_OBJECTS] = c->programs[GROUP_RUNS] = *programs;
	if (!err)
		err = kernel_client_run_time(c->kernel, &c->program_cost.canary);
	if (!err && !c->cost.fires)
		err = -EIO;
	return err;
}

static void tell_reach_gap(void *context, const char *text)
{
	tell_gap(context, text);
}

static bool is_selected(void *context, uint32_t pid)
{
	struct clients *c = context;

	return c->host.selected(c->host.context, pid);
}

/* Before the first probe, finds out whether the memory map of every process answers. */
static void look_for_locked(struct clients *c)
{
	uint32_t *pids = NULL;
	size_t count = 0;

	if (procfs_pids(c->procfs, &pids, &count))
		return;
	for (size_t i = 0; i < count; i++)
		memory_maps_answer(pids[i]);
	free(pids);
	reach_hold(c->reach, memory_maps_locked());
}

static int open_reach(struct clients *c)
{
	const struct reach_host host = {.context = c, .wanted = is_selected, .gap = tell_reach_gap};
	enum reach_how how = !c->host.selective	    ? REACH_EVERYONE
			     : c->cost.keeps_to_pid ? REACH_CHOSEN
						    : REACH_THEIR_FILES;
	int err = reach_open(&c->reach, how, &host);

	if (!err)
		look_for_locked(c);
	/* Under REACH_EVERYONE all processes carry a file's probes once one of them maps the file.
	 * A ready probe is there before the first call. */
	if (!err && how == REACH_EVERYONE)
		reach_make_ready(c->reach);
	if (!err && c->host.command) {
		reach_make_ready(c->reach);
		reach_join(c->reach, c->host.command);
	}
	return err;
}

static const char *why_not(int err)
{
	switch (err) {
	case -EIO:
		return "probes on our own functions do not fire";
	case -EPERM:
		return "probes of this kernel kill processes under a seccomp filter";
	default:
		return strerror(-err);
	}
}

int clients_open(struct clients **out, struct kernel *kernel, const struct procfs *procfs,
		 const struct client_host *host)
{
	struct clients *c = calloc(1, sizeof(*c));
	char text[EV_TEXT_LEN];
	int err;

	*out = c;
	if (!c)
		return -ENOMEM;
	c->kernel = kernel;
	c->procfs = procfs;
	c->host = *host;
	err = sqlites_open(&c->sqlites, kernel, procfs, &c->host);
	if (!err)
		err = sizes_open(&c->sizes, &c->host);
	if (!err)
		err = calibrate(c);
	if (!err)
		err = open_reach(c);
	if (!err)
		err = runtimes_open(&c->runtimes, kernel, procfs, c->reach);
	if (!err)
		err = libraries_open(&c->libraries, procfs);
	if (err) {
		snprintf(text, sizeof(text), "client libraries cannot be probed: %s", why_not(err));
		tell_gap(c, text);
		return 0;
	}
	if (c->cost.exits_kill)
		tell_gap(c, "a probe at the end of a function kills a program here that switches "
			    "stacks, throws, or has a shadow stack: what libraries hand out is not "
			    "counted");
	libraries_on_mapping(c->libraries, on_mapping);
	libraries_on_gone(c->libraries, on_gone);
	if (libraries_watch(c->libraries))
		tell_gap(c, "libraries mapped from now on are found late: no perf events");
	if (host->eager && begin_tls(c))
		c->host.eager = false;
	if (c->programs[0].multi) /* without uprobe.multi each probe takes long to remove */
		head_start(c);
	runtimes_head_start(c->runtimes);
	return libraries_scan(c->libraries, on_file, c);
}

void clients_close(struct clients *c)
{
	struct attached *a, *next;

	if (!c)
		return;
	reach_close(c->reach);
	for (a = c->files; a; a = next) {
		next = a->next;
		table_free(&a->active);
		free(a);
	}
	while (c->tls_count)
		close(c->tls[--c->tls_count].fd);
	table_free_values(&c->tls_users);
	while (c->waiting_count)
		close(c->waiting[--c->waiting_count].fd);
	table_free_values(&c->unread);
	table_free(&c->sockets.held);
	table_free(&c->pids);
	libraries_close(c->libraries);
	runtimes_close(c->runtimes);
	sqlites_close(c->sqlites);
	sizes_close(c->sizes);
	free(c);
}

uint64_t clients_hit_ns(const struct clients *c)
{
	return c->cost.cheap_ns;
}

struct reach *clients_reach(const struct clients *c)
{
	return c->reach;
}

bool clients_is_at(const struct clients *c, uint64_t inode, uint64_t offset)
{
	return c->reach && reach_is_at(c->reach, inode, offset);
}

struct runtimes *clients_runtimes(const struct clients *c)
{
	return c->runtimes;
}

int clients_fd(const struct clients *c)
{
	return c->libraries ? libraries_fd(c->libraries) : -1;
}

int clients_step(struct clients *c, uint64_t now_ns)
{
	int err = 0;

	if (!c->libraries)
		return 0;
	err = libraries_poll(c->libraries, on_file, c);
	if (c->runtimes)
		runtimes_step(c->runtimes, now_ns);
	look_deeper(c);
	load_tls(c);
	keep_budget(c, now_ns);
	return err < 0 ? err : 0;
}

void clients_tell_libraries(struct clients *c)
{
	count_hits(c);
	for (struct attached *a = c->files; a; a = a->next)
		if (!a->left_ns)
			tell_library(c, a);
}

uint64_t clients_cost_ns(struct clients *c)
{
	uint64_t spent = c->left_cost_ns;

	count_hits(c);
	for (struct attached *a = c->files; a; a = a->next)
		for (int g = 0; g < GROUPS; g++)
			spent += a->spent_ns[g];
	return spent;
}

bool clients_stepped_down(const struct clients *c)
{
	return c->stepped_down;
}
