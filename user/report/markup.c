/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * markup.c - see markup.h.
 */
#include "user/report/markup.h"

#include <string.h>

#include "user/base/escape.h"

/* The characters that mean something in HTML. */
static const char *entity_of(char c)
{
	switch (c) {
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '&':
		return "&amp;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

void markup_text(FILE *out, const char *text)
{
	size_t length = text ? strlen(text) : 0;
	struct escape_unit unit;

	for (size_t at = 0; at < length;) {
		const char *entity = entity_of(text[at]);

		at += escape_next(&unit, text + at, length - at);
		fputs(entity ? entity : unit.text, out);
	}
}

/* A unit of text is printable: of what JSON escapes, only quote and backslash are left. */
static void json_unit(FILE *out, const struct escape_unit *unit)
{
	for (const char *c = unit->text; *c; c++) {
		if (*c == '\\')
			fputs("\\\\", out);
		else if (entity_of(*c))
			fprintf(out, "\\u%04x", (unsigned)*c);
		else
			fputc(*c, out);
	}
}

void markup_json(FILE *out, const char *text, size_t length)
{
	struct escape_unit unit;

	fputc('"', out);
	for (size_t at = 0; text && at < length;) {
		at += escape_next(&unit, text + at, length - at);
		json_unit(out, &unit);
	}
	fputc('"', out);
}

void markup_heading(FILE *out, unsigned level, const char *css_class, const char *text,
		    const char *after)
{
	fprintf(out, "<h%u class=\"%s\">", level, css_class);
	markup_text(out, text);
	if (*after) {
		fputs(" <span class=\"after\">", out);
		markup_text(out, after);
		fputs("</span>", out);
	}
	fprintf(out, "</h%u>\n", level);
}

void markup_paragraph(FILE *out, const char *css_class, const char *lead, const char *text)
{
	fprintf(out, "<p class=\"lead %s\"><strong>", css_class);
	markup_text(out, lead);
	fputs("</strong> ", out);
	markup_text(out, text);
	fputs("</p>\n", out);
}

/* "last SQL" as a class: "last-SQL" */
static void put_label_class(FILE *out, const char *label)
{
	for (const char *c = label; *c; c++)
		fputc(*c == ' ' || *c == ':' ? '-' : *c, out);
}

void markup_field(FILE *out, const char *css_class, const char *label, const char *text)
{
	fprintf(out, "<p class=\"field %s label-", css_class);
	put_label_class(out, label);
	fputs("\"><b>", out);
	markup_text(out, label);
	fputs("</b> <span>", out);
	markup_text(out, text);
	fputs("</span></p>\n", out);
}
