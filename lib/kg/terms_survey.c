/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Samples of columns; see terms_survey.h. */
#include "kg/terms_survey.h"

#include <errno.h>
#include <string.h>

/* Of tails that are kept, twice that before half of them go. */
#define SAMPLE_BYTES	 (1U << 20)
/* Of one tail. */
#define TAIL_BYTES_MAX	 1024U
/* Columns with shorter tails in all have no table. */
#define COLUMN_BYTES_MIN (8U << 10)
/* Of tails for each symbol: more symbols save little then, and each takes time to write and to read. */
#define BYTES_PER_SYMBOL 1024U
#define SYMBOLS_MIN	 256U

/* Keeps the groups of every second stride. */
static void thin(struct terms_survey *survey)
{
	struct survey_tail *tails = (struct survey_tail *)survey->tails.data;
	const size_t count = survey->tails.count / sizeof(*tails);
	size_t kept = 0, text = 0;

	survey->stride *= 2;
	for (size_t i = 0; i < count; i++) {
		if (tails[i].group % survey->stride)
			continue;
		memmove(survey->text.data + text, survey->text.data + tails[i].begin, tails[i].bytes);
		tails[kept] = tails[i];
		tails[kept++].begin = text;
		text += tails[i].bytes;
	}
	survey->text.count = text;
	survey->tails.count = kept * sizeof(*tails);
}

int terms_survey_add(struct terms_survey *survey, const struct terms_group *group)
{
	const uint64_t number = survey->groups++;

	if (!survey->stride)
		survey->stride = 1;
	for (unsigned int i = 0; i < group->count; i++) {
		struct survey_tail tail = {.begin = survey->text.count, .group = number};
		size_t common;
		const char *text = terms_group_tail(group, i, &common, &tail.bytes);

		survey->bytes += tail.bytes;
		if (number % survey->stride)
			continue;
		if (tail.bytes > TAIL_BYTES_MAX)
			tail.bytes = TAIL_BYTES_MAX;
		if (bytes_append(&survey->text, text, tail.bytes) || bytes_append(&survey->tails, &tail, sizeof(tail)))
			return -ENOMEM;
	}
	if (survey->text.count > 2 * SAMPLE_BYTES)
		thin(survey);
	return 0;
}

int terms_survey_end(struct terms_survey *survey, struct bytes *table)
{
	const struct survey_tail *tails = (const struct survey_tail *)survey->tails.data;
	const size_t count = survey->tails.count / sizeof(*tails);
	uint64_t most = survey->bytes / BYTES_PER_SYMBOL;
	struct bytes samples = {0};
	int err = 0;

	for (size_t i = 0; !err && survey->bytes >= COLUMN_BYTES_MIN && i < count; i++) {
		struct symbols_sample sample = {survey->text.data + tails[i].begin, tails[i].bytes};

		err = bytes_append(&samples, &sample, sizeof(sample));
	}
	if (!err && samples.count) {
		most = most < SYMBOLS_MIN ? SYMBOLS_MIN : most < SYMBOLS_MAX ? most : SYMBOLS_MAX;
		err = symbols_train((const struct symbols_sample *)samples.data, count, (uint32_t)most,
				    (double)survey->bytes / (double)(survey->text.count + 1), table);
	}
	bytes_free(&samples);
	survey->text.count = survey->tails.count = 0;
	survey->groups = survey->stride = survey->bytes = 0;
	return err;
}

void terms_survey_free(struct terms_survey *survey)
{
	bytes_free(&survey->text);
	bytes_free(&survey->tails);
}
