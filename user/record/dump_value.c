/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * dump_value.c - see dump_value.h.
 */
#include "user/record/dump_value.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include "user/base/json_value.h"

static const void *at(const struct ev_head *record, size_t offset)
{
	return (const char *)record + offset;
}

/* An unknown number is UNKNOWN64, whatever the width of its field. */
static uint64_t number_at(const struct ev_head *record, size_t offset, size_t size)
{
	switch (size) {
	case 1:
		return *(const uint8_t *)at(record, offset);
	case 2:
		return *(const uint16_t *)at(record, offset);
	case 4: {
		uint32_t n = *(const uint32_t *)at(record, offset);

		return n == UNKNOWN32 ? UNKNOWN64 : n;
	}
	default:
		return *(const uint64_t *)at(record, offset);
	}
}

static uint64_t field_number(const struct ev_head *record, const struct dump_field *f)
{
	return number_at(record, f->offset, f->size);
}

static json_t *hexadecimal(uint64_t n)
{
	return json_sprintf("0x%llx", (unsigned long long)n);
}

json_t *dump_number(const struct ev_head *record, const struct dump_field *f)
{
	return json_count(field_number(record, f));
}

/* 0 stands for "not known". */
json_t *dump_nonzero(const struct ev_head *record, const struct dump_field *f)
{
	uint64_t n = field_number(record, f);

	return n ? json_count(n) : json_null();
}

json_t *dump_id(const struct ev_head *record, const struct dump_field *f)
{
	uint64_t id = *(const uint64_t *)at(record, f->offset);

	return id ? hexadecimal(id) : json_null();
}

json_t *dump_bool(const struct ev_head *record, const struct dump_field *f)
{
	return json_boolean(field_number(record, f) != 0);
}

static size_t name_count(const char *const *names)
{
	size_t n = 0;

	while (names[n])
		n++;
	return n;
}

/* A later version may know more numbers. */
json_t *dump_enum(const struct ev_head *record, const struct dump_field *f)
{
	uint64_t n = field_number(record, f);

	return n < name_count(f->names) ? json_string(f->names[n]) : json_count(n);
}

json_t *dump_family(const struct ev_head *record, const struct dump_field *f)
{
	uint64_t n = field_number(record, f);

	return n == AF_UNIX    ? json_string("unix")
	       : n == AF_INET  ? json_string("inet")
	       : n == AF_INET6 ? json_string("inet6")
			       : json_count(n);
}

/* Bits without a name, of a later version, are one number at the end. */
json_t *dump_set(const struct ev_head *record, const struct dump_field *f)
{
	uint64_t bits = f->size == 4 ? *(const uint32_t *)at(record, f->offset)
				     : field_number(record, f);
	json_t *array = json_array();

	for (size_t i = 0; f->names[i]; i++) {
		if (bits >> i & 1)
			array = json_array_with(array, json_string(f->names[i]));
		bits &= ~(1ULL << i);
	}
	return bits ? json_array_with(array, hexadecimal(bits)) : array;
}

static json_t *text_or_null(const char *s, size_t len)
{
	return len ? json_bytes(s, len) : json_null();
}

json_t *dump_text(const struct ev_head *record, const struct dump_field *f)
{
	const char *s = at(record, f->offset);

	return text_or_null(s, strnlen(s, f->size));
}

json_t *dump_cut_text(const struct ev_head *record, const struct dump_field *f)
{
	return text_or_null(at(record, f->offset), number_at(record, f->length, 4));
}

/* The texts of a frame follow one another, as their lengths do. */
json_t *dump_part(const struct ev_head *record, const struct dump_field *f)
{
	size_t offset = f->offset;

	for (size_t i = offsetof(struct ev_frame, function_length); i < f->length; i += 2)
		offset += number_at(record, i, 2);
	return text_or_null(at(record, offset), number_at(record, f->length, 2));
}

/* An array of times, or of ids, ends with its room, or before it with a 0. */
json_t *dump_numbers(const struct ev_head *record, const struct dump_field *f)
{
	json_t *array = json_array();
	uint64_t n;

	for (size_t i = 0; i < f->size && (n = number_at(record, f->offset + i, 8)); i += 8)
		array = json_array_with(array, f->names ? hexadecimal(n) : json_count(n));
	return array;
}

json_t *dump_frames(const struct ev_head *record, const struct dump_field *f)
{
	const struct ev_stack *stack = (const void *)record;
	json_t *array = json_array();

	(void)f;
	for (size_t i = 0; i < stack->count; i++)
		array = json_array_with(array, hexadecimal(stack->frame[i]));
	return array;
}

json_t *dump_address(const struct ev_head *record, const struct dump_field *f)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	const uint8_t *address = at(record, f->offset);
	uint16_t family;
	bool four = !memcmp(address, mapped, sizeof(mapped));
	char text[INET6_ADDRSTRLEN];

	memcpy(&family, at(record, f->length), sizeof(family));
	if (family != AF_INET && family != AF_INET6)
		return json_null();
	if (!inet_ntop(four ? AF_INET : AF_INET6, four ? address + sizeof(mapped) : address, text,
		       sizeof(text)))
		return json_null();
	return json_string(text);
}
