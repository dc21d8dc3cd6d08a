/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * html_parts.c - the files of user/report/html/ in the program; the Makefile knows that it depends
 * on them.
 */
#include "user/report/html_parts.h"

#define BYTES_OF(file) ".incbin \"user/report/html/" file "\"\n"
#define PART(name, files)                                                  \
	__asm__(".pushsection .rodata\n"                                   \
		".global " #name "\n"                                      \
		".type " #name ", @object\n" #name ":\n" files ".byte 0\n" \
		".size " #name ", . - " #name "\n"                         \
		".popsection\n")

PART(html_style, BYTES_OF("page.css"));
PART(html_views, BYTES_OF("page.html"));
PART(html_script, BYTES_OF("data.js") BYTES_OF("timeline.js") BYTES_OF("tables.js")
			  BYTES_OF("icicle.js") BYTES_OF("memory.js") BYTES_OF("page.js"));
