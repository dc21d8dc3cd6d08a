/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * service.c - see service.h.  Options are skipped as program.c says that each program reads them.
 */
#include "user/base/service.h"

#include <stdbool.h>
#include <string.h>

#include "user/base/program.h"

#define PROGRAMS_MOST 4 /* python3, gunicorn: one runs the other */
#define HIDDEN	      "..."

struct argument {
	const char *at;
	size_t len;
};

struct name {
	char *out;
	size_t size, length;
};

static struct argument next_argument(const char **line)
{
	struct argument a = {.at = *line + strspn(*line, " ")};

	a.len = strcspn(a.at, " ");
	*line = a.at + a.len;
	return a;
}

static void add_argument(struct name *n, struct argument a)
{
	size_t room = n->size - n->length - 1;

	if (n->length && room) {
		n->out[n->length++] = ' ';
		room--;
	}
	if (a.len > room)
		a.len = room;
	memcpy(n->out + n->length, a.at, a.len);
	n->length += a.len;
	n->out[n->length] = '\0';
}

static struct argument without_folder(struct argument a)
{
	const char *slash = memrchr(a.at, '/', a.len);

	if (!slash || slash + 1 == a.at + a.len)
		return a;
	return (struct argument){slash + 1, a.len - (size_t)(slash + 1 - a.at)};
}

static bool is_text(struct argument a, const char *text)
{
	return a.len == strlen(text) && !memcmp(a.at, text, a.len);
}

static bool is_hidden_argument(struct argument a)
{
	return is_text(a, HIDDEN);
}

/* The meaning of an option; *rest: where its value begins in the same argument, NULL if it does
 * not. */
static enum program_option meaning_of(const struct program *p, struct argument a, const char **rest)
{
	const char *equals = memchr(a.at, '=', a.len);
	enum program_option found = program_long(p, a.at, equals ? (size_t)(equals - a.at) : a.len);

	*rest = equals ? equals + 1 : NULL;
	if (found != PROGRAM_UNKNOWN || a.at[1] == '-' || p->kind == PROGRAM_JAVA)
		return found;
	for (size_t i = 1; i < a.len; i++) {
		found = program_letter(p, a.at[i]);
		if (found == PROGRAM_FLAG)
			continue;
		*rest = i + 1 < a.len ? a.at + i + 1 : NULL;
		return found;
	}
	return PROGRAM_FLAG;
}

/* The script, module or class that a program is told to run.  No length: there is none. */
static struct argument script_of(const struct program *p, const char **line)
{
	struct argument a;

	while ((a = next_argument(line)).len) {
		enum program_option found;
		const char *rest;

		if (is_text(a, ARGUMENTS_CUT))
			continue;
		if (*a.at != '-' || a.len < 2)
			return a;
		found = meaning_of(p, a, &rest);
		if (found == PROGRAM_CODE)
			return (struct argument){};
		if (found == PROGRAM_SCRIPT && rest)
			return (struct argument){rest, (size_t)(a.at + a.len - rest)};
		if (found == PROGRAM_SCRIPT)
			return next_argument(line);
		if (found == PROGRAM_VALUE && !rest)
			next_argument(line);
	}
	return a;
}

/* The word after it, where it is one that programs take as a command. */
static void add_command(struct name *n, const char *line)
{
	struct argument a = next_argument(&line);

	if (program_command(a.at, a.len))
		add_argument(n, a);
}

size_t service_name(char *out, size_t size, const char *cmdline)
{
	struct name n = {.out = out, .size = size};
	struct argument a = next_argument(&cmdline);
	bool own = true; /* the name of the process says it */

	*out = '\0';
	for (int i = 0; i < PROGRAMS_MOST && a.len && !is_hidden_argument(a); i++) {
		const struct program *p = program_find(a.at, a.len);

		if (!own)
			add_argument(&n, without_folder(a));
		if (!p) {
			add_command(&n, cmdline);
			break;
		}
		if (p->kind != PROGRAM_INTERPRETER && p->kind != PROGRAM_JAVA &&
		    p->kind != PROGRAM_RUNNER)
			break;
		own = false;
		a = script_of(p, &cmdline);
		if (p->kind == PROGRAM_RUNNER) {
			if (a.len && !is_hidden_argument(a))
				add_argument(&n, without_folder(a));
			break;
		}
	}
	return n.length;
}
