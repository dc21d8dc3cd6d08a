/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * tls_static.c - stands for GnuTLS in the static build, where distributions have no archive of it.
 *
 * libmicrohttpd calls GnuTLS for HTTPS, which dbleak never asks for, and begins it at its start.
 * The Makefile puts tls_is_missing in the place of every other function of it.
 */

int gnutls_global_init(void);
void gnutls_global_deinit(void);
long tls_is_missing(void);

int gnutls_global_init(void)
{
	return 0;
}

void gnutls_global_deinit(void)
{
}

/* An error of GnuTLS, wherever one is returned. */
long tls_is_missing(void)
{
	return -1;
}
