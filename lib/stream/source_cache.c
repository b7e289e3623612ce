/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* What of a file is in the page cache; see source.h. */
#include "stream/source.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Pages looked at: so many that a file of which a hundredth is missing hardly passes for one that is all there. */
#define SAMPLES 512u

/* The kernel tells the owner and who may write; to others it says that all is there. */
static bool may_know(const struct source *source)
{
	struct stat st;

	return !geteuid() || (!fstat(source->fd, &st) && st.st_uid == geteuid()) || !access(source->path, W_OK);
}

static enum source_cache look(const char *map, uint64_t pages, size_t page)
{
	uint64_t samples = pages < SAMPLES ? pages : SAMPLES, there = 0;
	unsigned char resident;

	for (uint64_t i = 0; i < samples; i++) {
		uint64_t at = samples > 1 ? i * (pages - 1) / (samples - 1) : 0;

		if (mincore((char *)map + at * page, page, &resident))
			return SOURCE_CACHE_UNKNOWN;
		there += resident & 1;
	}
	if (!there)
		return SOURCE_CACHE_NONE;
	return there == samples ? SOURCE_CACHE_ALL : SOURCE_CACHE_SOME;
}

enum source_cache source_look_at_cache(const struct source *source)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	enum source_cache cache;
	void *map;

	if (!source->size || !may_know(source))
		return SOURCE_CACHE_UNKNOWN;
	map = mmap(NULL, source->size, PROT_READ, MAP_SHARED | MAP_NORESERVE, source->fd, 0);
	if (map == MAP_FAILED)
		return SOURCE_CACHE_UNKNOWN;
	cache = look(map, (source->size + page - 1) / page, page);
	munmap(map, source->size);
	return cache;
}
