/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * object_wire.h - the messages between dbleak and the worker that reads objects of interpreters.
 * What such messages have in common stands in host/parser_wire.h.
 */
#ifndef DBLEAK_CAPTURE_OBJECT_WIRE_H
#define DBLEAK_CAPTURE_OBJECT_WIRE_H

#include "bpf/stack/raw_stack.h"
#include "user/capture/host/parser_wire.h"
#include "user/capture/stack/python_object.h"
#include "user/capture/stack/python_task.h"
#include "user/capture/stack/python_thread.h"
#include "user/capture/worker/nursery.h"

#define OBJECT_SPANS 4096 /* in one message */

enum object_kind {
	/* Questions. */
	OBJECT_PYTHON = PARSER_FREE, /* an object_python, cut after its last code object */
	OBJECT_STACK,	      /* count bytes of v8_pack, then a raw_stack, cut; both aligned to 8 */
	OBJECT_TASKS,	      /* an object_tasks */
	OBJECT_THREADS,	      /* an object_threads */
	OBJECT_THREAD_FRAMES, /* the same, with innermost frames of threads */
	/* Answers. */
	OBJECT_CODE,	    /* an object_code: the code object with the index `count` */
	OBJECT_SPANS_MORE,  /* count more spans of it */
	OBJECT_FRAMES,	    /* an object_frames with count frames; result: of the reader */
	OBJECT_END,	    /* result: of python_objects_read */
	OBJECT_TASK,	    /* an object_task, cut after its last frame */
	OBJECT_TASKS_END,   /* an object_tasks_end; result: of python_tasks_read */
	OBJECT_THREADS_END, /* an object_threads_end, cut; result: of python_threads */
	OBJECT_THREAD_END,  /* an object_thread_end, cut after the last thread */
};

struct object_python {
	struct parser_head head; /* count: of code objects */
	struct python_process process;
	struct python_code_layout layout;
	struct python_wanted wanted[STACK_FRAMES];
};

struct object_tasks {
	struct parser_head head;
	struct python_process process;
	struct python_row row;
	struct python_code_layout code;
	struct python_task_layout layout;
	struct python_tasks_at at;
};

struct object_threads {
	struct parser_head head; /* count: of threads to list at most, or of frames */
	struct python_process process;
	struct python_row row;
	uint64_t runtime;
	uint64_t frame[PYTHON_FRAMES_MOST]; /* of OBJECT_THREAD_FRAMES, which is cut after the last
					     */
};

struct object_threads_end {
	struct parser_head head; /* count: of threads */
	struct python_thread thread[PYTHON_THREADS_MOST];
};

struct object_thread_end {
	struct parser_head head; /* count: of threads */
	struct python_frames of[PYTHON_FRAMES_MOST];
};

_Static_assert(sizeof(struct object_threads_end) <= PARSER_PACKET_MAX &&
		       sizeof(struct object_thread_end) <= PARSER_PACKET_MAX,
	       "a packet holds them");

struct object_task {
	struct parser_head head;
	struct python_task task;
};

struct object_tasks_end {
	struct parser_head head; /* count: of tasks that were dropped */
	uint64_t set;		 /* as in python_tasks_at */
};

/* Behind it: at most OBJECT_SPANS spans, then the function and the file with their NULs. */
struct object_code {
	struct parser_head head;
	uint32_t first_line, span_count;   /* span_count: of all spans, also those of later
					    * messages */
	uint32_t function_size, file_size; /* with the NUL */
};

#define OBJECT_NO_TEXT UINT32_MAX

struct object_frame {
	uint32_t function, file; /* where they begin in the texts; OBJECT_NO_TEXT: not known */
	uint32_t line, column;
	uint32_t language, flags;
};

/* Behind it: text_size bytes, the last of them NUL. */
struct object_frames {
	struct parser_head head;
	uint32_t flags, text_size;
	struct object_frame frame[STACK_FRAMES];
};

extern const struct nursery_role object_role;

#endif
