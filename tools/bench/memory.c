/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* See memory.h. */
#include "bench/memory.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)
/* Of 2 MiB, whatever the default size of this system is: the exponent, where mmap() looks for it. */
#define FLAG_2M	  (21 << 26)

int bench_memory_new(struct bench_memory *memory, size_t bytes)
{
	size_t rounded;
	char *whole, *start;

	*memory = (struct bench_memory){0};
	if (!bytes || bytes > SIZE_MAX / 2)
		return -ENOMEM;
	rounded = (bytes + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	/* Populated, because a page that is not there at the first touch is a SIGBUS. */
	whole = mmap(NULL, rounded, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE | FLAG_2M, -1, 0);
	if (whole != MAP_FAILED) {
		*memory = (struct bench_memory){whole, rounded, true};
		return 0;
	}
	whole = mmap(NULL, rounded + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		     0);
	if (whole == MAP_FAILED)
		return -ENOMEM;
	start = (char *)(((uintptr_t)whole + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
	if (start > whole)
		munmap(whole, start - whole);
	if (start < whole + HUGE_PAGE)
		munmap(start + rounded, whole + HUGE_PAGE - start);
	/* Where the system has none, small ones do. */
	madvise(start, rounded, MADV_HUGEPAGE);
	*memory = (struct bench_memory){start, rounded, false};
	return 0;
}

void bench_memory_free(struct bench_memory *memory)
{
	if (memory->data)
		munmap(memory->data, memory->bytes);
	*memory = (struct bench_memory){0};
}

/* Bytes on transparent huge pages within [@first, @end), as the kernel tells. */
static uint64_t transparent_bytes(uintptr_t first, uintptr_t end)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	unsigned long from, to;
	unsigned long long kib;
	uint64_t bytes = 0;
	bool within = false;
	char line[512];

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx %*4s", &from, &to) == 2)
			within = from < end && to > first;
		else if (within && sscanf(line, "AnonHugePages: %llu kB", &kib) == 1)
			bytes += kib << 10;
	}
	fclose(file);
	return bytes;
}

const char *bench_memory_pages(const struct bench_memory *memory)
{
	uintptr_t first = (uintptr_t)memory->data;

	if (memory->hugetlb)
		return "hugetlb";
	return transparent_bytes(first, first + memory->bytes) >= memory->bytes / 10 * 9 ? "thp" : "small";
}
