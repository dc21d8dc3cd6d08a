/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * site.h - whose code a frame is, and which frame of a stack answers for what was acquired there.
 *
 * The owner's code is the line that the owner of the program would change.  It is the first frame,
 * from the innermost outwards, that belongs to none of these:
 *   - a database library, driver, ORM or pool;
 *   - the run time of its language;
 *   - a package that somebody else wrote and an installer put there.
 * A single table in site.c lists all code that is not the owner's; --library adds to it.
 *
 * If every frame outside the database libraries is of installed packages, the program itself is one
 * (a Debian package, pip install).  Then the first of those frames answers.  The frame that started
 * the program (a script in bin/, manage.py, python3 -c) answers only when nothing else does.
 *
 * A file of the owner may bear any name.  So a package is known by where installers put it (below
 * site-packages/, node_modules/, gems/, vendor/ and their like), and not by a folder called redis.
 */
#ifndef DBLEAK_MODEL_SITE_H
#define DBLEAK_MODEL_SITE_H

#include <stddef.h>

#include "user/model/code.h"

enum site_class {
	SITE_OWN,      /* the owner's */
	SITE_PACKAGE,  /* installed, and no database library */
	SITE_STARTER,  /* how the program was started */
	SITE_RUNTIME,  /* of the language */
	SITE_DATABASE, /* library, driver, ORM, pool */
	SITE_NAMELESS, /* an address about which nothing is known */
};

/* Further code that the user calls libraries: globs over file, module and function.  '*' is any
 * text; a glob without '*' matches whole components of a path: "app/db.py", "libwrap.so". */
struct site_patterns {
	const char *const *pattern;
	size_t count;
};

/* more may be NULL. */
enum site_class site_class(const struct code_frame *f, const struct site_patterns *more);

/* A place of a program's code that answers for objects, with one stack that leads there. */
struct place {
	const struct code_frame *frame;
	const struct code_stack *stack;
};

/* The places that stacks lead to, each found once.  Zeroed but for code, more and arena is empty.
 */
struct places {
	const struct code *code;
	const struct site_patterns *more;
	struct arena *arena;
	struct table by_stack, by_frame;
	struct table classes; /* of frames by their address: patterns take long */
	struct table *shared; /* the same of several places with the same `more`; NULL: own */
};

void places_free(struct places *p);

/* The class of a frame, looked up in the patterns once. */
enum site_class places_class(struct places *p, const struct code_frame *f);

/* The frame of a stack that answers; NULL: none does. */
const struct code_frame *places_frame(struct places *p, const struct code_stack *s);

/* The owner's frame that called the one that answers.  NULL: the one that answers is not the
 * owner's, or no other function of the owner is further out. */
const struct code_frame *places_caller(struct places *p, const struct code_stack *s);

/* Stacks that lead to the same line of the same function lead to the same place: compare the
 * pointers.  NULL: the stack is not known, or all of it is libraries. */
const struct place *places_find(struct places *p, uint64_t stack);

/* Is the module a virtual machine, which compiles what it runs?  Why its lines are not known, and
 * how to get them, else NULL. */
const char *site_machine(const char *module);

#endif
