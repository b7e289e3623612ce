/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Pictures; see plot.h. gnuplot reads its commands and the figures from a file that has no name, and writes to one that
 * was opened here, so no name of the user's becomes a command.
 */
#include "bench/plot.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "gnuplot"

extern char **environ;

static int fail(struct pinpool_diag *diag, int err, const char *object, const char *cause, const char *change)
{
	snprintf(diag->object, sizeof(diag->object), "%s", object);
	snprintf(diag->cause, sizeof(diag->cause), "%s", cause);
	snprintf(diag->change, sizeof(diag->change), "%s", change);
	return err;
}

/* Runs it to its end with these as standard input and output. Returns 0 or an errno; EIO if it failed. */
static int run(char *option, int in, int out)
{
	char *argv[] = {PROGRAM, option, NULL};
	posix_spawn_file_actions_t actions;
	int err, status;
	pid_t pid;

	err = posix_spawn_file_actions_init(&actions);
	if (err)
		return err;
	err = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	if (!err)
		err = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	if (!err)
		err = posix_spawnp(&pid, PROGRAM, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (err)
		return err;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return errno;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : EIO;
}

int bench_plot_check(struct pinpool_diag *diag)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), err;

	*diag = (struct pinpool_diag){0};
	if (null < 0)
		return fail(diag, errno, "/dev/null", strerror(errno), "");
	err = run("--version", null, null);
	close(null);
	if (err == ENOENT)
		return fail(diag, err, PROGRAM, "is not installed", "package gnuplot-nox");
	return err ? fail(diag, err, PROGRAM, "does not run", "gnuplot --version says why") : 0;
}

static void print_share(FILE *to, double share)
{
	if (isfinite(share))
		fprintf(to, " %.4f", share);
	else
		fprintf(to, " NaN");
}

/* Each by its name or, in a text, where there is no room, by its line in the table. */
static void print_cells(FILE *to, bool png, const struct bench_cell *cells, size_t count)
{
	char type[16];
	size_t i;
	int who;

	fprintf(to, "$cells << END\n");
	for (i = 0; i < count; i++) {
		const struct bench_cell *cell = &cells[i];

		if (png)
			fprintf(to, "\"%s %llux%llu m%llu t%u%s\"", bench_type_name(cell->dtype, type),
				(unsigned long long)cell->shape.n, (unsigned long long)cell->shape.k,
				(unsigned long long)cell->m, cell->threads, cell->packed ? " packed" : "");
		else
			fprintf(to, "%zu", i + 1);
		print_share(to, cell->share);
		for (who = 0; who < BENCH_RIVALS; who++)
			print_share(to, cell->share / cell->rivals[who].ratio);
		fprintf(to, "\n");
	}
	fprintf(to, "END\n");
}

static void print_script(FILE *to, bool png, const struct bench_cell *cells, size_t count,
			 const struct bench_opened *rivals)
{
	bool shown;
	size_t i;
	int who;

	if (png)
		fprintf(to,
			"set terminal png size %zu,800 noenhanced\nset style data histograms\nset style fill solid\n",
			400 + 60 * count);
	else
		fprintf(to,
			"set terminal dumb size %zu,40 noenhanced\nset style data points\n"
			"set xlabel 'row of the table'\n",
			60 + 3 * count);
	fprintf(to,
		"set title 'share of what the machine can do (%s)'\nset yrange [0:1.1]\nset xrange [-0.6:%zu.6]\n"
		"set xtics rotate by -90\nset key outside bottom center horizontal\n",
		pinpool_isa_name(cells[0].isa), count - 1);
	print_cells(to, png, cells, count);
	fprintf(to, "plot $cells using 2:xtic(1) title 'pinpool'");
	for (who = 0; who < BENCH_RIVALS; who++) {
		for (i = 0, shown = false; i < count; i++)
			shown = shown || isfinite(cells[i].rivals[who].ratio);
		if (shown)
			fprintf(to, ", '' using %d title '%s'", who + 3, rivals[who].title);
	}
	fprintf(to, ", 1 with lines title 'limit'\n");
}

/* What a picture is of; @print writes the commands. */
struct picture {
	void (*print)(FILE *to, bool png, const void *of);
	const void *of;
};

static int draw(const char *path, const struct picture *picture, struct pinpool_diag *diag)
{
	size_t length = strlen(path);
	bool png = length > 4 && !strcmp(path + length - 4, ".png"), terminal = !strcmp(path, "-");
	int script, out, err = 0;
	FILE *to;

	*diag = (struct pinpool_diag){0};
	fflush(stdout);
	out = terminal ? dup(STDOUT_FILENO) : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (out < 0)
		return fail(diag, errno, path, strerror(errno), "");
	script = memfd_create(PROGRAM, MFD_CLOEXEC);
	to = script < 0 ? NULL : fdopen(script, "w+");
	if (to) {
		picture->print(to, png, picture->of);
		if (fflush(to) || lseek(script, 0, SEEK_SET) < 0)
			err = errno;
		else
			err = run(NULL, script, out);
		fclose(to);
	} else {
		err = errno;
		if (script >= 0)
			close(script);
	}
	if (close(out) && !err)
		err = errno;
	return err ? fail(diag, err, path, err == EIO ? "gnuplot failed" : strerror(err), "") : 0;
}

struct cells {
	const struct bench_cell *cells;
	size_t count;
	const struct bench_opened *rivals;
};

static void print_cells_script(FILE *to, bool png, const void *of)
{
	const struct cells *cells = of;

	print_script(to, png, cells->cells, cells->count, cells->rivals);
}

int bench_plot(const char *path, const struct bench_cell *cells, size_t count, const struct bench_opened *rivals,
	       struct pinpool_diag *diag)
{
	const struct cells of = {cells, count, rivals};

	return draw(path, &(const struct picture){print_cells_script, &of}, diag);
}

struct rates {
	const struct bench_series *series;
	size_t count;
};

/* Bytes at a moment, on the line between the points around it; all of them after the last. */
static double bytes_at(const struct bench_curve *curve, double seconds)
{
	size_t i;

	for (i = 1; i < curve->count && curve->points[i].seconds < seconds; i++)
		;
	if (i >= curve->count)
		return curve->points[curve->count - 1].bytes;
	return curve->points[i - 1].bytes + (curve->points[i].bytes - curve->points[i - 1].bytes) *
						    (seconds - curve->points[i - 1].seconds) /
						    (curve->points[i].seconds - curve->points[i - 1].seconds);
}

static void print_curve(FILE *to, size_t number, const struct bench_curve *curve, double step)
{
	double end = curve->points[curve->count - 1].seconds, at;

	fprintf(to, "$w%zu << END\n", number);
	/* A rest that is too short for a rate is left out. */
	for (at = 0; !at || at + step / 2 < end; at += step)
		fprintf(to, "%.4f %.4f\n", at + step / 2,
			(bytes_at(curve, at + step) - bytes_at(curve, at)) / (at + step < end ? step : end - at) *
				1e-9);
	fprintf(to, "END\n");
}

static void print_rates_script(FILE *to, bool png, const void *of)
{
	const struct rates *rates = of;
	double longest = 0, step;
	size_t i;

	for (i = 0; i < rates->count; i++)
		longest = fmax(longest, rates->series[i].curve->points[rates->series[i].curve->count - 1].seconds);
	step = fmax(longest / 40, 0.02);
	fprintf(to, "set terminal %s noenhanced\n", png ? "png size 1000,600" : "dumb size 100,30");
	fprintf(to, "set title 'rate of loads'\nset xlabel 's'\nset ylabel 'GB/s'\nset yrange [0:*]\n"
		    "set xrange [0:*]\nset key outside bottom center horizontal\n");
	for (i = 0; i < rates->count; i++)
		print_curve(to, i, rates->series[i].curve, step);
	for (i = 0; i < rates->count; i++)
		fprintf(to, "%s $w%zu with linespoints title '%s'", i ? "," : "plot", i, rates->series[i].title);
	fprintf(to, "\n");
}

int bench_plot_rates(const char *path, const struct bench_series *series, size_t count, struct pinpool_diag *diag)
{
	const struct rates of = {series, count};

	return draw(path, &(const struct picture){print_rates_script, &of}, diag);
}
