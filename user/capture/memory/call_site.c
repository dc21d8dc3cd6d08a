/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * call_site.c - see call_site.h.
 */
#include "user/capture/memory/call_site.h"

#include <Zydis/Zydis.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/elf/elf.h"
#include "user/capture/elf/elf_question.h"
#include "user/capture/elf/frame_table.h"
#include "user/capture/memory/call_site_state.h"

#define CODE_MOST    (32UL << 20) /* bytes of all functions */
#define DIRECT_BYTES 5		  /* of a direct call or jump */

/* The functions to look for; several names may be one function. */
static const struct {
	const char *name;
	enum library_function function;
} wanted[WANTED] = {
	{"free", LIBRARY_FREE},	      {"malloc", LIBRARY_MALLOC},     {"calloc", LIBRARY_CALLOC},
	{"realloc", LIBRARY_REALLOC}, {"strdup", LIBRARY_STRDUP},     {"__strdup", LIBRARY_STRDUP},
	{"strndup", LIBRARY_STRNDUP}, {"__strndup", LIBRARY_STRNDUP},
};

/* The function whose address is kept in that slot; 0: none of ours. */
static uint32_t function_in(const struct call_finder *f, uint64_t slot)
{
	for (size_t i = 0; i < WANTED; i++)
		if (slot && (f->calls[i] == slot || f->pointers[i] == slot))
			return wanted[i].function;
	return 0;
}

uint32_t call_site_of_stub(const struct call_finder *f, const uint8_t *code, size_t n,
			   uint64_t address)
{
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
	size_t at = 0;
	int32_t away;

	if (n >= sizeof(endbr64) && !memcmp(code, endbr64, sizeof(endbr64)))
		at = sizeof(endbr64);
	if (at < n && code[at] == 0xf2)
		at++;
	if (at + 6 > n || code[at] != 0xff || code[at + 1] != 0x25)
		return 0;
	memcpy(&away, code + at + 2, sizeof(away));
	return function_in(f, address + at + 6 + (uint64_t)(int64_t)away);
}

/* The function that the target of a call leads to; 0: none of ours. */
static uint32_t function_at(struct call_finder *f, uint64_t address)
{
	size_t slot = (address >> 2) % TARGETS;
	uint8_t code[STUB_BYTES];
	ssize_t n;

	if (f->targets[slot].address == address)
		return f->targets[slot].function;
	n = elf_read_address(f->elf, address, code, sizeof(code));
	f->targets[slot].address = address;
	f->targets[slot].function = n > 0 ? call_site_of_stub(f, code, (size_t)n, address) : 0;
	return f->targets[slot].function;
}

bool call_site_is_direct(const uint8_t *code, size_t length)
{
	return length == DIRECT_BYTES && (code[0] == 0xe8 || code[0] == 0xe9);
}

static bool is_through_pointer(const uint8_t *code, size_t length)
{
	return length == 6 && code[0] == 0xff && code[1] == 0x15; /* stubs jump */
}

static uint64_t displaced(const uint8_t *code, size_t length, uint64_t address)
{
	int32_t away;

	memcpy(&away, code + length - 4, sizeof(away));
	return address + length + (uint64_t)(int64_t)away;
}

int call_sites_in(struct call_finder *f, const uint8_t *code, size_t n, uint64_t address,
		  struct call_site *sites, size_t *hidden)
{
	ZydisDecodedInstruction is;
	int count = 0;

	*hidden = 0;
	for (size_t at = 0; at < n; at += is.length) {
		const uint8_t *here = code + at;
		uint32_t function = 0;

		if (!ZYAN_SUCCESS(
			    ZydisDecoderDecodeInstruction(&f->decoder, NULL, here, n - at, &is)))
			return -1;
		if (is_through_pointer(here, is.length))
			*hidden += function_in(f, displaced(here, is.length, address + at)) != 0;
		if (call_site_is_direct(here, is.length))
			function = function_at(f, displaced(here, is.length, address + at));
		if (!function)
			continue;
		if (count == SITES_EACH)
			return -1;
		sites[count++] = (struct call_site){.offset = at, .function = function};
	}
	return count;
}

/* Looks into a function of the unwind table, given by its address and size. */
static int call_site_look_into(struct call_finder *f, uint64_t address, uint64_t size)
{
	uint64_t offset = address - f->code_address + f->code_offset;
	struct call_site sites[SITES_EACH];
	size_t hidden;
	int count = -1;

	f->decoded += size;
	if (f->decoded > CODE_MOST)
		return -E2BIG;
	if (size && size <= FUNCTION_MOST && elf_code_address(f->elf, offset) == address &&
	    elf_read_address(f->elf, address, f->code, size) == (ssize_t)size)
		count = call_sites_in(f, f->code, size, address, sites, &hidden);
	if (count < 0) {
		f->out->skipped++;
		return 0;
	}
	if ((size_t)count > CALL_SITES_MOST - f->out->count)
		return -E2BIG;
	f->out->hidden += hidden;
	for (int i = 0; i < count; i++) {
		sites[i].offset += offset;
		f->out->all[f->out->count++] = sites[i];
	}
	return 0;
}

static int look_into_all(struct call_finder *f)
{
	struct frame_table table;
	uint64_t address, end = 0;
	uint32_t size;
	int err = frame_table_open(&table, f->elf);

	for (uint32_t i = 0; !err && i < table.count; i++) {
		err = frame_table_at(&table, i, &address, &size);
		if (err || address < end) /* overlaps with the one before */
			return -EBADMSG;
		err = size ? call_site_look_into(f, address, size) : 0;
		end = address + size;
	}
	return err;
}

static int call_site_find(struct call_finder *f)
{
	const char *names[WANTED];
	bool any = false;
	int err;

	for (size_t i = 0; i < WANTED; i++)
		names[i] = wanted[i].name;
	elf_slots(f->elf, names, WANTED, f->calls, f->pointers);
	for (size_t i = 0; i < WANTED; i++)
		any |= f->calls[i] || f->pointers[i];
	if (!any || elf_code(f->elf, &f->code_offset, &f->code_address))
		return -ENOENT;
	f->out->slot = f->calls[0] ? f->calls[0] : f->pointers[0];
	ZydisDecoderInit(&f->decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	err = look_into_all(f);
	return err ? err : f->out->count ? 0 : -ENOENT;
}

/* --- the question to a worker ----------------------------------------------------------------- */

static int sites_answer(struct elf_file *e, const void *in, void *out)
{
	struct call_finder *f = calloc(1, sizeof(*f));
	struct sites_answer *answer = out;

	(void)in;
	if (!f)
		return -ENOMEM;
	f->elf = e;
	f->out = &answer->sites;
	answer->err = call_site_find(f);
	if (answer->err)
		answer->sites.count = 0;
	free(f);
	return 0;
}

/* Whether a call lies in that segment of code, behind the call before it. */
static bool site_makes_sense(const struct call_site *site, uint64_t end, uint64_t start,
			     uint64_t size)
{
	return site->function >= LIBRARY_FREE && site->function <= LIBRARY_STRNDUP &&
	       site->offset >= end && site->offset >= start && size >= DIRECT_BYTES &&
	       site->offset - start <= size - DIRECT_BYTES;
}

static bool sites_check(struct elf_file *e, const void *in, const void *out)
{
	const struct sites_answer *answer = out;
	const struct call_sites *sites = &answer->sites;
	uint64_t code, address, start, size, end = 0;

	(void)in;
	if (sites->hidden > CODE_MOST || sites->skipped > CODE_MOST)
		return false;
	if (answer->err == -ENOENT || answer->err == -E2BIG || answer->err == -EBADMSG)
		return !sites->count;
	if (answer->err || !sites->count || sites->count > CALL_SITES_MOST ||
	    elf_code(e, &code, &address) || elf_segment(e, code, &start, &size))
		return false;
	for (size_t i = 0; i < sites->count; i++) {
		if (!site_makes_sense(&sites->all[i], end, start, size))
			return false;
		end = sites->all[i].offset + DIRECT_BYTES;
	}
	return true;
}

const struct elf_question call_sites_question = {
	0,
	sizeof(struct sites_answer),
	sites_answer,
	sites_check,
};

int call_sites_find(struct elf_file *e, struct call_sites *out)
{
	static struct sites_answer answer;
	int err = elf_ask(e, &call_sites_question, "", &answer);

	*out = answer.sites;
	return err ? err : answer.err;
}
