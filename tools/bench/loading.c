/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* What is done in this process, and what is around each run; see loading.h. Programs are started by loading_programs.c.
 */
#include "bench/loading.h"
#include "bench/figures.h"
#include "bench/loading_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes of one read(2), and between two points of a curve. */
#define READ_BYTES  ((size_t)1 << 20)
#define POINT_BYTES ((size_t)4 << 20)
/* Past every cache, and little memory. */
#define COPY_BYTES  ((size_t)256 << 20)

const char *const bench_way_names[BENCH_WAYS] = {"pinpool", "cp", "mmap", "read", "fio", "memcpy"};

int bench_loading_fail(struct pinpool_diag *diag, int err, const char *object)
{
	*diag = (struct pinpool_diag){0};
	snprintf(diag->object, sizeof(diag->object), "%s", object);
	snprintf(diag->cause, sizeof(diag->cause), "%s", strerror(-err));
	return err;
}

int bench_curve_add(struct bench_curve *curve, double seconds, double bytes)
{
	struct bench_point *points = curve->points;

	/* The room is the next power of two. */
	if (!(curve->count & (curve->count - 1))) {
		points = realloc(points, (curve->count ? 2 * curve->count : 1) * sizeof(*points));
		if (!points)
			return -ENOMEM;
		curve->points = points;
	}
	points[curve->count++] = (struct bench_point){seconds, bytes};
	return 0;
}

void bench_curve_free(struct bench_curve *curve)
{
	free(curve->points);
	*curve = (struct bench_curve){0};
}

static double seconds_of(const struct timeval *time)
{
	return (double)time->tv_sec + (double)time->tv_usec * 1e-6;
}

static double cpu_now(void)
{
	static const int whose[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
	struct rusage usage;
	double cpu = 0;

	for (int i = 0; i < 2; i++)
		if (!getrusage(whose[i], &usage))
			cpu += seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime);
	return cpu;
}

/* ---- ways ---- */

struct watch {
	struct bench_curve *curve;
	int err;
};

static int on_progress(void *arg, const struct pinpool_progress *progress)
{
	struct watch *watch = arg;

	watch->err = bench_curve_add(watch->curve, (double)progress->elapsed_ns * 1e-9, (double)progress->done);
	return watch->err;
}

static int run_pinpool(struct bench_loading *loading, struct bench_run *run, struct pinpool_diag *diag)
{
	struct pinpool_load_report report = {.size = sizeof(report)};
	struct watch watch = {.curve = &run->curve};
	PINPOOL_OPTS(pinpool_create_opts, create, .capacity = loading->capacity);
	PINPOOL_OPTS(pinpool_load_opts, opts, .no_digest = loading->no_digest, .no_probe = true,
		     .buffered = loading->warm, .progress = on_progress, .progress_arg = &watch,
		     .progress_interval_ns = 10000000, .cancel = loading->interrupted);
	int err;

	/* As other ways have their memory. */
	err = pinpool_pool_create(loading->ctx, loading->pool, &create, diag);
	if (err)
		return err;
	run->cpu = cpu_now();
	err = pinpool_load(loading->ctx, loading->pool, loading->path, &opts, &report, diag);
	run->cpu = cpu_now() - run->cpu;
	pinpool_pool_destroy(loading->ctx, loading->pool, NULL);
	if (watch.err)
		return bench_loading_fail(diag, watch.err, loading->path);
	run->seconds = (double)report.elapsed_ns * 1e-9;
	return err;
}

/* Reads @fd to its end at @to, whose first byte is at @before of all. */
static int read_file(const struct bench_loading *loading, int fd, char *to, double before, double start,
		     struct bench_curve *curve)
{
	size_t done = 0;
	ssize_t n;
	int err = 0;

	while (!err && (n = read(fd, to + done, READ_BYTES)) > 0) {
		done += (size_t)n;
		if (*loading->interrupted)
			err = -ECANCELED;
		else if (!(done % POINT_BYTES))
			err = bench_curve_add(curve, bench_now() - start, before + (double)done);
	}
	return err ? err : n < 0 ? -errno : 0;
}

/* The same out of a mapping of the file. */
static int copy_file(const struct bench_loading *loading, int fd, char *to, size_t bytes, double before, double start,
		     struct bench_curve *curve)
{
	char *data = bytes ? mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0) : NULL;
	size_t at, part;
	int err = 0;

	if (data == MAP_FAILED)
		return -errno;
	for (at = 0; at < bytes && !err; at += part) {
		part = bytes - at < POINT_BYTES ? bytes - at : POINT_BYTES;
		memcpy(to + at, data + at, part);
		err = *loading->interrupted ? -ECANCELED
					    : bench_curve_add(curve, bench_now() - start, before + (double)(at + part));
	}
	if (bytes)
		munmap(data, bytes);
	return err;
}

static int run_files(struct bench_loading *loading, enum bench_way way, struct bench_run *run,
		     struct pinpool_diag *diag)
{
	double start = bench_now();
	uint64_t before = 0;
	struct stat st;
	size_t i;
	int fd, err = 0;

	run->cpu = cpu_now();
	for (i = 0; i < loading->count && !err; i++) {
		fd = open(loading->files[i], O_RDONLY | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &st))
			err = -errno;
		else if (before + (uint64_t)st.st_size > loading->bytes)
			err = -ESTALE;
		else if (way == BENCH_WAY_READ)
			err = read_file(loading, fd, (char *)loading->memory.data + before, (double)before, start,
					&run->curve);
		else
			err = copy_file(loading, fd, (char *)loading->memory.data + before, (size_t)st.st_size,
					(double)before, start, &run->curve);
		if (err)
			bench_loading_fail(diag, err, loading->files[i]);
		else
			before += (uint64_t)st.st_size;
		if (fd >= 0)
			close(fd);
	}
	run->seconds = bench_now() - start;
	run->cpu = cpu_now() - run->cpu;
	return err;
}

static int run_cp(struct bench_loading *loading, struct bench_run *run, struct pinpool_diag *diag)
{
	double start = bench_now();
	int err;

	run->cpu = cpu_now();
	err = bench_loading_cp(loading, start, &run->curve, diag);
	run->seconds = bench_now() - start;
	run->cpu = cpu_now() - run->cpu;
	return err;
}

static int run_memcpy(struct bench_loading *loading, struct bench_run *run, struct pinpool_diag *diag)
{
	size_t bytes = loading->memory.bytes < loading->copy.bytes ? loading->memory.bytes : loading->copy.bytes;
	double start = bench_now();
	uint64_t done = 0;
	size_t part;
	int err = 0;

	run->cpu = cpu_now();
	for (; done < loading->bytes && !err; done += part) {
		/* As much as there is at a time: memcpy of a few MiB would fetch what it overwrites. */
		part = loading->bytes - done < bytes ? loading->bytes - done : bytes;
		memcpy(loading->copy.data, loading->memory.data, part);
		err = bench_curve_add(&run->curve, bench_now() - start, (double)(done + part));
	}
	run->seconds = bench_now() - start;
	run->cpu = cpu_now() - run->cpu;
	return err ? bench_loading_fail(diag, err, loading->path) : 0;
}

/* ---- around them ---- */

/* The file is in the page cache, or nothing of it is, as far as nobody else uses it. */
static int prepare_file(const struct bench_loading *loading, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;
	char *scratch;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	if (!loading->warm) {
		/* What is not on the disk yet is not dropped. */
		err = fdatasync(fd) ? -errno : -posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		close(fd);
		return err;
	}
	scratch = malloc(READ_BYTES);
	while (scratch && !*loading->interrupted && (n = read(fd, scratch, READ_BYTES)) > 0)
		;
	err = !scratch ? -ENOMEM : n < 0 ? -errno : 0;
	free(scratch);
	close(fd);
	return err;
}

int bench_loading_run(struct bench_loading *loading, enum bench_way way, struct bench_run *run,
		      struct pinpool_diag *diag)
{
	size_t i;
	int err;

	*run = (struct bench_run){0};
	for (i = 0; i < loading->count; i++) {
		err = prepare_file(loading, loading->files[i]);
		if (err)
			return bench_loading_fail(diag, err, loading->files[i]);
	}
	if (*loading->interrupted)
		return -ECANCELED;
	err = bench_curve_add(&run->curve, 0, 0);
	if (err)
		return bench_loading_fail(diag, err, loading->path);
	switch (way) {
	case BENCH_WAY_PINPOOL:
		return run_pinpool(loading, run, diag);
	case BENCH_WAY_CP:
		return run_cp(loading, run, diag);
	case BENCH_WAY_FIO:
		return bench_loading_fio(loading, run, diag);
	case BENCH_WAY_MEMCPY:
		return run_memcpy(loading, run, diag);
	default:
		return run_files(loading, way, run, diag);
	}
}

/* Files are those that the catalog names. */
static int find_files(struct bench_loading *loading, const struct pinpool_catalog *catalog, struct pinpool_diag *diag)
{
	struct pinpool_source source = {.size = sizeof(source)};
	size_t count = 0;

	while (!pinpool_catalog_source(catalog, count, &source))
		count++;
	loading->files = calloc(count + 1, sizeof(*loading->files));
	if (!loading->files)
		return bench_loading_fail(diag, -ENOMEM, loading->path);
	for (; loading->count < count; loading->count++) {
		pinpool_catalog_source(catalog, loading->count, &source);
		loading->files[loading->count] = strdup(source.path);
		if (!loading->files[loading->count])
			return bench_loading_fail(diag, -ENOMEM, loading->path);
		loading->bytes += source.bytes;
	}
	return 0;
}

static int look(struct bench_loading *loading, struct pinpool_diag *diag)
{
	struct pinpool_info info = {.size = sizeof(info)};
	struct pinpool_catalog *catalog;
	struct pinpool_pool *pool;
	int err;

	err = pinpool_pool_open(loading->ctx, loading->pool, PINPOOL_OPEN_READ, &pool, diag);
	if (err)
		return err;
	err = pinpool_pool_get_info(pool, &info);
	if (err)
		bench_loading_fail(diag, err, loading->pool);
	loading->capacity = info.capacity;
	if (!err)
		err = pinpool_catalog_open(pool, &catalog, diag);
	if (!err) {
		err = find_files(loading, catalog, diag);
		pinpool_catalog_close(catalog);
	}
	pinpool_pool_close(pool);
	return err;
}

int bench_loading_begin(struct bench_loading *loading, struct pinpool_diag *diag)
{
	PINPOOL_OPTS(pinpool_load_opts, opts, .no_digest = true, .no_probe = true, .cancel = loading->interrupted);
	int err;

	snprintf(loading->pool, sizeof(loading->pool), "bench-load-%d", getpid());
	err = pinpool_load(loading->ctx, loading->pool, loading->path, &opts, NULL, diag);
	if (err)
		return err;
	err = look(loading, diag);
	pinpool_pool_destroy(loading->ctx, loading->pool, NULL);
	if (err)
		return err;
	/* Written, so that it is there before the clock starts. read(2) asks for more than the rest of a file. */
	err = bench_memory_new(&loading->memory, loading->bytes + READ_BYTES);
	if (!err && loading->warm)
		err = bench_memory_new(&loading->copy, loading->bytes < COPY_BYTES ? loading->bytes : COPY_BYTES);
	if (err)
		return bench_loading_fail(diag, err, loading->path);
	memset(loading->memory.data, 1, loading->memory.bytes);
	if (loading->warm)
		memset(loading->copy.data, 1, loading->copy.bytes);
	return 0;
}

void bench_loading_end(struct bench_loading *loading)
{
	while (loading->count)
		free(loading->files[--loading->count]);
	free(loading->files);
	bench_memory_free(&loading->memory);
	bench_memory_free(&loading->copy);
}
