/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * supply.c - sends one packet and receives one, perhaps with a descriptor.
 */
#include "user/capture/stack/native/supply.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union supply_descriptor {
	struct cmsghdr head;
	char room[CMSG_SPACE(sizeof(int))];
};

static void send_request(int asking, const struct supply_request *request)
{
	while (send(asking, request, sizeof(*request), MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			_exit(0);
}

static size_t supply_receive(int asking, struct msghdr *message)
{
	ssize_t got;

	do
		got = recvmsg(asking, message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < (ssize_t)sizeof(struct supply_reply))
		_exit(0);
	return (size_t)got;
}

/* Stops the wall clock of the current look meanwhile, because the parent has other things to do. */
int supply_ask(int asking, const struct supply_request *request, struct supply_reply *reply,
	       int *fd)
{
	union supply_descriptor with;
	struct iovec vec = {reply, SUPPLY_PACKET_MAX};
	struct msghdr message = {.msg_iov = &vec,
				 .msg_iovlen = 1,
				 .msg_control = &with,
				 .msg_controllen = sizeof(with)};
	unsigned int left = alarm(0);
	struct cmsghdr *head;
	size_t got;
	int came = -1;

	send_request(asking, request);
	got = supply_receive(asking, &message);
	head = CMSG_FIRSTHDR(&message);
	if (head && head->cmsg_type == SCM_RIGHTS && head->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&came, CMSG_DATA(head), sizeof(came));
	if (left)
		alarm(left);
	if (fd)
		*fd = came;
	else if (came >= 0)
		close(came);
	return reply->error ? reply->error : (int)(got - sizeof(*reply));
}
