/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * demangle.c - readable names of C++ and Rust, by the C++ run time's own demangler.
 */
#include "user/capture/stack/native/demangle.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "user/system/host_library.h"

#define MANGLED_MAX 2048

static host_demangle_fn *demangler;

bool demangle_prepare(void)
{
	if (!demangler)
		demangler = host_library_demangler();
	return demangler;
}

/* Finds the '(' of the arguments: the last one outside of all brackets, except in "(anonymous
 * namespace)" and "operator()", which something follows. */
static size_t without_arguments(const char *text)
{
	size_t length = strlen(text), end = length;
	int depth = 0;

	while (end && text[end - 1] != ')')
		end--; /* " const", " [clone .cold]" */
	if (!end || memchr(text + end, ':', length - end))
		return length;
	for (size_t i = end; i--;) {
		depth += (text[i] == ')') - (text[i] == '(');
		if (!depth)
			return i ? i : length;
	}
	return length;
}

/* Cuts off the hash at the end of old Rust names: "::h0123456789abcdef". */
static size_t without_hash(const char *text, size_t length)
{
	if (length < 19 || memcmp(text + length - 19, "::h", 3))
		return length;
	for (size_t i = length - 16; i < length; i++)
		if (!isxdigit((unsigned char)text[i]))
			return length;
	return length - 19;
}

/* Finds the name behind the return type, with which function templates begin: "int
 * shop::sum<int>". */
static size_t return_type(const char *text, size_t length)
{
	size_t start = 0;
	int depth = 0;

	for (size_t i = 0; i < length; i++) {
		depth += strchr("<({", text[i]) != NULL;
		depth -= strchr(">)}", text[i]) != NULL;
		if (!strncmp(text + i, "operator", 8))
			break;
		if (text[i] == ' ' && !depth)
			start = i + 1;
	}
	return start;
}

bool demangle(const char *name, char *buf, size_t size)
{
	size_t length, start;
	char *text;
	int status;

	if (!demangler || strncmp(name, "_Z", 2) || strnlen(name, MANGLED_MAX) == MANGLED_MAX)
		return false;
	text = demangler(name, NULL, NULL, &status);
	if (!text || status) {
		free(text);
		return false;
	}
	length = without_hash(text, without_arguments(text));
	start = return_type(text, length);
	length -= start;
	if (length >= size)
		length = size - 1;
	memcpy(buf, text + start, length);
	buf[length] = '\0';
	free(text);
	return length > 0;
}
