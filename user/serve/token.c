/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * token.c - see token.h.
 */
#include "user/serve/token.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *token_check(const char *text, size_t length)
{
	if (length < TOKEN_LEAST)
		return "the token is shorter than 16 characters";
	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return "the token has other characters than letters, digits and signs";
	return NULL;
}

static const char *token_read(struct access_token *t, int fd)
{
	char text[TOKEN_MOST + 2];
	struct stat s;
	ssize_t length;

	if (fstat(fd, &s))
		return strerror(errno);
	if (!S_ISREG(s.st_mode))
		return "no regular file";
	if (s.st_mode & (S_IRWXG | S_IRWXO))
		return "others may read it; chmod 600 closes it";
	length = read(fd, text, sizeof(text));
	if (length < 0)
		return strerror(errno);
	while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r'))
		length--;
	if (length > TOKEN_MOST)
		return "the token is longer than 512 characters";
	t->length = (size_t)length;
	memcpy(t->text, text, t->length);
	explicit_bzero(text, sizeof(text));
	return token_check(t->text, t->length);
}

const char *token_load(struct access_token *t, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const char *why;

	if (fd < 0)
		return strerror(errno);
	why = token_read(t, fd);
	close(fd);
	return why;
}

/* Takes as long as the given text is, whatever the secret. */
static bool token_is_same(const struct access_token *t, const char *text)
{
	size_t length = strlen(text);
	unsigned int differ = length != t->length;

	for (size_t i = 0; i < length; i++)
		differ |= (unsigned char)text[i] ^ (unsigned char)t->text[i % t->length];
	return !differ;
}

bool token_is_in(const struct access_token *t, const char *header)
{
	static const char scheme[] = "Bearer ";

	if (!t->length)
		return true;
	if (!header || strncasecmp(header, scheme, sizeof(scheme) - 1) != 0)
		return false;
	return token_is_same(t, header + sizeof(scheme) - 1);
}
