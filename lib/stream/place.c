/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Processors for threads; see place.h. */
#include "stream/place.h"
#include "base/sysfile.h"

#include <errno.h>
#include <hwloc/bitmap.h>
#include <stdio.h>

/* Leaves of @set what node @node has. False if that is nothing, or nobody says. */
static bool keep_node(cpu_set_t *set, unsigned int node)
{
	hwloc_bitmap_t processors;
	char path[64], list[4096];
	bool known;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/cpulist", node);
	processors = hwloc_bitmap_alloc();
	if (!processors)
		return false;
	known = sysfile_read(path, list, sizeof(list)) > 0 && !hwloc_bitmap_list_sscanf(processors, list);
	for (unsigned int cpu = 0; known && cpu < CPU_SETSIZE; cpu++)
		if (!hwloc_bitmap_isset(processors, cpu))
			CPU_CLR(cpu, set);
	hwloc_bitmap_free(processors);
	return known && CPU_COUNT(set);
}

unsigned int place_node(struct pinpool_pool *pool)
{
	struct pinpool_info info = {.size = sizeof(info)};

	return pinpool_pool_get_info(pool, &info) || info.numa_node < 0 ? 0 : (unsigned int)info.numa_node + 1;
}

int place_begin(struct place *place, unsigned int node)
{
	cpu_set_t set;
	int err;

	*place = (struct place){0};
	CPU_ZERO(&place->processors);
	err = -pthread_attr_init(&place->attr);
	/* Of more processors than a set holds the kernel says nothing. */
	if (err || sched_getaffinity(0, sizeof(place->processors), &place->processors))
		return err;
	set = place->processors;
	if (!node || !keep_node(&set, node - 1))
		return 0;
	place->bound = true;
	place->processors = set;
	err = -pthread_attr_setaffinity_np(&place->attr, sizeof(set), &set);
	if (err)
		pthread_attr_destroy(&place->attr);
	return err;
}

void place_end(struct place *place)
{
	pthread_attr_destroy(&place->attr);
}

size_t place_size(const struct place *place)
{
	int count = CPU_COUNT(&place->processors);

	return count ? (size_t)count : 1;
}

int place_start(const struct place *place, pthread_t *thread, void *(*main)(void *), void *arg)
{
	return pthread_create(thread, &place->attr, main, arg);
}
