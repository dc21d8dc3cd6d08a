/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * markup.h - text of watched programs as HTML, and as a string of JSON inside an HTML page.
 *
 * The only place that makes markup.  What hides or turns text round is shown as \xNN, as on a
 * terminal; what could end a tag, a value or a script is replaced.  Classes and labels are words
 * of dbleak: letters, digits, spaces and dashes.
 */
#ifndef DBLEAK_REPORT_MARKUP_H
#define DBLEAK_REPORT_MARKUP_H

#include <stddef.h>
#include <stdio.h>

/* Writes text for an element or between the quotes of an attribute.  NULL: nothing. */
void markup_text(FILE *out, const char *text);

/* Writes a JSON string with its quotes, without any character that HTML knows.  NULL: an empty
 * string. */
void markup_json(FILE *out, const char *text, size_t length);

/* "<h2 class=...>": a text, and a smaller one behind it unless it is empty; level 1 to 6. */
void markup_heading(FILE *out, unsigned level, const char *css_class, const char *text,
		    const char *after);

/* A paragraph whose first words stand out. */
void markup_paragraph(FILE *out, const char *css_class, const char *lead, const char *text);

/* A label and the text beside it; label "": the text goes on below the one before. */
void markup_field(FILE *out, const char *css_class, const char *label, const char *text);

#endif
