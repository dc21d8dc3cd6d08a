/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * python.c - see python.h.
 *
 * With each address the kernel half sends a check, a hash of the code object's identity.  A kept
 * code object with the same check is the right one, even if the process has freed it meanwhile.  An
 * object that is read now and has another check is not the one that ran.  So a stack of known code
 * costs no system call, and a forked child that is gone already is named from its parent's code.
 */
#include "user/capture/stack/python.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/table.h"
#include "user/capture/host/memory.h"
#include "user/capture/stack/python_state.h"

#define HEAD_BYTES   64 /* of a string or bytes object */
#define TYPE_NAME_AT 24

/* Every object begins with its reference count and its type. */
#define TYPE_AT	  8
#define LENGTH_AT 16 /* of a string or bytes */
#define STATE_AT  32 /* of a string */

/* The fields of a raw_frame. */
struct python_place {
	uint64_t code, at;
	uint32_t check, owner;
};

int pythons_open(struct pythons **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

/* --- memory of the process ------------------------------------------------------------------- */

/* Reads all bytes or fails.  0 or -errno. */
static int read_memory(uint32_t pid, uint64_t address, void *to, size_t size)
{
	return memory_at(pid, address, to, size);
}

static uint64_t word_of(const uint8_t *bytes, size_t at)
{
	uint64_t word;

	memcpy(&word, bytes + at, sizeof(word));
	return word;
}

static uint32_t half_of(const uint8_t *bytes, size_t at)
{
	uint32_t half;

	memcpy(&half, bytes + at, sizeof(half));
	return half;
}

/* Has this type this name?  name is 8 bytes at most, its NUL included. */
static bool is_type(uint32_t pid, uint64_t type, const char *name)
{
	uint64_t at;
	char bytes[8];

	return type && !read_memory(pid, type + TYPE_NAME_AT, &at, sizeof(at)) &&
	       !read_memory(pid, at, bytes, strlen(name) + 1) &&
	       memcmp(bytes, name, strlen(name) + 1) == 0;
}

/* The same, but remembers the type: a process has one type of each name. */
static bool has_type(uint32_t pid, uint64_t type, const char *name, uint64_t *known)
{
	if (*known && *known == type)
		return true;
	if (!is_type(pid, type, name))
		return false;
	*known = type;
	return true;
}

static struct types *types_of(struct pythons *p, const struct raw_stack *raw)
{
	if (p->types.pid != raw->pid || p->types.start_ns != raw->start_ns)
		p->types = (struct types){.pid = raw->pid, .start_ns = raw->start_ns};
	return &p->types;
}

/* Reads a string, which the caller frees.  NULL: not a string, or it cannot be read. */
static char *read_text(struct pythons *p, const struct python_code_layout *layout,
		       struct types *types, uint64_t address)
{
	uint8_t head[HEAD_BYTES];
	uint64_t length, state, from;
	unsigned int kind;
	char text[TEXT_MOST + 1];

	if (!address || read_memory(types->pid, address, head, sizeof(head)) ||
	    !has_type(types->pid, word_of(head, TYPE_AT), "str", &types->text))
		return NULL;
	length = word_of(head, LENGTH_AT);
	state = half_of(head, STATE_AT);
	kind = state >> 2 & 7;
	if (!(state & 1 << 5) || (kind != 1 && kind != 2 && kind != 4))
		return NULL;
	if (length > TEXT_MOST)
		length = TEXT_MOST;
	from = address + (state & 1 << 6 ? layout->ascii : layout->other);
	if (length && read_memory(types->pid, from, p->scratch, length * kind))
		return NULL;
	python_text(p->scratch, length, kind, text, sizeof(text));
	return strdup(text);
}

/* Reads a line table into p->scratch.  Returns its size; 0: none. */
static size_t read_lines(struct pythons *p, struct types *types, const struct python_identity *i)
{
	uint64_t address = i->name[PYTHON_IDENTITY_WORDS - 1], type;
	size_t size = i->size < LINES_MOST ? i->size : LINES_MOST; /* code behind this part has no
								    * lines */

	if (read_memory(types->pid, address + TYPE_AT, &type, sizeof(type)) ||
	    !has_type(types->pid, type, "bytes", &types->bytes))
		return 0;
	return read_memory(types->pid, address + BYTES_AT, p->scratch, size) ? 0 : size;
}

/* Is the code object with this head the one that the frame ran? */
static bool read_identity(const struct python_code_layout *layout, uint32_t pid,
			  const uint8_t *head, uint32_t check, struct python_identity *i)
{
	memcpy(i->name, head + layout->lines + sizeof(i->name[0]) - sizeof(i->name),
	       sizeof(i->name));
	return !read_memory(pid, i->name[PYTHON_IDENTITY_WORDS - 1] + PYTHON_LINES_AT, &i->size,
			    3 * sizeof(i->size)) &&
	       python_check(i) == check;
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
	free(c->lines);
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
static void drop_other(struct pythons *p, const struct raw_stack *raw,
		       const struct python_place *at)
{
	struct python_code *c = table_get(&p->codes,
					  python_key_of(raw->pid, raw->start_ns, at->code));

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

static bool python_fill(struct pythons *p, const struct python_code_layout *layout,
			struct types *types, const uint8_t *head,
			const struct python_identity *identity, struct python_code *c)
{
	uint16_t name = layout->qualified ? layout->qualified : layout->name;
	size_t lines;

	c->first_line = half_of(head, layout->first_line);
	c->function = read_text(p, layout, types, word_of(head, name));
	c->file = read_text(p, layout, types, word_of(head, layout->file));
	lines = read_lines(p, types, identity);
	c->lines = malloc(lines + 1);
	if (!c->function || !c->file || !c->lines)
		return false;
	memcpy(c->lines, p->scratch, lines);
	c->line_bytes = lines;
	c->bytes = sizeof(*c) + strlen(c->function) + strlen(c->file) + lines;
	return true;
}

/* Reads the code object that the frame ran; head holds its first bytes.  NULL: it is no code
 * object, is gone, or cannot be read whole. */
static struct python_code *code_read(struct pythons *p, const struct python_code_layout *layout,
				     const struct raw_stack *raw, const struct python_place *at,
				     const uint8_t *head)
{
	struct types *types = types_of(p, raw);
	struct python_identity identity;
	struct python_code *c;

	if (!read_identity(layout, raw->pid, head, at->check, &identity) ||
	    !has_type(raw->pid, word_of(head, TYPE_AT), "code", &types->code))
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->address = at->code;
	c->check = at->check;
	c->pid = raw->pid;
	c->start_ns = raw->start_ns;
	if (!python_fill(p, layout, types, head, &identity, c) ||
	    table_put(&p->codes, python_key_of(c->pid, c->start_ns, c->address), c)) {
		code_free(c);
		return NULL;
	}
	code_link(p, c);
	table_put(&p->twins, twin_key(c->address, c->check), c); /* without memory it is not
								  * found */
	p->counts.bytes += c->bytes;
	p->counts.read++;
	return c;
}

/* --- a stack --------------------------------------------------------------------------------- */

/* For a process that is gone, finds a code object of another process with the same address and
 * check.  Addresses are random, so these processes are a parent and its child, or children of one
 * parent. */
static struct python_code *code_left(struct pythons *p, const struct python_place *at, bool gone)
{
	return gone ? table_get(&p->twins, twin_key(at->code, at->check)) : NULL;
}

/* Reads the heads of the code objects that are not kept, many in one call.  Skips one that cannot
 * be read.  0, or -errno: nothing can be read. */
static int read_heads(struct pythons *p, uint32_t pid, const struct python_place *at, size_t n)
{
	struct memory_piece pieces[MEMORY_PIECES];
	size_t done = 0;

	for (size_t i = 0; i < n; i++)
		p->have[i] = false;
	while (done < n) {
		size_t some = n - done < MEMORY_PIECES ? n - done : MEMORY_PIECES, whole;
		ssize_t got;

		for (size_t i = 0; i < some; i++)
			pieces[i] = (struct memory_piece){at[done + i].code, PYTHON_CODE_BYTES};
		got = memory_pieces(pid, pieces, some, p->heads[done]);
		if (got < 0 && got != -EFAULT)
			return (int)got;
		whole = got > 0 ? (size_t)got / PYTHON_CODE_BYTES : 0;
		for (size_t i = 0; i < whole; i++)
			p->have[done + i] = true;
		done += whole < some ? whole + 1 : some; /* past the one that failed */
	}
	return 0;
}

/* Reads the code objects that are not kept yet; one that cannot be read stays unknown.  0 or
 * -errno. */
static int read_missing(struct pythons *p, const struct python_code_layout *layout,
			const struct raw_stack *raw, const struct python_place *at, size_t n)
{
	struct python_place missing[STACK_FRAMES];
	size_t count = 0;
	int err;

	for (size_t i = 0; i < n; i++)
		if (!code_find(p, raw, &at[i]))
			missing[count++] = at[i];
	if (!count)
		return 0;
	err = read_heads(p, raw->pid, missing, count);
	for (size_t i = 0; i < count && !err; i++) {
		if (!p->have[i] || code_find(p, raw, &missing[i])) /* it is twice in the stack */
			continue;
		drop_other(p, raw, &missing[i]);
		code_read(p, layout, raw, &missing[i], p->heads[i]);
	}
	return err;
}

/* Returns the frame's place in bytes from the beginning of its code; UINT32_MAX: not in it. */
static uint32_t place_in(const struct python_code_layout *layout, const struct python_place *at)
{
	uint64_t bytes = layout->bytecode ? at->at - at->code - layout->bytecode
					  : at->at * layout->scale;

	return bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}

static uint32_t line_of(const struct python_code_layout *layout, struct python_code *c, uint32_t at)
{
	size_t next;
	uint32_t line;

	for (size_t i = 0; i < PLACES; i++)
		if (c->place[i].known && c->place[i].at == at)
			return c->place[i].line;
	line = at == UINT32_MAX
		       ? 0
		       : python_line(layout->kind, c->lines, c->line_bytes, at, c->first_line);
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
	out->line = line_of(layout, c, place_in(layout, at));
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
static bool has_greenlets(struct pythons *p, struct types *types)
{
	char path[64], *line = NULL;
	size_t size = 0;
	FILE *maps;

	if (types->greenlets || types->looked_at == p->counts.read)
		return types->greenlets;
	types->looked_at = p->counts.read;
	snprintf(path, sizeof(path), "/proc/%u/maps", types->pid);
	maps = memory_maps_answer(types->pid) ? NULL : fopen(path, "re");
	while (maps && !types->greenlets && getline(&line, &size, maps) > 0)
		types->greenlets = strstr(line, "/_greenlet.") || strstr(line, "/greenlet.");
	free(line);
	if (maps)
		fclose(maps);
	return types->greenlets;
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
	if (named && !(*flags & EV_STACK_CUT) && !is_beginning(&frames[n - 1]) &&
	    has_greenlets(p, types_of(p, raw)))
		*flags |= EV_STACK_GREENLET;
	p->counts.stacks++;
	p->counts.frames += (uint64_t)named;
	return named ? (int)n : err;
}

struct python_counts python_counts(const struct pythons *p)
{
	return p->counts;
}
