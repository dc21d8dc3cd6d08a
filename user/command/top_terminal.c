/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * top_terminal.c - see top_terminal.h.  The only file that knows curses.
 */
#include "user/command/top_terminal.h"

#include <curses.h>
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include "user/top/keys.h"

/* Its names of terminals' abilities are macros, two of which are words of ours. */
#include <term.h>
#undef lines
#undef columns

#define ESCAPE_MS  50 /* after which a lone Esc is one: over ssh the rest of a key comes at once */
#define WORDS_MOST 65536 /* bytes of standard error that are shown at the end */

static struct {
	SCREEN *curses;
	bool utf8, again;
	atomic_flag left; /* by terminal_leave */
	struct termios before;
	char reset[256]; /* what gives the screen back, without curses */
	size_t reset_length;
	int words, error; /* standard error goes to words; error is what it was; -1 */
	attr_t styles[STYLES];
} terminal = {.left = ATOMIC_FLAG_INIT, .words = -1, .error = -1};

static int refuse_terminal(const char *why)
{
	fprintf(stderr,
		"dbleak: top needs a terminal to draw on: %s\n"
		"\"dbleak watch --duration 60s\" reports without one.\n",
		why);
	return 2;
}

int terminal_check(void)
{
	const char *type = getenv("TERM");
	int found;

	if (!isatty(STDOUT_FILENO))
		return refuse_terminal("standard output is none");
	if (!isatty(STDIN_FILENO))
		return refuse_terminal("standard input is none, so no key can be read");
	if (!type || !*type || !strcmp(type, "dumb"))
		return refuse_terminal("TERM does not say which one this is");
	if (setupterm(NULL, STDOUT_FILENO, &found) == OK) {
		found = cursor_address && *cursor_address;
		del_curterm(cur_term);
		return found ? -1
			     : refuse_terminal("the one that TERM names has no cursor to move");
	}
	return refuse_terminal(found < 0
				       ? "this host has no description of any (terminfo)"
				       : "this host has no description of the one that TERM names "
					 "(terminfo)");
}

static void remember_reset(const char *code)
{
	size_t length = code && code != (char *)-1 ? strlen(code) : 0;

	if (!length || terminal.reset_length + length >= sizeof(terminal.reset))
		return;
	memcpy(terminal.reset + terminal.reset_length, code, length);
	terminal.reset_length += length;
}

static void choose_styles(void)
{
	const char *no = getenv("NO_COLOR");
	bool colours = has_colors() && !(no && *no) && start_color() == OK;
	static const short pairs[STYLES][2] = {
		[STYLE_GREEN] = {COLOR_GREEN, -1},
		[STYLE_YELLOW] = {COLOR_YELLOW, -1},
		[STYLE_RED] = {COLOR_RED, -1},
		[STYLE_BAR] = {COLOR_BLACK, COLOR_GREEN},
		[STYLE_CURSOR] = {COLOR_BLACK, COLOR_CYAN},
	};
	static const attr_t plain[STYLES] = {
		[STYLE_BOLD] = A_BOLD, [STYLE_DIM] = A_DIM,	[STYLE_YELLOW] = A_BOLD,
		[STYLE_RED] = A_BOLD,  [STYLE_BAR] = A_REVERSE, [STYLE_CURSOR] = A_REVERSE | A_BOLD,
	};

	if (colours)
		use_default_colors();
	for (int i = 0; i < STYLES; i++) {
		bool coloured = colours && pairs[i][0] != pairs[i][1] &&
				init_pair((short)(i + 1), pairs[i][0], pairs[i][1]) == OK;

		terminal.styles[i] = coloured ? (attr_t)COLOR_PAIR(i + 1) : plain[i];
		if (coloured && (i == STYLE_RED || i == STYLE_YELLOW))
			terminal.styles[i] |= A_BOLD;
	}
}

/* Ctrl-Z comes as a key, so that no signal stops us while we draw; Ctrl-C stays a signal, which the
 * watchdog takes whatever this thread is doing. */
static void set_keys(void)
{
	struct termios now;

	cbreak();
	noecho();
	nonl();
	if (!tcgetattr(STDIN_FILENO, &now)) {
		now.c_cc[VSUSP] = _POSIX_VDISABLE;
		tcsetattr(STDIN_FILENO, TCSANOW, &now);
		def_prog_mode();
	}
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	meta(stdscr, TRUE);
	curs_set(0);
	set_escdelay(ESCAPE_MS);
}

static void keep_words(void)
{
	if (!isatty(STDERR_FILENO))
		return;
	terminal.words = memfd_create("dbleak-words", MFD_CLOEXEC);
	terminal.error = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (terminal.words >= 0 && terminal.error >= 0)
		dup2(terminal.words, STDERR_FILENO);
}

static void show_words(void)
{
	char bytes[4096];
	off_t at = 0;
	ssize_t n;

	if (terminal.error < 0)
		return;
	dup2(terminal.error, STDERR_FILENO);
	while (at < WORDS_MOST && (n = pread(terminal.words, bytes, sizeof(bytes), at)) > 0) {
		(void)!write(STDERR_FILENO, bytes, (size_t)n);
		at += n;
	}
	close(terminal.error);
	if (terminal.words >= 0)
		close(terminal.words);
	terminal.error = terminal.words = -1;
}

/* A language that ssh has brought along, and that this host does not have, still tells whether the
 * terminal takes UTF-8. */
static void choose_characters(void)
{
	static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};
	const char *name = NULL;

	if (setlocale(LC_CTYPE, ""))
		return;
	for (size_t i = 0; i < 3 && !(name && *name); i++)
		name = getenv(variables[i]);
	if (name && (strcasestr(name, "UTF-8") || strcasestr(name, "utf8")))
		setlocale(LC_CTYPE, "C.UTF-8");
}

int terminal_open(void)
{
	if (tcgetattr(STDIN_FILENO, &terminal.before))
		return -errno;
	choose_characters();
	terminal.utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	signal(SIGTSTP, SIG_IGN); /* curses takes it otherwise, in any thread */
	terminal.curses = newterm(NULL, stdout, stdin);
	if (!terminal.curses)
		return -EIO;
	set_keys();
	choose_styles();
	remember_reset(exit_attribute_mode);
	remember_reset(cursor_normal);
	remember_reset(keypad_local);
	remember_reset(exit_ca_mode);
	terminal.again = true;
	keep_words();
	return 0;
}

void terminal_close(void)
{
	if (!terminal.curses)
		return;
	endwin();
	delscreen(terminal.curses);
	terminal.curses = NULL;
	setlocale(LC_CTYPE, "C");
	show_words();
}

void terminal_leave(void)
{
	if (!terminal.curses || atomic_flag_test_and_set(&terminal.left))
		return;
	(void)!write(STDOUT_FILENO, terminal.reset, terminal.reset_length);
	tcsetattr(STDIN_FILENO, TCSANOW, &terminal.before);
	show_words();
}

bool terminal_has_utf8(void)
{
	return terminal.utf8;
}

bool terminal_size(size_t *rows, size_t *columns)
{
	struct winsize size;
	bool again = terminal.again;

	terminal.again = false;
	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row && size.ws_col &&
	    (size.ws_row != LINES || size.ws_col != COLS)) {
		resizeterm(size.ws_row, size.ws_col);
		clearok(stdscr, TRUE);
		again = true;
	}
	*rows = (size_t)LINES;
	*columns = (size_t)COLS;
	return again;
}

/* Until the shell lets us go on. */
static void suspend(void)
{
	endwin();
	signal(SIGTSTP, SIG_DFL);
	raise(SIGTSTP);
	signal(SIGTSTP, SIG_IGN);
	terminal.again = true;
	clearok(stdscr, TRUE);
	refresh();
}

static uint32_t function_key(wint_t key)
{
	static const struct {
		wint_t curses;
		uint32_t key;
	} keys[] = {
		{KEY_UP, TOP_KEY_UP},	      {KEY_DOWN, TOP_KEY_DOWN},
		{KEY_LEFT, TOP_KEY_LEFT},     {KEY_RIGHT, TOP_KEY_RIGHT},
		{KEY_PPAGE, TOP_KEY_PAGE_UP}, {KEY_NPAGE, TOP_KEY_PAGE_DOWN},
		{KEY_HOME, TOP_KEY_HOME},     {KEY_END, TOP_KEY_END},
		{KEY_ENTER, TOP_KEY_ENTER},   {KEY_BACKSPACE, TOP_KEY_BACKSPACE},
	};

	if (key >= KEY_F(1) && key <= KEY_F(12))
		return TOP_KEY_F1 + (uint32_t)(key - KEY_F(1));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].curses == key)
			return keys[i].key;
	return TOP_KEY_NONE;
}

static uint32_t character_key(wint_t key)
{
	switch (key) {
	case '\n':
	case '\r':
		return TOP_KEY_ENTER;
	case CTRL('h'):
	case 0x7f:
		return TOP_KEY_BACKSPACE;
	case CTRL('l'):
		clearok(stdscr, TRUE);
		terminal.again = true;
		return TOP_KEY_NONE;
	case CTRL('z'):
		suspend();
		return TOP_KEY_NONE;
	default:
		return (uint32_t)key;
	}
}

uint32_t terminal_key(void)
{
	wint_t key;

	for (;;) {
		int kind = get_wch(&key);
		uint32_t taken;

		if (kind == ERR)
			return TOP_KEY_NONE;
		taken = kind == KEY_CODE_YES ? function_key(key) : character_key(key);
		if (taken != TOP_KEY_NONE)
			return taken;
	}
}

static void show_cell(int row, int column, const struct screen_cell *cell)
{
	wchar_t text[2] = {(wchar_t)cell->code, L'\0'};
	attr_t attributes = terminal.styles[cell->style];
	cchar_t character;

	if (setcchar(&character, text, attributes & ~(attr_t)A_COLOR,
		     (short)PAIR_NUMBER(attributes), NULL) == OK)
		mvadd_wch(row, column, &character);
}

/* The right half of a wide character is blank where the terminal draws it narrow. */
static bool is_covered(const struct screen *s, size_t row, size_t column)
{
	return screen_at(s, row, column)->code == SCREEN_HALF && column &&
	       wcwidth((wchar_t)screen_at(s, row, column - 1)->code) == 2;
}

void terminal_show(const struct screen *s)
{
	for (size_t row = 0; row < s->rows && row < (size_t)LINES; row++)
		for (size_t column = 0; column < s->columns && column < (size_t)COLS; column++) {
			struct screen_cell cell = *screen_at(s, row, column);

			if (is_covered(s, row, column))
				continue;
			if (cell.code == SCREEN_HALF ||
			    (cell.code >= 0x80 && wcwidth((wchar_t)cell.code) < 1))
				cell.code = cell.code ? '?' : ' ';
			show_cell((int)row, (int)column, &cell);
		}
	refresh();
}
