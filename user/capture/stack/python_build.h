/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * python_build.h - which CPython an ELF file holds, and the layout of its objects.
 *
 * The symbols that the file exports decide, never its name.  Versions with an unknown layout, debug
 * builds and free-threaded builds are recognised and refused.
 */
#ifndef DBLEAK_CAPTURE_PYTHON_BUILD_H
#define DBLEAK_CAPTURE_PYTHON_BUILD_H

#include <stdint.h>

#include "bpf/stack/python.h"
#include "user/capture/elf/elf.h"
#include "user/capture/stack/python_line.h"

#define PYTHON_CODE_BYTES 144 /* of a code object: they hold all the fields below */

/* Offsets in a code object, and in the objects it names. */
struct python_code_layout {
	uint16_t flags, first_line, file, name, qualified; /* qualified 0: there is none */
	uint16_t lines;
	uint16_t bytecode;     /* 0: a frame holds its place as an index */
	uint16_t ascii, other; /* where a string's characters begin */
	uint8_t scale;	       /* bytes of code for each step of that index */
	uint8_t kind;	       /* enum python_lines */
};

/* Where an object keeps the values of its attributes while it has no dictionary. */
enum python_attributes {
	PYTHON_VALUES_BEFORE = 1, /* a pointer to them stands before the object */
	PYTHON_VALUES_MARKED = 2, /* the same, less 1, where else the dictionary would be */
	PYTHON_VALUES_INLINE = 3, /* behind the object */
};

/* Offsets for tasks of asyncio. */
struct python_task_layout {
	uint16_t modules;	   /* sys.modules, in an interpreter; 0: tasks are not read */
	uint8_t frame, state;	   /* in a coroutine */
	uint8_t stack_top, locals; /* in a frame: the count of what is on its stack, and that */
	uint8_t coroutine;	   /* in a task */
	uint8_t attributes;	   /* enum python_attributes */
	int8_t awaits, yields;	   /* states of a suspended coroutine; equal: its code tells */
};

struct python_build {
	unsigned int minor;  /* of version 3; 0 not known */
	const char *refusal; /* why its frames are not read; NULL: they are */
	struct python_row row;
	struct python_code_layout code;
	struct python_task_layout task;
	uint64_t runtime; /* address of _PyRuntime, as the file has it */
	uint64_t start;	  /* offset in the file of Py_InitializeFromConfig; 0 not known */
};

/* 0, or -ENOENT: no Python is in it. */
int python_identify(struct elf_file *elf, struct python_build *out);

#endif
