/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * json_quote.c - see json_quote.h.
 */
#include "user/base/json_quote.h"

#include <stdint.h>
#include <string.h>

#include "user/base/escape.h"

/* The character of a unit that escape_next has checked: valid UTF-8. */
static uint32_t character_of(const struct escape_unit *unit)
{
	const unsigned char *s = (const unsigned char *)unit->text;
	uint32_t code = unit->length == 4   ? s[0] & 0x07
			: unit->length == 3 ? s[0] & 0x0f
					    : s[0] & 0x1f;

	for (size_t i = 1; i < unit->length; i++)
		code = code << 6 | (s[i] & 0x3f);
	return code;
}

static void put_character(FILE *out, uint32_t code)
{
	if (code < 0x10000) {
		fprintf(out, "\\u%04x", code);
		return;
	}
	code -= 0x10000;
	fprintf(out, "\\u%04x\\u%04x", 0xd800 + (code >> 10), 0xdc00 + (code & 0x3ff));
}

static void put_unit(FILE *out, const struct escape_unit *unit)
{
	if ((unsigned char)unit->text[0] >= 0x80) {
		put_character(out, character_of(unit));
		return;
	}
	for (const char *c = unit->text; *c; c++)
		if (*c == '<')
			fputs("\\u003c", out);
		else if (*c == '"' || *c == '\\')
			fprintf(out, "\\%c", *c);
		else
			fputc(*c, out);
}

void json_quote(FILE *out, const char *text)
{
	struct escape_unit unit;

	fputc('"', out);
	for (size_t left = text ? strlen(text) : 0; left;) {
		size_t used = escape_next(&unit, text, left);

		put_unit(out, &unit);
		text += used;
		left -= used;
	}
	fputc('"', out);
}
