/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sha256.h - SHA-256 (FIPS 180-4) in base64, as a Content-Security-Policy names a script.
 *
 * For texts of dbleak itself: nothing here keeps a secret.
 */
#ifndef DBLEAK_REPORT_SHA256_H
#define DBLEAK_REPORT_SHA256_H

#include <stddef.h>

#define SHA256_BASE64_SIZE 45 /* with its NUL */

/* Writes 44 characters and NUL. */
void sha256_base64(char out[SHA256_BASE64_SIZE], const void *data, size_t length);

#endif
