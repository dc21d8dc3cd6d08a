/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * peer.c - see peer.h.
 */
#include "user/capture/host/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/host/server.h"

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

struct peer_end {
	uint64_t start_ns;
	uint32_t pid;
	bool ambiguous; /* two servers have a client of that address and port */
	uint8_t local[16];
};

static bool is_loopback(const uint8_t address[16])
{
	static const uint8_t six[16] = {[15] = 1};

	return !memcmp(address, six, sizeof(six)) ||
	       (!memcmp(address, mapped, sizeof(mapped)) && address[12] == 127);
}

/* Each network namespace has a loopback address of its own. */
static uint64_t address_hash(const uint8_t address[16], uint64_t netns)
{
	uint64_t parts[2], hash;

	memcpy(parts, address, sizeof(parts));
	hash = parts[0] * 0x9e3779b97f4a7c15ULL;
	hash = (hash ^ hash >> 32 ^ parts[1]) * 0xff51afd7ed558ccdULL;
	return is_loopback(address) ? (hash ^ netns) * 0x9e3779b97f4a7c15ULL : hash;
}

/* The server's own address is no part of it: a packet filter may have changed that on the way. */
static struct table_key end_key(uint64_t socket, uint64_t client, uint16_t client_port,
				uint16_t server_port)
{
	return socket ? (struct table_key){socket, UINT64_MAX}
		      : (struct table_key){client, (uint64_t)client_port << 16 | server_port};
}

int peers_add(struct peers *p, const struct raw_server *end)
{
	struct table_key key = end_key(end->socket, address_hash(end->remote, end->netns),
				       end->remote_port, end->local_port);
	struct peer_end *e = table_get(&p->ends, key);

	if (!end->socket && !end->remote_port)
		return 0; /* a listening socket, no connection */
	if (e) {
		e->ambiguous = memcmp(e->local, end->local, sizeof(e->local)) != 0;
		e->pid = end->pid;
		e->start_ns = end->start_ns;
		return 0;
	}
	e = calloc(1, sizeof(*e));
	if (!e || table_put(&p->ends, key, e)) {
		free(e);
		return -ENOMEM;
	}
	e->pid = end->pid;
	e->start_ns = end->start_ns;
	memcpy(e->local, end->local, sizeof(e->local));
	return 0;
}

void peers_free(struct peers *p)
{
	table_free_values(&p->ends);
	table_free(&p->mute);
}

static const struct {
	const char *words;
	enum ev_status status;
} states[] = {
	{"idle in transaction (aborted)", EV_STATUS_FAILED},
	{"idle in transaction", EV_STATUS_TRANSACTION},
	{"idle", EV_STATUS_IDLE},
};

/* Copies the word at *text and moves *text behind it. */
static void next_word(const char **text, char *word, size_t size)
{
	size_t length = strcspn(*text, " ");

	snprintf(word, size, "%.*s", (int)(length < size ? length : size - 1), *text);
	*text += length;
	*text += strspn(*text, " ");
}

/* Reads "[local]" or "127.0.0.1(5555)".  False: neither, as of a background process. */
static bool read_client(const char *word, struct peer_state *state)
{
	const char *open = strrchr(word, '(');
	unsigned long port;
	char *end;

	if (!strcmp(word, "[local]"))
		return true;
	if (!open || open == word)
		return false;
	port = strtoul(open + 1, &end, 10);
	if (end == open + 1 || strcmp(end, ")") != 0 || !port || port > UINT16_MAX)
		return false;
	state->port = (uint16_t)port;
	snprintf(state->host, sizeof(state->host), "%.*s", (int)(open - word), word);
	return true;
}

static void read_status(const char *words, struct peer_state *state)
{
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		size_t length = strlen(states[i].words);

		if (strncmp(words, states[i].words, length) ||
		    words[length + strspn(words + length, " ")])
			continue;
		state->status = states[i].status;
		return;
	}
	state->busy = *words && !state->replication;
}

int peer_title(const char *title, struct peer_state *state)
{
	static const char prefix[] = "postgres: ";
	char word[EV_NAME_LEN + sizeof("(65535)")];
	const char *at = title;

	memset(state, 0, sizeof(*state));
	if (strncmp(at, prefix, sizeof(prefix) - 1))
		return -ENOENT;
	at += sizeof(prefix) - 1;
	next_word(&at, state->user, sizeof(state->user));
	if (*state->user && state->user[strlen(state->user) - 1] == ':') /* cluster_name */
		next_word(&at, state->user, sizeof(state->user));
	state->replication = !strcmp(state->user, "walsender");
	if (state->replication)
		next_word(&at, state->user, sizeof(state->user));
	else
		next_word(&at, state->name, sizeof(state->name));
	next_word(&at, word, sizeof(word));
	if (!read_client(word, state))
		return -ENOENT;
	read_status(at, state);
	return 0;
}

/* Does the title name the client of this connection?  A name instead of an address, as with
 * log_hostname, is not looked up: the port must do. */
static bool names_client(const struct peer_state *state, const struct raw_identity *id)
{
	uint8_t address[16] = {[10] = 0xff, [11] = 0xff};
	char host[EV_NAME_LEN];

	if (id->family == AF_UNIX)
		return !state->port;
	snprintf(host, sizeof(host), "%.*s", (int)strcspn(state->host, "%"), state->host);
	if (state->port != id->local_port)
		return false;
	if (inet_pton(AF_INET, host, address + sizeof(mapped)) != 1 &&
	    inet_pton(AF_INET6, host, address) != 1)
		return true;
	return !memcmp(address, id->local, sizeof(address));
}

/* The pid of a process in its own pid namespace; 0: not known. */
static uint32_t own_pid(const struct procfs *procfs, uint32_t pid)
{
	char status[2048];
	ssize_t n = procfs_read(procfs, pid, "status", status, sizeof(status) - 1);
	char *line, *last;

	status[n > 0 ? n : 0] = '\0';
	line = strstr(status, "\nNSpid:");
	if (!line)
		return 0;
	line += sizeof("\nNSpid:") - 1;
	line[strcspn(line, "\n")] = '\0';
	last = strrchr(line, '\t');
	return last ? (uint32_t)strtoul(last + 1, NULL, 10) : 0;
}

static int read_title(const struct peers *p, const struct procfs *procfs,
		      const struct peer_end *end, struct peer_state *state)
{
	char title[512];
	ssize_t length;

	if (server_prove(procfs, end->pid, end->start_ns, EV_DB_POSTGRESQL, p->named) ==
	    SERVER_UNPROVEN)
		return -ENOENT;
	length = procfs_read(procfs, end->pid, "cmdline", title, sizeof(title) - 1);
	if (length <= 0)
		return -ENOENT;
	for (ssize_t i = 0; i < length; i++)
		if (!title[i])
			title[i] = ' ';
	title[length] = '\0';
	return peer_title(title, state);
}

int peers_ask(struct peers *p, const struct procfs *procfs, const struct raw_identity *id,
	      struct peer_state *state)
{
	struct peer_end *end = table_get(
		&p->ends,
		end_key(id->peer, address_hash(id->local, id->netns), id->local_port, id->port));

	if (!end || end->ambiguous || id->database != EV_DB_POSTGRESQL ||
	    table_get(&p->mute, (struct table_key){end->pid, end->start_ns}))
		return -ENOENT;
	if (read_title(p, procfs, end, state)) {
		/* A process may serve thousands of connections.  Without memory we ask it again. */
		table_put(&p->mute, (struct table_key){end->pid, end->start_ns}, end);
		return -ENOENT;
	}
	if (!names_client(state, id))
		return -ENOENT;
	state->pid = end->pid;
	state->session = own_pid(procfs, end->pid);
	return 0;
}
