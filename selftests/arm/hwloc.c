// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* A double of hwloc that knows of no machine: what the library does then is also what these programs show. */
#include <hwloc.h>
#include <stdlib.h>

int hwloc_topology_init(hwloc_topology_t *topology)
{
	return -1;
}

/* Of a topology, and there is none. */
#define NEVER_CALLED(type, name, ...)    \
	type name(__VA_ARGS__)           \
	{                                \
		abort();                 \
	}

NEVER_CALLED(int, hwloc_topology_set_all_types_filter, hwloc_topology_t topology, enum hwloc_type_filter_e filter)
NEVER_CALLED(int, hwloc_topology_set_cache_types_filter, hwloc_topology_t topology, enum hwloc_type_filter_e filter)
NEVER_CALLED(int, hwloc_topology_set_type_filter, hwloc_topology_t topology, hwloc_obj_type_t type,
	     enum hwloc_type_filter_e filter)
NEVER_CALLED(int, hwloc_topology_set_flags, hwloc_topology_t topology, unsigned long flags)
NEVER_CALLED(int, hwloc_topology_load, hwloc_topology_t topology)
NEVER_CALLED(void, hwloc_topology_destroy, hwloc_topology_t topology)
NEVER_CALLED(int, hwloc_get_type_depth, hwloc_topology_t topology, hwloc_obj_type_t type)
NEVER_CALLED(hwloc_obj_t, hwloc_get_obj_by_depth, hwloc_topology_t topology, int depth, unsigned int index)
NEVER_CALLED(int, hwloc_bitmap_first, hwloc_const_bitmap_t bitmap)
NEVER_CALLED(int, hwloc_bitmap_iszero, hwloc_const_bitmap_t bitmap)
NEVER_CALLED(int, hwloc_bitmap_isincluded, hwloc_const_bitmap_t sub, hwloc_const_bitmap_t super)
