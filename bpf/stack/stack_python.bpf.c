/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * stack_python.bpf.c - walks the Python frames of the current thread, and notes the start of
 * interpreters.
 *
 * The thread's state is the one that names this thread.  It is found by the thread-local key that
 * the interpreter keeps (glibc, then musl), else in the interpreter's lists of threads.  A state
 * that names another thread, and frames whose code has the wrong type, are rejected.  So wrong
 * offsets give no frames, rather than wrong frames.
 */
#include "bpf/stack/stack_python.bpf.h"

#define THREADS_MOST	  128 /* threads read in the list of each interpreter */
#define INTERPRETERS_MOST 8
#define GLIBC_SPECIFIC	  1296 /* in struct pthread: blocks of 32 keys, of 16 bytes each */
#define MUSL_SPECIFIC	  128  /* in struct pthread: values by key */
#define CODE_ALIGN	  7ULL /* 3.14 keeps flags in a reference's lowest bits */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PYTHON_ROWS);
	__type(key, __u32);
	__type(value, struct python_row);
} python_rows SEC(".maps");

static __always_inline __u64 stack_python_word_at(__u64 at)
{
	__u64 word = 0;

	bpf_probe_read_user(&word, sizeof(word), (void *)at);
	return word;
}

static __always_inline __u64 frame_of(const struct python_row *row, __u64 thread)
{
	__u64 frame = stack_python_word_at(thread + row->thread_frame);

	return row->frame_pointer && frame ? stack_python_word_at(frame + row->frame_pointer - 1)
					   : frame;
}

/* Each step of a walk is a global function, so that the verifier checks it once and not in every
 * round of a loop. */

/* Skips the next thread of the list if it is another's.  Returns 1 if it was skipped. */
__noinline int python_pass_thread(__u32 index)
{
	struct python_row *row = bpf_map_lookup_elem(&python_rows, &index);
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 zero = 0;
	struct stack_scratch *s = bpf_map_lookup_elem(&stack_scratch, &zero);

	if (!row || !s || !s->next ||
	    stack_python_word_at(s->next + row->thread_id) == task->thread.fsbase)
		return 0;
	s->next = stack_python_word_at(s->next + row->thread_next);
	return 1;
}

/* Returns this thread's state in the list that begins at thread; 0: not found. */
__noinline __u64 python_thread(__u64 thread, __u32 index)
{
	__u32 zero = 0, i;
	struct stack_scratch *s = bpf_map_lookup_elem(&stack_scratch, &zero);

	if (!s)
		return 0;
	s->next = thread;
	for (i = 0; i < THREADS_MOST; i++)
		if (!python_pass_thread(index))
			return s->next;
	return 0;
}

/* Returns the frame of this thread, searched in all interpreters; 0 none. */
__noinline __u64 python_listed(__u64 runtime, __u32 index)
{
	struct python_row *row = bpf_map_lookup_elem(&python_rows, &index);
	__u64 interpreter, thread, frame = 0;
	int i;

	if (!row)
		return 0;
	interpreter = stack_python_word_at(runtime + row->interpreters);
	for (i = 0; i < INTERPRETERS_MOST && interpreter && !frame; i++) {
		thread = python_thread(stack_python_word_at(interpreter + row->interpreter_threads),
				       index);
		frame = thread ? frame_of(row, thread) : 0;
		interpreter = stack_python_word_at(interpreter + row->interpreter_next);
	}
	return frame;
}

/* Returns the thread's state, found by the key.  Both C libraries are tried; only one can fit. */
static __always_inline __u64 thread_by_key(const struct python_row *row, __u64 runtime, __u64 self)
{
	__u32 key = 0;
	__u64 thread, values;

	if (bpf_probe_read_user(&key, sizeof(key), (void *)(runtime + row->tss_key)) || key > 1023)
		return 0;
	values = stack_python_word_at(self + GLIBC_SPECIFIC + (key >> 5) * 8);
	thread = values ? stack_python_word_at(values + (key & 31) * 16 + 8) : 0;
	if (thread && stack_python_word_at(thread + row->thread_id) == self)
		return thread;
	values = stack_python_word_at(self + MUSL_SPECIFIC);
	thread = values ? stack_python_word_at(values + key * 8) : 0;
	return thread && stack_python_word_at(thread + row->thread_id) == self ? thread : 0;
}

/* Not static: the verifier then checks each such function once, by itself. */
__noinline __u64 python_frame(__u64 runtime, __u32 index)
{
	struct python_row *row = bpf_map_lookup_elem(&python_rows, &index);
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 self = task->thread.fsbase, thread, frame;

	if (!row || !runtime || !self)
		return 0;
	thread = thread_by_key(row, runtime, self);
	if (!thread)
		return row->tss_works ? 0 : PYTHON_UNKNOWN;
	row->tss_works = 1;
	frame = frame_of(row, thread);
	return frame ? frame : PYTHON_UNKNOWN; /* the frame may be in another interpreter's state */
}

/* Reads the next frame and the memory before it.  Since 3.11 most frames of a thread lie one after
 * the other, outer frames at lower addresses.  Only the frame's page is read, so that the read
 * fails only where that of the frame alone would fail. */
static __always_inline int read_window(struct stack_scratch *s, const struct python_row *row)
{
	__u64 end = s->next + (row->frame_bytes & 127), from = s->next & ~(PAGE_BYTES - 1ULL);
	__u64 bytes;

	if (from < end - row->window)
		from = end - row->window;
	bytes = end - from;
	barrier_var(bytes);
	if (bytes > PYTHON_WINDOW)
		return -1;
	s->window_at = from;
	s->window_bytes = bytes;
	return bpf_probe_read_user(s->window, bytes, (void *)from);
}

/* Writes the next frame into the scratch.  Returns 0 when there is none.  No branch depends on the
 * frame's bytes, because each would cost the verifier a state. */
__noinline int python_take_frame(__u32 i, __u32 index)
{
	struct python_row *row = bpf_map_lookup_elem(&python_rows, &index);
	__u32 zero = 0;
	struct stack_scratch *s = bpf_map_lookup_elem(&stack_scratch, &zero);
	__u64 at;
	__u8 *frame;

	if (!s || !row || !s->next || i >= STACK_FRAMES)
		return 0;
	at = s->next - s->window_at;
	if ((at >= s->window_bytes || at + row->frame_bytes > s->window_bytes) &&
	    read_window(s, row))
		return 0;
	at = s->next - s->window_at;
	barrier_var(at);
	frame = s->window + (at & (PYTHON_WINDOW - 1));
	barrier_var(i); /* the verifier has lost its bound */
	i &= STACK_FRAMES - 1;
	s->out.frame[i].code = *(__u64 *)(frame + (row->frame_code & 127)) & ~CODE_ALIGN &
			       PYTHON_ADDRESS;
	s->out.frame[i].at = (*(__u64 *)(frame + (row->frame_at & 127)) & row->at_mask) |
			     (__u64)(frame[row->frame_owner & 127] & row->owner_mask)
				     << PYTHON_OWNER_SHIFT;
	s->next = *(__u64 *)(frame + (row->frame_back & 127));
	return 1;
}

/* Writes the frames from this one outward into the scratch. */
__noinline __u32 python_frames(__u64 frame, __u32 index)
{
	__u32 zero = 0, i;
	struct stack_scratch *s = bpf_map_lookup_elem(&stack_scratch, &zero);

	if (!s)
		return 0;
	s->next = frame;
	s->window_bytes = 0;
	for (i = 0; i < STACK_FRAMES; i++)
		if (!python_take_frame(i, index))
			break;
	if (s->next)
		s->out.flags |= EV_STACK_CUT;
	return i;
}

/* Adds the check of the code object's identity to a frame.  The interpreter's own frames have no
 * such code object; they are told apart without a branch, as above. */
__noinline int python_check_frame(__u32 i, __u32 index)
{
	struct python_row *row = bpf_map_lookup_elem(&python_rows, &index);
	__u32 zero = 0, check;
	struct stack_scratch *s = bpf_map_lookup_elem(&stack_scratch, &zero);
	struct python_identity *identity;
	__u64 ours, owner;

	if (!s || !row || i >= STACK_FRAMES)
		return 0;
	barrier_var(i);
	i &= STACK_FRAMES - 1;
	identity = (struct python_identity *)s->room;
	bpf_probe_read_user(identity->name, sizeof(identity->name),
			    (void *)(s->out.frame[i].code + row->identity));
	bpf_probe_read_user(&identity->size, 3 * sizeof(identity->size),
			    (void *)(identity->name[PYTHON_IDENTITY_WORDS - 1] + PYTHON_LINES_AT));
	owner = s->out.frame[i].at >> PYTHON_OWNER_SHIFT;
	ours = (row->strangers >> (owner & 7) & 1) - 1ULL; /* all ones, or zero */
	check = python_check(identity) & ours;
	barrier_var(i);
	i &= STACK_FRAMES - 1;
	s->out.frame[i].code |= (__u64)check << PYTHON_ADDRESS_BITS;
	s->out.frame[i].at |= (__u64)(check >> 16) << PYTHON_ADDRESS_BITS;
	return 1;
}

/* Adds the check to each of n frames. */
__noinline __u32 python_checks(__u32 n, __u32 index)
{
	__u32 i;

	for (i = 0; i < STACK_FRAMES; i++)
		if (i >= n || !python_check_frame(i, index))
			break;
	return i;
}

static __always_inline __u64 type_of(const struct raw_frame *f)
{
	return stack_python_word_at(f->code + 8);
}

/* Has the code of the first frame the right type?  The innermost frame may belong to the
 * interpreter itself and have no code; then the next one counts. */
__noinline __u32 python_is_code(__u64 runtime, __u32 index)
{
	struct python_row *row = bpf_map_lookup_elem(&python_rows, &index);
	__u32 zero = 0;
	struct stack_scratch *s = bpf_map_lookup_elem(&stack_scratch, &zero);

	if (!row || !s)
		return 0;
	return !row->code_type || type_of(&s->out.frame[0]) == runtime + row->code_type ||
	       type_of(&s->out.frame[1]) == runtime + row->code_type;
}

/* A Python interpreter starts, in any program.  The cookie names the file. */
SEC("uprobe")
int python_started(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 index = bpf_get_attach_cookie(ctx), pid = task->tgid;
	struct python_row *row = bpf_map_lookup_elem(&python_rows, &index);
	struct runtime_process own = {.row = index, .runtime = RUNTIME_PYTHON};

	if (!row)
		return 0;
	own.start_ns = task_start(task);
	own.address = ctx->ip + row->runtime;
	if (bpf_map_update_elem(&runtimes, &pid, &own, BPF_ANY))
		count(COUNTER_LOSS + EV_LOSS_MAP_FULL);
	return 0;
}
