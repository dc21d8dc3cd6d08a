/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * json_value.c - see json_value.h.
 */
#include "user/base/json_value.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/event.h"
#include "user/base/escape.h"

json_t *json_bytes(const char *s, size_t len)
{
	char *clean = escape_utf8(s, len);
	json_t *value = clean ? json_string(clean) : NULL;

	free(clean);
	return value;
}

json_t *json_text(const char *s)
{
	return s ? json_bytes(s, strlen(s)) : json_null();
}

json_t *json_count(uint64_t n)
{
	if (n == UNKNOWN64)
		return json_null();
	return json_integer(n < LLONG_MAX ? (json_int_t)n : LLONG_MAX);
}

json_t *json_array_with(json_t *array, json_t *item)
{
	if (!array)
		json_decref(item);
	else if (!json_array_append_new(array, item))
		return array;
	json_decref(array);
	return NULL;
}

json_t *json_number(double value)
{
	if (!isfinite(value) || value < 0)
		return json_null();
	if (value < 1e12)
		value = (double)(uint64_t)(value * 1000 + 0.5) / 1000;
	return json_real(value);
}

json_t *json_whole_seconds(double value)
{
	if (!isfinite(value) || value < 0)
		return json_null();
	return json_integer(value < 1e18 ? (json_int_t)(value + 0.5) : LLONG_MAX);
}

json_t *json_positive(uint64_t n)
{
	return n ? json_count(n) : json_null();
}

json_t *json_object_of(const struct json_pair *pairs, size_t count)
{
	json_t *object = json_object();
	bool failed = !object;

	for (size_t i = 0; i < count; i++)
		if (failed || json_object_set_new_nocheck(object, pairs[i].key, pairs[i].value)) {
			json_decref(failed ? pairs[i].value : NULL);
			failed = true;
		}
	if (!failed)
		return object;
	json_decref(object);
	return NULL;
}
