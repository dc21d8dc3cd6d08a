/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rule_input.c - see rule_input.h.
 */
#include "user/judge/rule_input.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t life_unreadable(const struct life *l)
{
	uint32_t flags = l->flags & (EV_CONN_TLS | EV_CONN_COMPRESSED | EV_CONN_HIDDEN_IO);

	return l->flags & EV_CONN_DECRYPTED ? flags & ~EV_CONN_TLS : flags;
}

double seconds(uint64_t ns)
{
	return ns / 1e9;
}

#define LEAST_SECONDS 5 /* with a use; one or two may be all of a shutdown */

static uint64_t beside_ns(const struct process_model *p, uint32_t worked_before, uint64_t used_ns,
			  uint64_t end_ns)
{
	uint64_t last = p->worked_ns < end_ns ? p->worked_ns : end_ns;

	if (p->worked_seconds < worked_before + LEAST_SECONDS)
		return 0;
	return used_ns && last > used_ns ? last - used_ns : 0;
}

uint64_t unused_beside_ns(const struct rule_input *s, const struct conn_history *x)
{
	return beside_ns(s->process, x->life->worked_before, x->life->used_ns, x->end_ns);
}

uint64_t unread_beside_ns(const struct rule_input *s, const struct conn_history *x)
{
	return beside_ns(s->process, x->file->worked_before, x->file->used_ns, reader_end_ns(x));
}

uint64_t reader_used_ns(const struct conn_history *x)
{
	return x->open ? x->open->life.used_ns : x->file->used_ns;
}

uint64_t reader_end_ns(const struct conn_history *x)
{
	return !x->open && x->file->ended_ns ? x->file->ended_ns : x->end_ns;
}

struct finding_view *finding_add(struct rule_input *s, enum cause cause, enum resource resource)
{
	struct finding_view *f;

	if (s->finding_count == s->finding_room) {
		size_t room = s->finding_room ? 2 * s->finding_room : 4;
		struct finding_view *more = realloc(s->findings, room * sizeof(*more));

		if (!more)
			return NULL;
		s->findings = more;
		s->finding_room = room;
	}
	f = &s->findings[s->finding_count++];
	*f = (struct finding_view){.cause = cause,
				   .resource = resource,
				   .database = s->endpoint ? s->endpoint->database : EV_DB_UNKNOWN,
				   .oldest_seconds = -1,
				   .growth_per_minute = -1,
				   .bytes = UNKNOWN64,
				   .rows = UNKNOWN64};
	return f;
}

/* The numbers among the arguments of a sentence, in their order; texts are passed over. */
/* Adds a number with a comma before each three digits of its whole part. */
static size_t add_number(char *text, size_t at, size_t size, double number, int decimals)
{
	char digits[512];
	int n = snprintf(digits, sizeof(digits), "%.*f", decimals, number);
	int whole = (int)strspn(digits, "0123456789");

	for (int i = 0; i < n && at + 2 < size; i++) {
		if (i && i < whole && (whole - i) % 3 == 0)
			text[at++] = ',';
		text[at++] = digits[i];
	}
	return at;
}

/* One argument of a sentence: its number, which scripts are told, too, or -1 for a text. */
static size_t add_argument(char *text, size_t at, size_t size, struct evidence_view *e,
			   const char **format, va_list *args)
{
	const char *type = *format + strspn(*format, "0123456789.");
	const char *point = memchr(*format, '.', (size_t)(type - *format));
	double number;

	*format = type + 1;
	if (*type == 's') {
		const char *word = va_arg(*args, const char *);
		size_t n = word ? strnlen(word, size - 1 - at) : 0;

		if (n)
			memcpy(text + at, word, n);
		return at + n;
	}
	if (!strncmp(type, "zu", 2)) {
		number = (double)va_arg(*args, size_t);
		*format = type + 2;
	} else if (!strncmp(type, "llu", 3)) {
		number = (double)va_arg(*args, unsigned long long);
		*format = type + 3;
	} else if (*type == 'f') {
		number = va_arg(*args, double);
	} else {
		number = va_arg(*args, unsigned int); /* tests/sentences knows no other */
	}
	if (e->number_count < EVIDENCE_NUMBERS)
		e->numbers[e->number_count++] = number;
	return add_number(text, at, size, number, point ? atoi(point + 1) : 0);
}

static void evidence_say(char *text, size_t size, struct evidence_view *e, const char *format,
			 va_list *args)
{
	size_t at = 0;

	while (*format && at + 1 < size) {
		if (*format != '%') {
			text[at++] = *format++;
		} else if (format[1] == '%') {
			text[at++] = '%';
			format += 2;
		} else {
			format++;
			at = add_argument(text, at, size, e, &format, args);
		}
	}
	text[at] = 0;
}

void finding_because(struct rule_input *s, struct finding_view *f, const char *code,
		     const char *format, ...)
{
	const char **more = arena_alloc(s->arena, (f->evidence_count + 1) * sizeof(*more));
	struct evidence_view *facts = arena_alloc(s->arena,
						  (f->evidence_count + 1) * sizeof(*facts));
	char text[512];
	va_list args;

	if (!more || !facts)
		return;
	for (size_t i = 0; i < f->evidence_count; i++) {
		more[i] = f->evidence[i];
		facts[i] = f->evidence_facts[i];
	}
	facts[f->evidence_count] = (struct evidence_view){.code = code};
	va_start(args, format);
	evidence_say(text, sizeof(text), &facts[f->evidence_count], format, &args);
	va_end(args);
	more[f->evidence_count] = arena_copy(s->arena, text, strlen(text));
	f->evidence = more;
	f->evidence_facts = facts;
	f->evidence_count += more[f->evidence_count] != NULL;
}

void finding_promote(struct rule_input *s, struct finding_view *f)
{
	size_t n = f->evidence_count, last = n - 1;
	struct evidence_view *facts;
	const char **texts;

	if (n < 3)
		return;
	texts = arena_alloc(s->arena, n * sizeof(*texts));
	facts = arena_alloc(s->arena, n * sizeof(*facts));
	if (!texts || !facts)
		return;
	for (size_t i = 0; i < n; i++) {
		size_t from = i == 1 ? last : i > 1 ? i - 1 : i;

		texts[i] = f->evidence[from];
		facts[i] = f->evidence_facts[from];
	}
	f->evidence = texts;
	f->evidence_facts = facts;
}

struct finding_view *finding_of(const struct rule_input *s, enum cause cause)
{
	struct finding_view *all = s->endpoint ? s->findings : s->view->findings;
	size_t n = s->endpoint ? s->finding_count : s->view->finding_count;

	for (size_t i = 0; i < n; i++)
		if (all[i].cause == cause)
			return &all[i];
	return NULL;
}

uint64_t open_of(const struct rule_input *s, enum cause cause)
{
	const struct finding_view *all = s->endpoint ? s->findings : s->view->findings;
	size_t n = s->endpoint ? s->finding_count : s->view->finding_count;
	uint64_t open = 0;

	for (size_t i = 0; i < n; i++)
		open += all[i].cause == cause ? all[i].open : 0;
	return open;
}

const struct connection *connection_of(const struct rule_input *s, const struct handle *h)
{
	struct table_key key = {h->parent, (uint64_t)s->process->number << 32 | EV_RES_CONNECTION};
	const struct handle *parent = h->parent ? table_get(&s->model->handles, key) : NULL;

	return parent && parent->connection ? table_get(&s->model->connections,
							(struct table_key){parent->connection, 0})
					    : NULL;
}

bool is_private(const struct endpoint *e)
{
	return e->database == EV_DB_SQLITE && (!e->path || !strcmp(e->path, ":memory:"));
}

static int by_birth(const void *a, const void *b)
{
	const struct birth *x = a, *y = b;

	return (x->ns > y->ns) - (x->ns < y->ns);
}

static struct conn_history *rule_input_add(struct rule_input *s, const struct life *life,
					   const struct connection *open, const struct text *sql)
{
	struct conn_history *x = &s->conn_history[s->count++];

	x->life = life;
	x->open = open;
	x->sql = sql;
	x->exit = life->closed_ns && life->flags & EV_CONN_EXIT;
	x->end_ns = life->closed_ns ? life->closed_ns : s->now_ns;
	if (life->born_ns)
		s->births[s->birth_count++] = (struct birth){life->born_ns, life->tid};
	return x;
}

#define SHUTDOWN_NS (5 * SECOND_NS)

bool is_shutting_down(const struct process_model *p, uint64_t ns)
{
	return p->exited_ns && ns + SHUTDOWN_NS >= p->exited_ns && ns + SECOND_NS >= p->worked_ns;
}

/* Connections that a process closes in its last seconds, after its last opening and last use of a
 * database, belong to its shutdown: an interpreter on a busy machine takes that long to end.  A
 * proper close changes nothing: they were held for the whole run. */
static void mark_shutdown(struct rule_input *s)
{
	uint64_t last_birth = s->birth_count ? s->births[s->birth_count - 1].ns : 0;

	if (!s->process->exited_ns)
		return;
	for (size_t i = 0; i < s->count; i++) {
		struct conn_history *x = &s->conn_history[i];

		if (!x->life->closed_ns || x->exit || x->end_ns < last_birth ||
		    !is_shutting_down(s->process, x->end_ns))
			continue;
		x->exit = true;
		x->farewell = true;
	}
}

/* The messages of the client are newer than what its server told. */
static const struct text *last_sql(const struct connection *c)
{
	return c->sql || !c->session ? c->sql : c->session->sql;
}

/* Statements that ended before the shutdown of their process were ended by it. */
static void drop_finished(struct rule_input *s)
{
	for (size_t i = 0; i < s->count; i++) {
		struct conn_history *x = &s->conn_history[i];

		if (x->file && !x->open &&
		    (!x->exit ||
		     (x->file->ended_ns && !is_shutting_down(s->process, x->file->ended_ns))))
			x->file = NULL;
	}
}

int rule_input_fill(struct rule_input *s, struct connection **open, size_t open_count)
{
	size_t room = s->process->past_count + open_count + 1;

	s->conn_history = calloc(room, sizeof(*s->conn_history));
	s->births = calloc(room, sizeof(*s->births));
	if (!s->conn_history || !s->births)
		return -1;
	for (size_t i = 0; i < s->process->past_count; i++) {
		const struct past *past = &s->process->past[i];

		if (past->endpoint == s->endpoint)
			rule_input_add(s, &past->life, NULL, past->sql)->file = past->file;
	}
	for (size_t i = 0; i < open_count; i++)
		if (open[i]->endpoint == s->endpoint)
			rule_input_add(s, &open[i]->life, open[i], last_sql(open[i]))->file =
				open[i]->file;
	qsort(s->births, s->birth_count, sizeof(*s->births), by_birth);
	mark_shutdown(s);
	drop_finished(s);
	return 0;
}
