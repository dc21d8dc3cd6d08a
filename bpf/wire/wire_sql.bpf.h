/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * wire_sql.bpf.h - the few SQL statements that change what a connection holds or waits for.
 *
 * Only the first words of a text are read.  A statement behind a comment or behind another
 * statement goes unseen.
 */
#include "bpf/wire/wire_cursor.bpf.h"

#define PREPARE_WORD   W8('p', 'r', 'e', 'p', 'a', 'r', 'e', ' ')
#define TRANSACT       W8('t', 'r', 'a', 'n', 's', 'a', 'c', 't')
#define WITH_WORD      ('w' | 'i' << 8 | 't' << 16 | 'h' << 24)
#define HOLD_WORD      ('h' | 'o' << 8 | 'l' << 16 | 'd' << 24)
#define CLOSE_WORD     W6('c', 'l', 'o', 's', 'e', 0)
#define CURSOR_OPTIONS 5 /* words before CURSOR, parts of a quoted name included */
#define LONGEST_OPTION 16
#define ALL_WORD       ((__u64)'a' | (__u64)'l' << 8 | (__u64)'l' << 16)

__noinline __u32 wire_skip_space(struct tracked_connection *c, __u32 at)
{
	__u32 i;

	if (!c)
		return 0;
	for (i = 0; i < 16; i++) {
		char letter = c->sql.text[at & (EV_SQL_LEN - 1)];

		if (letter != ' ' && letter != '\n' && letter != '\t' && letter != '\r')
			break;
		at++;
	}
	return at;
}

__noinline __u64 wire_sql_name(struct tracked_connection *c, __u32 at)
{
	__u64 hash = HASH_START;
	__u8 first, quoted;
	__u32 i;

	if (!c)
		return 0;
	first = c->sql.text[at & (EV_SQL_LEN - 1)];
	quoted = first == '"' || first == '`';
	at += quoted;
	for (i = 0; i < NAME_LONGEST; i++) {
		__u8 letter = c->sql.text[(at + i) & (EV_SQL_LEN - 1)];

		if (at + i >= EV_SQL_LEN || !letter || letter == '"' || letter == '`')
			break;
		if (!quoted && (letter <= ' ' || letter == ';' || letter == '('))
			break;
		if (!quoted && letter >= 'A' && letter <= 'Z')
			letter |= 0x20;
		hash = wire_hash_step(hash, letter);
	}
	c->name_end = at + i + quoted;
	return hash;
}

__noinline int wire_collect(struct tracked_connection *c, __u64 from, __u32 there)
{
	__u32 have, take;

	if (!c)
		return 0;
	have = c->sql.length & (EV_SQL_LEN - 1);
	take = c->wanted > have ? c->wanted - have : 0;
	if (take > there)
		take = there;
	if (!take)
		return c->sql.length >= c->wanted;
	OPAQUE(take);
	if (take > EV_SQL_LEN)
		return 0;
	if (wire_read(c->sql.text + have, take, from)) {
		c->collecting = 0;
		return 0;
	}
	sql_end(c, have + take);
	return c->sql.length >= c->wanted;
}

/* Does a word end at this letter?  letter: as wire_keyword gives it. */
static __always_inline int sql_is_end(__u8 letter)
{
	return letter == ' ' || letter == ';' ||
	       (letter >= ('\t' | 0x20) && letter <= ('\r' | 0x20));
}

static __always_inline void sql_deallocate(struct tracked_connection *c, __u32 at)
{
	__u32 next = wire_skip_space(c, at + 10); /* "deallocate" */
	__u64 word = wire_keyword(c, next);

	if (word == PREPARE_WORD) {
		next = wire_skip_space(c, next + 7);
		word = wire_keyword(c, next);
	}
	if ((word & 0xffffff) == ALL_WORD && sql_is_end(word >> 24))
		ledger_statements_drop(c);
	else
		ledger_statement_close(c, wire_sql_name(c, next));
}

static __always_inline void sql_discard(struct tracked_connection *c, __u32 at)
{
	__u32 next = wire_skip_space(c, at + 7); /* "discard" */

	if ((wire_keyword(c, next) & 0xffffff) != ALL_WORD)
		return;
	ledger_statements_drop(c);
	if (c->cursors)
		cursor_close_all(c);
}

/* Returns the offset of the white space behind the word at offset at. */
__noinline __u32 wire_skip_word(struct tracked_connection *c, __u32 at)
{
	__u32 i;

	if (!c)
		return 0;
	for (i = 0; i < LONGEST_OPTION; i++) {
		if ((__u8)c->sql.text[at & (EV_SQL_LEN - 1)] <= ' ')
			break;
		at++;
	}
	return at;
}

/* Do the cursor's options, from offset at on, end with CURSOR WITH HOLD? */
static __always_inline int sql_is_hold(struct tracked_connection *c, __u32 at)
{
	__u64 word;
	__u32 i;

	for (i = 0; i < CURSOR_OPTIONS; i++) {
		at = wire_skip_space(c, at);
		if ((wire_keyword(c, at) & FIRST6) == W6('c', 'u', 'r', 's', 'o', 'r'))
			break;
		at = wire_skip_word(c, at);
	}
	at = wire_skip_space(c, at + 6);
	word = wire_keyword(c, at);
	if ((__u32)word != WITH_WORD || !sql_is_end(word >> 32))
		return 0;
	word = wire_keyword(c, wire_skip_space(c, at + 4));
	return (__u32)word == HOLD_WORD && sql_is_end(word >> 32);
}

static __always_inline void sql_declare(struct tracked_connection *c, __u32 at)
{
	__u64 name;

	if (c->ev.database != EV_DB_POSTGRESQL)
		return;
	name = wire_sql_name(c, wire_skip_space(c, at + 7)); /* "declare" */
	cursor_declare(c, name, sql_is_hold(c, c->name_end));
}

static __always_inline void sql_close(struct tracked_connection *c, __u32 at)
{
	__u32 next = wire_skip_space(c, at + 5); /* "close" */
	__u64 word = wire_keyword(c, next);

	if (!c->cursors)
		return;
	if ((word & 0xffffff) == ALL_WORD && sql_is_end(word >> 24))
		cursor_close_all(c);
	else
		cursor_close(c, wire_sql_name(c, next));
}

static __always_inline void sql_prepare(struct tracked_connection *c, __u32 at)
{
	__u32 next = wire_skip_space(c, at + 7); /* "prepare" */

	__u64 name;

	if (wire_keyword(c, next) == TRANSACT) /* PREPARE TRANSACTION is two-phase commit */
		return;
	name = wire_sql_name(c, next);
	c->body = c->name_end;
	if (!ledger_statement_open(c, name))
		wire_doubt(c, name, UNANSWERED);
}

__noinline int wire_sql_effects(struct tracked_connection *c)
{
	__u64 word;
	__u32 at;

	if (!c)
		return 0;
	at = wire_skip_space(c, 0);
	word = wire_keyword(c, at);
	switch (word & FIRST6) {
	case W6('l', 'i', 's', 't', 'e', 'n'):
		c->ev.flags |= EV_CONN_LISTENING;
		break;
	case W6('u', 'n', 'l', 'i', 's', 't'):
		c->ev.flags &= ~EV_CONN_LISTENING;
		break;
	case W6('i', 'n', 's', 'e', 'r', 't'):
	case W6('u', 'p', 'd', 'a', 't', 'e'):
	case W6('d', 'e', 'l', 'e', 't', 'e'):
	case W6('m', 'e', 'r', 'g', 'e', ' '):
	case W6('r', 'e', 'p', 'l', 'a', 'c'):
		c->ev.flags |= EV_CONN_WROTE;
		break;
	case W6('d', 'e', 'a', 'l', 'l', 'o'):
		sql_deallocate(c, at);
		break;
	case W6('d', 'e', 'c', 'l', 'a', 'r'):
		sql_declare(c, at);
		break;
	case W6('d', 'r', 'o', 'p', ' ', 'p'): /* MySQL: DROP PREPARE name */
		if (word == W8('d', 'r', 'o', 'p', ' ', 'p', 'r', 'e'))
			ledger_statement_close(c, wire_sql_name(c, wire_skip_space(c, at + 12)));
		break;
	case W6('d', 'i', 's', 'c', 'a', 'r'):
		sql_discard(c, at);
		break;
	case W6('p', 'r', 'e', 'p', 'a', 'r'):
		sql_prepare(c, at);
		break;
	case W6('s', 't', 'a', 'r', 't', '_' | ' '): /* START_REPLICATION */
		c->ev.flags |= EV_CONN_REPLICATION;
		break;
	default:
		if ((word & 0xffffffffff) == CLOSE_WORD && sql_is_end(word >> 40))
			sql_close(c, at);
		break;
	}
	return 0;
}
