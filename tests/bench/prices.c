/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * prices.c - what a hit costs at the entry and at the chosen point of each function of the probe
 * table whose first instruction is dear: prices LIBRARY...
 *
 * Runs the real instructions, from the entry to the chosen one, out of a copy of the library's code
 * in which the function returns right after; so no object is needed, and all that is timed is the
 * trap.  The program that is run does nothing.  Prints first "return 0", nanoseconds at a return
 * instruction, and those that a return probe adds; then a line for each row: symbol, bytes from the
 * entry to the point (0: no cheaper one), nanoseconds at the entry, nanoseconds at the point.
 */
#include <Zydis/Zydis.h>
#include <bpf/bpf.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "user/capture/elf/elf.h"
#include "user/capture/probe/probe.h"
#include "user/capture/probe/probe_point.h"
#include "user/capture/clientlib/probe_table.h"

#define CODE_BYTES 65536
#define BATCHES	   60
#define BATCH	   100
#define ARGUMENT   65536 /* bytes that an argument points to */

struct library {
	const char *path;
	uint8_t *bytes; /* of the file */
	size_t size;
	int copy; /* descriptor of the code that is run */
	struct elf_file *elf;
};

static uint8_t argument[ARGUMENT];
static struct probe_programs programs;

static void die(const char *what)
{
	fprintf(stderr, "prices: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void load_program(void)
{
	static const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options,
		    .expected_attach_type = (enum bpf_attach_type)PROBE_ATTACH_TYPE_MULTI);
	int fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "nothing", "GPL", code, 2, &options);

	programs.multi = fd >= 0;
	if (fd < 0)
		fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "nothing", "GPL", code, 2, NULL);
	if (fd < 0)
		die("program");
	programs.entered = programs.returned = programs.left = fd;
}

/* The copy has no ELF header, so that nobody takes it for the library. */
static void library_open(struct library *l, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	l->path = path;
	if (fd < 0 || fstat(fd, &st) || elf_open(&l->elf, fd))
		die(path);
	l->size = st.st_size;
	l->bytes = malloc(l->size); /* a mapping would show the breakpoints of whoever traces */
	l->copy = memfd_create("code", MFD_CLOEXEC);
	if (!l->bytes || read(fd, l->bytes, l->size) != (ssize_t)l->size || l->copy < 0 ||
	    pwrite(l->copy, l->bytes, l->size, 0) != (ssize_t)l->size ||
	    pwrite(l->copy, argument, SELFMAG, 0) != SELFMAG)
		die(path);
}

/* Maps the code where it lies in the library; its data are all zero.  Returns where the file's
 * first byte would be, seen from the code at this offset. */
static uint8_t *map_code(const struct library *l, uint64_t offset, uint8_t **all, size_t *span)
{
	const Elf64_Ehdr *head = (const void *)l->bytes;
	const Elf64_Phdr *p = (const void *)(l->bytes + head->e_phoff), *code = NULL;

	*span = 0;
	for (int i = 0; i < head->e_phnum; i++) {
		if (p[i].p_type != PT_LOAD)
			continue;
		if (p[i].p_vaddr + p[i].p_memsz > *span)
			*span = p[i].p_vaddr + p[i].p_memsz;
		if (offset >= p[i].p_offset && offset < p[i].p_offset + p[i].p_filesz)
			code = &p[i];
	}
	*all = mmap(NULL, *span, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!code || *all == MAP_FAILED ||
	    mmap(*all + code->p_vaddr, code->p_filesz, PROT_READ | PROT_EXEC,
		 MAP_PRIVATE | MAP_FIXED, l->copy, code->p_offset) == MAP_FAILED)
		die("code");
	return *all + code->p_vaddr - code->p_offset;
}

static void write_code(const struct library *l, uint64_t offset, const uint8_t *bytes, size_t n)
{
	if (pwrite(l->copy, bytes, n, offset) != (ssize_t)n)
		die("code");
}

/* Lets the function return after the instruction there.  0, or -1: it is none that we know. */
static int cut_after(const struct library *l, uint64_t offset)
{
	static const uint8_t ret[] = {0xc3}, drop_ret[] = {0x48, 0x8d, 0x64, 0x24, 0x08, 0xc3};
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction is;
	ZydisDecoder decoder;
	uint64_t next;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, l->bytes + offset, l->size - offset, &is,
					       operands)))
		return -1;
	next = offset + is.length;
	if (is.mnemonic == ZYDIS_MNEMONIC_PUSH) {
		write_code(l, next, drop_ret, sizeof(drop_ret));
		return 0;
	}
	if (is.meta.category == ZYDIS_CATEGORY_COND_BR)
		write_code(l, next, ret, sizeof(ret));
	else if (is.meta.category != ZYDIS_CATEGORY_UNCOND_BR)
		return -1;
	if (operands[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE || !operands[0].imm.is_relative)
		return -1;
	write_code(l, next + operands[0].imm.value.s, ret, sizeof(ret));
	return 0;
}

/* Nanoseconds of a call; the fastest batch, for the others met somebody else's work. */
static double time_calls(const uint8_t *at)
{
	typedef void function(const void *, const void *, const void *, const void *, const void *,
			      const void *);
	function *f = (function *)(uintptr_t)at;
	const void *a = argument;
	double least = 1e9, took;
	struct timespec t0, t1;

	for (int i = 0; i < BATCHES; i++) {
		clock_gettime(CLOCK_MONOTONIC, &t0);
		for (int n = 0; n < BATCH; n++)
			f(a, a, a, a, a, a);
		clock_gettime(CLOCK_MONOTONIC, &t1);
		took = (t1.tv_sec - t0.tv_sec) * 1e9 + t1.tv_nsec - t0.tv_nsec;
		least = took < least ? took : least;
	}
	return least / BATCH;
}

static double time_place(int fd, const uint8_t *entry, struct probe_place place)
{
	struct probe_links *links;
	double took;

	errno = -probes_attach(&links, &programs, fd, &place, 1);
	if (errno)
		die("attach");
	took = time_calls(entry);
	probes_detach(links);
	return took;
}

static double time_probed(const struct library *l, const uint8_t *entry, uint64_t offset)
{
	return time_place(l->copy, entry, (struct probe_place){.offset = offset});
}

/* Of a function of ours: a hit at its return instruction, and what a return probe adds to one at
 * its entry. */
static void measure_ends(void)
{
	static const uint8_t code[] = {0x55, 0x5d, 0xc3}; /* push; pop; ret */
	int fd = memfd_create("ends", MFD_CLOEXEC);
	const uint8_t *at;
	double bare, entry;

	if (fd < 0 || write(fd, code, sizeof(code)) != sizeof(code))
		die("ends");
	at = mmap(NULL, sizeof(code), PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		die("ends");
	bare = time_calls(at);
	entry = time_place(fd, at, (struct probe_place){.offset = 0});
	printf("return 0 %.0f %.0f\n",
	       time_place(fd, at, (struct probe_place){.offset = 2, .leaves = true}) - bare,
	       time_place(fd, at, (struct probe_place){.offset = 0, .returns = true}) - entry);
}

/* What an entry probe needs to find, as the tracer itself asks for it. */
static unsigned int argument_bits(const struct probe_row *row)
{
	const uint8_t sources[] = {row->handle, row->parent, row->text};
	unsigned int bits = 0;

	for (int i = 0; i < 3; i++) {
		int n = sources[i] & ~FROM_OUT;

		if (n >= FROM_ARG1 && n <= FROM_ARG6)
			bits |= PROBE_RDI << (n - FROM_ARG1);
	}
	return bits;
}

/* The offset in the file of the point, as the tracer chooses it; 0 there is no cheaper one.  -1:
 * the entry is cheap. */
static int64_t point_of(const struct library *l, const struct probe_row *row,
			const struct elf_symbol *symbol)
{
	bool tls = row->role >= PROBE_TLS_WRITE;
	unsigned int arguments = argument_bits(row);
	const uint8_t *code = l->bytes + symbol->offset;
	struct probe_point point = probe_point_choose(code, symbol->size, probe_row_returns(row),
						      arguments | (tls ? PROBE_UNMOVED : 0));
	struct probe_inner inner;
	uint64_t target;

	if (point.cheap)
		return point.delta ? (int64_t)symbol->offset + point.delta : -1;
	if (tls || probe_point_inner(code, symbol->size, arguments, &inner))
		return 0;
	target = symbol->offset + inner.target;
	if (target >= l->size)
		return 0;
	point = probe_point_choose(l->bytes + target, l->size - target < 96 ? l->size - target : 96,
				   true, arguments);
	return point.cheap && !point.delta ? (int64_t)target : 0;
}

static void measure(const struct library *l, const struct probe_row *row,
		    const struct elf_symbol *symbol)
{
	int64_t point = point_of(l, row, symbol);
	double bare, at_entry, at_point;
	uint8_t *base, *all;
	size_t span;

	if (point < 0)
		return;
	if (!point || cut_after(l, point)) {
		printf("%s 0 0 0\n", row->symbol);
		return;
	}
	base = map_code(l, symbol->offset, &all, &span);
	bare = time_calls(base + symbol->offset);
	at_entry = time_probed(l, base + symbol->offset, symbol->offset);
	at_point = time_probed(l, base + symbol->offset, point);
	munmap(all, span);
	write_code(l, SELFMAG, l->bytes + SELFMAG, l->size - SELFMAG);
	printf("%s %lld %.0f %.0f\n", row->symbol, (long long)(point - (int64_t)symbol->offset),
	       at_entry - bare, at_point - bare);
}

static void measure_rows(const struct library *l, const struct probe_library *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		const char *name = rows->rows[i].symbol;
		struct elf_symbol symbol;

		if (elf_find(l->elf, &name, 1, false, &symbol) == 1 && symbol.size &&
		    symbol.size <= CODE_BYTES && symbol.offset + symbol.size <= l->size)
			measure(l, &rows->rows[i], &symbol);
	}
}

static bool has_anchors(const struct library *l, const struct probe_library *rows)
{
	struct elf_symbol found[8];
	size_t n = 0;

	while (rows->anchors[n] && n < 8)
		n++;
	return elf_find(l->elf, rows->anchors, n, false, found) == (int)n;
}

int main(int argc, char **argv)
{
	load_program();
	measure_ends();
	for (int i = 1; i < argc; i++) {
		struct library l;

		library_open(&l, argv[i]);
		for (size_t k = 0; k < probe_library_count; k++)
			if (has_anchors(&l, &probe_libraries[k]))
				measure_rows(&l, &probe_libraries[k]);
	}
	return 0;
}
