/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * perl.c - see perl.h.
 */
#include "user/capture/stack/perl.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "bpf/stack/stack_perl.h"
#include "user/capture/stack/perl_state.h"

const struct perl_layout perl_rows[PERL_ROWS] = {
	[PERL_5_32] = {195, 196, false}, [PERL_5_34] = {195, 196, false},
	[PERL_5_36] = {195, 196, true},	 [PERL_5_38] = {198, 199, true},
	[PERL_5_40] = {198, 199, true},	 [PERL_5_42] = {202, 203, true},
};

int perl_probe(struct elf_file *e, struct runtime_process *out, const char **why)
{
	static const char *const names[] = {"PL_thr_key", "PL_revision", "PL_version", "PL_curcop"};
	struct elf_symbol symbol[4];
	uint8_t revision, version;
	int found = elf_find_variables(e, names, 4, false, symbol);

	if (found < 0)
		return found;
	if (!symbol[1].offset || !symbol[2].offset || (!symbol[0].offset && !symbol[3].offset))
		return -ENOENT;
	if (!symbol[0].offset) {
		*why = "no source lines: built without threads (ithreads)";
		return -ENOTSUP;
	}
	if (elf_read_address(e, symbol[1].offset, &revision, 1) != 1 || revision != 5 ||
	    elf_read_address(e, symbol[2].offset, &version, 1) != 1 || version % 2 ||
	    version < 32 || (version - 32) / 2 >= PERL_ROWS) {
		*why = "no source lines: unsupported version (5.32 to 5.42 are supported)";
		return -ENOTSUP;
	}
	*out = (struct runtime_process){
		.address = symbol[0].offset, .row = (version - 32U) / 2, .runtime = RUNTIME_PERL};
	return 0;
}

static bool read_value(const struct memory *m, uint64_t at, uint32_t type, struct perl_value *v)
{
	return at && !(at % 8) && !memory_read(m, at, v, sizeof(*v)) &&
	       (v->flags & SV_TYPE) == type;
}

/* Reads a name from Perl's table of shared names (HEK). */
static const char *read_shared(const struct memory *m, uint64_t at, struct texts *t)
{
	struct {
		uint32_t hash;
		int32_t length;
	} head;

	if (!at || memory_read(m, at, &head, sizeof(head)) || head.length < 1 ||
	    head.length > NAME_MOST)
		return NULL;
	return texts_read_bytes(t, m, at + sizeof(head), (size_t)head.length);
}

/* Reads the name of a package from the hash that holds its symbols. */
static const char *read_package(const struct memory *m, const struct perl_layout *row, uint64_t at,
				struct texts *t)
{
	struct perl_value hash;
	uint64_t aux, max, name;
	int32_t names;

	if (!read_value(m, at, IS_HASH, &hash) || !(hash.flags & HASH_HAS_AUX) ||
	    memory_u64(m, hash.body + HASH_MAX, &max))
		return NULL;
	aux = row->with_aux ? hash.body + HASH_BODY : hash.rest + (max + 1) * 8;
	if (memory_u64(m, aux, &name) || memory_read(m, aux + AUX_NAMES, &names, sizeof(names)))
		return NULL;
	if (names && memory_u64(m, name, &name))
		return NULL;
	return read_shared(m, name, t);
}

/* Reads "Package::name", or "name" in package main.  NULL: not known. */
static const char *read_name(const struct memory *m, const struct perl_layout *row, uint64_t at,
			     struct texts *t)
{
	size_t before = t->used;
	struct perl_value sub, glob;
	uint64_t body[CV_BYTES / 8], name, stash, of_glob[2];
	uint32_t flags;
	const char *package;

	if (!read_value(m, at, IS_CODE, &sub) || memory_read(m, sub.body, body, sizeof(body)))
		return NULL;
	memcpy(&flags, (char *)body + CV_FLAGS, sizeof(flags));
	name = body[CV_GV / 8];
	stash = body[CV_STASH / 8];
	if (!(flags & CV_NAMED)) {
		if (!read_value(m, name, IS_GLOB, &glob) ||
		    memory_read(m, glob.body + GV_NAME, of_glob, sizeof(of_glob)))
			return NULL;
		name = of_glob[0];
		stash = of_glob[1];
	}
	package = read_package(m, row, stash, t);
	if (package && strcmp(package, "main") && t->used) {
		t->used--; /* its NUL */
		if (texts_add(t, "::", 2))
			t->used--;
	} else {
		t->used = before;
	}
	if (read_shared(m, name, t))
		return t->bytes + before;
	t->used = before;
	return NULL;
}

/* Reads file and line of a statement.  Returns 0; -EBADMSG: it cannot be believed; or -errno. */
static int read_place(const struct memory *m, const struct perl_layout *row, uint64_t at,
		      struct texts *t, struct frame *f)
{
	uint8_t cop[COP_BYTES];
	uint64_t code, file;
	uint16_t type;
	int err = at && !(at % 8) ? memory_read(m, at, cop, sizeof(cop)) : -EBADMSG;

	*f = (struct frame){.language = EV_LANG_PERL};
	if (err)
		return err;
	memcpy(&code, cop + AT_CODE, sizeof(code));
	memcpy(&type, cop + AT_TYPE, sizeof(type));
	memcpy(&f->line, cop + AT_LINE, sizeof(f->line));
	memcpy(&file, cop + AT_FILE, sizeof(file));
	type &= TYPE_BITS;
	/* Code that is being compiled has PL_compiling as its COP, with type 0 and no op_ppaddr. */
	if (type != row->next_state && type != row->debug_state && (type || code))
		return -EBADMSG;
	f->file = file && f->line && f->line <= LINES_MOST ? texts_read(t, m, file, FILE_MOST)
							   : NULL;
	return f->file && *f->file ? 0 : -EBADMSG;
}

int perl_read(const struct memory *m, const struct raw_stack *raw, struct texts *t,
	      struct frame *frames, uint32_t *flags)
{
	uint32_t n = 0;
	bool in_eval = false;

	*flags = raw->flags;
	t->used = 0;
	if (raw->row >= PERL_ROWS || raw->count > STACK_FRAMES)
		return -EINVAL;
	for (uint32_t i = 0; i < raw->count; i++) {
		const struct perl_layout *row = &perl_rows[raw->row];
		struct frame f;
		int err = read_place(m, row, raw->frame[i].code, t, &f);

		if (err == -ESRCH || err == -EPERM)
			return err;
		if (err) {
			/* Frames behind an unreadable one are not the callers of the frames before
			 * it. */
			*flags |= EV_STACK_CUT;
			break;
		}
		/* An eval's block is code of the function around it.  Both become one frame, with
		 * the line inside the block. */
		if (in_eval && !strcmp(frames[n - 1].file, f.file))
			n--;
		else
			frames[n] = f;
		in_eval = raw->frame[i].at == 1;
		if (!in_eval && raw->frame[i].at)
			frames[n].function = read_name(m, row, raw->frame[i].at, t);
		n++;
	}
	return (int)n;
}
