/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * python.h - the places of threads and frames in one build of CPython.  Shared by both halves,
 * never recorded.
 */
#ifndef DBLEAK_PYTHON_H
#define DBLEAK_PYTHON_H

#include <linux/types.h>

#define PYTHON_ROWS	      256  /* files with an interpreter; a cookie is an index below it */
#define PYTHON_FRAME_BYTES    112  /* most bytes of a frame that are read */
#define PYTHON_WINDOW	      1024 /* bytes of memory with frames that are read at once */
#define PYTHON_IDENTITY_WORDS 3	   /* words of a code object, the last its table of lines */

/* The layout of a raw_frame.  The low bits of .code are the code object's address, those of .at
 * the place in it.  The high bits of both hold a check of the object's identity, because its
 * memory may soon be another object's.  Until the check is added, the high bits of .at hold the
 * frame's owner. */
#define PYTHON_ADDRESS_BITS 48
#define PYTHON_ADDRESS	    ((1ULL << PYTHON_ADDRESS_BITS) - 1)
#define PYTHON_OWNER_SHIFT  56

/* The identity of a code object: the addresses of its names and of its table of lines, and the size
 * and the beginning of that table.  The table is a bytes object; size begins at PYTHON_LINES_AT in
 * it. */
struct python_identity {
	__u64 name[PYTHON_IDENTITY_WORDS];
	__u64 size, hash, begin; /* the hash may be computed later, so it does not count */
};

#define PYTHON_LINES_AT 16

/* Returns a check of 24 bits: the lower 16 go above .code, the others above .at. */
static inline __u32 python_check(const struct python_identity *i)
{
	__u64 hash = i->name[0] * 0x9e3779b97f4a7c15ULL;

	hash = (hash ^ hash >> 32 ^ i->name[1]) * 0xbf58476d1ce4e5b9ULL;
	hash = (hash ^ hash >> 32 ^ i->name[2]) * 0x94d049bb133111ebULL;
	hash = (hash ^ hash >> 32 ^ i->size) * 0x9e3779b97f4a7c15ULL;
	hash = (hash ^ hash >> 32 ^ i->begin) * 0xbf58476d1ce4e5b9ULL;
	return hash >> 40;
}

/* Offsets of one build, in bytes. */
struct python_row {
	__s64 runtime;		     /* _PyRuntime, relative to the probe at its start */
	__s64 code_type;	     /* PyCode_Type, from _PyRuntime; 0 not known */
	__u64 at_mask;		     /* mask of the place in the code, at most PYTHON_ADDRESS */
	__u16 interpreters, tss_key; /* in _PyRuntime */
	__u16 interpreter_next, interpreter_threads;
	__u16 thread_next, thread_id, thread_frame;
	__u16 frame_pointer; /* 0: thread_frame points to the frame; else to a struct that holds the
				frame's address at this offset minus 1 */
	__u16 window; /* bytes read at once, at most PYTHON_WINDOW; frame_bytes: one frame only */
	__u8 frame_bytes; /* at most PYTHON_FRAME_BYTES */
	__u8 frame_back, frame_code, frame_at, frame_owner;
	__u8 owner_mask; /* 0: frames have no owner */
	__u8 strangers;	 /* bit n: frames with owner n are not Python code */
	__u8 identity;	 /* in a code object: PYTHON_IDENTITY_WORDS words */
	__u8 tss_works;	 /* the lookup by key has worked: no other is needed */
	__u8 reserved[5];
};

#endif
