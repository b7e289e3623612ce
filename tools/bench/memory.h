/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Memory for what is measured: in pages of 2 MiB, or it says that it is not. */
#ifndef PINPOOL_TOOLS_BENCH_MEMORY_H
#define PINPOOL_TOOLS_BENCH_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed is what was never given memory; freeing that is fine. */
struct bench_memory {
	void *data; /* at a multiple of 2 MiB, zeros */
	size_t bytes; /* mapped, a multiple of that */
	bool hugetlb;
};

/* Takes free pages of hugetlbfs, else asks for transparent ones. Returns 0 or -ENOMEM. */
int bench_memory_new(struct bench_memory *memory, size_t bytes);
void bench_memory_free(struct bench_memory *memory);

/* Which pages it lies on, once it was written: "hugetlb", "thp" if at least nine in ten are, else "small". */
const char *bench_memory_pages(const struct bench_memory *memory);

#endif
