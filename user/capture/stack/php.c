/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * php.c - see php.h.
 */
#include "user/capture/stack/php.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/elf/elf_question.h"
#include "user/capture/stack/php_state.h"

#define BLOCK 65536

const struct php_row php_rows[PHP_ROWS] = {
	{7, 4, 60, 64, 136}, {8, 0, 68, 72, 144}, {8, 1, 68, 72, 144},
	{8, 2, 80, 88, 152}, {8, 3, 76, 80, 144}, {8, 4, 96, 104, 168},
};

/* Code and constants of PHP with all of its extensions built in */
#define CONSTANTS_MOST (32 << 20)
static const char mark[] = "X-Powered-By: PHP/";

#define MARK (sizeof(mark) - 1)

int php_row_of(const char *version)
{
	char *end;
	unsigned long major = strtoul(version, &end, 10), minor;

	if (*end != '.' || !isdigit((unsigned char)end[1]))
		return -ENOTSUP;
	minor = strtoul(end + 1, &end, 10);
	for (size_t i = 0; i < PHP_ROWS; i++)
		if (php_rows[i].major == major && php_rows[i].minor == minor)
			return (int)i;
	return -ENOTSUP;
}

/* Returns the row of the version in these bytes of the file, or -ENOTSUP.  buf has room for two
 * blocks. */
static int version_in(struct elf_file *e, uint64_t offset, uint64_t bytes, char *buf)
{
	size_t kept = 0;
	ssize_t n;

	for (uint64_t at = 0; at < bytes; at += (uint64_t)n) {
		size_t want = bytes - at < BLOCK ? (size_t)(bytes - at) : BLOCK, size;
		char *found;

		n = elf_read(e, offset + at, buf + kept, want);
		if (n <= 0)
			break;
		size = kept + (size_t)n;
		buf[size] = '\0';
		found = memmem(buf, size, mark, MARK);
		if (found && found + MARK + 8 <= buf + size)
			return php_row_of(found + MARK);
		kept = size < MARK + 8 ? size : MARK + 8;
		memmove(buf, buf + size - kept, kept);
	}
	return -ENOTSUP;
}

/* Every PHP has the HTTP header that it sends among its constants, with its version.  Returns the
 * row of that version; -ENOTSUP: not known; or -ENOMEM. */
static int version_find(struct elf_file *e)
{
	char *buf = calloc(1, MARK + 8 + BLOCK + 1);
	uint64_t offset, size, left = CONSTANTS_MOST;
	int row = -ENOTSUP;

	if (!buf)
		return -ENOMEM;
	for (unsigned int i = 0; row < 0 && left && !elf_constants(e, i, &offset, &size); i++) {
		size = size < left ? size : left;
		left -= size;
		row = version_in(e, offset, size, buf);
	}
	free(buf);
	return row;
}

/* The version as the file says it. */
struct php_version {
	int32_t row; /* -ENOTSUP: none that is read */
};

static int php_answer(struct elf_file *e, const void *in, void *out)
{
	struct php_version *version = out;

	(void)in;
	version->row = version_find(e);
	return version->row == -ENOMEM ? -ENOMEM : 0;
}

static bool php_check(struct elf_file *e, const void *in, const void *out)
{
	const struct php_version *version = out;

	(void)e;
	(void)in;
	return version->row == -ENOTSUP || (version->row >= 0 && version->row < PHP_ROWS);
}

const struct elf_question php_question = {0, sizeof(struct php_version), php_answer, php_check};

int php_probe(struct elf_file *e, struct runtime_process *out, const char **why)
{
	static const char *const names[] = {"executor_globals", "executor_globals_offset",
					    "module_registry"};
	struct elf_symbol symbol[3];
	struct php_version version = {-ENOTSUP};
	int err = elf_find_variables(e, names, 3, false, symbol);

	if (err < 0)
		return err;
	if (!symbol[2].offset || (!symbol[0].offset && !symbol[1].offset))
		return -ENOENT;
	if (!symbol[0].offset) {
		*why = "no source lines: built with threads (ZTS)";
		return -ENOTSUP;
	}
	err = elf_ask(e, &php_question, "", &version);
	if (err || version.row < 0) {
		*why = "no source lines: unsupported version (7.4 to 8.4 are supported)";
		return err ? err : -ENOTSUP;
	}
	*out = (struct runtime_process){
		.address = symbol[0].offset, .row = (uint32_t)version.row, .runtime = RUNTIME_PHP};
	return 0;
}

/* Reads a zend_string.  NULL: not a string, or empty, or there is no room. */
static const char *read_string(const struct memory *m, uint64_t at, struct texts *t)
{
	struct {
		uint32_t references, type;
		uint64_t hash, length;
	} head;
	uint8_t end;

	if (!at || at % 8 || memory_read(m, at, &head, sizeof(head)))
		return NULL;
	if ((head.type & 15) != IS_STRING || !head.length || head.length > TEXT_MOST)
		return NULL;
	if (memory_read(m, at + AT_TEXT + head.length, &end, 1) || end)
		return NULL;
	return texts_read_bytes(t, m, at + AT_TEXT, head.length);
}

static uint64_t word_in(const uint8_t *bytes, size_t at)
{
	uint64_t word;

	memcpy(&word, bytes + at, sizeof(word));
	return word;
}

static uint32_t half_in(const uint8_t *bytes, size_t at)
{
	return (uint32_t)word_in(bytes, at);
}

/* Reads "Class::method" or "function".  NULL: the code of a file outside of all functions. */
static const char *read_name(const struct memory *m, const uint8_t *function, struct texts *t)
{
	size_t before = t->used;
	uint64_t scope = word_in(function, AT_SCOPE), class = 0;
	const char *name = NULL;

	if (scope && !memory_u64(m, scope + AT_CLASS, &class) &&
	    (name = read_string(m, class, t))) {
		t->used--; /* its NUL */
		if (texts_add(t, "::", 2))
			t->used--;
	}
	if (read_string(m, word_in(function, AT_NAME), t))
		return name ? name : t->bytes + before;
	t->used = before;
	return NULL;
}

/* Reads the line of an opline, which must lie within the function.  Else takes the line where the
 * function begins. */
static void read_line(const struct memory *m, const struct php_row *row, const uint8_t *function,
		      uint64_t opline, struct frame *f)
{
	uint64_t first = word_in(function, row->opcodes);
	uint32_t last = half_in(function, row->last), line = 0;

	if (opline >= first && last <= OPS_MOST && opline - first < (uint64_t)last * OP_BYTES &&
	    !((opline - first) % OP_BYTES) &&
	    !memory_read(m, opline + AT_LINE, &line, sizeof(line)) && line && line <= LINES_MOST) {
		f->line = line;
		return;
	}
	line = half_in(function, row->filename + 8);
	f->line = line <= LINES_MOST ? line : 0;
	f->flags = EV_FRAME_DEFINED;
}

/* Names one frame.  Returns 0; -EBADMSG: it cannot be believed; or -errno. */
static int read_frame(const struct memory *m, const struct php_row *row,
		      const struct raw_frame *raw, struct texts *t, struct frame *f)
{
	uint8_t function[FUNCTION_BYTES + 8] = {0};
	ssize_t n = m->read(m, raw->code, function, FUNCTION_BYTES);

	*f = (struct frame){.language = EV_LANG_PHP};
	if (n < FUNCTION_HEAD)
		return n < 0 ? (int)n : -EBADMSG;
	f->function = read_name(m, function, t);
	if (function[0] == INTERNAL_FUNCTION)
		return f->function ? 0 : -EBADMSG;
	if ((function[0] != USER_FUNCTION && function[0] != EVAL_CODE) || n < FUNCTION_BYTES)
		return -EBADMSG;
	f->file = read_string(m, word_in(function, row->filename), t);
	if (!f->file)
		return -EBADMSG;
	read_line(m, row, function, raw->at, f);
	return 0;
}

int php_read(const struct memory *m, const struct raw_stack *raw, struct texts *t,
	     struct frame *frames, uint32_t *flags)
{
	uint32_t n;

	*flags = raw->flags;
	t->used = 0;
	if (raw->row >= PHP_ROWS || raw->count > STACK_FRAMES)
		return -EINVAL;
	for (n = 0; n < raw->count; n++) {
		int err = read_frame(m, &php_rows[raw->row], &raw->frame[n], t, &frames[n]);

		if (err == -ESRCH || err == -EPERM)
			return err;
		if (!err)
			continue;
		/* Frames behind an unreadable one are not the callers of the frames before it. */
		*flags |= EV_STACK_CUT;
		break;
	}
	return (int)n;
}
