/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * screen_of.h - a small shop on the live screen, and screens as text.
 */
#ifndef SCREEN_OF_H
#define SCREEN_OF_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/support/sample_view.h"
#include "user/base/escape.h"
#include "user/top/display.h"

#define SHOP_PROCESSES 4

/* Three programs with a database, and a pooler below one of them. */
static struct {
	struct frame_view frames[2];
	struct finding_view leak, stuck;
	struct endpoint_view endpoints[SHOP_PROCESSES];
	struct process_view processes[SHOP_PROCESSES];
	struct report_view view;
} shop;

static inline struct process_view *shop_process(size_t i, uint32_t pid, enum verdict verdict,
						struct finding_view *f)
{
	shop.processes[i] = sample_process(pid, verdict, &shop.endpoints[i], f);
	return &shop.processes[i];
}

static inline void shop_opens(uint64_t open)
{
	shop.leak = sample_finding();
	shop.leak.acquired = shop.leak.open = shop.leak.in_transaction = open;
	sample_site(&shop.leak, shop.frames);
	shop.endpoints[0] = sample_endpoint(open);
	shop.endpoints[0].connections.idle = 0;
	shop.endpoints[0].connections.in_transaction = open;
	shop_process(0, 4711, VERDICT_LEAKING, &shop.leak)->cmdline =
		"/usr/bin/python3 /srv/shop/orders.py";

	shop.stuck = shop.leak;
	shop.stuck.verdict = VERDICT_STUCK;
	shop.stuck.open = shop.stuck.acquired = 1;
	shop.stuck.site = NULL;
	shop.stuck.growth_per_minute = -1;
	shop.stuck.exhausts_limit = NULL;
	shop.stuck.endpoint = "10.0.0.5:5432/stock as app";
	shop.endpoints[1] = sample_endpoint(2);
	shop.endpoints[1].name = "stock";
	shop.endpoints[1].waiters = (struct waiters_view){.count = 3, .oldest_seconds = 7};
	shop_process(1, 812, VERDICT_STUCK, &shop.stuck)->unit = "stock.service";

	shop.endpoints[2] = sample_endpoint(20);
	shop_process(2, 90, VERDICT_OK, NULL)->role = EV_ROLE_POOLER;
	shop.endpoints[3] = sample_endpoint(1);
	shop.processes[3] = sample_process(91, VERDICT_OK, &shop.endpoints[3], NULL);
	shop.processes[3].parent_pid = 90;
	shop.processes[3].start_realtime_ns = 1;
	shop.processes[3].cmdline = NULL;
}

/* A look after so many seconds.  The view stays the shop's. */
static inline void shop_look(struct display *d, double seconds, uint64_t open)
{
	shop_opens(open);
	shop.view = sample_view(shop.processes, SHOP_PROCESSES);
	shop.view.seconds = seconds;
	shop.view.host_name = "db7";
	d->view = NULL;
	assert_int_equal(display_take(d, &shop.view), 0);
}

static inline void shop_closes(struct display *d)
{
	d->view = NULL;
	display_free(d);
}

static inline void types(struct display *d, const char *keys)
{
	for (; *keys; keys++)
		assert_int_equal(display_key(d, (unsigned char)*keys), 0);
}

static inline void presses(struct display *d, uint32_t key)
{
	assert_int_equal(display_key(d, key), 0);
}

/* The screen as lines; the caller frees it.  Each cell is checked: whatever the programs are
 * called, a terminal gets nothing that it obeys. */
static inline char *screen_of(struct display *d, size_t rows, size_t columns, bool utf8)
{
	struct screen s = {.utf8 = utf8};
	char *text = NULL, row[4 * SCREEN_COLUMNS_MOST + 1];
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(screen_size(&s, rows, columns), 0);
	assert_int_equal(display_draw(d, &s), 0);
	for (size_t i = 0; i < s.rows; i++) {
		for (size_t k = 0; k < s.columns; k++) {
			uint32_t code = screen_at(&s, i, k)->code;

			assert_true(code == SCREEN_HALF || (code >= ' ' && code < 0x7f) ||
				    (utf8 && code >= 0xa0));
		}
		fprintf(out, "%.*s\n", (int)screen_row_text(&s, i, row), row);
	}
	fclose(out);
	screen_free(&s);
	return text;
}

/* The whole file; the caller frees it.  NULL: there is none. */
static inline char *kept_screen(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	if (f && getdelim(&text, &size, '\0', f) < 0) {
		free(text);
		text = NULL;
	}
	if (f)
		fclose(f);
	return text;
}

/* Compares the screen with the one in tests/unit/top/screens; with BLESS in the environment the
 * screen becomes that one. */
static inline void expect_screen(struct display *d, size_t rows, size_t columns, bool utf8,
				 const char *name)
{
	char *text = screen_of(d, rows, columns, utf8), *kept, path[256];

	snprintf(path, sizeof(path), "tests/unit/top/screens/%s", name);
	if (getenv("BLESS")) {
		FILE *f = fopen(path, "we");

		assert_non_null(f);
		fputs(text, f);
		fclose(f);
	}
	kept = kept_screen(path);
	assert_non_null(kept);
	assert_string_equal(text, kept);
	free(kept);
	free(text);
}

static inline bool screen_has(struct display *d, const char *part)
{
	char *text = screen_of(d, 24, 80, true);
	bool has = strstr(text, part) != NULL;

	free(text);
	return has;
}

#endif
