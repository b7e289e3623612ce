// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * What it costs to map, touch and unmap memory that is there already: a READY pool of the module, beside a file on
 * hugetlbfs. In instructions, see counter.h. For bench/map.py.
 *
 * usage: map HUGETLBFS    a mount with pages for a file of 1 GiB and one of 2 MiB
 *
 * Prints one object with the counts for either kind of memory, each the median of REPEATS:
 *
 * - map: for each 2 MiB of 1 GiB, mmap, one byte of each 2 MiB read, munmap
 * - populate: the same with MAP_POPULATE
 * - attach_small, attach_large: in all, open, mmap far from other mappings, munmap, close of 2 MiB and of 1 GiB
 */
#include "counter.h"

#include <errno.h>
#include <fcntl.h>
#include <pinpool/pinpool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE	(2UL << 20)
#define SMALL	PAGE
#define LARGE	(1UL << 30)
#define REPEATS 15
/* A part of the address space with no page tables yet. */
#define FAR_AWAY ((void *)(1UL << 40))

struct memory {
	const char *kind;
	char small[128]; /* path of a file of SMALL bytes */
	char large[128];
};

struct costs {
	uint64_t map;
	uint64_t populate;
	uint64_t attach_small;
	uint64_t attach_large;
};

static uint64_t median_cost(uint64_t (*cost)(const char *path, size_t bytes), const char *path, size_t bytes)
{
	uint64_t costs[REPEATS];

	/* Once for what only the first time costs: code paged in, page tables for it. */
	cost(path, bytes);
	for (int i = 0; i < REPEATS; i++)
		costs[i] = cost(path, bytes);
	return median(costs, REPEATS);
}

static int open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die(path, strerror(errno));
	return fd;
}

static uint64_t map_touch_unmap(const char *path, size_t bytes, int flags)
{
	int fd = open_file(path), sum = 0;
	uint64_t before, after;
	const volatile char *p;

	before = instructions();
	p = mmap(NULL, bytes, PROT_READ, MAP_SHARED | flags, fd, 0);
	if (p == MAP_FAILED)
		die(path, strerror(errno));
	for (size_t i = 0; i < bytes; i += PAGE)
		sum += p[i];
	munmap((void *)p, bytes);
	after = instructions();
	close(fd);
	if (sum)
		die(path, "not the zeroes that were put there");
	return (after - before) / (bytes / PAGE);
}

static uint64_t cost_map(const char *path, size_t bytes)
{
	return map_touch_unmap(path, bytes, 0);
}

static uint64_t cost_populate(const char *path, size_t bytes)
{
	return map_touch_unmap(path, bytes, MAP_POPULATE);
}

static uint64_t cost_attach(const char *path, size_t bytes)
{
	uint64_t before = instructions();
	int fd = open_file(path);
	void *p = mmap(FAR_AWAY, bytes, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);

	if (p == MAP_FAILED)
		die(path, strerror(errno));
	munmap(p, bytes);
	close(fd);
	return instructions() - before;
}

static void measure(const struct memory *memory, struct costs *costs)
{
	costs->map = median_cost(cost_map, memory->large, LARGE);
	costs->populate = median_cost(cost_populate, memory->large, LARGE);
	costs->attach_small = median_cost(cost_attach, memory->small, SMALL);
	costs->attach_large = median_cost(cost_attach, memory->large, LARGE);
}

static void make_pool(struct pinpool_ctx *ctx, const char *name, size_t bytes)
{
	struct pinpool_create_opts create = {.size = sizeof(create), .capacity = bytes};
	struct pinpool_commit_opts commit = {.size = sizeof(commit), .length = bytes};
	struct pinpool_diag diag = {0};
	struct pinpool_pool *pool;
	int err;

	err = pinpool_pool_create(ctx, name, &create, &diag);
	if (!err)
		err = pinpool_pool_open(ctx, name, PINPOOL_OPEN_WRITE, &pool, &diag);
	if (!err)
		err = pinpool_pool_begin(pool, &diag);
	if (!err)
		err = pinpool_pool_commit(pool, &commit, &diag);
	if (err)
		die(name, *diag.cause ? diag.cause : strerror(-err));
	pinpool_pool_close(pool);
}

/* Every page there and zeroed, as in a pool. */
static void make_file(const char *path, size_t bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *p = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, bytes))
		p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (p == MAP_FAILED)
		die(path, strerror(errno));
	munmap(p, bytes);
	close(fd);
}

static void print(const struct memory *memory, const struct costs *costs, const char *end)
{
	printf("\"%s\":{\"map\":%ju,\"populate\":%ju,\"attach_small\":%ju,\"attach_large\":%ju}%s", memory->kind,
	       (uintmax_t)costs->map, (uintmax_t)costs->populate, (uintmax_t)costs->attach_small,
	       (uintmax_t)costs->attach_large, end);
}

int main(int argc, char **argv)
{
	struct pinpool_ctx_opts opts = {.size = sizeof(opts), .backend = PINPOOL_BACKEND_MODULE};
	struct memory pool = {"module", "/dev/pinpool/small", "/dev/pinpool/large"}, file = {.kind = "hugetlbfs"};
	struct costs pool_costs, file_costs;
	struct pinpool_diag diag = {0};
	struct pinpool_ctx *ctx;

	if (argc != 2) {
		fprintf(stderr, "usage: map HUGETLBFS\n");
		return 2;
	}
	counter_check();
	if (pinpool_ctx_new(&ctx, &opts, &diag))
		die("module", diag.cause);
	make_pool(ctx, "small", SMALL);
	make_pool(ctx, "large", LARGE);
	pinpool_ctx_unref(ctx);
	snprintf(file.small, sizeof(file.small), "%s/small", argv[1]);
	snprintf(file.large, sizeof(file.large), "%s/large", argv[1]);
	make_file(file.small, SMALL);
	make_file(file.large, LARGE);

	measure(&pool, &pool_costs);
	measure(&file, &file_costs);
	printf("{");
	print(&pool, &pool_costs, ",");
	print(&file, &file_costs, "}\n");
	return 0;
}
