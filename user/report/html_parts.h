/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * html_parts.h - the files of user/report/html/, as they are.
 */
#ifndef DBLEAK_REPORT_HTML_PARTS_H
#define DBLEAK_REPORT_HTML_PARTS_H

/* Each ends with NUL. */
extern const char html_style[], html_views[], html_script[];

#endif
