/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * http.c - see http.h.
 *
 * The library parses; what it may do is bounded by GUESTS_MOST, GUEST_MS and MEMORY_MOST.  While a
 * page is asked for nobody else is served: an answer takes milliseconds.
 */
#include "user/serve/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/serve/feed.h"
#include "user/serve/guests.h"
#include "user/system/clock.h"

#define MEMORY_MOST    (32U << 10) /* of one connection: 1 MB of headers is refused */
#define IDLE_S	       5
#define CONNECTIONS    (GUESTS_MOST + 32) /* some are about to be closed */
#define CONNECTIONS_IP 32		  /* of one other host */
#define RETRY_MS       1000
#define TEXT_TYPE      "text/plain; charset=utf-8"

/* A page that was told, to be told again. */
struct kept_page {
	struct MHD_Response *response; /* NULL: none */
	unsigned int status;
	uint64_t until_ms;
};

struct http {
	const struct http_setup *setup;
	struct feed feed;
	struct guests guests;
	struct kept_page kept[PAGES_MOST];
	struct MHD_Daemon *daemon;
};

/* --- answers ------------------------------------------------------------------------------ */

static void add_headers(struct MHD_Response *r, const char *type, const char *policy)
{
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
	MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	if (!policy || *policy)
		MHD_add_response_header(r, "Content-Security-Policy",
					policy ? policy : "default-src 'none'");
}

/* A status with a line of text, and a header more (name NULL: none). */
static enum MHD_Result refuse(struct MHD_Connection *c, unsigned int status, const char *text,
			      const char *name, const char *value)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(strlen(text), (void *)text,
								 MHD_RESPMEM_MUST_COPY);
	enum MHD_Result done;

	if (!r)
		return MHD_NO;
	add_headers(r, TEXT_TYPE, NULL);
	if (name)
		MHD_add_response_header(r, name, value);
	done = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return done;
}

/* Names the pages that there are.  Those with one path lie side by side. */
static enum MHD_Result refuse_path(struct MHD_Connection *c, const struct page_table *t)
{
	char text[512];
	int length = snprintf(text, sizeof(text), "no such page; there are:");

	for (size_t i = 0; i < t->count && length < (int)sizeof(text) - 1; i++)
		if (!i || strcmp(t->pages[i].path, t->pages[i - 1].path) != 0)
			length += snprintf(text + length, sizeof(text) - (size_t)length, " %s",
					   t->pages[i].path);
	if (length < (int)sizeof(text) - 1)
		strcpy(text + length, "\n");
	return refuse(c, MHD_HTTP_NOT_FOUND, text, NULL, NULL);
}

static void forget_page(struct kept_page *k)
{
	if (k->response)
		MHD_destroy_response(k->response); /* those that are being sent keep it */
	*k = (struct kept_page){};
}

static void keep_page(struct http *h, struct kept_page *k, const struct served_page *page,
		      struct feed_page *fed)
{
	unsigned int fresh = page->fresh_ms > h->setup->fresh_ms ? page->fresh_ms
								 : h->setup->fresh_ms;

	forget_page(k);
	k->response = MHD_create_response_from_buffer(fed->length, fed->bytes,
						      MHD_RESPMEM_MUST_FREE);
	if (!k->response) {
		free(fed->bytes);
		return;
	}
	add_headers(k->response, fed->error ? TEXT_TYPE : page->type,
		    fed->error ? NULL : page->policy);
	k->status = fed->error ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK;
	k->until_ms = clock_monotonic_ms() + (fed->error ? RETRY_MS : fresh);
}

static enum MHD_Result tell_page(struct http *h, struct MHD_Connection *c,
				 const struct served_page *page)
{
	size_t index = (size_t)(page - h->setup->table->pages);
	struct kept_page *k = &h->kept[index];

	if (!k->response || clock_monotonic_ms() >= k->until_ms) {
		struct feed_page fed;

		forget_page(k);
		if (!feed_ask(&h->feed, (uint32_t)index, &fed))
			keep_page(h, k, page, &fed);
	}
	if (!k->response)
		return refuse(c, MHD_HTTP_SERVICE_UNAVAILABLE, "dbleak does not answer\n",
			      MHD_HTTP_HEADER_RETRY_AFTER, "5");
	return MHD_queue_response(c, k->status, k->response);
}

/* --- requests ----------------------------------------------------------------------------- */

static const char *header(struct MHD_Connection *c, const char *name)
{
	return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

/* Answers before any body is read, so that none is taken in. */
static enum MHD_Result http_answer(void *context, struct MHD_Connection *c, const char *url,
				   const char *method, const char *version, const char *upload,
				   size_t *upload_size, void **request)
{
	struct http *h = context;
	const struct http_setup *s = h->setup;
	const struct served_page *page;

	(void)version;
	(void)upload;
	(void)upload_size;
	(void)request;
	if (s->address->loopback && !listen_is_own_host(header(c, MHD_HTTP_HEADER_HOST)))
		return refuse(c, 421, "this is no name of this host\n", NULL, NULL);
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return refuse(c, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD only\n",
			      MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	page = page_find(s->table, url, header(c, MHD_HTTP_HEADER_ACCEPT));
	if ((!page || !page->open) &&
	    !token_is_in(s->token, header(c, MHD_HTTP_HEADER_AUTHORIZATION)))
		return refuse(c, MHD_HTTP_UNAUTHORIZED, "the token is missing or wrong\n",
			      MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"dbleak\"");
	if (!page)
		return refuse_path(c, s->table);
	return tell_page(h, c, page);
}

/* Connections that come and go. */
static void note_guest(void *context, struct MHD_Connection *c, void **guest,
		       enum MHD_ConnectionNotificationCode what)
{
	struct http *h = context;
	const union MHD_ConnectionInfo *info;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		guests_remove(&h->guests, *guest);
		return;
	}
	info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	*guest = info ? guests_add(&h->guests, info->connect_fd, clock_monotonic_ms()) : NULL;
}

static void say_nothing(void *context, const char *format, va_list values)
{
	(void)context;
	(void)format;
	(void)values;
}

/* --- the loop ----------------------------------------------------------------------------- */

static struct MHD_Daemon *start(struct http *h)
{
	/* Readers of this host share an address, and are no others' burden. */
	unsigned int of_one = h->setup->address->loopback || *h->setup->address->path
				      ? CONNECTIONS
				      : CONNECTIONS_IP;

	return MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, http_answer, h, MHD_OPTION_EXTERNAL_LOGGER,
		say_nothing, NULL, MHD_OPTION_LISTEN_SOCKET, h->setup->listening,
		MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
		of_one, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)MEMORY_MOST, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION,
		note_guest, h, MHD_OPTION_END);
}

/* Milliseconds until something is due, whoever wants it. */
static int wait_ms(struct http *h)
{
	int due = guests_expire(&h->guests, clock_monotonic_ms());
	MHD_UNSIGNED_LONG_LONG theirs;

	if (MHD_get_timeout(h->daemon, &theirs) != MHD_YES || (due >= 0 && theirs > (unsigned)due))
		return due;
	return (int)theirs;
}

static void loop(struct http *h)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	struct pollfd fds[] = {{.fd = info->epoll_fd, .events = POLLIN},
			       {.fd = h->setup->wire, .events = 0}};

	for (;;) {
		if (poll(fds, 2, wait_ms(h)) < 0 && errno != EINTR)
			return;
		if (fds[1].revents)
			return;
		MHD_run(h->daemon);
	}
}

int http_serve(const struct http_setup *setup)
{
	static struct http h;
	int err;

	h = (struct http){.setup = setup, .feed = {.wire = setup->wire}};
	h.daemon = start(&h);
	if (!h.daemon)
		return errno ? -errno : -EIO;
	err = setup->confine ? setup->confine() : 0;
	if (!err)
		loop(&h);
	for (size_t i = 0; i < PAGES_MOST; i++)
		forget_page(&h.kept[i]);
	MHD_stop_daemon(h.daemon);
	return err;
}
