/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * wire_shim.h - what the wire parsers need around them, outside the kernel: memory that may be
 * read only where the chunk under test lies, and a small ledger of statements.
 *
 * struct tracked_connection here is the kernel's; the model has another, so do not include both.
 */
#ifndef DBLEAK_WIRE_SHIM_H
#define DBLEAK_WIRE_SHIM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#define __noinline __attribute__((noinline))

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#include "bpf/wire/wire_feed.bpf.h"
#pragma GCC diagnostic pop

#define SHIM_STATEMENTS 64

struct shim {
	const uint8_t *chunk; /* all that may be read */
	uint32_t length;
	const char *broken; /* what went wrong first */
	uint64_t counters[COUNTERS];
	struct {
		uint64_t id;
		uint32_t length;
		char text[EV_STATEMENT_SQL_LEN];
	} statements[SHIM_STATEMENTS];
	uint32_t statement_count;
	uint32_t results; /* large replies told */
	uint64_t result_rows, result_bytes;
	int result_exact;
};

static struct shim shim;

static inline void shim_broken(const char *what)
{
	if (!shim.broken)
		shim.broken = what;
}

static inline int shim_may_read(uint64_t from, uint64_t size)
{
	uint64_t start = (uint64_t)(uintptr_t)shim.chunk;

	return from >= start && size <= shim.length && from - start <= shim.length - size;
}

int wire_read(void *to, __u32 size, __u64 from)
{
	if (!size)
		shim_broken("a read of nothing");
	if (!shim_may_read(from, size)) {
		shim_broken("a read outside the chunk");
		return -1;
	}
	memcpy(to, (const void *)(uintptr_t)from, size);
	return 0;
}

static inline long shim_string(char *to, uint32_t size, const char *from, int checked)
{
	for (uint32_t i = 0; i < size; i++) {
		if (checked && !shim_may_read((uint64_t)(uintptr_t)(from + i), 1)) {
			shim_broken("a string read outside the chunk");
			return -14;
		}
		to[i] = i == size - 1 ? 0 : from[i];
		if (!to[i])
			return i + 1;
	}
	return 0;
}

long wire_read_string(void *to, __u32 size, __u64 from)
{
	return shim_string(to, size, (const char *)(uintptr_t)from, 1);
}

long wire_shift_string(void *to, __u32 size, const void *from)
{
	return shim_string(to, size, from, 0);
}

void wire_shift(void *to, __u32 size, const void *from)
{
	memmove(to, from, size);
}

void wire_count(__u32 which)
{
	shim.counters[which]++;
}

static inline uint32_t shim_find(uint64_t id)
{
	uint32_t i;

	for (i = 0; i < shim.statement_count; i++)
		if (shim.statements[i].id == id)
			break;
	return i;
}

int ledger_statement_open(struct tracked_connection *c, __u64 id)
{
	uint32_t at = shim_find(id);

	if (c->sql.length > EV_SQL_LEN)
		shim_broken("SQL longer than its slot");
	if (at < shim.statement_count)
		return -1;
	if (at < SHIM_STATEMENTS) {
		shim.statements[at].id = id;
		shim.statements[at].length = c->sql.length < EV_STATEMENT_SQL_LEN
						     ? c->sql.length
						     : EV_STATEMENT_SQL_LEN;
		memcpy(shim.statements[at].text, c->sql.text, EV_STATEMENT_SQL_LEN);
		shim.statement_count++;
	} else {
		c->unlisted++;
	}
	c->ev.prepared++;
	return 0;
}

int ledger_statement_close(struct tracked_connection *c, __u64 id)
{
	uint32_t at = shim_find(id);

	if (at == shim.statement_count) {
		if (!c->unlisted)
			return 0;
		c->unlisted--;
	}
	c->ev.unprepared++;
	if (at < shim.statement_count)
		shim.statements[at] = shim.statements[--shim.statement_count];
	return 0;
}

int ledger_statements_drop(struct tracked_connection *c)
{
	c->ev.unprepared = c->ev.prepared;
	c->unlisted = 0;
	shim.statement_count = 0;
	return 0;
}

__u64 ledger_resident(void)
{
	return 1 << 20;
}

int ledger_result(struct tracked_connection *c)
{
	shim.results++;
	shim.result_rows = c->reply_rows;
	shim.result_bytes = c->reply_bytes;
	shim.result_exact = !c->rows_estimated && c->reply_rows != UNKNOWN64;
	return 0;
}

/* Hands bytes to the parsers as the kernel would, from memory of exactly their length. */
static inline void shim_feed(struct tracked_connection *c, int sending, const uint8_t *bytes,
			     uint32_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	if (!copy)
		abort();
	memcpy(copy, bytes, n);
	shim.chunk = copy;
	shim.length = n;
	c->now += 1000;
	if (sending)
		wire_sent(c, (uint64_t)(uintptr_t)copy, n);
	else
		wire_received(c, (uint64_t)(uintptr_t)copy, n);
	c->ev.used_ns = c->now;
	free(copy);
}

/* A MySQL greeting, with its header. */
static inline void shim_greet(struct tracked_connection *c, const uint8_t *bytes, uint32_t n)
{
	uint8_t *copy = malloc(n);

	if (!copy || n < MY_HEADER)
		abort();
	memcpy(copy, bytes, n);
	shim.chunk = copy;
	shim.length = n;
	c->now += 1000;
	wire_greeting(c, (uint64_t)(uintptr_t)copy + MY_HEADER, n - MY_HEADER);
	free(copy);
}

static inline uint32_t shim_listed(const struct tracked_connection *c, uint8_t cursor_state)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < CURSORS; i++)
		count += c->cursor_state[i] == cursor_state;
	return count;
}

/* What must hold whatever the bytes were.  Sets shim.broken. */
static inline void shim_check(const struct tracked_connection *c)
{
	if (c->ev.unprepared > c->ev.prepared)
		shim_broken("more statements closed than opened");
	if (c->sql.length > EV_SQL_LEN)
		shim_broken("SQL longer than its slot");
	if (c->sent.head_len >= FRAME_HEAD || c->received.head_len >= FRAME_HEAD)
		shim_broken("a head longer than its room");
	if (c->identity.startup_length > STARTUP_LEN)
		shim_broken("a startup message longer than its room");
	if (c->ev.status > EV_STATUS_FAILED)
		shim_broken("a status that is none");
	if (!c->pending && !c->flushed && c->ev.request_ns && c->phase == PHASE_READY &&
	    !(c->ev.flags & (EV_CONN_TLS | EV_CONN_COMPRESSED)))
		shim_broken("waiting for no reply");
	if (c->pending && !c->ev.request_ns)
		shim_broken("a reply is due of which nobody knows since when");
	if (c->doubts > DOUBTS)
		shim_broken("more doubts than room");
	if (c->ev.cursors != (c->held < 255 ? c->held : 255))
		shim_broken("cursors held and told of differ");
	if (shim_listed(c, CURSOR_HELD) > c->held)
		shim_broken("more cursors listed than held");
	if (!c->cursors && (c->held || c->fresh || shim_listed(c, CURSOR_NONE) != CURSORS))
		shim_broken("cursors that no reply settles");
	if (c->ev.begun < c->ev.committed + c->ev.rolled_back)
		shim_broken("more transactions ended than begun");
}

#endif
