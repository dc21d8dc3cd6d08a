/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * pprof.c - see pprof.h.
 *
 * The format: https://github.com/google/pprof/blob/main/proto/profile.proto.  Numbers of its
 * fields are those of the enums below.  All ids begin at 1, and string 0 is the empty one.
 */
#include "user/report/pprof.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/escape.h"
#include "user/base/gzip.h"
#include "user/base/protobuf.h"
#include "user/report/frame_index.h"
#include "user/report/held_names.h"
#include "user/report/names.h"

enum pprof_profile {
	PROFILE_SAMPLE_TYPE = 1,
	PROFILE_SAMPLE = 2,
	PROFILE_MAPPING = 3,
	PROFILE_LOCATION = 4,
	PROFILE_FUNCTION = 5,
	PROFILE_STRING_TABLE = 6,
	PROFILE_TIME_NANOS = 9,
	PROFILE_DURATION_NANOS = 10,
	PROFILE_PERIOD_TYPE = 11,
	PROFILE_PERIOD = 12,
	PROFILE_COMMENT = 13,
	PROFILE_DEFAULT_SAMPLE_TYPE = 14,
};
enum pprof_value_type { VALUE_TYPE = 1, VALUE_UNIT = 2 };
enum pprof_sample { SAMPLE_LOCATION = 1, SAMPLE_VALUE = 2, SAMPLE_LABEL = 3 };
enum pprof_label { LABEL_KEY = 1, LABEL_STR = 2, LABEL_NUM = 3 };
enum pprof_mapping {
	MAPPING_ID = 1,
	MAPPING_LIMIT = 3,
	MAPPING_FILENAME = 5,
	MAPPING_BUILD_ID = 6,
	MAPPING_HAS_FUNCTIONS = 7,
	MAPPING_HAS_FILENAMES = 8,
	MAPPING_HAS_LINES = 9,
};
enum pprof_location {
	LOCATION_ID = 1,
	LOCATION_MAPPING = 2,
	LOCATION_ADDRESS = 3,
	LOCATION_LINE = 4
};
enum pprof_line { LINE_FUNCTION = 1, LINE_LINE = 2 };
enum pprof_function {
	FUNCTION_ID = 1,
	FUNCTION_NAME = 2,
	FUNCTION_SYSTEM_NAME = 3,
	FUNCTION_FILENAME = 4,
};

#define PERIOD 1 /* each object counts */

static const struct {
	const char *type, *unit;
} sample_types[HELD_KINDS] = {
	[HELD_CONNECTIONS] = {"connections", "count"},
	[HELD_TRANSACTIONS] = {"transactions", "count"},
	[HELD_STATEMENTS] = {"statements", "count"},
	[HELD_BYTES] = {"inuse_space", "bytes"},
};

struct pprof {
	struct protobuf out, inner, list, line;
	struct table strings;  /* by content, to the number */
	struct table mappings; /* by the numbers of path and build id */
	size_t string_count, mapping_count;
	struct frame_index frames; /* a location and a function each */
	bool failed;		   /* no memory */
};

static struct table_key string_key(const char *text)
{
	uint64_t a = 14695981039346656037ULL, b = a;

	for (; *text; text++) {
		a = (a ^ (uint8_t)*text) * 1099511628211ULL;
		b = (b ^ a >> 32 ^ (uint8_t)*text) * 0x9e3779b97f4a7c15ULL;
	}
	return (struct table_key){a, b};
}

/* The number of a text in the table of strings, harmless for a terminal; 0: the empty one. */
static uint64_t pprof_string(struct pprof *p, const char *text)
{
	struct table_key key = string_key(text ? text : "");
	size_t number = (uintptr_t)table_get(&p->strings, key);
	char *safe;

	if (number)
		return number - 1;
	safe = escape_terminal(text ? text : "", text ? strlen(text) : 0);
	number = ++p->string_count;
	if (!safe || table_put(&p->strings, key, (void *)(uintptr_t)number)) {
		p->failed = true;
		free(safe);
		return 0;
	}
	protobuf_bytes(&p->out, PROFILE_STRING_TABLE, safe, strlen(safe));
	free(safe);
	return number - 1;
}

static void put_value_type(struct pprof *p, uint32_t field, const char *type, const char *unit)
{
	uint64_t numbers[] = {pprof_string(p, type), pprof_string(p, unit)};

	protobuf_reset(&p->inner);
	protobuf_number(&p->inner, VALUE_TYPE, numbers[0]);
	protobuf_number(&p->inner, VALUE_UNIT, numbers[1]);
	protobuf_message(&p->out, field, &p->inner);
}

static void put_head(struct pprof *p, const struct report_view *v, const struct held *h)
{
	uint64_t duration_ns = v->seconds > 0 ? (uint64_t)(v->seconds * 1e9) : 0;

	pprof_string(p, "");
	for (int kind = 0; kind < HELD_KINDS; kind++)
		put_value_type(p, PROFILE_SAMPLE_TYPE, sample_types[kind].type,
			       sample_types[kind].unit);
	put_value_type(p, PROFILE_PERIOD_TYPE, sample_types[HELD_CONNECTIONS].type,
		       sample_types[HELD_CONNECTIONS].unit);
	protobuf_number(&p->out, PROFILE_PERIOD, PERIOD);
	protobuf_number(&p->out, PROFILE_TIME_NANOS,
			v->start_realtime_ns ? v->start_realtime_ns + duration_ns : 0);
	protobuf_number(&p->out, PROFILE_DURATION_NANOS, duration_ns);
	protobuf_number(&p->out, PROFILE_DEFAULT_SAMPLE_TYPE,
			pprof_string(p, sample_types[held_worst(v, h)].type));
	protobuf_number(&p->out, PROFILE_COMMENT,
			pprof_string(p, "dbleak: what was held at the end, or when its process "
					"ended"));
}

static void put_label(struct pprof *p, const char *key, const char *text, uint64_t number)
{
	uint64_t name = pprof_string(p, key), word = text ? pprof_string(p, text) : 0;

	if (!word && !number)
		return;
	protobuf_reset(&p->line);
	protobuf_number(&p->line, LABEL_KEY, name);
	protobuf_number(&p->line, LABEL_STR, word);
	protobuf_number(&p->line, LABEL_NUM, number);
	protobuf_message(&p->inner, SAMPLE_LABEL, &p->line);
}

static void put_sample(struct pprof *p, const struct held_view *v)
{
	size_t first = v->site ? (size_t)(v->site - v->stack) : 0;

	protobuf_reset(&p->inner);
	protobuf_reset(&p->list);
	for (size_t i = first; i < v->stack_count; i++) {
		size_t number = frame_index_of(&p->frames, &v->stack[i]);

		p->failed = p->failed || !number;
		protobuf_item(&p->list, number);
	}
	protobuf_message(&p->inner, SAMPLE_LOCATION, &p->list);
	protobuf_reset(&p->list);
	for (int kind = 0; kind < HELD_KINDS; kind++)
		protobuf_item(&p->list, v->count[kind]);
	protobuf_message(&p->inner, SAMPLE_VALUE, &p->list);
	put_label(p, "pid", NULL, v->process->pid);
	put_label(p, "comm", v->process->comm, 0);
	put_label(p, "container", container_of(v->process), 0);
	put_label(p, "endpoint", v->endpoint, 0);
	put_label(p, "test", v->test, 0);
	protobuf_message(&p->out, PROFILE_SAMPLE, &p->inner);
}

/* Its functions and lines are named already, so no reader needs to look for the file. */
static uint64_t mapping_of(struct pprof *p, const struct frame_view *f)
{
	struct table_key key;
	size_t number;

	if (f->language != EV_LANG_NATIVE || !f->module)
		return 0;
	key = (struct table_key){pprof_string(p, f->module), pprof_string(p, f->build_id)};
	number = (uintptr_t)table_get(&p->mappings, key);
	if (number)
		return number;
	number = ++p->mapping_count;
	if (table_put(&p->mappings, key, (void *)(uintptr_t)number))
		p->failed = true;
	protobuf_reset(&p->inner);
	protobuf_number(&p->inner, MAPPING_ID, number);
	protobuf_number(&p->inner, MAPPING_LIMIT, INT64_MAX);
	protobuf_number(&p->inner, MAPPING_FILENAME, key.a);
	protobuf_number(&p->inner, MAPPING_BUILD_ID, key.b);
	protobuf_number(&p->inner, MAPPING_HAS_FUNCTIONS, 1);
	protobuf_number(&p->inner, MAPPING_HAS_FILENAMES, 1);
	protobuf_number(&p->inner, MAPPING_HAS_LINES, 1);
	protobuf_message(&p->out, PROFILE_MAPPING, &p->inner);
	return number;
}

static void put_function(struct pprof *p, uint64_t id, const struct frame_view *f)
{
	struct words name = {0};
	uint64_t named;

	words_held_frame(&name, f);
	named = pprof_string(p, name.text);
	protobuf_reset(&p->inner);
	protobuf_number(&p->inner, FUNCTION_ID, id);
	protobuf_number(&p->inner, FUNCTION_NAME, named);
	protobuf_number(&p->inner, FUNCTION_SYSTEM_NAME,
			pprof_string(p, f->function ? f->function : "?"));
	protobuf_number(&p->inner, FUNCTION_FILENAME, pprof_string(p, f->file));
	protobuf_message(&p->out, PROFILE_FUNCTION, &p->inner);
}

static void put_location(struct pprof *p, uint64_t id, const struct frame_view *f)
{
	uint64_t mapping = mapping_of(p, f);

	put_function(p, id, f);
	protobuf_reset(&p->line);
	protobuf_number(&p->line, LINE_FUNCTION, id);
	protobuf_number(&p->line, LINE_LINE, f->line);
	protobuf_reset(&p->inner);
	protobuf_number(&p->inner, LOCATION_ID, id);
	protobuf_number(&p->inner, LOCATION_MAPPING, mapping);
	protobuf_number(&p->inner, LOCATION_ADDRESS, mapping ? f->offset & INT64_MAX : 0);
	protobuf_message(&p->inner, LOCATION_LINE, &p->line);
	protobuf_message(&p->out, PROFILE_LOCATION, &p->inner);
}

static void pprof_fill(struct pprof *p, const struct report_view *v, const struct held *h)
{
	put_head(p, v, h);
	for (size_t i = 0; i < h->count && !p->failed; i++) {
		struct held_view one = h->all[i];

		if (!one.stack_count) {
			one.stack = &held_no_stack;
			one.stack_count = 1;
		}
		put_sample(p, &one);
	}
	/* Readers name the profile after its first mapping: outer frames first, for the program's.
	 */
	for (size_t i = p->frames.count; i > 0 && !p->failed; i--)
		put_location(p, i, p->frames.all[i - 1]);
}

int report_pprof(FILE *out, const struct report_view *v, const struct held *h)
{
	struct pprof p = {0};
	int err;

	pprof_fill(&p, v, h);
	err = p.failed || p.out.failed ? -ENOMEM : gzip_write(out, p.out.bytes, p.out.length);
	protobuf_free(&p.out);
	protobuf_free(&p.inner);
	protobuf_free(&p.list);
	protobuf_free(&p.line);
	table_free(&p.strings);
	table_free(&p.mappings);
	frame_index_free(&p.frames);
	return err;
}
