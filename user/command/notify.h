/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * notify.h - tells the service manager that the watch has begun, that it lives, and that it ends.
 *
 * The protocol of sd_notify(3), in a few lines: a datagram of VARIABLE=VALUE lines to the socket
 * that NOTIFY_SOCKET names.  Nothing here is an error: a watch goes on without its manager.
 */
#ifndef DBLEAK_COMMAND_NOTIFY_H
#define DBLEAK_COMMAND_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct notify {
	int fd;		    /* <= 0: nobody is to be told */
	uint64_t period_ns; /* between two signs of life; 0: none is wanted */
	uint64_t due_ns, status_ns;
};

/* Opens the socket, which later the filter of system calls would refuse, and takes the variables
 * out of the environment: they are for nobody whom we start. */
void notify_open(struct notify *n);
void notify_close(struct notify *n);
/* Sends lines such as "READY=1".  Never waits. */
void notify_say(const struct notify *n, const char *lines);
/* The sign of life that WatchdogSec= asks for, when one is due.  To be called often, by the thread
 * whose life it is. */
void notify_live(struct notify *n);
/* Is a line for "systemctl status" due?  Every ten seconds it is, if there is anybody to tell. */
bool notify_wants_status(struct notify *n);

#endif
