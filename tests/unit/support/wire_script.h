/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * wire_script.h - an exchange of bytes between a client and a server, written once and replayed
 * in every way the network may cut it.
 */
#ifndef DBLEAK_WIRE_SCRIPT_H
#define DBLEAK_WIRE_SCRIPT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/support/wire_shim.h"

#define STEPS	   640
#define ANY_LENGTH 3000 /* longer steps are cut at some bytes only */

enum direction { SERVER, CLIENT, GREETING };

/* Called when a step has been fed. */
typedef void (*check_fn)(const struct tracked_connection *c);

struct step {
	enum direction direction;
	bool whole; /* never cut: the first message of a session comes so */
	uint32_t at, length;
	uint64_t pause; /* before it */
	check_fn check;
};

static struct script {
	struct step steps[STEPS];
	size_t count;
	uint8_t *bytes;
	uint32_t used, room;
	enum ev_database database;
	bool joined;	    /* the connection is older than we are */
	uint32_t flags;	    /* enum ev_connection_flag that it begins with */
	const char *secret; /* must be nowhere in our memory */
} script;

/* How the bytes are cut now, for messages and for checks that hold only uncut. */
static struct {
	size_t step, cut, size;
	bool uncut;
} way;

#define EXPECT(condition)                                            \
	do {                                                         \
		if (!(condition))                                    \
			script_fail(#condition, __FILE__, __LINE__); \
	} while (0)

#define EXPECT_EQ(got, wanted)                                                      \
	do {                                                                        \
		unsigned long long got_ = (got), wanted_ = (wanted);                \
		if (got_ != wanted_) {                                              \
			print_error("%s is %llu, not %llu\n", #got, got_, wanted_); \
			script_fail(#got " == " #wanted, __FILE__, __LINE__);       \
		}                                                                   \
	} while (0)

static void script_fail(const char *what, const char *file, int line)
{
	if (way.uncut)
		print_error("uncut: ");
	else if (way.size)
		print_error("in pieces of %zu: ", way.size);
	else
		print_error("step %zu cut at %zu: ", way.step, way.cut);
	print_error("%s\n", what);
	_fail(file, line);
}

static void script_begin(enum ev_database database)
{
	free(script.bytes);
	memset(&script, 0, sizeof(script));
	script.database = database;
}

static void put(const void *bytes, size_t n)
{
	if (script.used + n > script.room) {
		script.room = 2 * (script.used + n);
		script.bytes = realloc(script.bytes, script.room);
		assert_non_null(script.bytes);
	}
	memcpy(script.bytes + script.used, bytes, n);
	script.used += n;
	script.steps[script.count - 1].length += n;
}

#define PUT(literal) put(literal, sizeof(literal) - 1)

static inline void put8(uint8_t x)
{
	put(&x, 1);
}

static inline void put_string(const char *s)
{
	put(s, strlen(s) + 1);
}

static void step(enum direction direction)
{
	assert_true(script.count < STEPS);
	script.steps[script.count++] = (struct step){.direction = direction, .at = script.used};
}

static void client(void)
{
	step(CLIENT);
}

static void server(void)
{
	step(SERVER);
}

static inline void whole(void)
{
	script.steps[script.count - 1].whole = true;
}

/* Before the step just begun. */
static inline void after(uint64_t ns)
{
	script.steps[script.count - 1].pause = ns;
}

/* After the step just written. */
static void then(check_fn check)
{
	script.steps[script.count - 1].check = check;
}

static bool holds(const void *memory, size_t size, const char *text)
{
	return memmem(memory, size, text, strlen(text)) != NULL;
}

static void feed(struct tracked_connection *c, const struct step *s, const uint8_t *bytes,
		 uint32_t n)
{
	if (s->direction == GREETING)
		shim_greet(c, bytes, n);
	else
		shim_feed(c, s->direction == CLIENT, bytes, n);
	shim_check(c);
	if (shim.broken)
		script_fail(shim.broken, __FILE__, __LINE__);
	if (script.secret)
		EXPECT(!holds(c, sizeof(*c), script.secret));
}

static void feed_step(struct tracked_connection *c, const struct step *s, size_t index)
{
	const uint8_t *bytes = script.bytes + s->at;
	uint32_t cut = way.step == index ? way.cut : 0;

	c->now += s->pause;
	if (s->whole || way.uncut || (!cut && !way.size)) {
		feed(c, s, bytes, s->length);
	} else if (cut) {
		feed(c, s, bytes, cut);
		feed(c, s, bytes + cut, s->length - cut);
	} else {
		for (uint32_t i = 0; i < s->length; i += way.size)
			feed(c, s, bytes + i, s->length - i < way.size ? s->length - i : way.size);
	}
	if (s->check)
		s->check(c);
}

#ifdef SEEDS
/* Keeps the exchange as a seed for tests/fuzz/fuzz_wire.c, in the working directory. */
static void script_save(void)
{
	static int saved;
	char name[64];
	FILE *out;

	if (script.used > 4096)
		return;
	snprintf(name, sizeof(name), "%d-%d", script.database, saved++);
	out = fopen(name, "w");
	assert_non_null(out);
	fputc((script.database == EV_DB_MYSQL ? 1 : 0) | (script.joined ? 2 : 0) |
		      (script.steps[0].direction == GREETING ? 4 : 0),
	      out);
	for (size_t i = 0; i < script.count; i++) {
		const struct step *s = &script.steps[i];

		fputc((s->direction == CLIENT ? 0x80 : 0) | s->length >> 8, out);
		fputc(s->length & 0xff, out);
		fwrite(script.bytes + s->at, 1, s->length, out);
	}
	assert_int_equal(fclose(out), 0);
}
#endif

static void replay(check_fn check)
{
	struct tracked_connection *c = calloc(1, sizeof(*c));

	assert_non_null(c);
#ifdef SEEDS
	if (way.uncut)
		script_save();
#endif
	memset(&shim, 0, sizeof(shim));
	c->now = 1000000;
	c->ev.id = 7;
	c->ev.database = script.database;
	c->phase = script.joined ? PHASE_READY : PHASE_STARTUP;
	c->ev.flags = script.flags | (script.joined ? EV_CONN_PRE_EXISTING : 0);
	for (size_t i = 0; i < script.count; i++)
		feed_step(c, &script.steps[i], i);
	check(c);
	free(c);
}

static uint32_t next_cut(const struct step *s, uint32_t cut)
{
	if (s->length < ANY_LENGTH || cut < 40 || cut + 40 >= s->length)
		return cut + 1;
	return cut + 65521 < s->length - 40 ? cut + 65521 : s->length - 40;
}

/* Replays the exchange uncut, in pieces, and with one cut at every byte of every step. */
static inline void every_way(check_fn check)
{
	static const size_t sizes[] = {1,  2,  3,  4,  5,  6,	7,    8,   9,
				       11, 16, 32, 33, 64, 100, 1000, 4096};

	way.uncut = true;
	replay(check);
	way.uncut = false;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (script.used > 500000 && sizes[i] < 1000)
			continue;
		way.size = sizes[i];
		way.step = STEPS;
		replay(check);
	}
	way.size = 0;
	for (way.step = 0; way.step < script.count; way.step++) {
		const struct step *s = &script.steps[way.step];

		if (s->whole)
			continue;
		for (way.cut = 1; way.cut < s->length; way.cut = next_cut(s, way.cut))
			replay(check);
	}
}

/* One way only: uncut. */
static inline void one_way(check_fn check)
{
	way.uncut = true;
	replay(check);
	way.uncut = false;
}

static inline void expect_sql(const struct tracked_connection *c, const char *text)
{
	size_t n = strlen(text);

	n = n < EV_SQL_LEN ? n : EV_SQL_LEN;
	EXPECT_EQ(c->sql.length, n);
	EXPECT(!memcmp(c->sql.text, text, n));
}

/* Nothing is under way, and boundaries are known. */
static inline void expect_quiet(const struct tracked_connection *c)
{
	EXPECT_EQ(c->pending, 0);
	EXPECT_EQ(c->ev.request_ns, 0);
	EXPECT_EQ(c->replying, 0);
	EXPECT_EQ(c->collecting, 0);
	EXPECT_EQ(c->sent.left, 0);
	EXPECT_EQ(c->sent.head_len, 0);
	EXPECT_EQ(c->ev.flags & EV_CONN_UNALIGNED, 0);
}

static inline void expect_transactions(const struct tracked_connection *c, uint32_t begun,
				       uint32_t committed, uint32_t rolled_back)
{
	EXPECT_EQ(c->ev.begun, begun);
	EXPECT_EQ(c->ev.committed, committed);
	EXPECT_EQ(c->ev.rolled_back, rolled_back);
}

static inline void expect_statements(const struct tracked_connection *c, uint32_t prepared,
				     uint32_t unprepared)
{
	EXPECT_EQ(c->ev.prepared, prepared);
	EXPECT_EQ(c->ev.unprepared, unprepared);
	EXPECT_EQ(shim.statement_count, prepared - unprepared);
}

#endif
