/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * keep.c - see keep.h.
 *
 * Mark and sweep: each text that something refers to is marked, and texts without a mark are freed.
 * A sweep runs when there are twice as many texts as the last one left, so that it costs little for
 * each text.
 */
#include "user/model/keep.h"

#include <stdlib.h>
#include <string.h>

#include "user/base/sql.h"

#define TEXTS_FEW	16384	    /* so few need no sweep */
#define TEXT_BYTES_MOST (48U << 20) /* some 100,000 texts of the longest */

static uint64_t bytes_hash(const char *bytes, size_t n)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3ULL;
	return hash;
}

/* Marks a text.  The table owns the texts, so a text that is const for others is marked here. */
static void use_text(const struct text *text)
{
	if (text)
		((struct text *)text)->used = true;
}

static void past_forget_texts(struct past *past)
{
	past->sql = NULL;
	if (past->file)
		past->file->sql = NULL;
}

static void use_texts_of(struct process_model *p, bool past)
{
	for (struct endpoint *e = p->endpoints; e; e = e->next)
		use_text(e->result_sql);
	for (size_t i = 0; i < p->past_count; i++) {
		if (!past)
			past_forget_texts(&p->past[i]);
		use_text(p->past[i].sql);
		if (p->past[i].file)
			use_text(p->past[i].file->sql);
	}
}

/* past: also the last texts of closed connections, which else lose them. */
static void use_texts(struct model *m, bool past)
{
	struct table_slot *slot;
	size_t at;

	for (at = 0; (slot = table_next(&m->processes, &at));)
		use_texts_of(slot->value, past);
	for (at = 0; (slot = table_next(&m->connections, &at));) {
		const struct connection *c = slot->value;

		use_text(c->sql);
		if (c->file)
			use_text(c->file->sql);
		if (c->session)
			use_text(c->session->sql);
		if (c->ended)
			use_text(c->ended->sql);
	}
	for (at = 0; (slot = table_next(&m->statements, &at));)
		use_text(((const struct statement_model *)slot->value)->text);
}

static size_t text_size(const struct text *text)
{
	return sizeof(*text) + text->length + 1;
}

/* Needs no memory, so that no text in use can lose its slot. */
static void drop_unused_texts(struct model *m)
{
	struct table_walk walk = table_walk(&m->texts);
	struct table_slot *slot;

	while ((slot = table_walk_next(&walk))) {
		struct text *text = slot->value;

		if (text->used) {
			text->used = false;
			continue;
		}
		m->text_bytes -= text_size(text);
		free(table_walk_remove(&walk));
	}
}

static void collect_texts(struct model *m)
{
	use_texts(m, true);
	drop_unused_texts(m);
	if (m->text_bytes > TEXT_BYTES_MOST / 4 * 3) {
		use_texts(m, false);
		drop_unused_texts(m);
	}
	m->texts_enough = 2 * m->texts.count > TEXTS_FEW ? 2 * m->texts.count : TEXTS_FEW;
}

/* Is there room for another text?  Where all are in use, a sweep is tried rarely. */
static bool has_room(struct model *m, uint32_t length)
{
	bool full = m->text_bytes + length > TEXT_BYTES_MOST;

	if (!m->texts_enough)
		m->texts_enough = TEXTS_FEW;
	if (m->texts.count >= m->texts_enough || (full && m->texts_refused % TEXTS_FEW == 0)) {
		collect_texts(m);
		full = m->text_bytes + length > TEXT_BYTES_MOST;
	}
	m->texts_refused += full;
	return !full;
}

const struct text *keep_text(struct model *m, const char *sql, uint32_t length,
			     enum ev_database database)
{
	struct table_key key = {bytes_hash(sql, length), length};
	struct text *text;

	if (!length)
		return NULL;
	text = table_get(&m->texts, key);
	if (text)
		return text;
	if (!has_room(m, length))
		return NULL;
	text = calloc(1, sizeof(*text) + length + 1);
	if (!text || table_put(&m->texts, key, text)) {
		free(text);
		return NULL;
	}
	memcpy(text->sql, sql, length);
	text->length = length;
	text->fingerprint = sql_fingerprint(sql, length, database);
	m->text_bytes += text_size(text);
	return text;
}

void texts_free(struct model *m)
{
	table_free_values(&m->texts);
}

/* --- places ----------------------------------------------------------------------------------- */

static void use_life(struct code *c, const struct life *l)
{
	code_use(c, l->opened_at);
	code_use(c, l->begun_at);
	code_use(c, l->cursor_at);
}

static void use_file(struct code *c, const struct file_model *f)
{
	if (f)
		code_use(c, f->stack);
}

static void use_connection(struct code *code, const struct connection *c)
{
	use_life(code, &c->life);
	use_file(code, c->file);
	use_file(code, c->ended);
}

static void use_process(struct code *c, const struct process_model *p)
{
	for (const struct endpoint *e = p->endpoints; e; e = e->next) {
		code_use(c, e->result_at);
		code_use(c, e->result_begun_at);
	}
	for (size_t i = 0; i < p->past_count; i++) {
		use_life(c, &p->past[i].life);
		use_file(c, p->past[i].file);
	}
	for (const struct site_model *s = p->sites; s; s = s->next)
		code_use(c, s->stack);
	for (size_t i = 0; i < p->thread_count; i++)
		code_use(c, p->threads[i].state.stack);
}

void keep_places(struct model *m)
{
	struct code *c = &m->code;
	struct table_slot *slot;
	size_t at;

	if (!code_is_full(c))
		return;
	for (at = 0; (slot = table_next(&m->processes, &at));)
		use_process(c, slot->value);
	for (at = 0; (slot = table_next(&m->connections, &at));)
		use_connection(c, slot->value);
	for (at = 0; (slot = table_next(&m->statements, &at));)
		code_use(c, ((const struct statement_model *)slot->value)->stack);
	for (at = 0; (slot = table_next(&m->handles, &at));)
		code_use(c, ((const struct handle *)slot->value)->stack);
	for (at = 0; (slot = table_next(&m->memory_sites.all, &at));)
		code_use(c, ((const struct memory_site *)slot->value)->state.stack);
	code_drop_unused(c);
}
