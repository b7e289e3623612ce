/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The progress bar; see progress.h. "bert   43% [=====>   ]  1.2G of 2.8G  2.21 GB/s  0:01 left  12/199 attn.q.weight"
 */
#include "progress.h"
#include "size.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	DEFAULT_WIDTH = 80,
	MAX_WIDTH = 240,
	LEAST_BAR = 8,
	MOST_BAR = 60,
	LEAST_TENSOR = 12, /* its number and some of its name */
	MOST_TENSOR = 80,
};

#define REDRAW_NS 100000000ULL
/* Share of the newest reading in the rate shown. */
#define SMOOTHING 0.2

static unsigned int terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return DEFAULT_WIDTH;
	return size.ws_col < MAX_WIDTH ? size.ws_col : MAX_WIDTH;
}

void progress_begin(struct progress *progress, const char *label, bool quiet)
{
	const char *term = getenv("TERM");

	/* A dumb terminal cannot take a line back. */
	*progress = (struct progress){
		.on = !quiet && isatty(STDERR_FILENO) && term && strcmp(term, "dumb"),
		.label = label,
	};
}

/* "0:07", "12:34", "1:02:03". */
static void time_text(double seconds, char *buf, size_t size)
{
	unsigned long s = seconds + 0.5;

	if (s >= 3600)
		snprintf(buf, size, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(buf, size, "%lu:%02lu", s / 60, s % 60);
}

static void draw_bar(char *line, size_t size, unsigned int width, double share)
{
	unsigned int i, filled = share * width;

	for (i = 0; i < width && i + 1 < size; i++)
		line[i] = i < filled ? '=' : i == filled ? '>' : ' ';
	line[i] = '\0';
}

/* "  12/199 attn.q.weight" in at most @width columns, @width at most MOST_TENSOR; the end of a name says most. */
static void tensor_text(const struct pinpool_progress *now, int width, char *buf)
{
	const char *name = now->tensor;
	char number[48];
	int room, n = 0;

	*buf = '\0';
	room = width - snprintf(number, sizeof(number), "  %llu/%llu ", (unsigned long long)now->tensor_index + 1,
				(unsigned long long)now->tensors);
	if (room < 1)
		return;
	n = sprintf(buf, "%s", number);
	if (strlen(name) > (size_t)room)
		name += strlen(name) - room;
	/* Names come from files: nothing that a terminal would obey, and one column for each byte. */
	for (; *name; name++)
		buf[n++] = *name < ' ' || *name > '~' ? '?' : *name;
	buf[n] = '\0';
}

int progress_draw(void *arg, const struct pinpool_progress *now)
{
	char done[SIZE_TEXT_MAX], total[SIZE_TEXT_MAX], left[32] = "", figures[128], bar[MOST_BAR + 1];
	char tensor[MOST_TENSOR + 1] = "";
	struct progress *progress = arg;
	unsigned int width;
	double share, rate;
	int room, n;

	if (!progress->on || !now->total)
		return 0;
	if (progress->drawn && now->elapsed_ns - progress->ns < REDRAW_NS)
		return 0;
	if (now->elapsed_ns > progress->ns) {
		rate = (double)(now->done - progress->done) * 1e9 / (double)(now->elapsed_ns - progress->ns);
		progress->rate = progress->rate ? (1 - SMOOTHING) * progress->rate + SMOOTHING * rate : rate;
	}
	progress->ns = now->elapsed_ns;
	progress->done = now->done;

	share = (double)now->done / (double)now->total;
	if (progress->rate > 0)
		time_text((double)(now->total - now->done) / progress->rate, left, sizeof(left));
	n = snprintf(figures, sizeof(figures), "%6s of %s  %5.2f GB/s  %s left", size_short(now->done, done),
		     size_short(now->total, total), progress->rate / 1e9, *left ? left : "-:--");

	/* The last column stays free: some terminals wrap when it is written. */
	width = terminal_width() - 1;
	room = (int)width - n - (int)strlen(progress->label) - 10;
	if (now->tensor && room >= LEAST_BAR + LEAST_TENSOR) {
		/* What a bar of the least width leaves, then half of the rest for each. */
		n = (room - LEAST_BAR - LEAST_TENSOR) / 2 + LEAST_TENSOR;
		tensor_text(now, n < MOST_TENSOR ? n : MOST_TENSOR, tensor);
		room -= (int)strlen(tensor);
	}
	if (room >= LEAST_BAR) {
		draw_bar(bar, sizeof(bar), room < MOST_BAR ? room : MOST_BAR, share);
		fprintf(stderr, "\r%s %3.0f%% [%s]  %s%s\033[K", progress->label, 100 * share, bar, figures, tensor);
	} else {
		fprintf(stderr, "\r%.*s\033[K", (int)width, figures);
	}
	fflush(stderr);
	progress->drawn = true;
	return 0;
}

void progress_end(struct progress *progress)
{
	if (progress->drawn) {
		fputs("\r\033[K", stderr);
		fflush(stderr);
	}
	progress->drawn = false;
}
