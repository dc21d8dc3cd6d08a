/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * debug.c - see debug.h.
 */
#include "user/system/debug.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/escape.h"

#define LINE_BYTES 1024

const struct debug_row debug_table[DEBUG_TOPICS] = {
	[DEBUG_LIBBPF] = {"libbpf", "the words of libbpf and of the kernel's verifier"},
	[DEBUG_KERNEL] = {"kernel", "the features of the kernel, and the way to its sockets"},
	[DEBUG_PROBE] = {"probe", "each file looked into, and the probes put in, refused, taken "
				  "out"},
	[DEBUG_TLS] = {"tls", "the TLS libraries found, the wait for them, and who needs them"},
	[DEBUG_STACK] = {"stack", "the interpreters and run times recognised, with their version"},
	[DEBUG_HOST] = {"host", "the containers, their names, and the limits of processes"},
	[DEBUG_BUDGET] = {"budget", "the detail given up to keep --max-overhead, and why"},
	[DEBUG_WORKER] = {"worker", "the helper processes: their starts, deaths and silences"},
};

unsigned int debug_chosen;

void debug_choose(unsigned int topics)
{
	debug_chosen = topics;
}

static unsigned int topics_of(const char *word, size_t length)
{
	if (length == 1 && *word == '1')
		return 1U << DEBUG_LIBBPF;
	if (length == 3 && !memcmp(word, "all", 3))
		return DEBUG_ALL;
	for (int i = 0; i < DEBUG_TOPICS; i++)
		if (strlen(debug_table[i].name) == length &&
		    !memcmp(word, debug_table[i].name, length))
			return 1U << i;
	return 0;
}

int debug_parse(const char *list, unsigned int *topics, struct debug_word *unknown)
{
	*topics = 0;
	for (list += strspn(list, ", "); *list; list += strspn(list, ", ")) {
		size_t length = strcspn(list, ", ");
		unsigned int found = topics_of(list, length);

		if (!found) {
			*unknown = (struct debug_word){list, length};
			return -EINVAL;
		}
		*topics |= found;
		list += length;
	}
	return 0;
}

/* One call of stdio for the whole line: it is written at once, also beside other threads. */
static void write_line(enum debug_topic topic, const char *text, size_t length)
{
	char line[4 * LINE_BYTES + 1];

	escape_fit(line, sizeof(line), text, length, LINE_BYTES, ESCAPE_CUT_END);
	fprintf(stderr, "dbleak: %s: %s\n", debug_table[topic].name, line);
}

void debug_write(enum debug_topic topic, const char *format, ...)
{
	char text[LINE_BYTES];
	int before = errno;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	write_line(topic, text, strlen(text));
	errno = before;
}

void debug_write_lines(enum debug_topic topic, const char *format, va_list args)
{
	int before = errno;
	char *text;

	if (vasprintf(&text, format, args) < 0)
		return;
	for (const char *at = text; *at; at += strspn(at, "\n")) {
		size_t length = strcspn(at, "\n");

		write_line(topic, at, length);
		at += length;
	}
	free(text);
	errno = before;
}
