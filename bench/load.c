// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * One load of one checkpoint into a resident pool, made for it and removed again unless it is given a name; prints what
 * bench/load.py and its neighbours need. The pool exists before the clock starts, as it does for a rival whose buffers
 * are allocated and touched beforehand.
 *
 * usage: load FILE [pool=NAME] [capacity=MIB] [no_digest] [pack] [first] [io=N] [chunk=KIB] [depth=N] [sha256=N]
 * environment: as for the library (PINPOOL_BACKEND, PINPOOL_HUGETLBFS_DIR, PINPOOL_STATE_DIR)
 */
#include <pinpool/pinpool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

/* More than the catalog of any checkpoint measured here. */
#define CATALOG_ROOM (2u << 20)

static int fail(const char *what, int err, const struct pinpool_diag *diag)
{
	fprintf(stderr, "load: %s: %s: %s%s%s%s\n", what, *diag->object ? diag->object : strerror(-err), diag->cause,
		*diag->change ? " (" : "", diag->change, *diag->change ? ")" : "");
	return 1;
}

struct args {
	struct pinpool_load_opts *opts;
	const char *keep;
	uint64_t capacity; /* bytes; 0: by the size of the file, which of an index says nothing */
	bool pack, first;
};

static int parse(struct args *args, const char *arg)
{
	struct pinpool_load_opts *opts = args->opts;
	unsigned int n;

	if (!strncmp(arg, "pool=", 5))
		args->keep = arg + 5;
	else if (sscanf(arg, "capacity=%u", &n) == 1)
		args->capacity = (uint64_t)n << 20;
	else if (!strcmp(arg, "no_digest"))
		opts->no_digest = true;
	else if (!strcmp(arg, "pack"))
		args->pack = true;
	else if (!strcmp(arg, "first"))
		args->first = true;
	else if (sscanf(arg, "io=%u", &n) == 1)
		opts->io = (enum pinpool_io)n;
	else if (sscanf(arg, "chunk=%u", &n) == 1)
		opts->chunk_bytes = n << 10;
	else if (sscanf(arg, "sha256=%u", &n) == 1)
		opts->sha256 = (enum pinpool_sha256)n;
	else if (sscanf(arg, "depth=%u", &n) == 1)
		opts->queue_depth = n;
	else
		return -1;
	return 0;
}

/* When the first tensor with bytes can be used. */
struct first {
	struct timespec start;
	double seconds;
	uint64_t bytes;
};

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) * 1e-9;
}

/* Of all threads, in user mode and in the kernel. */
static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

/*
 * The most memory that this process had, in KiB, without huge pages of hugetlbfs, and so without the pool there. Not
 * that of getrusage(), which begins with what the program had that started this one.
 */
static unsigned long long peak_kib(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	unsigned long long kib = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmHWM: %llu", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib;
}

static void note_first(void *arg, const struct pinpool_tensor *tensor)
{
	struct first *first = arg;

	if (first->bytes || !tensor->bytes)
		return;
	first->seconds = seconds_since(&first->start);
	first->bytes = tensor->bytes;
}

int main(int argc, char **argv)
{
	PINPOOL_OPTS(pinpool_create_opts, create);
	PINPOOL_OPTS(pinpool_load_opts, opts);
	struct pinpool_load_report report = {.size = sizeof(report)};
	struct pinpool_ctx_info info = {.size = sizeof(info)};
	struct pinpool_diag diag = {0};
	struct pinpool_pack_report packed = {.size = sizeof(packed)};
	struct args args = {.opts = &opts};
	const char *pool;
	struct pinpool_ctx *ctx;
	struct timespec start;
	struct first first = {0};
	double create_s, cpu_s;
	struct stat st;
	int err;

	if (argc < 2 || stat(argv[1], &st)) {
		fprintf(stderr,
			"usage: load FILE [pool=NAME] [capacity=MIB] [no_digest] [pack] [first] [io=N] [chunk=KIB] "
			"[depth=N] [sha256=N]\n");
		return 2;
	}
	for (int i = 2; i < argc; i++) {
		if (parse(&args, argv[i])) {
			fprintf(stderr, "load: %s: no such option\n", argv[i]);
			return 2;
		}
	}
	pool = args.keep ? args.keep : "bench-load";
	err = pinpool_ctx_new(&ctx, NULL, &diag);
	if (err)
		return fail("context", err, &diag);
	pinpool_ctx_get_info(ctx, &info);
	create.capacity = args.capacity ? args.capacity : (uint64_t)st.st_size + CATALOG_ROOM;
	clock_gettime(CLOCK_MONOTONIC, &start);
	err = pinpool_pool_create(ctx, pool, &create, &diag);
	if (err)
		return fail("create", err, &diag);
	create_s = seconds_since(&start);
	if (args.first) {
		opts.landed = note_first;
		opts.landed_arg = &first;
	}
	clock_gettime(CLOCK_MONOTONIC, &first.start);
	cpu_s = cpu_seconds();
	if (args.pack)
		err = pinpool_load_packed(ctx, pool, argv[1], &opts, NULL, &report, &packed, &diag);
	else
		err = pinpool_load(ctx, pool, argv[1], &opts, &report, &diag);
	cpu_s = cpu_seconds() - cpu_s;
	if (!err)
		printf("{\"bytes\":%llu,\"seconds\":%.9f,\"create_seconds\":%.9f,\"backend\":\"%s\",\"io\":\"%s\","
		       "\"direct\":%s,"
		       "\"chunk\":%u,\"depth\":%u,\"first_seconds\":%.9f,\"first_bytes\":%llu,"
		       "\"cpu_seconds\":%.6f,\"peak_kib\":%llu}\n",
		       (unsigned long long)report.bytes, (double)report.elapsed_ns * 1e-9, create_s,
		       pinpool_backend_name(info.backend), pinpool_io_name(report.io), report.direct ? "true" : "false",
		       report.chunk_bytes, report.queue_depth, first.seconds, (unsigned long long)first.bytes, cpu_s,
		       peak_kib());
	if (!args.keep)
		pinpool_pool_destroy(ctx, pool, NULL);
	if (!args.keep && args.pack && !err)
		pinpool_pool_destroy(ctx, packed.name, NULL);
	pinpool_ctx_unref(ctx);
	return err ? fail("load", err, &diag) : 0;
}
