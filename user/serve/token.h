/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * token.h - the secret that a reader of dbleak serve must know, as "Authorization: Bearer SECRET".
 */
#ifndef DBLEAK_SERVE_TOKEN_H
#define DBLEAK_SERVE_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#define TOKEN_LEAST 16
#define TOKEN_MOST  512

struct access_token {
	size_t length; /* 0: nobody needs one */
	char text[TOKEN_MOST];
};

/* Reads the only line of a file that nobody but its owner may read.  NULL, or a reason why not. */
const char *token_load(struct access_token *t, const char *path);
/* Is the value of an Authorization header this token?  header: NULL there is none.  The time it
 * takes does not tell how much of the secret is right. */
bool token_is_in(const struct access_token *t, const char *header);

#endif
