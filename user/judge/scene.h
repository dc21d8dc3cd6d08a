/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * scene.h - what a rule of the judge looks at: one endpoint of one process, seen whole, or what the
 * libraries of one process hold; and what rules share to say what they found.
 */
#ifndef DBLEAK_MODEL_SCENE_H
#define DBLEAK_MODEL_SCENE_H

#include "user/model/model.h"
#include "user/judge/view.h"

#define SECOND_NS 1000000000ULL

struct place;
struct places;

/* Another stack than the one wanted. */
enum stand_in { STANDS_ITSELF, STANDS_OPENED, STANDS_BEGUN };

/* Where something comes from. */
struct origin {
	const struct place *place; /* NULL not known */
	enum stand_in stand_in;
	uint64_t stack; /* 0 not known; it may lead to no place */
	uint64_t count;
};

/* One connection, open or gone. */
struct seen {
	const struct life *life;
	const struct connection *open; /* NULL: gone */
	const struct text *sql;	       /* of its last request; NULL not known */
	uint64_t end_ns;	       /* when it closed, or now */
	uint32_t passes;	       /* connections opened after its last use */
	uint32_t own_passes;	       /* of those, by the thread that used it last */
	bool exit;		       /* released at the end of its process only */
	bool farewell;		       /* with a proper goodbye then */
	bool left;		       /* passed over, and never used again */
	bool late;		       /* closed in bulk, long after its last use */
	struct origin from;	       /* once a rule has asked for it */
	const struct place *answers;   /* the place whose finding counts it; NULL: the only one */
};

struct birth {
	uint64_t ns;
	uint32_t tid;
};

struct scene {
	const struct model *model;
	const struct process_model *process;
	const struct endpoint *endpoint;     /* NULL: the process, whatever its endpoints */
	const struct ev_tally *brief;	     /* connections too brief to be told of one by one */
	struct process_view *view;	     /* endpoints and findings so far */
	const struct handle *const *handles; /* of the process, by site and birth */
	size_t handle_count;
	const struct memory_site *const *memory_sites; /* of the process, by tier and identity */
	size_t memory_site_count;
	struct arena *arena; /* of the view */
	struct places *places;
	uint64_t now_ns;   /* the process's end, if it has ended */
	uint64_t start_ns; /* of the window */
	struct seen *seen;
	size_t count;
	struct birth *births; /* in the window, in order of time */
	size_t birth_count;
	struct finding_view *findings;
	size_t finding_count, finding_room;
};

/* A new finding with the fields of the scene set, or NULL without memory (and the scene notes
 * that).  acquired, open and such are the rule's to fill. */
struct finding_view *finding_add(struct scene *s, enum cause cause, enum resource resource);
__attribute__((format(printf, 3, 4))) void finding_because(struct scene *s, struct finding_view *f,
							   const char *format, ...);
/* How sure we may be at most, with what was lost and what could not be read. */
enum confidence confidence_cap(const struct scene *s, enum confidence c);
double seconds(uint64_t ns);
/* Each connection to it is a database of its own: SQLite in memory, or in a nameless file. */
bool is_private(const struct endpoint *e);
/* "10.0.0.5:5432/shop as app"; NULL for no endpoint. */
const char *place_text(const struct scene *s, const struct endpoint *e);
/* The first finding of that cause, here or in the process's endpoints before; NULL. */
struct finding_view *finding_of(const struct scene *s, enum cause cause);

/* The sum of what the findings of that cause have open. */
uint64_t open_of(const struct scene *s, enum cause cause);

/* Does the rise show something that piles up, and still does? */
bool rise_goes_on(const struct scene *s, const struct rise *r);
/* The rise until end_ns, or, if that proves nothing, the one before the process gave all back when
 * it ended. */
struct rise rise_of(const struct scene *s, const struct history *h, uint64_t end_ns, bool *fell);
/* The connection a library's object belongs to; NULL not known. */
const struct connection *connection_of(const struct scene *s, const struct handle *h);
/* Have so many of a site's objects been released by means we do not see that what is open is not
 * known? */
bool site_is_obscure(const struct site_model *site);

#endif
