/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * utf8.h - one character as UTF-8 (RFC 3629, section 3).
 */
#ifndef DBLEAK_BASE_UTF8_H
#define DBLEAK_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Writes one character; c is below 0x200000; to has room for 4 bytes.  Returns how many it
 * takes. */
static inline size_t utf8_put(char *to, uint32_t c)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 63));
		to[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 63));
	to[2] = (char)(0x80 | (c >> 6 & 63));
	to[3] = (char)(0x80 | (c & 63));
	return 4;
}

#endif
