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

/* Takes over both, also on failure. */
json_t *json_array_with(json_t *array, json_t *item);

#endif
