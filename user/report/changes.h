/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * changes.h - the difference between one judgement and the next: what is new, changed, or over.
 *
 * A finding is the same one while its fingerprint, its pid and the start of its process are.  Keeps
 * a few words for each process, finding and gap of the last view, and forgets them with it, so
 * memory is bounded by the view.
 */
#ifndef DBLEAK_REPORT_CHANGES_H
#define DBLEAK_REPORT_CHANGES_H

#include "user/judge/view.h"

enum change_kind { CHANGE_NEW, CHANGE_CHANGED, CHANGE_ENDED };

/* The changes, as bits. */
enum change_what {
	CHANGED_VERDICT = 1,
	CHANGED_CONFIDENCE = 2,
	CHANGED_OPEN = 4,  /* at least doubled */
	CHANGED_BYTES = 8, /* at least doubled */
	CHANGED_SITE = 16, /* its line is known now, so its fingerprint is another */
	CHANGED_FACTS = 32 /* of a process: its name, container or pod */
};
#define CHANGE_WHATS 6

#define CHANGE_COMM 32
#define FINGERPRINT 17

/* A finding as it was told last. */
struct told_finding {
	uint64_t start_realtime_ns;
	uint64_t open, bytes; /* UNKNOWN64 */
	double seconds;	      /* of the watch, when it was told */
	uint32_t pid;
	enum verdict verdict;
	enum confidence confidence;
	enum cause cause;
	enum resource resource;
	enum ev_database database;
	char comm[CHANGE_COMM];
	char fingerprint[FINGERPRINT];
	bool ended, exited;
	unsigned int absent; /* judgements in a row without it */
	uint64_t round;	     /* the latest judgement that had it */
};

struct change {
	enum change_kind kind;
	unsigned int what; /* enum change_what; 0 unless it has changed */
	/* A part of the view; NULL for a finding that the view has no more. */
	const struct process_view *process;
	const struct finding_view *finding; /* NULL: the change is one of the process */
	const struct told_finding *told;    /* of a finding */
	const char *before;		    /* fingerprint that it had, with CHANGED_SITE; NULL */
};

/* The listener to the changes.  Each returns 0, or an error that ends the step. */
struct change_sink {
	int (*process)(void *context, const struct change *c);
	int (*finding)(void *context, const struct change *c);
	int (*gap)(void *context, const struct gap_view *gap);
	void *context;
};

struct changes;

/* NULL without memory.  The other accepts NULL. */
struct changes *changes_open(void);
void changes_close(struct changes *c);

/* Tells what is in this view and was not in the one before: processes first, then findings, then
 * gaps.  A finding is over when its process has ended, or when several views in a row lack it.
 * 0, -ENOMEM, or what the sink returned. */
int changes_step(struct changes *c, const struct report_view *v, const struct change_sink *sink);

/* Findings that were told and are not over. */
size_t changes_open_findings(const struct changes *c);

#endif
