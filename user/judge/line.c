/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * line.c - see line.h.
 */
#include "user/judge/line.h"

/* Reasons why run times have stacks without lines: they do not say by themselves which code is
 * where. */
static const char *of_language(enum ev_language language)
{
	switch (language) {
	case EV_LANG_JAVASCRIPT:
		return "start node with --perf-basic-prof --interpreted-frames-native-stack";
	case EV_LANG_JAVA:
		return "start java with -XX:+PreserveFramePointer; when warm, run `jcmd PID "
		       "Compiler.perfmap`";
	case EV_LANG_RUBY:
		return "search the program for the last SQL";
	case EV_LANG_UNKNOWN:
	case EV_LANG_NATIVE:
		return "install the debug symbols of the program, or build it with -g";
	default:
		return "see `Not covered`, or -v for the whole stack";
	}
}

/* Do the copied frames have lines, so that only those further out are missing? */
static bool is_cut_short(const struct finding_view *f)
{
	return f->stack_flags & EV_STACK_CUT && f->stack_count &&
	       f->stack[f->stack_count - 1].language == EV_LANG_NATIVE &&
	       f->stack[f->stack_count - 1].line;
}

const char *line_to_get(const struct finding_view *f, enum ev_language language)
{
	if (f->stack_flags & EV_STACK_NAMELESS)
		return "watch longer, or begin before the process does: dbleak run";
	if (is_cut_short(f))
		return "build the program with optimization (cargo build --release), "
		       "as its stack is deeper than what is copied";
	if (f->stack_count)
		return of_language(language);
	if (f->earlier && f->earlier != UNKNOWN64 && f->earlier >= f->open)
		return "restart the process while dbleak watches";
	if (f->resource == RESOURCE_MEMORY)
		return "watch longer, or with --heap full";
	return "watch again, until more of them come";
}
