/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool top: pools, loads, rates and faults, again and again, on the whole terminal or line by line. */
#include "commands.h"
#include "error.h"
#include "interrupt.h"
#include "screen.h"
#include "size.h"
#include "table.h"
#include "watch.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct top_args {
	const char *delay;
	int64_t iterations; /* 0: for ever */
	int sort; /* index into sort_words */
	struct table_args table;
};

/* The letters that sort, in the order of sort_words. */
#define SORT_KEYS "ncmfrd"
#define KEYS	  "q quit, space now, up/down; sort by: n name, c capacity, m mappings, f faults, r rate, d done"

enum {
	SORT_NAME,
	SORT_CAPACITY,
	SORT_MAPPINGS,
	SORT_FAULTS,
	SORT_RATE,
	SORT_DONE,
};

static const char *const sort_words[] = {"name", "capacity", "mappings", "faults", "rate", "done", NULL};

#define LEAST_DELAY 0.1
#define MOST_DELAY  3600
/* Rates need two looks: so long is waited for the second, if the interval is not shorter. */
#define FIRST_DELAY 0.5
/* How long a signal is not seen at most. */
#define SLICE_MS    100

static const struct option_spec options[] = {
	OPTION('d', "delay", "SECONDS", "time between two looks, 0.1 to 3600; 2 if not given", OPTION_TEXT,
	       struct top_args, delay),
	OPTION('n', "iterations", "N", "end after so many", OPTION_NUMBER, struct top_args, iterations, .min = 1,
	       .max = INT64_MAX),
	OPTION('s', "sort", "KEY", "what comes first", OPTION_CHOICE, struct top_args, sort, .choices = sort_words),
	RECORD_OPTIONS(struct top_args, table),
	OPTION('O', "output-all", NULL, "all columns", OPTION_FLAG, struct top_args, table.all),
	{0},
};

/* ---- columns ---- */

static const struct pinpool_info *info_of(const void *row)
{
	return &((const struct watched *)row)->info;
}

static void get_name(const void *row, struct cell *cell)
{
	cell_text(cell, info_of(row)->name);
}

static void get_state(const void *row, struct cell *cell)
{
	cell_text(cell, pinpool_state_name(info_of(row)->state));
}

static void get_capacity(const void *row, struct cell *cell)
{
	cell_bytes(cell, info_of(row)->capacity);
}

static void get_length(const void *row, struct cell *cell)
{
	cell_bytes(cell, info_of(row)->length);
}

static void get_openers(const void *row, struct cell *cell)
{
	cell_count(cell, info_of(row)->openers);
}

static void get_mappings(const void *row, struct cell *cell)
{
	cell_count(cell, info_of(row)->mappings);
}

static void get_exports(const void *row, struct cell *cell)
{
	cell_count(cell, info_of(row)->exports);
}

static void get_huge(const void *row, struct cell *cell)
{
	cell_count(cell, info_of(row)->huge_pages);
}

static void get_loaded(const void *row, struct cell *cell)
{
	cell_bytes(cell, info_of(row)->loaded);
}

static void get_total(const void *row, struct cell *cell)
{
	cell_bytes(cell, info_of(row)->load_total);
}

static void get_backend(const void *row, struct cell *cell)
{
	cell_text(cell, pinpool_backend_name(info_of(row)->backend));
}

static void get_faults(const void *row, struct cell *cell)
{
	cell_real(cell, ((const struct watched *)row)->faults, 0);
}

static void get_failed(const void *row, struct cell *cell)
{
	cell_real(cell, ((const struct watched *)row)->failed, 0);
}

static void get_rate(const void *row, struct cell *cell)
{
	double rate = ((const struct watched *)row)->rate;

	cell_bytes(cell, isfinite(rate) ? (uint64_t)rate : PINPOOL_UNKNOWN);
}

static void get_done(const void *row, struct cell *cell)
{
	cell_real(cell, 100 * ((const struct watched *)row)->done, 1);
}

static void get_left(const void *row, struct cell *cell)
{
	cell_real(cell, ((const struct watched *)row)->left, 1);
}

static const struct column columns[] = {
	{"NAME", "name of the pool", .get = get_name},
	{"STATE", "EMPTY, LOADING or READY", .get = get_state},
	{"CAPACITY", "bytes reserved", .right = true, .get = get_capacity},
	{"LENGTH", "bytes published, 0 unless READY", .right = true, .get = get_length},
	{"OPENERS", "open files", .right = true, .get = get_openers},
	{"MAPPINGS", "live mappings", .right = true, .get = get_mappings},
	{"FAULTS", "page faults a second", .right = true, .get = get_faults},
	{"RATE", "bytes loaded a second", .right = true, .get = get_rate},
	{"DONE", "percent of the load; with the module, of the capacity", .right = true, .get = get_done},
	{"LEFT", "seconds until the load ends at this rate", .right = true, .get = get_left},
	{"LOADED", "bytes that the load has brought", .right = true, .extra = true, .get = get_loaded},
	{"TOTAL", "bytes that it brings; with the module, the capacity", .right = true, .extra = true,
	 .get = get_total},
	{"HUGE", "huge pages held", .right = true, .extra = true, .get = get_huge},
	{"FAILED", "touches and writes that found no page, a second", .right = true, .extra = true, .get = get_failed},
	{"EXPORTS", "live dma-bufs", .right = true, .extra = true, .get = get_exports},
	{"BACKEND", "who owns the pages: module, hugetlbfs or shm", .extra = true, .get = get_backend},
	{0},
};

/* ---- order ---- */

static int larger_first(double a, double b)
{
	/* What is not known is least. */
	if (isnan(a) || isnan(b))
		return isnan(a) - isnan(b);
	return (a < b) - (a > b);
}

static double count_of(uint64_t count)
{
	return count == PINPOOL_UNKNOWN ? NAN : (double)count;
}

static int in_order(const void *left, const void *right, void *arg)
{
	const struct watched *const *a = left, *const *b = right;
	int order = 0;

	switch (*(const int *)arg) {
	case SORT_CAPACITY:
		order = larger_first(count_of((*a)->info.capacity), count_of((*b)->info.capacity));
		break;
	case SORT_MAPPINGS:
		order = larger_first(count_of((*a)->info.mappings), count_of((*b)->info.mappings));
		break;
	case SORT_FAULTS:
		order = larger_first((*a)->faults, (*b)->faults);
		break;
	case SORT_RATE:
		order = larger_first((*a)->rate, (*b)->rate);
		break;
	case SORT_DONE:
		order = larger_first((*a)->done, (*b)->done);
		break;
	}
	return order ? order : strcmp((*a)->info.name, (*b)->info.name);
}

/* ---- looks ---- */

struct top {
	struct cli *cli;
	const struct top_args *args;
	double delay;
	int sort;
	int first; /* row at the top of the screen */
	bool live;
	bool shown; /* a table of lines */
	const volatile int *interrupted;
	struct watch watch;
};

/* A table of the latest look, for table_free(). Returns an exit status. */
static int make_table(struct top *top, struct table **out)
{
	const struct watched **rows = calloc(top->watch.count + 1, sizeof(*rows));
	int status, err = 0;
	size_t i;

	if (!rows)
		return error_errno(top->cli, NULL, ENOMEM);
	for (i = 0; i < top->watch.count; i++)
		rows[i] = &top->watch.pools[i];
	qsort_r(rows, top->watch.count, sizeof(*rows), in_order, &top->sort);
	status = table_new(out, top->cli, &top->args->table, columns, "pools");
	for (i = 0; !status && !err && i < top->watch.count; i++)
		err = table_add(*out, rows[i]);
	free(rows);
	if (err) {
		table_free(*out);
		return error_errno(top->cli, NULL, -err);
	}
	return status;
}

/* "14:02:11  hugetlbfs: 3 pools, 1 loading at 2.1G/s, 12G used, 4G free". */
static void status_line(const struct top *top, char *line, size_t size)
{
	char used[SIZE_TEXT_MAX], left[SIZE_TEXT_MAX], rate[SIZE_TEXT_MAX], clock[16];
	struct pinpool_ctx_info info = {.size = sizeof(info)};
	time_t seconds = (time_t)(top->watch.time_ns / 1000000000);
	size_t i, loading = 0, length;
	double sum = 0;
	struct tm tm;

	for (i = 0; i < top->watch.count; i++) {
		loading += top->watch.pools[i].info.state == PINPOOL_STATE_LOADING;
		sum += isfinite(top->watch.pools[i].rate) ? top->watch.pools[i].rate : 0;
	}
	localtime_r(&seconds, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	length = snprintf(line, size, "%s  %zu pool%s, %zu loading at %s/s", clock, top->watch.count,
			  top->watch.count == 1 ? "" : "s", loading, size_short((uint64_t)sum, rate));
	/* Who may not ask the module sees the pools. */
	if (!pinpool_ctx_get_info(top->cli->ctx, &info))
		snprintf(line + length, size - length, "; %s: %s used, %s free", pinpool_backend_name(info.backend),
			 size_short(info.used_bytes, used), size_short(info.free_bytes, left));
}

static int show_live(struct top *top, struct table *table)
{
	int most = top->watch.count ? (int)top->watch.count - 1 : 0;
	char *text = table_text(table), line[256];

	if (!text)
		return error_errno(top->cli, NULL, ENOMEM);
	if (top->first > most)
		top->first = most;
	status_line(top, line, sizeof(line));
	screen_draw(line, text, top->first, KEYS);
	free(text);
	return STATUS_OK;
}

static int show_lines(struct top *top, struct table *table)
{
	char *text, line[256];
	int status = STATUS_OK;

	errno = 0;
	if (top->args->table.json) {
		status = table_print_line(table, top->watch.time_ns);
	} else {
		text = table_text(table);
		if (!text)
			return error_errno(top->cli, NULL, ENOMEM);
		status_line(top, line, sizeof(line));
		printf("%s%s\n%s\n", top->shown ? "\n" : "", line, text);
		top->shown = true;
		free(text);
	}
	/* Whoever reads it wants it now; and without a reader it ends, whenever it was that writing failed. */
	if (!status && (fflush(stdout) || ferror(stdout)))
		status = error_errno(top->cli, "standard output", errno ? errno : EIO);
	return status;
}

static int show(struct top *top)
{
	struct table *table;
	int status = make_table(top, &table);

	if (status)
		return status;
	status = top->live ? show_live(top, table) : show_lines(top, table);
	table_free(table);
	return status;
}

/* ---- waits ---- */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* Acts on a key; true to look again now. *@quit is set to end. */
static bool on_key(struct top *top, int key, bool *quit)
{
	const char *found = key > 0 && key < 128 ? strchr(SORT_KEYS, key) : NULL;

	*quit = key == 'q' || key == 'Q' || key == SCREEN_GONE;
	if (found)
		top->sort = (int)(found - SORT_KEYS);
	if (key == SCREEN_DOWN)
		top->first++;
	if (key == SCREEN_UP && top->first)
		top->first--;
	return key == ' ';
}

/* Until it is time for the next look. Returns STATUS_OK, or an exit status to end with; *@quit to end with success. */
static int wait_for_next(struct top *top, double delay, bool *quit)
{
	double left, until = now() + delay;
	int ms, key, status = STATUS_OK;

	while (!status && !*top->interrupted && (left = until - now()) > 0) {
		ms = left * 1000 < SLICE_MS ? (int)ceil(left * 1000) : SLICE_MS;
		if (!top->live) {
			poll(NULL, 0, ms);
			continue;
		}
		key = screen_key(ms);
		if (!key)
			continue;
		if (on_key(top, key, quit) || *quit)
			return STATUS_OK;
		status = show(top);
	}
	return *top->interrupted ? STATUS_INTERRUPTED : status;
}

static int watch_pools(struct top *top)
{
	bool quit = false;
	int64_t i;
	int status;

	status = watch_look(top->cli, &top->watch);
	/* A screen is filled at once. */
	if (!status && top->live)
		status = show(top);
	if (!status)
		status = wait_for_next(top, top->delay < FIRST_DELAY ? top->delay : FIRST_DELAY, &quit);
	for (i = 1; !status && !quit; i++) {
		status = watch_look(top->cli, &top->watch);
		if (!status)
			status = show(top);
		if (status || i == top->args->iterations)
			break;
		status = wait_for_next(top, top->delay, &quit);
	}
	watch_end(&top->watch);
	return status;
}

static int parse_delay(struct cli *cli, const char *text, double *delay)
{
	char *end;

	*delay = strtod(text, &end);
	if (end == text || *end || !(*delay >= LEAST_DELAY && *delay <= MOST_DELAY))
		return error_usage(cli, "--delay", "seconds, such as 0.5, from 0.1 to 3600",
				   "'%s' is not a value it takes", text);
	return STATUS_OK;
}

static int run(struct cli *cli, const void *data, char **operands, int count)
{
	struct top top = {.cli = cli, .args = data};
	struct table *table;
	int status;

	top.sort = top.args->sort;
	top.live = !top.args->table.json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	status = parse_delay(cli, top.args->delay, &top.delay);
	/* A wrong list of columns is refused before the screen is taken. */
	if (!status)
		status = make_table(&top, &table);
	if (status)
		return status;
	table_free(table);
	status = cli_open(cli);
	if (status)
		return status;
	top.interrupted = interrupt_begin();
	if (top.live && !screen_begin())
		return error_line(cli, "terminal", "set TERM, or pipe the output through cat",
				  "no description of a terminal of this kind");
	cli->screen_end = top.live ? screen_end : NULL;
	status = watch_pools(&top);
	if (top.live)
		screen_end();
	return status;
}

const struct command command_top = {
	.name = "top",
	.operands = "",
	.max_operands = 0,
	.summary = "watch pools, loads, rates and faults",
	.example = "  pinpool top -d 1 --sort rate",
	.options = options,
	.columns = columns,
	.args_size = sizeof(struct top_args),
	.defaults = &(const struct top_args){.delay = "2"},
	.run = run,
};
