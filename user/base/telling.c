/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * telling.c - see telling.h.
 */
#include "user/base/telling.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define RANDOM_LEAST 16 /* letters and digits mixed: shorter ones are names such as web1Prod */
#define HEX_LEAST    24 /* hexadecimal digits alone: longer than a time or an address */

/* Parts that count anywhere in a name. */
static const char *const anywhere[] = {
	"pass",	  "pwd",     "secret", "token",	 "key",	    "auth",   "cred",	    "dsn",
	"conn",	  "uri",     "url",    "cookie", "salt",    "sess",   "signat",	    "licen",
	"bearer", "private", "jwt",    "hmac",	 "webhook", "phrase", "identified",
};

/* Short parts count only as a whole word of a name, such as DB_PW, userPin or sid. */
static const char *const words[] = {"pw",   "pin", "sid", "sas", "sig",	 "otp",
				    "totp", "mfa", "psk", "pat", "code", "cert"};

static bool contains(const char *name, size_t len, const char *part)
{
	size_t n = strlen(part);

	for (size_t at = 0; at + n <= len; at++)
		if (!strncasecmp(name + at, part, n))
			return true;
	return false;
}

/* Returns the end of the word that begins at `at`: dbUserPin has three, pin2 has one. */
static size_t word_end(const char *name, size_t len, size_t at)
{
	size_t end = at + 1;

	while (end < len && isalpha((unsigned char)name[end]) &&
	       !(isupper((unsigned char)name[end]) && islower((unsigned char)name[end - 1])))
		end++;
	return end;
}

static bool is_telling_word(const char *word, size_t len)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (len == strlen(words[i]) && !strncasecmp(word, words[i], len))
			return true;
	return len > 2 && !strncasecmp(word + len - 2, "pw", 2); /* dbpw */
}

bool telling_name(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(anywhere) / sizeof(anywhere[0]); i++)
		if (contains(name, len, anywhere[i]))
			return true;
	for (size_t at = 0, end; at < len; at = end) {
		end = at + 1;
		if (!isalpha((unsigned char)name[at]))
			continue;
		end = word_end(name, len, at);
		if (is_telling_word(name + at, end - at))
			return true;
	}
	return false;
}

bool telling_key(const char *key, size_t len)
{
	while (len > 1 && strchr("-/", *key)) {
		key++;
		len--;
	}
	return (len == 1 && telling_letter(*key)) || telling_name(key, len);
}

bool telling_letter(char letter)
{
	return letter && strchr("aAkKpPsStTwWxX", letter);
}

bool telling_value(const char *value, size_t len)
{
	size_t run = 0, hex = 0;
	unsigned int kinds = 0; /* 1: lower case, 2: upper case, 4: digits */

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)value[i];

		if (!isalnum(c) && !strchr("+/=_-", c)) {
			run = hex = kinds = 0;
			continue;
		}
		run++;
		hex = isxdigit(c) ? hex + 1 : 0;
		kinds |= islower(c) ? 1 : isupper(c) ? 2 : isdigit(c) ? 4 : 0;
		if (hex >= HEX_LEAST || (run >= RANDOM_LEAST && kinds == 7))
			return true;
	}
	return false;
}
