/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * look.h - reads foreign ELF files in sandboxed worker processes that can do nothing else.
 *
 * A shared worker answers the first questions about all files; the answer is mostly no.  Answers
 * that lead to probes come from a worker of the file's own, so that one hostile file cannot
 * misplace the probes of another.  A worker that is late or dies is replaced.  Its file is given up
 * and not read again.
 */
#ifndef DBLEAK_CAPTURE_LOOK_H
#define DBLEAK_CAPTURE_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "user/capture/elf/elf_symbol.h"
#include "user/capture/worker/nursery.h"

struct look;
struct elf_question;

/* From now on elf_open uses NURSERY_LOOK workers of this nursery, which is borrowed.  NULL: elf.c
 * reads files itself.  Ends the workers of before. */
void look_through(struct nursery *nursery);
bool look_is_used(void);

/* The same contracts as the functions of elf.h with these names. */
int look_open(struct look **out, int fd);
void look_close(struct look *l);
void look_deepen(struct look *l);
bool look_given_up(const struct look *l);
int look_find(struct look *l, const char *const *names, size_t n, bool deep, bool variables,
	      struct elf_symbol *out);
ssize_t look_read(struct look *l, uint64_t offset, void *buf, size_t size);
ssize_t look_read_address(struct look *l, uint64_t address, void *buf, size_t size);
int look_bias(struct look *l, uint64_t start, uint64_t offset, uint64_t *bias);
int look_code(struct look *l, uint64_t *offset, uint64_t *address);
int look_constants(struct look *l, unsigned int i, uint64_t *offset, uint64_t *size);
uint64_t look_code_address(struct look *l, uint64_t offset);
uint64_t look_section(struct look *l, const char *name);
int look_each(struct look *l, elf_function_fn *fn, void *context);
void look_build_id(struct look *l, char *hex, size_t size);
int look_segment(struct look *l, uint64_t offset, uint64_t *start, uint64_t *size);
bool look_is_program(const struct look *l);

/* Asks the file's own worker.  0; -EPROTO: a malformed reply, and the file is given up; or another
 * -errno, as elf_ask. */
int look_question(struct look *l, const struct elf_question *question, const void *in, void *out);
/* Stops the worker, whose answers make no sense, and gives up its file. */
void look_distrust(struct look *l);

#endif
