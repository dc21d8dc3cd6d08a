/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * output.c - see output.h.
 */
#include "user/base/output.h"

#include <errno.h>

int output_close(FILE *file)
{
	int err = 0;

	errno = 0;
	if (fflush(file) || ferror(file))
		err = errno ? -errno : -EIO;
	if (file != stdout && file != stderr && fclose(file) && !err)
		err = -errno;
	return err;
}
