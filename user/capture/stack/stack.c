/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * stack.c - turns samples into EV_FRAME, EV_STACK and EV_EVIDENCE.
 *
 * The id of a frame or a stack is a hash of its content: equal ones have one id, and the same id in
 * every recording.
 */
#include "user/capture/stack/stack.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/redact.h"
#include "user/base/table.h"
#include "user/capture/stack/stack_state.h"

#define REPORTED_MOST STACKS_REPORTED_MOST /* frames and stacks */
#define HELD_MOST     (32ULL << 20)	   /* bytes of frames that are not reported yet */
#define WAITING_MOST  65536		   /* evidence */

_Static_assert(FUNCTION_MOST + FILE_MOST + MODULE_MOST + BUILD_MOST == EV_FRAME_TEXT_LEN,
	       "the texts of a frame fit together");

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n)
{
	const unsigned char *b = bytes;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ b[i]) * 0x100000001b3ULL; /* FNV-1a */
	return hash;
}

static uint64_t hash_end(uint64_t hash)
{
	hash = (hash ^ hash >> 32) * 0x9e3779b97f4a7c15ULL;
	hash ^= hash >> 29;
	return hash | !hash;
}

int stacks_open(struct stacks **out, const struct stacks_host *host)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	(*out)->host = *host;
	return 0;
}

static void held_free(struct stacks *s, struct stack_held *h)
{
	if (!h)
		return;
	s->held_bytes -= h->bytes;
	for (size_t i = 0; i < h->count; i++)
		free(h->frame[i]);
	free(h);
}

static void sample_free(struct stacks *s, struct stack_sample *sample)
{
	struct stack_waiting *next;

	for (struct stack_waiting *w = sample->waiting; w; w = next) {
		next = w->next;
		free(w);
		s->waiting--;
		s->lost++;
	}
	free(sample);
}

void stacks_close(struct stacks *s)
{
	struct table_slot *slot;
	size_t at;

	if (!s)
		return;
	for (at = 0; (slot = table_next(&s->samples, &at));)
		sample_free(s, slot->value);
	for (at = 0; (slot = table_next(&s->held, &at));)
		held_free(s, slot->value);
	table_free(&s->samples);
	table_free(&s->held);
	table_free(&s->reported);
	free(s);
}

static struct stack_held *held_of(const struct stacks *s, uint64_t id)
{
	return id ? table_get(&s->held, (struct table_key){id, 0}) : NULL;
}

static void held_drop(struct stacks *s, struct stack_held *h)
{
	table_remove(&s->held, (struct table_key){h->id, 0});
	held_free(s, h);
}

static void forget_oldest(struct stacks *s)
{
	uint64_t id = s->order[s->oldest];
	struct stack_sample *sample = table_remove(&s->samples, (struct table_key){id, 0});
	struct stack_held *h = held_of(s, sample->stack);

	if (h && !--h->refs)
		held_drop(s, h);
	sample_free(s, sample);
	s->oldest = (s->oldest + 1) % SAMPLES_MOST;
	s->host.forget(s->host.context, id);
}

/*
 * The model keeps only the latest frames and stacks that no record refers to.  So after many
 * reports all ids count as new: later evidence brings its stack again.  A sample whose stack was
 * reported is forgotten, and the kernel half sends that stack once more when it meets it.
 */
static void renew(struct stacks *s)
{
	size_t n = s->samples.count;

	if (s->reported.count + EV_STACK_FRAMES + 1 < REPORTED_MOST)
		return;
	table_free(&s->reported);
	s->renewals++;
	while (n--) {
		uint64_t id = s->order[s->oldest];
		struct stack_sample *sample = table_get(&s->samples, (struct table_key){id, 0});

		if (sample->named && !held_of(s, sample->stack)) {
			forget_oldest(s);
			continue;
		}
		s->oldest = (s->oldest + 1) % SAMPLES_MOST;
		s->order[(s->oldest + s->samples.count - 1) % SAMPLES_MOST] = id;
	}
}

static struct stack_sample *sample_of(struct stacks *s, uint64_t id)
{
	struct stack_sample *sample = table_get(&s->samples, (struct table_key){id, 0});

	if (sample)
		return sample;
	if (s->samples.count == SAMPLES_MOST)
		forget_oldest(s);
	sample = calloc(1, sizeof(*sample));
	if (!sample || table_put(&s->samples, (struct table_key){id, 0}, sample)) {
		free(sample);
		return NULL;
	}
	s->order[(s->oldest + s->samples.count - 1) % SAMPLES_MOST] = id;
	return sample;
}

/* Appends at most `most` bytes of a text: the first ones, or the last ones, since the end of a path
 * says most. */
static uint16_t stack_put_text(struct ev_frame *f, size_t *used, const char *text, size_t most,
			       bool last)
{
	size_t n = text ? strlen(text) : 0;

	if (n > most) {
		text += last ? n - most : 0;
		n = most;
	}
	memcpy(f->text + *used, text ? text : "", n);
	*used += n;
	return n;
}

/* The file of a JavaScript frame may be a URL, even a data: URL that is the program itself.
 * redact_path() finds the part that may be shown. */
static uint16_t put_file(struct ev_frame *f, size_t *used, const char *file)
{
	size_t n = file ? redact_path(file) : 0;
	char shown[FILE_MOST + 1];

	if (!n || !file[n])
		return stack_put_text(f, used, file, FILE_MOST, true);
	snprintf(shown, sizeof(shown), "%.*s...", (int)n, file);
	return stack_put_text(f, used, shown, FILE_MOST, true);
}

static struct ev_frame *frame_record(const struct frame *from)
{
	struct ev_frame f = {.offset = from->offset,
			     .line = from->line,
			     .column = from->column,
			     .language = from->language,
			     .flags = from->flags};
	struct ev_frame *copy;
	size_t used = 0, size;

	f.function_length = stack_put_text(&f, &used, from->function, FUNCTION_MOST, false);
	f.file_length = put_file(&f, &used, from->file);
	f.module_length = stack_put_text(&f, &used, from->module, MODULE_MOST, true);
	f.build_length = stack_put_text(&f, &used, from->build_id, BUILD_MOST, false);
	size = (offsetof(struct ev_frame, text) + used + 7) & ~7ULL;
	f.head.kind = EV_FRAME;
	f.head.size = size;
	f.id = hash_end(hash_bytes(0xcbf29ce484222325ULL, &f.offset,
				   size - offsetof(struct ev_frame, offset)));
	copy = malloc(size);
	if (copy)
		memcpy(copy, &f, size);
	return copy;
}

static uint64_t stack_id(const struct stack_held *h)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	hash = hash_bytes(hash, &h->owner.start_ns, sizeof(h->owner.start_ns));
	hash = hash_bytes(hash, &h->owner.pid, sizeof(h->owner.pid));
	hash = hash_bytes(hash, &h->flags, sizeof(h->flags));
	for (size_t i = 0; i < h->count; i++)
		hash = hash_bytes(hash, &h->frame[i]->id, sizeof(h->frame[i]->id));
	return hash_end(hash);
}

static struct stack_held *held_make(const struct stack_owner *owner, const struct frame *frames,
				    size_t n, uint32_t flags)
{
	struct stack_held *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->owner = *owner;
	h->flags = flags;
	if (n > EV_STACK_FRAMES) {
		n = EV_STACK_FRAMES;
		h->flags |= EV_STACK_CUT;
	}
	h->bytes = sizeof(*h);
	for (h->count = 0; h->count < n; h->count++) {
		struct ev_frame *f = frame_record(&frames[h->count]);

		if (!f)
			break;
		h->frame[h->count] = f;
		h->bytes += f->head.size;
	}
	h->id = stack_id(h);
	return h;
}

/* Keeps a stack until it is reported.  A stack that was reported already, or equals a kept one, is
 * not kept again. */
static int stack_hold(struct stacks *s, struct stack_sample *sample, struct stack_held *h)
{
	struct table_key key = {h->id, 0};
	struct stack_held *equal = table_get(&s->held, key);
	int err = 0;

	sample->stack = h->id;
	s->held_bytes += h->bytes; /* held_free takes them off */
	if (equal) {
		equal->refs++;
	} else if (!table_get(&s->reported, key)) {
		h->refs = 1;
		if (s->held_bytes <= HELD_MOST) {
			err = table_put(&s->held, key, h);
			if (!err)
				return 0;
		}
		sample->stack = 0;
		s->lost++;
	}
	held_free(s, h);
	return err;
}

static bool is_new(struct stacks *s, uint64_t id)
{
	struct table_key key = {id, 0};

	return !table_get(&s->reported, key) && !table_put(&s->reported, key, s);
}

static void tell_stack(struct stacks *s, struct stack_held *h)
{
	struct ev_stack stack = {.id = h->id,
				 .start_ns = h->owner.start_ns,
				 .pid = h->owner.pid,
				 .flags = h->flags,
				 .count = h->count};

	stack.head.kind = EV_STACK;
	stack.head.size = offsetof(struct ev_stack, frame) + h->count * sizeof(stack.frame[0]);
	for (size_t i = 0; i < h->count; i++) {
		stack.frame[i] = h->frame[i]->id;
		if (is_new(s, h->frame[i]->id))
			s->host.tell(s->host.context, &h->frame[i]->head);
	}
	s->host.tell(s->host.context, &stack.head);
	is_new(s, h->id);
}

/* Reports the sample's stack unless this was done before.  Returns its id; 0: it has none, or there
 * was no room for it. */
static uint64_t tell_sample(struct stacks *s, const struct stack_sample *sample)
{
	struct stack_held *h = held_of(s, sample->stack);
	uint64_t id = sample->stack;

	if (!h)
		return id;
	tell_stack(s, h);
	held_drop(s, h);
	return id;
}

static void tell_evidence(struct stacks *s, const struct stack_sample *sample,
			  const struct ev_evidence *evidence)
{
	struct ev_evidence out = *evidence;

	if (!tell_sample(s, sample))
		return;
	out.head.kind = EV_EVIDENCE;
	out.stack = sample->stack;
	s->host.tell(s->host.context, &out.head);
}

/* Reports evidence for which no stack could be taken, because an earlier stack for the same object
 * is out of date now. */
static void tell_without(struct stacks *s, const struct ev_evidence *evidence)
{
	struct ev_evidence out = *evidence;

	out.head.kind = EV_EVIDENCE;
	s->host.tell(s->host.context, &out.head);
}

int stacks_named(struct stacks *s, uint64_t id, const struct stack_owner *owner,
		 const struct frame *frames, size_t n, uint32_t flags)
{
	struct stack_sample *sample;
	struct stack_waiting *w;
	struct stack_held *h;
	int err = 0;

	renew(s);
	sample = sample_of(s, id);
	if (!sample)
		return -ENOMEM;
	if (sample->stack)
		return 0;
	sample->named = true;
	if (n) {
		h = held_make(owner, frames, n, flags);
		err = h ? stack_hold(s, sample, h) : -ENOMEM;
	}
	while ((w = sample->waiting)) {
		sample->waiting = w->next;
		tell_evidence(s, sample, &w->evidence);
		s->waiting--;
		free(w);
	}
	return err;
}

int stacks_evidence(struct stacks *s, const struct ev_evidence *evidence)
{
	struct stack_sample *sample;
	struct stack_waiting *w, **at;

	renew(s);
	sample = evidence->stack ? sample_of(s, evidence->stack) : NULL;
	if (!evidence->stack) {
		tell_without(s, evidence);
		return 0;
	}
	if (!sample)
		return -ENOMEM;
	if (sample->named) {
		tell_evidence(s, sample, evidence);
		return 0;
	}
	if (s->waiting == WAITING_MOST) {
		s->lost++;
		return 0;
	}
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->evidence = *evidence;
	for (at = &sample->waiting; *at; at = &(*at)->next)
		;
	*at = w;
	s->waiting++;
	return 0;
}

int stacks_reported(struct stacks *s, uint64_t id, uint64_t *stack)
{
	const struct stack_sample *sample;

	renew(s);
	sample = table_get(&s->samples, (struct table_key){id, 0});
	*stack = 0;
	if (!sample || !sample->named)
		return -EAGAIN;
	*stack = tell_sample(s, sample);
	return 0;
}

uint64_t stacks_lost(const struct stacks *s)
{
	return s->lost;
}
