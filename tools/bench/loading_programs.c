/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Rivals that are programs; see loading.h. cp(1) writes to files on tmpfs that have no name (memfd), fio into its own
 * buffers. Both are watched from outside: the first by the blocks of its file, the second by a log that it writes.
 */
#include "bench/figures.h"
#include "bench/loading_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Where a program finds the file that it writes to. */
#define OUTPUT_FD   3
#define OUTPUT_NAME "/proc/self/fd/3"
#define SAMPLE_NS   10000000
/* Of fio's log, in milliseconds. */
#define LOG_MS	    "20"

extern char **environ;

/* Starts a program whose standard output and descriptor 3 are @out. Returns 0 or -errno. */
static int start(char *const argv[], int out, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	int err;

	err = posix_spawn_file_actions_init(&actions);
	if (err)
		return -err;
	err = posix_spawn_file_actions_adddup2(&actions, out, OUTPUT_FD);
	if (!err)
		err = posix_spawn_file_actions_adddup2(&actions, OUTPUT_FD, STDOUT_FILENO);
	if (!err)
		err = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -err;
}

static int result_of(int status)
{
	if (WIFSIGNALED(status))
		return -ECANCELED;
	return WEXITSTATUS(status) ? -EIO : 0;
}

/* Samples how large @out became until the program ends. */
static int follow(pid_t pid, int out, double before, double started, struct bench_curve *curve)
{
	const struct timespec step = {.tv_nsec = SAMPLE_NS};
	int status, err = 0;
	struct stat st;
	pid_t ended;

	while (!(ended = waitpid(pid, &status, WNOHANG))) {
		nanosleep(&step, NULL);
		if (!err && !fstat(out, &st))
			err = bench_curve_add(curve, bench_now() - started, before + (double)st.st_blocks * 512);
	}
	if (ended < 0)
		return -errno;
	return err ? err : result_of(status);
}

int bench_loading_cp(struct bench_loading *loading, double started, struct bench_curve *curve,
		     struct pinpool_diag *diag)
{
	int *files = calloc(loading->count + 1, sizeof(*files)), err = files ? 0 : -ENOMEM;
	double before = 0;
	struct stat st;
	size_t i, made = 0;
	pid_t pid;

	for (i = 0; i < loading->count && !err; i++) {
		char *const argv[] = {"cp", "--", loading->files[i], OUTPUT_NAME, NULL};

		files[i] = memfd_create("cp", MFD_CLOEXEC);
		if (files[i] < 0) {
			err = -errno;
			break;
		}
		made++;
		err = start(argv, files[i], &pid);
		if (!err)
			err = follow(pid, files[i], before, started, curve);
		if (!err && !fstat(files[i], &st))
			before += (double)st.st_size;
	}
	/* All of the copy is there until the end, as a pool is. */
	while (made)
		close(files[--made]);
	free(files);
	return err ? bench_loading_fail(diag, err, "cp") : 0;
}

/* Names with a colon between; one within a name is escaped. For free(). */
static char *file_list(const struct bench_loading *loading)
{
	char *text = NULL;
	size_t size, i;
	const char *at;
	FILE *to;

	to = open_memstream(&text, &size);
	if (!to)
		return NULL;
	fputs("--filename=", to);
	for (i = 0; i < loading->count; i++) {
		if (i)
			putc(':', to);
		for (at = loading->files[i]; *at; at++)
			fprintf(to, *at == ':' || *at == '\\' ? "\\%c" : "%c", *at);
	}
	if (fclose(to)) {
		free(text);
		return NULL;
	}
	return text;
}

/* Rates over time, in lines "milliseconds, KiB/s, ..."; without the log there is no curve. */
static int read_log(const char *path, struct bench_curve *curve)
{
	FILE *file = fopen(path, "re");
	double ms, rate, bytes = 0, last = 0;
	char line[160];
	int err = 0;

	if (!file)
		return 0;
	while (!err && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lf, %lf", &ms, &rate) != 2)
			continue;
		bytes += rate * 1024 * (ms - last) * 1e-3;
		last = ms;
		err = bench_curve_add(curve, ms * 1e-3, bytes);
	}
	fclose(file);
	return err;
}

static int read_report(int out, struct bench_run *run)
{
	json_t *report, *job, *reads;
	double rate, bytes;
	int err = 0;

	if (lseek(out, 0, SEEK_SET) < 0)
		return -errno;
	report = json_loadfd(out, JSON_DISABLE_EOF_CHECK, NULL);
	job = json_array_get(json_object_get(report, "jobs"), 0);
	reads = json_object_get(job, "read");
	rate = json_number_value(json_object_get(reads, "bw_bytes"));
	bytes = json_number_value(json_object_get(reads, "io_bytes"));
	if (rate > 0) {
		run->seconds = bytes / rate;
		run->cpu = (json_number_value(json_object_get(job, "usr_cpu")) +
			    json_number_value(json_object_get(job, "sys_cpu"))) *
			   1e-2 * run->seconds;
	} else {
		err = -EIO;
	}
	json_decref(report);
	return err;
}

static int run_fio(const struct bench_loading *loading, const char *folder, char *files, int out, struct bench_run *run)
{
	char log[160], count[32], path[160];
	char *const argv[] = {"fio", "--name=read", files, count, "--file_service_type=sequential", "--readonly",
			      "--rw=read", "--bs=1M", "--iodepth=32", "--ioengine=io_uring",
			      loading->warm ? "--direct=0" : "--direct=1",
			      /* It would drop them itself. */
			      "--invalidate=0", "--log_avg_msec=" LOG_MS, log, "--output-format=json", NULL};
	int status, err;
	pid_t pid;

	snprintf(log, sizeof(log), "--write_bw_log=%s/fio", folder);
	snprintf(count, sizeof(count), "--nrfiles=%zu", loading->count);
	err = start(argv, out, &pid);
	if (err)
		return err;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	err = result_of(status);
	if (!err)
		err = read_report(out, run);
	snprintf(path, sizeof(path), "%s/fio_bw.1.log", folder);
	if (!err)
		err = read_log(path, &run->curve);
	unlink(path);
	return err;
}

int bench_loading_fio(struct bench_loading *loading, struct bench_run *run, struct pinpool_diag *diag)
{
	char folder[64] = "/tmp/pinpool-bench-XXXXXX", *files;
	int out, err = 0;

	if (!mkdtemp(folder))
		return bench_loading_fail(diag, -errno, folder);
	files = file_list(loading);
	out = memfd_create("fio", MFD_CLOEXEC);
	if (!files || out < 0)
		err = -ENOMEM;
	if (!err)
		err = run_fio(loading, folder, files, out, run);
	if (out >= 0)
		close(out);
	free(files);
	rmdir(folder);
	if (*loading->interrupted)
		return -ECANCELED;
	return err ? bench_loading_fail(diag, err, "fio") : 0;
}

int bench_fio_check(struct pinpool_diag *diag)
{
	char *const argv[] = {"fio", "--version", NULL};
	int out = memfd_create("fio", MFD_CLOEXEC), status, err;
	pid_t pid;

	if (out < 0)
		return bench_loading_fail(diag, -errno, "fio");
	err = start(argv, out, &pid);
	close(out);
	if (!err && waitpid(pid, &status, 0) == pid)
		err = result_of(status);
	if (!err)
		return 0;
	bench_loading_fail(diag, err, "fio");
	if (err == -ENOENT) {
		snprintf(diag->cause, sizeof(diag->cause), "is not installed");
		snprintf(diag->change, sizeof(diag->change), "package fio");
	}
	return err;
}
