/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * map_making.h - makes the large maps of an object on two processors at once.
 *
 * The kernel clears each page of a map when it makes the map.  libbpf makes one map after the
 * other, so the start would wait for all of them.
 */
#ifndef DBLEAK_CAPTURE_MAP_MAKING_H
#define DBLEAK_CAPTURE_MAP_MAKING_H

#include <stdint.h>

struct bpf_map;
struct bpf_object;

/* Makes the large maps of an object that is open and not loaded.  Call it once all sizes are set.
 * A map that cannot be made stays as it was: libbpf tries again at the load, and gives the error.
 */
void map_making_do(struct bpf_object *object);

/* About the bytes that the kernel clears when it makes this map; 0: unknown, or of no weight. */
uint64_t map_making_bytes(const struct bpf_map *m);

#endif
