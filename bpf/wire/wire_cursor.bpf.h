/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * wire_cursor.bpf.h - PostgreSQL's cursors: which are open, and which outlive their transaction.
 *
 * Requests name cursors; replies show what became of them.  A cursor of unknown fate counts as
 * closed: to miss a cursor is better than to report one that was closed long ago.
 *
 * A short list holds cursors by name.  When it is full, the oldest cursors are only counted, so
 * that a new cursor, which may soon be closed, can be found by name.  Cursors without HOLD are
 * listed too, so that their CLOSE is not taken for that of another.
 *
 * A state changes when ReadyForQuery arrives (cursor_next), or at once at a CLOSE:
 *
 *                      opened             COMMIT
 *    PARSED, ASKED ------------> FRESH ------------> HELD
 *          |                       |                   |
 *          | not opened            | ROLLBACK          | CLOSE, DISCARD ALL
 *          v                       v                   v
 *        NONE                    NONE                NONE
 *          ^
 *          | end of transaction
 *        PLAIN  (DECLARE without WITH HOLD)
 *
 * DECLARE ... WITH HOLD begins in PARSED inside an extended query, and in ASKED inside a simple
 * one.  CLOSE and DISCARD ALL lead from every state to NONE.
 */
#ifndef DBLEAK_WIRE_CURSOR_BPF_H
#define DBLEAK_WIRE_CURSOR_BPF_H

#include "bpf/wire/wire.bpf.h"

/* The functions below read the last message of a reply, from the bytes before ReadyForQuery in the
 * tail. */

static __always_inline int reply_said_error(const __u8 *tail)
{
	return !tail[TAIL_LEN - 7] && !tail[TAIL_LEN - 8]; /* the last two NULs of an error */
}

/* The tag "ROLLBACK", or an error, which is a COMMIT that failed. */
static __always_inline int reply_said_rollback(const __u8 *tail)
{
	if (tail[TAIL_LEN - 7])
		return 0;
	return !tail[TAIL_LEN - 8] || (tail[TAIL_LEN - 8] == 'K' && tail[TAIL_LEN - 9] == 'C' &&
				       tail[TAIL_LEN - 10] == 'A' && tail[TAIL_LEN - 11] == 'B');
}

/* The tags "DECLARE CURSOR" and "CLOSE CURSOR".  before: the last letter but one of the first
 * word. */
static __always_inline int reply_said_cursor(const __u8 *tail, __u8 before)
{
	return !tail[TAIL_LEN - 7] && tail[TAIL_LEN - 8] == 'R' && tail[TAIL_LEN - 9] == 'O' &&
	       tail[TAIL_LEN - 10] == 'S' && tail[TAIL_LEN - 13] == 'C' &&
	       tail[TAIL_LEN - 16] == before;
}

/* The tags "CLOSE CURSOR", "CLOSE CURSOR ALL" and "DISCARD ALL", but not "DEALLOCATE ALL". */
static __always_inline int reply_said_close(const __u8 *tail)
{
	return reply_said_cursor(tail, 'S') ||
	       (!tail[TAIL_LEN - 7] && tail[TAIL_LEN - 8] == 'L' && tail[TAIL_LEN - 10] == 'A' &&
		tail[TAIL_LEN - 11] == ' ' && tail[TAIL_LEN - 12] != 'E');
}

/* PortalSuspended: the portal has more rows. */
static __always_inline int reply_is_suspended(const __u8 *tail)
{
	return word_at(tail + TAIL_LEN - 11) == 's' && tail[TAIL_LEN - 7] == 4;
}

static __always_inline void cursor_count(struct tracked_connection *c)
{
	c->ev.cursors = c->held < 255 ? c->held : 255;
}

/* All cursors are closed, or nothing is known about them. */
__noinline int cursor_close_all(struct tracked_connection *c)
{
	if (!c)
		return 0;
	zero_at(c->cursor_state);
	c->closes++;
	c->held = 0;
	c->fresh = 0;
	cursor_count(c);
	return 0;
}

/* A CLOSE names no listed cursor: take one cursor without a listed name out of the counts. */
static __always_inline void cursor_close_unlisted(struct tracked_connection *c)
{
	__u32 i, listed = 0;

	for (i = 0; i < CURSORS; i++)
		listed += c->cursor_state[i] == CURSOR_HELD;
	if (c->fresh)
		c->fresh--;
	else if (c->held > listed)
		c->held--;
}

__noinline int cursor_close(struct tracked_connection *c, __u64 name)
{
	__u32 i;

	/* The server refuses CLOSE in a failed transaction. */
	if (!c || c->ev.status == EV_STATUS_FAILED)
		return 0;
	c->closes++;
	for (i = 0; i < CURSORS; i++)
		if (c->cursor_state[i] && c->cursor[i] == name)
			break;
	if (i == CURSORS) {
		cursor_close_unlisted(c);
	} else {
		if (c->cursor_state[i & (CURSORS - 1)] == CURSOR_HELD && c->held)
			c->held--;
		c->cursor_state[i & (CURSORS - 1)] = CURSOR_NONE;
	}
	cursor_count(c);
	return 0;
}

/* Returns the list place of the cursor with that name.  If there is none: the place of the cursor
 * that may be forgotten first.  CURSORS: every place is still needed. */
static __always_inline __u32 cursor_place(struct tracked_connection *c, __u64 name)
{
	__u32 i, at, place = 0;
	__u8 state, least = CURSOR_PARSED;

	if (!c)
		return CURSORS;
	for (i = 0; i < CURSORS; i++) {
		at = (c->cursor_turn + i) & (CURSORS - 1);
		state = c->cursor_state[at];
		if (state && c->cursor[at] == name)
			return at;
		if (state >= least)
			continue;
		least = state;
		place = at;
	}
	return least < CURSOR_PARSED ? place : CURSORS;
}

__noinline int cursor_declare(struct tracked_connection *c, __u64 name, __u32 hold)
{
	__u32 at;
	__u8 state;

	if (!c || c->ev.status == EV_STATUS_FAILED)
		return 0;
	at = cursor_place(c, name);
	if (at >= CURSORS)
		return 0;
	state = c->cursor_state[at];
	/* The server refuses a name that is in use. */
	if (state && c->cursor[at] == name)
		return 0;
	if (state == CURSOR_FRESH)
		c->fresh++;
	c->cursor[at] = name;
	c->cursor_group[at] = c->group_sent;
	c->cursor_state[at] = !hold ? CURSOR_PLAIN : c->ordinal ? CURSOR_PARSED : CURSOR_ASKED;
	c->cursor_turn = at + 1;
	c->cursors = 1;
	return 0;
}

/* Was the cursor opened?  Unknown (no) if replies are not told apart, or if the text held other
 * statements, too. */
static __always_inline int cursor_is_opened(const struct tracked_connection *c, __u8 state,
					    __u8 group)
{
	return group == c->group_received && !c->failed && !reply_said_error(c->tail) &&
	       (state == CURSOR_PARSED || reply_said_cursor(c->tail, 'R'));
}

/* Returns the next state of a cursor, when a reply has ended. */
static __always_inline __u8 cursor_next(const struct tracked_connection *c, __u8 state, __u8 group)
{
	if (state >= CURSOR_PARSED) {
		if (group != c->group_received && c->walking && c->pending > 1)
			return state; /* the reply to its own group is still to come */
		if (!cursor_is_opened(c, state, group))
			return CURSOR_NONE;
		state = CURSOR_FRESH;
	}
	if (state == CURSOR_FRESH) {
		/* ROLLBACK TO SAVEPOINT may have closed it: nothing is known. */
		if (c->ev.status != EV_STATUS_FAILED && reply_said_rollback(c->tail))
			return CURSOR_NONE;
		return c->ev.status < EV_STATUS_TRANSACTION ? CURSOR_HELD : CURSOR_FRESH;
	}
	return state == CURSOR_PLAIN && c->ev.status < EV_STATUS_TRANSACTION ? CURSOR_NONE : state;
}

/* Moves one listed cursor to its next state.  A function of its own, so that the verifier does not
 * follow the states of all cursors at once. */
__noinline int cursor_step(struct tracked_connection *c, __u32 at)
{
	__u8 state, next;

	if (!c)
		return 0;
	at &= CURSORS - 1;
	state = c->cursor_state[at];
	next = cursor_next(c, state, c->cursor_group[at]);
	c->cursor_state[at] = next;
	c->cursors |= next;
	if (next == CURSOR_HELD && state != CURSOR_HELD)
		c->held++;
	if ((next == CURSOR_PLAIN || next == CURSOR_FRESH) && c->ev.status >= EV_STATUS_TRANSACTION)
		c->ev.flags |= EV_CONN_CURSOR;
	return 0;
}

/* The same for the transaction's cursors that are only counted. */
static __always_inline void cursor_settle_unlisted(struct tracked_connection *c)
{
	if (c->ev.status != EV_STATUS_FAILED && reply_said_rollback(c->tail))
		c->fresh = 0;
	if (c->ev.status >= EV_STATUS_TRANSACTION)
		return;
	c->held += c->fresh;
	c->fresh = 0;
}

/* A reply has ended: ReadyForQuery is the last message in the tail, and the status is known. */
__noinline int cursor_settle(struct tracked_connection *c)
{
	__u32 i;

	if (!c)
		return 0;
	/* The CLOSE itself was not seen, so it may have closed any of them. */
	if (c->lost || (!c->closes && reply_said_close(c->tail)))
		cursor_close_all(c);
	if (!c->walking || c->pending <= 1)
		c->closes = 0;
	cursor_settle_unlisted(c);
	c->cursors = c->held || c->fresh;
	c->ev.flags &= ~EV_CONN_CURSOR;
	if (c->ev.status >= EV_STATUS_TRANSACTION && (c->fresh || reply_is_suspended(c->tail))) {
		c->ev.flags |= EV_CONN_CURSOR;
		c->cursors = 1;
	}
	for (i = 0; i < CURSORS; i++)
		if (c->cursor_state[i])
			cursor_step(c, i);
	cursor_count(c);
	return 0;
}

#endif
