/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rule_input.h - the input of a rule, and the functions with which rules add what they found.
 *
 * A rule input is one endpoint of one process, or the process as a whole (objects of its libraries,
 * memory).
 */
#ifndef DBLEAK_JUDGE_RULE_INPUT_H
#define DBLEAK_JUDGE_RULE_INPUT_H

#include "user/model/model.h"
#include "user/judge/evidence.h"
#include "user/judge/view.h"

#define SECOND_NS 1000000000ULL

struct place;
struct places;

/* The stack of an origin: the wanted one (ITSELF), or instead of it the one where the connection
 * was opened or its transaction began. */
enum stand_in { STANDS_ITSELF, STANDS_OPENED, STANDS_BEGUN };

/* The origin of an object: the place, and the stack that leads there. */
struct origin {
	const struct place *place; /* NULL: not known */
	enum stand_in stand_in;
	uint64_t stack; /* 0: not known; may lead to no place */
	uint64_t count;
};

/* A connection, open or gone. */
struct conn_history {
	const struct life *life;
	const struct connection *open; /* NULL: gone */
	const struct text *sql;	       /* of its last request; NULL not known */
	/* SQLite: its unfinished statements, now or until its process ended; NULL: none */
	const struct file_model *file;
	uint64_t end_ns;	     /* when it closed, or now */
	uint32_t passes;	     /* connections opened after its last use */
	uint32_t own_passes;	     /* of those, by the thread that used it last */
	bool exit;		     /* released at the end of its process only */
	bool farewell;		     /* closed properly then */
	bool left;		     /* passed over, and never used again */
	bool late;		     /* closed in bulk, long after its last use */
	struct origin from;	     /* set once a rule asks for it */
	const struct place *answers; /* the place whose finding counts it; NULL: the only one */
};

struct birth {
	uint64_t ns;
	uint32_t tid;
};

struct rule_input {
	const struct model *model;
	const struct process_model *process;
	const struct endpoint *endpoint;     /* NULL: the process, whatever its endpoints */
	const struct ev_tally *short_lived;  /* connections too brief to be reported one by one */
	struct process_view *view;	     /* endpoints and findings so far */
	const struct handle *const *handles; /* of the process, by site and birth */
	size_t handle_count;
	const struct memory_site *const *memory_sites; /* of the process, by tier and identity */
	size_t memory_site_count;
	struct arena *arena; /* of the view */
	struct places *places;
	uint64_t now_ns;   /* the process's end, if it has ended */
	uint64_t start_ns; /* of the window */
	struct conn_history *conn_history;
	size_t count;
	struct birth *births; /* in the window, in order of time */
	size_t birth_count;
	struct finding_view *findings;
	size_t finding_count, finding_room;
	struct explanation *explanation; /* of the view; NULL: nobody listens (explain.h) */
};

/* Gathers the connections of one endpoint, open and closed.  Returns 0, or -1 without memory. */
int rule_input_fill(struct rule_input *s, struct connection **open, size_t open_count);

/* Has the process ended, and did it only end things from that moment on?  Others may be rolled back
 * first. */
bool is_shutting_down(const struct process_model *p, uint64_t ns);

/* The flags that hide a connection's state: TLS, compression, hidden I/O.  TLS does not hide it
 * where the library's plaintext is read. */
uint32_t life_unreadable(const struct life *l);

/* Adds a finding and sets the fields that the rule input knows; NULL without memory.  The rule
 * fills in acquired, open and such. */
struct finding_view *finding_add(struct rule_input *s, enum cause cause, enum resource resource);
/* Adds a sentence of evidence: a row of evidence.h, which is its code and its format. */
__attribute__((format(printf, 4, 5))) void finding_because(struct rule_input *s,
							   struct finding_view *f, const char *code,
							   const char *format, ...);
/* Moves the last sentence behind the first: it says why the finding is as sure as it is, and a
 * report may have room for a few only. */
void finding_promote(struct rule_input *s, struct finding_view *f);
/* Limits a confidence by what was lost and what could not be read. */
enum confidence confidence_cap(const struct rule_input *s, enum confidence c);
double seconds(uint64_t ns);
/* The time for which a connection that was held until its process ended lay unused while the
 * process went on using databases, from the last use of the one to the last use of another; 0: the
 * process did not go on, or hardly. */
uint64_t unused_beside_ns(const struct rule_input *s, const struct conn_history *x);
/* The same for its unfinished statements. */
uint64_t unread_beside_ns(const struct rule_input *s, const struct conn_history *x);
/* When a connection was last used before its unfinished statements ended (0: not known), and when
 * those did, or now. */
uint64_t reader_used_ns(const struct conn_history *x);
uint64_t reader_end_ns(const struct conn_history *x);
/* Does each connection to this endpoint have a database of its own: SQLite in memory, or in a
 * nameless file? */
bool is_private(const struct endpoint *e);
/* "10.0.0.5:5432/shop as app"; NULL for no endpoint. */
const char *place_text(const struct rule_input *s, const struct endpoint *e);
/* The first finding of that cause: of this endpoint, or, in the rule input of a process, of all its
 * endpoints; NULL: none. */
struct finding_view *finding_of(const struct rule_input *s, enum cause cause);

/* The sum of the open objects of all findings of that cause. */
uint64_t open_of(const struct rule_input *s, enum cause cause);

/* Do objects pile up in the rise, and still do?  rise_lacks: what is lacking for that, in words
 * (explain.h); NULL: nothing. */
bool rise_goes_on(const struct rule_input *s, const struct rise *r);
const char *rise_lacks(const struct rule_input *s, const struct rise *r);
/* The rise until end_ns.  If that proves nothing: the rise before the process gave all back when
 * it ended, and *fell is true. */
struct rise rise_of(const struct rule_input *s, const struct history *h, uint64_t end_ns,
		    bool *fell);
/* The connection that a library's object belongs to; NULL: not known. */
const struct connection *connection_of(const struct rule_input *s, const struct handle *h);
/* Is the number of open objects unknown, because too many of the site's objects are released by
 * calls that no probe sees? */
bool site_is_obscure(const struct site_model *site);

#endif
