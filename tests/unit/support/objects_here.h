/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * objects_here.h - stands in for the worker that reads code objects: this process reads its own.
 */
#ifndef OBJECTS_HERE_H
#define OBJECTS_HERE_H

#include "user/capture/stack/objects.h"
#include "user/capture/stack/python_object.h"

int objects_python(struct objects *o, const struct python_code_layout *layout,
		   const struct python_process *process, const struct python_wanted *wanted,
		   size_t n, python_told_fn *fn, void *context)
{
	static struct python_objects *here;
	int err = here ? 0 : python_objects_open(&here);

	(void)o;
	return err ? err : python_objects_read(here, layout, process, wanted, n, fn, context);
}

#endif
