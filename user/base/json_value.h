/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * json_value.h - values of JSON as every output of dbleak writes them.
 *
 * Texts of watched programs become valid UTF-8 here; the caller dumps with JSON_ENSURE_ASCII, so
 * that no control character reaches a terminal.  NULL means that memory ran out.
 */
#ifndef DBLEAK_BASE_JSON_VALUE_H
#define DBLEAK_BASE_JSON_VALUE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* null for NULL. */
json_t *json_text(const char *s);
json_t *json_bytes(const char *s, size_t len);

/* null for UNKNOWN64. */
json_t *json_count(uint64_t n);

/* Rounds to milliseconds, which is more than dbleak knows; null for what is not finite or below 0.
 */
json_t *json_number(double value);
json_t *json_whole_seconds(double value);

/* null for 0. */
json_t *json_positive(uint64_t n);

struct json_pair {
	const char *key;
	json_t *value;
};

/* Returns an object of the pairs in their order.  Takes over the values, also on failure; one that
 * is NULL makes the object NULL. */
json_t *json_object_of(const struct json_pair *pairs, size_t count);

/* Takes over both, also on failure. */
json_t *json_array_with(json_t *array, json_t *item);

#endif
