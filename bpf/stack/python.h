/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * python.h - where one build of CPython keeps its threads and frames.  Shared by both halves, never
 * recorded.
 */
#ifndef DBLEAK_PYTHON_H
#define DBLEAK_PYTHON_H

#include <linux/types.h>

#define PYTHON_ROWS	      256 /* files with an interpreter; an attach cookie is an index below it */
#define PYTHON_FRAME_BYTES    112  /* of a frame, at most, that are looked at */
#define PYTHON_WINDOW	      1024 /* of memory with frames, read at once */
#define PYTHON_IDENTITY_WORDS 3	   /* of a code object, the last its table of lines */

/* A raw_frame: above the code object's address and the place in it, a check of the object's
 * identity, since its memory may soon be another's; above that in the place, what the frame says of
 * its owner. */
#define PYTHON_ADDRESS_BITS 48
#define PYTHON_ADDRESS	    ((1ULL << PYTHON_ADDRESS_BITS) - 1)
#define PYTHON_OWNER_SHIFT  56

/* What tells a code object from another: where its names and its table of lines are, and the size
 * and the beginning of that table, as it stands in a bytes object from PYTHON_LINES_AT on. */
struct python_identity {
	__u64 name[PYTHON_IDENTITY_WORDS];
	__u64 size, hash, begin; /* the hash comes and goes */
};

#define PYTHON_LINES_AT 16

/* 24 bits: the lower 16 are above .code, the others above .at. */
static inline __u32 python_check(const struct python_identity *i)
{
	__u64 hash = i->name[0] * 0x9e3779b97f4a7c15ULL;

	hash = (hash ^ hash >> 32 ^ i->name[1]) * 0xbf58476d1ce4e5b9ULL;
	hash = (hash ^ hash >> 32 ^ i->name[2]) * 0x94d049bb133111ebULL;
	hash = (hash ^ hash >> 32 ^ i->size) * 0x9e3779b97f4a7c15ULL;
	hash = (hash ^ hash >> 32 ^ i->begin) * 0xbf58476d1ce4e5b9ULL;
	return hash >> 40;
}

/* Offsets in bytes. */
struct python_row {
	__s64 runtime;		     /* _PyRuntime, from where the probe of its start sits */
	__s64 code_type;	     /* PyCode_Type, from _PyRuntime; 0 not known */
	__u64 at_mask;		     /* of the place in the code, at most PYTHON_ADDRESS */
	__u16 interpreters, tss_key; /* in _PyRuntime */
	__u16 interpreter_next, interpreter_threads;
	__u16 thread_next, thread_id, thread_frame;
	__u16 frame_pointer; /* what thread_frame points to has the frame's address here, plus 1; 0:
			      * it is the frame */
	__u16 window; /* bytes read at once, at most PYTHON_WINDOW; frame_bytes: frames lie anywhere
		       */
	__u8 frame_bytes; /* at most PYTHON_FRAME_BYTES */
	__u8 frame_back, frame_code, frame_at, frame_owner;
	__u8 owner_mask; /* 0: frames have no owner */
	__u8 strangers;	 /* bit n: a frame whose owner is n is none of Python code */
	__u8 identity;	 /* in a code object: PYTHON_IDENTITY_WORDS words */
	__u8 tss_works;	 /* the thread's own pointer has been right: no other way is needed */
	__u8 reserved[5];
};

#endif
