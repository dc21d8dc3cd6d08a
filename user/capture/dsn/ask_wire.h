/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * ask_wire.h - the packets between dbleak and the child that asks a server.
 *
 * Server and child are not trusted: the asking side checks sizes, ends texts and bounds numbers.
 */
#ifndef DBLEAK_CAPTURE_ASK_WIRE_H
#define DBLEAK_CAPTURE_ASK_WIRE_H

#include <stdint.h>

#include "bpf/event.h"

#define ASK_ROWS_MOST 4096
#define ASK_WORDS     160
#define ASK_MS	      3000 /* of one question, from the request to the last row */

enum ask_packet { ASK_ROW = 1, ASK_END = 2 };

/* A session of the server. */
struct ask_row {
	uint32_t packet; /* ASK_ROW */
	uint32_t number; /* of the question */
	uint64_t session;
	double transaction_seconds; /* age of its transaction; < 0 none or not known */
	double state_seconds;	    /* since its state changed; < 0 not known */
	uint8_t client[16];	    /* IPv6, or IPv4 mapped into it */
	uint16_t client_port;	    /* 0: no TCP */
	uint8_t status;		    /* enum ev_status */
	uint8_t busy;		    /* a command runs */
	uint8_t replication, reserved[3];
	char user[EV_NAME_LEN], name[EV_NAME_LEN], application[EV_NAME_LEN];
	char text[EV_SQL_LEN]; /* its last SQL, with all literals */
};

/* The last packet of an answer. */
struct ask_end {
	uint32_t packet; /* ASK_END */
	uint32_t number;
	uint32_t failed; /* 1: words say why there is no answer */
	uint16_t port;	 /* of the server */
	uint8_t local;	 /* the server is on this host */
	uint8_t hidden;	 /* it does not show what sessions of others do */
	uint8_t more;	 /* there are more rows than were told */
	uint8_t reserved[3];
	uint8_t address[16]; /* of the server; zero over a Unix socket */
	char words[ASK_WORDS];
};

#endif
