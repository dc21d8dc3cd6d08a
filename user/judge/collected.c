/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * collected.c - see collected.h.
 */
#include "user/judge/collected.h"

#include "user/judge/explain.h"

enum ev_language collected_language(const struct process_model *p)
{
	if (!collections_are_counted(&p->collections))
		return EV_LANG_UNKNOWN;
	return p->collections.state.collector == EV_COLLECTOR_PYTHON ? EV_LANG_PYTHON
								     : EV_LANG_JAVA;
}

void collected_add(const struct rule_input *s, struct collected *c, uint64_t used_ns)
{
	const struct collections_model *m = &s->process->collections;
	uint64_t full = collections_full_since(m, used_ns);

	c->count++;
	c->waiting += collections_none_since(m, used_ns);
	if (full < COLLECTED_ENOUGH)
		return;
	if (!c->outlived || full < c->full)
		c->full = full;
	c->outlived++;
}

void collected_tell(struct rule_input *s, struct finding_view *f, const struct collected *c,
		    bool sure)
{
	enum ev_language language = collected_language(s->process);

	if (language == EV_LANG_UNKNOWN || !c->count || (f->site && f->site->language != language))
		return;
	if (c->outlived) {
		finding_because(s, f, EVIDENCE_OUTLIVED_COLLECTIONS, c->outlived,
				(unsigned long long)c->full);
		if (sure && f->confidence == CONFIDENCE_LIKELY)
			f->confidence = confidence_cap(s, CONFIDENCE_CERTAIN);
		finding_promote(s, f);
		return;
	}
	if (c->waiting < c->count)
		return;
	finding_because(s, f, EVIDENCE_NOT_COLLECTED);
	finding_promote(s, f);
	explain_not(s, "no more than likely: no full garbage collection ran since");
	if (f->confidence == CONFIDENCE_CERTAIN)
		f->confidence = CONFIDENCE_LIKELY;
}
