/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * php_state.h - layouts of PHP, for php.c and its tests.
 */
#ifndef DBLEAK_CAPTURE_PHP_STATE_H
#define DBLEAK_CAPTURE_PHP_STATE_H

#include <stdint.h>

/* The layout that all these versions share. */
enum {
	FUNCTION_BYTES = 184, /* of zend_op_array, to line_start of the last */
	FUNCTION_HEAD = 24,   /* what a zend_internal_function has, too */
	AT_NAME = 8,
	AT_SCOPE = 16,
	USER_FUNCTION = 2,
	INTERNAL_FUNCTION = 1,
	EVAL_CODE = 4,
	OP_BYTES = 32,
	AT_LINE = 24,  /* zend_op.lineno */
	AT_CLASS = 8,  /* zend_class_entry.name */
	AT_TEXT = 24,  /* zend_string.val */
	IS_STRING = 6, /* in the low bits of its type_info */
	OPS_MOST = 1 << 24,
	LINES_MOST = 1 << 24,
	TEXT_MOST = 4096,
};

/* Offsets in zend_op_array, by version, from the headers of each (x86-64). */
struct php_row {
	unsigned int major, minor;
	uint16_t last, opcodes, filename; /* line_start follows the file name */
};

#define PHP_ROWS 6

extern const struct php_row php_rows[PHP_ROWS];

/* The row of a version such as "8.2.1"; -ENOTSUP: none. */
int php_row_of(const char *version);

#endif
