/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * redact.c - see redact.h.
 *
 * The code looks at one argument after the other, as the program got them.  It chooses the parts to
 * show, not the parts to hide: a word must be known to be a program, a script, a module, a command
 * or the name of an option.  An option of an unknown program may take a value or not, so the
 * argument behind it is never taken for a script.
 */
#include "user/base/redact.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "user/base/program.h"
#include "user/base/shell.h"
#include "user/base/telling.h"
#include "user/base/value.h"

#define OPTION_LONGEST 48   /* of its name */
#define NAME_LONGEST   64   /* of a module, a variable */
#define DEPTH	       4    /* sh -c "sh -c ..." */
#define SHELL_WORDS    4096 /* bytes of words of one shell command */

struct redact_line {
	char *out;
	size_t size, length;
	bool full;
	bool hidden; /* the last word is dots alone */
	bool values; /* may be shown */
};

enum next {
	NEXT_PROGRAM,
	NEXT_ANY,
	NEXT_MAYBE, /* the value of the option before it, or not */
	NEXT_VALUE,
	NEXT_SECRET,
	NEXT_LOGIN, /* user, or user:password */
	NEXT_SCRIPT,
	NEXT_CODE,
};

/* The state while the arguments of one program are read. */
struct redact_walk {
	struct redact_line *line;
	const struct program *program; /* the options belong to this program; NULL: not known */
	enum next next;
	unsigned int own;   /* arguments of a wrapper before its program */
	unsigned int depth; /* of commands within arguments */
	bool ended;	    /* no more options: -- */
	bool secret;	    /* values are hidden up to the next option */
	bool mute;	    /* values are hidden to the end */
};

static void walk_words(struct redact_line *line, const char *words, size_t len, unsigned int depth);

static void redact_put(struct redact_line *l, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (l->length + 1 >= l->size) {
			l->full = true;
			return;
		}
		l->out[l->length++] = text[i];
	}
	l->hidden = false;
}

static void put_word(struct redact_line *l, const char *text, size_t len)
{
	if (l->length)
		redact_put(l, " ", 1);
	redact_put(l, text, len);
}

static void put_hidden(struct redact_line *l)
{
	if (l->hidden)
		return;
	put_word(l, VALUE_DOTS, strlen(VALUE_DOTS));
	l->hidden = true;
}

static bool is_file_name(const char *part, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)part[i]) && !strchr("_.+-", part[i]) &&
		    !(part[i] & 0x80) && !(part[i] == '@' && !i))
			return false;
	return true;
}

/* Writes a path.  Parts that no file is likely to have become dots: a URL, a sentence, a
 * command. */
static void put_path(struct redact_line *l, const char *path, size_t len)
{
	const char *end = path + len;

	put_word(l, "", 0);
	for (const char *part = path; part <= end;) {
		const char *slash = memchr(part, '/', (size_t)(end - part));
		size_t n = (size_t)((slash ? slash : end) - part);

		if (is_file_name(part, n))
			redact_put(l, part, n);
		else
			redact_put(l, VALUE_DOTS, strlen(VALUE_DOTS));
		if (slash)
			redact_put(l, "/", 1);
		part += n + 1;
	}
}

/* Is this package.module:attribute, or the name of a Java class? */
static bool is_module(const char *text, size_t len)
{
	if (!len || len > NAME_LONGEST || isdigit((unsigned char)*text))
		return false;
	for (size_t i = 0, colons = 0; i < len; i++) {
		colons += text[i] == ':';
		if ((!isalnum((unsigned char)text[i]) && !strchr("_.$/-:", text[i])) || colons > 1)
			return false;
	}
	return true;
}

/* Is this an application as the frameworks' own guides call it: app:app, shop.wsgi:application? */
static bool is_application(const char *text, size_t len)
{
	static const char *const names[] = {"app",    "application", "wsgi", "asgi",
					    "server", "create_app",  "api",  "main"};
	const char *name = memchr(text, ':', len);
	size_t n = name ? len - (size_t)(++name - text) : 0;

	for (size_t i = 0; n && i < sizeof(names) / sizeof(names[0]); i++)
		if (n == strlen(names[i]) && !memcmp(name, names[i], n))
			return is_module(text, len);
	return false;
}

static bool is_variable(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '_')
			return false;
	return len && len <= NAME_LONGEST && !isdigit((unsigned char)*name);
}

/* Writes a value of which only its position is known. */
static void put_value(struct redact_walk *w, const char *text, size_t len)
{
	char shown[256];
	bool open;
	size_t n;

	if (!w->line->values || w->secret || w->mute) {
		put_hidden(w->line);
		return;
	}
	n = value_show(shown, sizeof(shown), text, len, &open);
	w->secret = open;
	if (n == strlen(VALUE_DOTS) && !memcmp(shown, VALUE_DOTS, n))
		put_hidden(w->line);
	else
		put_word(w->line, shown, n);
}

/* Writes name=value or name:value; the name is plain. */
static void put_named(struct redact_walk *w, const char *name, size_t name_len, const char *end)
{
	const char *value = name + name_len + 1;
	size_t n, len = (size_t)(end - value);
	struct redact_line *l = w->line;
	char shown[256];

	put_word(l, name, name_len + 1);
	if (l->values && !w->secret && !w->mute && !telling_key(name, name_len)) {
		n = value_show(shown, sizeof(shown), value, len, &w->secret);
		redact_put(l, shown, n);
		return;
	}
	redact_put(l, VALUE_DOTS, strlen(VALUE_DOTS));
	w->secret = w->secret || (telling_key(name, name_len) && (!len || strchr("'\"{", *value)));
}

/* Programs whose arguments are often a secret without any sign of it: scott/tiger. */
static bool is_mute(const char *path, size_t len)
{
	static const char *const names[] = {
		"echo",	   "printf",   "openssl", "sshpass", "htpasswd", "htdigest", "chpasswd",
		"sqlplus", "mkpasswd", "rman",	  "expdp",   "impdp",	 "sqlldr",   "gpg",
	};
	const char *slash = memrchr(path, '/', len);
	const char *name = slash ? slash + 1 : path;

	len -= (size_t)(name - path);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (len == strlen(names[i]) && !memcmp(name, names[i], len))
			return true;
	return false;
}

static void walk_program(struct redact_walk *w, const char *path, size_t len)
{
	put_path(w->line, path, len);
	w->mute = is_mute(path, len);
	w->program = program_find(path, len);
	w->own = w->program ? w->program->own : 0;
	w->next = NEXT_ANY;
}

/* Takes a script or module.  The arguments after it are its own, and it may be a known program
 * itself. */
static void walk_script(struct redact_walk *w, const char *text, size_t len)
{
	put_path(w->line, text, len);
	w->program = program_find(text, len);
	if (w->program && w->program->kind == PROGRAM_WRAPPER)
		w->program = NULL;
	w->next = NEXT_ANY;
}

static void walk_shell(struct redact_walk *w, const char *text, size_t len)
{
	char words[SHELL_WORDS] = "";
	bool whole = false;
	size_t n = w->depth < DEPTH ? shell_words(words, sizeof(words), text, len, &whole) : 0;

	walk_words(w->line, words, n, w->depth + 1);
	if (!whole)
		put_hidden(w->line);
}

static void walk_code(struct redact_walk *w, const char *text, size_t len)
{
	bool wrapper = w->program && w->program->kind == PROGRAM_WRAPPER;

	if (w->program && w->program->shell) {
		walk_shell(w, text, len);
		if (!wrapper) /* the rest are its parameters */
			w->secret = true;
	} else if (w->program) {
		put_hidden(w->line);
		w->secret = true; /* code that a user forgot to quote goes on there */
	} else {
		put_value(w, text, len);
		w->secret |= memchr(text, ' ', len) == NULL; /* likewise SQL */
	}
	w->program = NULL;
}

/* Returns how many bytes of an argument are the name of an option. */
static size_t option_name(const struct redact_walk *w, const char *text, size_t len)
{
	bool java = w->program && w->program->kind == PROGRAM_JAVA;
	bool is_long = len > 2 && text[1] == '-';
	bool define = java && text[1] == 'D';
	size_t end = is_long ? 2 : 1;

	while (end < len && end < OPTION_LONGEST &&
	       (isalpha((unsigned char)text[end]) || (text[end] && strchr("_.-", text[end])) ||
		((is_long || define) && isdigit((unsigned char)text[end]))))
		end++;
	if (telling_value(text, end))
		return is_long ? 2 : 1;
	if (is_long || java)
		return end;
	return program_dash_name(text + 1, end - 1) ? end : len < 2 ? len : 2;
}

/* Reads letters in one argument, -um or -pPASSWORD: the first letter that takes a value ends
 * them. */
static enum program_option letters(const struct program *p, const char *text, size_t len,
				   bool *inside)
{
	enum program_option option = PROGRAM_UNKNOWN;

	*inside = false;
	for (size_t i = 1; i < len; i++) {
		option = program_letter(p, text[i]);
		if (option == PROGRAM_FLAG)
			continue;
		*inside = i + 1 < len;
		break;
	}
	return option;
}

static enum program_option option_kind(const struct redact_walk *w, const char *text, size_t len,
				       bool *inside)
{
	enum program_option option = program_long(w->program, text, len);

	*inside = false;
	if (option != PROGRAM_UNKNOWN || !w->program || text[1] == '-')
		return option;
	if (w->program->kind == PROGRAM_JAVA && len > 2)
		return PROGRAM_FLAG;
	return letters(w->program, text, len, inside);
}

/* Is this an option with which programs that have no row in the table take SQL or other code? */
static bool is_code_option(const char *text, size_t len)
{
	static const char *const names[] = {"-e",	 "-c",	   "-Q",    "--execute",
					    "--command", "--eval", "--sql", "--query"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (len == strlen(names[i]) && !memcmp(text, names[i], len))
			return true;
	return false;
}

static enum next after_unknown(const struct redact_walk *w, const char *text, size_t len,
			       size_t name)
{
	if (!w->program && is_code_option(text, len))
		return NEXT_CODE;
	if (len == 2) {
		bool likely = w->line->values ? telling_letter(text[1])
					      : strchr("pPWa", text[1]) != NULL;

		if (text[1] == 'u' || text[1] == 'U')
			return NEXT_LOGIN;
		return likely && !w->program ? NEXT_SECRET : NEXT_MAYBE;
	}
	if (len == 6 && !memcmp(text, "--user", len))
		return NEXT_LOGIN;
	return name == len && telling_name(text, name) ? NEXT_SECRET : NEXT_MAYBE;
}

static enum next after_option(struct redact_walk *w, const char *text, size_t len, size_t name)
{
	bool inside, letters_known = w->program && w->program->kind != PROGRAM_RUNNER;
	enum program_option option = option_kind(w, text, len, &inside);

	if (option == PROGRAM_UNKNOWN && name < len && (text[name] == '=' || text[name] == ':') &&
	    text[1] == '-')
		return NEXT_ANY;
	if (letters_known && (inside || option == PROGRAM_UNKNOWN) && option != PROGRAM_VALUE &&
	    option != PROGRAM_STUCK && text[1] != '-')
		w->program = NULL; /* -mMODULE, or not as we know it */
	switch (option) {
	case PROGRAM_FLAG:
	case PROGRAM_STUCK:
		return NEXT_ANY;
	case PROGRAM_VALUE:
		return inside ? NEXT_ANY : NEXT_VALUE;
	case PROGRAM_SCRIPT:
		return inside ? NEXT_ANY : NEXT_SCRIPT;
	case PROGRAM_CODE:
		return inside ? NEXT_MAYBE : NEXT_CODE;
	default:
		return after_unknown(w, text, len, name);
	}
}

/* If values are asked for, -w4 is shown, but -p1234 is not. */
static bool is_plain_stuck(const struct redact_walk *w, const char *text, size_t len, size_t name)
{
	if (!w->line->values || name != 2 || telling_letter(text[1]))
		return false;
	for (size_t i = name; i < len; i++)
		if (!isdigit((unsigned char)text[i]))
			return false;
	return true;
}

static void walk_option(struct redact_walk *w, const char *text, size_t len)
{
	size_t name = option_name(w, text, len);
	bool value = name < len && (text[name] == '=' || text[name] == ':');

	w->secret = false;
	w->next = after_option(w, text, len, name);
	if (value) {
		put_named(w, text, name, text + len);
	} else if (name == len || is_plain_stuck(w, text, len, name)) {
		put_word(w->line, text, len);
	} else {
		put_word(w->line, text, name);
		redact_put(w->line, VALUE_DOTS, strlen(VALUE_DOTS));
	}
	w->secret |= w->next == NEXT_SECRET;
}

static bool is_script_file(const char *text, size_t len)
{
	static const char *const suffixes[] = {".py", ".js",  ".mjs", ".cjs", ".ts",  ".rb",
					       ".pl", ".php", ".jar", ".dll", ".psgi"};

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t n = strlen(suffixes[i]);

		if (len > n && !memcmp(text + len - n, suffixes[i], n))
			return true;
	}
	return false;
}

/* Takes the argument at the place where a wrapper has its program. */
static void wrapped(struct redact_walk *w, const char *text, size_t len, bool maybe)
{
	const char *equals = memchr(text, '=', len);

	if (equals && is_variable(text, (size_t)(equals - text))) {
		put_named(w, text, (size_t)(equals - text), text + len);
		w->secret = false;
	} else if (maybe) {
		w->program = NULL;
		put_value(w, text, len);
	} else if (w->own) {
		w->own--;
		if (program_command(text, len))
			put_word(w->line, text, len);
		else
			put_value(w, text, len);
	} else {
		w->ended = false;
		walk_program(w, text, len);
	}
}

/* Takes a script.  False: the argument is no script, and none will come. */
static bool script(struct redact_walk *w, const char *text, size_t len, bool maybe)
{
	if (program_command(text, len) && !maybe) { /* deno run x.ts */
		put_word(w->line, text, len);
		return true;
	}
	if (!maybe || is_script_file(text, len)) {
		walk_script(w, text, len);
		return true;
	}
	w->program = NULL;
	return false;
}

static bool class(struct redact_walk *w, const char *text, size_t len, bool maybe)
{
	bool shown = !maybe && is_module(text, len) && !memchr(text, ':', len);

	w->program = NULL;
	if (shown)
		put_path(w->line, text, len);
	return shown;
}

static bool module(struct redact_walk *w, const char *text, size_t len, bool maybe)
{
	if ((maybe || w->program->shell || !is_module(text, len)) && !is_application(text, len))
		return false;
	put_word(w->line, text, len);
	w->program = NULL;
	return true;
}

/* Takes the argument if it is what its program runs.  False: it is not. */
static bool is_run(struct redact_walk *w, const char *text, size_t len, bool maybe)
{
	switch (w->program ? w->program->kind : 0) {
	case PROGRAM_INTERPRETER:
		return script(w, text, len, maybe);
	case PROGRAM_JAVA:
		return class(w, text, len, maybe);
	case PROGRAM_RUNNER:
		return module(w, text, len, maybe);
	default:
		return false;
	}
}

/* Takes an argument that is no option. */
static void positional(struct redact_walk *w, const char *text, size_t len, bool maybe)
{
	if (len && *text == '$') /* sh -c "java $OPTIONS -jar x.jar" */
		put_hidden(w->line);
	else if (w->program && w->program->kind == PROGRAM_WRAPPER)
		wrapped(w, text, len, maybe);
	else if (is_run(w, text, len, maybe))
		return;
	else if (program_command(text, len) && !maybe && !w->secret)
		put_word(w->line, text, len);
	else
		put_value(w, text, len);
}

static void walk_argument(struct redact_walk *w, const char *text, size_t len)
{
	enum next next = w->next;

	if (len == 1 && *text == SHELL_OPERATOR) {
		if (w->next != NEXT_PROGRAM) /* && gives two of them */
			redact_put(w->line, ";", 1);
		*w = (struct redact_walk){.line = w->line, .depth = w->depth, .next = NEXT_PROGRAM};
		return;
	}
	if (next == NEXT_PROGRAM) {
		const char *equals = memchr(text, '=', len);

		if (w->depth && equals && is_variable(text, (size_t)(equals - text)))
			put_named(w, text, (size_t)(equals - text), text + len);
		else
			walk_program(w, text, len);
		return;
	}
	w->next = NEXT_ANY;
	if (next == NEXT_SCRIPT)
		walk_script(w, text, len);
	else if (next == NEXT_CODE)
		walk_code(w, text, len);
	else if (next == NEXT_SECRET || (next == NEXT_LOGIN && memchr(text, ':', len)))
		put_hidden(w->line);
	else if (next == NEXT_VALUE)
		put_value(w, text, len);
	else if (len == 2 && !memcmp(text, "--", 2) && !w->ended)
		w->ended = true, w->secret = false, put_word(w->line, text, len);
	else if (len > 1 && *text == '-' && !w->ended)
		walk_option(w, text, len);
	else
		positional(w, text, len, next == NEXT_MAYBE || next == NEXT_LOGIN);
}

static void walk_words(struct redact_line *line, const char *words, size_t len, unsigned int depth)
{
	struct redact_walk w = {.line = line, .depth = depth, .next = NEXT_PROGRAM};
	const char *end = words + len;

	for (const char *at = words; at < end && !line->full;) {
		size_t n = strnlen(at, (size_t)(end - at));

		walk_argument(&w, at, n);
		at += n + 1;
	}
}

/* May this word of a title be shown: a module or application in brackets, or a known command? */
static bool is_title_word(const char *word, size_t len)
{
	bool brackets = len > 2 && *word == '[' && word[len - 1] == ']';

	if (brackets)
		return is_module(word + 1, len - 2) &&
		       (is_application(word + 1, len - 2) || !memchr(word, ':', len));
	return program_command(word, len);
}

/* Writes the title that a program wrote over its arguments: "nginx: worker process", "gunicorn:
 * master [app:app]". */
static void put_title(struct redact_line *l, const char *title, size_t len)
{
	const char *end = title + len;
	bool pool = false; /* the name of the pool follows */

	for (const char *at = title; at < end;) {
		const char *space = memchr(at, ' ', (size_t)(end - at));
		size_t n = (size_t)((space ? space : end) - at);

		if (at == title || is_title_word(at, n) || (pool && is_module(at, n)))
			put_word(l, at, n);
		else if (n)
			put_hidden(l);
		pool = n == 4 && !memcmp(at, "pool", n);
		at += n + 1;
	}
}

static bool is_title(const char *text, size_t len)
{
	const char *space = memchr(text, ' ', len);

	return space && space > text + 1 && space[-1] == ':' &&
	       is_file_name(text, (size_t)(space - text) - 1);
}

/* Writes one text with spaces: a title, or a whole command line. */
static void redact_put_text(struct redact_line *l, const char *text, size_t len)
{
	char words[SHELL_WORDS] = "";
	size_t n = len < sizeof(words) ? len : sizeof(words);

	if (*text == '[' && is_title(text + 1, len - 1)) {
		put_title(l, text + 1, len - 1);
		return;
	}
	if (is_title(text, len)) {
		put_title(l, text, len);
		return;
	}
	for (size_t i = 0; i < n; i++)
		words[i] = text[i] == ' ' ? '\0' : text[i];
	while (n < len && n && words[n - 1])
		n--;
	walk_words(l, words, n, 0);
	if (n < len)
		put_hidden(l);
}

/* Drops the part of a character that a full line has split. */
static void trim_broken_end(struct redact_line *l)
{
	size_t at = l->length;

	while (at && ((unsigned char)l->out[at - 1] & 0xc0) == 0x80)
		at--;
	if (at && (unsigned char)l->out[at - 1] >= 0xc0)
		l->length = at - 1;
}

size_t redact(char *out, size_t size, const char *arguments, size_t len, unsigned int flags)
{
	struct redact_line l = {.out = out, .size = size, .values = flags & REDACT_SHOW_VALUES};
	size_t first;

	if (!size)
		return 0;
	while (len && flags & REDACT_CUT && arguments[len - 1])
		len--;
	while (len && (!arguments[len - 1] || arguments[len - 1] == ' '))
		len--;
	first = strnlen(arguments, len);
	if (memchr(arguments, ' ', first) && (*arguments != '/' || first == len)) {
		redact_put_text(&l, arguments, first);
		if (first < len)
			put_hidden(&l);
	} else {
		walk_words(&l, arguments, len, 0);
	}
	if (flags & REDACT_CUT)
		put_hidden(&l);
	if (l.full)
		trim_broken_end(&l);
	out[l.length] = '\0';
	return l.length;
}

static void dots(char *from, char *to)
{
	for (size_t n = strlen(VALUE_DOTS); from < to; from++)
		if (n) {
			*from = '.';
			n--;
		} else {
			memmove(from, to, strlen(to) + 1);
			return;
		}
}

void redact_name(char *name)
{
	const char *word = name, *colon = strchr(name, ':');
	char *end = name + strlen(name), *at = strrchr(name, '@');

	for (char *p = name; p < end; p++) {
		if (strchr("=:", *p) && telling_key(word, (size_t)(p - word))) {
			dots(p + 1, end);
			return;
		}
		if (strchr(" ;,&?/=:", *p))
			word = p + 1;
	}
	if (colon && at && colon < at)
		dots(name + (colon - name) + 1, at);
}

size_t redact_path(const char *path)
{
	const char *host = strstr(path, "://");

	if (!strncmp(path, "data:", 5))
		return 5;
	if (host && strchr(host, '@'))
		return (size_t)(host - path) + 3;
	return strcspn(path, "?");
}
