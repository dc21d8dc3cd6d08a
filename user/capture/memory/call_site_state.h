/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * call_site_state.h - a search for calls in code, for call_site.c and its tests.
 */
#ifndef DBLEAK_CAPTURE_CALL_SITE_STATE_H
#define DBLEAK_CAPTURE_CALL_SITE_STATE_H

#include <Zydis/Zydis.h>
#include <stdbool.h>

#include "user/capture/memory/call_site.h"

#define FUNCTION_MOST (64UL << 10) /* bytes of a function; longer ones are left alone */
#define TARGETS	      4096	   /* known at a time, a power of two */
#define SITES_EACH    512	   /* in one function */
#define STUB_BYTES    16

#define WANTED 8 /* names of functions to look for */

struct call_finder {
	struct elf_file *elf;
	struct call_sites *out;
	ZydisDecoder decoder;
	uint64_t calls[WANTED], pointers[WANTED]; /* slots */
	uint64_t code_offset, code_address;
	uint64_t decoded; /* bytes */
	struct {
		uint64_t address;
		uint32_t function;
	} targets[TARGETS];
	uint8_t code[FUNCTION_MOST];
};

/* A worker's answer. */
struct sites_answer {
	int32_t err; /* -ENOENT, -E2BIG or -EBADMSG: then sites holds no site */
	uint32_t reserved;
	struct call_sites sites;
};

/* The function that a stub jumps to: `endbr64; bnd jmp *slot(%rip)`, of which only the jump must be
 * there.  0: none of ours. */
uint32_t call_site_of_stub(const struct call_finder *f, const uint8_t *code, size_t n,
			   uint64_t address);
/* A direct call or jump of five bytes, which the kernel emulates. */
bool call_site_is_direct(const uint8_t *code, size_t length);
/* Lists the calls in a function's n bytes.  Returns how many; -1: it cannot be decoded, or has too
 * many. */
int call_sites_in(struct call_finder *f, const uint8_t *code, size_t n, uint64_t address,
		  struct call_site *sites, size_t *hidden);

#endif
