/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * json_value.c - see json_value.h.
 */
#include "user/base/json_value.h"

#include <limits.h>
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
