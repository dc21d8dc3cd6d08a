/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * value.c - see value.h.
 */
#include "user/base/value.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "bpf/event.h"
#include "user/base/sql.h"
#include "user/base/telling.h"

#define DOTS	     VALUE_DOTS
#define SQL_LONGEST  256
#define PORT_DIGITS  5
#define NAME_LONGEST 32

struct shown {
	char *out;
	size_t size, length;
	bool open;
};

static void value_put(struct shown *s, const char *text, size_t len)
{
	for (size_t i = 0; i < len && s->length + 1 < s->size; i++)
		s->out[s->length++] = text[i];
}

static void put_dots(struct shown *s)
{
	value_put(s, DOTS, strlen(DOTS));
}

static bool is_digits(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isdigit((unsigned char)text[i]))
			return false;
	return len;
}

/* Is the text plain?  Quotes, brackets, escapes and other alphabets have a grammar of their own. */
static bool is_plain(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr(" ._-+/:,;=&?@#~", text[i]))
			return false;
	return len;
}

/* Does the next argument go on with this value?  True for open quotes, for brackets, and for no
 * value at all. */
static bool value_goes_on(const char *value, size_t len)
{
	size_t single = 0, twice = 0, brackets = 0;

	for (size_t i = 0; i < len; i++) {
		single += value[i] == '\'';
		twice += value[i] == '"';
		brackets += value[i] == '{' || value[i] == '(' || value[i] == '[';
	}
	return !len || single % 2 || twice % 2 || brackets;
}

static bool begins_sql(const char *text, size_t len)
{
	static const char *const verbs[] = {"select", "insert",	 "update",   "delete",	"replace",
					    "alter",  "create",	 "drop",     "set",	"grant",
					    "call",   "with",	 "begin",    "show",	"explain",
					    "vacuum", "analyze", "truncate", "copy",	"pragma",
					    "attach", "use",	 "lock",     "prepare", "execute"};

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		size_t n = strlen(verbs[i]);

		if (len > n && !strncasecmp(text, verbs[i], n) && isspace((unsigned char)text[n]))
			return true;
	}
	return false;
}

/* An item of a list: "u=x", "host:5432", "a". */
struct item {
	const char *text, *end;
	const char *first, *last; /* = or :, or end */
};

static struct item item_next(const char *at, const char *end)
{
	struct item item = {at, at, NULL, NULL};

	for (; item.end < end && !strchr(" ,;&", *item.end); item.end++) {
		if (*item.end != '=' && *item.end != ':')
			continue;
		item.first = item.first ? item.first : item.end;
		item.last = item.end;
	}
	if (!item.first)
		item.first = item.last = item.end;
	return item;
}

/* Does the name or the value of an item announce a secret?  One may follow "opt=password". */
static bool is_telling_item(const struct item *item)
{
	return telling_name(item->text, (size_t)(item->end - item->text)) ||
	       (item->first < item->end &&
		telling_key(item->text, (size_t)(item->first - item->text)));
}

/* Writes an item.  False: the text after it is hidden. */
static bool put_item(struct shown *s, const struct item *item)
{
	size_t name = (size_t)(item->first - item->text);
	size_t len = (size_t)(item->end - item->text);
	size_t last = (size_t)(item->last - item->text);

	if (is_telling_item(item)) {
		if (item->first < item->end && !telling_value(item->text, name))
			value_put(s, item->text, name + 1);
		put_dots(s);
		return false;
	}
	if (len > 1 && *item->text == '-' && telling_letter(item->text[1])) {
		value_put(s, item->text, 2); /* a command line in one argument */
		put_dots(s);
		return false;
	}
	if (telling_value(item->text, len)) {
		put_dots(s);
	} else if (item->first == item->end || *item->last == '=' || last + 1 == len ||
		   (is_digits(item->last + 1, len - last - 1) && len - last - 1 <= PORT_DIGITS)) {
		value_put(s, item->text, len);
	} else { /* user:password, which may have commas */
		value_put(s, item->text, name + 1);
		put_dots(s);
		return false;
	}
	return true;
}

/* Writes the items of a list.  False: the text after them is hidden. */
static bool put_items(struct shown *s, const char *at, const char *end)
{
	while (at < end) {
		struct item item = item_next(at, end);

		if (!put_item(s, &item)) {
			s->open = item.first + 1 >= end ||
				  value_goes_on(item.first, (size_t)(end - item.first));
			return false;
		}
		if (item.end < end)
			value_put(s, item.end, 1);
		at = item.end + 1;
	}
	return true;
}

/* Finds the beginning of the scheme; NULL: no letters stand there, or they belong to something
 * else. */
static const char *scheme_start(const char *text, const char *mark)
{
	const char *at = mark;

	while (at > text &&
	       (islower((unsigned char)at[-1]) || isdigit((unsigned char)at[-1]) || at[-1] == '+'))
		at--;
	if (at == mark)
		return NULL;
	return at == text || strchr(" =,;", at[-1]) ||
			       (at - text >= 5 && !memcmp(at - 5, "jdbc:", 5))
		       ? at
		       : NULL;
}

static void put_host_and_name(struct shown *s, const char *host, const char *end)
{
	const char *path = memchr(host, '/', (size_t)(end - host));

	if (!path) {
		put_items(s, host, end);
		return;
	}
	if (!put_items(s, host, path))
		return;
	/* The name of a database is one short word; a longer text may be the key of a web hook. */
	if (memchr(path + 1, '/', (size_t)(end - path - 1)) || end - path > NAME_LONGEST) {
		value_put(s, "/" DOTS, strlen("/" DOTS));
		return;
	}
	value_put(s, "/", 1);
	put_items(s, path + 1, end);
}

/* Does a password begin before the @: key=a@b? */
static bool is_telling_before(const char *at, const char *end)
{
	while (at < end) {
		struct item item = item_next(at, end);

		if (is_telling_item(&item))
			return true;
		at = item.end + 1;
	}
	return false;
}

/* Writes scheme://host:port/name, without login and parameters. */
static void put_url(struct shown *s, const char *at, const char *end)
{
	const char *mark = memmem(at, (size_t)(end - at), "://", 3);
	const char *who = memrchr(at, '@', (size_t)(end - at));
	const char *scheme = mark ? scheme_start(at, mark) : NULL;

	if (who && is_telling_before(at, who)) {
		put_items(s, at, end);
		return;
	}

	if (scheme && telling_key(scheme, (size_t)(mark - scheme))) {
		put_dots(s); /* a password that begins with slashes */
		return;
	}
	if (scheme) {
		if (!put_items(s, at, scheme))
			return;
		value_put(s, scheme, (size_t)(mark + 3 - scheme));
		at = mark + 3;
	}
	if (who && who >= at) {
		value_put(s, DOTS "@", strlen(DOTS "@"));
		at = who + 1;
	} else if (mark && !scheme) {
		put_dots(s);
		return;
	}
	if (scheme)
		put_host_and_name(s, at, end);
	else
		put_items(s, at, end);
}

/* Writes a value that is not plain: of "name='..." only the name. */
static void put_odd(struct shown *s, const char *text, size_t len)
{
	size_t name = 0;

	while (name < len && (isalnum((unsigned char)text[name]) || strchr("_.-", text[name])))
		name++;
	if (name && name < len && text[name] == '=' && !telling_value(text, name))
		value_put(s, text, name + 1);
	put_dots(s);
	s->open = value_goes_on(text, len);
}

static void put_sql(struct shown *s, const char *text, size_t len)
{
	char sql[SQL_LONGEST];

	len = sql_normalise(sql, sizeof(sql), text, len, EV_DB_UNKNOWN, 0);
	value_put(s, sql, len);
}

size_t value_show(char *out, size_t size, const char *text, size_t len, bool *open)
{
	struct shown s = {.out = out, .size = size};
	const char *query;

	if (begins_sql(text, len)) {
		put_sql(&s, text, len);
	} else if (!is_plain(text, len)) {
		put_odd(&s, text, len);
	} else {
		query = memrchr(text, '@', len); /* a password may have a ? */
		query = query ? query : text;
		while (query < text + len && *query != '?' && *query != '#')
			query++;
		put_url(&s, text, query);
		if (query < text + len)
			value_put(&s, "?" DOTS, strlen("?" DOTS));
	}
	out[s.length] = '\0';
	*open = s.open;
	return s.length;
}
