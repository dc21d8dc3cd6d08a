/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * ask_server.h - the child's side: each kind of server is asked through its client library.
 *
 * The libraries are loaded when the option asks for it and not before, and never linked.
 */
#ifndef DBLEAK_CAPTURE_ASK_SERVER_H
#define DBLEAK_CAPTURE_ASK_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "user/capture/dsn/ask_wire.h"

struct ask_sink {
	/* Sends a row.  False: nobody listens any more. */
	bool (*row)(struct ask_sink *sink, struct ask_row *row);
	int wire;
	uint32_t number, rows;
};

/* A kind of server.  load finds the client library, once; NULL or the reason why not.  ask
 * connects, sends each session to the sink and fills end, within ASK_MS where the library allows
 * that. */
struct ask_engine {
	const char *(*load)(void);
	void (*ask)(const char *url, struct ask_sink *sink, struct ask_end *end);
};

extern const struct ask_engine ask_postgresql, ask_mysql;

/* Why nothing can be asked where host_library_may_open() says no. */
#define ASK_STATIC "the static dbleak loads no client library: install the package for --dsn"

/* Ends an answer with that reason. */
void ask_fail(struct ask_end *end, const char *why) __attribute__((nonnull));
/* Notes the server's address, from our connection to it. */
void ask_note_server(struct ask_end *end, int fd);
/* Reads an address in text, "localhost" too; false: it is none. */
bool ask_address(const char *text, uint8_t address[16]);
/* Loads the first of these libraries that is there; NULL ends the list. */
void *ask_library(const char *const *names);
void ask_copy(char *to, size_t size, const char *from, size_t length);

#endif
