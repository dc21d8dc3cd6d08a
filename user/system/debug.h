/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * debug.h - diagnostics for whoever asks why dbleak saw what it saw, by topic (DBLEAK_DEBUG).
 *
 * Lines go to standard error and belong to decision points: never one for each event.  A line holds
 * no secret: no SQL, no value of a command line.  Names and paths of others may stand in it, for
 * each line is escaped as a whole.
 */
#ifndef DBLEAK_SYSTEM_DEBUG_H
#define DBLEAK_SYSTEM_DEBUG_H

#include <stdarg.h>
#include <stddef.h>

enum debug_topic {
	DEBUG_LIBBPF,
	DEBUG_KERNEL,
	DEBUG_PROBE,
	DEBUG_TLS,
	DEBUG_STACK,
	DEBUG_HOST,
	DEBUG_BUDGET,
	DEBUG_WORKER,
	DEBUG_TOPICS,
};

struct debug_row {
	const char *name;
	const char *meaning; /* a clause: what its lines tell */
};

extern const struct debug_row debug_table[DEBUG_TOPICS];

#define DEBUG_ALL ((1U << DEBUG_TOPICS) - 1)

/* A word of the list that names no topic: borrowed from the list, not ended by a NUL. */
struct debug_word {
	const char *text;
	size_t length;
};

/* Reads "probe,tls", "all", or "1", which means libbpf.  *topics: a mask of 1 << topic.  0, or
 * -EINVAL for an unknown word, which *unknown then is. */
int debug_parse(const char *list, unsigned int *topics, struct debug_word *unknown);

/* The topics that are told; a mask, 0 at the start.  Set it before any thread or helper starts, and
 * only by debug_choose. */
extern unsigned int debug_chosen;
void debug_choose(unsigned int topics);

/* Writes one line, "dbleak: TOPIC: ...".  Keeps errno. */
void debug_write(enum debug_topic topic, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Writes foreign text of several lines, each with its head.  Keeps errno. */
void debug_write_lines(enum debug_topic topic, const char *format, va_list args);

#define debug_is_on(topic) __builtin_expect(debug_chosen & 1U << (topic), 0)

/* The arguments are evaluated only if the topic is told. */
#define debug(topic, ...)                                \
	do {                                             \
		if (debug_is_on(topic))                  \
			debug_write(topic, __VA_ARGS__); \
	} while (0)

#endif
