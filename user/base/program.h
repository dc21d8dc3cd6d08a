/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * program.h - how well-known programs read their arguments, as far as this shows which other
 * program, script or module they run.
 */
#ifndef DBLEAK_BASE_PROGRAM_H
#define DBLEAK_BASE_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

enum program_kind {
	PROGRAM_WRAPPER = 1, /* another program follows its options: sudo, env, timeout */
	PROGRAM_INTERPRETER, /* a script follows: python3, node */
	PROGRAM_JAVA,	     /* a class follows; long options with one dash */
	PROGRAM_RUNNER,	     /* a module follows: gunicorn app:app */
};

/* Options of one letter are letters, long ones words between spaces, with their dashes. */
struct program {
	const char *name; /* of its file; a star at the end: with any ending, as in python3.11 */
	enum program_kind kind;
	unsigned int own;   /* WRAPPER: other arguments before the program: timeout 5 */
	bool shell;	    /* code is words of a shell */
	const char *flags;  /* no value */
	const char *values; /* a value, in the same argument or in the next */
	const char *stuck;  /* a value in the same argument, or none */
	const char *script; /* the value is the script, module or class */
	const char *code;   /* the value is program text */
	const char *long_flags, *long_values, *long_script, *long_code;
};

enum program_option {
	PROGRAM_UNKNOWN = 0,
	PROGRAM_FLAG,
	PROGRAM_VALUE,
	PROGRAM_STUCK,
	PROGRAM_SCRIPT,
	PROGRAM_CODE,
};

/* Finds a program by the last part of its path; NULL: it is not known here. */
const struct program *program_find(const char *path, size_t len);

/* Returns the meaning of an option: of one letter, or of a whole argument such as "--require" or
 * "-jar".  program may be NULL. */
enum program_option program_letter(const struct program *program, char letter);
enum program_option program_long(const struct program *program, const char *option, size_t len);

/* Is this a word that programs take as a command: "runserver", "worker", "queue:work"? */
bool program_command(const char *word, size_t len);

/* Is this the name of an option that some programs take with one dash: "dsn", "config"? */
bool program_dash_name(const char *name, size_t len);

#endif
