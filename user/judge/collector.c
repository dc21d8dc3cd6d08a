/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * collector.c - see collector.h.  A collector is recognised by the names of its functions that move
 * objects.
 */
#include "user/judge/collector.h"

#include <string.h>

static const struct moving_collector v8 = {"V8", "two heap snapshots (node --heapsnapshot-signal)"};
static const struct moving_collector jvm = {"the JVM", "two runs of `jcmd PID GC.class_histogram`"};
static const struct moving_collector clr = {".NET", "two runs of `dotnet-gcdump collect`"};

/* Prefixes of the names of functions that move objects. */
static const struct {
	const char *prefix;
	const struct moving_collector *of;
} functions[] = {
	{"v8::internal::Scavenger", &v8},
	{"v8::internal::Heap::Scavenge", &v8},
	{"v8::internal::Heap::CollectGarbage", &v8},
	{"v8::internal::Heap::PerformGarbageCollection", &v8},
	{"v8::internal::MinorGCJob", &v8},
	{"v8::internal::MarkCompact", &v8},
	{"v8::internal::Evacuator", &v8},
	{"v8::internal::PageEvacuationJob", &v8},
	{"v8::internal::ConcurrentMarking", &v8},
	{"G1ParScan", &jvm},
	{"G1Evacuate", &jvm},
	{"G1RemSet::", &jvm},
	{"G1CollectedHeap::do_collection", &jvm},
	{"G1YoungCollector::", &jvm},
	{"G1FullGC", &jvm},
	{"PSPromotionManager::", &jvm},
	{"PSScavenge::", &jvm},
	{"PSParallelCompact", &jvm},
	{"DefNewGeneration::", &jvm},
	{"TenuredGeneration::", &jvm},
	{"GenCollectedHeap::do_collection", &jvm},
	{"GenMarkSweep::", &jvm},
	{"GangWorker::", &jvm},
	{"ZRelocate", &jvm},
	{"ShenandoahEvacuat", &jvm},
	{"WKS::gc_heap::", &clr},
	{"SVR::gc_heap::", &clr},
};

static const struct moving_collector *collector_of(const char *function)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (!strncmp(function, functions[i].prefix, strlen(functions[i].prefix)))
			return functions[i].of;
	return NULL;
}

const struct moving_collector *collector_find(const struct code *code, uint64_t stack)
{
	const struct code_stack *s = code_stack(code, stack);

	for (uint32_t i = 0; s && i < s->count; i++) {
		const struct code_frame *f = code_frame(code, s->frame[i]);
		const struct moving_collector *found = f && f->function &&
								       f->language <= EV_LANG_NATIVE
							       ? collector_of(f->function)
							       : NULL;

		if (found)
			return found;
	}
	return NULL;
}
