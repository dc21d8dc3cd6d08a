/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * dump.h - records as lines of JSON, for people and scripts that look into a recording.
 *
 * One table says which fields each kind of record has; keys are their names in bpf/event.h.
 * Identities, addresses and hashes are hexadecimal texts, for many programs round large numbers.
 * null stands for "not known" (UNKNOWN64, UNKNOWN32, a time or an identity of 0, an empty text).
 */
#ifndef DBLEAK_RECORD_DUMP_H
#define DBLEAK_RECORD_DUMP_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bpf/event.h"
#include "user/record/dump_value.h"

/* The name of a kind: "process"; NULL: there is no such kind. */
const char *dump_kind_name(uint16_t kind);
/* The kind of that name, of so many bytes; 0: none. */
uint16_t dump_kind_of(const char *name, size_t len);
/* The fields of a kind, in the record's order; *count is set. */
const struct dump_field *dump_fields(uint16_t kind, size_t *count);

/* Writes a record, which has passed record_check, as one line in ASCII.  0 or -errno. */
int dump_record(FILE *out, const struct ev_head *record);

#endif
