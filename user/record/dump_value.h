/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * dump_value.h - the value of a record's field as JSON.
 *
 * Each function reads the field f of a record, and gives a new reference; NULL: no memory.
 */
#ifndef DBLEAK_RECORD_DUMP_VALUE_H
#define DBLEAK_RECORD_DUMP_VALUE_H

#include <jansson.h>
#include <stdint.h>

#include "bpf/event.h"

struct dump_field {
	const char *key;
	uint16_t offset, size; /* in the record */
	/* Makes the value; NULL: the field is not printed. */
	json_t *(*value)(const struct ev_head *record, const struct dump_field *field);
	uint16_t length;	  /* of a text with a length: where that stands in the record */
	const char *const *names; /* of an enum's numbers or of a set's bits, NULL at the end */
};

json_t *dump_number(const struct ev_head *record, const struct dump_field *f);
json_t *dump_nonzero(const struct ev_head *record, const struct dump_field *f);
json_t *dump_id(const struct ev_head *record, const struct dump_field *f);
json_t *dump_bool(const struct ev_head *record, const struct dump_field *f);
json_t *dump_enum(const struct ev_head *record, const struct dump_field *f);
json_t *dump_family(const struct ev_head *record, const struct dump_field *f);
json_t *dump_set(const struct ev_head *record, const struct dump_field *f);
json_t *dump_text(const struct ev_head *record, const struct dump_field *f);
json_t *dump_cut_text(const struct ev_head *record, const struct dump_field *f);
json_t *dump_part(const struct ev_head *record, const struct dump_field *f);
json_t *dump_numbers(const struct ev_head *record, const struct dump_field *f);
json_t *dump_frames(const struct ev_head *record, const struct dump_field *f);
json_t *dump_address(const struct ev_head *record, const struct dump_field *f);

#endif
