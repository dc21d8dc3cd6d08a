/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * jit_map.c - lines of "start size name", in hexadecimal, appended while the program runs.
 */
#include "user/capture/stack/native/jit_map.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/capture/stack/native/jit_map_state.h"

#define TEXT_MAX     (64U << 20)
#define SYMBOLS_MAX  (1U << 20)
#define COVERING_MAX 16 /* pieces of code that begin before an address and may reach it */

struct jit_map *jit_map_open(void)
{
	return calloc(1, sizeof(struct jit_map));
}

static void jit_map_forget(struct jit_map *m)
{
	for (size_t i = 0; i < m->count; i++)
		free(m->symbols[i].known);
	free(m->symbols);
	free(m->text);
	memset(m, 0, sizeof(*m));
}

void jit_map_close(struct jit_map *m)
{
	if (!m)
		return;
	jit_map_forget(m);
	free(m);
}

size_t jit_map_size(const struct jit_map *m)
{
	return m->room + m->symbol_room * sizeof(*m->symbols);
}

static bool jit_map_grow(void **array, size_t *room, size_t wanted, size_t limit, size_t size)
{
	size_t bigger = *room ? *room : 256;
	void *grown;

	while (bigger < wanted)
		bigger *= 2;
	if (wanted > limit)
		return false;
	if (bigger == *room)
		return true;
	grown = realloc(*array, bigger * size);
	if (!grown)
		return false;
	*array = grown;
	*room = bigger;
	return true;
}

static bool jit_map_number(const char **at, const char *end, uint64_t *out)
{
	const char *from = *at;

	*out = 0;
	if (end - *at > 2 && (*at)[0] == '0' && ((*at)[1] | 0x20) == 'x')
		from = *at += 2;
	for (; *at < end && isxdigit((unsigned char)**at); ++*at) {
		unsigned int c = (unsigned char)**at;

		*out = *out << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	if (*at == from || *at - from > 16 || *at == end || **at != ' ')
		return false;
	++*at;
	return true;
}

/* Adds a line; skips it if it is malformed. */
static void add_line(struct jit_map *m, const char *line, const char *end)
{
	struct jit_symbol symbol = {.known = NULL};
	uint64_t start, size, length;

	if (!jit_map_number(&line, end, &start) || !jit_map_number(&line, end, &size))
		return;
	length = (uint64_t)(end - line);
	if (!length || !size || size > INT32_MAX || start + size < start)
		return;
	if (length > JIT_NAME_MAX - 1)
		length = JIT_NAME_MAX - 1;
	if (!jit_map_grow((void **)&m->text, &m->room, m->used + length, TEXT_MAX, 1) ||
	    !jit_map_grow((void **)&m->symbols, &m->symbol_room, m->count + 1, SYMBOLS_MAX,
			  sizeof(symbol)))
		return;
	symbol.start = start;
	symbol.size = (uint32_t)size;
	symbol.text = (uint32_t)m->used;
	symbol.length = (uint32_t)length;
	memcpy(m->text + m->used, line, length);
	m->used += length;
	m->symbols[m->count++] = symbol;
	m->unsorted = true;
}

size_t jit_map_add(struct jit_map *m, const char *bytes, size_t size)
{
	const char *at = bytes, *end = bytes + size, *line_end;

	while ((line_end = memchr(at, '\n', (size_t)(end - at)))) {
		add_line(m, at, line_end);
		at = line_end + 1;
	}
	return (size_t)(at - bytes);
}

/* New code may be compiled at an old address: its line was added later, and sorts later. */
static int by_start(const void *a, const void *b)
{
	const struct jit_symbol *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->text > y->text) - (x->text < y->text);
}

struct jit_symbol *jit_map_find(struct jit_map *m, uint64_t address)
{
	size_t low = 0, high = m->count;

	if (m->unsorted)
		qsort(m->symbols, m->count, sizeof(*m->symbols), by_start);
	m->unsorted = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->symbols[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t i = 0; i < COVERING_MAX && i < low; i++) {
		struct jit_symbol *symbol = &m->symbols[low - 1 - i];

		if (address - symbol->start < symbol->size)
			return symbol;
	}
	return NULL;
}

/* Steps over what is left of a line that is longer than the block. */
static size_t skip_long(struct jit_map *m, const char *bytes, size_t size)
{
	const char *line_end = memchr(bytes, '\n', size);

	m->in_long = !line_end;
	return line_end ? (size_t)(line_end - bytes) + 1 : size;
}

/* Adds the new part of the file.  A line longer than the block is skipped to its end. */
static int read_more(struct jit_map *m, int fd, off_t size)
{
	static char block[1 << 16];
	size_t count = m->count;

	while (m->read < size) {
		ssize_t got = pread(fd, block, sizeof(block), m->read);
		size_t used;

		if (got <= 0)
			return got < 0 ? -errno : 0;
		used = m->in_long ? skip_long(m, block, (size_t)got)
				  : jit_map_add(m, block, (size_t)got);
		if (!used && (size_t)got < sizeof(block))
			break; /* the line is still being written */
		m->in_long |= !used;
		m->read += used ? (off_t)used : got;
	}
	return m->count > count;
}

int jit_map_read(struct jit_map *m, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EPERM;
	if (st.st_dev != m->device || st.st_ino != m->inode || st.st_size < m->read) {
		jit_map_forget(m);
		m->device = st.st_dev;
		m->inode = st.st_ino;
	}
	return read_more(m, fd, st.st_size < TEXT_MAX ? st.st_size : TEXT_MAX);
}

/* Cuts ":12" off the end and reads it. */
static bool jit_map_take_number(char *text, uint32_t *out)
{
	char *colon = strrchr(text, ':'), *end;
	unsigned long value;

	if (!colon || !isdigit((unsigned char)colon[1]))
		return false;
	value = strtoul(colon + 1, &end, 10);
	if (*end || value > INT32_MAX)
		return false;
	*out = (uint32_t)value;
	*colon = '\0';
	return true;
}

static char *jit_map_file_of(char *text)
{
	static const char *const starts[] = {" /", " file://", " node:", " internal/"};
	char *at = NULL;

	for (size_t i = 0; i < sizeof(starts) / sizeof(*starts) && !at; i++)
		at = strstr(text, starts[i]);
	return at ? at : strrchr(text, ' ');
}

/* Splits "*handler /app/server.js:12:34" or "~ file:///app/main.mjs:1:1"; the place is where the
 * function begins. */
static void name_javascript(char *text, struct frame *frame)
{
	uint32_t line, column;
	char *file;

	if (*text && strchr("*~^+'", *text))
		text++;
	frame->function = text;
	file = jit_map_file_of(text);
	if (!file || !jit_map_take_number(file, &column) || !jit_map_take_number(file, &line))
		return;
	*file++ = '\0';
	frame->file = strncmp(file, "file://", 7) ? file : file + 7;
	frame->line = line;
	frame->column = column;
	frame->flags = EV_FRAME_DEFINED;
	frame->function = *text ? text : "(anonymous)";
}

/* "Lcom/shop/Orders;::list" */
static bool name_java(char *text, struct frame *frame)
{
	char *end = strstr(text, ";::");
	size_t length;

	if (*text != 'L' || !end)
		return false;
	for (char *at = text; at < end; at++)
		if (*at == '/')
			*at = '.';
	length = strlen(end + 3);
	*end = '.';
	memmove(end + 1, end + 3, length + 1);
	frame->function = text + 1;
	frame->language = EV_LANG_JAVA;
	return true;
}

/* "java.util.List com.shop.Orders.list(int)", as the JVM itself writes it since version 17.  Names
 * of C++ and .NET, which look alike, have a "::". */
static bool name_java_method(char *text, struct frame *frame)
{
	char *name = strchr(text, ' '), *arguments = strchr(text, '(');

	if (!name || !arguments || name > arguments || text[strlen(text) - 1] != ')')
		return false;
	*arguments = '\0';
	if (strchr(name + 1, ' ') || !strchr(name + 1, '.') || strstr(name, "::")) {
		*arguments = '(';
		return false;
	}
	frame->function = name + 1;
	frame->language = EV_LANG_JAVA;
	return true;
}

/* "py::handler:/app/server.py" */
static bool name_python(char *text, struct frame *frame)
{
	char *file;

	if (strncmp(text, "py::", 4))
		return false;
	file = strchr(text + 4, ':');
	frame->function = text + 4;
	frame->language = EV_LANG_PYTHON;
	if (file) {
		*file = '\0';
		frame->file = file + 1;
	}
	return true;
}

void jit_map_name(const struct jit_map *m, const struct jit_symbol *symbol, char buf[JIT_NAME_MAX],
		  struct frame *frame)
{
	static const char *const compiled[] = {
		"LazyCompile:", "Function:", "JS:", "Script:", "Eval:"};
	static const char *const inner[] = {"Builtin:", "BytecodeHandler:", "RegExp:", "Stub:"};

	memcpy(buf, m->text + symbol->text, symbol->length);
	buf[symbol->length] = '\0';
	memset(frame, 0, sizeof(*frame));
	frame->function = buf;
	for (size_t i = 0; i < sizeof(compiled) / sizeof(*compiled); i++)
		if (!strncmp(buf, compiled[i], strlen(compiled[i]))) {
			frame->language = EV_LANG_JAVASCRIPT;
			name_javascript(buf + strlen(compiled[i]), frame);
			return;
		}
	for (size_t i = 0; i < sizeof(inner) / sizeof(*inner); i++)
		if (!strncmp(buf, inner[i], strlen(inner[i])))
			frame->language = EV_LANG_JAVASCRIPT;
	if (!name_java(buf, frame) && !name_java_method(buf, frame))
		name_python(buf, frame);
}
