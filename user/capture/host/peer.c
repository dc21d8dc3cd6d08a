/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * peer.c - see peer.h.
 */
#include "user/capture/host/peer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct table_key end_key(uint64_t socket, uint16_t client_port, uint16_t server_port)
{
	return socket ? (struct table_key){socket, 1}
		      : (struct table_key){(uint64_t)client_port << 16 | server_port, 0};
}

int peers_add(struct peers *p, const struct raw_server *end)
{
	if (!end->socket && !end->remote_port)
		return 0; /* a listening socket, no connection */
	return table_put(&p->ends, end_key(end->socket, end->remote_port, end->local_port),
			 (void *)(uintptr_t)end->pid);
}

void peers_free(struct peers *p)
{
	table_free(&p->ends);
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

int peer_title(const char *title, struct peer_state *state)
{
	static const char prefix[] = "postgres: ";
	char word[EV_NAME_LEN];
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
	if (strcmp(word, "[local]") && !strchr(word, '('))
		return -ENOENT; /* a background process */
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		size_t length = strlen(states[i].words);

		if (strncmp(at, states[i].words, length) || at[length + strspn(at + length, " ")])
			continue;
		state->status = states[i].status;
		break;
	}
	return 0;
}

int peers_ask(struct peers *p, const struct procfs *procfs, const struct raw_identity *id,
	      struct peer_state *state)
{
	void *value = table_get(&p->ends, end_key(id->peer, id->local_port, id->port));
	uint32_t pid = (uintptr_t)value;
	char title[256];
	ssize_t length;

	if (!pid || id->database != EV_DB_POSTGRESQL ||
	    table_get(&p->mute, (struct table_key){pid, 0}))
		return -ENOENT;
	length = procfs_read(procfs, pid, "cmdline", title, sizeof(title));
	if (length <= 0)
		return -ENOENT;
	for (ssize_t i = 0; i < length; i++)
		if (!title[i])
			title[i] = ' ';
	if (!peer_title(title, state))
		return 0;
	/* A process may serve thousands of connections.  Without memory we ask it again. */
	table_put(&p->mute, (struct table_key){pid, 0}, value);
	return -ENOENT;
}
