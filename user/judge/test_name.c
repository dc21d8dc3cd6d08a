/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_name.c - see test_name.h.
 */
#include "user/judge/test_name.h"

#include <ctype.h>
#include <string.h>

#define PART_MOST 200 /* bytes of a name that are told */

/* Folders of what is installed: names in there are not those of tests. */
static const char *const installed[] = {"/site-packages/", "/dist-packages/", "/node_modules/",
					"/vendor/",	   "/gems/",	      "/lib/python",
					"/lib/ruby/",	   "/usr/share/",     "<frozen"};

/* A part of a longer text. */
struct name_part {
	const char *text;
	size_t length;
};

static bool part_begins(struct name_part p, const char *with)
{
	return p.length >= strlen(with) && !strncmp(p.text, with, strlen(with));
}

static bool part_ends(struct name_part p, const char *with)
{
	size_t n = strlen(with);

	return p.length >= n && !strncmp(p.text + p.length - n, with, n);
}

static struct name_part base_part(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	const char *base = slash ? slash + 1 : path ? path : "";

	return (struct name_part){base, strlen(base)};
}

/* What stands before the first of these words, or all. */
static struct name_part part_before(struct name_part p, const char *word)
{
	for (size_t i = 0; i + strlen(word) <= p.length; i++)
		if (!strncmp(p.text + i, word, strlen(word)))
			return (struct name_part){p.text, i};
	return p;
}

/* The name of a function without its arguments, and without the functions inside it: "TestX.test_y"
 * of "TestX.test_y.<locals>.helper", "shop.TestPay" of "shop.TestPay.func1". */
static struct name_part function_part(const char *function)
{
	struct name_part p = {function ? function : "", function ? strlen(function) : 0};

	p = part_before(p, "(");
	p = part_before(p, ".<locals>");
	for (size_t i = 0; i + 5 < p.length; i++)
		if (!strncmp(p.text + i, ".func", 5) && isdigit((unsigned char)p.text[i + 5]))
			p.length = i;
	return p;
}

/* The last component of a name such as a.b.C::d or A->b. */
static struct name_part last_part(struct name_part p)
{
	for (size_t i = p.length; i-- > 0;)
		if (strchr(".:>#/\\ ", p.text[i]))
			return (struct name_part){p.text + i + 1, p.length - i - 1};
	return p;
}

/* The component before it. */
static struct name_part class_part(struct name_part p)
{
	struct name_part last = last_part(p), rest = {p.text, p.length - last.length};

	while (rest.length && strchr(".:>-#/\\ ", rest.text[rest.length - 1]))
		rest.length--;
	return last_part(rest);
}

/* "test" and then not a small letter: testament is none. */
static bool begins_with_test(struct name_part p, const char *test)
{
	size_t n = strlen(test);

	return part_begins(p, test) && (p.length == n || !islower((unsigned char)p.text[n]));
}

/* OrderIT is a test of JUnit, EXIT is none. */
static bool is_test_class(struct name_part p)
{
	return begins_with_test(p, "Test") || part_ends(p, "Test") || part_ends(p, "Tests") ||
	       part_ends(p, "TestCase") ||
	       (part_ends(p, "IT") && p.length > 2 && islower((unsigned char)p.text[p.length - 3]));
}

/* Rust keeps tests in a module of that name. */
static bool is_in_tests(struct name_part function)
{
	struct name_part module = class_part(function);

	return module.length == strlen("tests") && part_begins(module, "tests");
}

static bool is_test_function(const struct frame_view *f)
{
	struct name_part function = function_part(f->function), name = last_part(function);

	switch (f->language) {
	case EV_LANG_GO:
		return begins_with_test(name, "Test") &&
		       (!f->file || part_ends(base_part(f->file), "_test.go"));
	case EV_LANG_JAVA:
	case EV_LANG_PHP:
		return begins_with_test(name, "test") ||
		       (is_test_class(class_part(function)) && name.length && *name.text != '<');
	case EV_LANG_JAVASCRIPT:
		return false; /* tests of Node have no names on the stack */
	default:
		return part_begins(name, "test_") ||
		       (f->language == EV_LANG_NATIVE && is_in_tests(function)) ||
		       (part_ends(name, "_test") && name.length > strlen("_test")) ||
		       (f->language == EV_LANG_PYTHON && begins_with_test(name, "test"));
	}
}

/* Is the file one that a test tool collects by its name? */
static bool is_test_file(const struct frame_view *f)
{
	static const char *const ends[] = {
		"_test.py",  "_test.go",  "_spec.rb",  "_test.rb",  "_test.exs", ".test.js",
		".spec.js",  ".test.ts",  ".spec.ts",  ".test.mjs", ".spec.mjs", ".test.cjs",
		".spec.cjs", ".test.tsx", ".test.jsx", "Test.php",  "Test.java"};
	struct name_part base = base_part(f->file);

	if (part_begins(base, "test_"))
		return true;
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (part_ends(base, ends[i]))
			return true;
	return false;
}

static bool is_installed(const struct frame_view *f)
{
	for (size_t i = 0; f->file && i < sizeof(installed) / sizeof(*installed); i++)
		if (strstr(f->file, installed[i]))
			return true;
	return false;
}

static int shown(struct name_part p)
{
	return (int)(p.length < PART_MOST ? p.length : PART_MOST);
}

/* "test_orders.py::TestPay::test_card": file, class, function. */
static const char *name_of(struct arena *a, const struct frame_view *f)
{
	struct name_part file = base_part(f->file), function = function_part(f->function);
	struct name_part name = last_part(function), class = class_part(function);
	bool in_class = class.length && is_test_class(class) && f->language != EV_LANG_GO;

	return arena_format(a, "%.*s%s%.*s%s%.*s", shown(file), file.text, file.length ? "::" : "",
			    in_class ? shown(class) : 0, class.text, in_class ? "::" : "",
			    shown(name), name.text);
}

/* A file of tests whose functions have no such names: its first line on the stack says more. */
static const char *name_of_file(struct arena *a, const struct frame_view *f)
{
	struct name_part file = base_part(f->file), name = last_part(function_part(f->function));

	if (name.length && *name.text != '<' && f->language != EV_LANG_JAVASCRIPT)
		return name_of(a, f);
	return f->line ? arena_format(a, "%.*s:%u", shown(file), file.text, f->line)
		       : arena_format(a, "%.*s", shown(file), file.text);
}

const char *test_name(struct arena *a, const struct frame_view *stack, size_t count)
{
	for (size_t i = count; i-- > 0;)
		if (is_test_function(&stack[i]) && !is_installed(&stack[i]))
			return name_of(a, &stack[i]);
	for (size_t i = count; i-- > 0;)
		if (is_test_file(&stack[i]) && !is_installed(&stack[i]))
			return name_of_file(a, &stack[i]);
	return NULL;
}
