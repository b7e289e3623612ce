/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * hwloc says what there is, and the kernel which of it may be used. hwloc is asked for cores, caches and nodes only:
 * what else it can find takes longer. Where it knows nothing, every processor is a core of its own and the C library
 * tells the caches. What is reported of caches is bounded to the plausible, since hypervisors report none or a whole
 * socket's.
 *
 * Caches are the smallest of the machine and not of the processors that may be used: the bits of results depend on
 * them.
 */
#include "math/topology.h"

#include <errno.h>
#include <hwloc.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "math/quota.h"

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

/* NULL: hwloc cannot say. */
static hwloc_topology_t load_hwloc(void)
{
	const unsigned long flags = HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED | HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING |
				    HWLOC_TOPOLOGY_FLAG_NO_DISTANCES | HWLOC_TOPOLOGY_FLAG_NO_MEMATTRS |
				    HWLOC_TOPOLOGY_FLAG_NO_CPUKINDS;
	hwloc_topology_t hwloc;

	if (hwloc_topology_init(&hwloc))
		return NULL;
	if (hwloc_topology_set_all_types_filter(hwloc, HWLOC_TYPE_FILTER_KEEP_NONE) ||
	    hwloc_topology_set_cache_types_filter(hwloc, HWLOC_TYPE_FILTER_KEEP_ALL) ||
	    hwloc_topology_set_type_filter(hwloc, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL) ||
	    hwloc_topology_set_flags(hwloc, flags) || hwloc_topology_load(hwloc)) {
		hwloc_topology_destroy(hwloc);
		return NULL;
	}
	return hwloc;
}

/* The smallest cache of a kind, shared out among the cores that share it if @shared; 0 if there is none. */
static size_t smallest_cache(hwloc_topology_t hwloc, hwloc_obj_type_t type, bool shared)
{
	hwloc_obj_t cache = NULL;
	size_t smallest = 0;

	while ((cache = hwloc_get_next_obj_by_type(hwloc, type, cache))) {
		int cores = shared ? hwloc_get_nbobjs_inside_cpuset_by_type(hwloc, cache->cpuset, HWLOC_OBJ_CORE) : 1;
		size_t size = cache->attr->cache.size / (cores > 0 ? cores : 1);

		if (size && (!smallest || size < smallest))
			smallest = size;
	}
	return smallest;
}

static size_t bounded(size_t size, int name, size_t low, size_t high, size_t unknown)
{
	if (!size) {
		long known = sysconf(name);

		if (known <= 0)
			return unknown;
		size = (size_t)known;
	}
	return size < low ? low : size > high ? high : size;
}

static struct cache read_caches(hwloc_topology_t hwloc)
{
	struct cache cache = { 0 };

	if (hwloc) {
		cache.l1 = smallest_cache(hwloc, HWLOC_OBJ_L1CACHE, true);
		cache.l2 = smallest_cache(hwloc, HWLOC_OBJ_L2CACHE, true);
		cache.l3 = smallest_cache(hwloc, HWLOC_OBJ_L3CACHE, false);
	}
	cache.l1 = bounded(cache.l1, _SC_LEVEL1_DCACHE_SIZE, 16 * KIB, 128 * KIB, 32 * KIB);
	cache.l2 = bounded(cache.l2, _SC_LEVEL2_CACHE_SIZE, 128 * KIB, 4 * MIB, 256 * KIB);
	cache.l3 = bounded(cache.l3, _SC_LEVEL3_CACHE_SIZE, 4 * MIB, 64 * MIB, 8 * MIB);
	return cache;
}

/* Fills in cpu. Returns 0 or -ENOMEM. */
static int read_affinity(struct topology *topology)
{
	/* The kernel refuses a set smaller than its own, whose size it does not tell. */
	for (int bits = CPU_SETSIZE; bits <= 1 << 20; bits *= 2) {
		size_t size = CPU_ALLOC_SIZE(bits);
		cpu_set_t *set = CPU_ALLOC(bits);

		if (!set)
			return -ENOMEM;
		if (sched_getaffinity(0, size, set)) {
			CPU_FREE(set);
			continue;
		}
		topology->processors = calloc(CPU_COUNT_S(size, set), sizeof(*topology->processors));
		for (int cpu = 0; topology->processors && cpu < bits; cpu++)
			if (CPU_ISSET_S(cpu, size, set))
				topology->processors[topology->count++].cpu = cpu;
		CPU_FREE(set);
		return topology->processors ? 0 : -ENOMEM;
	}
	/* Whatever forbids to ask, this one is in use. */
	topology->processors = calloc(1, sizeof(*topology->processors));
	topology->count = 1;
	return topology->processors ? 0 : -ENOMEM;
}

/* Fills in core and node of one. */
static void place_processor(hwloc_topology_t hwloc, struct processor *processor)
{
	hwloc_obj_t pu = hwloc ? hwloc_get_pu_obj_by_os_index(hwloc, processor->cpu) : NULL;
	hwloc_obj_t core = pu ? hwloc_get_ancestor_obj_by_type(hwloc, HWLOC_OBJ_CORE, pu) : NULL;
	int node = pu ? hwloc_bitmap_first(pu->nodeset) : -1;

	/* What is no core is counted apart from the cores. */
	processor->core = core ? core->logical_index : UINT_MAX - processor->cpu;
	processor->node = node < 0 ? 0 : (unsigned int)node;
}

static int compare(unsigned int a, unsigned int b)
{
	return (a > b) - (a < b);
}

static int by_core(const void *a, const void *b)
{
	const struct processor *x = a, *y = b;

	return x->core != y->core ? compare(x->core, y->core) : compare(x->cpu, y->cpu);
}

static int by_turn(const void *a, const void *b)
{
	const struct processor *x = a, *y = b;

	return x->sibling != y->sibling	    ? compare(x->sibling, y->sibling) :
	       x->node_turn != y->node_turn ? compare(x->node_turn, y->node_turn) :
					      compare(x->core_turn, y->core_turn);
}

static int by_node(const void *a, const void *b)
{
	const struct processor *x = a, *y = b;

	return x->node_turn != y->node_turn ? compare(x->node_turn, y->node_turn) : by_turn(a, b);
}

static void order(struct topology *topology)
{
	struct processor *all = topology->processors, *here = &all[0];
	unsigned int cpu = 0, core, node;

	qsort(all, topology->count, sizeof(*all), by_core);
	for (unsigned int i = 0; i < topology->count; i++) {
		if (i && all[i].core == all[i - 1].core)
			all[i].sibling = all[i - 1].sibling + 1;
		else
			topology->cores++;
	}
	getcpu(&cpu, NULL);
	for (unsigned int i = 0; i < topology->count; i++)
		if (all[i].cpu == cpu)
			here = &all[i];
	core = here->core;
	node = here->node;
	/* Those before come after the last: the differences wrap around. */
	for (unsigned int i = 0; i < topology->count; i++) {
		all[i].core_turn = all[i].core - core;
		all[i].node_turn = all[i].node - node;
	}
	qsort(all, topology->count, sizeof(*all), by_turn);
}

int topology_read(struct topology *topology)
{
	hwloc_topology_t hwloc;
	int ret;

	*topology = (struct topology){ .quota = quota_processors("") };
	ret = read_affinity(topology);
	if (ret)
		return ret;
	hwloc = load_hwloc();
	topology->cache = read_caches(hwloc);
	for (unsigned int i = 0; i < topology->count; i++)
		place_processor(hwloc, &topology->processors[i]);
	if (hwloc)
		hwloc_topology_destroy(hwloc);
	order(topology);
	return 0;
}

void topology_free(struct topology *topology)
{
	free(topology->processors);
	*topology = (struct topology){ 0 };
}

unsigned int topology_default_threads(const struct topology *topology)
{
	return topology->cores < topology->quota ? topology->cores : topology->quota;
}

struct processor *topology_places(const struct topology *topology, unsigned int threads)
{
	struct processor *places = calloc(threads, sizeof(*places));

	if (!places)
		return NULL;
	for (unsigned int i = 0; i < threads; i++)
		places[i] = topology->processors[i % topology->count];
	qsort(places, threads, sizeof(*places), by_node);
	return places;
}

int topology_pin(const struct topology *topology, const struct processor *place, pthread_t thread)
{
	unsigned int bits = 0;
	cpu_set_t *set;
	size_t size;
	int ret;

	for (unsigned int i = 0; i < topology->count; i++)
		if (topology->processors[i].cpu >= bits)
			bits = topology->processors[i].cpu + 1;
	size = CPU_ALLOC_SIZE(bits);
	set = CPU_ALLOC(bits);
	if (!set)
		return -ENOMEM;
	CPU_ZERO_S(size, set);
	for (unsigned int i = 0; i < topology->count; i++)
		if (topology->processors[i].core == place->core)
			CPU_SET_S(topology->processors[i].cpu, size, set);
	ret = -pthread_setaffinity_np(thread, size, set);
	CPU_FREE(set);
	return ret;
}
