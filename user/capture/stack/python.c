/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * python.c - see python.h.
 *
 * With each address the kernel half sends a check, a hash of the code object's identity.  A kept
 * code object with the same check is the right one, even if the process has freed it meanwhile.  An
 * object that is read now and has another check is not the one that ran.  So a stack of known code
 * costs no question to the worker, and a forked child that is gone already is named from its
 * parent's code.
 */
#include "user/capture/stack/python.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/table.h"
#include "user/capture/host/memory.h"
#include "user/capture/stack/objects.h"
#include "user/capture/stack/python_object.h"
#include "user/capture/stack/python_state.h"

/* The fields of a raw_frame. */
struct python_place {
	uint64_t code, at;
	uint32_t check, owner;
};

int pythons_open(struct pythons **out, struct objects *objects)
{
	struct pythons *p = calloc(1, sizeof(*p));

	*out = p;
	if (!p)
		return -ENOMEM;
	p->objects = objects;
	return 0;
}

/* --- what is kept ---------------------------------------------------------------------------- */

static struct table_key python_key_of(uint32_t pid, uint64_t start_ns, uint64_t address)
{
	return (struct table_key){address, start_ns ^ (uint64_t)pid << 40};
}

static struct table_key twin_key(uint64_t address, uint32_t check)
{
	return (struct table_key){address, check};
}

static void code_unlink(struct pythons *p, struct python_code *c)
{
	*(c->older ? &c->older->newer : &p->oldest) = c->newer;
	*(c->newer ? &c->newer->older : &p->newest) = c->older;
}

static void code_link(struct pythons *p, struct python_code *c)
{
	c->newer = NULL;
	c->older = p->newest;
	*(p->newest ? &p->newest->newer : &p->oldest) = c;
	p->newest = c;
}

static void code_free(struct python_code *c)
{
	free(c->function);
	free(c->file);
	free(c->spans);
	free(c);
}

static void code_drop(struct pythons *p, struct python_code *c)
{
	code_unlink(p, c);
	p->counts.bytes -= c->bytes;
	table_remove(&p->codes, python_key_of(c->pid, c->start_ns, c->address));
	if (table_get(&p->twins, twin_key(c->address, c->check)) == c)
		table_remove(&p->twins, twin_key(c->address, c->check));
	c->older = p->dead;
	p->dead = c;
}

static void bury(struct pythons *p)
{
	struct python_code *c;

	while ((c = p->dead)) {
		p->dead = c->older;
		code_free(c);
	}
}

static struct python_code *python_code_at(const struct pythons *p, const struct raw_stack *raw,
					  uint64_t address)
{
	struct python_code *c = table_get(&p->codes,
					  python_key_of(raw->pid, raw->start_ns, address));

	return c && c->pid == raw->pid && c->start_ns == raw->start_ns && c->address == address
		       ? c
		       : NULL;
}

static struct python_code *code_find(struct pythons *p, const struct raw_stack *raw,
				     const struct python_place *at)
{
	struct python_code *c = python_code_at(p, raw, at->code);

	if (!c || c->check != at->check)
		return NULL;
	if (c != p->newest) {
		code_unlink(p, c);
		code_link(p, c);
	}
	return c;
}

/* Drops the code object that was at this address before. */
static void drop_other(struct pythons *p, const struct raw_stack *raw, uint64_t code)
{
	struct python_code *c = table_get(&p->codes, python_key_of(raw->pid, raw->start_ns, code));

	if (!c)
		return;
	code_drop(p, c);
	p->counts.stale++;
}

/* Drops the code objects that were used longest ago.  Called before a stack is read, so that all
 * objects of that stack stay. */
static void python_make_room(struct pythons *p)
{
	while (p->oldest && (p->codes.count > CODES_MOST || p->counts.bytes > BYTES_MOST))
		code_drop(p, p->oldest);
	bury(p);
}

void pythons_close(struct pythons *p)
{
	if (!p)
		return;
	while (p->oldest)
		code_drop(p, p->oldest);
	bury(p);
	table_free(&p->codes);
	table_free(&p->twins);
	free(p);
}

static bool python_fill(const struct python_told *told, struct python_code *c)
{
	size_t size = told->span_count * sizeof(*c->spans);

	c->first_line = told->first_line;
	c->function = strdup(told->function);
	c->file = strdup(told->file);
	c->spans = malloc(size + 1);
	if (!c->function || !c->file || !c->spans)
		return false;
	memcpy(c->spans, told->spans, size);
	c->span_count = told->span_count;
	c->bytes = sizeof(*c) + strlen(c->function) + strlen(c->file) + size;
	return true;
}

/* A reading of code objects: of which stack, and which ones. */
struct python_reading {
	struct pythons *p;
	const struct raw_stack *raw;
	struct python_wanted wanted[STACK_FRAMES];
	size_t count;
};

/* Keeps a code object that was read. */
static void python_keep(void *context, size_t i, const struct python_told *told)
{
	const struct python_reading *r = context;
	struct pythons *p = r->p;
	struct python_code *c = calloc(1, sizeof(*c));

	if (!c)
		return;
	c->address = r->wanted[i].code;
	c->check = r->wanted[i].check;
	c->pid = r->raw->pid;
	c->start_ns = r->raw->start_ns;
	drop_other(p, r->raw, c->address);
	if (!python_fill(told, c) ||
	    table_put(&p->codes, python_key_of(c->pid, c->start_ns, c->address), c)) {
		code_free(c);
		return;
	}
	code_link(p, c);
	table_put(&p->twins, twin_key(c->address, c->check), c); /* without memory it is not
								  * found */
	p->counts.bytes += c->bytes;
	p->counts.read++;
}

/* --- a stack --------------------------------------------------------------------------------- */

/* For a process that is gone, finds a code object of another process with the same address and
 * check.  Addresses are random, so these processes are a parent and its child, or children of one
 * parent. */
static struct python_code *code_left(struct pythons *p, const struct python_place *at, bool gone)
{
	return gone ? table_get(&p->twins, twin_key(at->code, at->check)) : NULL;
}

/* Adds a code object, once. */
static void python_want(struct python_reading *r, const struct python_place *at)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->wanted[i].code == at->code && r->wanted[i].check == at->check)
			return;
	r->wanted[r->count++] = (struct python_wanted){at->code, at->check, 0};
}

/* Reads the code objects that are not kept yet; one that cannot be read stays unknown.  0 or
 * -errno. */
static int read_missing(struct pythons *p, const struct python_code_layout *layout,
			const struct raw_stack *raw, const struct python_place *at, size_t n)
{
	const struct python_process process = {raw->start_ns, raw->pid};
	struct python_reading r = {.p = p, .raw = raw};

	for (size_t i = 0; i < n; i++)
		if (!code_find(p, raw, &at[i]))
			python_want(&r, &at[i]);
	return r.count ? objects_python(p->objects, layout, &process, r.wanted, r.count,
					python_keep, &r)
		       : 0;
}

/* Returns the frame's place in bytes from the beginning of its code; UINT32_MAX: not in it. */
static uint32_t place_in(const struct python_code_layout *layout, const struct python_place *at)
{
	uint64_t bytes = layout->bytecode ? at->at - at->code - layout->bytecode
					  : at->at * layout->scale;

	return bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}

static uint32_t line_of(struct python_code *c, uint32_t at)
{
	size_t next;
	uint32_t line;

	for (size_t i = 0; i < PLACES; i++)
		if (c->place[i].known && c->place[i].at == at)
			return c->place[i].line;
	line = at == UINT32_MAX ? 0 : python_line(c->spans, c->span_count, at);
	next = c->places++ % PLACES;
	c->place[next].at = at;
	c->place[next].line = line;
	c->place[next].known = 1;
	return line;
}

static void name_frame(const struct python_code_layout *layout, struct python_code *c,
		       const struct python_place *at, struct frame *out)
{
	out->function = c->function;
	out->file = c->file;
	out->line = line_of(c, place_in(layout, at));
	if (out->line)
		return;
	out->line = c->first_line;
	out->flags = EV_FRAME_DEFINED;
}

/* Splits raw frames into their fields.  Leaves out the interpreter's own frames, which stand
 * between Python code and its caller in C. */
static size_t take_apart(const struct python_row *row, const struct raw_stack *raw,
			 struct python_place *out)
{
	size_t n = 0;

	for (size_t i = 0; i < raw->count; i++) {
		const struct raw_frame *f = &raw->frame[i];
		struct python_place at = {
			.code = f->code & PYTHON_ADDRESS,
			.at = f->at & PYTHON_ADDRESS,
			.check = (uint32_t)(f->code >> PYTHON_ADDRESS_BITS |
					    (f->at >> PYTHON_ADDRESS_BITS & 0xff) << 16),
			.owner = (uint32_t)(f->at >> PYTHON_OWNER_SHIFT),
		};

		if (at.owner >= 8 || !(row->strangers >> at.owner & 1))
			out[n++] = at;
	}
	return n;
}

/* Has the process loaded greenlet, the library whose switches cut stacks?  Checked again when the
 * process runs new code. */
static bool has_greenlets(struct pythons *p, const struct raw_stack *raw)
{
	struct greenlets *g = &p->greenlets;
	char path[64], *line = NULL;
	size_t size = 0;
	FILE *maps;

	if (g->process.pid != raw->pid || g->process.start_ns != raw->start_ns)
		*g = (struct greenlets){.process = {raw->start_ns, raw->pid}};
	if (g->loaded || g->looked_at == p->counts.read)
		return g->loaded;
	g->looked_at = p->counts.read;
	snprintf(path, sizeof(path), "/proc/%u/maps", raw->pid);
	maps = memory_maps_answer(raw->pid) ? NULL : fopen(path, "re");
	while (maps && !g->loaded && getline(&line, &size, maps) > 0)
		g->loaded = strstr(line, "/_greenlet.") || strstr(line, "/greenlet.");
	free(line);
	if (maps)
		fclose(maps);
	return g->loaded;
}

/* Is this the function in which a program or a thread begins?  If the process has greenlets, a
 * stack that begins elsewhere was cut by a switch. */
static bool is_beginning(const struct frame *f)
{
	static const char *const names[] = {"<module>", "_bootstrap", "Thread._bootstrap"};

	for (size_t i = 0; f->function && i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(f->function, names[i]))
			return true;
	return !f->function;
}

int python_read(struct pythons *p, const struct python_build *build, const struct raw_stack *raw,
		struct frame *frames, uint32_t *flags)
{
	struct python_place at[STACK_FRAMES];
	int named = 0, err;
	size_t n;

	*flags = raw->flags;
	if (raw->count > STACK_FRAMES)
		return -EINVAL;
	python_make_room(p);
	n = take_apart(&build->row, raw, at);
	err = read_missing(p, &build->code, raw, at, n);
	for (size_t i = 0; i < n; i++) {
		struct python_code *c = code_find(p, raw, &at[i]);

		if (!c)
			c = code_left(p, &at[i], err == -ESRCH);
		frames[i] = (struct frame){.language = EV_LANG_PYTHON};
		if (c)
			name_frame(&build->code, c, &at[i], &frames[i]);
		else
			*flags |= EV_STACK_NAMELESS;
		named += c != NULL;
	}
	if (named && !(*flags & (EV_STACK_CUT | RAW_STACK_TASK)) && !is_beginning(&frames[n - 1]) &&
	    has_greenlets(p, raw))
		*flags |= EV_STACK_GREENLET;
	p->counts.stacks++;
	p->counts.frames += (uint64_t)named;
	return named ? (int)n : err;
}

struct python_counts python_counts(const struct pythons *p)
{
	return p->counts;
}
