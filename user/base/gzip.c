/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * gzip.c - see gzip.h.
 */
#include "user/base/gzip.h"

#include <errno.h>
#include <zlib.h>

#define WINDOW_GZIP (15 + 16) /* the largest window; 16: with the head of gzip */
#define MEMORY	    8
#define PIECE	    (1U << 30) /* zlib counts in unsigned int */

/* Compresses what the stream was given, and writes it.  flush: Z_FINISH with the last piece. */
static int gzip_put(z_stream *z, FILE *out, int flush)
{
	unsigned char piece[16 << 10];
	int err;

	do {
		z->next_out = piece;
		z->avail_out = sizeof(piece);
		err = deflate(z, flush);
		if (err == Z_STREAM_ERROR)
			return -EINVAL;
		errno = 0;
		if (fwrite(piece, 1, sizeof(piece) - z->avail_out, out) !=
		    sizeof(piece) - z->avail_out)
			return errno ? -errno : -EIO;
	} while (!z->avail_out);
	return 0;
}

int gzip_write(FILE *out, const void *bytes, size_t length)
{
	z_stream z = {.next_in = (Bytef *)bytes};
	int err = 0;

	if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, WINDOW_GZIP, MEMORY, Z_DEFAULT_STRATEGY) !=
	    Z_OK)
		return -ENOMEM;
	do {
		z.avail_in = length < PIECE ? (uInt)length : PIECE;
		length -= z.avail_in;
		err = gzip_put(&z, out, length ? Z_NO_FLUSH : Z_FINISH);
	} while (!err && length);
	deflateEnd(&z);
	return err;
}
