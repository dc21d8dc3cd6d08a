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

/* Cuts off what a compiler adds to the name of a copy: " [clone .llvm.1]". */
static size_t without_clone(const char *text, size_t length)
{
	const char *clone = strstr(text, " [clone ");

	return clone && (size_t)(clone - text) < length ? (size_t)(clone - text) : length;
}

/* Cuts off the hash at the end of Rust's names: "::h0123456789abcdef". */
static size_t without_hash(const char *text, size_t length)
{
	if (length < 19 || memcmp(text + length - 19, "::h", 3))
		return length;
	for (size_t i = length - 16; i < length; i++)
		if (!isxdigit((unsigned char)text[i]))
			return length;
	return length - 19;
}

/* Rust's words for characters that a linker may not take. */
static const struct rust_escape {
	const char *written, *meant;
} rust_escapes[] = {
	{"$LT$", "<"},	{"$GT$", ">"},	 {"$RF$", "&"},	 {"$BP$", "*"},	 {"$LP$", "("},
	{"$RP$", ")"},	{"$C$", ","},	 {"$SP$", "@"},	 {"$u20$", " "}, {"$u7b$", "{"},
	{"$u7d$", "}"}, {"$u5b$", "["},	 {"$u5d$", "]"}, {"$u27$", "'"}, {"$u3b$", ";"},
	{"$u2b$", "+"}, {"$u22$", "\""}, {"..", "::"},
};

/* Returns what stands at this place of a name, one character or an escape, and its length. */
static const char *rust_piece(const char *at, size_t *taken)
{
	for (size_t i = 0; i < sizeof(rust_escapes) / sizeof(rust_escapes[0]); i++) {
		*taken = strlen(rust_escapes[i].written);
		if (!strncmp(at, rust_escapes[i].written, *taken))
			return rust_escapes[i].meant;
	}
	*taken = 1;
	return at;
}

/* Writes a name of Rust as its author wrote it: "_$LT$shop..Order$GT$::list" is
 * "<shop::Order>::list".  A part of a name that begins with an escape has '_' before it. */
static void rust_write(const char *text, size_t length, char *buf, size_t size)
{
	const char *end = text + length;
	size_t taken, used = 0;

	while (text < end) {
		const char *piece;
		size_t n;

		text += text[0] == '_' && text[1] == '$';
		piece = rust_piece(text, &taken);
		n = piece == text ? 1 : strlen(piece);
		if (used + n >= size)
			break;
		memcpy(buf + used, piece, n);
		used += n;
		text += taken;
	}
	buf[used] = '\0';
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

/* Rust has no overloading: its names bear neither arguments nor a return type. */
static bool demangle_rust(const char *text, char *buf, size_t size)
{
	size_t whole = without_clone(text, strlen(text)), length = without_hash(text, whole);

	if (length == whole)
		return false;
	rust_write(text, length, buf, size);
	return true;
}

static void demangle_cpp(const char *text, char *buf, size_t size)
{
	size_t length = without_arguments(text), start = return_type(text, length);

	length -= start;
	if (length >= size)
		length = size - 1;
	memcpy(buf, text + start, length);
	buf[length] = '\0';
}

/* Returns the name without what LLVM adds when it optimizes across files ("x.llvm.123"), which the
 * demangler does not know; the caller frees it.  NULL: not such a name. */
static char *ask_demangler(const char *name)
{
	const char *end = strstr(name, ".llvm.");
	char *whole = strndup(name, end ? (size_t)(end - name) : strlen(name));
	int status = 0;
	char *text = whole ? demangler(whole, NULL, NULL, &status) : NULL;

	free(whole);
	if (!status)
		return text;
	free(text);
	return NULL;
}

bool demangle(const char *name, char *buf, size_t size)
{
	char *text;

	if (!demangler || strncmp(name, "_Z", 2) || strnlen(name, MANGLED_MAX) == MANGLED_MAX)
		return false;
	text = ask_demangler(name);
	if (!text)
		return false;
	if (!demangle_rust(text, buf, size))
		demangle_cpp(text, buf, size);
	free(text);
	return *buf;
}
